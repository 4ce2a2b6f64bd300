"""What the simulation found, as small as it can be told on every store."""

from datetime import timedelta

from core.domain import ledger
from core.domain.audit import Deed
from core.domain.customer import CustomerId
from core.domain.event import Job
from core.domain.money import Money
from core.domain.payment import InboxStatus, OutgoingStatus, PaymentId
from core.domain.withdrawal import WithdrawalStatus
from core.ports.unit_of_work import Store
from core.use_cases.buying import WALLET
from core.use_cases.checkouts import Started
from tests.builders import NOON, YOOKASSA, rub
from tests.market import opens_market, proves, status, withdraws
from tests.world import RETURN, World


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


async def test_what_came_back_while_it_was_thought_on_its_way_is_found_out(world: World) -> None:
    """The notice came first; the gateway, asked at once, still said that it was done."""
    market = await opens_market(world)
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(500))
    asked = await withdraws(market, anna, method, rub(500))
    [payout_id] = market.gateway.payouts
    market.gateway.finish_payouts()
    webhook = market.gateway.webhook(PaymentId(payout_id), "payout.returned")
    await market.billing.take_in_webhook("yookassa", webhook)
    await market.pump.drain()
    assert await status(market, anna, asked) is WithdrawalStatus.DONE

    market.gateway.finish_payouts(OutgoingStatus.RETURNED)
    await market.time_passes(hours=6)

    assert await status(market, anna, asked) is WithdrawalStatus.RETURNED
    assert await market.cash(anna) == {"RUB": 50000}


async def test_what_came_back_is_not_due_for_ever(world: World) -> None:
    market = await opens_market(world)
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(500))
    await withdraws(market, anna, method, rub(500))
    [payout_id] = market.gateway.payouts
    market.gateway.finish_payouts()
    await market.time_passes(minutes=10)
    await market.billing.ask_payout(YOOKASSA, payout_id)
    market.gateway.finish_payouts(OutgoingStatus.RETURNED)
    await market.billing.ask_payout(YOOKASSA, payout_id)

    await market.time_passes(hours=7)
    market.clock.advance(timedelta(minutes=10))

    assert await market.billing.sweep() == 0


async def test_a_fee_for_what_came_back_before_we_knew_that_it_had_left_is_booked(
    world: World,
) -> None:
    market = await opens_market(world)
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(500))
    await withdraws(market, anna, method, rub(500))
    market.gateway.finish_payouts(OutgoingStatus.RETURNED, fee=rub(10))

    await market.time_passes(minutes=10)

    assert await market.books(ledger.fees(YOOKASSA)) == -1000


async def from_wallet(world: World, who: CustomerId, plan: str) -> Started:
    return await world.billing.start_purchase(
        who, plan, return_url=RETURN, cause=world.cause(), gateway=WALLET
    )


async def gives_bonus(world: World, who: CustomerId, amount: Money) -> None:
    deed = Deed("ann", "a gift")
    await world.billing.adjust_wallet(who, amount, account="bonus", deed=deed, cause=world.cause())


async def test_the_rest_of_a_plan_paid_by_bonus_is_bonus_again(world: World) -> None:
    """Else a gift becomes money that can be withdrawn, by a change of plan."""
    anna = await world.customer()
    await gives_bonus(world, anna, rub(299))
    await from_wallet(world, anna, "PRO_MONTHLY")
    await world.deposits(anna, rub(2990))

    await from_wallet(world, anna, "PRO_YEARLY")

    assert await world.cash(anna) == {}
    assert await world.books(ledger.bonus(anna)) == 29900


async def test_of_a_rest_no_more_is_cash_than_was_paid_in_cash(world: World) -> None:
    """Twice the month, of which a gift paid a half of one, and a part has gone back already."""
    anna = await world.customer()
    await world.deposits(anna, rub(449))
    await gives_bonus(world, anna, rub(149))
    first = await from_wallet(world, anna, "PRO_MONTHLY")
    await from_wallet(world, anna, "PRO_MONTHLY")
    await world.refunds(first, rub(100))
    assert await world.cash(anna) == {"RUB": 10000}
    await world.deposits(anna, rub(2890))

    await from_wallet(world, anna, "PRO_YEARLY")

    assert await world.cash(anna) == {"RUB": 34900}
    assert await world.books(ledger.bonus(anna)) == 14900


async def test_a_plan_that_was_refunded_in_part_leaves_a_smaller_rest(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)
    await world.refunds(started, rub(199))
    await world.deposits(anna, rub(2990))

    await from_wallet(world, anna, "PRO_YEARLY")

    assert await world.cash(anna) == {"RUB": 10000}


async def test_the_last_part_of_a_refund_takes_no_more_of_what_others_paid(world: World) -> None:
    """Two months, of which one goes back in two parts: the other is paid for as before."""
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)
    await world.pays_and_is_heard(await world.buys(anna))
    await world.refunds(started, rub(199))

    await world.refunds(started)

    period = (await world.me(anna)).standing.subscription.period
    assert period is not None
    assert (period.count, period.paid) == (1, rub(299))
