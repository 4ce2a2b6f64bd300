"""What a gateway lists and what the books say are compared, mended where that is safe, or told."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from core.domain import ledger
from core.domain.money import Money
from core.domain.payment import Foreign, OutgoingStatus, PaymentFacts, PaymentId
from core.domain.purchase import PurchaseStatus
from core.domain.reconciliation import Found, Kind, Reconciliation, Total
from core.domain.withdrawal import WithdrawalStatus
from core.ports.payment_gateway import GatewayNotFound, GatewayUnavailable
from core.use_cases.reconciling import GatewayCannotList, Reconcile
from tests.builders import NOON, YOOKASSA, rub
from tests.market import CLEARING, held, opens_market, proves, status, withdraws
from tests.world import World

PRICE = rub(299)
HOUR = timedelta(hours=1)


async def reconciled(world: World) -> Reconciliation:
    return await world.billing.reconcile(YOOKASSA, NOON - HOUR)


def counted(done: Reconciliation) -> dict[str, int]:
    return {found.value: count for found, count in done.counts.items() if count}


def the_total(done: Reconciliation, kind: Kind) -> Total:
    [total] = [one for one in done.totals if one.kind is kind]
    return total


async def paid_and_heard(world: World) -> PaymentId:
    return await world.pays_and_is_heard(await world.buys(await world.customer()))


async def test_where_all_was_heard_of_both_sides_agree(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)
    await world.refunds(started, rub(100))
    await world.hears_of_a_refusal(await world.buys(anna, "PRO_YEARLY"))

    done = await reconciled(world)

    assert done.agrees
    assert counted(done) == {"agrees": 3}
    assert done.totals == (
        Total(Kind.PAYMENT, 1, PRICE, PRICE),
        Total(Kind.REFUND, 1, rub(100), rub(100)),
    )
    assert (done.healed, done.cases, await world.cases()) == ((), (), [])


async def test_a_payment_that_nobody_told_of_is_booked_once(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    payment_id = world.pays(started)

    first, second = await reconciled(world), await reconciled(world)

    assert (await world.purchase(anna, started.purchase.id)).purchase.status is PurchaseStatus.PAID
    assert counted(first) == {"missing_here": 1}
    assert [(one.kind, one.id) for one in first.healed] == [(Kind.PAYMENT, payment_id)]
    assert the_total(first, Kind.PAYMENT) == Total(Kind.PAYMENT, 1, PRICE, PRICE)
    assert first.agrees
    assert (counted(second), second.healed) == ({"agrees": 1}, ())
    assert await world.books(CLEARING) == -29900


async def test_a_webhook_at_the_same_moment_books_nothing_twice(world: World) -> None:
    started = await world.buys(await world.customer())
    payment_id = world.pays(started)

    first, second, _ = await asyncio.gather(
        reconciled(world), reconciled(world), world.hears(payment_id)
    )

    assert first.agrees
    assert second.agrees
    assert await world.books(CLEARING) == -29900
    assert await world.cases() == []


async def test_money_that_is_nobodys_goes_to_suspense_and_agrees(world: World) -> None:
    payment_id = world.pays(await world.buys(await world.customer()))
    again = world.gateway.pay_again(payment_id)
    world.gateway.forget_metadata(again)

    done = await reconciled(world)

    assert done.agrees
    assert await world.books(ledger.suspense(YOOKASSA)) == 29900
    assert await world.cases() == ["suspense"]


async def test_another_amount_is_a_case_and_moves_nothing(world: World) -> None:
    payment_id = await paid_and_heard(world)
    world.gateway.restate(payment_id, rub(300))

    first, second = await reconciled(world), await reconciled(world)

    assert not first.agrees
    assert counted(first) == counted(second) == {"differs": 1}
    assert the_total(first, Kind.PAYMENT).difference == rub(1)
    assert await world.books(CLEARING) == -29900
    [case] = await world.billing.list_cases(limit=9)
    assert case.cause == f"difference yookassa payment {payment_id}"
    assert (case.facts["there"], case.facts["here"]) == ("300.00 RUB", "299.00 RUB")


async def test_another_currency_leaves_a_difference_in_both(world: World) -> None:
    payment_id = await paid_and_heard(world)
    world.gateway.restate(payment_id, Money.of(29900, "PHP"))

    done = await reconciled(world)

    nothing = Money.of(0, "PHP")
    assert set(done.totals) == {
        Total(Kind.PAYMENT, 1, Money.of(29900, "PHP"), nothing),
        Total(Kind.PAYMENT, 1, rub(0), PRICE),
    }


async def test_what_we_booked_and_the_gateway_unsays_is_a_case(world: World) -> None:
    payment_id = await paid_and_heard(world)
    world.gateway.puzzle(payment_id)

    done = await reconciled(world)

    assert counted(done) == {"differs": 1}
    assert the_total(done, Kind.PAYMENT) == Total(Kind.PAYMENT, 1, rub(0), PRICE)
    assert await world.cases() == ["difference"]


async def test_a_fee_told_late_is_booked_and_another_one_is_a_case(world: World) -> None:
    payment_id = await paid_and_heard(world)
    world.gateway.restate(payment_id, PRICE, fee=rub(9))
    told_late = await reconciled(world)
    world.gateway.restate(payment_id, PRICE, fee=rub(8))
    told_otherwise = await reconciled(world)

    assert told_late.agrees
    assert the_total(told_late, Kind.FEE) == Total(Kind.FEE, 1, rub(9), rub(9))
    assert await world.books(ledger.fees(YOOKASSA)) == -900
    assert the_total(told_otherwise, Kind.FEE).difference == -rub(1)
    assert await world.cases() == ["difference"]


async def test_what_the_gateway_never_heard_of_is_claimed_missing_only_after_an_hour(
    world: World,
) -> None:
    payment_id = await paid_and_heard(world)
    world.gateway.forget(payment_id)

    world.clock.advance(minutes=59)
    young = await reconciled(world)
    world.clock.advance(minutes=1)
    old = await reconciled(world)

    assert (counted(young), young.agrees) == ({"ours_open": 1}, True)
    assert counted(old) == {"missing_there": 1}
    assert the_total(old, Kind.PAYMENT) == Total(Kind.PAYMENT, 1, rub(0), PRICE)
    [case] = await world.billing.list_cases(limit=9)
    assert case.facts["found"] == "missing_there"


async def test_what_was_made_before_and_booked_since_is_asked_for_by_itself(world: World) -> None:
    started = await world.buys(await world.customer())
    world.clock.advance(minutes=30)
    since = world.clock()
    await world.pays_and_is_heard(started)
    world.clock.advance(hours=3)

    done = await world.billing.reconcile(YOOKASSA, since)

    assert counted(done) == {"agrees": 1}
    assert the_total(done, Kind.PAYMENT).count == 1


async def test_a_list_that_is_behind_its_gateway_opens_no_case(world: World) -> None:
    started = await world.buys(await world.customer())
    assert started.checkout is not None
    [as_it_was] = world.gateway.payments.values()
    await world.pays_and_is_heard(started)

    async def since(_: datetime) -> AsyncIterator[PaymentFacts]:
        yield as_it_was

    world.gateway.since = since
    done = await reconciled(world)

    assert (counted(done), done.agrees) == ({"agrees": 1}, True)
    assert await world.cases() == []


async def test_what_the_books_have_is_read_page_by_page(world: World) -> None:
    anna = await world.customer()
    for roubles in range(10, 15):
        await world.deposits(anna, rub(roubles))
    for payment_id in world.gateway.payments:
        world.gateway.forget(payment_id)
    world.clock.advance(hours=2)
    reconcile = Reconcile(world.store, world.gateways, world.clock, world.ids, page=2)

    done = await reconcile(YOOKASSA, NOON - HOUR)

    assert counted(done) == {"missing_there": 5}
    assert len(await world.cases()) == 5


async def test_foreign_payments_and_open_ones_are_counted_and_left_alone(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.buys(anna, "PRO_YEARLY")
    world.gateway.foreign(world.pays(started), Foreign.OTHER_MODE)

    done = await reconciled(world)

    assert done.agrees
    assert counted(done) == {"foreign": 1, "ours_open": 1}
    assert done.totals == ()
    assert await world.books(CLEARING) == 0


async def test_a_refund_at_the_dashboard_is_booked_once(world: World) -> None:
    payment_id = await paid_and_heard(world)
    world.gateway.refund_at_dashboard(payment_id, rub(100))

    first, second = await reconciled(world), await reconciled(world)

    assert counted(first) == {"agrees": 1, "missing_here": 1}
    assert [one.kind for one in first.healed] == [Kind.REFUND]
    assert (counted(second), second.agrees) == ({"agrees": 2}, True)
    assert await world.books(CLEARING) == -19900


async def test_a_refund_of_ours_that_ended_unheard_is_ended(world: World) -> None:
    started = await world.buys(await world.customer())
    await world.pays_and_is_heard(started)
    world.gateway.slow_refunds()
    await world.refunds(started)

    waiting = await reconciled(world)
    world.gateway.finish_refunds()
    ended = await reconciled(world)

    assert (counted(waiting), waiting.agrees) == ({"agrees": 1, "ours_open": 1}, True)
    assert [one.kind for one in ended.healed] == [Kind.REFUND]
    assert await world.books(CLEARING) == 0


async def test_a_refund_that_cannot_be_booked_is_one_case(world: World) -> None:
    anna = await world.customer()
    payment_id = world.pays(await world.buys(anna))
    refund = world.gateway.refund_at_dashboard(payment_id, PRICE)
    world.gateway.tell_of_refund(refund, payment_id="unknown-1")

    done = await reconciled(world)

    assert [(one.kind, one.found) for one in done.cases] == [(Kind.REFUND, Found.MISSING_HERE)]
    assert the_total(done, Kind.REFUND).difference == PRICE
    assert await world.cases() == ["refund"]


async def test_a_payout_that_came_back_unheard_is_in_the_wallet_again(world: World) -> None:
    await opens_market(world)
    anna = await world.customer()
    method = await proves(world, anna)
    await world.deposits(anna, rub(1000))
    asked = await withdraws(world, anna, method, rub(400))
    world.gateway.finish_payouts(fee=rub(5))

    sent = await reconciled(world)
    assert await status(world, anna, asked) is WithdrawalStatus.DONE
    world.gateway.finish_payouts(OutgoingStatus.RETURNED, reason="account_closed")
    returned = await reconciled(world)

    assert [one.kind for one in sent.healed] == [Kind.PAYOUT]
    assert the_total(sent, Kind.FEE) == Total(Kind.FEE, 1, rub(5), rub(5))
    assert [one.said for one in returned.healed] == ["returned"]
    assert returned.agrees
    assert await status(world, anna, asked) is WithdrawalStatus.RETURNED
    assert await world.cash(anna) == {"RUB": 100000}
    assert await held(world, anna) == 0


async def test_a_payout_that_nobody_asked_for_is_a_case(world: World) -> None:
    await opens_market(world)
    anna = await world.customer()
    method = await proves(world, anna)
    await world.deposits(anna, rub(1000))
    asked = await withdraws(world, anna, method, rub(400))
    [payout] = world.gateway.payouts.values()
    await world.gateway.pay_out(_another(asked.order))
    world.gateway.finish_payouts()

    done = await reconciled(world)

    [stray] = done.cases
    assert (stray.kind, stray.found) == (Kind.PAYOUT, Found.MISSING_HERE)
    assert stray.id != payout.payout_id
    assert the_total(done, Kind.PAYOUT).difference == rub(400)


def _another(order):
    return replace(order, id="wd_somebody_else")


async def test_only_who_can_list_is_asked(world: World) -> None:
    with pytest.raises(GatewayNotFound):
        await world.billing.reconcile("paypal", NOON)
    world.gateway.abilities = _listing_nothing(world)
    with pytest.raises(GatewayCannotList):
        await reconciled(world)
    assert await world.billing.start_reconciling() == 0


def _listing_nothing(world: World):
    return replace(world.gateway.abilities, lists=False)


async def test_a_gateway_that_is_away_is_asked_again_later(world: World) -> None:
    world.pays(await world.buys(await world.customer()))
    world.gateway.unavailable()
    with pytest.raises(GatewayUnavailable):
        await reconciled(world)

    world.gateway.unavailable()
    assert await world.billing.start_reconciling() == 1
    await world.pump.drain()
    assert await world.books(CLEARING) == 0
    world.clock.advance(seconds=10)
    await world.pump.drain()

    assert await world.books(CLEARING) == -29900


async def test_once_a_day_two_days_are_looked_through(world: World) -> None:
    started = await world.buys(await world.customer())
    payment_id = world.pays(started)

    rounds = []
    for _ in range(3):
        rounds.append(await world.billing.start_reconciling())
        await world.pump.drain()
        world.clock.advance(hours=12)
    other_process = World(world.store, clock=world.clock)
    rounds.append(await other_process.billing.start_reconciling())

    assert rounds == [1, 0, 1, 0]
    assert await world.settles(payment_id) == "repeated"
