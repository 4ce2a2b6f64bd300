"""
Invoices, what was paid for them and what was given back, as pure rules of one bot's till.

Refusals are named as Telegram names them where that is documented (core.telegram.org, errors of
messages.exportInvoice, payments.refundStarsCharge and messages.setBotPrecheckoutResults). Payers
have all the Stars they like, unless a tester counts them, and a provider takes whatever its test
token asks for.
"""

import re
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from sandbox.telegram.wire import Call, Json, bad_request, unix

STARS: Final = "XTR"
STARS_MAX: Final = 100_000
SUBSCRIPTION_STARS_MAX: Final = 10_000
SUBSCRIPTION_SECONDS: Final = 2_592_000
"""30 days, the one period that there is."""
ANSWER_TERM: Final = timedelta(seconds=10)
TOO_OLD: Final = "query is too old and response timeout expired or query ID is invalid"
LIMITS: Final = {"title": 32, "description": 255}
PAYLOAD_BYTES_MAX: Final = 128
ROWS_MAX: Final = 100
BOUNDS: Final = {
    "RUB": (86_53, 865_304_75),
    "USD": (1_00, 10_000_00),
    "EUR": (86, 8_600_00),
    "PHP": (58_00, 580_000_00),
}
"""
Smallest and largest sums by provider, in minor units: about 1 and 10 000 US dollars of the day
(core.telegram.org/bots/payments/currencies.json, which moves with the rates).
"""

_TEST_TOKEN = re.compile(r"[0-9]+:TEST:[A-Za-z0-9_:-]+", re.ASCII)


class NoSuchInvoice(Exception):
    """No invoice has this slug, or nothing was paid under this charge id."""


class NotPossible(Exception):
    """What was paid cannot become that any more."""


@dataclass(frozen=True, slots=True)
class Invoice:
    """`slug` is what its link ends with; of one in a message nobody is told it."""

    slug: str
    title: str
    description: str
    payload: str
    currency: str
    total: int
    start_parameter: str = ""
    subscription_period: int = 0
    message_id: int | None = None

    @property
    def as_told(self) -> Json:
        return {
            "title": self.title,
            "description": self.description,
            "start_parameter": self.start_parameter,
            "currency": self.currency,
            "total_amount": self.total,
        }


@dataclass(slots=True)
class Attempt:
    """Somebody pressed Pay. `refusal`: what the bot said when it said no."""

    id: str
    slug: str
    user_id: int
    asked_at: datetime
    charge_id: str | None = None
    refusal: str | None = None

    def status_at(self, at: datetime) -> str:
        if self.charge_id is not None:
            return "paid"
        if self.refusal is not None:
            return "refused"
        return "asked" if at <= self.asked_at + ANSWER_TERM else "timed_out"


@dataclass(slots=True)
class Charge:
    """
    `first_id` is that of a subscription's first payment; None where nothing renews. The first one
    is the subscription: `renews` is its subscriber's word, `stopped` the bot's.
    """

    id: str
    provider_id: str
    slug: str
    user_id: int
    refunded: bool = False
    first_id: str | None = None
    paid_until: datetime | None = None
    renews: bool = False
    stopped: bool = False

    @property
    def is_subscription(self) -> bool:
        return self.first_id == self.id


