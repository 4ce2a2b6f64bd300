"""YooKassa as a payment gateway: one shop, and one gateway of payouts (YooKassa docs, API v3)."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from adapters.gateways.yookassa.client import TIMEOUT_SECONDS, AnsweredNo, YooKassaClient
from adapters.gateways.yookassa.shop import YOOKASSA_NETWORKS, Senders, YooKassaShop
from adapters.gateways.yookassa.translate import (
    ACCOUNTS,
    ID,
    NAME,
    facts_from_payment,
    facts_from_payout,
    facts_from_refund,
    notice_from_body,
    reason_of,
    request_from_charge,
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
    PaymentStatus,
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

API_URL: Final = "https://api.yookassa.ru/v3"
CLOCKS_DIFFER: Final = timedelta(minutes=5)
PAGES_MAX: Final = 200
PAGE_SIZE: Final = "100"
REVOKED: Final = "permission_revoked"
"""The reason of a charge that was canceled since the payer no longer allows any."""

log = structlog.get_logger()


class YooKassaGateway(TakesPayments):
    """
    Webhooks are not signed: their sender is checked, and what they claim is asked back. A charge
    is a payment, and a refund or a payout is named by our id in its metadata.
    """

    name = NAME

    def __init__(
        self,
        shop: YooKassaShop,
        *,
        payouts: YooKassaShop | None = None,
        recurring: bool = False,
        api_url: str = API_URL,
        networks: Iterable[str] = YOOKASSA_NETWORKS,
        timeout_seconds: tuple[float, float] = TIMEOUT_SECONDS,
    ) -> None:
        """
        `payouts` is the gateway of payouts, which has an id and a key of its own. `recurring`:
        YooKassa's manager allowed this shop to save methods; all others are refused the whole
        call.
        """
        self._shop = shop
        self._senders = Senders(networks)
        self._client = YooKassaClient(shop, api_url=api_url, timeout_seconds=timeout_seconds)
        self._payouts = None
        if payouts is not None:
            self._payouts = YooKassaClient(
                payouts, api_url=api_url, timeout_seconds=timeout_seconds
            )
        # To a card at once (YooKassa docs, Payouts to bank cards).
        to_a_card = {"RUB": (Money.of(5_00, "RUB"), Money.of(500_000_00, "RUB"))}
        self.abilities = Abilities(
            # What a bank card can pay at once; the shop may take more by other methods.
            bounds={"RUB": (Money.of(1_00, "RUB"), Money.of(350_000_00, "RUB"))},
            key_memory=timedelta(hours=24),
            refunding=Refunding.PARTS,
            payouts={} if payouts is None else to_a_card,
            accounts=ACCOUNTS,
            charges_saved=recurring,
            lists=True,
        )

    async def close(self) -> None:
        self._client.close()
        if self._payouts is not None:
            self._payouts.close()

    async def open_checkout(
        self,
        checkout: Checkout,
        billing: Billing | None = None,  # noqa: ARG002
    ) -> OpenedCheckout:
        request = request_from_checkout(checkout)
        try:
            payload = await self._client.call("POST", "/payments", body=request, key=checkout.id)
        except AnsweredNo as no:
            raise CheckoutDeclined(NAME, _final(no, checkout_id=checkout.id)) from None
        facts = self._made(payload, checkout)
        # A repeat may show a payment that has moved on: then nobody is sent there, and asking
        # for it by its id tells the rest.
        return facts.opened or OpenedCheckout(facts.payment_id, "", checkout.asked_at)

    def read_webhook(self, webhook: Webhook) -> Notice:
        self._senders.check(webhook.sender)
        return notice_from_body(webhook.body)

    async def find_payment(self, payment_id: PaymentId) -> PaymentFacts | None:
        if not ID.fullmatch(payment_id):
            return None
        try:
            payload = await self._client.call("GET", f"/payments/{payment_id}")
        except AnsweredNo as no:
            if _is_not_found(no, "payment_id"):
                return None
            raise _misunderstood(no, payment_id=payment_id) from None
        facts = self._facts(payload)
        if facts.payment_id != payment_id:
            log.error("another payment than asked for", gateway=NAME, payment_id=payment_id)
            raise GatewayUnavailable(NAME)
        return facts

    async def find_checkout(self, checkout: Checkout) -> PaymentFacts | None:
        """Looks through all payments of the time when the key could open one, the newest first."""
        until = checkout.asked_at + self.abilities.key_memory + CLOCKS_DIFFER
        query = {
            "created_at.gte": _stamp(checkout.asked_at - CLOCKS_DIFFER),
            "created_at.lte": _stamp(until),
        }
        async for payload in _listed(self._client, "/payments", query):
            metadata = payload.get("metadata")
            if isinstance(metadata, Mapping) and metadata.get("checkout_id") == checkout.id:
                return self._facts(payload)
        return None

    async def charge_saved(self, checkout: Checkout, token: str) -> PaymentFacts:
        """
        Raises:
            CheckoutDeclined
            GatewayUnavailable: also for what is the operator's to mend, such as a receipt, or a
                shop that may not do this: the method itself stays good.
        """
        request = request_from_charge(checkout, token)
        try:
            payload = await self._client.call("POST", "/payments", body=request, key=checkout.id)
        except AnsweredNo as no:
            reason = _final(no, checkout_id=checkout.id)
            if "payment_method" not in reason:
                raise _misunderstood(no, checkout_id=checkout.id) from None
            raise CheckoutDeclined(NAME, reason) from None
        facts = self._made(payload, checkout)
        if facts.status is PaymentStatus.CANCELED and reason_of(payload) == REVOKED:
            raise CheckoutDeclined(NAME, REVOKED)
        return facts

    async def refund(self, refund: Refund) -> RefundFacts:
        request = request_from_refund(refund)
        try:
            payload = await self._client.call("POST", "/refunds", body=request, key=refund.id)
        except AnsweredNo as no:
            raise RefundDeclined(NAME, _final(no, refund_id=refund.id)) from None
        return replace(facts_from_refund(payload), our_id=refund.id)

    async def find_refunds(self, payment_id: PaymentId) -> list[RefundFacts]:
        if not ID.fullmatch(payment_id):
            return []
        made = _listed(self._client, "/refunds", {"payment_id": payment_id})
        return [facts_from_refund(payload) async for payload in made]

    async def pay_out(self, order: PayoutOrder) -> PayoutFacts:
        agent, request = self._agent(), request_from_order(order)
        try:
            payload = await agent.call("POST", "/payouts", body=request, key=order.id)
        except AnsweredNo as no:
            raise PayoutDeclined(NAME, _final(no, withdrawal=order.id)) from None
        return replace(facts_from_payout(payload), our_id=order.id)

    async def find_payout(
        self, order: PayoutOrder, payout_id: PayoutId | None
    ) -> PayoutFacts | None:
        """
        By our id it is looked for among all that were made since it was ordered: YooKassa's own
        search sees three months alone.

        Raises:
            GatewayUnavailable: also when there are more than can be looked through.
        """
        agent = self._agent()
        if payout_id is not None and ID.fullmatch(payout_id):
            try:
                return facts_from_payout(await agent.call("GET", f"/payouts/{payout_id}"))
            except AnsweredNo as no:
                if not _is_not_found(no, "payout_id"):
                    raise _misunderstood(no, withdrawal=order.id) from None
        since = {"created_at.gte": _stamp(order.ordered_at - CLOCKS_DIFFER)}
        async for payload in _listed(agent, "/payouts", since):
            facts = facts_from_payout(payload)
            if facts.our_id == order.id:
                return facts
        return None

    async def since(
        self, since: datetime
    ) -> AsyncIterator[PaymentFacts | RefundFacts | PayoutFacts]:
        """
        Payments, then refunds, then payouts, each the newest first.

        Raises:
            GatewayUnavailable: also when there are more than can be looked through.
        """
        made = {"created_at.gte": _stamp(since)}
        async for payload in _listed(self._client, "/payments", made):
            yield self._facts(payload)
        async for payload in _listed(self._client, "/refunds", made):
            yield facts_from_refund(payload)
        if self._payouts is not None:
            async for payload in _listed(self._payouts, "/payouts", made):
                yield facts_from_payout(payload)

    def _agent(self) -> YooKassaClient:
        """
        Raises:
            GatewayUnavailable: its key was taken away while payouts were on their way.
        """
        if self._payouts is None:
            log.error("no gateway of payouts", gateway=NAME)
            raise GatewayUnavailable(NAME)
        return self._payouts

    def _made(self, payload: Mapping[str, object], checkout: Checkout) -> PaymentFacts:
        """
        Raises:
            GatewayUnavailable: also for what was made where we are not.
        """
        facts = self._facts(payload)
        if facts.foreign is not None:
            log.error("opened in another shop or mode", gateway=NAME, checkout_id=checkout.id)
            raise GatewayUnavailable(NAME)
        return facts

    def _facts(self, payload: Mapping[str, object]) -> PaymentFacts:
        facts = facts_from_payment(payload, self._shop)
        if facts.status is PaymentStatus.UNKNOWN:
            log.error("payment not understood", gateway=NAME, payment_id=facts.payment_id)
        return facts


async def _listed(
    client: YooKassaClient, path: str, query: Mapping[str, str]
) -> AsyncIterator[Mapping[str, object]]:
    """
    Page by page, the newest first.

    Raises:
        GatewayUnavailable: also when there are more than can be looked through. What was not
            seen is never said to be absent.
    """
    asked = {**query, "limit": PAGE_SIZE}
    for _ in range(PAGES_MAX):
        try:
            page = await client.call("GET", path, query=asked)
        except AnsweredNo as no:
            if "payment_id" in query and _is_not_found(no, "payment_id"):
                return  # Of a payment that is not there.
            raise _misunderstood(no, path=path) from None
        items = page.get("items")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise GatewayUnavailable(NAME)
        for item in items:
            yield item
        cursor = page.get("next_cursor")
        if not cursor:
            return
        asked["cursor"] = str(cursor)
    log.error("too many to look through", gateway=NAME, path=path)
    raise GatewayUnavailable(NAME)


def _is_not_found(no: AnsweredNo, name: str) -> bool:
    """Both are seen for ids that YooKassa does not know, or not as this shop's."""
    return no.code == "not_found" or name in no.parameter + no.description


def _final(no: AnsweredNo, **about: str) -> str:
    """
    The reason of a refusal that will not change.

    Raises:
        GatewayUnavailable: a key used for two requests, or a wrong address of the API: nothing
            that is said of the thing itself.
    """
    if no.code == "not_found" or "Idempotence" in no.parameter + no.description:
        raise _misunderstood(no, **about) from None
    return f"{no.code} {no.parameter}".strip()


def _misunderstood(no: AnsweredNo, **about: str) -> GatewayUnavailable:
    """YooKassa refused what it should have taken: for the operator, and nothing is known."""
    log.error("request refused", gateway=NAME, code=no.code, parameter=no.parameter, **about)
    return GatewayUnavailable(NAME)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
