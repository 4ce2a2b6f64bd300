"""The wallet: what comes in stays, what is spent is there, what is owed is repaid first."""

import asyncio

import pytest

from core.domain import ledger
from core.domain.audit import Deed
from core.domain.cause import KeyUsedOtherwise
from core.domain.customer import CustomerId
from core.domain.money import CURRENCIES, Money
from core.domain.money_terms import MoneyTerms, NotOffered
from core.domain.payment import PaymentId
from core.domain.purchase import PurchaseStatus
from core.ports.payment_gateway import GatewayNotFound, GatewayUnavailable
from core.use_cases.buying import WALLET, DepositNotTaken
from core.use_cases.checkouts import NoGatewayTakes, Started, Terms
from core.use_cases.wallet import AdjustmentNotUsable, WalletTooLow
from tests.builders import YOOKASSA, rub
from tests.contracts.units import again
from tests.world import RETURN, World

RUB = CURRENCIES["RUB"]


async def buys_from_wallet(
    world: World, who: CustomerId, plan: str = "PRO_MONTHLY", **more: object
) -> Started:
    cause = more.pop("cause", None) or world.cause()
    return await world.billing.start_purchase(
        who, plan, return_url=RETURN, cause=cause, gateway=WALLET, **more
    )


async def gives(world: World, who: CustomerId, amount: Money, account: str = "bonus") -> None:
    deed = Deed("ann", "a test of it")
    await world.billing.adjust_wallet(who, amount, account=account, deed=deed, cause=world.cause())


async def test_a_deposit_is_in_the_wallet_when_it_is_proven_and_not_before(world: World) -> None:
    anna = await world.customer()
    started = await world.starts_deposit(anna, rub(500))
    assert started.checkout is not None
    assert await world.cash(anna) == {}

    await world.pays_and_is_heard(started)

    assert await world.cash(anna) == {"RUB": 50000}
    assert await world.books(ledger.clearing(YOOKASSA)) == -50000
    paid = (await world.purchase(anna, started.purchase.id)).purchase
    assert paid.status is PurchaseStatus.PAID


@pytest.mark.parametrize(
    "amount",
    [
        rub(0),
        rub(-5),
        Money.of(99, "RUB"),
        Money.of(100_000_01, "RUB"),
        Money.of(10**15, "RUB"),
        Money.of(500, "PHP"),
        Money.of(500, "XTR"),
    ],
)
async def test_a_deposit_out_of_bounds_is_not_taken(world: World, amount: Money) -> None:
    anna = await world.customer()

    with pytest.raises(DepositNotTaken):
        await world.starts_deposit(anna, amount)


async def test_the_bounds_themselves_are_taken(world: World) -> None:
    anna = await world.customer()
    for amount in (Money.of(100, "RUB"), rub(100_000)):
        assert (await world.starts_deposit(anna, amount)).purchase.amount == amount


async def test_a_business_without_deposits_says_so(world: World) -> None:
    wanted = world.wanted()
    await world.billing.apply_catalog(
        wanted.__class__(**{**vars_of(wanted), "money": MoneyTerms()})
    )
    anna = await world.customer()

    with pytest.raises(NotOffered):
        await world.starts_deposit(anna, rub(500))


def vars_of(wanted: object) -> dict:
    return {name: getattr(wanted, name) for name in wanted.__dataclass_fields__}


async def test_a_deposit_cannot_come_from_the_wallet_or_from_nowhere(world: World) -> None:
    anna = await world.customer()
    for gateway in (WALLET, "paypal"):
        with pytest.raises(GatewayNotFound):
            await world.billing.start_deposit(
                anna, rub(500), Terms(RETURN, gateway), cause=world.cause()
            )


async def test_an_open_deposit_is_not_paid_from_the_wallet_either(world: World) -> None:
    anna = await world.customer()
    await world.deposits(anna, rub(50))
    started = await world.starts_deposit(anna, rub(20))

    with pytest.raises(GatewayNotFound):
        await world.billing.add_checkout(
            anna,
            started.purchase.id,
            return_url=RETURN,
            cause=world.cause(),
            gateway=WALLET,
        )

    assert (await world.purchase(anna, started.purchase.id)).purchase.is_pending


