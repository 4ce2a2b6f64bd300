"""What the simulation found, as small as it can be told on every store."""

from datetime import timedelta

from core.domain.event import Job
from core.domain.payment import InboxStatus, PaymentId
from core.ports.unit_of_work import Store
from tests.builders import NOON
from tests.world import World


async def test_a_retry_that_is_written_twice_keeps_its_job(store: Store) -> None:
    """The answer to the first commit was lost, so the pump writes it again."""
    async with store.write() as uow:
        await uow.jobs.enqueue(Job("settle_payment", {}, NOON, dedupe="inb_1"))
        await uow.commit()
    async with store.write() as uow:
        (job,) = await uow.jobs.claim(NOON, limit=1)
        await uow.commit()

    for _ in range(2):
        async with store.write() as uow:
            await uow.jobs.retry(job, at=NOON + timedelta(seconds=1), error="unavailable")
            await uow.commit()

    async with store.read() as view:
        assert await view.jobs.waiting() == 1


async def test_an_outage_of_two_hours_needs_no_person(world: World) -> None:
    """The checkouts are found due again every two minutes; nothing is wrong with them."""
    await world.buys(await world.customer())
    world.gateway.unavailable(10_000)

    for _ in range(60):
        await world.time_passes(minutes=2)

    assert await world.cases() == []


async def test_a_claim_is_doubted_for_a_day_however_often_it_is_repeated(world: World) -> None:
    claims_too_much = world.gateway.webhook(PaymentId("yookassa-00009999"))
    item = await world.billing.take_in_webhook("yookassa", claims_too_much)

    for _ in range(40):
        await world.billing.take_in_webhook("yookassa", claims_too_much)
        await world.pump.drain()
    for _ in range(26):
        await world.time_passes(hours=1)

    async with world.store.read() as view:
        kept = await view.inbox.find(item.id)
    assert kept is not None
    assert kept.status is InboxStatus.FAILED
    assert await world.cases() == ["unconfirmed"]
