"""Prices: what a plan costs whoever asks, at whichever gateway."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from core.domain.item import PlanItem
from core.domain.money import Money
from core.domain.plan import PlanNotForSale, PlanVersion
from core.domain.purchase import Reduction
from core.domain.subscription import Standing
from core.ports.payment_gateway import GatewayNotFound, Gateways, PaymentGateway
from core.use_cases.checkouts import offer


@dataclass(frozen=True, slots=True)
class Price:
    """What is asked for, and what was taken off for it; None: nothing."""

    amount: Money
    reduction: Reduction | None = None


def prices_of(standing: Standing, plan: PlanVersion) -> list[Price]:
    """One in each currency that it is sold for, with the customer's discount where it fits."""
    discount, full = standing.discount, [Price(one) for one in plan.terms.prices]
    if discount is None or not discount.fits(plan):
        return full
    lower = [Price(discount.off(one.amount), Reduction(discount.code, one.amount)) for one in full]
    return [low if low.amount < one.amount else one for low, one in zip(lower, full, strict=True)]


def price_at(
    standing: Standing, plan: PlanVersion, gateways: Gateways, gateway: str | None, now: datetime
) -> tuple[PaymentGateway, Price]:
    """
    Which gateway takes which price, see `offer`: the lower one, wherever that is taken. Where a
    gateway would charge it again and again, or takes no sum as small, the price stays full.

    Raises:
        GatewayNotFound, PlanNotForSale
    """
    lower = [one for one in prices_of(standing, plan) if one.reduction is not None]
    if lower:
        once = Gateways(*(one for one in gateways if not _subscribes(one, standing, plan, now)))
        with suppress(GatewayNotFound, PlanNotForSale):
            return _offered(standing, plan, once, gateway, lower)
    return _offered(standing, plan, gateways, gateway, [Price(one) for one in plan.terms.prices])


def _subscribes(
    gateway: PaymentGateway, standing: Standing, plan: PlanVersion, now: datetime
) -> bool:
    taken = filter(gateway.abilities.takes, plan.terms.prices)
    return gateway.abilities.subscribes and any(
        standing.may_subscribe(plan, price, now) for price in taken
    )


def _offered(
    standing: Standing,
    plan: PlanVersion,
    gateways: Gateways,
    gateway: str | None,
    prices: Sequence[Price],
) -> tuple[PaymentGateway, Price]:
    by_amount = {one.amount: one for one in prices}
    chosen, amount = offer(standing.catalog, PlanItem(plan), gateways, gateway, prices=by_amount)
    return chosen, by_amount[amount]
