"""Reconciling: everything that a gateway lists is compared with the books, and mended or told."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from core.domain.case import Case, CaseKind
from core.domain.cause import Cause, claim
from core.domain.charge import Charge
from core.domain.customer import CustomerId
from core.domain.errors import Refused
from core.domain.event import Job
from core.domain.money import Money
from core.domain.payment import PaymentFacts, PayoutFacts, RefundFacts
from core.domain.plan import GatewayName
from core.domain.reconciliation import (
    TO_BE_MENDED,
    Found,
    Kind,
    Moved,
    Reconciliation,
    Tally,
    Verdict,
)
from core.domain.refund import Refund, RefundStatus
from core.domain.withdrawal import Withdrawal, WithdrawalStatus
from core.ports.payment_gateway import Gateways, PaymentGateway
from core.ports.unit_of_work import NewId, Now, Store, View
from core.use_cases.comparing import Facts, compared, id_of, withdrawal_of
from core.use_cases.consequences import RECONCILE
from core.use_cases.found_refunds import BookRefunds
from core.use_cases.settling import book
from core.use_cases.withdrawals import learn_payout

LOOKS_BACK: Final = timedelta(hours=48)
"""How far the daily round goes back: two rounds look at everything, so one may fail."""

MARGIN: Final = timedelta(hours=1)
"""A gateway's clock and lists may be so far behind: what is younger is not claimed missing."""

PAGE: Final = 200


@dataclass(eq=False)
class GatewayCannotList(Refused):
    """This gateway lists nothing; compare the books with its provider's own cabinet by hand."""

    gateway: str


class Reconcile:
    """
    Compare all that a gateway lists since a time with the books, and all that the books have of
    it since then with the gateway. What it confirms and the books lack is booked as if its notice
    had come; what cannot be, is a case, opened once. Nothing is booked here: whatever is mended
    goes the way of a payment, a refund or a payout that was heard of, so that a repeat, or a
    webhook at the same moment, changes nothing.

    What the books have and the list does not (it was made earlier, or the gateway lists no
    payouts) is asked for one by one before it is claimed missing. Of what was listed only the
    ids are kept meanwhile.
    """

    def __init__(
        self, store: Store, gateways: Gateways, now: Now, new_id: NewId, *, page: int = PAGE
    ) -> None:
        """`page`: how many things of ours are read at a time."""
        self._store = store
        self._gateways = gateways
        self._now = now
        self._page = page
        self._book_refunds = BookRefunds(store, gateways, now, new_id)

    async def __call__(self, gateway: GatewayName, since: datetime | None = None) -> Reconciliation:
        """
        `since`: None is so long ago as the daily round looks back.

        Raises:
            GatewayNotFound, GatewayCannotList
            GatewayUnavailable: what was mended stays so; begin again later.
        """
        known = self._gateways.get(gateway)
        if not known.abilities.lists:
            raise GatewayCannotList(known.name)
        until, tally, seen = self._now(), Tally(), set[tuple[Kind, str]]()
        since = until - LOOKS_BACK if since is None else since
        async for facts in known.since(since):
            if id_of(facts) not in seen:
                seen.add(id_of(facts))
                await self._see_to(known, facts, tally)
        async for ours in self._booked(known.name, since):
            if ours.place not in seen:
                is_young = not since + MARGIN <= ours.at <= until - MARGIN
                await self._see_to_unlisted(known, ours, tally, is_young=is_young)
        return tally.result(known.name, since, until)

    async def _see_to_unlisted(
        self, gateway: PaymentGateway, ours: "_Booked", tally: Tally, *, is_young: bool
    ) -> None:
        facts = await _asked_for(gateway, ours.thing)
        if facts is not None:
            await self._see_to(gateway, facts, tally)
        elif ours.moved is not None:
            found = Found.OURS_OPEN if is_young else Found.MISSING_THERE
            here = Moved(None if is_young else ours.moved)
            verdict = Verdict(
                *ours.place, found, "nothing", here=here, ours=ours.id, customer_id=ours.owner
            )
            if not is_young:
                await self._tell(gateway.name, verdict)
            tally.add(verdict)

    async def _see_to(self, gateway: PaymentGateway, facts: Facts, tally: Tally) -> None:
        first = await self._compare(facts)
        if first.found not in TO_BE_MENDED:
            tally.add(first)
            return
        facts = await self._asked_again(gateway, facts)  # The list may be behind the gateway.
        first = await self._compare(facts)
        if first.found not in TO_BE_MENDED:
            tally.add(first)
            return
        await self._mend(facts, first)
        last = await self._compare(facts)
        if last.found in TO_BE_MENDED:
            await self._tell(gateway.name, last)
        tally.add(first, last)

    async def _compare(self, facts: Facts) -> Verdict:
        async with self._store.read() as view:
            return await compared(view, facts)

    async def _asked_again(self, gateway: PaymentGateway, facts: Facts) -> Facts:
        """The same thing, asked for by itself; as it was listed where it is not found so."""
        match facts:
            case PaymentFacts():
                found = await gateway.find_payment(facts.payment_id)
                return facts if found is None or found.charge_id != facts.charge_id else found
            case RefundFacts():
                refunds = await gateway.find_refunds(facts.payment_id)
                return next((one for one in refunds if one.refund_id == facts.refund_id), facts)
            case PayoutFacts():
                async with self._store.read() as view:
                    ours = await withdrawal_of(view, facts)
                if ours is None:
                    return facts
                return await gateway.find_payout(ours.order, facts.payout_id) or facts

    async def _mend(self, facts: Facts, verdict: Verdict) -> None:
        match facts:
            case PaymentFacts() if verdict.found is Found.MISSING_HERE:
                await book(self._store, facts, self._now)
            case RefundFacts():
                await self._book_refunds(facts.gateway, facts.payment_id)
            case PayoutFacts():
                async with self._store.read() as view:
                    ours = await withdrawal_of(view, facts)
                if ours is not None:
                    await learn_payout(self._store, ours.id, facts, self._now)
            case _:
                pass  # A charge is booked once, for ever: a person has to look.

    async def _booked(self, gateway: GatewayName, since: datetime) -> AsyncIterator["_Booked"]:
        """What the books have since then and the gateway has a name for, page by page."""
        size = self._page
        pages: list[Callable[[View, str], Awaitable[Sequence[Charge | Refund | Withdrawal]]]] = [
            lambda view, after: view.charges.since(gateway, since, limit=size, after=after),
            lambda view, after: view.refunds.since(gateway, since, limit=size, after=after),
            lambda view, after: view.withdrawals.since(gateway, since, limit=size, after=after),
        ]
        for page in pages:
            after, has_more = "", True
            while has_more:
                async with self._store.read() as view:
                    things = await page(view, after)
                for thing in things:
                    after = thing.key.charge_id if isinstance(thing, Charge) else thing.id
                    booked = _booked(thing)
                    if booked is not None:
                        yield booked
                has_more = len(things) == size

    async def _tell(self, gateway: GatewayName, verdict: Verdict) -> None:
        """A case, the same as whoever else noticed it would open."""
        kind, cause = CaseKind.DIFFERENCE, f"difference {gateway} {verdict.kind} {verdict.id}"
        if verdict.ours is not None:
            cause = f"difference {verdict.ours}"
        elif verdict.kind is Kind.REFUND:
            kind, cause = CaseKind.REFUND, f"refund {gateway} {verdict.id}"
        told = {
            "gateway": gateway,
            str(verdict.kind): verdict.id,
            "found": verdict.found.value,
            "said": verdict.said,
            **_told("there", verdict.there),
            **_told("here", verdict.here),
        }
        if verdict.ours is not None:
            told["ours"] = verdict.ours
        async with self._store.write() as uow:
            at = self._now()
            await uow.open_case(Case(f"case {cause}", kind, cause, at, told, verdict.customer_id))
            await uow.commit()


