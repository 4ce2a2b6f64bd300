"""Crypto Pay as a payment gateway: invoices of one app, and transfers to Telegram users."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final

import httpx
import structlog

from adapters.gateways.calls import TIMEOUT, Calls, Told, at, text_at
from adapters.gateways.cryptopay.account import CryptoPayAccount
from adapters.gateways.cryptopay.translate import (
    COINS,
    ID,
    NAME,
    USER_ID,
    check_signature,
    facts_from_invoice,
    facts_from_transfer,
    moment_at,
    notice_from_body,
    opened_from_invoice,
    request_from_checkout,
    request_from_order,
)
from core.domain.checkout import Checkout
from core.domain.money import Money
from core.domain.payment import (
    Notice,
    OpenedCheckout,
    PaymentFacts,
    PaymentId,
    PaymentStatus,
    PayoutFacts,
    PayoutId,
    RefundFacts,
)
from core.domain.payment_method import Billing
from core.domain.payout import PayoutOrder
from core.ports.payment_gateway import (
    Abilities,
    CheckoutDeclined,
    GatewayUnavailable,
    PayoutDeclined,
    TakesPayments,
    Webhook,
)
from core.ports.unit_of_work import unit_is_open

PAGE_SIZE: Final = 1000
PAGES_MAX: Final = 50
CLOCKS_DIFFER: Final = timedelta(minutes=5)

log = structlog.get_logger()


class CryptoPayGateway(TakesPayments):
    """
    Our `payment_id` is the invoice's id. Opening honours no key: whoever opens twice opens two, so
    what had no answer is looked for by its payload. An invoice ends by itself; deleting it would
    take it out of every list, and nobody could tell any more what became of it. Nothing is
    refunded by the provider; a transfer is a payout.
    """

    name = NAME

    def __init__(
        self,
        account: CryptoPayAccount,
        *,
        api_url: str | None = None,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
        """`api_url` is for rehearsals; None: of the network that the account is on."""
        self._account = account
        self._calls = Calls(
            NAME,
            url=api_url or account.api_url,
            headers={"Crypto-Pay-API-Token": account.token},
            timeout=timeout,
        )
        self.abilities = Abilities(
            # The provider documents none; what it refuses for its amount is declined.
            bounds={
                "RUB": (Money.of(1_00, "RUB"), Money.of(9_999_999_99, "RUB")),
                "USD": (Money.of(10, "USD"), Money.of(99_999_99, "USD")),
                "EUR": (Money.of(10, "EUR"), Money.of(99_999_99, "EUR")),
                "USDT": (Money.of(100_000, "USDT"), Money.of(99_999 * 10**6, "USDT")),
                "TON": (Money.of(10**8, "TON"), Money.of(99_999 * 10**9, "TON")),
            },
            key_memory=timedelta(0),
            # Worth 1 to 25 000 dollars (Crypto Pay API, transfer); a Toncoin's worth changes.
            payouts={
                "USDT": (Money.of(10**6, "USDT"), Money.of(25_000 * 10**6, "USDT")),
                "TON": (Money.of(10**9, "TON"), Money.of(5_000 * 10**9, "TON")),
            },
            accounts=frozenset({"telegram"}),
            lists=True,
            coins=frozenset({"USDT", "TON"}),
        )

    async def close(self) -> None:
        await self._calls.close()

    async def open_checkout(
        self,
        checkout: Checkout,
        billing: Billing | None = None,  # noqa: ARG002
    ) -> OpenedCheckout:
        body = request_from_checkout(checkout, self._account)
        told = await self._calls.call("POST", "createInvoice", body=body)
        if _is_no(told):
            raise CheckoutDeclined(NAME, _reason(told))
        return opened_from_invoice(at(told.body, "result"))

    def read_webhook(self, webhook: Webhook) -> Notice:
        headers = {name.lower(): value for name, value in webhook.headers.items()}
        check_signature(headers.get("crypto-pay-api-signature", ""), webhook.body, self._account)
        return notice_from_body(webhook.body)

    async def find_payment(self, payment_id: PaymentId) -> PaymentFacts | None:
        assert not unit_is_open.get(), "a gateway is never called inside a unit of work"
        if not ID.fullmatch(payment_id):
            return None
        for invoice in await self._page("getInvoices", invoice_ids=payment_id):
            facts = facts_from_invoice(invoice, self._account)
            if facts.payment_id == payment_id:
                return facts
        return None

    async def find_checkout(self, checkout: Checkout) -> PaymentFacts | None:
        """
        By the payload, among the invoices that were made since it was asked for.

        Raises:
            GatewayUnavailable: also when there are more than can be looked through.
        """
        code = checkout.amount.currency.code
        query = {"asset" if code in COINS else "fiat": code}
        since = checkout.asked_at - CLOCKS_DIFFER
        found = None
        async for invoice in self._made("getInvoices", "created_at", since, **query):
            facts = facts_from_invoice(invoice, self._account)
            if facts.checkout_id == checkout.id:
                found = facts
                if facts.status is PaymentStatus.PAID:
                    break
        return found

    async def pay_out(self, order: PayoutOrder) -> PayoutFacts:
        """
        By which name a spend_id is refused that was used before is not documented, so whatever is
        refused is looked for: what is there was sent.
        """
        assert not unit_is_open.get(), "a gateway is never called inside a unit of work"
        if not USER_ID.fullmatch(order.account.number):
            raise PayoutDeclined(NAME, "user_not_found")
        told = await self._calls.call("POST", "transfer", body=request_from_order(order))
        if not _is_no(told):
            return facts_from_transfer(at(told.body, "result"), order.id)
        sent = await self.find_payout(order, None)
        if sent is not None:
            return sent
        reason = _reason(told)
        if "spend_id" in reason:  # Another one of the same key is on its way.
            log.error("transfer refused for its key", gateway=NAME, withdrawal=order.id)
            raise GatewayUnavailable(NAME)
        raise PayoutDeclined(NAME, reason)

    async def find_payout(
        self,
        order: PayoutOrder,
        payout_id: PayoutId | None,  # noqa: ARG002
    ) -> PayoutFacts | None:
        """Our key is enough: it is for ever."""
        for transfer in await self._page("getTransfers", spend_id=order.id):
            if text_at(transfer, "spend_id") == order.id:
                return facts_from_transfer(transfer, order.id)
        return None

    async def since(
        self, since: datetime
    ) -> AsyncIterator[PaymentFacts | RefundFacts | PayoutFacts]:
        """
        Invoices by when they were made, then transfers, each the newest first.

        Raises:
            GatewayUnavailable: also when there are more than can be looked through.
        """
        first = since.replace(microsecond=since.microsecond // 1000 * 1000)  # As its times are.
        async for invoice in self._made("getInvoices", "created_at", first):
            yield facts_from_invoice(invoice, self._account)
        async for transfer in self._made("getTransfers", "completed_at", first):
            yield facts_from_transfer(transfer, text_at(transfer, "spend_id") or None)

    async def _made(
        self, method: str, stamp: str, since: datetime, **query: str
    ) -> AsyncIterator[object]:
        """
        What was made since then. The newest come first, which is seen and not documented: where
        a page is not in this order, all of them are looked through.
        """
        offset = 0
        for _ in range(PAGES_MAX):
            page = await self._page(method, **query, offset=str(offset), count=str(PAGE_SIZE))
            times = [moment_at(one, stamp) or since for one in page]
            for one, made in zip(page, times, strict=True):
                if made >= since:
                    yield one
            if not page or (times[-1] < since and times == sorted(times, reverse=True)):
                return
            offset += len(page)
        log.error("too many to look through", gateway=NAME, method=method)
        raise GatewayUnavailable(NAME)

    async def _page(self, method: str, **query: str) -> list[object]:
        told = await self._calls.call("GET", method, query=query)
        items = at(told.body, "result", "items")
        if _is_no(told) or not isinstance(items, list):
            log.error("request refused", gateway=NAME, method=method, reason=_reason(told))
            raise GatewayUnavailable(NAME)
        return items


def _is_no(told: Told) -> bool:
    return not told.is_yes or at(told.body, "ok") is False


def _reason(told: Told) -> str:
    """The error's name, in lower case."""
    name = text_at(told.body, "error", "name")
    is_plain = name.isascii() and name.replace("_", "").isalnum()
    return name[:64].lower() if is_plain else "refused"
