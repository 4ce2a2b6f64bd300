"""Prices: what a plan or a pack costs whoever asks, at whichever gateway."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from core.domain.item import PlanItem, Ware
from core.domain.money import Money
from core.domain.plan import NoWayToPay, PlanNotForSale, PlanVersion
from core.domain.promo_code import Discount
from core.domain.purchase import Reduction
from core.domain.subscription import Standing
from core.ports.payment_gateway import Gateways, PaymentGateway
from core.use_cases.checkouts import NoGatewayTakes, offer
from core.use_cases.pre_checkout import STARS_CURRENCY


@dataclass(frozen=True, slots=True)
class Price:
    """What is asked for, and by what it is lower than the plan's price; None: it is not."""

    amount: Money
    reduction: Reduction | None = None


def prices_of(standing: Standing, item: Ware) -> list[Price]:
    """One in each currency that it is sold for, with the customer's discount where it fits."""
    discount = standing.discount
    if discount is None or not isinstance(item, PlanItem) or not discount.fits(item.plan):
        return [Price(full) for full in item.terms.prices]
    return [_reduced(item.plan, full, discount) for full in item.terms.prices]


def _reduced(plan: PlanVersion, full: Money, discount: Discount) -> Price:
    """What Telegram charges again and again would be lower for ever, so that stays as it is."""
    is_subscribed = plan.terms.stars_subscription and full.currency.code == STARS_CURRENCY
    left = discount.off(full)
    if is_subscribed or left == full:
        return Price(full)
    return Price(left, Reduction(discount.code, full))


def price_at(
    standing: Standing, item: Ware, gateways: Gateways, gateway: str | None
) -> tuple[PaymentGateway, Price]:
    """
    Which gateway takes which price, see `offer`: a lower one, wherever that is taken. At a gateway
    that takes no sum as small the price stays full, and the discount waits.

    Raises:
        GatewayNotFound, PlanNotForSale, NoGatewayTakes
    """
    prices = prices_of(standing, item)
    lower = [one for one in prices if one.reduction is not None]
    with suppress(PlanNotForSale, NoWayToPay, NoGatewayTakes):
        return _offered(standing, item, gateways, gateway, lower)
    full = [Price(full) for full in item.terms.prices]
    return _offered(standing, item, gateways, gateway, full)


def _offered(
    standing: Standing,
    item: Ware,
    gateways: Gateways,
    gateway: str | None,
    prices: Sequence[Price],
) -> tuple[PaymentGateway, Price]:
    by_amount = {one.amount: one for one in prices}
    chosen, amount = offer(standing.catalog, item, gateways, gateway, prices=by_amount)
    return chosen, by_amount[amount]
