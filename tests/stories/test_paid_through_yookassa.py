"""A plan bought, given back and paid again by a saved card, through YooKassa's double, over HTTP."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.catalog_file import catalog_from_file
from adapters.persistence.memory import MemoryStore
from core.domain import ledger
from core.domain.checkout import CheckoutStatus
from core.domain.customer import CustomerId, identity
from core.domain.escrow import Escrow
from core.domain.item import EscrowPart
from core.domain.money import Money
from core.domain.money_terms import (
    Brake,
    DepositTerms,
    MoneyTerms,
    VerificationTerms,
    WithdrawalTerms,
)
from core.domain.payment_method import MethodStatus, PaymentMethod
from core.domain.payout import PayoutAccount
from core.domain.purchase import PurchaseId, PurchaseStatus
from core.domain.refund import RefundStatus
from core.domain.withdrawal import WithdrawalStatus
from core.ports.payment_gateway import CheckoutDeclined, Webhook
from core.use_cases.charging import MethodNotChargeable
from core.use_cases.checkouts import ReceiptContactMissing, Started, Terms
from core.use_cases.consequences import consequences
from sandbox.yookassa.wire import Call, Json
from tests.adapters.gateways.desks import LISTED, SHOP, YooKassaDesk, a_yookassa_desk
from tests.adapters.gateways.served import a_stage
from tests.builders import YOOKASSA, Clock, rub
from tests.market import adds, status, withdraws
from tests.world import FITNESS, RETURN, World

CARD = PayoutAccount("bank_card", "2200000000000004", "ANNA IVANOVA")
PRICE = rub(299)
FISCALISED = """
[payment_methods]
verify = { RUB = "1.00" }
receipt = { vat_code = 1, payment_subject = "service", payment_mode = "full_payment" }

