"""Xendit as a payment gateway: payment sessions of one account, refunds, payouts (Xendit docs)."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Final

import httpx
import structlog

from adapters.gateways.calls import TIMEOUT, Calls, Told, at, text_at
from adapters.gateways.xendit.account import XenditAccount
from adapters.gateways.xendit.disputes import chargeback_from_notice
from adapters.gateways.xendit.transactions import (
    payment_from_transaction,
    payout_from_transaction,
)
from adapters.gateways.xendit.translate import (
    CHANNELS,
    ID,
    NAME,
    PAYMENT_ID,
    check_token,
    facts_from_payment,
    facts_from_payout,
    facts_from_refund,
    facts_from_session,
    notice_from_body,
    opened_from_session,
    payment_of,
    request_from_checkout,
    request_from_order,
    request_from_refund,
    stamp,
)
from core.domain.checkout import Checkout
from core.domain.money import Money
from core.domain.payment import (
    Notice,
    OpenedCheckout,
    PaymentFacts,
    PaymentId,
    PayoutFacts,
    PayoutId,
    RefundFacts,
)
from core.domain.payment_method import Billing
from core.domain.payout import PayoutOrder
from core.domain.refund import Refund
from core.ports.payment_gateway import (
    Abilities,
    CheckoutDeclined,
    GatewayUnavailable,
    PayoutDeclined,
    RefundDeclined,
    Refunding,
    TakesPayments,
    Webhook,
)
from core.ports.unit_of_work import unit_is_open

API_URL: Final = "https://api.xendit.co"
PAGE_SIZE: Final = "100"
PAGES_MAX: Final = 50
TRANSACTIONS_A_PAGE: Final = "50"
TRANSACTION_PAGES_MAX: Final = 400
NOT_NOW: Final = frozenset(
    {"REFUND_IN_PROGRESS", "DUPLICATE_ERROR", "IDEMPOTENCY_ERROR", "CHANNEL_UNAVAILABLE"}
)
"""Refusals of now, or of a key: what became of the thing is to be asked, not concluded."""

log = structlog.get_logger()


class XenditGateway(TakesPayments):
    """
    Our `payment_id` is the session's; a payment that no session of ours knows is named by itself.
    Sessions honour no key and cannot be listed: whoever opens twice opens two, so nothing is
    opened again. Refunds and payouts honour theirs. What moved can be listed.
    """

    name = NAME

    def __init__(
        self,
        account: XenditAccount,
        *,
        api_url: str = API_URL,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
        self._account = account
        self._calls = Calls(NAME, url=api_url, auth=(account.secret_key, ""), timeout=timeout)
        one_peso = Money.of(1_00, "PHP")
        self.abilities = Abilities(
            # Each channel has bounds of its own; what is refused for them is declined.
            bounds={
                "PHP": (one_peso, Money.of(9_999_999_99, "PHP")),
                "USD": (Money.of(1_00, "USD"), Money.of(999_999_99, "USD")),
            },
            key_memory=timedelta(0),
            refunding=Refunding.PARTS,
            payouts={"PHP": (one_peso, Money.of(50_000_00, "PHP"))},  # As InstaPay takes it.
            accounts=frozenset(CHANNELS),
            lists=True,
        )

    async def close(self) -> None:
        await self._calls.close()

    async def open_checkout(
        self, checkout: Checkout, billing: Billing | None = None
    ) -> OpenedCheckout:
        body = request_from_checkout(checkout, billing)
        told = await self._calls.call("POST", "/sessions", body=body)
        if not told.is_yes:
            raise CheckoutDeclined(NAME, _reason(told))
        return opened_from_session(told.body)

    def read_webhook(self, webhook: Webhook) -> Notice:
        headers = {name.lower(): value for name, value in webhook.headers.items()}
        check_token(headers.get("x-callback-token", ""), self._account)
        return notice_from_body(webhook.body)

    def dispute_in(self, notice: Notice) -> RefundFacts | None:
        """
        Its payment does not say that it is disputed (Xendit docs), and a notice is not signed: how
        a dispute ends is for a person to book.
        """
        return chargeback_from_notice(notice)

    async def find_payment(self, payment_id: PaymentId) -> PaymentFacts | None:
        """By a session's id, by a payment's, or by a payment request's, as refunds name it."""
        assert not unit_is_open.get(), "a gateway is never called inside a unit of work"
        if not PAYMENT_ID.fullmatch(payment_id):
            return None
        if payment_id.startswith("ps-"):
            session = await self._read(f"/sessions/{payment_id}")
            if session is None:
                return None
            charge_id = payment_of(session)
            payment = await self._payment(charge_id) if charge_id else None
            if charge_id and payment is None:
                log.error("payment of a session not found", gateway=NAME, payment_id=payment_id)
                raise GatewayUnavailable(NAME)
            return facts_from_session(session, payment, self._account)
        if payment_id.startswith("pr-"):
            request = await self._read(f"/v3/payment_requests/{payment_id}")
            payment = await self._payment(text_at(request, "latest_payment_id"))
        else:
            payment = await self._payment(payment_id)
        return None if payment is None else facts_from_payment(payment, self._account)

    async def find_checkout(self, checkout: Checkout) -> PaymentFacts | None:  # noqa: ARG002
        """Sessions cannot be listed: what was opened unseen has nobody's address."""
        assert not unit_is_open.get(), "a gateway is never called inside a unit of work"
        return None

    async def close_checkout(self, payment_id: PaymentId) -> None:
        """One that has ended, or is being paid, refuses: ask afterwards."""
        if PAYMENT_ID.fullmatch(payment_id) and payment_id.startswith("ps-"):
            await self._calls.call("POST", f"/sessions/{payment_id}/cancel")

    async def refund(self, refund: Refund) -> RefundFacts:
        """Refunds are of payment requests: which one, the payment says."""
        payment = await self._payment(refund.charge_id)
        request_id = text_at(payment, "payment_request_id")
        if not PAYMENT_ID.fullmatch(request_id):
            raise RefundDeclined(NAME, "transaction_not_found")
        told = await self._calls.call(
            "POST",
            "/refunds",
            body=request_from_refund(refund, request_id),
            headers={"idempotency-key": refund.id},
        )
        if not told.is_yes:
            raise RefundDeclined(NAME, _final(told))
        return facts_from_refund(told.body, refund.payment_id)

    async def find_refunds(self, payment_id: PaymentId) -> list[RefundFacts]:
        """
        Raises:
            GatewayUnavailable: also when there are more than can be looked through.
        """
        request_id = await self._request_of(payment_id)
        if not PAYMENT_ID.fullmatch(request_id):
            return []
        found: list[RefundFacts] = []
        query = {"payment_request_id": request_id, "limit": PAGE_SIZE}
        for _ in range(PAGES_MAX):
            page, has_more = await self._page("/refunds", query)
            found += [facts_from_refund(one, payment_id) for one in page]
            if not has_more or not page:
                return found
            query["after_id"] = found[-1].refund_id
        log.error("too many refunds to look through", gateway=NAME, payment_id=payment_id)
        raise GatewayUnavailable(NAME)

    async def pay_out(self, order: PayoutOrder) -> PayoutFacts:
        told = await self._calls.call(
            "POST",
            "/v2/payouts",
            body=request_from_order(order),
            headers={"idempotency-key": order.id},
        )
        if not told.is_yes:
            raise PayoutDeclined(NAME, _final(told))
        return facts_from_payout(told.body)

    async def find_payout(
        self, order: PayoutOrder, payout_id: PayoutId | None
    ) -> PayoutFacts | None:
        if payout_id is not None and ID.fullmatch(payout_id):
            payout = await self._read(f"/v2/payouts/{payout_id}")
            if payout is not None:
                return facts_from_payout(payout)
        query = {"reference_id": order.id, "limit": PAGE_SIZE}
        page, _ = await self._page("/v2/payouts", query)
        # Somebody may have made another of the same name at the dashboard.
        ours = [one for one in page if text_at(one, "metadata", "withdrawal_id") == order.id]
        return facts_from_payout((ours or page)[-1]) if page else None

    async def since(
        self, since: datetime
    ) -> AsyncIterator[PaymentFacts | RefundFacts | PayoutFacts]:
        """
        Payments, refunds, then payouts, the newest of each first (Xendit docs, List Transactions;
        the key needs the permission to read transactions). A transaction does not say what a
        refund is of: each is read by itself.

        Raises:
            GatewayUnavailable: also when there are more than can be looked through.
        """
        async for one in self._transactions("PAYMENT", since):
            payment = payment_from_transaction(one, self._account)
            if payment is not None:
                yield payment
        async for one in self._transactions("REFUND", since):
            refund = await self._refund(text_at(one, "product_id"))
            if refund is not None:
                yield refund
        async for one in self._transactions("DISBURSEMENT", since):
            payout = payout_from_transaction(one)
            if payout is not None:
                yield payout

    async def _transactions(self, kind: str, since: datetime) -> AsyncIterator[object]:
        query = {"types": kind, "created[gte]": stamp(since), "limit": TRANSACTIONS_A_PAGE}
        for _ in range(TRANSACTION_PAGES_MAX):
            page, has_more = await self._page("/transactions", query)
            for one in page:
                yield one
            if not has_more or not page:
                return
            query["after_id"] = text_at(page, -1, "id")
        log.error("too many transactions to look through", gateway=NAME)
        raise GatewayUnavailable(NAME)

    async def _refund(self, refund_id: str) -> RefundFacts | None:
        """None: it is of another product, and of no payment here."""
        refund = await self._read(f"/refunds/{refund_id}") if ID.fullmatch(refund_id) else None
        for name in ("payment_id", "payment_request_id"):
            payment_id = text_at(refund, name)
            if PAYMENT_ID.fullmatch(payment_id):
                return facts_from_refund(refund, PaymentId(payment_id))
        return None

    async def _payment(self, payment_id: str) -> Mapping[str, object] | None:
        if not PAYMENT_ID.fullmatch(payment_id):
            return None
        return await self._read(f"/v3/payments/{payment_id}")

    async def _request_of(self, payment_id: PaymentId) -> str:
        if not PAYMENT_ID.fullmatch(payment_id) or payment_id.startswith("pr-"):
            return payment_id
        is_session = payment_id.startswith("ps-")
        found = await self._read(f"/{'sessions' if is_session else 'v3/payments'}/{payment_id}")
        return text_at(found, "payment_request_id")

    async def _page(self, path: str, query: Mapping[str, str]) -> tuple[list[object], bool]:
        """The things of one page, and whether there are more."""
        told = await self._calls.call("GET", path, query=query)
        data = at(told.body, "data")
        if not told.is_yes or not isinstance(data, list):
            log.error("request refused", gateway=NAME, path=path, reason=_reason(told))
            raise GatewayUnavailable(NAME)
        return data, at(told.body, "has_more") is True

    async def _read(self, path: str) -> Mapping[str, object] | None:
        """The resource; None: there is none."""
        told = await self._calls.call("GET", path)
        if told.status == httpx.codes.NOT_FOUND:
            return None
        if not told.is_yes or not isinstance(told.body, Mapping):
            log.error("request refused", gateway=NAME, path=path, reason=_reason(told))
            raise GatewayUnavailable(NAME)
        return told.body


def _final(told: Told) -> str:
    """
    The reason of a refusal that will not change.

    Raises:
        GatewayUnavailable: it may.
    """
    if text_at(told.body, "error_code") in NOT_NOW or told.status == httpx.codes.CONFLICT:
        raise GatewayUnavailable(NAME)
    return _reason(told)


def _reason(told: Told) -> str:
    """Its code; the prose may hold anything."""
    code = text_at(told.body, "error_code")
    return code[:64].lower() if code.replace("_", "").isalnum() else "refused"
