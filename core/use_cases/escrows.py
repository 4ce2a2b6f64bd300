"""Escrows: open, fund, release, give back, dispute, resolve, show."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from core.domain.audit import Deed, line_of
from core.domain.case import Case, CaseKind
from core.domain.cause import Cause, Claim, claim
from core.domain.customer import CustomerId
from core.domain.errors import Refused
from core.domain.escrow import (
    Escrow,
    EscrowNotUsable,
    EscrowSide,
    Part,
    PartStatus,
    opened,
)
from core.domain.event import Event
from core.domain.item import EscrowId, EscrowPart, EscrowShare, Item
from core.domain.money import Money
from core.domain.money_terms import NotOffered
from core.domain.subscription import Standing
from core.ports.payment_gateway import Gateways
from core.ports.unit_of_work import NewId, Now, Store, UnitOfWork
from core.use_cases.buying import Buying
from core.use_cases.checkouts import Started, Terms
from core.use_cases.prices import Price
from core.use_cases.wallet import credited


@dataclass(eq=False)
class PayeeNotServed(Refused):
    """Nobody can be paid there at present."""


class OpenEscrow:
    """
    Agree on an escrow: who pays whom how much, in which parts. No money moves yet. The fee and
    the buffer are those of the catalog in force now.
    """

    def __init__(self, store: Store, now: Now, new_id: NewId) -> None:
        self._store = store
        self._now = now
        self._new_id = new_id

    async def __call__(
        self,
        payer_id: CustomerId,
        payee_id: CustomerId,
        title: str,
        *,
        total: Money,
        down_payment: Money,
        cause: Cause,
    ) -> Escrow:
        """
        A down payment of all of it leaves no remainder.

        Raises:
            NotOffered: this business has no escrow.
            EscrowNotUsable: also for a currency that the catalog does not know.
            EscrowWithOneself, CustomerNotFound, CustomerBlocked, PayeeNotServed
            KeyUsedOtherwise
        """
        async with self._store.write() as uow:
            at = self._now()
            (await uow.customers.lock(payer_id)).require_served()
            taken = await uow.claims.take(claim(cause, self._new_id("esc"), at=at))
            escrow_id = EscrowId(taken.subject)
            if taken.answer is not None:
                return _as_told(await uow.escrows.get(escrow_id), taken, cause)
            catalog = await uow.catalogs.current()
            if not catalog.money.escrow.is_offered:
                raise NotOffered("escrow")
            await _require_served(uow, payee_id)
            if total.currency.code not in catalog.currencies:
                raise EscrowNotUsable(total, down_payment)
            escrow = opened(
                escrow_id,
                title,
                payer=payer_id,
                payee=payee_id,
                total=total,
                down_payment=down_payment,
                terms=catalog.money.escrow,
                at=at,
            )
            await uow.escrows.add(escrow)
            told: dict[str, str | int] = {
                "payee_id": payee_id,
                "total_minor": total.amount_minor,
                "down_payment_minor": down_payment.amount_minor,
                "currency": total.currency.code,
            }
            await uow.record(Event("escrow.opened", escrow.id, at, payer_id, told))
            await uow.claims.save(taken.answered(_told(escrow)))
            await uow.commit()
        return escrow


class FundEscrow:
    """
    Set a part aside: the payer buys it, from the wallet or at a gateway. Cash only, since bonus
    would become money that the payee can withdraw. See `Buying`.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now, new_id: NewId) -> None:
        self._buying = Buying(store, gateways, now, new_id)

    async def __call__(
        self,
        payer_id: CustomerId,
        escrow_id: EscrowId,
        part: EscrowPart,
        terms: Terms,
        *,
        cause: Cause,
    ) -> Started:
        """
        Raises:
            EscrowNotFound, EscrowPartNotFound
            NotYourMove: the payer funds it.
            EscrowPartNotReady: funded before; or a remainder whose down payment is not funded, or
                is in dispute, or went back.
            PayeeNotServed
            all that `Buying` raises.
        """

        async def agree(uow: UnitOfWork, _standing: Standing) -> tuple[Item, Price]:
            escrow = await uow.escrows.lock(escrow_id)
            escrow.require(EscrowSide.PAYER, payer_id)
            amount = escrow.amount_to_fund(part)
            await _require_served(uow, escrow.payee_id)
            return EscrowShare(escrow_id, part), Price(amount)

        return await self._buying(payer_id, agree, terms, cause)


