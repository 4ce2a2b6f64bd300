"""Who pays: our id, the identities others know the customer by, language and time zone."""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NewType

from core.domain.errors import Invalid, NotFound, Refused

CustomerId = NewType("CustomerId", str)

TELEGRAM_ID_MAX: Final = 2**52 - 1
ZONE_KEPT: Final = timedelta(days=30)
_EXTERNAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}", re.ASCII)
_TELEGRAM = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
_OURS = re.compile(r"cus_[a-z0-9]{8,40}", re.ASCII)


class IdentityKind(StrEnum):
    TELEGRAM = "telegram"
    EXTERNAL = "external"


@dataclass(eq=False)
class IdentityNotReadable(Invalid):
    """A customer is named telegram:123, external:abc or by our own id cus_…."""

    ref: str


@dataclass(eq=False)
class CustomerNotFound(NotFound):
    """No such customer."""

    ref: str


@dataclass(eq=False)
class CustomerBlocked(Refused):
    """The business does not serve this customer at present, or the customer asked to be erased."""


@dataclass(eq=False)
class ZoneChangedLately(Refused):
    """The time zone was changed within the last thirty days; it may be again from then on."""

    until: datetime


@dataclass(eq=False)
class OwnAffair(Refused):
    """Nobody decides by hand about themselves: ask another operator."""


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """What somebody else calls a customer. At most one customer has it, for ever."""

    kind: IdentityKind
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


def identity(ref: str) -> Identity:
    """Read `telegram:123` (1..2^52-1, no leading zeros) or `external:abc` (128 plain characters)."""
    kind, _, value = ref.partition(":")
    if kind == IdentityKind.TELEGRAM and _TELEGRAM.fullmatch(value):
        if int(value) <= TELEGRAM_ID_MAX:
            return Identity(IdentityKind.TELEGRAM, value)
    elif kind == IdentityKind.EXTERNAL and _EXTERNAL.fullmatch(value):
        return Identity(IdentityKind.EXTERNAL, value)
    raise IdentityNotReadable(ref[:64])


def customer_ref(ref: str) -> Identity | CustomerId:
    """Read a reference: an identity, or our own id."""
    if _OURS.fullmatch(ref):
        return CustomerId(ref)
    return identity(ref)


@dataclass(frozen=True, slots=True)
class Names:
    """What a person is called where they write to us; `username` is unique there, without its @."""

    name: str
    username: str | None = None


@dataclass(frozen=True, slots=True)
class Customer:
    """
    The only row that holds what names a person. `receipt_contact` is an e-mail address or a
    telephone number (digits, country code first) for the fiscal receipt; stored encrypted.
    `unreachable_since`: when the chat first refused a message; None while it takes them.
    `former_zone` is the one before the last change. `fewer_reminders`: nothing is told that is
    neither an end nor about money. `no_broadcasts`: no message that goes to many; what concerns this
    customer alone is told all the same. `name` and `username` are as of the last contact, for
    people to find the customer by. `leaving_since`: when the customer asked to be erased, for good;
    `erased_at`: when nothing of the person was left.
    """

    id: CustomerId
    identities: tuple[Identity, ...]
    language: str
    zone: str
    created_at: datetime
    receipt_contact: str | None = field(default=None, repr=False)
    unreachable_since: datetime | None = None
    blocked_at: datetime | None = None
    fewer_reminders: bool = False
    former_zone: str | None = None
    zone_changed_at: datetime | None = None
    leaving_since: datetime | None = None
    erased_at: datetime | None = None
    name: str | None = field(default=None, repr=False)
    username: str | None = field(default=None, repr=False)
    no_broadcasts: bool = False
    version: int = 0

    @property
    def telegram_id(self) -> int | None:
        """The private chat's id too; None for whom Telegram does not know."""
        for one in self.identities:
            if one.kind is IdentityKind.TELEGRAM:
                return int(one.value)
        return None

    @property
    def takes_broadcasts(self) -> bool:
        """By their own wish. Whoever wants fewer reminders wants no advertising either."""
        return not (self.no_broadcasts or self.fewer_reminders)

    def require_served(self) -> None:
        """
        Raises:
            CustomerBlocked: no sign-in and nothing new to pay; what was paid is honoured.
        """
        if not self.is_served:
            raise CustomerBlocked

    @property
    def is_served(self) -> bool:
        """Whether anything new is done for this customer."""
        return self.blocked_at is None and not self.is_leaving

    @property
    def is_leaving(self) -> bool:
        """Whether the person asked to be erased, or was."""
        return self.leaving_since is not None

    def in_zone(self, zone: str, *, at: datetime) -> "Customer":
        """
        Windows that had begun by then go on by the former zone, so that nothing can be used twice.

        Raises:
            ZoneChangedLately
        """
        if zone == self.zone:
            return self
        changed = self.zone_changed_at
        if changed is not None and at < changed + ZONE_KEPT:
            raise ZoneChangedLately(changed + ZONE_KEPT)
        return replace(self, zone=zone, former_zone=self.zone, zone_changed_at=at)

    def leaving(self, *, at: datetime) -> "Customer":
        return self if self.is_leaving else replace(self, leaving_since=at)

    def erased(self, *, at: datetime) -> "Customer":
        """
        All that is of the person goes: made anew, so that what is not named here is gone. What is
        left is whose the entries of the books are.
        """
        return Customer(
            id=self.id,
            identities=(),
            language="en",
            zone="UTC",
            created_at=self.created_at,
            blocked_at=self.blocked_at,
            leaving_since=self.leaving_since or at,
            erased_at=at,
            version=self.version,
        )

    def require_another(self, actor: str) -> None:
        """
        Raises:
            OwnAffair: `actor`, who does something by hand, is this customer.
        """
        if actor in map(str, self.identities):
            raise OwnAffair

    def blocked(self, *, at: datetime) -> "Customer":
        return self if self.blocked_at is not None else replace(self, blocked_at=at)

    def unblocked(self) -> "Customer":
        return replace(self, blocked_at=None)
