"""What is on offer is known before anybody is offered a way to pay."""

from dataclasses import replace
from datetime import timedelta

from core.domain.item import PlanItem
from core.domain.money import Money
from core.domain.money_terms import DepositTerms, MoneyTerms
from core.domain.plan import GatewayName, PlanCode
from core.ports.payment_gateway import Abilities, FeeRule
from tests.builders import YOOKASSA, rub
from tests.world import World

FEE = FeeRule(350, rub(15))


def takes(world: World, *bounds: tuple[Money, Money]) -> None:
    """The one gateway takes this and no more."""
    world.gateway.abilities = Abilities(
        {least.currency.code: (least, most) for least, most in bounds},
        timedelta(hours=24),
        fees={"RUB": FEE},
    )


async def test_each_way_is_told_with_currency_bounds_and_fee(world: World) -> None:
    stars = Money.of(1, "XTR"), Money.of(10, "XTR")
    takes(world, (rub(1), rub(1000)), stars)

    ways = (await world.billing.show_offer()).ways

    assert [(way.gateway, way.least, way.most, way.fee) for way in ways] == [
        (YOOKASSA, rub(1), rub(1000), FEE),
        (YOOKASSA, *stars, None),
    ]
    assert FEE.on(rub(100)) == Money.of(350 + 1500, "RUB")


async def test_a_plan_is_paid_by_whoever_may_and_takes_its_price(world: World) -> None:
    takes(world, (rub(1), rub(299)))
    offer = await world.billing.show_offer()
    plans = offer.catalog.plans
    monthly, yearly = plans[PlanCode("PRO_MONTHLY")], plans[PlanCode("PRO_YEARLY")]

    assert offer.of_ware(PlanItem(monthly)) == [YOOKASSA]
    assert offer.of_ware(PlanItem(yearly)) == [], "it costs more than the gateway takes"
    assert offer.of_ware(PlanItem(plans[PlanCode("FREE")])) == []
    only_others = replace(monthly.terms, gateways=(GatewayName("paymongo"),))
    assert offer.of_ware(PlanItem(replace(monthly, terms=only_others))) == []


async def test_a_gateway_of_coins_asks_for_the_price_in_coins_where_there_is_one(
    world: World,
) -> None:
    anna = await world.customer()
    bounds = {code: (Money.of(1, code), Money.of(10**9, code)) for code in ("RUB", "USDT")}
    world.gateway.abilities = replace(
        world.gateway.abilities, bounds=bounds, coins=frozenset({"USDT"})
    )
    coins = Money.of(3_500_000, "USDT")
    wanted = world.wanted()
    plans = tuple(
        replace(one, prices=(*one.prices, coins)) if one.code == "PRO_MONTHLY" else one
        for one in wanted.plans
    )
    await world.billing.apply_catalog(replace(wanted, plans=plans))

    assert (await world.buys(anna)).purchase.amount == coins
    assert (await world.buys(anna, "PRO_YEARLY")).purchase.amount.currency.code == "RUB"


async def test_a_deposit_is_taken_where_its_bounds_and_the_gateways_meet(world: World) -> None:
    takes(world, (rub(10), rub(100)))
    offer = await world.billing.show_offer()

    assert offer.of_deposit(rub(1), rub(10)) == [YOOKASSA]
    assert offer.of_deposit(rub(100), rub(500)) == [YOOKASSA]
    assert offer.of_deposit(rub(1), rub(9)) == []
    assert offer.of_deposit(rub(101), rub(500)) == []
    assert offer.of_deposit(Money.of(1, "PHP"), Money.of(10**6, "PHP")) == []


async def test_a_deposit_is_taken_by_those_alone_that_the_catalog_names(world: World) -> None:
    bounds = ((rub(1), rub(100)),)
    terms = MoneyTerms(deposit=DepositTerms(bounds, gateways=(GatewayName("paymongo"),)))
    await world.billing.apply_catalog(replace(world.wanted(), money=terms))

    assert (await world.billing.show_offer()).of_deposit(*bounds[0]) == []


async def test_deposits_are_within_the_catalogs_bounds_and_the_gateways(world: World) -> None:
    anna = await world.customer()
    takes(world, (rub(10), rub(500)))
    [way] = await world.billing.show_offer.deposits(anna)
    assert (way.gateway, way.least, way.most, way.fee) == (YOOKASSA, rub(10), rub(500), FEE)

    takes(world, (rub(200_000), rub(300_000)))
    assert await world.billing.show_offer.deposits(anna) == []
    takes(world, (Money.of(1, "XTR"), Money.of(10, "XTR")))
    assert await world.billing.show_offer.deposits(anna) == [], "the wallet takes roubles"


async def test_inside_telegram_deposits_need_the_operators_word(world: World) -> None:
    anna = await world.customer()
    wanted = world.wanted()
    chat = replace(wanted.chat, other_gateways=False)
    await world.billing.apply_catalog(replace(wanted, chat=chat))

    assert await world.billing.show_offer.deposits(anna)
    assert await world.billing.show_offer.deposits(anna, in_telegram=True) == []


async def test_each_way_to_pay_a_plan_is_previewed_with_its_sum(world: World) -> None:
    anna = await world.customer()
    ways = world.billing.preview_purchase.ways
    [card] = await ways(anna, "PRO_MONTHLY")
    assert card == await world.billing.preview_purchase(anna, "PRO_MONTHLY")

    await world.deposits(anna, rub(100))
    [card, wallet] = await ways(anna, "PRO_MONTHLY")
    assert (card.gateway, card.amount, card.missing) == (YOOKASSA, rub(299), None)
    assert (wallet.gateway, wallet.amount, wallet.missing) == ("wallet", rub(299), rub(199))
    await world.deposits(anna, rub(199))
    assert [one.missing for one in await ways(anna, "PRO_MONTHLY")] == [None, None]

    assert await ways(anna, "FREE") == [], "it is not sold"
    takes(world)
    assert [one.gateway for one in await ways(anna, "PRO_MONTHLY")] == ["wallet"]
