"""A payment method is proven by a small payment, which comes back as bonus."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.gateways.memory import MemoryGateway
from core.domain import ledger
from core.domain.checkout import Receipt
from core.domain.customer import identity
from core.domain.money_terms import NotOffered, VerificationTerms
from core.domain.payment_method import (
    Billing,
    BillingNotUsable,
    MethodStatus,
    PaymentMethodNotFound,
    PaymentMethodNotVerified,
)
from core.domain.payout import AccountNotUsable, PayoutAccount
from core.domain.plan import ReceiptRule
from core.domain.purchase import PurchaseStatus
from core.ports.payment_gateway import GatewayNotFound, GatewayUnavailable
from core.ports.unit_of_work import Store
from core.use_cases.buying import WALLET
from core.use_cases.checkouts import Terms
from tests.builders import Clock, rub
from tests.contracts.units import again
from tests.market import ACCOUNT, BILLING, adds, opens_market, proves, withdraws
from tests.world import RETURN, World


@pytest.fixture
async def market(world: World) -> World:
    return await opens_market(world)


async def test_a_peso_proves_a_method_and_comes_back_as_bonus(market: World) -> None:
    anna = await market.customer()
    method, started = await adds(market, anna)
    assert method.status is MethodStatus.UNVERIFIED
    assert await market.billing.list_payment_methods(anna) == []

    await market.pays_and_is_heard(started)

    [proven] = await market.billing.list_payment_methods(anna)
    assert proven.status is MethodStatus.VERIFIED
    assert await market.books(ledger.bonus(anna)) == 100
    assert await market.cash(anna) == {}


async def test_the_receipt_of_a_check_goes_to_the_customer_else_to_whom_the_method_names(
    market: World,
) -> None:
    rule = ReceiptRule(1, "service", "full_payment", fallback_contact="shop@example.com")
    terms = VerificationTerms((rub(1),), {"ru": "Проверка карты"}, rule)
    money = replace(market.wanted().money, verification=terms)
    await market.billing.apply_catalog(replace(market.wanted(), money=money))
    anna = await market.customer()

    _, without = await adds(market, anna)
    await market.billing.register_customer(
        identity("telegram:1001"), receipt_contact="anna@example.com"
    )
    _, with_contact = await adds(market, anna)

    assert without.checkout is not None
    assert without.checkout.receipt == Receipt(BILLING.email, "Проверка карты", rule)
    assert with_contact.checkout is not None
    assert with_contact.checkout.receipt == Receipt("anna@example.com", "Проверка карты", rule)


async def test_the_gateway_is_told_who_pays_the_check_and_again_after_a_lost_answer(
    market: World,
) -> None:
    anna, cause = await market.customer(), market.cause("add")
    market.gateway.act_then_fail(1)
    with pytest.raises(GatewayUnavailable):
        await adds(market, anna, cause=cause)

    _, started = await adds(market, anna, cause=cause)  # Another request with its key is refused.

    assert started.checkout is not None
    assert started.checkout.payment_id is not None
    assert market.gateway.billing_of(started.checkout.payment_id) == BILLING
    assert len(market.gateway.payments) == 1


async def test_the_same_request_is_the_same_method(market: World) -> None:
    anna = await market.customer()
    cause = market.cause("add")

    first, second = [await adds(market, anna, cause=cause) for _ in range(2)]

    assert first[0].id == second[0].id
    assert first[1].purchase.id == second[1].purchase.id


async def test_an_abandoned_method_is_cleaned_after_a_day(market: World) -> None:
    anna = await market.customer()
    method, _ = await adds(market, anna)
    await market.time_passes(hours=23)
    async with market.store.read() as view:
        assert (await view.methods.get(method.id)).status is MethodStatus.UNVERIFIED

    await market.time_passes(hours=1, minutes=5)
    await market.time_passes(minutes=5)

    async with market.store.read() as view:
        assert (await view.methods.get(method.id)).status is MethodStatus.REMOVED


async def test_a_check_paid_for_a_removed_method_stays_in_the_wallet(market: World) -> None:
    anna = await market.customer()
    method, started = await adds(market, anna)
    await market.billing.remove_payment_method(anna, method.id)

    await market.pays_and_is_heard(started)

    assert await market.cash(anna) == {"RUB": 100}
    async with market.store.read() as view:
        assert (await view.methods.get(method.id)).status is MethodStatus.REMOVED
    paid = (await market.purchase(anna, started.purchase.id)).purchase
    assert paid.status is not PurchaseStatus.PAID


async def test_what_lies_in_the_wallet_proves_no_method(market: World) -> None:
    anna = await market.customer()
    await market.deposits(anna, rub(100))
    method, started = await adds(market, anna)

    with pytest.raises(GatewayNotFound):
        await market.billing.add_checkout(
            anna,
            started.purchase.id,
            return_url=RETURN,
            cause=market.cause(),
            gateway=WALLET,
        )

    await market.deposits(anna, rub(5))  # Nothing waits for it either.
    assert await market.billing.list_payment_methods(anna) == []
    assert await market.cash(anna) == {"RUB": 10500}
    with pytest.raises(PaymentMethodNotVerified):
        await withdraws(market, anna, method, rub(50))


async def test_a_removed_method_is_not_listed_and_removing_again_changes_nothing(
    market: World,
) -> None:
    anna, ben = await market.customer(), await market.customer("telegram:1002")
    method = await proves(market, anna)
    with pytest.raises(PaymentMethodNotFound):
        await market.billing.remove_payment_method(ben, method.id)

    for _ in range(2):
        await market.billing.remove_payment_method(anna, method.id)

    assert await market.billing.list_payment_methods(anna) == []


async def test_a_business_without_methods_says_so(world: World) -> None:
    anna = await world.customer()
    with pytest.raises(NotOffered):
        await adds(world, anna)


@pytest.mark.parametrize(
    ("kind", "number", "holder"),
    [
        ("GCash", "0917", "J"),
        ("gcash", "09", "J"),
        ("gcash", "0917 123", "J"),
        ("gcash", "0917", ""),
        ("gcash", "0917", " J"),
        ("gcash", "0917", "J\n"),
        ("gcash", "0" * 65, "J"),
        ("gcash", "0917", "J" * 101),
    ],
)
def test_what_is_no_account_is_refused(kind: str, number: str, holder: str) -> None:
    with pytest.raises(AccountNotUsable):
        PayoutAccount(kind, number, holder)


def test_billing_data_is_whole_and_nothing_personal_shows() -> None:
    for wrong in ("", " x", "x\n", "x" * 129):
        with pytest.raises(BillingNotUsable):
            Billing(wrong, "a@example.com", "1")
    shown = repr(ACCOUNT) + repr(BILLING)
    assert not any(secret in shown for secret in ("0917", "JUAN", "Juan", "juan@"))
    assert ACCOUNT.masked == "••••4567"
    assert PayoutAccount("gcash", "0917", "J").masked == "••••17"


async def test_an_open_check_at_a_former_price_keeps_its_method(market: World) -> None:
    anna = await market.customer()
    method, started = await adds(market, anna)
    terms = replace(market.wanted().money, verification=VerificationTerms((rub(2),)))
    await market.billing.apply_catalog(replace(market.wanted(), money=terms))
    market.clock.advance(timedelta(hours=24, minutes=1))

    await market.billing.clean_method(method.id)  # Before its check was found to be over.

    async with market.store.read() as view:
        assert (await view.methods.get(method.id)).status is MethodStatus.UNVERIFIED
    assert (await market.purchase(anna, started.purchase.id)).purchase.is_pending
    await market.sweeps()
    await market.time_passes(minutes=5)
    async with market.store.read() as view:
        assert (await view.methods.get(method.id)).status is MethodStatus.REMOVED


async def test_a_check_paid_in_the_last_moment_is_found_before_anything_is_cleaned(
    market: World,
) -> None:
    anna = await market.customer()
    market.clock.advance(timedelta(minutes=30))
    method, started = await adds(market, anna)
    market.pays(started)  # And nobody tells us.
    market.clock.advance(timedelta(hours=24, minutes=1))

    await market.sweeps()

    assert [one.id for one in await market.billing.list_payment_methods(anna)] == [method.id]


async def test_while_the_gateway_is_down_nothing_is_cleaned(market: World) -> None:
    anna = await market.customer()
    method, _ = await adds(market, anna)
    market.clock.advance(timedelta(hours=24, minutes=1))
    market.gateway.unavailable(1000)

    await market.sweeps()

    async with market.store.read() as view:
        assert (await view.methods.get(method.id)).status is MethodStatus.UNVERIFIED


async def test_what_another_gateway_gave_cannot_charge_at_this_one(store: Store) -> None:
    clock = Clock()
    other = MemoryGateway("other", now=clock)
    market = await opens_market(await World(store, more_gateways=[other], clock=clock).opens())
    anna = await market.customer()
    method, started = await market.billing.add_payment_method(
        anna, ACCOUNT, BILLING, Terms(RETURN, "yookassa"), cause=market.cause()
    )
    assert method.gateway == "yookassa"
    elsewhere = await market.billing.add_checkout(
        anna, started.purchase.id, return_url=RETURN, cause=market.cause(), gateway="other"
    )
    assert elsewhere.checkout is not None
    assert elsewhere.checkout.payment_id is not None
    other.pay(elsewhere.checkout.payment_id)
    await market.billing.settle_payment(other.name, elsewhere.checkout.payment_id)

    [proven] = await market.billing.list_payment_methods(anna)

    assert (proven.id, proven.token) == (method.id, None)


async def test_a_check_of_another_amount_proves_nothing(market: World) -> None:
    anna = await market.customer()
    _, started = await adds(market, anna)
    payment_id = market.pays(started, rub(2))
    await market.hears(payment_id)

    assert await market.billing.list_payment_methods(anna) == []
    assert await market.cash(anna) == {"RUB": 200}
    assert await market.cases() == ["mismatch"]


async def test_ten_copies_of_the_notice_prove_it_once(market: World) -> None:
    anna = await market.customer()
    _, started = await adds(market, anna)
    payment_id = market.pays(started)

    await asyncio.gather(*(again(lambda: market.settles(payment_id)) for _ in range(10)))

    assert len(await market.billing.list_payment_methods(anna)) == 1
    assert await market.books(ledger.bonus(anna)) == 100
