"""A payment method is proven by a small payment, which comes back as bonus."""

import pytest

from core.domain import ledger
from core.domain.money_terms import (
    NotOffered,
)
from core.domain.payment_method import (
    Billing,
    BillingNotUsable,
    MethodStatus,
    PaymentMethodNotFound,
)
from core.domain.payout import AccountNotUsable, PayoutAccount
from core.domain.purchase import PurchaseStatus
from tests.market import ACCOUNT, BILLING, adds, opens_market, proves
from tests.world import World


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
