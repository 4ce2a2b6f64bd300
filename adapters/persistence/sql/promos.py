"""Promo codes as rows, who used them, and who guessed wrong."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, and_, or_, select, update

from adapters.persistence.sql.promo_tables import promo_code as codes
from adapters.persistence.sql.promo_tables import redemption as redemptions
from adapters.persistence.sql.promo_tables import wrong_codes
from adapters.persistence.sql.statements import Statements, json_rows
from adapters.persistence.sql.tables import customer as customers
from core.domain.customer import CustomerId
from core.domain.promo_code import (
    DaysOf,
    Discount,
    Gives,
    PercentOff,
    PromoCode,
    Redemption,
    UnitsOf,
    WrongCodes,
)

waiting_discount: Final = (
    select(json_rows(redemptions.c.code, redemptions.c.percent, redemptions.c.plans))
    .where(
        redemptions.c.customer_id == customers.c.id,
        redemptions.c.percent.is_not(None),
        redemptions.c.purchase_id.is_(None),
    )
    .scalar_subquery()
    .label("discount")
)
"""For `discount_from_row`: there is at most one."""

_HAS_USES_LEFT: Final = or_(codes.c.max_uses.is_(None), codes.c.used < codes.c.max_uses)


def discount_from_row(row: RowMapping) -> Discount | None:
    for code, percent, plans in row["discount"] or ():
        return Discount(code, percent, _plans(plans))
    return None


class SqlPromos:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def find(self, name: str) -> PromoCode | None:
        row = await self._statements.first(select(codes).where(codes.c.name == name))
        return None if row is None else _code_from_row(row)

    async def page(self, *, limit: int, after: str | None = None) -> list[PromoCode]:
        c, wanted = codes.c, select(codes)
        if after is not None:
            last = codes.alias()
            older = or_(
                c.created_at < last.c.created_at,
                and_(c.created_at == last.c.created_at, c.name < last.c.name),
            )
            wanted = wanted.join(last, last.c.name == after).where(older)
        newest_first = wanted.order_by(c.created_at.desc(), c.name.desc())
        return [
            _code_from_row(row) for row in await self._statements.all(newest_first.limit(limit))
        ]

    async def any_open(self, now: datetime) -> bool:
        c = codes.c
        in_time = or_(c.until.is_(None), c.until > now)
        one = select(c.name).where(c.stopped_at.is_(None), in_time, _HAS_USES_LEFT).limit(1)
        return await self._statements.first(one) is not None

    async def redemption(self, customer_id: CustomerId, name: str) -> Redemption | None:
        c = redemptions.c
        same = select(redemptions).where(c.customer_id == customer_id, c.code == name)
        row = await self._statements.first(same)
        if row is None:
            return None
        discount = None
        if row[c.percent] is not None:
            discount = Discount(row[c.code], row[c.percent], _plans(row[c.plans]))
        return Redemption(
            row[c.customer_id], row[c.code], row[c.at], discount, row[c.purchase_id], row[c.version]
        )

    async def wrong(self, customer_id: CustomerId) -> WrongCodes | None:
        c = wrong_codes.c
        row = await self._statements.first(select(wrong_codes).where(c.customer_id == customer_id))
        return None if row is None else WrongCodes(customer_id, row[c.since], row[c.count])

    async def add(self, code: PromoCode) -> bool:
        insert = self._statements.insert(codes).values(_row_from_code(code))
        return (await self._statements.run(insert.on_conflict_do_nothing())).rowcount == 1

    async def stop(self, name: str, *, at: datetime) -> bool:
        running = update(codes).where(codes.c.name == name, codes.c.stopped_at.is_(None))
        return (await self._statements.run(running.values(stopped_at=at))).rowcount == 1

    async def take_use(self, name: str) -> bool:
        c = codes.c
        one_more = update(codes).where(c.name == name, c.stopped_at.is_(None), _HAS_USES_LEFT)
        return (await self._statements.run(one_more.values(used=c.used + 1))).rowcount == 1

    async def redeem(self, redemption: Redemption) -> None:
        row = _row_from_redemption(redemption)
        insert = self._statements.insert(redemptions)
        await self._statements.run(insert, [row], subject=redemption.code)

    async def save(self, redemption: Redemption) -> None:
        row = _row_from_redemption(redemption)
        await self._statements.save(redemptions, row, key=("customer_id", "code"))

    async def put_wrong(self, wrong: WrongCodes) -> None:
        row = {"customer_id": wrong.customer_id, "since": wrong.since, "count": wrong.count}
        upsert = self._statements.insert(wrong_codes).values(row)
        await self._statements.run(
            upsert.on_conflict_do_update(index_elements=["customer_id"], set_=row)
        )


def _plans(text: str) -> tuple[Any, ...]:
    return tuple(text.split())


def _code_from_row(row: RowMapping) -> PromoCode:
    c = codes.c
    gives: Gives
    if row[c.percent] is not None:
        gives = PercentOff(row[c.percent], _plans(row[c.plans]))
    elif row[c.units] is not None:
        gives = UnitsOf(row[c.feature], row[c.units])
    else:
        gives = DaysOf(row[c.plans], row[c.days])
    return PromoCode(
        name=row[c.name],
        gives=gives,
        created_at=row[c.created_at],
        limit=row[c.max_uses],
        until=row[c.until],
        only_new=row[c.only_new],
        stopped_at=row[c.stopped_at],
        used=row[c.used],
    )


def _row_from_code(code: PromoCode) -> Mapping[str, Any]:
    match code.gives:
        case PercentOff(percent, plans):
            gives: dict[str, Any] = {"percent": percent, "plans": " ".join(plans)}
        case DaysOf(plan, days):
            gives = {"days": days, "plans": plan}
        case UnitsOf(feature, units):
            gives = {"units": units, "feature": feature}
    return {
        **dict.fromkeys(("percent", "days", "units", "feature")),
        "plans": "",
        **gives,
        "name": code.name,
        "max_uses": code.limit,
        "until": code.until,
        "only_new": code.only_new,
        "used": code.used,
        "created_at": code.created_at,
        "stopped_at": code.stopped_at,
    }


def _row_from_redemption(redemption: Redemption) -> dict[str, Any]:
    discount = redemption.discount
    return {
        "customer_id": redemption.customer_id,
        "code": redemption.code,
        "at": redemption.at,
        "percent": None if discount is None else discount.percent,
        "plans": "" if discount is None else " ".join(discount.plans),
        "purchase_id": redemption.purchase_id,
        "version": redemption.version,
    }
