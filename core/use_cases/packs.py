"""Packs: units of a feature that are given, or taken back, inside somebody's unit."""

from datetime import datetime

from core.domain.customer import CustomerId
from core.domain.event import Event
from core.domain.plan import Feature
from core.domain.usage_quota import PACKS, UsageKey, UsageQuota
from core.ports.unit_of_work import UnitOfWork


async def give_units(
    uow: UnitOfWork, customer_id: CustomerId, feature: Feature, units: int, *, by: str, at: datetime
) -> None:
    """
    The customer has so many units more, until they are used. `by` is what gave them, such as a
    purchase, and the subject of the event. The customer's row is locked, and whoever calls sees
    to it that nothing gives twice, and commits.
    """
    assert units > 0, "who gives nothing does not call"
    left = await uow.usage.give(UsageKey(customer_id, feature, PACKS), units)
    told: dict[str, str | int] = {"feature": feature, "units": units, "left": left}
    await uow.record(Event("units.given", by, at, customer_id, told))


async def take_units(
    uow: UnitOfWork, customer_id: CustomerId, feature: Feature, units: int, *, by: str, at: datetime
) -> None:
    """So many of the units that were given are taken back, as far as they have not been used."""
    key = UsageKey(customer_id, feature, PACKS)
    had = (await uow.usage.lock([key])).get(key, 0)
    taken = min(units, had)
    if taken:
        await uow.usage.save([UsageQuota(key, at, limit=None, used=had - taken)])
    told: dict[str, str | int] = {"feature": feature, "units": taken, "used": units - taken}
    await uow.record(Event("units.taken_back", by, at, customer_id, told))
