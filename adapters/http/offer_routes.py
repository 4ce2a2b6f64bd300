"""What is on offer over HTTP: plans, the bounds of deposits, and the ways to pay."""

from pydantic import BaseModel
from starlette.requests import Request

from adapters.http.bodies import Language, MoneyBody, body_from_money
from adapters.http.customer_routes import ROOT
from adapters.http.edge import edge_of
from adapters.http.operations import Closed, Operation
from core.domain.cause import StoreBusy
from core.domain.item import PackItem, PlanItem
from core.domain.plan import PackTerms, PlanVersion
from core.ports.unit_of_work import CatalogMissing
from core.use_cases.buying import WALLET
from core.use_cases.offers import Offer, Way


class LanguageQuery(Closed):
    language: Language = "en"


class QuotaRuleBody(BaseModel):
    limit: int | None
    per: str


class PeriodBody(BaseModel):
    count: int
    unit: str


class PlanBody(BaseModel):
    """`pay_with`: what may be named as the gateway when it is bought."""

    code: str
    title: str
    prices: list[MoneyBody]
    period: PeriodBody | None
    quotas: dict[str, QuotaRuleBody]
    is_default: bool
    pay_with: list[str]


class PackBody(BaseModel):
    """So many units of a feature, on top of what the plan gives. `pay_with` as of a plan."""

    code: str
    title: str
    feature: str
    units: int
    prices: list[MoneyBody]
    pay_with: list[str]


class DepositBody(BaseModel):
    """The smallest and the largest deposit in one currency, and the gateways that take it."""

    currency: str
    minimum: MoneyBody
    maximum: MoneyBody
    pay_with: list[str]


class FeeBody(BaseModel):
    """So many hundredths of a percent, and a fixed sum on top."""

    basis_points: int
    fixed: MoneyBody


class WayBody(BaseModel):
    """
    One gateway in one currency. `fee` is what it is expected to keep; null: not known before.
    `available` is false while the gateway is down: then it comes last.
    """

    gateway: str
    currency: str
    minimum: MoneyBody
    maximum: MoneyBody
    fee: FeeBody | None
    available: bool


class PlansBody(BaseModel):
    """`packs` and `deposits` are empty where the business sells or takes none."""

    items: list[PlanBody]
    packs: list[PackBody]
    deposits: list[DepositBody]
    ways_to_pay: list[WayBody]


async def list_plans(request: Request, query: LanguageQuery) -> PlansBody:
    return _body_from_offer(await edge_of(request).billing.show_offer(), query.language)


def _body_from_offer(offer: Offer, language: str) -> PlansBody:
    catalog = offer.catalog
    return PlansBody(
        items=[_body_from_plan(plan, offer, language) for plan in catalog.plans.values()],
        packs=[_body_from_pack(pack, offer, language) for pack in catalog.packs.values()],
        deposits=[
            DepositBody(
                currency=least.currency.code,
                minimum=body_from_money(least, language),
                maximum=body_from_money(most, language),
                pay_with=list(offer.of_deposit(least, most)),
            )
            for least, most in catalog.money.deposit.bounds
        ],
        ways_to_pay=[_body_from_way(way, language) for way in offer.ways],
    )


def _body_from_way(way: Way, language: str) -> WayBody:
    fee = None
    if way.fee is not None:
        fixed = body_from_money(way.fee.fixed, language)
        fee = FeeBody(basis_points=way.fee.basis_points, fixed=fixed)
    return WayBody(
        gateway=way.gateway,
        currency=way.least.currency.code,
        minimum=body_from_money(way.least, language),
        maximum=body_from_money(way.most, language),
        fee=fee,
        available=not way.is_down,
    )


def _body_from_plan(plan: PlanVersion, offer: Offer, language: str) -> PlanBody:
    terms = plan.terms
    period = terms.period
    return PlanBody(
        code=terms.code,
        title=terms.title(language),
        prices=[body_from_money(price, language) for price in terms.prices],
        period=None if period is None else PeriodBody(count=period.count, unit=period.unit),
        quotas={
            name: QuotaRuleBody(limit=rule.limit, per=rule.per)
            for name, rule in terms.quotas.items()
        },
        is_default=plan.code == offer.catalog.default_plan,
        pay_with=[*offer.of_ware(PlanItem(plan)), WALLET] if terms.prices else [],
    )


def _body_from_pack(terms: PackTerms, offer: Offer, language: str) -> PackBody:
    return PackBody(
        code=terms.code,
        title=terms.title(language),
        feature=terms.feature,
        units=terms.units,
        prices=[body_from_money(price, language) for price in terms.prices],
        pay_with=[*offer.of_ware(PackItem(terms)), WALLET],
    )


def offer_operations() -> list[Operation]:
    return [
        Operation(
            method="GET",
            path=f"{ROOT}/plans/",
            endpoint=list_plans,
            summary="The plans and packs on offer, the bounds of deposits, and the ways to pay",
            tags=("public",),
            query=LanguageQuery,
            responses={200: PlansBody},
            errors=(CatalogMissing, StoreBusy),
        )
    ]