@dataclass(slots=True)
class Till:
    seed: int
    bot_id: int
    invoices: dict[str, Invoice] = field(default_factory=dict)
    attempts: dict[str, Attempt] = field(default_factory=dict)
    charges: dict[str, Charge] = field(default_factory=dict)
    rows: list[Json] = field(default_factory=list)
    """What `getStarTransactions` tells, oldest first."""
    stars: int = 0
    purses: dict[int, int] = field(default_factory=dict)
    """What payers have, of those whose Stars are counted."""

    # The bot's side.

    def create(self, call: Call, *, message_id: int | None = None) -> Invoice:
        """Raises: Refused."""
        for name in ("title", "description", "payload", "currency", "prices"):
            if not call.text(name):
                raise bad_request(f'parameter "{name}" is required')
        for name, longest in LIMITS.items():
            if len(call.text(name)) > longest:
                raise bad_request(f"INVOICE_{name.upper()}_INVALID")
        if len(call.text("payload").encode()) > PAYLOAD_BYTES_MAX:
            raise bad_request("INVOICE_PAYLOAD_INVALID")
        prices = _prices(call)
        period = 0 if message_id is not None else call.whole("subscription_period")
        currency, total = call.text("currency"), sum(prices)
        lowest, highest = _bounds(call, len(prices), is_subscription=period > 0)
        if not lowest <= total <= highest:
            raise bad_request("CURRENCY_TOTAL_AMOUNT_INVALID")
        if period and (currency != STARS or period != SUBSCRIPTION_SECONDS):
            raise bad_request("SUBSCRIPTION_PERIOD_INVALID")
        invoice = Invoice(
            self._letters("invoice", len(self.invoices))[:22],
            call.text("title"),
            call.text("description"),
            call.text("payload"),
            currency,
            total,
            call.text("start_parameter"),
            period,
            message_id,
        )
        self.invoices[invoice.slug] = invoice
        return invoice

    def answered(self, call: Call, *, at: datetime) -> Charge | None:
        """
        The bot's word about an attempt: the charge that follows at once, or None where it said no.

        Raises: Refused, above all when ten seconds are over.
        """
        attempt = self.attempts.get(call.text("pre_checkout_query_id"))
        if attempt is None or attempt.status_at(at) != "asked":
            raise bad_request(TOO_OLD)
        if not call.flag("ok"):
            if not call.text("error_message"):
                raise bad_request("ERROR_TEXT_EMPTY")
            attempt.refusal = call.text("error_message")
            return None
        charge = self._charged(self.invoices[attempt.slug], attempt.user_id, at)
        attempt.charge_id = charge.id
        return charge

    def refunded(self, user_id: int, charge_id: str, *, at: datetime) -> Charge:
        """The whole of a payment in Stars goes back to its payer. Raises: Refused."""
        charge = self.charges.get(charge_id)
        if charge is None or charge.user_id != user_id or self.of(charge).currency != STARS:
            raise bad_request("CHARGE_NOT_FOUND")
        if charge.refunded:
            raise bad_request("CHARGE_ALREADY_REFUNDED")
        total = self.of(charge).total
        if total > self.stars:
            raise bad_request("BALANCE_TOO_LOW")
        self.stars -= total
        charge.refunded = True
        self._row(charge, "receiver", at)
        return charge

    def set_renewal(self, user_id: int, charge_id: str, *, renews: bool) -> Charge:
        """
        By the id of the subscription's first payment. Whoever stopped it by hand is not made to go
        on by it. Raises: Refused.
        """
        charge = self.charges.get(charge_id)
        if charge is None or charge.user_id != user_id or not charge.is_subscription:
            raise bad_request("CHARGE_ID_INVALID")
        charge.stopped = not renews
        return charge

    def transactions(self, call: Call) -> Json:
        limit = call.whole("limit", ROWS_MAX)
        if not 1 <= limit <= ROWS_MAX:
            raise bad_request("LIMIT_INVALID")
        start = max(call.whole("offset"), 0)
        return {"transactions": self.rows[start : start + limit]}

    # The payer's side.

    def invoice(self, slug: str) -> Invoice:
        """Raises: NoSuchInvoice."""
        found = self.invoices.get(slug.removeprefix("$"))
        if found is None:
            raise NoSuchInvoice(f"no invoice has the slug {slug!r}")
        return found

    def charge(self, charge_id: str) -> Charge:
        """Raises: NoSuchInvoice."""
        if charge_id not in self.charges:
            raise NoSuchInvoice(f"nothing was paid under {charge_id!r}")
        return self.charges[charge_id]

    def of(self, charge: Charge) -> Invoice:
        return self.invoices[charge.slug]

    def in_message(self, message_id: int) -> Invoice | None:
        return next((one for one in self.invoices.values() if one.message_id == message_id), None)

    def ask(self, invoice: Invoice, user_id: int, query_id: str, *, at: datetime) -> Attempt:
        """Any user may pay any invoice, and as often as they like: the bot alone can say no."""
        attempt = self.attempts[query_id] = Attempt(query_id, invoice.slug, user_id, at)
        return attempt

    def renewed(self, first: Charge, *, at: datetime) -> Charge:
        """The next period of a subscription: nobody asks the bot. Raises: NotPossible."""
        if not first.is_subscription or not first.renews or first.stopped:
            raise NotPossible("nothing renews under this charge id; name that of the first payment")
        charge = self._charged(self.of(first), first.user_id, at, first=first)
        first.paid_until = charge.paid_until
        return charge

    def subscriptions(self) -> list[Charge]:
        return [one for one in self.charges.values() if one.is_subscription]

    def due(self, at: datetime) -> Charge | None:
        """A subscription whose next period begins, and that nobody has stopped."""
        for one in self.subscriptions():
            is_over = one.paid_until is not None and one.paid_until <= at
            if is_over and one.renews and not one.stopped:
                return one
        return None

    def affords(self, charge: Charge) -> bool:
        """Once more."""
        there = self.purses.get(charge.user_id)
        return there is None or there >= self.of(charge).total

    def _charged(
        self, invoice: Invoice, user_id: int, at: datetime, *, first: Charge | None = None
    ) -> Charge:
        number = len(self.charges) + 1
        if invoice.currency == STARS:
            charge_id = f"stx{self._letters('charge', number)}"
            charge = Charge(charge_id, f"{user_id}_{number}", invoice.slug, user_id)
        else:
            letters = sha256(f"{self.seed}:provider:{number}".encode()).hexdigest()
            charge_id = f"{self.bot_id}_{user_id}_{number}_{int(letters[:14], 16)}"
            provider_id = f"{letters[:8]}-000f-5000-8000-{letters[8:20]}"
            charge = Charge(charge_id, provider_id, invoice.slug, user_id)
        if invoice.subscription_period:
            begins = at if first is None or first.paid_until is None else first.paid_until
            charge.paid_until = begins + timedelta(seconds=invoice.subscription_period)
            charge.first_id = charge.id if first is None else first.id
            charge.renews = first is None
        self.charges[charge.id] = charge
        if invoice.currency == STARS:
            self.stars += invoice.total
            if user_id in self.purses:
                self.purses[user_id] -= invoice.total
            self._row(charge, "source", at)
        return charge

    def _row(self, charge: Charge, side: str, at: datetime) -> None:
        """A refund's row has the id of its payment, and a receiver in the place of the source."""
        invoice = self.of(charge)
        partner: Json = {
            "type": "user",
            "transaction_type": "invoice_payment",
            "user": {"id": charge.user_id, "is_bot": False, "first_name": f"User {charge.user_id}"},
            "invoice_payload": invoice.payload,
        }
        if invoice.subscription_period:
            partner["subscription_period"] = invoice.subscription_period
        row = {"id": charge.id, "amount": invoice.total, "date": unix(at), side: partner}
        self.rows.append(row)

    def _letters(self, *parts: object) -> str:
        text = ":".join(str(part) for part in (self.seed, *parts))
        return urlsafe_b64encode(sha256(text.encode()).digest()).decode().rstrip("=")

    # Keeping.

    def snapshot(self) -> Json:
        return asdict(self)

    def restore(self, state: Json) -> None:
        self.invoices = {slug: Invoice(**raw) for slug, raw in state["invoices"].items()}
        self.attempts = {
            one: replace(Attempt(**raw), asked_at=datetime.fromisoformat(raw["asked_at"]))
            for one, raw in state["attempts"].items()
        }
        self.charges = {one: _charge(raw) for one, raw in state["charges"].items()}
        self.rows, self.stars = state["rows"], state["stars"]
        self.purses = {int(one): stars for one, stars in state.get("purses", {}).items()}


