"""Money that goes back: how much, from where, once, whoever sends it."""

import asyncio
from datetime import timedelta

import pytest

from adapters.gateways.memory import MemoryGateway
from core.domain import ledger
from core.domain.audit import Deed, ReasonMissing
from core.domain.cause import KeyUsedOtherwise
from core.domain.money import CurrencyMismatch, Money
from core.domain.payment import NoticeKind, OutgoingStatus, RefundFacts
from core.domain.plan import PlanCode
from core.domain.purchase import PurchaseStatus
from core.domain.refund import (
    NothingToRefund,
    Refund,
    RefundNotPossible,
    RefundStatus,
    RefundTooLarge,
)
from core.ports.payment_gateway import Gateways, Refunding
from core.use_cases.buying import WALLET
from core.use_cases.refunds import RefundPurchase
from tests.builders import YOOKASSA, rub
from tests.contracts.units import again
from tests.world import RETURN, World

REVENUE = ledger.revenue(PlanCode("PRO_MONTHLY"))
CLEARING = ledger.clearing(YOOKASSA)


async def statuses(world: World, purchase_id: str) -> list[RefundStatus]:
    async with world.store.read() as view:
        return [one.status for one in await view.refunds.of_purchase(purchase_id)]


async def test_a_plan_refunded_wholly_is_over_at_once(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)

    done = await world.refunds(started)

    assert done.refund is not None
    assert (done.refund.status, done.refund.amount) == (RefundStatus.DONE, rub(299))
    assert done.purchase.status is PurchaseStatus.REFUNDED
    assert await world.plan(anna) == "FREE"
    assert [await world.books(one) for one in (REVENUE, CLEARING, ledger.cash(anna))] == [0, 0, 0]


async def test_a_refund_of_the_second_of_two_months_leaves_the_first(world: World) -> None:
    anna = await world.customer()
    await world.pays_and_is_heard(await world.buys(anna))
    end = (await world.me(anna)).standing.subscription.period.end
    second = await world.buys(anna)
    await world.pays_and_is_heard(second)

    await world.refunds(second)

    period = (await world.me(anna)).standing.subscription.period
    assert (period.end, period.count, period.paid) == (end, 1, rub(299))


async def test_after_a_refund_of_a_part_what_was_bought_stays(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)

    done = await world.refunds(started, rub(100))

    assert done.purchase.status is PurchaseStatus.PAID
    assert (done.purchase.refunded, done.purchase.refundable) == (rub(100), rub(199))
    assert await world.plan(anna) == "PRO_MONTHLY"
    assert await world.books(REVENUE) == 19900


@pytest.mark.parametrize("amount", [0, -1, 29901])
async def test_no_more_goes_back_than_was_paid(world: World, amount: int) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)

    with pytest.raises(RefundTooLarge):
        await world.refunds(started, Money.of(amount, "RUB"))
    with pytest.raises(CurrencyMismatch):
        await world.refunds(started, Money.of(100, "PHP"))

    assert (await world.refunds(started, rub(299))).purchase.status is PurchaseStatus.REFUNDED
    with pytest.raises(RefundTooLarge):
        await world.refunds(started, Money.of(1, "RUB"))


async def test_ten_refunds_at_once_give_back_no_more_than_was_paid(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)

    async def one_of_many() -> bool:
        try:
            await again(lambda: world.refunds(started, rub(100)))
        except RefundTooLarge:
            return False
        return True

    done = await asyncio.gather(*(one_of_many() for _ in range(10)))

    assert sorted(done) == [False] * 8 + [True] * 2
    assert await world.books(CLEARING) == -9900
    assert await statuses(world, started.purchase.id) == [RefundStatus.DONE] * 2


async def test_the_same_key_is_the_same_refund(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)
    cause = world.cause("key", "100")

    first, second = [await world.refunds(started, rub(100), cause) for _ in range(2)]

    assert first.refund is not None
    assert second.refund is not None
    assert first.refund.id == second.refund.id
    assert await world.books(CLEARING) == -19900
    with pytest.raises(KeyUsedOtherwise):
        await world.refunds(started, rub(150), world.cause("key", "150"))


