"""Broadcasts from the chat: written, looked at, tried on oneself, and sent by who may at that moment."""

from typing import Any

import pytest
from telegram.error import NetworkError

from adapters.telegram.screens import press
from core.domain.broadcast import Broadcast, BroadcastStatus, Segment
from core.domain.operator import DRAFT_LIFE, Role
from tests.adapters.telegram.chat_room import ANNA, BEN, ChatRoom, labels
from tests.adapters.telegram.test_admin import WHY, audit, data_of, grants, is_whole, presses_data

CARL = 33
PLANS = ("PRO_MONTHLY", "PRO_YEARLY")


@pytest.fixture
async def office(room: ChatRoom) -> ChatRoom:
    """Ben works here; Carl wants no news."""
    for who in (ANNA, BEN, CARL):
        await room.says("/start", who)
    carl = (await room.world.me(await room.customer(CARL))).standing.customer
    await room.world.billing.register_customer(carl.identities[0], no_broadcasts=True)
    await grants(room, Role.MANAGER)
    return room


async def taps(room: ChatRoom, verb: str, last: str = "", who: int = BEN) -> dict[str, Any]:
    """The first button of this verb, and of this last word."""
    told = [b["callback_data"] for row in room.screen(who)["buttons"] for b in row]
    found = [it for it in told if it.split(":")[1] == verb and it.endswith(last)]
    return await presses_data(room, found[0], who)


async def shows_a_picture(room: ChatRoom) -> dict[str, Any]:
    """A message without a text."""
    room.rules.send(BEN, "…", at=room.world.clock())
    [told] = room.rules.updates.fetched(0, 1, at=room.world.clock())
    del told["message"]["text"]
    await room.delivers()
    return room.screen(BEN)


async def written(room: ChatRoom, segment: str = "all", who: int = BEN) -> list[dict[str, Any]]:
    """All the screens on the way."""
    return [
        await room.says("/admin", who),
        await taps(room, "abroadcasts", who=who),
        await taps(room, "acompose", who=who),
        await room.says("An offer", who),
        await taps(room, "askip", who=who),
        await taps(room, "aplan", ":0", who),
        await taps(room, "asegment", segment, who),
    ]


async def known(room: ChatRoom) -> list[Broadcast]:
    return await room.world.billing.show_broadcasts.page(limit=9)


async def confirms(room: ChatRoom, label: str) -> str:
    """Begun, with a reason; the data of what confirms it."""
    await room.presses(label, BEN)
    return data_of(await room.says("looked at it", BEN), "✅ Do it")


async def test_it_is_written_looked_at_and_sent_once_whatever_is_tapped_twice(
    office: ChatRoom,
) -> None:
    room = office
    await room.says("/admin", BEN)
    assert "No broadcasts yet" in (await room.presses("📣 Broadcasts", BEN))["text"]
    assert "English" in (await room.presses("✍️ Write one", BEN))["text"], "one's own comes first"
    assert "cannot be sent" in (await shows_a_picture(room))["text"]
    asked = await room.says("An offer <3 {x}", BEN)
    assert "Русский" in asked["text"]
    room.starts_again()
    await room.says("Скидка", BEN)
    segments = await room.presses("PRO, one month", BEN)
    everybody = data_of(segments, "👥 Everybody")
    await presses_data(room, everybody)
    page = await presses_data(room, everybody)

    [draft] = await known(room)
    assert (draft.status, draft.draft.plan) == (BroadcastStatus.DRAFT, "PRO_MONTHLY")
    for told in ("not started", "An offer <3 {x}", "would reach: 2", "Русский: 1", "none: 1"):
        assert told in page["text"]

    await room.presses("👁 Send me a sample: Русский", BEN)
    sample, before = room.screen(BEN), len(room.messages(ANNA))
    assert sample["text"] == "Скидка"
    assert labels(sample) == ["Тариф «PRO на месяц»", "Не присылать новости"]
    page = await presses_data(room, press("abroadcast", draft.id))
    await room.presses("▶️ Start", BEN)
    assert "3 to 500" in (await room.says("go", BEN))["text"]
    will = await room.says("the spring", BEN)
    assert "2 customers" in will["text"]
    await room.world.sweeps()
    assert len(room.messages(ANNA)) == before, "so far nobody was sent anything"

    do_it = data_of(will, "✅ Do it")
    assert "Done" in (await presses_data(room, do_it))["text"]
    assert "done already" in (await presses_data(room, do_it))["text"]
    await room.world.sweeps()

    assert [it["text"] for it in room.messages(ANNA)[before:]] == ["Скидка"]
    assert room.screen(ANNA)["buttons"] == sample["buttons"], "the sample was the very message"
    page = await presses_data(room, press("abroadcast", draft.id))
    assert "Sent: 2 of 2" in page["text"]
    assert labels(page) == [
        *(f"👁 Send me a sample: {it}" for it in ("English", "Русский")),
        *("Refresh", "‹ Back"),
    ], "nothing is left to start, pause or stop"
    assert "✅ done 2/2 · An offer <3 {x}" in labels(await room.presses("‹ Back", BEN))
    assert await audit(room) == [
        (f"telegram:{BEN}", "broadcast.create", draft.id, "written in the chat"),
        (f"telegram:{BEN}", "broadcast.start", draft.id, "the spring"),
    ]