Become = Callable[[Escrow, datetime], Escrow]


class _Moving:
    """
    What one of the two does to a part: under the lock of the escrow's row, once. Nobody's
    customer row is locked, for whoever is blocked keeps what was agreed on before.
    """

    side: EscrowSide

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def _move(
        self, customer_id: CustomerId, escrow_id: EscrowId, become: Become, cause: Cause | None
    ) -> Escrow:
        async with self._store.read() as view:
            escrow = await view.escrows.get(escrow_id)
        if escrow != escrow.at(self._now()):
            # Written down before it is told: no clock that is slow makes it undone.
            await _write_down_due(self._store, escrow_id, self._now)
        async with self._store.write() as uow:
            at = self._now()
            escrow = await uow.escrows.lock(escrow_id)
            escrow.require(self.side, customer_id)
            taken = None
            if cause is not None:
                taken = await uow.claims.take(claim(cause, escrow_id, at=at))
                if taken.answer is not None:
                    return _as_told(escrow, taken, cause)
            moved = become(escrow, at)
            await _write_down(uow, escrow, moved, at=at)
            if taken is not None:
                await uow.claims.save(taken.answered(_told(moved)))
            await uow.commit()
        return moved


class ReleasePart(_Moving):
    """
    The payer's word that the payee has earned it: after the buffer it is the payee's, and until
    then the payer may still dispute it. Given again, the first word counts.
    """

    side = EscrowSide.PAYER

    async def __call__(
        self, payer_id: CustomerId, escrow_id: EscrowId, part: EscrowPart, *, cause: Cause
    ) -> Escrow:
        """
        Raises:
            EscrowNotFound, EscrowPartNotFound, NotYourMove, KeyUsedOtherwise
            EscrowPartNotReady: not funded, in dispute, or given back.
        """
        return await self._move(
            payer_id, escrow_id, lambda one, at: one.becomes_approved(part, at=at), cause
        )


class RefundPart(_Moving):
    """
    The payee gives a funded part back, whole, into the payer's wallet; a payer alone takes nothing
    back. One in dispute is for an operator. Given back again, it stays as it is.
    """

    side = EscrowSide.PAYEE

    async def __call__(
        self, payee_id: CustomerId, escrow_id: EscrowId, part: EscrowPart, *, cause: Cause
    ) -> Escrow:
        """
        Raises:
            EscrowNotFound, EscrowPartNotFound, NotYourMove, KeyUsedOtherwise
            EscrowPartNotReady: not funded, in dispute, or released.
        """
        return await self._move(
            payee_id, escrow_id, lambda one, at: one.becomes_refunded(part, at=at), cause
        )


class DisputePart(_Moving):
    """
    The payer says that it must not be released: a case opens, and an operator decides. Its cause
    is the part itself: disputing again changes nothing.
    """

    side = EscrowSide.PAYER

    async def __call__(self, payer_id: CustomerId, escrow_id: EscrowId, part: EscrowPart) -> Escrow:
        """
        Raises:
            EscrowNotFound, EscrowPartNotFound, NotYourMove
            EscrowPartNotReady: not funded, or it has ended.
        """
        return await self._move(
            payer_id, escrow_id, lambda one, at: one.becomes_disputed(part, at=at), None
        )


class ReleaseDue:
    """The buffer of a part is over and nobody objected: write down that it is the payee's."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, escrow_id: EscrowId) -> None:
        await _write_down_due(self._store, escrow_id, self._now)


class ResolveEscrow:
    """
    An operator decides every part that is in dispute, for one side, with a reason in the audit
    trail, and so closes its case.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(
        self, escrow_id: EscrowId, to: EscrowSide, *, deed: Deed, cause: Cause
    ) -> Escrow:
        """
        Raises:
            EscrowNotFound, NothingDisputed, KeyUsedOtherwise
        """
        async with self._store.write() as uow:
            at = self._now()
            escrow = await uow.escrows.lock(escrow_id)
            taken = await uow.claims.take(claim(cause, escrow_id, at=at))
            if taken.answer is not None:
                return _as_told(escrow, taken, cause)
            resolved = escrow.becomes_resolved(to, at=at)
            await _write_down(uow, escrow, resolved, at=at)
            for which, part in escrow.parts.items():
                if part.status is PartStatus.DISPUTED:
                    await uow.close_case(_dispute(escrow_id, which), reason=deed.reason, at=at)
            await uow.audit(line_of(deed, "escrow.resolve", escrow_id, at=at, to=to.value))
            await uow.claims.save(taken.answered(_told(resolved)))
            await uow.commit()
        return resolved