async def test_a_refund_without_an_answer_is_known_by_asking_and_made_once(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)
    world.gateway.act_then_fail(1)

    asked = await world.refunds(started)

    assert asked.refund is not None
    assert asked.refund.status is RefundStatus.ASKED
    assert await world.plan(anna) == "PRO_MONTHLY"
    await world.time_passes(minutes=5)
    assert await statuses(world, started.purchase.id) == [RefundStatus.DONE]
    assert await world.books(CLEARING) == 0
    assert await world.books(ledger.hold(anna)) == 0


async def test_a_refund_that_the_gateway_never_heard_of_is_sent_again_under_its_key(
    world: World,
) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)
    world.gateway.unavailable(1)

    await world.refunds(started)
    await world.time_passes(minutes=5)

    assert await statuses(world, started.purchase.id) == [RefundStatus.DONE]


async def test_after_a_day_it_is_not_sent_again_and_has_failed(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)
    world.gateway.unavailable(1)
    await world.refunds(started)

    await world.time_passes(hours=24)

    assert await statuses(world, started.purchase.id) == [RefundStatus.FAILED]
    assert await world.plan(anna) == "PRO_MONTHLY"
    assert await world.books(REVENUE) == 29900
    assert await world.cases() == ["refund"]
    again_ = await world.refunds(started)
    assert again_.purchase.status is PurchaseStatus.REFUNDED


async def test_a_refund_that_the_gateway_refuses_is_undone(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)
    world.gateway.refuse_refunds(1)

    done = await world.refunds(started)

    assert done.refund is not None
    assert done.refund.status is RefundStatus.FAILED
    assert [await world.books(one) for one in (REVENUE, CLEARING)] == [29900, -29900]
    assert await world.books(ledger.hold(anna)) == 0
    assert await world.cases() == ["refund"]


async def test_a_slow_refund_ends_when_it_ends(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)
    world.gateway.slow_refunds(1)
    await world.refunds(started)
    await world.time_passes(minutes=30)
    assert await statuses(world, started.purchase.id) == [RefundStatus.ASKED]

    world.gateway.finish_refunds()
    await world.time_passes(hours=6)

    assert await statuses(world, started.purchase.id) == [RefundStatus.DONE]


async def test_a_slow_refund_that_fails_is_undone(world: World) -> None:
    anna = await world.customer()
    started = await world.deposits(anna, rub(500))
    world.gateway.slow_refunds(1)
    await world.refunds(started)
    assert await world.cash(anna) == {}

    world.gateway.finish_refunds(OutgoingStatus.FAILED)
    await world.time_passes(hours=6)

    assert await world.cash(anna) == {"RUB": 50000}
    assert await world.books(ledger.hold(anna)) == 0


async def test_a_deposit_that_was_spent_is_owed_and_repaid_from_the_next(world: World) -> None:
    anna = await world.customer()
    deposit = await world.deposits(anna, rub(300))
    await world.billing.start_purchase(
        anna, "PRO_MONTHLY", return_url=RETURN, cause=world.cause(), gateway=WALLET
    )

    await world.refunds(deposit)

    assert await world.books(ledger.receivable(anna)) == 29900
    assert await world.books(CLEARING) == 0
    await world.deposits(anna, rub(400))
    assert await world.books(ledger.receivable(anna)) == 0
    assert await world.cash(anna) == {"RUB": 10100}


@pytest.mark.parametrize("is_chargeback", [False, True])
async def test_a_refund_made_at_the_dashboard_has_the_same_effects(
    world: World, is_chargeback: bool
) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    payment = await world.pays_and_is_heard(started)
    world.gateway.refund_at_dashboard(payment, rub(299), is_chargeback=is_chargeback)

    for _ in range(3):
        await world.hears(payment, "refund.succeeded")
        await world.billing.book_refunds(YOOKASSA, payment)

    assert await statuses(world, started.purchase.id) == [RefundStatus.DONE]
    purchase = (await world.purchase(anna, started.purchase.id)).purchase
    assert purchase.status is PurchaseStatus.REFUNDED
    assert await world.plan(anna) == "FREE"
    assert await world.books(CLEARING) == 0
    assert await world.cases() == (["chargeback"] if is_chargeback else [])