def paid_words(message: Json) -> str | None:
    """What a client writes in the place of a message about money; None for any other."""
    if "invoice" in message:
        invoice = message["invoice"]
        return f"{invoice['title']}\n{invoice['description']}\n{sum_of(invoice)}"
    if "successful_payment" in message:
        return f"You paid {sum_of(message['successful_payment'])}"
    if "refunded_payment" in message:
        return f"You were given back {sum_of(message['refunded_payment'])}"
    return None


def sum_of(told: Json) -> str:
    """`250 XTR`, `299.00 RUB`."""
    amount, currency = told["total_amount"], told["currency"]
    digits = str(amount) if currency == STARS else f"{amount // 100}.{amount % 100:02}"
    return f"{digits} {currency}"


def payment_as_told(charge: Charge, invoice: Invoice) -> Json:
    """The body of `successful_payment`."""
    told: Json = {
        "currency": invoice.currency,
        "total_amount": invoice.total,
        "invoice_payload": invoice.payload,
        "telegram_payment_charge_id": charge.id,
        "provider_payment_charge_id": charge.provider_id,
    }
    if charge.paid_until is not None:
        told |= {"subscription_expiration_date": unix(charge.paid_until), "is_recurring": True}
        if charge.first_id == charge.id:
            told["is_first_recurring"] = True
    return told


def _bounds(call: Call, prices: int, *, is_subscription: bool) -> tuple[int, int]:
    """Of the sum in this currency, which must go with the provider's token. Raises: Refused."""
    currency, token = call.text("currency"), call.text("provider_token")
    if currency == STARS:
        if token:
            raise bad_request("PAYMENT_PROVIDER_INVALID")
        if prices != 1:
            raise bad_request("STARS_INVOICE_INVALID")
        return 1, SUBSCRIPTION_STARS_MAX if is_subscription else STARS_MAX
    if not _TEST_TOKEN.fullmatch(token):
        raise bad_request("PAYMENT_PROVIDER_INVALID")
    if currency not in BOUNDS:
        raise bad_request("CURRENCY_INVALID")
    return BOUNDS[currency]


def _prices(call: Call) -> list[int]:
    """The amounts alone: labels are shown by clients, and this one shows the total."""
    given = call.nested("prices", "can't parse prices JSON object")
    if not isinstance(given, list) or not given:
        raise bad_request("can't parse prices: expected an Array of LabeledPrice")
    return [_price(one) for one in given]


def _price(raw: object) -> int:
    match raw:
        case {"label": str(label), "amount": int(amount)} if label and type(amount) is int:
            return amount
    raise bad_request("can't parse labeled price: expected a label and a whole amount")


def _charge(raw: dict[str, Any]) -> Charge:
    until = raw["paid_until"]
    return Charge(**raw | {"paid_until": until and datetime.fromisoformat(until)})
