"""Catalogs and plan versions as rows; both never change, so each is read once per process."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import RowMapping, func, select

from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import catalog_plan, catalog_revision, plan_version
from core.domain.money import Money
from core.domain.period import Period, PeriodUnit, WindowKind
from core.domain.plan import (
    Catalog,
    ChatTerms,
    Feature,
    PlanCode,
    PlanTerms,
    PlanVersion,
    PlanVersionId,
    QuotaRule,
    ReceiptRule,
)
from core.ports.unit_of_work import CatalogMissing, SavedMeanwhile


@dataclass(frozen=True, slots=True)
class Shelf:
    """What was read and can never be otherwise."""

    versions: dict[PlanVersionId, PlanVersion] = field(default_factory=dict)
    catalogs: dict[int, Catalog] = field(default_factory=dict)


class SqlCatalogs:
    def __init__(self, statements: Statements, shelf: Shelf) -> None:
        self._statements = statements
        self._shelf = shelf

    async def current(self) -> Catalog:
        row = await self._statements.first(select(newest_revision.label("revision")))
        return await self.at(None if row is None else row["revision"])

    async def at(self, revision: int | None) -> Catalog:
        """The catalog of a revision that was just read from the database; None raises."""
        if revision is None:
            raise CatalogMissing
        if revision not in self._shelf.catalogs:
            self._shelf.catalogs[revision] = await self._load(revision)
        return self._shelf.catalogs[revision]

    async def _load(self, revision: int) -> Catalog:
        rows = await self._statements.all(
            select(catalog_revision, plan_version)
            .select_from(catalog_revision.join(catalog_plan).join(plan_version))
            .where(catalog_revision.c.revision == revision)
            .order_by(catalog_plan.c.position)
        )
        plans = [plan_version_from_row(row) for row in rows]
        self._shelf.versions.update((version.id, version) for version in plans)
        first = rows[0]
        return Catalog(
            revision=revision,
            zone=first[catalog_revision.c.zone],
            default_plan=first[catalog_revision.c.default_plan],
            plans={version.code: version for version in plans},
            chat=ChatTerms(**first[catalog_revision.c.chat] or {}),
        )

    async def versions(
        self, ids: Iterable[PlanVersionId | None]
    ) -> Mapping[PlanVersionId, PlanVersion]:
        """At least the plan versions with these ids."""
        known = self._shelf.versions
        missing = {id_ for id_ in ids if id_ is not None and id_ not in known}
        if missing:
            wanted = select(plan_version).where(plan_version.c.id.in_(sorted(missing)))
            for row in await self._statements.all(wanted):
                version = plan_version_from_row(row)
                known[version.id] = version
        return known

    async def apply(self, catalog: Catalog) -> None:
        # What this unit reads of its own catalog is not true for others until it commits.
        self._shelf = Shelf()
        row = await self._statements.first(select(newest_revision.label("revision")))
        present = 0 if row is None else row["revision"] or 0
        if catalog.revision != present + 1:
            raise SavedMeanwhile(f"catalog {catalog.revision}")
        subject = f"catalog {catalog.revision}"
        run, insert = self._statements.run, self._statements.insert
        revision = {
            "revision": catalog.revision,
            "zone": catalog.zone,
            "default_plan": catalog.default_plan,
            "chat": asdict(catalog.chat),
        }
        await run(insert(catalog_revision), [revision], subject=subject)
        plans: Collection[PlanVersion] = catalog.plans.values()
        await run(
            insert(plan_version).on_conflict_do_nothing(index_elements=["id"]),
            [row_from_plan_version(version) for version in plans],
            subject=subject,
        )
        await run(
            insert(catalog_plan),
            [
                {
                    "revision": catalog.revision,
                    "position": position,
                    "plan_version_id": version.id,
                }
                for position, version in enumerate(plans)
            ],
        )


newest_revision = select(func.max(catalog_revision.c.revision)).scalar_subquery()


def row_from_plan_version(version: PlanVersion) -> dict[str, Any]:
    return {
        "id": version.id,
        "code": version.code,
        "number": version.number,
        "terms": _json_from_terms(version.terms),
        "created_at": version.created_at,
    }


def plan_version_from_row(row: RowMapping) -> PlanVersion:
    c = plan_version.c
    terms = _terms_from_json(row[c.code], row[c.terms])
    return PlanVersion(row[c.id], row[c.number], terms, row[c.created_at])


def _json_from_terms(terms: PlanTerms) -> dict[str, Any]:
    return {
        "titles": dict(terms.titles),
        "prices": [[price.amount_minor, price.currency.code] for price in terms.prices],
        "period": None if terms.period is None else [terms.period.count, terms.period.unit],
        "quotas": {name: [rule.limit, rule.per] for name, rule in terms.quotas.items()},
        "grants": terms.grants,
        "gateways": terms.gateways,
        "receipt": None if terms.receipt is None else asdict(terms.receipt),
    }


def _terms_from_json(code: PlanCode, terms: dict[str, Any]) -> PlanTerms:
    period, receipt = terms["period"], terms["receipt"]
    return PlanTerms(
        code=code,
        titles=terms["titles"],
        prices=tuple(Money.of(*price) for price in terms["prices"]),
        period=None if period is None else Period(period[0], PeriodUnit(period[1])),
        quotas={
            Feature(name): QuotaRule(limit, WindowKind(per))
            for name, (limit, per) in terms["quotas"].items()
        },
        grants=tuple(terms["grants"]),
        gateways=tuple(terms["gateways"]),
        receipt=None if receipt is None else ReceiptRule(**receipt),
    )
