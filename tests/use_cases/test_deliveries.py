"""A delivery is tried until it is heard, ends for a person to see, and is told again on request."""

import asyncio
from datetime import timedelta

import pytest

from adapters.memory_notifier import MemoryWebhooks
from adapters.persistence.memory import MemoryStore
from adapters.persistence.sql.store import open_store
from core.domain.audit import Deed
from core.domain.delivery import Delivery, DeliveryId, DeliveryNotFound, DeliveryStatus, Reply
from core.use_cases.announcements import announcing
from core.use_cases.consequences import consequences
from core.use_cases.deliveries import AT_ONCE_MAX, DeliverWebhook, WebhooksOff, WebhooksPaused
from tests.contracts.units import seen, written
from tests.money_builders import a_fresh_delivery
from tests.sql_databases import DATA_KEY
from tests.world import World

ANN = Deed("ann", "the receiver is mended")
NO = Reply(500, "500")
HOURS = (1, 1, 1, 3, 6, 12, 16, 23, 27)
"""After each wait the next try is due."""
GONE = Reply(410, "410")
HOST = "app.example.com"


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def world(request: pytest.FixtureRequest):
    webhooks = MemoryWebhooks(HOST)
    follow = announcing(consequences, webhooks.wants)
    if request.param == "memory":
        yield await World(MemoryStore(follow), webhooks=webhooks).opens()
        return
    url = request.getfixturevalue(f"{request.param}_url")
    sql = open_store(url, consequences=follow, data_key=DATA_KEY)
    yield await World(sql, webhooks=webhooks).opens()
    await sql.close()


async def exhausts(world: World, ref: str = "telegram:1001") -> None:
    """One thing to tell, and no other."""
    await world.uses(await world.customer(ref), "all of them", units=3)
    await world.pump.drain()


async def all_of(world: World) -> list[Delivery]:
    return await world.billing.show_deliveries(limit=100)


async def one_of(world: World) -> Delivery:
    [delivery] = await all_of(world)
    return delivery


def answers(world: World, *replies: Reply) -> None:
    world.webhooks.replies[:] = replies


async def until_it_fails(world: World) -> None:
    answers(world, *[NO] * 10)
    await exhausts(world)
    for hours in HOURS:
        await world.time_passes(hours=hours)


async def test_what_is_heard_is_not_told_again(world: World) -> None:
    await exhausts(world)
    await world.time_passes(days=4)

    assert len(world.webhooks.sent) == 1
    delivery = await one_of(world)
    assert delivery.status is DeliveryStatus.DELIVERED
    assert (delivery.host, delivery.attempts, delivery.answer) == (HOST, 1, "204")


async def test_every_try_says_the_same_under_the_same_id(world: World) -> None:
    answers(world, NO, Reply(None, "no answer in time"), NO)
    await exhausts(world)
    for minutes in (1, 6, 40):
        await world.time_passes(minutes=minutes)

    assert (await one_of(world)).status is DeliveryStatus.DELIVERED
    assert len(world.webhooks.sent) == 4
    assert len({(one.id, one.body) for one in world.webhooks.sent}) == 1


async def test_a_receiver_that_is_away_for_days_is_a_case_and_paused(world: World) -> None:
    await until_it_fails(world)

    failed = await one_of(world)
    assert (failed.status, failed.attempts) == (DeliveryStatus.FAILED, 10)
    assert await world.cases() == ["webhooks"]
    await exhausts(world, "telegram:1002")
    assert len(world.webhooks.sent) == 10
    assert [one.answer for one in await all_of(world)] == ["paused", "500"]


async def test_a_person_ends_the_pause_and_has_it_told(world: World) -> None:
    await until_it_fails(world)
    failed = await one_of(world)
    with pytest.raises(WebhooksPaused) as refused:
        await world.billing.replay_delivery(failed.id, deed=ANN)
    await world.billing.close_case(refused.value.cause, deed=ANN)
    await world.billing.replay_delivery(failed.id, deed=ANN)
    await world.pump.drain()

    delivery = await one_of(world)
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.DELIVERED, 1)
    assert len({(one.id, one.body) for one in world.webhooks.sent}) == 1
    lines = await world.billing.show_audit(limit=10, subject=failed.id)
    assert [(line.actor, line.action) for _, line, _ in lines] == [("ann", "delivery.replay")]


async def test_one_that_alone_is_not_taken_stops_no_other(world: World) -> None:
    answers(world, *[NO] * 8)
    await exhausts(world)
    for hours in HOURS[:7]:
        await world.time_passes(hours=hours)
    await exhausts(world, "telegram:1002")  # Taken.
    answers(world, NO, NO)
    for hours in HOURS[7:]:
        await world.time_passes(hours=hours)

    statuses = [one.status for one in await all_of(world)]
    assert statuses == [DeliveryStatus.DELIVERED, DeliveryStatus.FAILED]
    assert await world.cases() == []


