"""Promo codes: an operator makes and stops them, a customer uses each once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.domain.audit import Deed, line_of
from core.domain.cause import Cause, claim
from core.domain.customer import CustomerId
from core.domain.event import Event
from core.domain.plan import FeatureNotFound
from core.domain.promo_code import (
    PERCENT_MAX,
    USES_MAX,
    DaysOf,
    Discount,
    DiscountWaits,
    Gives,
    PercentOff,
    PromoCode,
    PromoCodeNotFound,
    PromoCodeNotTaken,
    PromoCodeNotUsable,
    PromoCodeTaken,
    PromoCodeUsed,
    Redemption,
    TooManyWrongCodes,
    UnitsOf,
    WrongCodes,
    promo_name,
)
from core.domain.usage_quota import UNITS_MAX
from core.ports.unit_of_work import NewId, Now, Store, UnitOfWork
from core.use_cases.customers import standing_of
from core.use_cases.gifts import DAYS_MAX, give_days
from core.use_cases.packs import give_units

LETTERS: Final = 12
"""Of a name that is made up: 48 bits of chance, and ten guesses an hour."""

_REFUSED: Final = "refused"


@dataclass(frozen=True, slots=True)
class WantedCode:
    """What an operator asks for. `name`: None has one made up. See `PromoCode`."""

    gives: Gives
    name: str | None = None
    limit: int | None = None
    until: datetime | None = None
    only_new: bool = False


class CreatePromoCode:
    """An operator makes a code. Once per cause, with a reason."""

    def __init__(self, store: Store, now: Now, new_id: NewId) -> None:
        self._store = store
        self._now = now
        self._new_id = new_id

    async def __call__(self, wanted: WantedCode, *, deed: Deed, cause: Cause) -> PromoCode:
        """
        Raises:
            PromoCodeNotUsable, PromoCodeNotReadable, PlanNotFound, FeatureNotFound
            PromoCodeTaken: also where that one is over.
            KeyUsedOtherwise
        """
        named = wanted.name or _made_up(self._new_id("promo"))
        name, at = promo_name(named), self._now()
        _require_usable(wanted, at)
        async with self._store.write() as uow:
            fresh = claim(cause, name, at=at)
            taken = await uow.claims.take(fresh)
            if taken.answer is not None:
                taken.taken_again(cause, at=at)
                return await _found(uow, taken.answer)
            await _require_offered(uow, wanted.gives)
            code = PromoCode(name, wanted.gives, at, wanted.limit, wanted.until, wanted.only_new)
            if not await uow.promos.add(code):
                raise PromoCodeTaken(name)
            await uow.audit(line_of(deed, "promo_code.create", name, at=at, **_told(code)))
            await uow.claims.save(taken.answered(name))
            await uow.commit()
        return code


class StopPromoCode:
    """Nobody can use it from now on; a discount that waits stays good. Stopping again changes nothing."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, name: str, *, deed: Deed) -> PromoCode:
        """
        Raises:
            PromoCodeNotFound
        """
        async with self._store.write() as uow:
            at = self._now()
            code = await _found(uow, name)
            if not await uow.promos.stop(code.name, at=at):
                return code
            await uow.audit(line_of(deed, "promo_code.stop", code.name, at=at))
            stopped = await _found(uow, code.name)
            await uow.commit()
        return stopped


class ShowPromoCodes:
    """Codes as they stand, the newest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def one(self, name: str) -> PromoCode:
        """
        Raises:
            PromoCodeNotFound
        """
        async with self._store.read() as view:
            found = await view.promos.find(name.upper())
        if found is None:
            raise PromoCodeNotFound(name[:32])
        return found

    async def any_open(self, now: datetime) -> bool:
        """Whether there is one that somebody could still use."""
        async with self._store.read() as view:
            return await view.promos.any_open(now)

    async def page(self, *, limit: int, after: str | None = None) -> list[PromoCode]:
        """`after`: older than that one."""
        async with self._store.read() as view:
            return await view.promos.page(limit=limit, after=after)


class RedeemPromoCode:
    """
    Use a code: once for each customer, and by no more of them than it is for. Days and units are
    given at once; a discount waits for the next purchase of a plan.

    Whatever is wrong with a code, the answer is the same, so that a guesser learns nothing of
    those that exist, and after ten wrong ones within an hour there is a pause. The count of uses
    is the last that is taken, after the customer's own row, so nobody waits longer than a unit.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, customer_id: CustomerId, text: str, *, cause: Cause) -> PromoCode:
        """
        The code, of which the customer now has what it gives.

        Raises:
            PromoCodeNotReadable, PromoCodeNotTaken, PromoCodeUsed
            TooManyWrongCodes: nothing was looked at.
            DiscountWaits, AnotherPlanRuns: the code is not used, and may be later.
            CustomerBlocked, KeyUsedOtherwise
        """
        name = promo_name(text)
        async with self._store.write() as uow:
            at = self._now()
            (await uow.customers.lock(customer_id)).require_served()
            # Not about what was typed, which is kept only where it is a code.
            taken = await uow.claims.take(claim(cause, customer_id, at=at))
            if taken.answer is not None:
                taken.taken_again(cause, at=at)
                if taken.answer == _REFUSED:
                    raise PromoCodeNotTaken
                return await _found(uow, taken.answer)
            wrong = await uow.promos.wrong(customer_id) or WrongCodes(customer_id, at)
            pause = wrong.over_at(at)
            if pause is not None:
                raise TooManyWrongCodes(pause)
            if await uow.promos.redemption(customer_id, name) is not None:
                raise PromoCodeUsed
            code = await self._given(uow, customer_id, name, at)
            if code is None:
                await uow.promos.put_wrong(wrong.another(at))
            await uow.claims.save(taken.answered(_REFUSED if code is None else name))
            await uow.commit()
        if code is None:
            raise PromoCodeNotTaken
        return code

    async def _given(
        self, uow: UnitOfWork, customer_id: CustomerId, name: str, at: datetime
    ) -> PromoCode | None:
        """None: it is no code, is over, or is not for this customer; then nothing was written."""
        code = await uow.promos.find(name)
        if code is None or not code.is_open(at) or not await _is_had(uow, code.gives):
            return None
        since = None if code.only_new else code.created_at
        if await _was_here(uow, customer_id, since):
            return None
        if code.only_new and await uow.purchases.has_paid(customer_id):
            return None
        if not await uow.promos.take_use(name):
            return None
        discount = None
        match code.gives:
            case PercentOff(percent, plans):
                await _require_room(uow, customer_id)
                discount = Discount(name, percent, plans)
            case DaysOf(plan, days):
                await give_days(uow, customer_id, plan, days, at=at)
            case UnitsOf(feature, units):
                await give_units(uow, customer_id, feature, units, by=name, at=at)
        await uow.promos.redeem(Redemption(customer_id, name, at, discount))
        await uow.record(Event("promo_code.redeemed", customer_id, at, customer_id, {"code": name}))
        return code


