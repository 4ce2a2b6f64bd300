"""Telling what happened, to a customer or the business's own system: what we ask of the outside."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from core.domain.delivery import Delivery, Reply
from core.domain.errors import Refused, Unavailable
from core.domain.money import Money
from core.domain.plan import PlanCode, PlanVersion
from core.domain.purchase import Purchase
from core.domain.referral_program import Reward
from core.domain.subscription import Standing
from core.domain.usage_quota import UsageQuota


@dataclass(eq=False)
class CustomerUnreachable(Refused):
    """The customer takes no messages from us, until they come back by themselves."""


@dataclass(eq=False)
class NotifierUnavailable(Unavailable):
    """The message could not be sent now, or may have been sent without our hearing of it."""

    retry_after_seconds: int = 5


@dataclass(eq=False)
class SentTooFast(Unavailable):
    """Nothing was sent: more than enough was. It may be sent after the time it says."""

    retry_after_seconds: int


@dataclass(eq=False)
class LetterRefused(Refused):
    """The messenger does not take this message for this customer, and never will."""


class NewsKind(StrEnum):
    """What there is to tell."""

    PAID = "paid"
    REFUSED = "refused"  # The payer tried, and was turned down.
    EXPIRED = "expired"  # Nobody paid in time.
    SECOND = "second"  # Paid once more: the money is in the wallet.
    AFTER_END = "after_end"  # Paid after it was given up: the money is in the wallet.
    MISMATCH = "mismatch"  # Another sum: the money is in the wallet, and a person looks.
    REFUNDED = "refunded"  # Money went back to whoever paid.
    GIVEN = "given"  # Days of a plan, by an operator.
    ENDED = "ended"  # A paid period is over.
    NOT_RENEWED = "not_renewed"  # It was tried, and there was not the money.
    ACCESS_DELAYED = "access_delayed"  # What was bought is not there yet.
    ACCESS_GIVEN = "access_given"  # It is there now, and where.
    RENEWS_NO_MORE = "renews_no_more"  # The plan is not sold any more as it was.
    ESCROW_FUNDED = "escrow_funded"  # To the payee: the money is set aside.
    ESCROW_DISPUTED = "escrow_disputed"  # To the payee: a person decides.
    ESCROW_RELEASED = "escrow_released"  # To the payee: the money is in the wallet.
    ESCROW_REFUNDED = "escrow_refunded"  # To the payer: the money is in the wallet again.
    REWARD_BOOKED = "reward_booked"  # To the referrer: it waits for its time.
    REWARD_EARNED = "reward_earned"  # To the referrer: it is in the wallet.
    ENDS_SOON = "ends_soon"  # A paid period runs out, and nothing follows by itself.
    RENEWS_SOON = "renews_soon"  # It will be paid again by itself, for so much.
    PRICE_CHANGES = "price_changes"  # It renews by itself, and costs something else now.
    COME_BACK = "come_back"  # A paid period has been over for a while.
    QUOTA_LOW = "quota_low"  # Little is left of a window's units.
    QUOTA_USED_UP = "quota_used_up"  # The last of a window's units is used.
    WITHDRAWAL_DONE = "withdrawal_done"  # The money has left.
    WITHDRAWAL_FAILED = "withdrawal_failed"  # It never left, and is in the wallet again.
    WITHDRAWAL_RETURNED = "withdrawal_returned"  # It left, came back, and is in the wallet again.


@dataclass(frozen=True, slots=True)
class News:
    """
    One thing to tell one customer, as things stand `at` this moment. `id` is the same whenever
    it is told again. `received` is money that did not pay the purchase, or went back of it; or what
    a part of an escrow or a withdrawal is about. `title` is the escrow's, as its payer wrote it.
    `plan` is the one that this is about, as it is on offer now. `in_wallet` is what can be spent now, where the
    purchase was of a deposit, or paid from there. `link` is where access is found. `until` is when
    what this is about ends, or has ended; `quota` the one that this is about, as it is now.
    `charge` is what the next renewal by itself costs, `days` how many were given.
    """

    id: str
    kind: NewsKind
    standing: Standing
    at: datetime
    purchase: Purchase | None = None
    received: Money | None = None
    plan: PlanVersion | None = None
    in_wallet: Money | None = None
    title: str | None = None
    reward: Reward | None = None
    link: str | None = None
    until: datetime | None = None
    quota: UsageQuota | None = None
    charge: Money | None = None
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """
    What is sent to many: plain text, in the reader's language, with a button to a plan or an
    address. Whoever reads it is shown how to get no more of them.
    """

    text: str
    plan: PlanCode | None = None
    url: str | None = None


class Notifier(Protocol):
    """A way to reach customers. It may be slow, and what it tells may arrive twice."""

    def reaches(self, standing: Standing) -> bool:
        """Whether this is a customer whom it could tell anything."""
        ...

    async def tell(self, news: News) -> None:
        """
        Must not be called while a unit of work is open.

        Raises:
            CustomerUnreachable: nothing more is to be sent until the customer returns.
            NotifierUnavailable: tell it again, not before the time it says.
        """
        ...

    async def mail(self, standing: Standing, letter: Letter) -> None:
        """
        At a pace of its own, behind all that is told. Must not be called while a unit is open.

        Raises:
            CustomerUnreachable
            SentTooFast: it was surely not sent.
            LetterRefused
            NotifierUnavailable: it may have been sent.
        """
        ...


class Webhooks(Protocol):
    """The business's own system, which is told by signed calls, each maybe more than once."""

    @property
    def host(self) -> str | None:
        """Who is told; None: nobody is."""
        ...

    def wants(self, event: str) -> bool:
        """Whether it is told of this at all."""
        ...

    async def send(self, delivery: Delivery) -> Reply:
        """
        One try, whose outcome is an answer, not an error. Must not be called while a unit of
        work is open.
        """
        ...
