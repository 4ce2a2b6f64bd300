"""The fitness app's whole story, with time moved, on every store."""

from datetime import datetime
from zoneinfo import ZoneInfo

from core.domain.money import Money
from core.domain.purchase import Meeting, PurchaseStatus
from core.use_cases.settling import Settlement
from tests.world import World

MOSCOW = ZoneInfo("Europe/Moscow")


async def test_three_photos_are_free_the_fourth_is_refused_and_pro_is_unlimited(
    world: World,
) -> None:
    anna = await world.customer()

    decisions = [await world.uses(anna, f"photo-{n}") for n in range(4)]
    assert [one.allowed for one in decisions] == [True, True, True, False]
    assert [one.remaining for one in decisions] == [2, 1, 0, 0]
    assert decisions[-1].resets_at == datetime(2026, 3, 11, tzinfo=MOSCOW)

    started = await world.buys(anna)
    assert started.checkout is not None
    assert started.checkout.opened is not None
    await world.hears(world.pays(started))

    assert await world.plan(anna) == "PRO_MONTHLY"
    more = [await world.uses(anna, f"pro-{n}") for n in range(20)]
    assert all(one.allowed and one.remaining is None for one in more)
    paid = await world.purchase(anna, started.purchase.id)
    assert paid.purchase.status is PurchaseStatus.PAID
    assert await world.cash(anna) == {}


async def test_after_the_month_there_are_three_photos_again(world: World) -> None:
    anna = await world.customer()
    await world.hears(world.pays(await world.buys(anna)))
    end = (await world.me(anna)).standing.subscription.due_at
    assert end is not None
    assert end.astimezone(MOSCOW).date() == datetime(2026, 4, 10, tzinfo=MOSCOW).date()

    world.clock.at = end
    assert await world.plan(anna) == "FREE", "true before anybody has swept"
    await world.sweeps()

    assert await world.plan(anna) == "FREE"
    allowed = [(await world.uses(anna, f"again-{n}")).allowed for n in range(4)]
    assert allowed == [True, True, True, False]


async def test_the_free_photos_come_back_at_local_midnight(world: World) -> None:
    anna = await world.customer()
    for n in range(3):
        await world.uses(anna, f"today-{n}")
    world.clock.at = datetime(2026, 3, 10, 23, 59, 59, tzinfo=MOSCOW)
    assert not (await world.uses(anna, "still today")).allowed
    world.clock.at = datetime(2026, 3, 11, tzinfo=MOSCOW)
    assert (await world.uses(anna, "tomorrow")).allowed


async def test_a_payment_that_comes_late_still_buys(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.time_passes(hours=23, minutes=30)
    started = await world.buys(anna)  # The same purchase, a fresh address.
    await world.time_passes(minutes=45)
    expired = await world.purchase(anna, started.purchase.id)
    assert expired.purchase.status is PurchaseStatus.EXPIRED

    await world.hears(world.pays(started))

    assert await world.plan(anna) == "PRO_MONTHLY"
    assert await world.cash(anna) == {}


async def test_a_payment_is_found_before_its_purchase_expires(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    world.pays(started)  # The webhook is lost, and nobody looked for a day.

    await world.time_passes(hours=25)

    assert (await world.purchase(anna, started.purchase.id)).purchase.status is PurchaseStatus.PAID
    assert await world.plan(anna) == "PRO_MONTHLY"


async def test_a_lost_webhook_is_found_within_minutes(world: World) -> None:
    anna = await world.customer()
    world.pays(await world.buys(anna))
    await world.time_passes(minutes=2)
    assert await world.plan(anna) == "PRO_MONTHLY"


async def test_a_second_payment_stays_in_the_wallet(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    payment = world.pays(started)
    await world.hears(payment)

    await world.hears(world.gateway.pay_again(payment))

    assert await world.cash(anna) == {"RUB": 29900}
    told = (await world.purchase(anna, started.purchase.id)).purchase
    assert told.status is PurchaseStatus.PAID
    assert told.remark is not None
    assert told.remark.code is Meeting.SECOND
    period = (await world.me(anna)).standing.subscription.period
    assert period is not None
    assert period.count == 1, "one period, not two"


async def test_too_little_money_stays_in_the_wallet_and_opens_a_case(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    payment = world.pays(started, Money.of(29899, "RUB"))

    await world.hears(payment)

    assert await world.plan(anna) == "FREE"
    assert await world.cash(anna) == {"RUB": 29899}
    assert await world.cases() == ["mismatch"]
    told = (await world.purchase(anna, started.purchase.id)).purchase
    assert told.status is PurchaseStatus.PENDING
    assert told.remark is not None
    assert told.remark.received == Money.of(29899, "RUB")


async def test_too_much_money_and_foreign_currency_stay_in_the_wallet(world: World) -> None:
    anna = await world.customer()
    payment = world.pays(await world.buys(anna), Money.of(29901, "RUB"))
    await world.hears(payment)
    boris = await world.customer("telegram:1002")
    payment = world.pays(await world.buys(boris), Money.of(29900, "USD"))
    await world.hears(payment)

    assert await world.cash(anna) == {"RUB": 29901}
    assert await world.cash(boris) == {"USD": 29900}
    assert await world.plan(anna) == await world.plan(boris) == "FREE"
    assert await world.cases() == ["mismatch", "mismatch"]


async def test_money_for_a_canceled_purchase_stays_in_the_wallet(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.billing.cancel_purchase(anna, started.purchase.id)
    await world.hears(world.pays(started))
    assert await world.plan(anna) == "FREE"
    assert await world.cash(anna) == {"RUB": 29900}
    assert await world.cases() == []


async def test_renewing_while_active_extends_from_the_end(world: World) -> None:
    anna = await world.customer()
    await world.hears(world.pays(await world.buys(anna)))
    await world.time_passes(days=10)
    await world.hears(world.pays(await world.buys(anna)))
    period = (await world.me(anna)).standing.subscription.period
    assert period is not None
    assert period.end.astimezone(MOSCOW).date() == datetime(2026, 5, 10, tzinfo=MOSCOW).date()


async def test_changing_the_plan_returns_the_rest_to_the_wallet_as_previewed(world: World) -> None:
    anna = await world.customer()
    await world.hears(world.pays(await world.buys(anna)))
    await world.time_passes(days=15, hours=12)  # Half of the 31 days.

    preview = await world.billing.preview_purchase(anna, "PRO_YEARLY")
    assert preview.returned == Money.of(14950, "RUB")
    await world.hears(world.pays(await world.buys(anna, "PRO_YEARLY")))

    assert await world.plan(anna) == "PRO_YEARLY"
    assert await world.cash(anna) == {"RUB": 14950}
    period = (await world.me(anna)).standing.subscription.period
    assert period is not None
    assert period.end == preview.ends_at


async def test_money_of_nobody_waits_in_suspense(world: World) -> None:
    payment = world.pays(await world.buys(await world.customer()))
    stray = world.gateway.pay_again(payment)
    world.gateway.forget_metadata(stray)
    assert await world.settles(stray) is Settlement.SUSPENSE
    assert await world.settles(stray) is Settlement.REPEATED
    assert await world.cases() == ["suspense"]