async def _require_room(uow: UnitOfWork, customer_id: CustomerId) -> None:
    """One discount waits at a time; one that no purchase can use any more gives way."""
    standing = await standing_of(uow, customer_id)
    waiting, plans = standing.discount, standing.catalog.plans.values()
    if waiting is None:
        return
    is_of_use = any(waiting.fits(plan) and plan.terms.prices for plan in plans)
    if is_of_use or await uow.purchases.reduced(customer_id):
        raise DiscountWaits(waiting.percent)
    redemption = await uow.promos.redemption(customer_id, waiting.code)
    assert redemption is not None, "it waits"
    await uow.promos.save(redemption.given_up())


async def _is_had(uow: UnitOfWork, gives: Gives) -> bool:
    """Whether there still is what it gives days or units of."""
    catalog = await uow.catalogs.current()
    match gives:
        case PercentOff():
            return True
        case DaysOf(plan, _):
            return plan in {*catalog.plans} - {catalog.default_plan}
        case UnitsOf(feature, _):
            return feature in catalog.features


async def _was_here(uow: UnitOfWork, customer_id: CustomerId, since: datetime | None) -> bool:
    """Who was erased may have paid, or used a code that there was by then: nobody can tell any more."""
    customer = await uow.customers.get(customer_id)
    for one in customer.identities:
        if await uow.customers.was_here(one, since=since):
            return True
    return False


def _made_up(id_: str) -> str:
    """From the end of an id, which is the part left to chance."""
    return id_.upper().replace("_", "")[-LETTERS:]


async def _found(uow: UnitOfWork, name: str) -> PromoCode:
    code = await uow.promos.find(name.upper())
    if code is None:
        raise PromoCodeNotFound(name[:32])
    return code


def _require_usable(wanted: WantedCode, at: datetime) -> None:
    match wanted.gives:
        case PercentOff(percent, _):
            fits = 1 <= percent <= PERCENT_MAX
        case DaysOf(_, days):
            fits = 1 <= days <= DAYS_MAX
        case UnitsOf(_, units):
            fits = 1 <= units <= UNITS_MAX
    in_time = wanted.until is None or wanted.until > at
    to_some = wanted.limit is None or 1 <= wanted.limit <= USES_MAX
    if not (fits and in_time and to_some):
        raise PromoCodeNotUsable


async def _require_offered(uow: UnitOfWork, gives: Gives) -> None:
    """A discount is off what is sold, and everybody has the default plan already."""
    catalog = await uow.catalogs.current()
    match gives:
        case PercentOff(_, plans):
            fits = all(
                catalog.plan(code).terms.prices and code != catalog.default_plan for code in plans
            )
        case DaysOf(plan, _):
            fits = catalog.plan(plan).code != catalog.default_plan
        case UnitsOf(feature, _):
            if feature not in catalog.features:
                raise FeatureNotFound(feature[:64])
            return
    if not fits:
        raise PromoCodeNotUsable


def _told(code: PromoCode) -> dict[str, str | int]:
    match code.gives:
        case PercentOff(percent, plans):
            told: dict[str, str | int] = {"percent": percent, "plans": " ".join(plans)}
        case DaysOf(plan, days):
            told = {"plan": plan, "days": days}
        case UnitsOf(feature, units):
            told = {"feature": feature, "units": units}
    if code.limit is not None:
        told["limit"] = code.limit
    if code.until is not None:
        told["until"] = code.until.isoformat()
    return told | {"only_new": int(code.only_new)}
