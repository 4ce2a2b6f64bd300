"""Broadcasts: to whom they are for, each once, in nobody's night, and no longer than is wanted."""

import asyncio
from datetime import UTC, datetime

import pytest

from adapters.persistence.memory import MemoryStore
from core.domain.audit import Deed
from core.domain.broadcast import (
    RUNNING_MAX,
    TEXT_MAX,
    Broadcast,
    BroadcastId,
    BroadcastMove,
    BroadcastMoved,
    BroadcastNotUsable,
    BroadcastsCrowded,
    BroadcastStatus,
    Draft,
    RecipientStatus,
    Segment,
)
from core.domain.cause import KeyUsedOtherwise, StoreBusy
from core.domain.customer import CustomerId, identity
from core.domain.plan import PlanCode
from core.ports.notifier import (
    CustomerUnreachable,
    Letter,
    LetterRefused,
    NotifierUnavailable,
    SentTooFast,
)
from core.use_cases.broadcasts import BATCH
from core.use_cases.consequences import consequences
from tests.contracts.units import seen
from tests.world import World

OLGA = Deed("olga", "the spring offer")
START, PAUSE, RESUME, STOP = BroadcastMove
OFFER = Draft({"ru": "Скидка <3", "en": "An offer"})


@pytest.fixture
async def shop() -> World:
    return await World(MemoryStore(consequences)).opens()


async def people(world: World, count: int, language: str = "ru") -> list[CustomerId]:
    registered = [
        await world.billing.register_customer(identity(f"telegram:{n}"), language=language)
        for n in range(1, count + 1)
    ]
    return [one.id for one in registered]


async def created(world: World, draft: Draft = OFFER) -> BroadcastId:
    made = await world.billing.create_broadcast(draft, deed=OLGA, cause=world.cause())
    return made.id


async def moves(world: World, broadcast_id: BroadcastId, move: BroadcastMove) -> Broadcast:
    return await world.billing.move_broadcast(broadcast_id, move, deed=OLGA)


async def now(world: World, broadcast_id: BroadcastId) -> Broadcast:
    return await world.billing.show_broadcasts.one(broadcast_id)


def told(one: Broadcast) -> tuple[int, int, int, int, int]:
    return one.sent, one.unreachable, one.failed, one.unsure, one.left


def reached(world: World) -> list[CustomerId]:
    return [who for who, _ in world.notifier.mailed]


async def test_everybody_is_sent_it_once_in_their_language(world: World) -> None:
    everybody = await people(world, BATCH + 2)
    await world.billing.register_customer(identity("telegram:2"), language="de")
    offer = await created(world)
    assert (await world.billing.show_broadcasts.preview(offer)).by_language == {
        "de": 1,
        "ru": BATCH + 1,
    }
    await world.sweeps()
    assert reached(world) == [], "a draft goes to nobody"

    started = await moves(world, offer, START)
    await world.sweeps()
    await people(world, BATCH + 4)
    await world.time_passes(hours=1)

    assert (started.status, started.expected) == (BroadcastStatus.RUNNING, BATCH + 2)
    assert sorted(reached(world)) == sorted(everybody)
    letters = dict(world.notifier.mailed)
    assert letters[everybody[1]] == Letter("An offer")
    assert letters[everybody[0]] == Letter("Скидка <3")
    done = await now(world, offer)
    assert (done.status, told(done)) == (BroadcastStatus.DONE, (BATCH + 2, 0, 0, 0, 0))
    with pytest.raises(BroadcastMoved):
        await moves(world, offer, START)


async def test_who_sleeps_is_sent_it_when_the_quiet_hours_are_over(shop: World) -> None:
    anna, boris, clara = await people(shop, 3)
    shop.clock.at = datetime(2026, 3, 10, 21, tzinfo=UTC)  # Midnight in Moscow.
    far = await shop.billing.register_customer(identity("telegram:9"), zone="Asia/Vladivostok")
    offer = await created(shop)
    await moves(shop, offer, START)
    await shop.sweeps()
    assert reached(shop) == []
    await shop.billing.register_customer(identity("telegram:2"), no_broadcasts=True)

    await shop.time_passes(hours=2)
    assert reached(shop) == [far.id], "nine in the morning in Vladivostok"
    assert (await now(shop, offer)).status is BroadcastStatus.RUNNING
    await shop.time_passes(hours=7)

    assert sorted(reached(shop)) == sorted([anna, clara, far.id]), "Boris said no meanwhile"
    assert boris not in reached(shop)
    assert (await now(shop, offer)).status is BroadcastStatus.DONE


