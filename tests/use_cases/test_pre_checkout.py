"""Whether a payment in a chat is welcome, on every store: for whom, at what price, until when."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.domain.checkout import Checkout, CheckoutStatus
from core.domain.customer import Identity, IdentityKind
from core.domain.money import Money
from core.domain.payment import OpenedCheckout, PaymentId
from core.domain.purchase import PurchaseStatus
from core.ports.unit_of_work import Store
from core.use_cases.checkouts import STARS
from core.use_cases.pre_checkout import AboutToPay, AllowPayment, Refusal, Verdict
from tests.builders import (
    NOON,
    Clock,
    a_catalog,
    a_checkout,
    a_customer,
    a_free_subscription,
    a_pending_purchase,
    another_customer,
)

PAYMENT_ID = PaymentId("chk_00000001.1773136800")
ANNA_PAYS = AboutToPay(PAYMENT_ID, Identity(IdentityKind.TELEGRAM, "1001"), "XTR", 250)
ENDS_AT = NOON + timedelta(hours=1)


@pytest.fixture
async def shop(store: Store) -> Store:
    """Anna has ordered for 250 Stars and not paid; Boris is known too."""
    async with store.write() as uow:
        await uow.catalogs.apply(a_catalog())
        for customer in (a_customer(blocked_at=None), another_customer(language="en")):
            await uow.customers.add(customer)
            await uow.subscriptions.add(a_free_subscription(customer.id))
        stars = Money.of(250, "XTR")
        await uow.purchases.add(a_pending_purchase(amount=stars))
        opened = OpenedCheckout(PAYMENT_ID, "https://t.me/$x", ENDS_AT)
        checkout = a_checkout(gateway=STARS, amount=stars, opened=opened)
        await uow.checkouts.add(checkout)
        await uow.commit()
    return store


async def verdict(shop: Store, asked: AboutToPay = ANNA_PAYS, now: Clock | None = None) -> Verdict:
    return await AllowPayment(shop, now or Clock())(asked)


async def changes_checkout(shop: Store, **fields: Any) -> None:
    async with shop.write() as uow:
        checkout: Checkout = await uow.checkouts.get(a_checkout().id)
        await uow.checkouts.save(replace(checkout, **fields))
        await uow.commit()


async def changes_purchase(shop: Store, **fields: Any) -> None:
    async with shop.write() as uow:
        purchase = await uow.purchases.get(a_pending_purchase().id)
        await uow.purchases.save(replace(purchase, **fields))
        await uow.commit()


async def test_what_was_agreed_is_welcome_from_whom_it_was_agreed_with(shop: Store) -> None:
    assert await verdict(shop) == Verdict(None, "ru")


async def test_an_invoice_of_somebody_else_is_not(shop: Store) -> None:
    boris = replace(ANNA_PAYS, payer=Identity(IdentityKind.TELEGRAM, "1002"))

    assert await verdict(shop, boris) == Verdict(Refusal.OTHER_PAYER, "en")


async def test_who_is_leaving_is_asked_for_nothing(shop: Store) -> None:
    async with shop.write() as uow:
        anna = await uow.customers.lock(a_customer().id)
        await uow.customers.save(anna.leaving(at=NOON))
        await uow.commit()

    assert await verdict(shop) == Verdict(Refusal.BLOCKED, "ru")


async def test_a_forwarded_invoice_is_not_for_whom_nobody_knows(shop: Store) -> None:
    stranger = replace(ANNA_PAYS, payer=Identity(IdentityKind.TELEGRAM, "777"))

    assert await verdict(shop, stranger) == Verdict(Refusal.OTHER_PAYER, None)


@pytest.mark.parametrize("payment_id", ["", "order:1", "chk_00000002.1773136800"])
async def test_an_unknown_payload_is_not(shop: Store, payment_id: str) -> None:
    asked = replace(ANNA_PAYS, payment_id=PaymentId(payment_id))

    assert (await verdict(shop, asked)).refusal is Refusal.UNKNOWN


@pytest.mark.parametrize("total", [0, 249, 251, -250])
async def test_another_total_is_not(shop: Store, total: int) -> None:
    asked = replace(ANNA_PAYS, total_minor=total)

    assert (await verdict(shop, asked)).refusal is Refusal.OTHER_SUM


async def test_another_currency_is_not_even_of_that_gateway(shop: Store) -> None:
    asked = replace(ANNA_PAYS, currency="RUB")

    assert (await verdict(shop, asked)).refusal is Refusal.UNKNOWN


async def test_the_term_ends_to_the_moment(shop: Store) -> None:
    assert (await verdict(shop, now=Clock(ENDS_AT - timedelta(microseconds=1)))).refusal is None
    assert (await verdict(shop, now=Clock(ENDS_AT))).refusal is Refusal.OVER


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (PurchaseStatus.PAID, Refusal.PAID),
        (PurchaseStatus.CANCELED, Refusal.ENDED),
        (PurchaseStatus.EXPIRED, Refusal.ENDED),
    ],
)
async def test_an_order_that_has_ended_is_not_paid_again(
    shop: Store, status: PurchaseStatus, why: Refusal
) -> None:
    await changes_purchase(shop, status=status, ended_at=NOON)

    assert (await verdict(shop)).refusal is why


@pytest.mark.parametrize(
    ("status", "why"),
    [(CheckoutStatus.LAPSED, Refusal.OVER), (CheckoutStatus.PAID, Refusal.PAID)],
)
async def test_a_checkout_that_has_ended_is_not_paid_again(
    shop: Store, status: CheckoutStatus, why: Refusal
) -> None:
    await changes_checkout(shop, status=status)

    assert (await verdict(shop)).refusal is why


async def test_who_is_not_served_does_not_pay(shop: Store) -> None:
    async with shop.write() as uow:
        anna = await uow.customers.lock(a_customer().id)
        await uow.customers.save(anna.blocked(at=NOON))
        await uow.commit()

    assert (await verdict(shop)).refusal is Refusal.BLOCKED
