"""Telegram as two payment gateways: Stars, and a provider behind its token (Bot API 10, Payments)."""

import hmac
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from adapters.gateways.telegram.client import API_URL, AnsweredNo, TelegramClient
from adapters.gateways.telegram.translate import (
    TERM,
    StarRow,
    facts_from_notice,
    invoice_from_checkout,
    made_at,
    notice_from_update,
    our_payload,
    payload_of,
    renewal_from_notice,
    row_from_transaction,
    unpaid_facts,
)
from core.domain.checkout import Checkout
from core.domain.errors import Invalid
from core.domain.money import Money
from core.domain.payment import (
    Notice,
    OpenedCheckout,
    OutgoingStatus,
    PaymentFacts,
    PaymentId,
    PayoutFacts,
    RefundFacts,
    RefundId,
    RenewalFacts,
)
from core.domain.payment_method import Billing
from core.domain.plan import GatewayName
from core.domain.refund import Refund
from core.ports.payment_gateway import (
    Abilities,
    CheckoutDeclined,
    GatewayUnavailable,
    RefundDeclined,
    Refunding,
    RenewalDeclined,
    TakesPayments,
    Webhook,
    WebhookNotTrusted,
)
from core.ports.unit_of_work import Now, unit_is_open

STARS: Final = GatewayName("telegram_stars")
PAYMENTS: Final = GatewayName("telegram_payments")

PROOF: Final = "x-telegram-bot-api-secret-token"
KEY_MEMORY: Final = TERM + timedelta(hours=1)
"""
Telegram honours no key: asked again, it makes another link. Both lead to one payload, which
pre-checkout lets through once, at its price, for its customer and within its term; so nothing is
opened twice. The memory is that a key is asked again, less the hour of margin, while the term runs.
"""
CLOCKS_DIFFER: Final = timedelta(minutes=5)
PAGE_SIZE: Final = 100
PAGES_MAX: Final = 300

log = structlog.get_logger()


@dataclass(eq=False)
class TelegramProviderTokenOfOtherMode(Invalid):
    """The provider's token is of the other mode: a live one in test mode, or the reverse."""

    mode: str


class TelegramGateway(TakesPayments):
    """
    What both have in common. Updates about money come with our secret, and what they say is
    booked as it is: Telegram tells of a payment once, and knows none before it was made.
    """

    def __init__(
        self,
        name: GatewayName,
        token: str,
        *,
        now: Now,
        secret: str,
        provider_token: str = "",
        api_url: str = API_URL,
    ) -> None:
        """`secret`: what Telegram sends with every update. No provider token: Stars."""
        self.name = name
        self._now = now
        self._secret = secret
        self._provider_token = provider_token
        self._client = TelegramClient(name, token, api_url=api_url)

    async def close(self) -> None:
        await self._client.close()

    async def open_checkout(
        self,
        checkout: Checkout,
        billing: Billing | None = None,  # noqa: ARG002
    ) -> OpenedCheckout:
        invoice = invoice_from_checkout(checkout, self._provider_token)
        try:
            link = await self._client.call("createInvoiceLink", invoice)
        except AnsweredNo as no:
            raise CheckoutDeclined(self.name, no.word) from None
        if not isinstance(link, str) or not link.startswith(("https://", "http://")):
            log.error("no link to the invoice", gateway=self.name, checkout_id=checkout.id)
            raise GatewayUnavailable(self.name)
        return OpenedCheckout(payload_of(checkout), link, checkout.asked_at + TERM)

    def read_webhook(self, webhook: Webhook) -> Notice:
        given = webhook.headers.get(PROOF, "")
        if not hmac.compare_digest(given.encode(errors="replace"), self._secret.encode()):
            raise WebhookNotTrusted
        return notice_from_update(webhook.body, self.name, stars=not self._provider_token)

    def proven(self, notice: Notice) -> PaymentFacts | None:
        return facts_from_notice(notice)

    def renewal_in(self, notice: Notice) -> RenewalFacts | None:
        return renewal_from_notice(notice)

    async def find_payment(self, payment_id: PaymentId) -> PaymentFacts | None:
        """Who was paid is told by updates alone; not paid is what has no update yet."""
        assert not unit_is_open.get(), "a gateway is never called inside a unit of work"
        return unpaid_facts(self.name, payment_id, at=self._now())

    async def find_checkout(self, checkout: Checkout) -> PaymentFacts | None:  # noqa: ARG002
        """Nobody has the address of what it may have opened."""
        assert not unit_is_open.get(), "a gateway is never called inside a unit of work"
        return None


