"""Referrals: who brought whom once and for ever, and rewards exact to the kopeck."""

import asyncio
from contextvars import Context
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.persistence.memory import MemoryStore
from adapters.persistence.sql.books import check_books
from adapters.persistence.sql.store import SqlStore
from core.domain import ledger
from core.domain.audit import Deed
from core.domain.customer import CustomerId, identity
from core.domain.money import Money
from core.domain.money_terms import Brake, NotOffered, WithdrawalTerms
from core.domain.referral_program import (
    Door,
    Invitation,
    NoReward,
    OwnReferralCode,
    Referral,
    ReferralCodeNotFound,
    ReferralStatus,
    ReferralTerms,
    ReferredAlready,
    ReferrerNotOlder,
    Reward,
    RewardLevel,
    RewardStatus,
    TooLateToJoin,
    code_of,
)
from core.ports.notifier import NewsKind
from core.ports.unit_of_work import SavedMeanwhile
from core.use_cases.buying import WALLET
from core.use_cases.checkouts import Started
from core.use_cases.consequences import consequences
from core.use_cases.settling import Settlement
from tests.builders import rub
from tests.world import RETURN, World

PRICE = rub(299)
TERMS = ReferralTerms(
    levels=(RewardLevel(1, 1000), RewardLevel(2, 2500), RewardLevel(3, 4500)),
    least=(rub(50),),
    most_a_day=(rub(1000),),
)


async def offers(world: World, terms: ReferralTerms = TERMS, **money: object) -> None:
    wanted = world.wanted()
    wanted = replace(wanted, money=replace(wanted.money, referral=terms, **money))
    await world.billing.apply_catalog(wanted)


@pytest.fixture
async def shop(world: World) -> World:
    await offers(world)
    return world


async def comes(world: World, ref: str, by: CustomerId | None = None) -> CustomerId:
    """A customer's first contact, a second after the last one's; `by` whose link."""
    world.clock.advance(seconds=1)
    invitation = None if by is None else Invitation(f"r_{code_of(by)}", Door.BOT)
    customer = await world.billing.register_customer(
        identity(ref), language="ru", invitation=invitation
    )
    return customer.id


async def pair(world: World) -> tuple[CustomerId, CustomerId]:
    """Anna, and Boris whom she brought."""
    anna = await comes(world, "telegram:1")
    return anna, await comes(world, "telegram:2", by=anna)


async def buys(world: World, who: CustomerId, plan: str = "PRO_MONTHLY") -> Started:
    started = await world.buys(who, plan)
    await world.pays_and_is_heard(started)
    return started


async def referral_of(world: World, who: CustomerId) -> Referral | None:
    async with world.store.read() as view:
        return await view.referrals.find(who)


async def reward_for(world: World, started: Started) -> Reward | None:
    async with world.store.read() as view:
        return await view.rewards.find(started.purchase.id)


async def waits(world: World, who: CustomerId) -> int:
    return await world.books(ledger.hold(who))


async def bonus(world: World, who: CustomerId) -> int:
    return await world.books(ledger.bonus(who))


async def books_hold(world: World) -> None:
    if isinstance(world.store, SqlStore):
        assert await check_books(world.store) == []


async def test_a_reward_waits_two_weeks_and_then_lies_in_the_wallet(shop: World) -> None:
    anna, boris = await pair(shop)

    await buys(shop, boris)

    assert (await waits(shop, anna), await bonus(shop, anna)) == (2990, 0)
    await shop.time_passes(days=13)
    assert (await waits(shop, anna), await bonus(shop, anna)) == (2990, 0)
    await shop.time_passes(days=1)
    assert (await waits(shop, anna), await bonus(shop, anna)) == (0, 2990)
    assert await shop.cash(anna) == {}
    await shop.time_passes(days=60)
    assert await bonus(shop, anna) == 2990
    kinds = [news.kind for news in shop.notifier.told if news.standing.customer.id == anna]
    assert kinds == [NewsKind.REWARD_BOOKED, NewsKind.REWARD_EARNED]
    await books_hold(shop)


async def test_the_way_of_a_referral_is_written_down(shop: World) -> None:
    anna, boris = await pair(shop)
    assert await referral_of(shop, boris) == Referral(boris, anna, Door.BOT, shop.clock())

    await buys(shop, boris)

    referral = await referral_of(shop, boris)
    assert referral is not None
    assert referral.status is ReferralStatus.EARNING
    async with shop.store.read() as view:
        names = [event.name for event in await view.history(boris)]
    assert [name for name in names if name.startswith("referral.")] == [
        "referral.registered",
        "referral.activated",
        "referral.earning",
    ]


