"""Promo codes: each once for a customer, no more than there are, and one price for one purchase."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.persistence.memory import MemoryStore
from core.domain import ledger
from core.domain.audit import Deed
from core.domain.customer import CustomerId
from core.domain.money import Money
from core.domain.plan import Feature, FeatureNotFound, PlanCode, PlanNotFound
from core.domain.promo_code import (
    DaysOf,
    Discount,
    DiscountWaits,
    Gives,
    PercentOff,
    PromoCode,
    PromoCodeNotReadable,
    PromoCodeNotTaken,
    PromoCodeNotUsable,
    PromoCodeTaken,
    PromoCodeUsed,
    TooManyWrongCodes,
    UnitsOf,
)
from core.domain.purchase import PurchaseStatus, Reduction
from core.domain.renewal import FROM_WALLET
from core.use_cases.buying import WALLET
from core.use_cases.checkouts import Started
from core.use_cases.consequences import consequences
from core.use_cases.gifts import AnotherPlanRuns
from core.use_cases.promo_codes import WantedCode
from core.use_cases.wallet import WalletTooLow
from tests.adapters.telegram.chat_room import labels
from tests.builders import rub
from tests.contracts.units import seen, written
from tests.stars import PRICE, StarsShop
from tests.world import RETURN, World

ANN = Deed("ann", "the spring sale")
MONTHLY = PlanCode("PRO_MONTHLY")
PHOTOS = Feature("photo_ai")


async def makes(
    world: World, gives: Gives | int = 20, name: str | None = "SPRING", **limits: object
) -> PromoCode:
    gives = PercentOff(gives) if isinstance(gives, int) else gives
    wanted = replace(WantedCode(gives, name), **limits)
    return await world.billing.create_promo_code(wanted, deed=ANN, cause=world.cause())


async def redeems(
    world: World, who: CustomerId, text: str = "spring", key: str | None = None
) -> PromoCode:
    return await world.billing.redeem_promo_code(who, text, cause=world.cause(key, text))


async def discount(world: World, who: CustomerId) -> Discount | None:
    return (await world.me(who)).standing.discount


async def outcomes(*tries: Awaitable[object]) -> list[str]:
    told = await asyncio.gather(*tries, return_exceptions=True)
    return sorted(type(one).__name__ for one in told)


async def test_a_discount_is_in_the_price_once_and_renewals_are_at_the_full_one(
    world: World,
) -> None:
    anna = await world.customer()
    await makes(world)
    await redeems(world, anna, " sPrInG ")

    [preview] = await world.billing.preview_purchase.ways(anna, "PRO_MONTHLY")
    started = await world.buys(anna)

    assert (preview.amount, preview.reduction) == (
        Money.of(23920, "RUB"),
        Reduction("SPRING", rub(299)),
    )
    assert (started.purchase.amount, started.purchase.reduction) == (
        preview.amount,
        preview.reduction,
    )
    assert (await world.buys(anna)).purchase == started.purchase
    await world.pays_and_is_heard(started)
    assert await discount(world, anna) is None
    assert await world.books(ledger.revenue(MONTHLY)) == 23920
    assert (await world.buys(anna)).purchase.amount == rub(299)
    await world.deposits(anna, rub(299))
    await world.billing.change_subscription.renew_from(anna, FROM_WALLET)
    await world.time_passes(days=31)
    assert await world.books(ledger.revenue(MONTHLY)) == 23920 + 29900


async def test_each_customer_uses_a_code_once_and_all_of_them_no_more_than_its_limit(
    world: World,
) -> None:
    people = [await world.customer(f"telegram:{n}") for n in range(1, 5)]
    await makes(world, DaysOf(MONTHLY, 7), limit=3)

    twice = await outcomes(*(redeems(world, people[0]) for _ in range(4)))
    others = await outcomes(*(redeems(world, who) for who in people[1:]))

    assert twice == ["PromoCode", *["PromoCodeUsed"] * 3]
    assert others == ["PromoCode", "PromoCode", "PromoCodeNotTaken"]
    assert (await world.billing.show_promo_codes.one("spring")).used == 3
    ends = [(await world.me(who)).standing.subscription.period for who in people]
    assert sum(one is not None for one in ends) == 3
    assert await world.plan(people[0]) == "PRO_MONTHLY"


async def test_a_repeat_is_told_the_same_and_changes_nothing(world: World) -> None:
    anna = await world.customer()
    await makes(world, DaysOf(MONTHLY, 7))

    first = await redeems(world, anna, key="once")
    assert (await redeems(world, anna, key="once")).name == first.name
    for _ in range(12):
        with pytest.raises(PromoCodeNotTaken):
            await redeems(world, anna, "nothing", key="wrong")

    with pytest.raises(PromoCodeUsed):
        await redeems(world, anna)


async def test_what_is_wrong_with_a_code_is_not_told_and_guessing_pauses(world: World) -> None:
    anna, boris = await world.customer(), await world.customer("telegram:2")
    await world.pays_and_is_heard(await world.buys(anna))
    for name, limits in {
        "OVER": {"until": world.clock() + timedelta(seconds=1)},
        "STOPPED": {},
        "NEW-ONES": {"only_new": True},
        "USED-UP": {"limit": 1},
        "GOOD": {},
    }.items():
        await makes(world, 10, name, **limits)
    await world.billing.stop_promo_code("stopped", deed=ANN)
    await redeems(world, boris, "used-up")
    world.clock.advance(seconds=1)

    for name in ("NOTHING", "OVER", "STOPPED", "NEW-ONES", "USED-UP", *["NO-SUCH"] * 5):
        with pytest.raises(PromoCodeNotTaken) as told:
            await redeems(world, anna, name)
        assert told.value.facts == {}
    with pytest.raises(TooManyWrongCodes) as pause:
        await redeems(world, anna, "GOOD")

    assert pause.value.at == world.clock() + timedelta(hours=1)
    world.clock.advance(hours=1)
    await redeems(world, anna, "GOOD")
    assert await discount(world, anna) == Discount("GOOD", 10)


@pytest.mark.parametrize(
    "text",
    ["", "abc", "AAAA BBBB", "AAAA,BBBB", "<b>SPRING</b>", "\u202eGNIRPS", "ſpring", "SPRıNG",
     "SPRING\n", "СПРИНГ", "x" * 65_536, "SPRING\x00"],
)  # fmt: skip
async def test_what_is_no_code_at_all_is_no_guess(text: str) -> None:
    world = await World(MemoryStore(consequences)).opens()
    anna = await world.customer()
    for _ in range(11):
        with pytest.raises(PromoCodeNotReadable):
            await redeems(world, anna, text)


async def test_one_discount_waits_at_a_time_and_the_second_code_stays_good(world: World) -> None:
    anna = await world.customer()
    await makes(world)
    await makes(world, 50, "SUMMER")
    await redeems(world, anna)

    with pytest.raises(DiscountWaits):
        await redeems(world, anna, "SUMMER")

    assert (await world.billing.show_promo_codes.one("SUMMER")).used == 0
    await world.pays_and_is_heard(await world.buys(anna))
    await redeems(world, anna, "SUMMER")
    assert (await world.buys(anna)).purchase.amount == Money.of(14950, "RUB")


async def test_a_discount_for_what_is_sold_no_more_gives_way_to_the_next(world: World) -> None:
    anna, wanted = await world.customer(), world.wanted()
    await makes(world, PercentOff(20, (PlanCode("PRO_YEARLY"),)))
    await makes(world, 50, "SUMMER")
    await redeems(world, anna)
    ordered = await world.buys(anna, "PRO_YEARLY")
    left = tuple(one for one in wanted.plans if one.code != "PRO_YEARLY")
    await world.billing.apply_catalog(replace(wanted, plans=left))

    with pytest.raises(DiscountWaits):  # What was ordered with it can be paid yet.
        await redeems(world, anna, "SUMMER")
    expired = ordered.purchase.expired(at=world.clock())
    await written(world.store, lambda uow: uow.purchases.save(expired))
    await redeems(world, anna, "SUMMER")

    assert await discount(world, anna) == Discount("SUMMER", 50)
    await world.pays_and_is_heard(ordered)
    assert await world.cash(anna) == {"RUB": ordered.purchase.amount.amount_minor}
    assert (await world.buys(anna)).purchase.amount == Money.of(14950, "RUB")
    with pytest.raises(PromoCodeUsed):
        await redeems(world, anna)


async def test_two_codes_at_once_leave_one_waiting(world: World) -> None:
    anna = await world.customer()
    await makes(world)
    await makes(world, 50, "SUMMER")

    told = await outcomes(redeems(world, anna), redeems(world, anna, "SUMMER"))

    assert told == ["DiscountWaits", "PromoCode"]


async def test_days_where_another_plan_runs_are_kept_for_later(world: World) -> None:
    anna = await world.customer()
    await makes(world, DaysOf(PlanCode("PRO_YEARLY"), 7))
    await world.pays_and_is_heard(await world.buys(anna))

    with pytest.raises(AnotherPlanRuns):
        await redeems(world, anna)
    await world.time_passes(days=32)
    await redeems(world, anna)

    assert await world.plan(anna) == "PRO_YEARLY"
    assert (await world.billing.show_promo_codes.one("SPRING")).used == 1


async def test_days_of_a_plan_that_is_gone_are_no_code_any_more() -> None:
    world = await World(MemoryStore(consequences)).opens()
    anna, wanted = await world.customer(), world.wanted()
    await makes(world, DaysOf(PlanCode("PRO_YEARLY"), 7))
    left = tuple(one for one in wanted.plans if one.code != "PRO_YEARLY")
    await world.billing.apply_catalog(replace(wanted, plans=left))

    with pytest.raises(PromoCodeNotTaken):
        await redeems(world, anna)

    assert (await world.billing.show_promo_codes.one("SPRING")).used == 0


async def test_units_are_given_at_once_on_top_of_the_plan_and_stay(world: World) -> None:
    anna, boris = await world.customer(), await world.customer("telegram:2")
    await makes(world, UnitsOf(PHOTOS, 50), limit=1)

    told = await outcomes(*(redeems(world, who) for who in (anna, anna, boris, anna)))

    assert told.count("PromoCode") == 1
    assert (await world.billing.show_promo_codes.one("SPRING")).used == 1
    had = [quota.packs for who in (anna, boris) for quota in (await world.me(who)).quotas]
    assert sorted(one for one in had if one) == [50]


async def test_units_of_what_no_plan_counts_are_no_code_any_more() -> None:
    world = await World(MemoryStore(consequences)).opens()
    anna, wanted = await world.customer(), world.wanted()
    with pytest.raises(FeatureNotFound):
        await makes(world, UnitsOf(Feature("teleport"), 1))
    await makes(world, UnitsOf(PHOTOS, 50))
    plans = tuple(replace(one, quotas={}) for one in wanted.plans)
    await world.billing.apply_catalog(replace(wanted, plans=plans, packs=()))

    with pytest.raises(PromoCodeNotTaken):
        await redeems(world, anna)

    assert (await world.billing.show_promo_codes.one("SPRING")).used == 0


async def test_the_history_tells_a_plan_and_its_code_and_never_a_pack() -> None:
    world = await World(MemoryStore(consequences)).opens()
    anna = await world.customer()
    full = await world.buys(anna)
    await makes(world)
    await redeems(world, anna)
    lower, pack = await world.buys(anna), await world.buys(anna, "PHOTOS_50")

    async def told(started: Started) -> set[str]:
        history = await seen(world.store, lambda view: view.history(started.purchase.id))
        return set(history[0].facts)

    assert await told(full) == {"item", "plan", "plan_version"}
    assert await told(lower) == {"item", "plan", "plan_version", "promo_code"}
    assert await told(pack) == {"item", "pack"}


async def test_a_discount_waits_again_when_its_purchase_is_not_paid(world: World) -> None:
    anna = await world.customer()
    await makes(world)
    await redeems(world, anna)
    given_up = await world.buys(anna)
    await world.billing.cancel_purchase(anna, given_up.purchase.id)
    expiring = await world.buys(anna)
    assert expiring.purchase.amount == Money.of(23920, "RUB")

    await world.time_passes(hours=25)

    assert (
        await world.purchase(anna, expiring.purchase.id)
    ).purchase.status is PurchaseStatus.EXPIRED
    assert await discount(world, anna) is not None
    again = await world.buys(anna)
    await world.pays_and_is_heard(again)
    assert await world.plan(anna) == "PRO_MONTHLY"
    assert await discount(world, anna) is None


async def test_of_two_open_purchases_the_one_paid_first_has_the_discount(world: World) -> None:
    anna = await world.customer()
    await makes(world)
    await redeems(world, anna)
    monthly, yearly = await world.buys(anna), await world.buys(anna, "PRO_YEARLY")
    assert yearly.purchase.amount == Money.of(239200, "RUB")
    paid = [world.pays(one) for one in (monthly, yearly)]

    await asyncio.gather(*(world.settles(one) for one in paid))
    await world.sweeps()

    ended = [(await world.purchase(anna, one.purchase.id)).purchase for one in (monthly, yearly)]
    assert sorted(one.status for one in ended) == [PurchaseStatus.CANCELED, PurchaseStatus.PAID]
    [lost] = [one for one in ended if one.status is PurchaseStatus.CANCELED]
    assert await world.cash(anna) == {"RUB": lost.amount.amount_minor}
    assert await discount(world, anna) is None


async def test_an_expired_purchase_paid_late_has_the_discount_only_while_it_waits(
    world: World,
) -> None:
    anna = await world.customer()
    await makes(world)
    await redeems(world, anna)
    late = await world.buys(anna)
    expired = late.purchase.expired(at=world.clock())
    await written(world.store, lambda uow: uow.purchases.save(expired))
    await world.pays_and_is_heard(await world.buys(anna, "PRO_YEARLY"))

    await world.pays_and_is_heard(late)

    assert await world.plan(anna) == "PRO_YEARLY"
    assert await world.cash(anna) == {"RUB": 23920}


async def test_from_the_wallet_only_the_lower_price_is_missing_and_paid(world: World) -> None:
    anna = await world.customer()
    await makes(world)
    await redeems(world, anna)
    await world.deposits(anna, rub(240))

    await world.billing.start_purchase(
        anna, "PRO_MONTHLY", gateway=WALLET, return_url=RETURN, cause=world.cause()
    )

    assert await world.plan(anna) == "PRO_MONTHLY"
    assert await world.cash(anna) == {"RUB": 80}


async def test_of_two_that_wait_for_the_wallet_money_pays_one(world: World) -> None:
    anna = await world.customer()
    await makes(world)
    await redeems(world, anna)
    for plan in ("PRO_MONTHLY", "PRO_YEARLY"):
        with pytest.raises(WalletTooLow):
            await world.billing.start_purchase(
                anna, plan, gateway=WALLET, return_url=RETURN, cause=world.cause()
            )
        world.clock.advance(seconds=1)

    await world.deposits(anna, rub(3000))

    ended = [one.purchase for one in await world.billing.show_purchases.page(anna, limit=9)]
    told = {one.plan.code: one.status for one in ended if one.plan is not None}
    assert told == {"PRO_MONTHLY": PurchaseStatus.PAID, "PRO_YEARLY": PurchaseStatus.CANCELED}
    assert await world.cash(anna) == {"RUB": 300_000 - 23_920}


async def test_a_change_of_plan_gives_back_of_what_was_paid_and_no_more(world: World) -> None:
    anna = await world.customer()
    await makes(world, 90)
    await redeems(world, anna)
    await world.pays_and_is_heard(await world.buys(anna))

    await world.pays_and_is_heard(await world.buys(anna, "PRO_YEARLY"))

    assert await world.cash(anna) == {"RUB": 2990}


async def test_a_discount_for_some_plans_leaves_the_others_alone(world: World) -> None:
    anna = await world.customer()
    await makes(world, PercentOff(20, (PlanCode("PRO_YEARLY"),)))
    await redeems(world, anna)

    await world.pays_and_is_heard(await world.buys(anna))

    assert await world.books(ledger.revenue(MONTHLY)) == 29900
    assert await discount(world, anna) is not None


@pytest.mark.parametrize(
    ("price", "percent", "left"),
    [(1, 90, 1), (2, 50, 1), (3, 50, 2), (9, 10, 9), (10, 10, 9), (333, 33, 224), (10**15, 90, 10**14)],
)  # fmt: skip
def test_never_more_than_the_percentage_is_off_and_never_all(
    price: int, percent: int, left: int
) -> None:
    assert Discount("X", percent).off(Money.of(price, "XTR")) == Money.of(left, "XTR")


async def test_what_a_gateway_does_not_take_so_small_it_takes_in_full(world: World) -> None:
    anna = await world.customer()
    bounds = {"RUB": (rub(100), rub(10_000))}
    world.gateway.abilities = replace(world.gateway.abilities, bounds=bounds)
    await makes(world, 90)
    await redeems(world, anna)

    started = await world.buys(anna)

    assert (started.purchase.amount, started.purchase.reduction) == (rub(299), None)
    await world.pays_and_is_heard(started)
    assert await discount(world, anna) is not None


async def test_what_telegram_charges_again_and_again_is_never_reduced() -> None:
    shop = await StarsShop(MemoryStore(consequences)).opens()
    await makes(shop.world, 50)
    anna = await shop.world.customer()
    await redeems(shop.world, anna)

    [preview] = await shop.billing.preview_purchase.ways(anna, "PRO_MONTHLY", in_telegram=True)

    assert (preview.amount, preview.reduction, preview.subscribes) == (PRICE, None, True)
    told = await shop.room.says("/plans")
    assert told["html"].count("<s>") == 1  # The other plan, which is sold for roubles.
    confirmed = await shop.room.presses(next(iter(labels(told))))
    confirmed = await shop.room.presses("Выбрать")
    assert "Ваша скидка 50 % при таком способе оплаты не действует" in confirmed["text"]
    await shop.subscribes()
    assert await discount(shop.world, anna) is not None


async def test_codes_are_made_once_with_a_line_and_what_cannot_be_is_not(world: World) -> None:
    key = world.cause("once")
    wanted = WantedCode(PercentOff(20))
    made = await world.billing.create_promo_code(wanted, deed=ANN, cause=key)
    again = await world.billing.create_promo_code(wanted, deed=ANN, cause=key)
    await makes(world)
    with pytest.raises(PromoCodeTaken):
        await makes(world, 30, "spring")
    for gives in (0, 91, 100, -1, DaysOf(MONTHLY, 0), DaysOf(PlanCode("FREE"), 3),
                  UnitsOf(PHOTOS, 0), UnitsOf(PHOTOS, 10**6 + 1)):  # fmt: skip
        with pytest.raises(PromoCodeNotUsable):
            await makes(world, gives, "OTHER")
    for limits in ({"limit": 0}, {"until": world.clock()}):
        with pytest.raises(PromoCodeNotUsable):
            await makes(world, 20, "OTHER", **limits)
    with pytest.raises(PlanNotFound):
        await makes(world, PercentOff(20, (PlanCode("GONE"),)), "OTHER")
    with pytest.raises(PromoCodeNotReadable):
        await makes(world, 20, "a b")

    await world.billing.stop_promo_code("SPRING", deed=ANN)
    await world.billing.stop_promo_code("SPRING", deed=ANN)

    assert made == again
    assert len(made.name) == 12
    lines = await world.billing.show_audit(limit=9)
    told = [(line.action, line.subject) for _, line, _ in lines]
    assert told == [
        ("promo_code.create", made.name),
        ("promo_code.create", "SPRING"),
        ("promo_code.stop", "SPRING"),
    ]
