"""Catalogs and plan versions as rows; both never change, so each is read once per process."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import RowMapping, func, select

from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import catalog_plan, catalog_revision, plan_version
from adapters.persistence.sql.terms import (
    chat_terms_from_json,
    json_from_chat_terms,
    json_from_money_terms,
    json_from_pack_terms,
    json_from_plan_terms,
    money_terms_from_json,
    pack_terms_from_json,
    plan_terms_from_json,
)
from core.domain.catalog import Catalog
from core.domain.plan import PlanVersion, PlanVersionId
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
        packs = map(pack_terms_from_json, first[catalog_revision.c.packs] or ())
        return Catalog(
            revision=revision,
            zone=first[catalog_revision.c.zone],
            default_plan=first[catalog_revision.c.default_plan],
            plans={version.code: version for version in plans},
            chat=chat_terms_from_json(first[catalog_revision.c.chat] or {}),
            money=money_terms_from_json(first[catalog_revision.c.money] or {}),
            packs={pack.code: pack for pack in packs},
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
            "chat": json_from_chat_terms(catalog.chat),
            "money": json_from_money_terms(catalog.money),
            "packs": list(map(json_from_pack_terms, catalog.packs.values())),
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
        "terms": json_from_plan_terms(version.terms),
        "created_at": version.created_at,
    }


def plan_version_from_row(row: RowMapping) -> PlanVersion:
    c = plan_version.c
    terms = plan_terms_from_json(row[c.code], row[c.terms])
    return PlanVersion(row[c.id], row[c.number], terms, row[c.created_at])