async def test_no_gateway_takes_what_none_can(world: World) -> None:
    anna = await world.customer()
    bounds = {"RUB": (rub(1), rub(10))}
    world.gateway.abilities = world.gateway.abilities.__class__(
        bounds, world.gateway.abilities.key_memory
    )

    with pytest.raises(NoGatewayTakes):
        await world.starts_deposit(anna, rub(500))


async def test_the_same_deposit_is_one_purchase_while_it_is_open(world: World) -> None:
    anna = await world.customer()
    first, second = [await world.starts_deposit(anna, rub(500)) for _ in range(2)]
    other = await world.starts_deposit(anna, rub(501))

    assert first.purchase.id == second.purchase.id != other.purchase.id


async def test_another_sum_than_agreed_is_in_the_wallet_too_and_for_a_person(
    world: World,
) -> None:
    anna = await world.customer()
    started = await world.starts_deposit(anna, rub(500))
    await world.hears(world.pays(started, rub(499)))

    assert await world.cash(anna) == {"RUB": 49900}
    assert await world.cases() == ["mismatch"]


async def test_exactly_enough_buys_and_one_less_does_not(world: World) -> None:
    anna, ben = await world.customer(), await world.customer("telegram:1002")
    await world.deposits(anna, rub(299))
    await world.deposits(ben, Money.of(29899, "RUB"))

    bought = await buys_from_wallet(world, anna)
    with pytest.raises(WalletTooLow) as too_low:
        await buys_from_wallet(world, ben)

    assert bought.purchase.status is PurchaseStatus.PAID
    assert bought.checkout is None
    assert await world.plan(anna) == "PRO_MONTHLY"
    assert await world.cash(anna) == {}
    assert too_low.value.missing == Money.of(1, "RUB")
    assert await world.plan(ben) == "FREE"


async def test_what_waits_for_money_is_paid_when_it_comes(world: World) -> None:
    anna = await world.customer()
    cause = world.cause("once")
    with pytest.raises(WalletTooLow) as too_low:
        await buys_from_wallet(world, anna, cause=cause)
    assert too_low.value.purchase_id is not None
    assert too_low.value.missing == rub(299)

    await world.deposits(anna, rub(300))

    assert await world.plan(anna) == "PRO_MONTHLY"
    assert await world.cash(anna) == {"RUB": 100}
    told = await buys_from_wallet(world, anna, cause=cause)
    assert (told.purchase.id, told.purchase.status) == (
        too_low.value.purchase_id,
        PurchaseStatus.PAID,
    )


async def test_of_what_is_missing_a_debt_is_a_part(world: World) -> None:
    anna = await world.customer()
    await world.deposits(anna, rub(100))
    await gives(world, anna, -rub(150), "cash")
    with pytest.raises(WalletTooLow) as too_low:
        await buys_from_wallet(world, anna)
    assert too_low.value.missing == rub(299 + 50)

    await world.deposits(anna, too_low.value.missing)

    assert await world.plan(anna) == "PRO_MONTHLY"
    assert await world.cash(anna) == {}


async def test_of_two_that_wait_the_older_is_paid_first(world: World) -> None:
    anna = await world.customer()
    with pytest.raises(WalletTooLow):
        await buys_from_wallet(world, anna, "PRO_YEARLY")
    world.clock.advance(minutes=1)
    with pytest.raises(WalletTooLow):
        await buys_from_wallet(world, anna, "PRO_MONTHLY")

    await world.deposits(anna, rub(2990))

    assert await world.plan(anna) == "PRO_YEARLY"


