"""Safety bounds: a runaway stops itself. A switch goes off, and a case tells a person why."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from core.domain.audit import Deed, line_of
from core.domain.case import Case, CaseKind
from core.domain.customer import CustomerId
from core.domain.event import Event
from core.domain.safety import BILLHOOK, Bound, Look, is_failing, is_generous, look_at
from core.domain.switch import Switch
from core.ports.unit_of_work import CatalogMissing, Now, Store, UnitOfWork, View

EVERY: Final = timedelta(minutes=1)
CASES_TOLD: Final = 100
_TRIED: Final = "renewal.tried"
_OWN_WORD: Final = ("subscription.renewal_changed",)
"""Each may have it tried at once, so that as many tries are no bug of ours."""


async def count_try(uow: UnitOfWork, customer_id: CustomerId, *, at: datetime) -> None:
    """In the unit that takes a renewal from the wallet, or begins its charge."""
    await uow.record(Event(_TRIED, customer_id, at, customer_id))


async def has_tried_enough(uow: UnitOfWork, customer_id: CustomerId, *, at: datetime) -> bool:
    """
    Whether this subscription may not be tried again now, whatever the reason to try it. Then a
    case is open, and renewals are switched off, unless the customer had a hand in it: nobody stops
    those of all the others. The customer's row is locked; whoever calls commits.
    """
    money = (await uow.catalogs.current()).money
    look = look_at(Bound.TRIES, await uow.switches.turned(), at=at)
    tries = await uow.lately.events(customer_id, (_TRIED,), since=look.since)
    if tries < money.tries_a_day:
        return False
    is_own = await uow.lately.events(customer_id, _OWN_WORD, since=look.since) > 0
    why = f"a subscription was tried to be renewed {tries} times in a day"
    await _stop(uow, _Reached(Bound.TRIES, look, why, customer_id), turns=not is_own)
    return True


@dataclass(frozen=True, slots=True)
class _Reached:
    bound: Bound
    look: Look
    why: str
    customer_id: CustomerId | None = None

    @property
    def case(self) -> Case:
        cause = " ".join(filter(None, ("safety", self.bound, self.customer_id, self.look.key)))
        told = {"bound": self.bound.value, "switch": self.bound.switch.value, "why": self.why}
        return Case(f"case {cause}", CaseKind.SAFETY, cause, self.look.at, told, self.customer_id)


class WatchBounds:
    """
    Once a minute look whether something runs away: charges of saved methods that fail, payouts,
    rewards. What does is switched off, in a unit that takes no lock of a customer; what is under
    way goes on. The look itself is without locks and its cost is that of one day.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now
        self._looked_at: datetime | None = None
        self._told: frozenset[str] = frozenset()

    async def __call__(self) -> list[Case]:
        """The open cases of safety bounds that this process has not told of yet."""
        at = self._now()
        if self._looked_at is not None and abs(at - self._looked_at) < EVERY:
            return []
        self._looked_at = at
        async with self._store.read() as view:
            reached = [one async for one in _reached(view, at)]
        for one in reached:
            await self._turn_off(one)
        async with self._store.read() as view:
            cases = await view.open_cases(limit=CASES_TOLD, kind=CaseKind.SAFETY)
        fresh = [case for case in cases if case.cause not in self._told]
        self._told = frozenset(case.cause for case in cases)
        return fresh

    async def _turn_off(self, reached: _Reached) -> None:
        async with self._store.write() as uow:
            # A person may have turned it meanwhile, who knows better.
            look = look_at(reached.bound, await uow.switches.turned(), at=reached.look.at)
            if look == reached.look:
                await _stop(uow, reached, turns=True)
                await uow.commit()


async def _reached(view: View, at: datetime) -> AsyncIterator[_Reached]:
    try:
        money = (await view.catalogs.current()).money
    except CatalogMissing:  # Nothing was ever sold.
        return
    turned = await view.switches.turned()
    look, terms = look_at(Bound.FAILING, turned, at=at), money.safety
    if look.is_on:
        paid, failed = await view.lately.charges(since=look.since)
        if is_failing(terms, paid=paid, failed=failed):
            why = f"{failed} of {paid + failed} charges of saved methods failed"
            yield _Reached(Bound.FAILING, look, why)
    look = look_at(Bound.PAYOUTS, turned, at=at)
    for brake in money.withdrawal.brakes if look.is_on else ():
        most = money.payouts_a_day(brake)
        sent = await view.lately.withdrawals(most.currency, since=look.since)
        if not sent <= most:
            yield _Reached(Bound.PAYOUTS, look, f"{sent} in payouts, more than {most} in a day")
            break
    look = look_at(Bound.REWARDS, turned, at=at)
    for rewarded in await view.lately.rewards(since=look.since) if look.is_on else ():
        percent = money.rewards_percent
        if is_generous(rewarded, percent, least=terms.rewards_least):
            why = f"{rewarded.amount} in rewards, more than {percent} % of {rewarded.came_in}"
            yield _Reached(Bound.REWARDS, look, why)
            break


async def _stop(uow: UnitOfWork, reached: _Reached, *, turns: bool) -> None:
    case, at = reached.case, reached.look.at
    if turns and reached.look.is_on:
        name = reached.bound.switch
        await uow.switches.put(Switch(name, is_on=False, changed_at=at, by=BILLHOOK))
        deed = Deed(BILLHOOK, f"safety bound: {reached.why}")
        await uow.audit(line_of(deed, "switch.off", name, at=at, case=case.cause))
    await uow.open_case(case)