async def test_levels_count_those_who_paid_this_one_too(shop: World) -> None:
    anna = await comes(shop, "telegram:1")
    friends = [await comes(shop, f"telegram:{n}", by=anna) for n in (2, 3, 4, 5)]

    first, second, third = [await buys(shop, friend) for friend in friends[:3]]
    again = await buys(shop, friends[0])

    rewards = [await reward_for(shop, one) for one in (first, second, third, again)]
    told = [(one.count, one.basis_points, one.amount.amount_minor) for one in rewards if one]
    assert told == [(1, 1000, 2990), (2, 2500, 7475), (3, 4500, 13455), (3, 4500, 13455)]
    page = await shop.billing.show_referrals(anna)
    assert (page.figures.came, page.figures.activated, page.figures.paying) == (4, 3, 3)
    assert page.figures.waiting == (Money.of(2990 + 7475 + 13455 + 13455, "RUB"),)
    assert (page.percent, page.code) == ("45", code_of(anna))
    await books_hold(shop)


@pytest.mark.parametrize(("minor", "reward"), [(10_001, 1000), (10_009, 1000), (10_010, 1001)])
async def test_a_reward_is_never_more_than_its_percentage(
    shop: World, minor: int, reward: int
) -> None:
    anna, boris = await pair(shop)

    await shop.deposits(boris, Money.of(minor, "RUB"))

    assert await waits(shop, anna) == reward


async def test_a_deposit_earns_and_what_is_bought_from_it_does_not(shop: World) -> None:
    anna, boris = await pair(shop)

    await shop.deposits(boris, PRICE)
    await shop.billing.start_purchase(
        boris, "PRO_MONTHLY", gateway=WALLET, return_url=RETURN, cause=shop.cause()
    )
    await shop.sweeps()

    assert await shop.plan(boris) == "PRO_MONTHLY"
    assert await waits(shop, anna) == 2990


async def test_a_deposit_that_can_be_withdrawn_earns_nothing(shop: World) -> None:
    brake = Brake(rub(100), rub(100), rub(100))
    await offers(shop, withdrawal=WithdrawalTerms((), (brake,)))
    anna, boris = await pair(shop)

    await shop.deposits(boris, PRICE)

    assert await waits(shop, anna) == 0
    await buys(shop, boris)
    assert await waits(shop, anna) == 2990