def _told(side: str, moved: Moved) -> dict[str, str]:
    named = {side: moved.amount, f"{side}_fee": moved.fee}
    return {name: str(sum_) for name, sum_ in named.items() if sum_ is not None}


async def _asked_for(gateway: PaymentGateway, ours: Charge | Refund | Withdrawal) -> Facts | None:
    """What the gateway says of something of ours that it did not list."""
    match ours:
        case Charge():
            found = await gateway.find_payment(ours.payment_id)
            return None if found is None or found.charge_id != ours.key.charge_id else found
        case Refund():
            refunds = await gateway.find_refunds(ours.payment_id)
            return next((one for one in refunds if ours.is_told_by(one)), None)
        case Withdrawal():
            return await gateway.find_payout(ours.order, ours.payout_id)


@dataclass(frozen=True, slots=True)
class _Booked:
    """
    One thing of ours at the gateway: by what kind and id it is known there, our own id, and what
    has moved for good. `at`: when it last moved here.
    """

    place: tuple[Kind, str]
    thing: Charge | Refund | Withdrawal
    at: datetime
    moved: Money | None
    owner: CustomerId | None
    id: str | None = None


def _booked(thing: Charge | Refund | Withdrawal) -> _Booked | None:
    """None: the gateway has named nothing yet, and whoever looks after it goes on asking."""
    match thing:
        case Charge():
            place = (Kind.PAYMENT, thing.key.charge_id)
            return _Booked(place, thing, thing.charged_at, thing.amount, thing.customer_id)
        case Refund(provider_id=str() as id_):
            is_done, kind = thing.status is RefundStatus.DONE, Kind.REFUND
            at = thing.ended_at or thing.asked_at
        case Withdrawal(payout_id=str() as id_):
            is_done, kind = thing.status is WithdrawalStatus.DONE, Kind.PAYOUT
            at = thing.ended_at or thing.requested_at
        case _:
            return None
    moved = thing.amount if is_done else None
    return _Booked((kind, id_), thing, at, moved, thing.customer_id, thing.id)


class StartReconciling:
    """
    Once a day (UTC) each gateway that lists is reconciled, by a job of its own: whichever process
    comes first claims the day. To be asked often: it remembers the day that it has seen to.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now, new_id: NewId) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now
        self._new_id = new_id
        self._day: date | None = None

    async def __call__(self) -> int:
        """How many were started."""
        now = self._now()
        if now.date() == self._day:
            return 0
        names = [one.name for one in self._gateways if one.abilities.lists]
        started = 0
        async with self._store.write() as uow:
            for name in names:
                day = f"{name} {now.date()}"
                fresh = claim(Cause("reconcile", day, ""), self._new_id("rec"), at=now)
                taken = await uow.claims.take(fresh)
                if taken.subject == fresh.subject:
                    await uow.jobs.enqueue(Job(RECONCILE, {"gateway": name}, now, dedupe=day))
                    await uow.claims.save(taken.answered("started"))
                    started += 1
            await uow.commit()
        self._day = now.date()
        return started
