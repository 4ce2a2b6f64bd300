"""An escrow: a payer's money in two parts, set aside until it is the payee's or the payer's again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from core.domain import ledger
from core.domain.customer import CustomerId
from core.domain.errors import Conflict, Invalid, NotFound, Refused
from core.domain.item import EscrowId, EscrowPart
from core.domain.ledger import Entry
from core.domain.money import Money
from core.domain.money_terms import BASIS_POINTS, EscrowTerms


class EscrowSide(StrEnum):
    PAYER = "payer"
    PAYEE = "payee"


class PartStatus(StrEnum):
    UNFUNDED = "unfunded"
    FUNDED = "funded"
    DISPUTED = "disputed"  # An operator decides.
    RELEASED = "released"
    REFUNDED = "refunded"


MOVES: Final = {
    PartStatus.UNFUNDED: frozenset({PartStatus.FUNDED}),
    PartStatus.FUNDED: frozenset({PartStatus.RELEASED, PartStatus.REFUNDED, PartStatus.DISPUTED}),
    PartStatus.DISPUTED: frozenset({PartStatus.RELEASED, PartStatus.REFUNDED}),
    PartStatus.RELEASED: frozenset[PartStatus](),
    PartStatus.REFUNDED: frozenset[PartStatus](),
}

_ENDS: Final = {
    EscrowSide.PAYER: PartStatus.REFUNDED,
    EscrowSide.PAYEE: PartStatus.RELEASED,
}
"""How a part ends, by who gets its money."""


@dataclass(eq=False)
class EscrowNotFound(NotFound):
    """No such escrow."""

    escrow_id: str


@dataclass(eq=False)
class EscrowPartNotFound(NotFound):
    """This escrow has no such part: all of it is the down payment."""

    escrow_id: str
    part: str


@dataclass(eq=False)
class EscrowNotUsable(Invalid):
    """The down payment is more than nothing and no more than the total, in a currency kept here."""

    total: Money
    down_payment: Money


@dataclass(eq=False)
class EscrowWithOneself(Invalid):
    """Payer and payee of an escrow are two customers."""


@dataclass(eq=False)
class EscrowPartNotReady(Conflict):
    """The part is in a state, told here, in which what was asked cannot be done."""

    escrow_id: str
    part: str
    part_status: str


@dataclass(eq=False)
class NotYourMove(Refused):
    """Only the other side of this escrow may do that."""

    decides: str


@dataclass(eq=False)
class NothingDisputed(Conflict):
    """No part of this escrow waits for a decision."""

    escrow_id: str


@dataclass(frozen=True, slots=True)
class Part:
    """
    `releasing_at` is set by the payer's word: from that moment on the part is the payee's, unless
    the payer disputes it or the payee gives it back before.
    """

    amount: Money
    status: PartStatus = PartStatus.UNFUNDED
    releasing_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def has_ended(self) -> bool:
        return not MOVES[self.status]

    @property
    def is_set_aside(self) -> bool:
        """Whether its money lies in the payer's escrow account."""
        return self.status in {PartStatus.FUNDED, PartStatus.DISPUTED}

    def at(self, now: datetime) -> "Part":
        """As time has made it, even if no sweep has written that down."""
        if self.releasing_at is None or now < self.releasing_at:
            return self
        return self.becomes(PartStatus.RELEASED, at=self.releasing_at)

    def becomes(self, status: PartStatus, *, at: datetime) -> "Part":
        assert status in MOVES[self.status], f"{self.status} does not become {status}"
        ended_at = None if MOVES[status] else at
        return replace(self, status=status, releasing_at=None, ended_at=ended_at)