class TelegramPaymentsGateway(TelegramGateway):
    """
    A provider's token from BotFather. Refunds are made in the provider's own cabinet.

    Raises:
        TelegramProviderTokenOfOtherMode
    """

    abilities = Abilities(
        # The provider's bounds are about 1 and 10 000 US dollars of the day, and move with the
        # rates (core.telegram.org/bots/payments/currencies.json, taken on 2026-11-26): these are
        # inside of them whatever the rate of late.
        bounds={
            "RUB": (Money.of(110_00, "RUB"), Money.of(700_000_00, "RUB")),
            "USD": (Money.of(1_00, "USD"), Money.of(10_000_00, "USD")),
            "EUR": (Money.of(1_00, "EUR"), Money.of(8_000_00, "EUR")),
            "PHP": (Money.of(65_00, "PHP"), Money.of(500_000_00, "PHP")),
        },
        key_memory=KEY_MEMORY,
    )

    def __init__(
        self,
        token: str,
        provider_token: str,
        *,
        live: bool,
        now: Now,
        secret: str,
        api_url: str = API_URL,
    ) -> None:
        assert provider_token, "without one it is paid in Stars"
        if (":TEST:" if live else ":LIVE:") in provider_token:
            raise TelegramProviderTokenOfOtherMode("live" if live else "test")
        super().__init__(
            PAYMENTS, token, now=now, secret=secret, provider_token=provider_token, api_url=api_url
        )


