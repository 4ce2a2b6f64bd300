"""Bugs planted in promo codes, packs and broadcasts; the simulation must find every one."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

from core.domain.broadcast import Audience, BroadcastId
from core.domain.cause import Claim
from core.domain.customer import CustomerId
from core.domain.promo_code import PromoCode, Redemption, UnitsOf
from core.domain.purchase import Purchase
from core.domain.subscription import Standing
from core.domain.usage_quota import PACKS, UsageKey, UsageQuota
from core.ports.notifier import Letter
from core.use_cases.billing import Billing
from core.use_cases.broadcasts import SendBroadcast
from simulation.app import Compose, Outside, wired
from simulation.mutants import Changed, ChangedStore


def uses_read_and_then_written(outside: Outside) -> Billing:
    """A code's uses are looked at, and then counted: not both in one statement."""

    def change(uow: Any) -> None:
        real = uow.promos

        async def take_use(name: str) -> bool:
            code: PromoCode = await real.find(name)
            if not code.has_uses_left:
                return False
            unit, codes = real._unit, real._tables.promo_codes
            await real.find(name)  # Others come here too.
            await unit.put(codes, name, replace(code, used=code.used + 1))
            return True

        uow.promos = Changed(real, take_use=take_use)

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


def discount_not_used_up(outside: Outside) -> Billing:
    """It is good for every order that comes."""

    def change(uow: Any) -> None:
        async def save(redemption: Redemption) -> None: ...

        uow.promos = Changed(uow.promos, save=save)

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


def other_orders_stay_open(outside: Outside) -> Billing:
    """The discount is gone, and who ordered with it can go on to pay."""

    def change(uow: Any) -> None:
        async def reduced(_: CustomerId) -> list[Purchase]:
            return []

        uow.purchases = Changed(uow.purchases, reduced=reduced)

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


def late_orders_at_the_lower_price(outside: Outside) -> Billing:
    """Nobody looks whether the discount is still there when money comes for an order."""

    def change(uow: Any) -> None:
        real = uow.promos

        async def redemption(customer_id: CustomerId, name: str) -> Redemption | None:
            found: Redemption | None = await real.redemption(customer_id, name)
            return None if found is None else replace(found, purchase_id=None)

        uow.promos = Changed(real, redemption=redemption)

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


def units_given_again_on_a_repeat(outside: Outside) -> Billing:
    """Whoever asks again under the same key is given them again."""

    def change(uow: Any) -> None:
        claims = uow.claims

        async def take(fresh: Claim) -> Claim:
            taken: Claim = await claims.take(fresh)
            who, _, what = fresh.cause.scope.removeprefix("customer ").partition(" ")
            code = await uow.promos.find(taken.answer or "") if what == "redeem" else None
            if code is not None and isinstance(code.gives, UnitsOf):
                key = UsageKey(CustomerId(who), code.gives.feature, PACKS)
                await uow.usage.give(key, code.gives.units)
                await uow.commit()
            return taken

        uow.claims = Changed(claims, take=take)

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


def units_stay_after_a_refund(outside: Outside) -> Billing:
    """The money of a pack goes back, and the units are still there."""

    def change(uow: Any) -> None:
        real = uow.usage

        async def save(quotas: list[UsageQuota]) -> None:
            await real.save([one for one in quotas if one.key != one.key.of_packs])

        uow.usage = Changed(real, save=save)

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


class Silent:
    """Who is told nothing more."""

    async def mail(self, standing: Standing, letter: Letter) -> None: ...


class SendsFirst(SendBroadcast):
    """Sends, and then writes down to whom."""

    async def __call__(self, broadcast_id: BroadcastId) -> None:
        def forgets(uow: Any) -> None:
            async def commit() -> None: ...

            uow.commit = commit

        looked = SendBroadcast(ChangedStore(self._store, forgets), self._notifier, self._now)
        broadcast, taken = await looked._take(broadcast_id)
        for standing in taken:
            await self._tell(broadcast, standing)
        silent: Any = Silent()
        await SendBroadcast(self._store, silent, self._now)(broadcast_id)


def letters_sent_before_they_are_taken(outside: Outside) -> Billing:
    """A process that dies in between sends them again."""
    send = SendsFirst(outside.store, outside.notifier, outside.now)
    return replace(wired(outside), send_broadcast=send)


def who_slept_is_not_asked_again(outside: Outside) -> Billing:
    """Whoever was to be sent it in the evening is sent it in the morning, whatever came between."""

    def change(uow: Any) -> None:
        async def among(_: Audience, ids: Collection[CustomerId]) -> set[CustomerId]:
            return set(ids)

        uow.broadcasts = Changed(uow.broadcasts, among=among)

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


OFFER_MUTANTS: Final[dict[str, Compose]] = {
    mutant.__name__: mutant
    for mutant in (
        uses_read_and_then_written,
        discount_not_used_up,
        other_orders_stay_open,
        late_orders_at_the_lower_price,
        units_given_again_on_a_repeat,
        units_stay_after_a_refund,
        letters_sent_before_they_are_taken,
        who_slept_is_not_asked_again,
    )
}