async def test_whoever_was_being_sent_to_at_a_death_is_not_sent_it_again(shop: World) -> None:
    anna, *others = await people(shop, 4)
    offer = await created(shop)
    await moves(shop, offer, START)
    shop.notifier.mail_fails.extend([None, asyncio.CancelledError()])
    with pytest.raises(asyncio.CancelledError):
        await shop.billing.send_broadcast(offer)

    await shop.time_passes(minutes=10)

    assert reached(shop) == [anna], "what a batch had taken is nobody's to send again"
    after = await now(shop, offer)
    assert (after.status, told(after)) == (BroadcastStatus.DONE, (0, 0, 0, 4, 0))
    kept = await seen(
        shop.store,
        lambda view: view.broadcasts.recipients(offer, status=RecipientStatus.TAKEN, limit=9),
    )
    assert sorted(one.customer_id for one in kept) == sorted([anna, *others])


async def test_trouble_is_counted_waited_for_and_never_repeated(shop: World) -> None:
    everybody = await people(shop, 6)
    away, refused, unsure = everybody[0], everybody[1], everybody[3]
    shop.notifier.away.add(away)
    shop.notifier.mail_fails.extend([LetterRefused(), SentTooFast(30)])
    offer = await created(shop)
    await moves(shop, offer, START)
    await shop.sweeps()
    assert (reached(shop), told(await now(shop, offer))) == ([], (0, 1, 1, 0, 4))

    await shop.time_passes(seconds=29)
    assert reached(shop) == [], "as long as we were told"
    shop.notifier.mail_fails.extend([None, NotifierUnavailable()])
    await shop.time_passes(seconds=2)
    assert reached(shop) == [everybody[2]], "an answer that was lost stops the rest for a while"
    await shop.time_passes(minutes=2)

    assert sorted(reached(shop)) == sorted(set(everybody) - {away, refused, unsure})
    done = await now(shop, offer)
    assert (done.status, told(done)) == (BroadcastStatus.DONE, (3, 1, 2, 0, 0))
    assert (await shop.me(away)).standing.customer.unreachable_since is not None


async def test_a_store_that_cannot_note_who_has_left_keeps_it_from_nobody_else() -> None:
    is_busy = [False]

    async def pause() -> None:
        await asyncio.sleep(0)
        if is_busy[0] and not shop.notifier.mail_fails:
            is_busy[0] = False
            raise StoreBusy

    shop = await World(MemoryStore(consequences, pause)).opens()
    _, *others = await people(shop, 3)
    offer = await created(shop)
    await moves(shop, offer, START)
    shop.notifier.mail_fails.append(CustomerUnreachable())
    is_busy[0] = True
    await shop.billing.send_broadcast(offer)

    assert not is_busy[0]
    assert sorted(reached(shop)) == sorted(others)
    assert told(await now(shop, offer)) == (2, 1, 0, 0, 0)


async def test_what_nobody_takes_is_paused_by_itself(shop: World) -> None:
    await people(shop, 2 * BATCH)
    shop.notifier.mail_fails.extend([LetterRefused() for _ in range(BATCH)])
    offer = await created(shop)
    await moves(shop, offer, START)
    await shop.sweeps()

    assert (await now(shop, offer)).status is BroadcastStatus.PAUSED
    assert reached(shop) == []
    await moves(shop, offer, RESUME)
    await shop.sweeps()
    assert told(await now(shop, offer)) == (BATCH, 0, BATCH, 0, 0)


async def test_it_is_paused_resumed_and_stopped_with_a_line_each(shop: World) -> None:
    await people(shop, 3 * BATCH)
    offer = await created(shop)
    await moves(shop, offer, START)
    await shop.billing.send_broadcast(offer)
    await moves(shop, offer, PAUSE)
    again = await moves(shop, offer, PAUSE)
    await shop.time_passes(hours=1)
    assert (again.status, len(reached(shop))) == (BroadcastStatus.PAUSED, BATCH)

    await moves(shop, offer, RESUME)
    await shop.billing.send_broadcast(offer)
    stopped = await moves(shop, offer, STOP)
    await shop.time_passes(hours=1)

    assert len(set(reached(shop))) == len(reached(shop)) == 2 * BATCH
    assert (stopped.status, told(stopped)) == (BroadcastStatus.STOPPED, (2 * BATCH, 0, 0, 0, 0))
    with pytest.raises(BroadcastMoved):
        await moves(shop, offer, RESUME)
    lines = await shop.billing.show_audit(limit=9, subject=offer)
    assert [line.action for _, line, _ in lines] == [
        f"broadcast.{one}" for one in ("create", "start", "pause", "resume", "stop")
    ]