@pytest.mark.parametrize("can_be_withdrawn", [True, False])
async def test_the_rest_of_a_former_plan_earns_nothing_where_it_can_be_withdrawn(
    shop: World, can_be_withdrawn: bool
) -> None:
    brake = Brake(rub(100), rub(100), rub(100))
    terms = WithdrawalTerms((), (brake,)) if can_be_withdrawn else WithdrawalTerms()
    await offers(shop, withdrawal=terms)
    anna, boris = await pair(shop)
    former = [await buys(shop, boris, "PRO_YEARLY") for _ in range(2)]
    await shop.time_passes(days=400)

    await buys(shop, boris)
    await shop.sweeps()

    [back] = (await shop.cash(boris)).values()
    assert 0 < back < 299000, "of the second year"
    left = [reward.left.amount_minor for one in former if (reward := await reward_for(shop, one))]
    assert left == [29900, (299000 - back) // 10 if can_be_withdrawn else 29900]
    assert await bonus(shop, anna) == sum(left), "which had ripened long ago"
    await books_hold(shop)


async def test_what_is_refunded_while_it_waits_never_arrives(shop: World) -> None:
    anna, boris = await pair(shop)
    started = await buys(shop, boris)

    await shop.refunds(started, Money.of(10_000, "RUB"))
    await shop.sweeps()
    assert await waits(shop, anna) == 1990
    await shop.refunds(started)
    await shop.sweeps()

    assert await waits(shop, anna) == 0
    await shop.time_passes(days=20)
    assert await bonus(shop, anna) == 0
    reward = await reward_for(shop, started)
    assert reward is not None
    assert reward.status is RewardStatus.TAKEN_BACK
    assert (await shop.billing.show_referrals(anna)).figures.paying == 0
    await books_hold(shop)


async def test_what_was_spent_and_is_refunded_is_owed(shop: World) -> None:
    anna, boris = await pair(shop)
    started = await buys(shop, boris)
    await shop.time_passes(days=15)
    deed = Deed("ann", "spent elsewhere")
    await shop.billing.adjust_wallet(
        anna, Money.of(-2000, "RUB"), account="bonus", deed=deed, cause=shop.cause()
    )

    await shop.refunds(started)
    await shop.sweeps()

    assert await bonus(shop, anna) == 0
    assert await shop.books(ledger.receivable(anna)) == 2000
    assert await shop.books(ledger.REWARDS) == 0
    await books_hold(shop)


async def test_the_day_of_a_referrer_has_a_limit(shop: World) -> None:
    anna, boris = await pair(shop)

    await shop.deposits(boris, rub(9_000))
    second = await shop.starts_deposit(boris, rub(2_000))
    await shop.pays_and_is_heard(second)
    third = await shop.starts_deposit(boris, rub(3_000))
    await shop.pays_and_is_heard(third)

    assert await waits(shop, anna) == 1000_00
    cut, none = await reward_for(shop, second), await reward_for(shop, third)
    assert cut is not None
    assert none is not None
    assert (cut.amount, none.why) == (rub(100), NoReward.DAY_IS_FULL)
    await shop.time_passes(days=1)
    await shop.deposits(boris, rub(1_000))
    assert await waits(shop, anna) == 1100_00
    await books_hold(shop)


async def test_what_is_too_little_earns_nothing_and_counts_for_nothing(shop: World) -> None:
    anna, boris = await pair(shop)

    started = await shop.deposits(boris, Money.of(49_99, "RUB"))

    reward = await reward_for(shop, started)
    assert reward is not None
    assert (reward.status, reward.why) == (RewardStatus.NONE, NoReward.TOO_LITTLE)
    assert (await shop.billing.show_referrals(anna)).figures.paying == 0
    assert await waits(shop, anna) == 0


async def test_a_blocked_referrer_earns_nothing_new_and_waits_for_the_rest(shop: World) -> None:
    anna, boris = await pair(shop)
    await buys(shop, boris)
    await shop.billing.block_customer(anna, deed=Deed("ann", "made up friends"))

    await shop.time_passes(days=20)
    refused = await buys(shop, boris)

    reward = await reward_for(shop, refused)
    assert reward is not None
    assert reward.why is NoReward.BLOCKED
    assert (await waits(shop, anna), await bonus(shop, anna)) == (2990, 0)
    await shop.billing.unblock_customer(anna, deed=Deed("ann", "they are real"))
    await shop.time_passes(days=1)
    assert (await waits(shop, anna), await bonus(shop, anna)) == (0, 2990)


async def test_a_reward_may_be_paid_in_cash(shop: World) -> None:
    await offers(shop, replace(TERMS, in_cash=True, hold=timedelta()))
    anna, boris = await pair(shop)

    started = await buys(shop, boris)
    await shop.sweeps()

    assert await shop.cash(anna) == {"RUB": 2990}
    await shop.refunds(started)
    await shop.sweeps()
    assert await shop.cash(anna) == {}
    await books_hold(shop)


async def test_a_reward_is_decided_once_however_often_it_is_looked_at(shop: World) -> None:
    anna, boris = await pair(shop)
    started = await buys(shop, boris)

    jobs = [shop.billing.tend_reward(started.purchase.id) for _ in range(10)]
    await asyncio.gather(*jobs, return_exceptions=True)
    await shop.billing.tend_reward(started.purchase.id)

    assert await waits(shop, anna) == 2990


async def test_two_buyers_at_once_are_two_levels(shop: World) -> None:
    anna = await comes(shop, "telegram:1")
    friends = [await comes(shop, f"telegram:{n}", by=anna) for n in (2, 3, 4)]
    started = [await shop.buys(friend) for friend in friends]
    for one in started:
        await shop.settles(shop.pays(one))

    await asyncio.gather(*(shop.billing.tend_reward(one.purchase.id) for one in started))

    assert await waits(shop, anna) == 2990 + 7475 + 13455


async def test_a_reward_never_stops_what_was_paid() -> None:
    """The referrer's row is held by somebody else all the while."""
    shop = await World(MemoryStore(consequences)).opens()
    await offers(shop)
    anna, boris = await pair(shop)
    started = await shop.buys(boris)
    busy = shop.store.write()

    async with busy as uow:
        await uow.customers.lock(anna)
        paid = asyncio.create_task(shop.settles(shop.pays(started)), context=Context())
        assert await paid is Settlement.SETTLED
        assert await shop.plan(boris) == "PRO_MONTHLY"

    await shop.sweeps()
    assert await waits(shop, anna) == 2990


async def test_the_first_code_counts_and_no_other(shop: World) -> None:
    anna, boris = await pair(shop)
    olga = await comes(shop, "telegram:3")

    known = await referral_of(shop, boris)
    again = await shop.billing.join_referral(boris, Invitation(code_of(anna), Door.API))
    with pytest.raises(ReferredAlready):
        await shop.billing.join_referral(boris, Invitation(code_of(olga), Door.API))

    assert again == known
    assert (await referral_of(shop, boris)) == known


async def test_two_codes_at_once_leave_one(shop: World) -> None:
    referrers = [await comes(shop, f"telegram:{n}") for n in range(1, 6)]
    boris = await comes(shop, "telegram:9")

    answers = await asyncio.gather(
        *(
            shop.billing.join_referral(boris, Invitation(code_of(one), Door.API))
            for one in referrers
        ),
        return_exceptions=True,
    )

    joined = [one for one in answers if isinstance(one, Referral)]
    assert len(joined) == 1
    assert all(isinstance(one, Referral | ReferredAlready | SavedMeanwhile) for one in answers)
    assert await referral_of(shop, boris) == joined[0]


async def test_first_contacts_at_once_leave_one_customer_and_one_referrer(shop: World) -> None:
    anna, olga = await comes(shop, "telegram:1"), await comes(shop, "telegram:2")

    came = await asyncio.gather(
        *(
            shop.billing.register_customer(
                identity("telegram:9"),
                language="ru",
                invitation=Invitation(code_of(one), Door.MINI_APP),
            )
            for one in (anna, olga, anna, olga)
        )
    )

    assert len({one.id for one in came}) == 1
    referral = await referral_of(shop, came[0].id)
    assert referral is not None
    assert referral.referrer_id in {anna, olga}


async def test_nobody_is_brought_by_oneself_or_by_whom_one_brought(shop: World) -> None:
    anna, boris = await pair(shop)

    with pytest.raises(OwnReferralCode):
        await shop.billing.join_referral(anna, Invitation(f"r_{code_of(anna)}", Door.API))
    with pytest.raises(ReferrerNotOlder):
        await shop.billing.join_referral(anna, Invitation(code_of(boris), Door.API))

    assert await referral_of(shop, anna) is None


async def test_of_two_of_one_moment_one_can_bring_the_other(shop: World) -> None:
    anna, boris = await shop.customer("telegram:1"), await shop.customer("telegram:2")

    answers = await asyncio.gather(
        shop.billing.join_referral(anna, Invitation(code_of(boris), Door.API)),
        shop.billing.join_referral(boris, Invitation(code_of(anna), Door.API)),
        return_exceptions=True,
    )

    assert [type(one) for one in answers] == [ReferrerNotOlder, Referral]


@pytest.mark.parametrize(
    "code", ["", "r_", "cus", "ÄÖÜäöüäöü", "'; DROP", "x" * 41, "nobody123456"]
)
async def test_a_code_that_is_nobodys_is_told_and_stops_nobody(shop: World, code: str) -> None:
    customer = await shop.billing.register_customer(
        identity("telegram:7"), language="ru", invitation=Invitation(code, Door.BOT)
    )

    assert await referral_of(shop, customer.id) is None
    with pytest.raises(ReferralCodeNotFound):
        await shop.billing.join_referral(customer.id, Invitation(code, Door.API))


async def test_a_clock_that_went_back_keeps_nobody_from_coming(shop: World) -> None:
    """The referrer was registered by a process whose clock is ahead, or before it was set right."""
    anna = await comes(shop, "telegram:1")
    shop.clock.advance(minutes=-5)

    boris = await comes(shop, "telegram:2", by=anna)

    assert await referral_of(shop, boris) is None
    assert await shop.plan(boris) == "FREE"


async def test_a_code_counts_for_a_day_and_before_the_first_purchase(shop: World) -> None:
    anna, boris = await comes(shop, "telegram:1"), await comes(shop, "telegram:2")
    olga, ivan = await comes(shop, "telegram:3"), await comes(shop, "telegram:4")
    await buys(shop, olga)

    with pytest.raises(TooLateToJoin):
        await shop.billing.join_referral(olga, Invitation(code_of(anna), Door.API))
    await shop.billing.join_referral(boris, Invitation(code_of(anna), Door.API))
    shop.clock.advance(hours=25)
    with pytest.raises(TooLateToJoin):
        await shop.billing.join_referral(ivan, Invitation(code_of(anna), Door.API))


async def test_an_operator_may_attach_late_and_the_past_earns_nothing(shop: World) -> None:
    anna, boris = await comes(shop, "telegram:1"), await comes(shop, "telegram:2")
    before = await buys(shop, boris)
    shop.clock.advance(days=3)

    deed = Deed("ann", "came by her link, says the screenshot")
    await shop.billing.join_referral(boris, Invitation(code_of(anna), Door.OPERATOR), deed=deed)
    await shop.refunds(before, Money.of(100, "RUB"))
    await shop.sweeps()

    assert await waits(shop, anna) == 0
    assert await reward_for(shop, before) is None
    await buys(shop, boris)
    assert await waits(shop, anna) == 2990
    trail = await shop.billing.show_audit(limit=10)
    assert [(line.action, line.subject) for _, line, _ in trail][:1] == [("referral.attach", boris)]


async def test_without_a_programme_nothing_is_kept_of_codes(shop: World) -> None:
    await offers(shop, ReferralTerms())
    anna, boris = await pair(shop)

    assert await referral_of(shop, boris) is None
    with pytest.raises(NotOffered):
        await shop.billing.join_referral(boris, Invitation(code_of(anna), Door.API))
    with pytest.raises(NotOffered):
        await shop.billing.show_referrals(anna)
