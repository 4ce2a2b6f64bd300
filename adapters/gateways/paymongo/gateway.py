"""PayMongo as a payment gateway: hosted checkout sessions of one account (PayMongo docs, API v1)."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Final

import httpx
import structlog

from adapters.gateways.calls import TIMEOUT, Calls, Told, at, text_at
from adapters.gateways.paymongo.account import PayMongoAccount
from adapters.gateways.paymongo.translate import (
    BANKS,
    DISPUTE,
    ID,
    NAME,
    chargeback_from_notice,
    check_signature,
    created_at,
    facts_from_payment,
    facts_from_refund,
    facts_from_session,
    facts_from_transfer,
    notice_from_body,
    opened_from_session,
    refunds_of_payment,
    request_from_checkout,
    request_from_order,
    request_from_refund,
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
    FeeRule,
    GatewayUnavailable,
    PayoutDeclined,
    PayoutNotFindable,
    RefundDeclined,
    Refunding,
    TakesPayments,
    Webhook,
)
from core.ports.unit_of_work import Now, unit_is_open

API_URL: Final = "https://api.paymongo.com"
METHODS: Final = ("card", "gcash", "paymaya", "grab_pay", "qrph")
PAGE_SIZE: Final = "100"
PAGES_MAX: Final = 200

log = structlog.get_logger()


class PayMongoGateway(TakesPayments):
    """
    Our `payment_id` is the session's. It honours no idempotency key for sessions: whoever opens
    twice opens two, so nothing is opened again; refunds and transfers honour theirs for a day.
    """

    name = NAME

    def __init__(
        self,
        account: PayMongoAccount,
        now: Now,
        *,
        api_url: str = API_URL,
        methods: tuple[str, ...] = METHODS,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
        self._account = account
        self._now = now
        self._methods = methods
        self._calls = Calls(NAME, url=api_url, auth=(account.secret_key, ""), timeout=timeout)
        one_peso = Money.of(1_00, "PHP")
        instapay = {"PHP": (one_peso, Money.of(50_000_00, "PHP"))} if account.wallet_number else {}
        self.abilities = Abilities(
            bounds={"PHP": (one_peso, Money.of(9_999_999_99, "PHP"))},
            key_memory=timedelta(0),
            refunding=Refunding.PARTS,
            payouts=instapay,
            accounts=frozenset(BANKS),
            lists=True,
            # Cards, the dearest way: 3.5 % and PHP 15 (PayMongo, Pricing). Others cost less.
            fees={"PHP": FeeRule(350, Money.of(15_00, "PHP"))},
        )

    async def close(self) -> None:
        await self._calls.close()

    async def open_checkout(
        self, checkout: Checkout, billing: Billing | None = None
    ) -> OpenedCheckout:
        body = request_from_checkout(checkout, billing, self._methods)
        told = await self._calls.call("POST", "/v1/checkout_sessions", body=body)
        if not told.is_yes:
            raise CheckoutDeclined(NAME, _reason(told))
        return opened_from_session(at(told.body, "data"))

    def read_webhook(self, webhook: Webhook) -> Notice:
        header = next(
            (
                value
                for name, value in webhook.headers.items()
                if name.lower() == "paymongo-signature"
            ),
            "",
        )
        check_signature(header, webhook.body, self._account, self._now())
        notice = notice_from_body(webhook.body)
        if notice.event.startswith(DISPUTE) and notice.payment_id is None:
            log.error("dispute of an unknown payment", gateway=NAME, notice=notice.body)
        return notice

    def dispute_in(self, notice: Notice) -> RefundFacts | None:
        """Disputes cannot be asked for (PayMongo docs): their notices are signed."""
        return chargeback_from_notice(notice)

    async def find_payment(self, payment_id: PaymentId) -> PaymentFacts | None:
        """By a session's id, by `session/payment`, or by a payment's, as refunds name it."""
        assert not unit_is_open.get(), "a gateway is never called inside a unit of work"
        session_id, _, charge_id = payment_id.partition("/")
        if not ID.fullmatch(session_id) or (charge_id and not ID.fullmatch(charge_id)):
            return None
        if session_id.startswith("pay_"):
            payment = await self._read(f"/v1/payments/{session_id}")
            return None if payment is None else facts_from_payment(payment, self._account)
        session = await self._read(f"/v1/checkout_sessions/{session_id}")
        if session is None:
            return None
        return facts_from_session(session, self._account, charge_id or None)

    async def find_checkout(self, checkout: Checkout) -> PaymentFacts | None:  # noqa: ARG002
        """Sessions cannot be listed (PayMongo docs): what was opened unseen has nobody's address."""
        assert not unit_is_open.get(), "a gateway is never called inside a unit of work"
        return None

    async def close_checkout(self, payment_id: PaymentId) -> None:
        """Expired twice is a refusal, and one that is being paid may refuse too: ask afterwards."""
        if payment_id.startswith("cs_"):
            await self._calls.call("POST", f"/v1/checkout_sessions/{payment_id}/expire")

    async def refund(self, refund: Refund) -> RefundFacts:
        told = await self._calls.call(
            "POST",
            "/v1/refunds",
            body=request_from_refund(refund),
            headers={"Idempotency-Key": refund.id},
        )
        if not told.is_yes:
            raise RefundDeclined(NAME, _reason(told))
        return facts_from_refund(at(told.body, "data"), refund.payment_id)

    async def find_refunds(self, payment_id: PaymentId) -> list[RefundFacts]:
        session_id = payment_id.partition("/")[0]
        if not ID.fullmatch(session_id):
            return []
        if session_id.startswith("pay_"):
            payments = [await self._read(f"/v1/payments/{session_id}")]
        else:
            session = await self._read(f"/v1/checkout_sessions/{session_id}")
            payments = at(session, "attributes", "payments") or []
        return [
            facts
            for payment in payments
            for facts in refunds_of_payment(payment, PaymentId(session_id))
        ]

    async def pay_out(self, order: PayoutOrder) -> PayoutFacts:
        told = await self._calls.call(
            "POST",
            "/v2/batch_transfers",
            body=request_from_order(order, self._account),
            headers={"Idempotency-Key": order.id},
        )
        if not told.is_yes:
            raise PayoutDeclined(NAME, _reason(told))
        data = at(told.body, "data")
        # Both nestings are seen (PayMongo docs, Batch transfers).
        return facts_from_transfer(
            at(data, "transfers", 0) or at(data, "attributes", "transfers", 0)
        )

    async def find_payout(
        self,
        order: PayoutOrder,  # noqa: ARG002 - Nothing is found by our key.
        payout_id: PayoutId | None,
    ) -> PayoutFacts | None:
        """
        Raises:
            GatewayUnavailable
            PayoutNotFindable: transfers are found by their id alone, so that a person has to look
                for one without an answer at PayMongo's dashboard.
        """
        if payout_id is None or not ID.fullmatch(payout_id):
            raise PayoutNotFindable(NAME)
        transfer = await self._read(f"/v2/transfers/{payout_id}")
        return None if transfer is None else facts_from_transfer(transfer)

    async def since(
        self, since: datetime
    ) -> AsyncIterator[PaymentFacts | RefundFacts | PayoutFacts]:
        """
        Payments with their refunds, the newest first. A failed payment is none. Payouts cannot be
        listed.

        Raises:
            GatewayUnavailable: also when there are more than can be looked through.
        """
        first = since.replace(microsecond=0)  # Its times are whole seconds.
        query = {"limit": PAGE_SIZE}
        for _ in range(PAGES_MAX):
            told = await self._calls.call("GET", "/v1/payments", query=query)
            page = at(told.body, "data")
            if not told.is_yes or not isinstance(page, list):
                raise GatewayUnavailable(NAME)
            for payment in page:
                made = created_at(payment)
                if made is not None and made < first:
                    return
                facts = facts_from_payment(payment, self._account)
                yield facts
                for refund in refunds_of_payment(payment, facts.payment_id):
                    yield refund
            if at(told.body, "has_more") is not True or not page:
                return
            query["after"] = text_at(page, -1, "id")
        log.error("too many payments to look through", gateway=NAME)
        raise GatewayUnavailable(NAME)

    async def _read(self, path: str) -> Mapping[str, object] | None:
        """The resource; None: there is none."""
        told = await self._calls.call("GET", path)
        if told.status == httpx.codes.NOT_FOUND:
            return None
        data = at(told.body, "data")
        if not told.is_yes or not isinstance(data, Mapping):
            log.error("request refused", gateway=NAME, path=path, reason=_reason(told))
            raise GatewayUnavailable(NAME)
        return data


def _reason(told: Told) -> str:
    """Its code; the prose may hold anything."""
    code = text_at(told.body, "errors", 0, "sub_code") or text_at(told.body, "errors", 0, "code")
    return code[:64] if code.replace("_", "").isalnum() else "refused"
