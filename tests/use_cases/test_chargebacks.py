"""What a payer's bank takes back: told while it is disputed, booked when it is lost, and once."""

import pytest

from core.domain import ledger
from core.domain.audit import Deed
from core.domain.customer import CustomerId
from core.domain.money import Money
from core.domain.payment import PaymentId
from core.domain.plan import PlanCode
from core.domain.purchase import PurchaseStatus
from core.domain.reconciliation import Found
from core.domain.refund import NothingToRefund, RefundStatus, RefundTooLarge
from core.use_cases.buying import WALLET
from core.use_cases.checkouts import Started
from core.use_cases.giving_back import Refunded
from tests.builders import YOOKASSA, rub
from tests.world import RETURN, World

CLEARING = ledger.clearing(YOOKASSA)


async def bought(world: World) -> tuple[Started, PaymentId]:
    started = await world.buys(await world.customer())
    return started, await world.pays_and_is_heard(started)


async def booked_by_hand(
    world: World, started: Started, amount: Money | None = None, key: str | None = None
) -> Refunded:
    return await world.billing.refund_purchase(
        started.purchase.id,
        deed=Deed("ann", "lost, says the bank"),
        cause=world.cause(key),
        amount=amount,
        is_chargeback=True,
    )


async def statuses(world: World, started: Started) -> list[RefundStatus]:
    async with world.store.read() as view:
        return [one.status for one in await view.refunds.of_purchase(started.purchase.id)]


async def reasons(world: World) -> list[str]:
    return [case.facts.get("reason", "") for case in await world.billing.list_cases(limit=10)]


async def test_a_dispute_is_told_a_person_once_and_moves_nothing(world: World) -> None:
    started, payment = await bought(world)
    world.gateway.dispute(payment)

    for _ in range(3):
        await world.hears(payment, "dispute.created")

    assert await world.cases() == ["chargeback"]
    assert await reasons(world) == ["disputed: what it comes to is told later"]
    assert await statuses(world, started) == []
    assert await world.books(CLEARING) == -29900


async def test_a_lost_dispute_takes_back_what_was_bought_once(world: World) -> None:
    started, payment = await bought(world)
    world.gateway.dispute(payment)
    await world.hears(payment, "dispute.created")

    for _ in range(3):
        await world.hears(payment, "dispute.lost")
        await world.billing.book_refunds(YOOKASSA, payment)

    assert await statuses(world, started) == [RefundStatus.DONE]
    customer = started.purchase.customer_id
    purchase = (await world.purchase(customer, started.purchase.id)).purchase
    assert purchase.status is PurchaseStatus.REFUNDED
    assert await world.plan(customer) == "FREE"
    assert await world.books(CLEARING) == 0
    assert await world.cases() == ["chargeback"] * 2


async def test_what_was_bought_by_a_disputed_deposit_is_owed(world: World) -> None:
    anna = await world.customer()
    started = await world.starts_deposit(anna, rub(300))
    payment = await world.pays_and_is_heard(started)
    await world.billing.start_purchase(
        anna, "PRO_MONTHLY", return_url=RETURN, cause=world.cause(), gateway=WALLET
    )
    world.gateway.dispute(payment)

    await world.hears(payment, "dispute.lost")

    assert await world.books(ledger.receivable(anna)) == 29900
    assert await world.books(CLEARING) == 0


async def test_a_won_dispute_changes_nothing(world: World) -> None:
    started, payment = await bought(world)
    world.gateway.dispute(payment)

    await world.hears(payment, "dispute.won")

    assert await world.cases() == []
    assert await statuses(world, started) == []
    assert await world.books(CLEARING) == -29900


async def test_a_loss_that_its_payment_does_not_bear_out_waits_for_a_person(world: World) -> None:
    started, payment = await bought(world)

    for _ in range(2):
        await world.hears(payment, "dispute.lost")

    assert await world.cases() == ["chargeback"]
    assert await reasons(world) == ["disputed, and it is not clear what it came to"]
    assert await statuses(world, started) == []
    assert await world.books(CLEARING) == -29900


async def test_a_dispute_that_is_won_after_it_was_booked_as_lost_is_a_difference(
    world: World,
) -> None:
    _, payment = await bought(world)
    world.gateway.dispute(payment)
    await world.hears(payment, "dispute.lost")

    await world.hears(payment, "dispute.won")

    assert await world.cases() == ["chargeback", "difference"]
    assert await world.books(CLEARING) == 0


async def test_a_disputed_payment_of_nobody_is_told_too(world: World) -> None:
    payment = world.pays(await world.buys(await world.customer()))
    world.gateway.forget_metadata(payment)
    stranger = world.gateway.pay_again(payment)
    await world.settles(stranger)
    world.gateway.dispute(stranger)

    await world.hears(stranger, "dispute.created")
    assert await world.cases() == ["suspense", "chargeback"]

    await world.hears(stranger, "dispute.lost")
    assert await world.books(ledger.suspense(YOOKASSA)) == 0


async def test_a_booked_loss_is_not_a_difference_while_the_payment_stays_disputed(
    world: World,
) -> None:
    """No enquiry tells how a dispute ended, so that it cannot be held against the books."""
    _, payment = await bought(world)
    world.gateway.dispute(payment)
    await world.hears(payment, "dispute.lost")
    world.clock.advance(hours=2)

    done = await world.billing.reconcile(YOOKASSA)

    assert done.agrees
    assert done.counts[Found.AGREES] == 2


