"""The catalog: what would change, and making it so."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from core.domain.catalog import Catalog, ChatTerms
from core.domain.money_terms import MoneyTerms
from core.domain.plan import PackTerms, PlanCode, PlanTerms, PlanVersion, PlanVersionId
from core.ports.unit_of_work import CatalogMissing, NewId, Now, Store, UnitOfWork, View


@dataclass(frozen=True, slots=True)
class WantedCatalog:
    """What the operator's file says: the terms of every plan and pack on offer, in its order."""

    zone: str
    default_plan: PlanCode
    plans: tuple[PlanTerms, ...]
    chat: ChatTerms = field(default_factory=ChatTerms)
    money: MoneyTerms = field(default_factory=MoneyTerms)
    packs: tuple[PackTerms, ...] = ()


@dataclass(frozen=True, slots=True)
class CatalogDiff:
    """What applying a wanted catalog would do; empty lists and False: nothing."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    settings_changed: bool

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.changed or self.removed or self.settings_changed)


class ShowCatalog:
    """The catalog in force."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self) -> Catalog:
        """
        Raises:
            CatalogMissing
        """
        async with self._store.read() as view:
            return await view.catalogs.current()


class DiffCatalog:
    """Compare a wanted catalog with the one in force."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, wanted: WantedCatalog) -> CatalogDiff:
        async with self._store.read() as view:
            return _diff(await _current(view), wanted)


class ApplyCatalog:
    """
    Put a wanted catalog in force. A plan whose terms are unchanged keeps its version; changed
    terms make a new one, and whoever bought the old one keeps it. A pack's terms are kept in
    each purchase of it. Applying the same again changes nothing.
    """

    def __init__(self, store: Store, now: Now, new_id: NewId) -> None:
        self._store = store
        self._now = now
        self._new_id = new_id

    async def __call__(self, wanted: WantedCatalog) -> CatalogDiff:
        """
        Raises:
            SavedMeanwhile: another catalog was applied at the same moment.
        """
        async with self._store.write() as uow:
            current = await _current(uow)
            diff = _diff(current, wanted)
            if diff.is_empty:
                return diff
            plans = [self._version(current, terms) for terms in wanted.plans]
            revision = 1 if current is None else current.revision + 1
            by_code = {plan.code: plan for plan in plans}
            await uow.catalogs.apply(
                Catalog(
                    revision,
                    wanted.zone,
                    wanted.default_plan,
                    by_code,
                    wanted.chat,
                    wanted.money,
                    {pack.code: pack for pack in wanted.packs},
                )
            )
            await uow.commit()
        return diff

    def _version(self, current: Catalog | None, terms: PlanTerms) -> PlanVersion:
        known = None if current is None else current.plans.get(terms.code)
        if known is not None and known.terms == terms:
            return known
        number = 1 if known is None else known.number + 1
        return PlanVersion(PlanVersionId(self._new_id("plv")), number, terms, self._now())


async def _current(store: UnitOfWork | View) -> Catalog | None:
    try:
        return await store.catalogs.current()
    except CatalogMissing:
        return None


def _diff(current: Catalog | None, wanted: WantedCatalog) -> CatalogDiff:
    had: dict[str, PlanTerms | PackTerms] = {}
    if current is not None:
        had |= {code: plan.terms for code, plan in current.plans.items()}
        had |= {terms.code: terms for terms in current.packs.values()}
    want: dict[str, PlanTerms | PackTerms] = {terms.code: terms for terms in wanted.plans}
    want |= {terms.code: terms for terms in wanted.packs}
    return CatalogDiff(
        added=tuple(code for code in want if code not in had),
        changed=tuple(code for code in want if code in had and had[code] != want[code]),
        removed=tuple(code for code in had if code not in want),
        settings_changed=current is None
        or (current.zone, current.default_plan) != (wanted.zone, wanted.default_plan)
        or (current.chat, current.money) != (wanted.chat, wanted.money)
        or _order(had, want),
    )


def _order(had: Collection[str], want: Collection[str]) -> bool:
    shared: Sequence[str] = [code for code in had if code in want]
    return shared != [code for code in want if code in had]