async def test_a_refund_heard_of_before_its_payment_is_booked_after_it(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    payment = world.pays(started)
    world.gateway.refund_at_dashboard(payment, rub(299))

    await world.hears(payment, "refund.succeeded")
    await world.hears(payment)

    assert await statuses(world, started.purchase.id) == [RefundStatus.DONE]
    assert await world.books(CLEARING) == 0


async def test_our_refund_is_not_booked_again_when_the_gateway_tells_of_it(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    payment = await world.pays_and_is_heard(started)
    world.gateway.act_then_fail(1)
    await world.refunds(started, rub(100))

    await asyncio.gather(
        *(again(lambda: world.billing.book_refunds(YOOKASSA, payment)) for _ in range(5))
    )

    assert await statuses(world, started.purchase.id) == [RefundStatus.DONE]
    assert await world.books(CLEARING) == -19900


async def test_a_refund_of_nobodys_money_leaves_suspense(world: World) -> None:
    anna = await world.customer()
    payment = world.pays(await world.buys(anna))
    world.gateway.forget_metadata(payment)
    stranger = world.gateway.pay_again(payment)
    await world.settles(stranger)
    assert await world.books(ledger.suspense(YOOKASSA)) == 29900

    world.gateway.refund_at_dashboard(stranger, rub(299))
    for _ in range(2):
        await world.billing.book_refunds(YOOKASSA, stranger)

    assert await world.books(ledger.suspense(YOOKASSA)) == 0


async def test_a_dashboards_refund_and_ours_of_one_sum_are_two(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    payment = await world.pays_and_is_heard(started)
    world.gateway.refund_at_dashboard(payment, rub(100))
    world.gateway.act_then_fail(1)
    await world.refunds(started, rub(100))

    for _ in range(3):
        await world.billing.book_refunds(YOOKASSA, payment)

    assert await statuses(world, started.purchase.id) == [RefundStatus.DONE] * 2
    assert await world.books(CLEARING) == -99_00, "the gateway has given back twice"


class SlowerThanTheDashboard(MemoryGateway):
    """While it is asked for a refund, somebody gives back as much at its dashboard."""

    def __init__(self, world: World) -> None:
        super().__init__("yookassa", now=world.clock)
        self._world = world

    async def refund(self, refund: Refund) -> RefundFacts:
        self._world.gateway.refund_at_dashboard(refund.payment_id, refund.amount)
        await self._world.billing.book_refunds(YOOKASSA, refund.payment_id)
        return await self._world.gateway.refund(refund)


async def test_a_dashboards_refund_that_is_heard_of_while_ours_is_asked_for_is_another(
    world: World,
) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)
    gateways = Gateways(SlowerThanTheDashboard(world))
    refunds = RefundPurchase(world.store, gateways, world.clock, world.ids)

    deed = Deed("ann", "asked for it")
    await refunds(started.purchase.id, deed=deed, cause=world.cause(), amount=rub(100))
    await world.pump.drain()

    assert await statuses(world, started.purchase.id) == [RefundStatus.DONE] * 2
    assert await world.books(CLEARING) == -99_00


async def test_what_the_dashboard_gave_is_booked_once_our_own_refund_has_failed(
    world: World,
) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    payment = await world.pays_and_is_heard(started)
    world.gateway.unavailable(1)
    await world.refunds(started, rub(200))
    world.gateway.refund_at_dashboard(payment, rub(150))
    await world.hears(payment, "refund.succeeded")
    assert await world.books(CLEARING) == -299_00, "of what is left so much cannot have gone"

    world.gateway.refuse_refunds(1)
    await world.time_passes(minutes=5)

    assert sorted(await statuses(world, started.purchase.id)) == ["done", "failed"]
    assert await world.books(CLEARING) == -149_00


async def test_a_refund_of_a_payment_that_nobody_knows_is_for_a_person(world: World) -> None:
    anna = await world.customer()
    payment = await world.pays_and_is_heard(await world.buys(anna))
    world.gateway.refund_at_dashboard(payment, rub(299))
    refund = (await world.gateway.find_refunds(payment))[0]
    strange = world.gateway.webhook(payment, "refund.succeeded")
    assert world.gateway.read_webhook(strange).kind is NoticeKind.REFUND
    world.gateway.tell_of_refund(refund, payment_id="yookassa-99999999")

    await world.billing.book_refunds(YOOKASSA, "yookassa-99999999")

    assert await world.cases() == ["refund"]
    assert await world.books(CLEARING) == -29900


async def test_a_second_charge_that_stayed_in_the_wallet_can_go_back(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    payment = await world.pays_and_is_heard(started)
    second = world.gateway.pay_again(payment)
    await world.settles(second)
    assert await world.cash(anna) == {"RUB": 29900}

    done = await world.refunds(started, charge_id=second)

    assert done.purchase.status is PurchaseStatus.PAID
    assert await world.cash(anna) == {}
    assert await world.plan(anna) == "PRO_MONTHLY"
    with pytest.raises(NothingToRefund):
        await world.refunds(started, charge_id="yookassa-99999999")


async def test_what_was_paid_from_the_wallet_goes_back_as_it_came(world: World) -> None:
    anna = await world.customer()
    await world.deposits(anna, rub(200))
    await world.billing.adjust_wallet(
        anna, rub(150), account="bonus", deed=Deed("ann", "a gift"), cause=world.cause()
    )
    started = await world.billing.start_purchase(
        anna, "PRO_MONTHLY", return_url=RETURN, cause=world.cause(), gateway=WALLET
    )
    assert await world.cash(anna) == {"RUB": 5100}, "150 of bonus first, then 149 of cash"

    partly = await world.refunds(started, rub(100))
    assert partly.refund is None
    assert await world.cash(anna) == {"RUB": 15100}
    wholly = await world.refunds(started)

    assert wholly.purchase.status is PurchaseStatus.REFUNDED
    assert await world.cash(anna) == {"RUB": 20000}, "never more cash than was spent of it"
    assert await world.books(ledger.bonus(anna)) == 15000
    assert await world.plan(anna) == "FREE"
    with pytest.raises(NothingToRefund):
        await world.refunds(started)


async def test_what_was_never_paid_has_nothing_to_give_back(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)

    with pytest.raises(NothingToRefund):
        await world.refunds(started)


@pytest.mark.parametrize(
    ("ability", "amount"), [(Refunding.NONE, 299), (Refunding.WHOLE, 298), (Refunding.WHOLE, 299)]
)
async def test_what_a_gateway_cannot_do_is_not_asked_of_it(
    world: World, ability: Refunding, amount: int
) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)
    world.gateway.abilities = world.gateway.abilities.__class__(
        world.gateway.abilities.bounds, timedelta(hours=24), ability
    )

    if (ability, amount) == (Refunding.WHOLE, 299):
        assert (await world.refunds(started, rub(299))).purchase.status is PurchaseStatus.REFUNDED
    else:
        with pytest.raises(RefundNotPossible):
            await world.refunds(started, rub(amount))


@pytest.mark.parametrize("reason", ["", "  a ", "x" * 501])
async def test_a_deed_without_a_reason_is_none(reason: str) -> None:
    with pytest.raises(ReasonMissing):
        Deed("ann", reason)


async def test_every_refund_leaves_a_line_in_the_audit_trail(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)

    await world.refunds(started, rub(100))

    async with world.store.read() as view:
        [(_, line, _)] = await view.audit_trail(limit=9, subject=started.purchase.id)
    assert (line.actor, line.action, line.reason) == ("ann", "purchase.refund", "asked for it")
    assert line.facts["amount_minor"] == 10000


async def test_the_audit_trail_tells_how_much_went_back_each_time(world: World) -> None:
    anna = await world.customer()
    await world.deposits(anna, rub(299))
    from_wallet = await world.billing.start_purchase(
        anna, "PRO_MONTHLY", return_url=RETURN, cause=world.cause(), gateway=WALLET
    )
    at_gateway = await world.buys(anna)
    await world.pays_and_is_heard(at_gateway)

    for started in (from_wallet, at_gateway):
        await world.refunds(started, rub(100))
        await world.refunds(started)

        lines = await world.billing.show_audit(limit=9, subject=started.purchase.id)
        assert sorted(int(line.facts["amount_minor"]) for _, line, _ in lines) == [10000, 19900]