class TelegramStarsGateway(TelegramGateway):
    """Stars are the bot's own: it lists what it got, and gives back whole payments."""

    abilities = Abilities(
        # Telegram refuses what is more than it takes at the time; docs named 2500, 10 000, 100 000.
        bounds={"XTR": (Money.of(1, "XTR"), Money.of(100_000, "XTR"))},
        key_memory=KEY_MEMORY,
        refunding=Refunding.WHOLE,
        subscribes=True,
        lists=True,
    )

    def __init__(self, token: str, *, now: Now, secret: str, api_url: str = API_URL) -> None:
        super().__init__(STARS, token, now=now, secret=secret, api_url=api_url)

    async def find_payment(self, payment_id: PaymentId) -> PaymentFacts | None:
        """
        The first charge of this payload. Later ones are told by updates, and by `since`. It was
        made within the term, or nobody could have made it.
        """
        unpaid = await super().find_payment(payment_id)
        ours = our_payload(payment_id)
        if unpaid is None or ours is None:
            return None
        until = ours.expires_at + CLOCKS_DIFFER
        async for row in self._rows(_begin_of(payment_id), until):
            if row.payment_id == payment_id and not row.is_refund:
                facts = row.facts(self.name)
                assert isinstance(facts, PaymentFacts)
                return facts
        return unpaid

    async def find_checkout(self, checkout: Checkout) -> PaymentFacts | None:
        facts = await self.find_payment(payload_of(checkout))
        return None if facts is None or facts.paid is None else facts

    async def refund(self, refund: Refund) -> RefundFacts:
        """Asked again it is the same one, since a charge is given back whole or not at all."""
        if not refund.is_whole:
            raise RefundDeclined(self.name, "only_whole")
        row = await self._row_of(refund.payment_id, refund.charge_id)
        if row is None:
            raise RefundDeclined(self.name, "CHARGE_NOT_FOUND")
        asked = {"user_id": row.payer, "telegram_payment_charge_id": row.charge_id}
        try:
            await self._client.call("refundStarPayment", asked)
        except AnsweredNo as no:
            if no.word != "CHARGE_ALREADY_REFUNDED":
                raise RefundDeclined(self.name, no.word) from None
        return RefundFacts(
            gateway=self.name,
            refund_id=RefundId(row.charge_id),
            payment_id=refund.payment_id,
            status=OutgoingStatus.DONE,
            amount=refund.amount,
            charge_id=row.charge_id,
        )

    async def set_renewal(self, charge_id: str, payer: str, *, renews: bool) -> None:
        asked = {
            "user_id": int(payer),
            "telegram_payment_charge_id": charge_id,
            "is_canceled": not renews,
        }
        try:
            await self._client.call("editUserStarSubscription", asked)
        except AnsweredNo as no:
            raise RenewalDeclined(self.name, no.word) from None

    async def find_refunds(self, payment_id: PaymentId) -> list[RefundFacts]:
        found = []
        async for row in self._rows(_begin_of(payment_id)):
            if row.payment_id == payment_id and row.is_refund:
                facts = row.facts(self.name)
                assert isinstance(facts, RefundFacts)
                found.append(facts)
        return found

    async def since(
        self, since: datetime
    ) -> AsyncIterator[PaymentFacts | RefundFacts | PayoutFacts]:
        """Of invoices alone; what the bot's owner does with the Stars is not our business."""
        async for row in self._rows(since, pages_max=None):
            yield row.facts(self.name)

    async def _row_of(self, payment_id: PaymentId, charge_id: str) -> StarRow | None:
        """Of the charge itself: a renewal is made long after the term of its payload."""
        async for row in self._rows(_begin_of(payment_id)):
            if row.charge_id == charge_id and not row.is_refund:
                return row
        return None

    async def _rows(
        self,
        since: datetime | None,
        until: datetime | None = None,
        *,
        pages_max: int | None = PAGES_MAX,
    ) -> AsyncIterator[StarRow]:
        """
        In the order of their making, which is Telegram's. None: from the first, or to the last.

        Raises:
            GatewayUnavailable: also when there are more than can be looked through. What was not
                seen is never said to be absent.
        """
        offset = 0 if since is None else await self._first_since(since)
        page = 0
        while pages_max is None or page < pages_max:
            told = await self._page(offset, PAGE_SIZE)
            for one in told:
                date = made_at(one)
                if date is not None and until is not None and date > until:
                    return
                row = row_from_transaction(one)
                if row is not None:
                    yield row
            if len(told) < PAGE_SIZE:
                return
            offset += len(told)
            page += 1
        log.error("too many transactions to look through", gateway=self.name)
        raise GatewayUnavailable(self.name)

    async def _first_since(self, since: datetime) -> int:
        """
        How many were made before then: the list grows at its end alone, so it is asked at twice
        the place each time until it is passed, and then in the middle.
        """
        low, high = 0, PAGE_SIZE
        while await self._is_before(high, since):
            low, high = high, 2 * high
        while low < high:
            middle = (low + high) // 2
            if await self._is_before(middle, since):
                low = middle + 1
            else:
                high = middle
        return low

    async def _is_before(self, place: int, since: datetime) -> bool:
        """Whether there is one at that place, and it was made before then."""
        told = await self._page(place, 1)
        date = made_at(told[0]) if told else None
        return date is not None and date < since.replace(microsecond=0)

    async def _page(self, offset: int, limit: int) -> list[Mapping[str, Any]]:
        try:
            told = await self._client.call(
                "getStarTransactions", {"offset": offset, "limit": limit}
            )
        except AnsweredNo as no:
            log.warning("request refused", gateway=self.name, word=no.word)
            raise GatewayUnavailable(self.name) from None
        rows = told.get("transactions") if isinstance(told, Mapping) else None
        if not isinstance(rows, list) or not all(isinstance(one, Mapping) for one in rows):
            raise GatewayUnavailable(self.name)
        return rows


def _begin_of(payment_id: PaymentId) -> datetime | None:
    """Nothing about it was before then. None: its payload does not say."""
    ours = our_payload(payment_id)
    return None if ours is None else ours.expires_at - TERM - CLOCKS_DIFFER
