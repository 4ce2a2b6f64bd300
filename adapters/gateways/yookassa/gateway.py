"""YooKassa as a payment gateway: hosted checkouts of one shop (YooKassa docs, API v3)."""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from adapters.gateways.yookassa.client import TIMEOUT_SECONDS, AnsweredNo, YooKassaClient
from adapters.gateways.yookassa.shop import YOOKASSA_NETWORKS, Senders, YooKassaShop
from adapters.gateways.yookassa.translate import (
    ID,
    NAME,
    facts_from_payment,
    notice_from_body,
    request_from_checkout,
)
from core.domain.checkout import Checkout
from core.domain.money import Money
from core.domain.payment import Notice, OpenedCheckout, PaymentFacts, PaymentId, PaymentStatus
from core.ports.payment_gateway import (
    Abilities,
    CheckoutDeclined,
    GatewayUnavailable,
    TakesPayments,
    Webhook,
)

API_URL: Final = "https://api.yookassa.ru/v3"
CLOCKS_DIFFER: Final = timedelta(minutes=5)
PAGES_MAX: Final = 50
PAGE_SIZE: Final = "100"

log = structlog.get_logger()


class YooKassaGateway(TakesPayments):
    """Webhooks are not signed: their sender is checked, and what they claim is asked back."""

    name = NAME
    abilities = Abilities(
        # What a bank card can pay at once; the shop may take more by other methods.
        bounds={"RUB": (Money.of(1_00, "RUB"), Money.of(350_000_00, "RUB"))},
        key_memory=timedelta(hours=24),
    )

    def __init__(
        self,
        shop: YooKassaShop,
        *,
        api_url: str = API_URL,
        networks: Iterable[str] = YOOKASSA_NETWORKS,
        timeout_seconds: tuple[float, float] = TIMEOUT_SECONDS,
    ) -> None:
        self._shop = shop
        self._senders = Senders(networks)
        self._client = YooKassaClient(shop, api_url=api_url, timeout_seconds=timeout_seconds)

    async def close(self) -> None:
        self._client.close()

    async def open_checkout(self, checkout: Checkout) -> OpenedCheckout:
        try:
            payload = await self._client.call(
                "POST", "/payments", body=request_from_checkout(checkout), key=checkout.id
            )
        except AnsweredNo as no:
            # A key used for two requests, or a wrong address of the API: nothing for the payer.
            if no.code == "not_found" or "Idempotence" in no.parameter + no.description:
                raise _misunderstood(no, checkout_id=checkout.id) from None
            raise CheckoutDeclined(NAME, f"{no.code} {no.parameter}".strip()) from None
        facts = self._facts(payload)
        if facts.foreign is not None:
            log.error("opened in another shop or mode", gateway=NAME, checkout_id=checkout.id)
            raise GatewayUnavailable(NAME)
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
            # Both are seen for ids that YooKassa does not know, or not as this shop's.
            if no.code == "not_found" or "payment_id" in no.parameter + no.description:
                return None
            raise _misunderstood(no, payment_id=payment_id) from None
        facts = self._facts(payload)
        if facts.payment_id != payment_id:
            log.error("another payment than asked for", gateway=NAME, payment_id=payment_id)
            raise GatewayUnavailable(NAME)
        return facts

    async def find_checkout(self, checkout: Checkout) -> PaymentFacts | None:
        """Looks through all payments of the time when the key could open one, the newest first."""
        async for payload in self._opened_about(checkout.asked_at):
            metadata = payload.get("metadata")
            if isinstance(metadata, Mapping) and metadata.get("checkout_id") == checkout.id:
                return self._facts(payload)
        return None

    async def _opened_about(self, asked_at: datetime) -> AsyncIterator[Mapping[str, object]]:
        """
        Raises:
            GatewayUnavailable: also when there are more than can be looked through. What was
                not seen is never said to be absent.
        """
        query = {
            "created_at.gte": _stamp(asked_at - CLOCKS_DIFFER),
            "created_at.lte": _stamp(asked_at + self.abilities.key_memory + CLOCKS_DIFFER),
            "limit": PAGE_SIZE,
        }
        for _ in range(PAGES_MAX):
            try:
                page = await self._client.call("GET", "/payments", query=query)
            except AnsweredNo as no:
                raise _misunderstood(no) from None
            items = page.get("items")
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise GatewayUnavailable(NAME)
            for item in items:
                yield item
            cursor = page.get("next_cursor")
            if not cursor:
                return
            query["cursor"] = str(cursor)
        log.error("too many payments to look through", gateway=NAME, asked_at=_stamp(asked_at))
        raise GatewayUnavailable(NAME)

    def _facts(self, payload: Mapping[str, object]) -> PaymentFacts:
        facts = facts_from_payment(payload, self._shop)
        if facts.status is PaymentStatus.UNKNOWN:
            log.error("payment not understood", gateway=NAME, payment_id=facts.payment_id)
        return facts


def _misunderstood(no: AnsweredNo, **about: str) -> GatewayUnavailable:
    """YooKassa refused what it should have taken: for the operator, and nothing is known."""
    log.error("request refused", gateway=NAME, code=no.code, parameter=no.parameter, **about)
    return GatewayUnavailable(NAME)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