async def test_the_switch_holds_all_of_them(shop: World) -> None:
    await people(shop, 1)
    offer = await created(shop)
    await moves(shop, offer, START)
    await shop.billing.turn_switch("broadcasts", is_on=False, deed=OLGA)
    await shop.time_passes(hours=1)
    assert reached(shop) == []

    await shop.billing.turn_switch("broadcasts", is_on=True, deed=OLGA)
    await shop.time_passes(minutes=2)
    assert len(reached(shop)) == 1


async def test_only_some_run_at_once(shop: World) -> None:
    offers = [await created(shop) for _ in range(RUNNING_MAX + 1)]
    for one in offers[:-1]:
        await moves(shop, one, START)
    with pytest.raises(BroadcastsCrowded):
        await moves(shop, offers[-1], START)
    await shop.sweeps()
    await moves(shop, offers[-1], START)


async def test_a_preview_tells_who_asked_for_none(shop: World) -> None:
    await people(shop, 4)
    await shop.billing.register_customer(identity("telegram:1"), no_broadcasts=True)
    await shop.billing.register_customer(identity("telegram:2"), fewer_reminders=True)
    paid = Draft({"en": "Thanks"}, Segment(has_paid=True))
    preview = await shop.billing.show_broadcasts.preview(await created(shop))
    nobody = await shop.billing.show_broadcasts.preview(await created(shop, paid))

    assert (preview.by_language, preview.total, preview.declined) == ({"ru": 2}, 2, 2)
    assert (nobody.total, nobody.declined) == (0, 0)


async def test_one_key_makes_one(shop: World) -> None:
    cause = shop.cause("same")
    first, again = [
        await shop.billing.create_broadcast(OFFER, deed=OLGA, cause=cause) for _ in range(2)
    ]
    assert first == again
    with pytest.raises(KeyUsedOtherwise):
        await shop.billing.create_broadcast(OFFER, deed=OLGA, cause=shop.cause("same", "other"))
    with pytest.raises(BroadcastNotUsable):
        await created(shop, Draft({"en": "Hi"}, plan=PlanCode("NOTHING")))
    page = await shop.billing.show_broadcasts.page(limit=9)
    assert [one.id for one in page] == [first.id]


@pytest.mark.parametrize(
    "draft",
    [
        lambda: Draft({}),
        lambda: Draft({"en": " \n"}),
        lambda: Draft({"en": "a\0b"}),
        lambda: Draft({"en": "\N{GRINNING FACE}" * (TEXT_MAX // 2) + "!"}),
        lambda: Draft({"en": "Hi"}, url="http://example.com/"),
        lambda: Draft({"en": "Hi"}, url="https://"),
        lambda: Draft({"en": "Hi"}, plan=PlanCode("PRO_MONTHLY"), url="https://example.com/"),
        lambda: Draft({"en": "Hi"}, Segment(expired_days=0)),
        lambda: Draft({"en": "Hi"}, Segment(language="english")),
        lambda: Draft({"English": "Hi"}),
    ],
)
def test_what_could_not_be_sent_is_refused_at_once(draft) -> None:
    with pytest.raises(BroadcastNotUsable):
        draft()
    whole = "\N{GRINNING FACE}" * (TEXT_MAX // 2)
    assert Draft({"en": whole}).text_for("ru-RU") == whole
    assert Draft({"ru": "а", "en": "b"}).text_for("de") == "b"


async def test_a_crowd_is_gone_through_bit_by_bit(shop: World) -> None:
    """Far more than a walk looks at, and few of them are meant."""
    await people(shop, 170)
    for n in (3, 120, 169):
        await shop.billing.register_customer(identity(f"telegram:{n}"), language="en")
    offer = await created(shop, Draft({"en": "Hi"}, Segment(language="en")))
    await moves(shop, offer, START)
    await shop.sweeps()

    done = await now(shop, offer)
    assert (done.status, told(done)) == (BroadcastStatus.DONE, (3, 0, 0, 0, 0))
    assert done.cursor is not None
