"""What is sold: plans and their immutable versions, and packs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from core.domain.errors import NotFound, Refused
from core.domain.money import Currency, Money
from core.domain.period import Anchor, Period, Window, WindowKind, local_window

PlanCode = NewType("PlanCode", str)
PackCode = NewType("PackCode", str)
PlanVersionId = NewType("PlanVersionId", str)
Feature = NewType("Feature", str)
GatewayName = NewType("GatewayName", str)


@dataclass(eq=False)
class PlanNotFound(NotFound):
    """The catalog has no such plan."""

    plan: str


@dataclass(eq=False)
class PlanNotForSale(Refused):
    """This plan cannot be bought: it has no price, or none in that currency at that gateway."""

    plan: str


@dataclass(eq=False)
class NoWayToPay(Refused):
    """This plan has a price, and nobody takes the payment just now, or not here: ask the business."""

    plan: str


@dataclass(eq=False)
class PackNotFound(NotFound):
    """The catalog has no such pack."""

    pack: str


@dataclass(eq=False)
class FeatureNotFound(NotFound):
    """The catalog counts no such feature."""

    feature: str


def title_in(titles: Mapping[str, str], language: str) -> str:
    return titles.get(language) or next(iter(titles.values()))


@dataclass(frozen=True, slots=True)
class QuotaRule:
    """At most `limit` units in each window. None: unlimited (still counted)."""

    limit: int | None
    per: WindowKind


@dataclass(frozen=True, slots=True)
class ReceiptRule:
    """
    What a fiscal receipt (54-FZ) says of what is bought; the codes are the tax law's own.
    `fallback_contact` is the operator's address, for customers who left none.
    """

    vat_code: int
    payment_subject: str
    payment_mode: str
    tax_system_code: int | None = None
    fallback_contact: str | None = None


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """
    Everything that a plan version promises. Two versions with equal terms are one version.

    `prices` has one amount per currency, `gateways` lists which may take it (empty: every one
    that is switched on). `period` is None for a plan that is never sold, only given. `trial` is for
    how long it can be tried for nothing; None: it cannot.
    `stars_subscription`: bought in Stars, Telegram charges it again by itself every 30 days.
    """

    code: PlanCode
    titles: Mapping[str, str]
    prices: tuple[Money, ...]
    period: Period | None
    quotas: Mapping[Feature, QuotaRule]
    grants: tuple[str, ...] = ()
    gateways: tuple[GatewayName, ...] = ()
    receipt: ReceiptRule | None = None
    trial: Period | None = None
    stars_subscription: bool = False

    def title(self, language: str) -> str:
        return title_in(self.titles, language)

    def price_in(self, unit: Currency) -> Money | None:
        return next((price for price in self.prices if price.currency == unit), None)


@dataclass(frozen=True, slots=True)
class PackTerms:
    """
    So many units of a feature, bought once; they stay until they are used. `prices` and
    `gateways` as those of a plan. Whoever agreed on terms keeps them: they are in the purchase.
    """

    code: PackCode
    titles: Mapping[str, str]
    feature: Feature
    units: int
    prices: tuple[Money, ...]
    gateways: tuple[GatewayName, ...] = ()
    receipt: ReceiptRule | None = None

    def title(self, language: str) -> str:
        return title_in(self.titles, language)


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """Terms as they were agreed on. Never edited: a change in the catalog makes a new version."""

    id: PlanVersionId
    number: int
    terms: PlanTerms
    created_at: datetime

    @property
    def code(self) -> PlanCode:
        return self.terms.code


def quota_window(
    rule: QuotaRule, *, at: datetime, zone: str, began: Anchor | None, period: Period | None
) -> Window:
    """
    The window that holds `at`: the customer's local day or month, or the step of the paid period
    counted from its anchor. A plan without a paid period has no steps; its month stands in.
    """
    if rule.per is not WindowKind.PERIOD or began is None or period is None:
        kind = WindowKind.MONTH if rule.per is WindowKind.PERIOD else rule.per
        return local_window(at, kind, zone)
    step = 0
    # Before its anchor is `at` where the unit was changed: the new chain starts where the old ends.
    while began.after(step * period.count, period.unit) > at:
        step -= 1
    while began.after((step + 1) * period.count, period.unit) <= at:
        step += 1
    return Window(
        began.after(step * period.count, period.unit),
        began.after((step + 1) * period.count, period.unit),
    )