async def test_an_open_purchase_may_be_paid_from_the_wallet_instead(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.deposits(anna, rub(299))

    paid = await world.billing.add_checkout(
        anna, started.purchase.id, return_url=RETURN, cause=world.cause(), gateway=WALLET
    )
    late = world.pays(started)
    await world.hears(late)

    assert paid.purchase.status is PurchaseStatus.PAID
    assert await world.cash(anna) == {"RUB": 29900}, "paid once more at the gateway: it stays"


async def test_a_purchase_that_waits_may_be_paid_at_a_gateway_instead(world: World) -> None:
    anna = await world.customer()
    with pytest.raises(WalletTooLow):
        await buys_from_wallet(world, anna)

    await world.pays_and_is_heard(await world.buys(anna))

    assert await world.plan(anna) == "PRO_MONTHLY"
    assert await world.cash(anna) == {}


async def test_bonus_is_spent_first(world: World) -> None:
    anna = await world.customer()
    await world.deposits(anna, rub(200))
    await gives(world, anna, rub(100))

    await buys_from_wallet(world, anna)

    assert await world.books(ledger.bonus(anna)) == 0
    assert await world.cash(anna) == {"RUB": 100}


async def test_a_purchase_from_the_wallet_is_shown_before_it_is_made(world: World) -> None:
    anna = await world.customer()
    shown = await world.billing.preview_purchase(anna, "PRO_MONTHLY", gateway=WALLET)

    assert (shown.gateway, shown.amount) == (WALLET, rub(299))


async def test_of_two_hundred_spends_at_once_a_wallet_for_fifty_makes_fifty(world: World) -> None:
    """Different prices would be one purchase each; so each is a customer's own month."""
    anna = await world.customer()
    await gives(world, anna, rub(299 * 50), "cash")

    async def one() -> bool:
        try:
            await again(lambda: buys_from_wallet(world, anna))
        except WalletTooLow:
            return False
        return True

    bought = await asyncio.gather(*(one() for _ in range(200)))

    period = (await world.me(anna)).standing.subscription.period
    assert period is not None
    assert period.count == 50
    assert sum(bought) >= 50, "some heard of a purchase that another made"
    assert await world.cash(anna) == {}
    assert await world.books(ledger.revenue("PRO_MONTHLY")) == 299_00 * 50


async def test_what_is_taken_and_not_there_is_owed_and_repaid_first(world: World) -> None:
    anna = await world.customer()
    await world.deposits(anna, rub(100))

    await gives(world, anna, rub(-300), "cash")

    assert await world.cash(anna) == {}
    assert await world.books(ledger.receivable(anna)) == 20000
    with pytest.raises(WalletTooLow):
        await buys_from_wallet(world, anna)
    await world.deposits(anna, rub(400))
    assert await world.books(ledger.receivable(anna)) == 0
    assert await world.cash(anna) == {"RUB": 20000}


async def test_an_adjustment_is_made_once_for_one_cause(world: World) -> None:
    anna = await world.customer()
    deed, cause = Deed("ann", "a gift"), world.cause("gift")
    entries = [
        await world.billing.adjust_wallet(anna, rub(5), account="cash", deed=deed, cause=cause)
        for _ in range(3)
    ]

    assert len({entry.id for entry in entries}) == 1
    assert await world.cash(anna) == {"RUB": 500}
    with pytest.raises(KeyUsedOtherwise):
        await world.billing.adjust_wallet(
            anna, rub(6), account="cash", deed=deed, cause=world.cause("gift", "6")
        )
    for account, amount in (("hold", rub(5)), ("cash", rub(0))):
        with pytest.raises(AdjustmentNotUsable):
            await gives(world, anna, amount, account)


async def test_the_statement_tells_what_moved_and_what_was_there_at_any_moment(
    world: World,
) -> None:
    anna = await world.customer()
    before = world.clock()
    moments = []
    for amount in (100, 200, 300):
        world.clock.advance(hours=1)
        await world.deposits(anna, rub(amount))
        moments.append(world.clock())

    async def balance_at(at) -> int:
        told = await world.billing.show_statement(anna, "cash", RUB, limit=1, at=at)
        return told.balance.amount_minor

    assert [await balance_at(at) for at in (before, *moments, None)] == [
        0,
        10000,
        30000,
        60000,
        60000,
    ]
    page = await world.billing.show_statement(anna, "cash", RUB, limit=2)
    rest = await world.billing.show_statement(
        anna, "cash", RUB, limit=2, before_seq=page.lines[-1].seq
    )
    assert [line.posting.amount for line in (*page.lines, *rest.lines)] == [
        rub(300),
        rub(200),
        rub(100),
    ]


async def test_a_gateway_that_honours_no_keys_is_not_asked_twice_at_once(world: World) -> None:
    anna = await world.customer()
    abilities = world.gateway.abilities
    world.gateway.abilities = abilities.__class__(abilities.bounds, abilities.key_memory * 0)
    world.gateway.act_then_fail(1)
    with pytest.raises(GatewayUnavailable):
        await world.starts_deposit(anna, rub(500))

    second = await world.starts_deposit(anna, rub(500))

    assert second.checkout is not None
    assert len(world.gateway.payments) == 2, "nobody has the address of the first"
    payment = PaymentId(second.checkout.payment_id or "")
    world.gateway.pay(payment)
    await world.hears(payment)
    assert await world.cash(anna) == {"RUB": 50000}