[escrow]
receipt = { vat_code = 1, payment_subject = "payment", payment_mode = "advance" }
"""
FEE = Money.of(10_47, "RUB")
"""What the double keeps of it: 3.5 %, rounded."""


class Shop(World):
    """A world whose gateway is YooKassa, which tells by webhooks what happens there."""

    desk: YooKassaDesk

    async def hears_all(self) -> list[str]:
        """Everything that is due arrives and is worked off; the events, in order."""
        told = []
        for one in self.desk.rules.due_notifications(self.clock()):
            body, headers = self.desk.rules.signed(one, self.clock())
            await self.billing.take_in_webhook(YOOKASSA, Webhook(LISTED, headers, body))
            await self.pump.drain()
            self.desk.rules.delivered(one.id)
            told.append(one.body["event"])
        return told

    async def anna(self) -> CustomerId:
        one = await self.billing.register_customer(
            identity("telegram:1001"), language="ru", receipt_contact="anna@example.com"
        )
        return one.id

    async def pays_there(self, started: Started) -> list[str]:
        assert started.checkout is not None
        assert started.checkout.payment_id is not None
        self.desk.rules.pay(started.checkout.payment_id, at=self.clock())
        return await self.hears_all()

    async def proves_a_card(self, who: CustomerId) -> PaymentMethod:
        method, started = await adds(self, who, CARD)
        await self.pays_there(started)
        [*_, proven] = await self.billing.list_payment_methods(who)
        assert proven.id == method.id
        return proven

    async def funds(self, escrow: Escrow) -> Started:
        terms, part = Terms(RETURN, YOOKASSA), EscrowPart.DOWN_PAYMENT
        return await self.billing.fund_escrow(
            escrow.payer_id, escrow.id, part, terms, cause=self.cause()
        )

    async def wants_pro(self, who: CustomerId) -> PurchaseId:
        """An open purchase of PRO that nobody paid at its page in time."""
        started = await self.buys(who)
        assert started.checkout is not None
        assert started.checkout.payment_id is not None
        self.desk.rules.expire(started.checkout.payment_id, at=self.clock())
        await self.hears_all()
        return started.purchase.id

    def refunds_there(self) -> list[Json]:
        """The newest first."""
        call = Call("GET", "/refunds", SHOP.shop_id, SHOP.secret)
        items: list[Json] = self.desk.rules.answer(call, at=self.clock()).body["items"]
        return items

    def paid_there(self, amount: Money) -> int:
        """How many payments of this amount YooKassa has taken."""
        told = {"value": amount.decimal_text(), "currency": amount.currency.code}
        bodies = [one.body for one in self.desk.rules.payments()]
        return sum(one["paid"] and one["amount"] == told for one in bodies)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with a_stage() as stage:
        clock = Clock()
        async with a_yookassa_desk(stage, clock) as desk:
            more = [desk.gateway]
            shop = Shop(MemoryStore(consequences), more_gateways=more, clock=clock, memory="other")
            shop.desk = desk
            terms = MoneyTerms(
                DepositTerms(bounds=((rub(100), rub(100_000)),)),
                verification=VerificationTerms((rub(1),)),
                withdrawal=WithdrawalTerms((rub(10),), (Brake(rub(500), rub(900), rub(2000)),)),
            )
            await shop.billing.apply_catalog(replace(shop.wanted(), money=terms))
            yield shop


async def test_an_operator_gives_a_plan_back_with_its_receipt(shop: Shop) -> None:
    shop.desk.rules.shops[SHOP.shop_id] = replace(SHOP, receipt_required=True)
    anna = await shop.anna()
    started = await shop.buys(anna)
    assert await shop.pays_there(started) == ["payment.succeeded"]
    assert await shop.plan(anna) == "PRO_MONTHLY"
    assert await shop.books(ledger.fees(YOOKASSA)) == -FEE.amount_minor

    done = await shop.refunds(started)

    assert done.refund is not None
    assert done.refund.status is RefundStatus.DONE
    [refund] = shop.refunds_there()
    assert refund["amount"] == {"value": "299.00", "currency": "RUB"}
    assert refund["receipt_registration"] == "pending"
    assert refund["metadata"] == {"refund_id": done.refund.id, "purchase_id": started.purchase.id}
    assert await shop.plan(anna) == "FREE"
    assert await shop.hears_all() == ["refund.succeeded"]
    assert await shop.books(ledger.clearing(YOOKASSA)) == FEE.amount_minor
    assert await shop.books(ledger.hold(anna)) == 0


async def test_a_shop_that_fiscalises_proves_a_card_and_takes_a_part_of_an_escrow(
    shop: Shop, tmp_path: Path
) -> None:
    shop.desk.rules.shops[SHOP.shop_id] = replace(SHOP, receipt_required=True)
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(FITNESS.read_text() + FISCALISED)
    await shop.billing.apply_catalog(catalog_from_file(catalog))
    anna, boris = await shop.customer(), await shop.customer("external:boris")
    escrow = await shop.billing.open_escrow(
        anna, boris, "A kitchen", total=rub(300), down_payment=rub(300), cause=shop.cause()
    )

    card = await shop.proves_a_card(anna)
    with pytest.raises(ReceiptContactMissing):
        await shop.funds(escrow)
    await shop.anna()
    funded = await shop.funds(escrow)
    await shop.pays_there(funded)

    assert card.status is MethodStatus.VERIFIED
    assert (await shop.billing.show_escrows.one(anna, escrow.id)).down_payment.status == "funded"
    assert [one.body["receipt_registration"] for one in shop.desk.rules.payments()] == [
        "pending",
        "pending",
    ]


async def test_a_part_goes_back_once_though_its_answer_is_lost(shop: Shop) -> None:
    shop.desk.rules.shops[SHOP.shop_id] = replace(SHOP, receipt_required=True)
    anna = await shop.anna()
    started = await shop.buys(anna)
    await shop.pays_there(started)
    shop.desk.lose_answers(1)
    cause = shop.cause()

    first = await shop.refunds(started, rub(99), cause)
    assert first.refund is not None
    assert first.refund.status is RefundStatus.ASKED
    await shop.refunds(started, rub(99), cause)
    await shop.time_passes(minutes=5)

    [refund] = shop.refunds_there()
    assert (refund["amount"]["value"], refund["receipt_registration"]) == ("99.00", "pending")
    done = await shop.refunds(started, rub(99), cause)
    assert done.refund is not None
    assert done.refund.status is RefundStatus.DONE
    assert await shop.plan(anna) == "PRO_MONTHLY"


async def test_a_refund_that_yookassa_cannot_deliver_is_undone(shop: Shop) -> None:
    shop.desk.rules.shops[SHOP.shop_id] = replace(SHOP, refunds_wait=True)
    anna = await shop.anna()
    started = await shop.buys(anna)
    await shop.pays_there(started)
    cause = shop.cause()
    await shop.refunds(started, cause=cause)
    [refund] = shop.refunds_there()

    shop.desk.rules.reject_refund(refund["id"], at=shop.clock())
    await shop.time_passes(hours=7)  # Nobody tells of it.

    done = await shop.refunds(started, cause=cause)
    assert done.refund is not None
    assert done.refund.status is RefundStatus.FAILED
    assert await shop.books(ledger.hold(anna)) == 0


async def test_a_saved_card_is_proven_and_then_pays_for_the_plan(shop: Shop) -> None:
    anna = await shop.anna()
    card = await shop.proves_a_card(anna)
    assert card.token is not None
    wanted = await shop.wants_pro(anna)

    cause = shop.cause("renewal 1")
    paid = await shop.billing.charge_method(wanted, card.id, cause=cause)
    await shop.billing.charge_method(wanted, card.id, cause=cause)

    assert paid.purchase.status is PurchaseStatus.PAID
    assert await shop.plan(anna) == "PRO_MONTHLY"
    assert await shop.hears_all() == ["payment.succeeded"]
    assert shop.paid_there(PRICE) == 1
    assert await shop.cash(anna) == {}


async def test_a_charge_whose_answer_was_lost_pays_once(shop: Shop) -> None:
    anna = await shop.anna()
    card, wanted = await shop.proves_a_card(anna), await shop.wants_pro(anna)
    shop.desk.lose_answers(1)
    shop.desk.rules.faults.plan("drop", 1)

    unknown = await shop.billing.charge_method(wanted, card.id, cause=shop.cause())
    assert unknown.checkout is not None
    assert unknown.checkout.status is CheckoutStatus.UNKNOWN
    await shop.billing.charge_method(wanted, card.id, cause=shop.cause())
    await shop.time_passes(minutes=5)

    assert shop.paid_there(PRICE) == 1
    assert await shop.plan(anna) == "PRO_MONTHLY"


async def test_a_card_that_its_owner_unbound_is_not_charged_again(shop: Shop) -> None:
    anna = await shop.anna()
    card, wanted = await shop.proves_a_card(anna), await shop.wants_pro(anna)
    assert card.token is not None
    shop.desk.revoke(card.token)

    with pytest.raises(CheckoutDeclined):
        await shop.billing.charge_method(wanted, card.id, cause=shop.cause())
    await shop.hears_all()

    assert await shop.plan(anna) == "FREE"
    with pytest.raises(MethodNotChargeable):
        await shop.billing.charge_method(wanted, card.id, cause=shop.cause())


async def test_a_shop_that_may_not_do_it_any_more_keeps_its_cards(shop: Shop) -> None:
    anna = await shop.anna()
    card, wanted = await shop.proves_a_card(anna), await shop.wants_pro(anna)
    shop.desk.rules.shops[SHOP.shop_id] = replace(SHOP, recurring_allowed=False)

    unknown = await shop.billing.charge_method(wanted, card.id, cause=shop.cause())

    assert unknown.checkout is not None
    assert unknown.checkout.status is CheckoutStatus.UNKNOWN
    [*_, kept] = await shop.billing.list_payment_methods(anna)
    assert kept.token == card.token
    assert shop.paid_there(PRICE) == 0


@pytest.mark.parametrize("is_done", [True, False])
async def test_a_withdrawal_goes_to_the_card_once(shop: Shop, is_done: bool) -> None:
    anna = await shop.anna()
    card = await shop.proves_a_card(anna)
    assert await shop.pays_there(await shop.starts_deposit(anna, rub(400)))
    shop.desk.lose_answers(1)

    asked = await withdraws(shop, anna, card, rub(300))
    await shop.time_passes(minutes=5)
    [payout] = shop.desk.rules.payouts()
    assert payout["payout_destination"]["card"]["last4"] == "0004"
    if is_done:
        shop.desk.rules.finish_payout(payout["id"], at=shop.clock())
    else:
        shop.desk.rules.fail_payout(payout["id"], at=shop.clock())

    assert await shop.hears_all() == [f"payout.{payout['status']}"]
    ended = WithdrawalStatus.DONE if is_done else WithdrawalStatus.FAILED
    assert await status(shop, anna, asked) is ended
    assert await shop.cash(anna) == {"RUB": 100_00 if is_done else 400_00}
    assert len(shop.desk.rules.payouts()) == 1