@dataclass(frozen=True, slots=True)
class Escrow:
    """
    `remainder` is None where the down payment is all of it. `fee_basis_points` and `buffer` are
    the catalog's of the day it was opened: what is kept of a part when it is released, and how
    long the payer's word waits. A part ends once.
    """

    id: EscrowId
    payer_id: CustomerId
    payee_id: CustomerId
    title: str
    down_payment: Part
    remainder: Part | None
    fee_basis_points: int
    buffer: timedelta
    opened_at: datetime
    version: int = 0

    @property
    def parts(self) -> Mapping[EscrowPart, Part]:
        found = {EscrowPart.DOWN_PAYMENT: self.down_payment}
        return found if self.remainder is None else found | {EscrowPart.REMAINDER: self.remainder}

    @property
    def total(self) -> Money:
        paid_first = self.down_payment.amount
        return paid_first if self.remainder is None else paid_first + self.remainder.amount

    @property
    def due_at(self) -> datetime | None:
        given = (part.releasing_at for part in self.parts.values())
        return min((at for at in given if at is not None), default=None)

    def part(self, which: EscrowPart) -> Part:
        """
        Raises:
            EscrowPartNotFound
        """
        found = self.parts.get(which)
        if found is None:
            raise EscrowPartNotFound(self.id, which)
        return found

    def side_of(self, customer_id: CustomerId) -> EscrowSide:
        """
        Raises:
            EscrowNotFound: for everybody else it is not there.
        """
        if customer_id == self.payer_id:
            return EscrowSide.PAYER
        if customer_id == self.payee_id:
            return EscrowSide.PAYEE
        raise EscrowNotFound(self.id)

    def require(self, side: EscrowSide, customer_id: CustomerId) -> None:
        """
        Raises:
            EscrowNotFound, NotYourMove
        """
        if self.side_of(customer_id) is not side:
            raise NotYourMove(side)

    def fee(self, which: EscrowPart) -> Money:
        """What is kept when it is released, rounded down: the payee never loses by rounding."""
        return self.part(which).amount.share(self.fee_basis_points, BASIS_POINTS)

    def at(self, now: datetime) -> "Escrow":
        """As time has made it: what the payer's word has released by now."""
        return _changed(self, {which: part.at(now) for which, part in self.parts.items()})

    def awaits(self, which: EscrowPart) -> bool:
        """Whether it can be funded. The remainder waits for a down payment that holds good."""
        if self.part(which).status is not PartStatus.UNFUNDED:
            return False
        first = self.down_payment.status
        return which is EscrowPart.DOWN_PAYMENT or first in {
            PartStatus.FUNDED,
            PartStatus.RELEASED,
        }

    def amount_to_fund(self, which: EscrowPart) -> Money:
        """
        Raises:
            EscrowPartNotFound, EscrowPartNotReady
        """
        if not self.awaits(which):
            raise EscrowPartNotReady(self.id, which, self.part(which).status)
        return self.part(which).amount

    def becomes_funded(self, which: EscrowPart, *, at: datetime) -> "Escrow":
        assert self.awaits(which), "whoever pays for it looks first"
        return _changed(self, {which: self.part(which).becomes(PartStatus.FUNDED, at=at)})

    def becomes_approved(self, which: EscrowPart, *, at: datetime) -> "Escrow":
        """
        The payer's word: from the end of the buffer on it is the payee's. Given again, or where
        it is the payee's already, it stays as it is.

        Raises:
            EscrowPartNotFound, EscrowPartNotReady
        """
        present = self.at(at)
        part = present.part(which)
        if part.status is PartStatus.RELEASED or part.releasing_at is not None:
            return present
        if part.status is not PartStatus.FUNDED:
            raise EscrowPartNotReady(self.id, which, part.status)
        return _changed(present, {which: replace(part, releasing_at=at + self.buffer)})

    def becomes_disputed(self, which: EscrowPart, *, at: datetime) -> "Escrow":
        """
        The payer says that it must not be released. Said again, it stays as it is.

        Raises:
            EscrowPartNotFound, EscrowPartNotReady
        """
        return self._moved(which, PartStatus.DISPUTED, at=at)

    def becomes_refunded(self, which: EscrowPart, *, at: datetime) -> "Escrow":
        """
        The payee gives it back. Given back again, it stays as it is.

        Raises:
            EscrowPartNotFound, EscrowPartNotReady: also where it is disputed.
        """
        return self._moved(which, PartStatus.REFUNDED, at=at)

    def becomes_resolved(self, to: EscrowSide, *, at: datetime) -> "Escrow":
        """
        An operator's decision on every part that is disputed.

        Raises:
            NothingDisputed
        """
        present = self.at(at)
        decided = {
            which: part.becomes(_ENDS[to], at=at)
            for which, part in present.parts.items()
            if part.status is PartStatus.DISPUTED
        }
        if not decided:
            raise NothingDisputed(self.id)
        return _changed(present, decided)

    def due_to(self, which: EscrowPart) -> tuple[CustomerId, Money]:
        """Who gets how much of a part that has ended."""
        part = self.part(which)
        if part.status is PartStatus.RELEASED:
            return self.payee_id, part.amount - self.fee(which)
        assert part.status is PartStatus.REFUNDED, "the part has ended"
        return self.payer_id, part.amount

    def end_of(self, which: EscrowPart, *, at: datetime) -> Entry:
        """The one entry that ends a part, whatever the manner: its id is that of the end alone."""
        part = self.part(which)
        to, amount = self.due_to(which)
        return ledger.entry_of(
            f"escrow {self.id} {which} ended",
            "escrow_release" if part.status is PartStatus.RELEASED else "escrow_refund",
            [
                (ledger.escrow(self.payer_id), -part.amount),
                (ledger.cash(to), amount),
                (ledger.ESCROW_REVENUE, part.amount - amount),
            ],
            at=at,
        )

    def _moved(self, which: EscrowPart, status: PartStatus, *, at: datetime) -> "Escrow":
        """What time has made of the parts comes first."""
        present = self.at(at)
        part = present.part(which)
        if part.status is status:
            return present
        if part.status is not PartStatus.FUNDED:
            raise EscrowPartNotReady(self.id, which, part.status)
        return _changed(present, {which: part.becomes(status, at=at)})


def _changed(escrow: Escrow, parts: Mapping[EscrowPart, Part]) -> Escrow:
    return replace(
        escrow,
        down_payment=parts.get(EscrowPart.DOWN_PAYMENT, escrow.down_payment),
        remainder=parts.get(EscrowPart.REMAINDER, escrow.remainder),
    )


def opened(
    id_: EscrowId,
    title: str,
    *,
    payer: CustomerId,
    payee: CustomerId,
    total: Money,
    down_payment: Money,
    terms: EscrowTerms,
    at: datetime,
) -> Escrow:
    """
    Raises:
        EscrowWithOneself, EscrowNotUsable
    """
    if payer == payee:
        raise EscrowWithOneself
    of_one_currency = total.currency == down_payment.currency
    if not (of_one_currency and down_payment.is_positive and down_payment <= total):
        raise EscrowNotUsable(total, down_payment)
    rest = total - down_payment
    return Escrow(
        id_,
        payer,
        payee,
        title,
        Part(down_payment),
        Part(rest) if rest.is_positive else None,
        terms.fee_basis_points,
        terms.buffer,
        at,
    )
