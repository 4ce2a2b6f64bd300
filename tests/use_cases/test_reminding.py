"""Reminders and notices: each once, of what is true when it is told, and in nobody's night."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.domain.audit import Deed
from core.domain.customer import CustomerId, identity
from core.domain.money import Money
from core.domain.period import Period, PeriodUnit, WindowKind
from core.domain.plan import Feature, PlanCode, QuotaRule
from core.domain.reminder_terms import ReminderTerms
from core.domain.renewal import FROM_WALLET
from core.ports.notifier import News, NewsKind
from core.use_cases.catalogs import WantedCatalog
from tests.builders import NOON, PHOTO_AI, rub
from tests.contracts.units import again
from tests.world import World

BOUGHT = [NewsKind.PAID]
NEVER_QUIET = (ReminderTerms().quiet[0],) * 2
THREE_A_DAY = QuotaRule(3, WindowKind.DAY)
HALF_PAST_MIDNIGHT = datetime(2026, 3, 10, 21, 30, tzinfo=UTC)  # In Moscow.


def kinds(world: World) -> list[NewsKind]:
    return [one.kind for one in world.notifier.told]


def newest(world: World) -> News:
    return world.notifier.told[-1]


async def subscribes(world: World) -> tuple[CustomerId, datetime]:
    """Anna is on PRO for a month, and when that ends."""
    anna = await world.customer()
    await world.pays_and_is_heard(await world.buys(anna))
    period = (await world.me(anna)).standing.subscription.period
    assert period is not None
    return anna, period.end


async def comes(world: World, moment: datetime) -> None:
    """Time passes until then, and everything that is due is done, twice."""
    await world.time_passes(seconds=(moment - world.clock()) / timedelta(seconds=1))
    await world.sweeps()


def with_limit(wanted: WantedCatalog, limit: int) -> WantedCatalog:
    """Of photos on FREE, in a day."""
    free, *others = wanted.plans
    rule = QuotaRule(limit, WindowKind.DAY)
    return replace(wanted, plans=(replace(free, quotas={PHOTO_AI: rule}), *others))


def with_price(wanted: WantedCatalog, price: Money) -> WantedCatalog:
    plans = [
        replace(one, prices=(price,)) if one.code == "PRO_MONTHLY" else one for one in wanted.plans
    ]
    return replace(wanted, plans=tuple(plans))


async def test_an_end_is_told_before_at_and_after_it(world: World) -> None:
    _, end = await subscribes(world)

    for days in (-4, -3, -2, -1, 0, 1, 2, 3):
        await comes(world, end + timedelta(days=days))

    told = [(one.kind, one.at - end) for one in world.notifier.told[1:]]
    assert told == [
        (NewsKind.ENDS_SOON, timedelta(days=-3)),
        (NewsKind.ENDS_SOON, timedelta(days=-1)),
        (NewsKind.ENDED, timedelta()),
        (NewsKind.COME_BACK, timedelta(days=1)),
    ]


async def test_a_renewal_is_announced_once_with_the_price_to_be_charged(world: World) -> None:
    anna, end = await subscribes(world)
    await world.deposits(anna, rub(1000))
    await world.billing.change_subscription.renew_from(anna, FROM_WALLET)
    await world.billing.apply_catalog(with_price(world.wanted(), rub(399)))

    await comes(world, end - timedelta(days=9))
    told = newest(world)
    await comes(world, end - timedelta(days=3))
    announced = newest(world)
    await comes(world, end - timedelta(days=1))

    assert (told.kind, told.charge) == (NewsKind.PRICE_CHANGES, rub(399))
    assert (announced.kind, announced.charge) == (NewsKind.RENEWS_SOON, rub(399))
    assert kinds(world)[2:] == [NewsKind.PRICE_CHANGES, NewsKind.RENEWS_SOON, NewsKind.PAID]
    assert await world.cash(anna) == {"RUB": 60100}


async def test_a_price_that_came_too_late_is_charged_the_time_after(world: World) -> None:
    anna, end = await subscribes(world)
    await world.deposits(anna, rub(1000))
    await world.billing.change_subscription.renew_from(anna, FROM_WALLET)
    await world.billing.register_customer(identity("telegram:1001"), fewer_reminders=True)
    await comes(world, end - timedelta(days=7))
    await world.billing.apply_catalog(with_price(world.wanted(), rub(399)))

    await comes(world, end - timedelta(days=3))
    told = world.notifier.told[-2:]
    await comes(world, end - timedelta(days=1))
    assert {one.kind: one.charge for one in told} == {
        NewsKind.PRICE_CHANGES: rub(299),
        NewsKind.RENEWS_SOON: rub(299),
    }, "also to whoever wants fewer reminders"
    assert await world.cash(anna) == {"RUB": 70100}

    for days in (20, 27, 29, 30):
        await comes(world, end + timedelta(days=days))
    assert await world.cash(anna) == {"RUB": 30200}
    assert kinds(world).count(NewsKind.PRICE_CHANGES) == 1
    standing = (await world.me(anna)).standing
    assert standing.subscription.period is not None
    assert standing.subscription.period.plan == standing.catalog.plans[PlanCode("PRO_MONTHLY")]


async def test_a_try_that_failed_is_followed_by_one_of_the_same_order(world: World) -> None:
    anna, end = await subscribes(world)
    await world.billing.change_subscription.renew_from(anna, FROM_WALLET)
    await comes(world, end - timedelta(days=1))
    await world.billing.apply_catalog(with_price(world.wanted(), rub(199)))
    await comes(world, end)

    orders = await world.billing.show_purchases.page(anna, limit=9)
    assert [one.purchase.amount for one in orders if one.purchase.is_pending] == [rub(299)]
    await world.deposits(anna, rub(1000))
    assert await world.cash(anna) == {"RUB": 70100}, "paid once, by what was agreed on first"


async def test_a_lower_price_is_charged_at_once(world: World) -> None:
    anna, end = await subscribes(world)
    await world.deposits(anna, rub(1000))
    await world.billing.change_subscription.renew_from(anna, FROM_WALLET)
    await comes(world, end - timedelta(days=2))
    await world.billing.apply_catalog(with_price(world.wanted(), rub(199)))
    await comes(world, end - timedelta(days=1))
    assert await world.cash(anna) == {"RUB": 80100}


async def test_whoever_does_not_renew_is_told_of_no_price(world: World) -> None:
    _, end = await subscribes(world)
    await world.billing.apply_catalog(with_price(world.wanted(), rub(399)))
    for days in (-9, -3, -1, 0):
        await comes(world, end + timedelta(days=days))
    assert NewsKind.PRICE_CHANGES not in kinds(world)


async def test_who_canceled_is_told_once(world: World) -> None:
    anna, end = await subscribes(world)
    await world.billing.change_subscription.renew_from(anna, FROM_WALLET)
    await world.billing.change_subscription.cancel(anna)

    for days in (-3, -1, 0):
        await comes(world, end + timedelta(days=days))

    assert kinds(world) == [*BOUGHT, NewsKind.ENDS_SOON, NewsKind.ENDED]


async def test_who_extends_in_time_is_reminded_of_the_new_end_alone(world: World) -> None:
    anna, end = await subscribes(world)
    await comes(world, end - timedelta(days=5))
    await world.pays_and_is_heard(await world.buys(anna))

    for days in (-3, -1, 0, 1):
        await comes(world, end + timedelta(days=days))

    assert kinds(world) == BOUGHT * 2
    await comes(world, end + timedelta(days=27))
    assert newest(world).kind is NewsKind.ENDS_SOON


async def test_whoever_got_the_money_back_hears_no_more_of_it(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)
    await world.refunds(started)
    await world.sweeps()

    for _ in range(35):
        await world.time_passes(days=1)

    assert kinds(world) == [*BOUGHT, NewsKind.REFUNDED]


async def test_a_shorter_end_is_reminded_of_in_time(world: World) -> None:
    anna, end = await subscribes(world)
    more = await world.buys(anna)
    await world.pays_and_is_heard(more)
    await world.refunds(more)
    await world.sweeps()

    await comes(world, end - timedelta(days=3))

    assert newest(world).kind is NewsKind.ENDS_SOON


async def test_who_is_called_back_has_had_the_grace_too(world: World) -> None:
    anna, end = await subscribes(world)
    await world.billing.change_subscription.renew_from(anna, FROM_WALLET)

    for days in range(-4, 7):
        await comes(world, end + timedelta(days=days))

    told = [(one.kind, (one.at - end).days) for one in world.notifier.told[1:]]
    assert told == [
        (NewsKind.RENEWS_SOON, -3),
        *((NewsKind.NOT_RENEWED, days) for days in (-1, 0, 1, 2)),
        (NewsKind.ENDED, 3),
        (NewsKind.COME_BACK, 4),
    ]


async def test_a_year_slept_through_is_one_line(world: World) -> None:
    _, end = await subscribes(world)
    await comes(world, end + timedelta(days=365))
    await world.time_passes(days=1)
    assert kinds(world) == [*BOUGHT, NewsKind.ENDED]


async def test_a_clock_that_goes_back_tells_nothing_twice(world: World) -> None:
    _, end = await subscribes(world)
    for days in (-3, -4, -3, -1, -3, -1):
        await comes(world, end + timedelta(days=days))
    assert kinds(world) == [*BOUGHT, NewsKind.ENDS_SOON, NewsKind.ENDS_SOON]


async def test_nobody_is_woken_up_save_by_money(world: World) -> None:
    world.clock.at = HALF_PAST_MIDNIGHT
    _, end = await subscribes(world)
    assert kinds(world) == BOUGHT

    await comes(world, end - timedelta(days=3))
    assert kinds(world) == BOUGHT
    await comes(world, end - timedelta(days=3) + timedelta(hours=8, minutes=30))
    assert kinds(world) == [*BOUGHT, NewsKind.ENDS_SOON]
    await comes(world, end)
    await comes(world, end + timedelta(hours=8, minutes=29))
    assert NewsKind.ENDED not in kinds(world)
    await world.time_passes(minutes=1)
    assert newest(world).kind is NewsKind.ENDED


async def test_what_is_not_true_any_more_in_the_morning_is_not_told(world: World) -> None:
    world.clock.at = HALF_PAST_MIDNIGHT
    anna, end = await subscribes(world)
    await comes(world, end - timedelta(days=3))
    await world.pays_and_is_heard(await world.buys(anna))

    await world.time_passes(hours=9)

    assert kinds(world) == BOUGHT * 2


async def test_the_businesses_own_hours_and_days_count(world: World) -> None:
    terms = ReminderTerms(days_before=(7,), days_after=(), quiet=NEVER_QUIET)
    wanted = world.wanted()
    chat = replace(wanted.chat, reminders=terms)
    await world.billing.apply_catalog(replace(wanted, chat=chat))
    world.clock.at = HALF_PAST_MIDNIGHT
    _, end = await subscribes(world)

    for days in (-7, -3, -1, 0, 1):
        await comes(world, end + timedelta(days=days))

    assert [(one.kind, (one.at - end).days) for one in world.notifier.told[1:]] == [
        (NewsKind.ENDS_SOON, -7),
        (NewsKind.ENDED, 0),
    ]


async def test_who_wants_fewer_hears_of_ends_and_of_money_alone(world: World) -> None:
    anna, end = await subscribes(world)
    [identity, *_] = (await world.me(anna)).standing.customer.identities
    await world.billing.register_customer(identity, fewer_reminders=True)

    for days in (-3, -1, 0, 1):
        await comes(world, end + timedelta(days=days))
    for n in range(3):
        await world.uses(anna, f"r{n}")
    await world.sweeps()

    assert kinds(world) == [*BOUGHT, NewsKind.ENDED]
    await world.billing.register_customer(identity, fewer_reminders=False)
    assert not (await world.me(anna)).standing.customer.fewer_reminders


async def test_who_is_not_served_is_not_asked_for_money(world: World) -> None:
    anna, end = await subscribes(world)
    await world.billing.block_customer(anna, deed=Deed("ann", "abuse"))
    for days in (-3, -1):
        await comes(world, end + timedelta(days=days))
    assert kinds(world) == BOUGHT


async def test_little_is_left_and_then_nothing(world: World) -> None:
    await world.billing.apply_catalog(with_limit(world.wanted(), 10))
    anna = await world.customer()

    told: list[list[NewsKind]] = []
    for n in range(12):
        await world.uses(anna, f"r{n}")
        await world.sweeps()
        told.append(kinds(world))

    assert told[6] == []
    assert told[7] == told[8] == [NewsKind.QUOTA_LOW]
    assert told[9] == told[11] == [NewsKind.QUOTA_LOW, NewsKind.QUOTA_USED_UP]
    assert newest(world).quota is not None


async def test_a_line_is_told_once_in_a_window_and_again_in_the_next(world: World) -> None:
    anna = await world.customer()
    for day in (1, 2):
        for n in range(3):
            held = await world.holds(anna, f"{day} hold {n}", 3)
            assert held.hold is not None
            await world.sweeps()
            await world.billing.release_hold(held.hold.id)
        assert kinds(world) == [NewsKind.QUOTA_USED_UP] * day
        await world.time_passes(days=1)


async def test_many_asks_at_once_reach_a_line_once(world: World) -> None:
    await world.billing.apply_catalog(with_limit(world.wanted(), 50))
    anna = await world.customer()

    await asyncio.gather(*(again(lambda n=n: world.uses(anna, f"r{n}")) for n in range(60)))

    async with world.store.read() as view:
        history = [one.name for one in await view.history(anna)]
    assert history.count("quota.used_up") == 1
    assert history.count("quota.low") <= 1
    await world.sweeps()
    assert kinds(world) == [NewsKind.QUOTA_USED_UP]


async def test_what_is_used_up_in_the_night_is_no_news_after_midnight(world: World) -> None:
    world.clock.at = datetime(2026, 3, 10, 20, tzinfo=UTC)
    anna = await world.customer()
    await world.uses(anna, "all", 3)
    await world.sweeps()

    await world.time_passes(hours=11)

    assert kinds(world) == []


@pytest.mark.parametrize("change", ["bought", "not counted any more"])
async def test_a_line_is_not_told_of_a_quota_that_is_another_now(world: World, change: str) -> None:
    world.clock.at = datetime(2026, 3, 10, 3, tzinfo=UTC)
    anna = await world.customer()
    await world.uses(anna, "all", 3)
    await world.sweeps()
    if change == "bought":
        await world.pays_and_is_heard(await world.buys(anna))
    else:
        wanted = world.wanted()
        plans = [replace(one, quotas={Feature("video"): THREE_A_DAY}) for one in wanted.plans]
        await world.billing.apply_catalog(replace(wanted, plans=tuple(plans)))

    await world.time_passes(hours=5)

    assert NewsKind.QUOTA_USED_UP not in kinds(world)


async def test_the_end_of_a_trial_is_told_as_that_of_any_other_period(world: World) -> None:
    wanted = world.wanted()
    week = Period(7, PeriodUnit.DAY)
    plans = [replace(one, trial=week) if one.prices else one for one in wanted.plans]
    await world.billing.apply_catalog(replace(wanted, plans=(*plans[:2],)))
    anna = await world.customer()
    await world.billing.start_trial(anna)
    await world.sweeps()

    for _ in range(9):
        await world.time_passes(days=1)

    assert [(one.kind, (one.at - NOON).days) for one in world.notifier.told] == [
        (NewsKind.ENDS_SOON, 4),
        (NewsKind.ENDS_SOON, 6),
        (NewsKind.ENDED, 7),
        (NewsKind.COME_BACK, 8),
    ]


async def test_history_says_what_was_found_due(world: World) -> None:
    anna, end = await subscribes(world)
    await comes(world, end - timedelta(days=3))
    async with world.store.read() as view:
        [due] = [one for one in await view.history(anna) if one.name == "reminder.due"]
    assert due.facts == {
        "kind": "ends_soon",
        "plan": PlanCode("PRO_MONTHLY"),
        "until": end.isoformat(),
        "days": -3,
    }