async def test_a_person_books_a_chargeback_without_asking_the_gateway(world: World) -> None:
    started, payment = await bought(world)
    world.gateway.unavailable(9)

    done = await booked_by_hand(world, started, key="one")
    again = await booked_by_hand(world, started, key="one")

    assert done.refund is not None
    assert again.refund == done.refund
    assert (done.refund.status, done.refund.is_chargeback) == (RefundStatus.DONE, True)
    assert done.purchase.status is PurchaseStatus.REFUNDED
    assert await world.books(CLEARING) == 0
    assert await world.cases() == []
    world.gateway.unavailable(0)
    assert await world.gateway.find_refunds(payment) == []


async def test_what_a_person_booked_is_not_booked_again_when_it_is_told(world: World) -> None:
    started, payment = await bought(world)
    world.gateway.dispute(payment)
    await booked_by_hand(world, started)

    for _ in range(2):
        await world.hears(payment, "dispute.lost")

    assert await statuses(world, started) == [RefundStatus.DONE]
    assert await world.books(CLEARING) == 0
    assert await world.cases() == []


async def test_two_chargebacks_of_one_sum_are_two(world: World) -> None:
    started, payment = await bought(world)
    await booked_by_hand(world, started, rub(100))

    for _ in range(2):
        world.gateway.refund_at_dashboard(payment, rub(100), is_chargeback=True)
        await world.billing.book_refunds(YOOKASSA, payment)

    assert await statuses(world, started) == [RefundStatus.DONE] * 2
    assert await world.books(CLEARING) == -9900


async def test_a_bank_takes_no_more_than_was_paid_and_nothing_of_a_wallet(world: World) -> None:
    started, _ = await bought(world)
    with pytest.raises(RefundTooLarge):
        await booked_by_hand(world, started, rub(300))
    boris = await world.customer("telegram:1002")
    await world.deposits(boris, rub(300))
    from_wallet = await world.billing.start_purchase(
        boris, "PRO_MONTHLY", return_url=RETURN, cause=world.cause(), gateway=WALLET
    )

    with pytest.raises(NothingToRefund):
        await booked_by_hand(world, from_wallet)

    assert await statuses(world, started) == []
    assert await world.plan(boris) == "PRO_MONTHLY"


async def changes_plan(world: World) -> tuple[Started, PaymentId]:
    """Anna buys a year, and at once changes to a month: most of the year is cash again."""
    anna = await world.customer()
    started = await world.buys(anna, "PRO_YEARLY")
    payment = await world.pays_and_is_heard(started)
    await world.pays_and_is_heard(await world.buys(anna))
    assert await world.cash(anna) == {"RUB": 299000}
    return started, payment


async def test_what_a_bank_takes_back_is_not_also_kept_as_the_rest_of_a_plan(world: World) -> None:
    started, payment = await changes_plan(world)
    anna = started.purchase.customer_id
    await world.billing.adjust_wallet(
        anna, -rub(1000), account="cash", deed=Deed("ann", "spent"), cause=world.cause()
    )

    world.gateway.dispute(payment)
    await world.hears(payment, "dispute.lost")

    assert await world.cash(anna) == {}
    assert await world.books(ledger.receivable(anna)) == 100000
    assert await world.books(ledger.revenue(PlanCode("PRO_YEARLY"))) == 0
    assert await world.plan(anna) == "PRO_MONTHLY"


async def test_parts_given_back_are_the_business_own_as_long_as_it_keeps_some(
    world: World,
) -> None:
    anna = await world.customer()
    started = await world.buys(anna, "PRO_YEARLY")
    await world.pays_and_is_heard(started)
    await world.time_passes(days=73)
    await world.pays_and_is_heard(await world.buys(anna))
    rest = (await world.cash(anna))["RUB"]
    assert rest == 239200

    for back, cash in ((500_00, rest), (200_00, 2290_00), (2290_00, 0)):
        await world.refunds(started, Money.of(back, "RUB"))
        assert (await world.cash(anna)).get("RUB", 0) == cash

    assert await world.books(ledger.revenue(PlanCode("PRO_YEARLY"))) == 0


async def test_a_refund_of_what_is_in_the_wallet_again_gives_it_back_when_it_fails(
    world: World,
) -> None:
    started, _ = await changes_plan(world)
    anna = started.purchase.customer_id
    world.gateway.refuse_refunds(1)

    await world.refunds(started)

    assert await world.cash(anna) == {"RUB": 299000}
    assert await world.books(ledger.revenue(PlanCode("PRO_YEARLY"))) == 0


async def test_what_was_paid_from_the_wallet_and_came_back_there_does_not_come_twice(
    world: World,
) -> None:
    anna = await world.customer()
    await world.deposits(anna, rub(2990))
    started = await world.billing.start_purchase(
        anna, "PRO_YEARLY", return_url=RETURN, cause=world.cause(), gateway=WALLET
    )
    await world.pays_and_is_heard(await world.buys(anna))
    assert await world.cash(anna) == {"RUB": 299000}

    with pytest.raises(NothingToRefund):
        await world.refunds(started)

    assert await world.cash(anna) == {"RUB": 299000}


@pytest.mark.parametrize("back", [299, 100])
async def test_a_rest_is_of_what_the_later_purchases_had_not_given_back_by_then(
    world: World, back: int
) -> None:
    anna = await world.customer()
    former, later = [await buys_later(world, anna) for _ in range(2)]
    await world.refunds(later, rub(back))
    await buys_later(world, anna, "PRO_YEARLY")
    [rest] = (await world.cash(anna)).values()
    assert rest == 2 * 29900 - back * 100 - 1, "a second of it is over"

    await world.refunds(former)

    assert await world.books(ledger.revenue(PlanCode("PRO_MONTHLY"))) == 0
    assert (await world.cash(anna)).get("RUB", 0) == rest - 29899


async def buys_later(world: World, who: CustomerId, plan: str = "PRO_MONTHLY") -> Started:
    world.clock.advance(seconds=1)
    started = await world.buys(who, plan)
    await world.pays_and_is_heard(started)
    return started