class ShowEscrows:
    """The escrows that a customer is a side of, as they are at this moment."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def one(self, customer_id: CustomerId, escrow_id: EscrowId) -> Escrow:
        """
        Raises:
            EscrowNotFound: unknown and other people's look alike.
        """
        async with self._store.read() as view:
            escrow = await view.escrows.get(escrow_id)
        escrow.side_of(customer_id)
        return escrow.at(self._now())

    async def page(
        self, customer_id: CustomerId, *, limit: int, after: EscrowId | None = None
    ) -> list[Escrow]:
        """
        The newest first.

        Raises:
            EscrowNotFound: `after` is none of theirs.
        """
        if after is not None:
            await self.one(customer_id, after)
        async with self._store.read() as view:
            found = await view.escrows.page(customer_id, limit=limit, after=after)
        return [escrow.at(self._now()) for escrow in found]


async def _require_served(uow: UnitOfWork, payee_id: CustomerId) -> None:
    if not (await uow.customers.get(payee_id)).is_served:
        raise PayeeNotServed


async def _write_down_due(store: Store, escrow_id: EscrowId, now: Now) -> None:
    async with store.write() as uow:
        at = now()
        escrow = await uow.escrows.lock(escrow_id)
        await _write_down(uow, escrow, escrow.at(at), at=at)
        await uow.commit()


async def _write_down(uow: UnitOfWork, before: Escrow, after: Escrow, *, at: datetime) -> None:
    """Save what moved, book what ended, open a case for what is disputed. The row is locked."""
    if after == before:
        return
    await uow.escrows.save(after)
    for which, part in after.parts.items():
        former = before.part(which)
        if part == former:
            continue
        if part.has_ended:
            entry = after.end_of(which, at=at)
            await uow.ledger.post(entry)
            to, amount = after.due_to(which)
            await uow.record(credited(to, amount, entry.id, at=at))
        if part.status is PartStatus.DISPUTED:
            await uow.open_case(_case(after, which, part, at=at))
        name = "approved" if part.status is former.status else part.status.value
        told: dict[str, str | int] = {
            "part": which.value,
            "payee_id": after.payee_id,
            "amount_minor": part.amount.amount_minor,
            "currency": part.amount.currency.code,
        }
        await uow.record(Event(f"escrow.{name}", after.id, at, after.payer_id, told))


def _dispute(escrow_id: EscrowId, which: EscrowPart) -> str:
    return f"dispute {escrow_id} {which}"


def _case(escrow: Escrow, which: EscrowPart, part: Part, *, at: datetime) -> Case:
    cause = _dispute(escrow.id, which)
    told = {
        "escrow_id": escrow.id,
        "part": which.value,
        "amount_minor": str(part.amount.amount_minor),
        "currency": part.amount.currency.code,
    }
    return Case(f"case {cause}", CaseKind.DISPUTE, cause, at, told, escrow.payer_id)


# An answer is told from its subject (docs/decisions/0004): all of an escrow but its parts' states
# is as it was, and those are kept as words.


def _told(escrow: Escrow) -> str:
    return ";".join(
        " ".join((part.status, *map(_word, (part.releasing_at, part.ended_at))))
        for part in escrow.parts.values()
    )


def _as_told(escrow: Escrow, taken: Claim, cause: Cause) -> Escrow:
    """The answer that was given to this cause, as it was, whatever happened since."""
    answer = taken.taken_again(cause, at=taken.leased_until).answer
    assert answer is not None
    parts = [
        _part_as_told(part, *words.split())
        for part, words in zip(escrow.parts.values(), answer.split(";"), strict=True)
    ]
    return replace(escrow, down_payment=parts[0], remainder=parts[1] if parts[1:] else None)


def _word(at: datetime | None) -> str:
    return "-" if at is None else at.isoformat()


def _part_as_told(part: Part, status: str, releasing_at: str, ended_at: str) -> Part:
    given, ended = (
        None if word == "-" else datetime.fromisoformat(word) for word in (releasing_at, ended_at)
    )
    return replace(part, status=PartStatus(status), releasing_at=given, ended_at=ended)