async def test_who_was_demoted_meanwhile_writes_starts_and_samples_nothing(
    office: ChatRoom,
) -> None:
    room = office
    await room.says("/admin", BEN)
    await taps(room, "abroadcasts")
    await taps(room, "acompose")
    await grants(room, Role.SUPPORT)
    assert "Use the buttons" in (await room.says("An offer", BEN))["text"]
    await grants(room, Role.MANAGER)
    await presses_data(room, press("acompose"))
    await room.says("An offer", BEN)
    await taps(room, "askip")
    await taps(room, "aplan", ":0")
    await grants(room, Role.SUPPORT)
    assert "out of date" in (await taps(room, "asegment", "all"))["text"]
    assert await known(room) == []
    assert "📣 Broadcasts" not in labels(await room.says("/admin", BEN))

    await grants(room, Role.MANAGER)
    await written(room)
    [draft] = await known(room)
    do_it = await confirms(room, "▶️ Start")
    await grants(room, Role.SUPPORT)
    assert "role does not let you" in (await presses_data(room, do_it))["text"]
    assert (
        "role does not let you"
        in (await presses_data(room, press("adeed", "start", draft.id)))["text"]
    )
    for verb in ("abroadcast", "abroadcastspage"):
        assert "out of date" in (await presses_data(room, press(verb, draft.id)))["text"]
    assert "out of date" in (await presses_data(room, press("asample", draft.id, "en")))["text"]
    assert await known(room) == [draft], "not started"


async def test_it_is_paused_resumed_and_stopped_and_says_why_nothing_moves(
    office: ChatRoom,
) -> None:
    room = office
    await room.world.billing.turn_switch("broadcasts", is_on=False, deed=WHY)
    await written(room)
    [draft] = await known(room)
    for label, status in [
        ("▶️ Start", BroadcastStatus.RUNNING),
        ("⏸ Pause", BroadcastStatus.PAUSED),
        ("▶️ Resume", BroadcastStatus.RUNNING),
        ("⏹ Stop for good", BroadcastStatus.STOPPED),
    ]:
        do_it = await confirms(room, label)
        await presses_data(room, do_it)
        await room.world.sweeps()
        [one] = await known(room)
        assert one.status is status
        page = await room.presses("📣 To the broadcast", BEN)
        assert ("“broadcasts” is off" in page["text"]) == (status is BroadcastStatus.RUNNING)

    await presses_data(room, press("adeed", "resume", draft.id))
    await room.says("after all", BEN)
    assert "things have changed" in (await room.presses("✅ Do it", BEN))["text"]
    actions = [action for _, action, _, _ in await audit(room)]
    assert actions == [f"broadcast.{it}" for it in ("create", "start", "pause", "resume", "stop")]


async def test_a_press_answers_only_what_its_own_draft_asks(office: ChatRoom) -> None:
    room = office
    await room.says("/admin", BEN)
    await taps(room, "abroadcasts")
    old = data_of(await taps(room, "acompose"), "Skip this language")
    last = await presses_data(room, old)
    assert labels(last) == ["Cancel"], "one text there has to be"
    assert (await presses_data(room, old))["text"] == last["text"], "a second tap skips no more"
    await room.says("Скидка", BEN)
    word = old.split(":")[2]
    plans = await presses_data(room, press("aplan", word, "NO_SUCH"))
    assert "leads to a plan" in plans["text"]
    assert "leads to a plan" in (await room.says("PRO_MONTHLY", BEN))["text"]
    assert (await presses_data(room, press("asegment", word, "all")))["text"] == plans["text"]
    for_whom = await presses_data(room, press("aplan", word, "PRO_YEARLY"))
    nobody = await presses_data(room, press("asegment", word, "nobody"))
    assert nobody["text"] == for_whom["text"]

    await presses_data(room, press("acompose"))
    overtaken = await presses_data(room, press("asegment", word, "all"))
    assert "something else was begun" in overtaken["text"]
    await room.presses("🏠 To the desk", BEN)
    await presses_data(room, press("acompose"))
    late = data_of(room.screen(BEN), "Skip this language")
    room.world.clock.advance(DRAFT_LIFE)
    assert "too long ago" in (await presses_data(room, late))["text"]
    assert await known(room) == []


async def test_a_message_that_is_delivered_twice_answers_one_question(office: ChatRoom) -> None:
    room = office
    await room.says("/admin", BEN)
    await taps(room, "abroadcasts")
    await taps(room, "acompose")
    troubles = [NetworkError("away")]

    async def once(method: str) -> None:
        if troubles and method == "sendMessage":
            raise troubles.pop()

    room.network.on_the_way = once
    await room.says("An offer", BEN)
    assert room.owed() == 1, "nobody saw what is asked next"
    await room.delivers()

    assert "Русский" in room.screen(BEN)["text"], "it was not taken for the other text too"
    await taps(room, "askip")
    await taps(room, "aplan", ":0")
    await taps(room, "asegment", "all")
    [draft] = await known(room)
    assert draft.draft.texts == {"en": "An offer"}


@pytest.mark.parametrize("who", [BEN, ANNA], ids=["en", "ru"])
async def test_each_choice_means_those_it_names(office: ChatRoom, who: int) -> None:
    room = office
    await grants(room, Role.OWNER, who)
    meant = {
        "all": Segment(),
        "paying": Segment(PLANS, has_paid=True),
        "never": Segment(has_paid=False),
        "trialing": Segment(is_trialing=True),
        "expired": Segment(expired_days=30),
    }
    for name, segment in meant.items():
        assert all(is_whole(screen) for screen in await written(room, name, who))
        [newest, *_] = await known(room)
        assert newest.draft.segment == segment
        room.world.clock.advance(seconds=1)
