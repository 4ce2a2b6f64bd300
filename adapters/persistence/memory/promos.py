"""The memory store's promo codes, who used them, and who guessed wrong."""

from dataclasses import replace
from datetime import datetime

from adapters.persistence.memory.repositories import Repository
from core.domain.customer import CustomerId
from core.domain.promo_code import PromoCode, Redemption, WrongCodes


class MemoryPromos(Repository):
    async def find(self, name: str) -> PromoCode | None:
        await self._unit.called()
        return self._unit.get(self._tables.promo_codes, name)

    async def page(self, *, limit: int, after: str | None = None) -> list[PromoCode]:
        await self._unit.called()
        codes = dict(self._unit.all(self._tables.promo_codes))
        newest = sorted(codes.values(), key=lambda it: (it.created_at, it.name), reverse=True)
        if after is not None:
            names = [one.name for one in newest]
            newest = newest[names.index(after) + 1 :] if after in names else []
        return newest[:limit]

    async def any_open(self, now: datetime) -> bool:
        await self._unit.called()
        codes = dict(self._unit.all(self._tables.promo_codes)).values()
        return any(one.is_open(now) and one.has_uses_left for one in codes)

    async def redemption(self, customer_id: CustomerId, name: str) -> Redemption | None:
        await self._unit.called()
        return self._unit.get(self._tables.redemptions, (customer_id, name))

    async def wrong(self, customer_id: CustomerId) -> WrongCodes | None:
        await self._unit.called()
        return self._unit.get(self._tables.wrong_codes, customer_id)

    async def add(self, code: PromoCode) -> bool:
        await self._unit.called()
        if await self._unit.lock(self._tables.promo_codes, code.name) is not None:
            return False
        await self._unit.put(self._tables.promo_codes, code.name, code)
        return True

    async def stop(self, name: str, *, at: datetime) -> bool:
        await self._unit.called()
        code = await self._unit.lock(self._tables.promo_codes, name)
        if code is None or code.stopped_at is not None:
            return False
        await self._unit.put(self._tables.promo_codes, name, replace(code, stopped_at=at))
        return True

    async def take_use(self, name: str) -> bool:
        await self._unit.called()
        code = await self._unit.lock(self._tables.promo_codes, name)
        if code is None or code.stopped_at is not None or not code.has_uses_left:
            return False
        await self._unit.put(self._tables.promo_codes, name, replace(code, used=code.used + 1))
        return True

    async def redeem(self, redemption: Redemption) -> None:
        await self._unit.called()
        key = (redemption.customer_id, redemption.code)
        await self._unit.add(self._tables.redemptions, key, redemption)

    async def save(self, redemption: Redemption) -> None:
        await self._unit.called()
        key = (redemption.customer_id, redemption.code)
        await self._unit.save(self._tables.redemptions, key, redemption)

    async def put_wrong(self, wrong: WrongCodes) -> None:
        await self._unit.called()
        await self._unit.put(self._tables.wrong_codes, wrong.customer_id, wrong)