async def test_who_says_that_it_is_gone_is_asked_no_more(world: World) -> None:
    answers(world, GONE)
    await exhausts(world)
    await exhausts(world, "telegram:1002")
    await world.time_passes(days=4)

    assert len(world.webhooks.sent) == 1
    assert await world.cases() == ["webhooks"]


async def test_a_second_pause_is_a_second_case(world: World) -> None:
    answers(world, GONE, GONE)
    await exhausts(world)
    [case] = await seen(world.store, lambda view: view.open_cases(limit=10))
    await world.billing.close_case(case.cause, deed=ANN)
    world.clock.advance(timedelta(minutes=1))
    await world.billing.replay_delivery((await one_of(world)).id, deed=ANN)
    await world.pump.drain()

    assert len(world.webhooks.sent) == 2
    assert await world.cases() == ["webhooks"]


class Deadly(MemoryWebhooks):
    """The process dies while the first try is under way."""

    async def send(self, delivery: Delivery) -> Reply:
        await super().send(delivery)
        if len(self.sent) == 1:
            raise asyncio.CancelledError
        return Reply(204, "204")


async def test_a_try_that_died_is_made_again_with_the_same_words(world: World) -> None:
    await written(world.store, lambda uow: uow.deliveries.add(a_fresh_delivery()))
    deadly = Deadly(HOST)
    deliver = DeliverWebhook(world.store, deadly, world.clock)
    with pytest.raises(asyncio.CancelledError):
        await deliver(a_fresh_delivery().id)
    await deliver(a_fresh_delivery().id)

    assert len({(one.id, one.body) for one in deadly.sent}) == 1
    assert (await one_of(world)).status is DeliveryStatus.DELIVERED


async def test_a_job_that_was_lost_is_found_by_time(world: World) -> None:
    await written(world.store, lambda uow: uow.deliveries.add(a_fresh_delivery()))
    await world.time_passes(minutes=3)

    assert (await one_of(world)).status is DeliveryStatus.DELIVERED


class Slow(MemoryWebhooks):
    """Answers once told to."""

    def __init__(self) -> None:
        super().__init__(HOST)
        self.answers = asyncio.Event()

    async def send(self, delivery: Delivery) -> Reply:
        await super().send(delivery)
        await self.answers.wait()
        return Reply(204, "204")


async def test_a_slow_receiver_takes_only_so_many_at_once(world: World) -> None:
    slow = Slow()
    deliver = DeliverWebhook(world.store, slow, world.clock)
    ids = [DeliveryId(f"msg_{number:032x}") for number in range(AT_ONCE_MAX + 1)]
    for id_ in ids:
        await written(
            world.store, lambda uow, id_=id_: uow.deliveries.add(a_fresh_delivery(id=id_))
        )
    under_way = [asyncio.create_task(deliver(id_)) for id_ in ids[:AT_ONCE_MAX]]
    while len(slow.sent) < AT_ONCE_MAX:
        await asyncio.sleep(0.001)
    await deliver(ids[-1])
    slow.answers.set()
    await asyncio.gather(*under_way)

    assert len(slow.sent) == AT_ONCE_MAX
    [waiting] = await world.billing.show_deliveries(limit=9, status=DeliveryStatus.WAITING)
    assert (waiting.id, waiting.attempts) == (ids[-1], 0)
    assert waiting.due_at == world.clock() + timedelta(minutes=1)


async def test_what_waits_when_webhooks_are_switched_off_has_failed(world: World) -> None:
    answers(world, NO)
    await exhausts(world)
    world.webhooks.host = None
    await exhausts(world, "telegram:1002")
    await world.time_passes(hours=1)

    delivery = await one_of(world)
    assert (delivery.status, delivery.answer) == (DeliveryStatus.FAILED, "switched off")
    assert await world.cases() == []
    with pytest.raises(WebhooksOff):
        await world.billing.replay_delivery(delivery.id, deed=ANN)
    with pytest.raises(WebhooksOff):
        await world.billing.try_webhook()


async def test_what_was_delivered_may_be_told_again_too(world: World) -> None:
    await exhausts(world)
    await world.billing.replay_delivery((await one_of(world)).id, deed=ANN)
    await world.pump.drain()

    assert len({(one.id, one.body) for one in world.webhooks.sent}) == 1
    assert len(world.webhooks.sent) == 2


async def test_nothing_is_told_again_that_never_was(world: World) -> None:
    with pytest.raises(DeliveryNotFound):
        await world.billing.replay_delivery(DeliveryId(f"msg_{'0' * 32}"), deed=ANN)


async def test_a_test_is_sent_at_once_and_kept_nowhere(world: World) -> None:
    answers(world, NO)

    assert await world.billing.try_webhook() == NO
    assert [one.event for one in world.webhooks.sent] == ["webhook.test"]
    assert await all_of(world) == []


async def test_what_has_ended_is_forgotten_after_forty_days(world: World) -> None:
    await exhausts(world)
    await world.time_passes(days=39)
    assert len(await all_of(world)) == 1
    await world.time_passes(days=2)

    assert await all_of(world) == []
    assert await seen(world.store, lambda view: view.jobs.waiting()) == 0
