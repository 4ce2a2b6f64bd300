"""Access outside: made equal to what is due, whatever the panel does and whoever comes late."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from adapters.provisioning.memory import MemoryProvisioner
from core.domain.access import NO_ACCESS, Access
from core.domain.audit import Deed
from core.domain.customer import Customer, CustomerId
from core.domain.period import Period, PeriodUnit
from core.domain.plan import PlanTerms
from core.domain.renewal import FROM_WALLET
from core.domain.subscription import Activation
from core.ports.access_provisioner import Applied
from core.ports.notifier import News, NewsKind
from core.use_cases.access import MakeAccess
from tests.builders import rub
from tests.world import World

GRANTS = {"PRO_MONTHLY": ("vpn",), "PRO_YEARLY": ("vpn", "fast")}
ANN = Deed("ann", "the panel is up again")


@pytest.fixture
async def shop(world: World) -> World:
    """The fitness app, whose plans let into a panel."""

    def granting(terms: PlanTerms) -> PlanTerms:
        trial = Period(3, PeriodUnit.DAY) if terms.code == "PRO_MONTHLY" else None
        return replace(terms, grants=GRANTS.get(terms.code, ()), trial=trial)

    wanted = world.wanted()
    await world.billing.apply_catalog(
        replace(wanted, plans=tuple(granting(terms) for terms in wanted.plans))
    )
    return world


async def end_of(world: World, who: CustomerId) -> datetime:
    period = (await world.me(who)).standing.subscription.period
    assert period is not None
    return period.end


async def activation(world: World, who: CustomerId) -> Activation:
    account = await world.me(who)
    return account.standing.subscription.at(account.at).activation


async def comes(world: World, moment: datetime, **after: int) -> None:
    left = moment + timedelta(**after) - world.clock()
    await world.time_passes(seconds=left // timedelta(seconds=1) + 1)


async def pays(world: World, who: CustomerId, plan: str = "PRO_MONTHLY") -> None:
    await world.pays_and_is_heard(await world.buys(who, plan))


def told(world: World) -> list[News]:
    about = {NewsKind.ACCESS_DELAYED, NewsKind.ACCESS_GIVEN}
    return [one for one in world.notifier.told if one.kind in about]


async def test_a_purchase_gives_access_until_the_end_of_what_was_paid(shop: World) -> None:
    anna = await shop.customer()

    await pays(shop, anna)

    assert shop.panel.given[anna] == Access(("vpn",), await end_of(shop, anna))
    assert await activation(shop, anna) is Activation.ACTIVE
    [news] = told(shop)
    assert (news.kind, news.link) == (NewsKind.ACCESS_GIVEN, f"https://panel.example.com/{anna}")


async def test_a_trial_gives_access_for_as_long_as_it_lasts(shop: World) -> None:
    anna = await shop.customer()
    await shop.billing.start_trial(anna)
    await shop.pump.drain()
    assert shop.panel.given[anna] == Access(("vpn",), await end_of(shop, anna))

    await comes(shop, await end_of(shop, anna))

    assert anna not in shop.panel.given


async def test_nobody_is_told_the_same_link_again_when_it_is_prolonged(shop: World) -> None:
    anna = await shop.customer()
    await pays(shop, anna)

    await pays(shop, anna)

    assert shop.panel.given[anna] == Access(("vpn",), await end_of(shop, anna))
    assert len(told(shop)) == 1


async def test_another_plan_brings_its_own_grants(shop: World) -> None:
    anna = await shop.customer()
    await pays(shop, anna)

    await pays(shop, anna, "PRO_YEARLY")

    assert shop.panel.given[anna] == Access(("vpn", "fast"), await end_of(shop, anna))


async def test_where_a_plan_grants_nothing_no_panel_is_called(world: World) -> None:
    anna = await world.customer()
    await pays(world, anna)
    await comes(world, await end_of(world, anna))

    assert not world.panel.orders
    assert await activation(world, anna) is Activation.NONE


async def test_a_panel_that_is_down_holds_up_no_purchase_and_is_waited_for(shop: World) -> None:
    anna = await shop.customer()
    shop.panel.down(3)

    await pays(shop, anna)

    assert await shop.plan(anna) == "PRO_MONTHLY"
    assert await activation(shop, anna) is Activation.PENDING
    assert [news.kind for news in told(shop)] == [NewsKind.ACCESS_DELAYED]
    for _ in range(3):
        await shop.time_passes(seconds=30)
    assert shop.panel.given[anna].grants == ("vpn",)
    assert await activation(shop, anna) is Activation.ACTIVE
    assert [news.kind for news in told(shop)] == [NewsKind.ACCESS_DELAYED, NewsKind.ACCESS_GIVEN]
    assert shop.panel.orders[anna] == 4


async def test_the_panel_is_asked_less_and_less_and_never_given_up(shop: World) -> None:
    anna = await shop.customer()
    shop.panel.down(10_000)
    await pays(shop, anna)

    for _ in range(100):
        await shop.time_passes(minutes=1)
    assert 20 < shop.panel.orders[anna] < 32
    shop.panel.down(0)
    await shop.time_passes(minutes=5)

    assert shop.panel.given[anna].grants == ("vpn",)


async def test_a_person_is_told_after_a_quarter_of_an_hour_once_and_the_case_closes(
    shop: World,
) -> None:
    anna = await shop.customer()
    shop.panel.down(10_000)
    await pays(shop, anna)
    for _ in range(13):
        await shop.time_passes(minutes=1)
    assert await shop.cases() == []
    for _ in range(20):
        await shop.time_passes(minutes=1)
    assert await shop.cases() == ["poison"]

    shop.panel.down(0)
    await shop.billing.retry_access(anna, deed=ANN)
    await shop.pump.drain()

    assert await shop.cases() == []
    assert await activation(shop, anna) is Activation.ACTIVE


async def test_a_refusal_is_a_case_at_once_and_mended_by_an_operator(shop: World) -> None:
    anna = await shop.customer()
    shop.panel.refuse()

    await pays(shop, anna)

    assert await activation(shop, anna) is Activation.FAILED
    assert await shop.cases() == ["poison"]
    await shop.billing.retry_access(anna, deed=ANN)
    await shop.pump.drain()
    assert await activation(shop, anna) is Activation.ACTIVE
    assert await shop.cases() == []
    async with shop.store.read() as view:
        [(_, line, _)] = await view.audit_trail(limit=10)
    assert (line.action, line.subject, line.reason) == ("access.retry", anna, ANN.reason)


async def test_an_answer_that_was_lost_is_ordered_again_and_told_once(shop: World) -> None:
    anna = await shop.customer()
    shop.panel.act_then_fail(2)
    await pays(shop, anna)
    await shop.time_passes(minutes=1)
    await shop.time_passes(minutes=1)

    assert await activation(shop, anna) is Activation.ACTIVE
    kinds = [news.kind for news in told(shop)]
    assert kinds == [NewsKind.ACCESS_DELAYED, NewsKind.ACCESS_GIVEN]


async def test_it_is_revoked_within_a_minute_of_the_end(shop: World) -> None:
    anna = await shop.customer()
    await pays(shop, anna)
    end = await end_of(shop, anna)
    await comes(shop, end, minutes=-1)
    assert anna in shop.panel.given

    await comes(shop, end)

    assert anna not in shop.panel.given
    assert await activation(shop, anna) is Activation.NONE


async def test_a_revoke_that_fails_is_tried_until_it_is_done(shop: World) -> None:
    anna = await shop.customer()
    await pays(shop, anna)
    shop.panel.down(2)

    await comes(shop, await end_of(shop, anna))
    assert anna in shop.panel.given
    await shop.time_passes(minutes=1)
    await shop.time_passes(minutes=1)

    assert anna not in shop.panel.given
    assert len(told(shop)) == 1


async def test_a_subscription_that_renews_keeps_its_access_for_the_grace(shop: World) -> None:
    anna = await shop.customer()
    await pays(shop, anna)
    end = await end_of(shop, anna)

    await shop.billing.change_subscription.renew_from(anna, FROM_WALLET)
    await shop.pump.drain()
    assert shop.panel.given[anna].until == end + timedelta(hours=72)
    for hours in (0, 71):
        await comes(shop, end, hours=hours)
        assert anna in shop.panel.given
    await comes(shop, end, hours=72)

    assert anna not in shop.panel.given


async def test_who_cancels_loses_the_grace_and_nothing_else(shop: World) -> None:
    anna = await shop.customer()
    await pays(shop, anna)
    await shop.billing.change_subscription.renew_from(anna, FROM_WALLET)
    await shop.billing.change_subscription.cancel(anna)
    await shop.pump.drain()

    assert shop.panel.given[anna].until == await end_of(shop, anna)


async def test_what_is_refunded_is_revoked(shop: World) -> None:
    anna = await shop.customer()
    started = await shop.buys(anna)
    await shop.pays_and_is_heard(started)

    await shop.refunds(started)
    await shop.sweeps()

    assert anna not in shop.panel.given


async def test_a_revoke_that_waits_does_not_take_what_was_bought_again(shop: World) -> None:
    anna = await shop.customer()
    await pays(shop, anna)
    shop.panel.down(1)
    await comes(shop, await end_of(shop, anna))

    await pays(shop, anna)
    await shop.time_passes(minutes=5)

    assert shop.panel.given[anna] == Access(("vpn",), await end_of(shop, anna))


async def test_a_grant_that_waits_is_not_given_after_the_end(shop: World) -> None:
    anna = await shop.customer()
    shop.panel.down(10_000)
    await pays(shop, anna)
    end = await end_of(shop, anna)
    shop.clock.at = end
    shop.panel.down(0)

    await shop.sweeps()

    assert anna not in shop.panel.given
    assert [news.kind for news in told(shop)] == [NewsKind.ACCESS_DELAYED]


class Held(MemoryProvisioner):
    """Orders arrive when they are let go, in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[tuple[Access, asyncio.Event]] = []

    async def apply(self, customer: Customer, due: Access, *, revision: int) -> Applied:
        gate = asyncio.Event()
        self.waiting.append((due, gate))
        await gate.wait()
        return await super().apply(customer, due, revision=revision)

    async def ordered(self, count: int) -> None:
        while len(self.waiting) < count:
            await asyncio.sleep(0)


async def test_an_order_that_arrives_last_though_it_is_older_is_put_right(shop: World) -> None:
    anna = await shop.customer()
    started = await shop.buys(anna)
    await shop.pays_and_is_heard(started)
    panel = Held()
    make = MakeAccess(shop.store, panel, shop.clock)
    async with asyncio.TaskGroup() as workers:
        workers.create_task(make(anna))
        await panel.ordered(1)
        await shop.refunds(started)
        await shop.sweeps()
        orders = shop.panel.orders[anna]
        panel.waiting[0][1].set()

    assert panel.given[anna].grants == ("vpn",)
    await shop.sweeps()
    assert shop.panel.orders[anna] == orders + 1
    assert anna not in shop.panel.given
    assert await activation(shop, anna) is Activation.NONE


async def test_several_workers_at_once_tell_one_link(shop: World) -> None:
    anna = await shop.customer()
    shop.panel.down(1)
    await pays(shop, anna)

    await asyncio.gather(*(shop.billing.make_access(anna) for _ in range(5)))
    await shop.pump.drain()

    kinds = [news.kind for news in told(shop)]
    assert kinds.count(NewsKind.ACCESS_GIVEN) == 1
    assert await activation(shop, anna) is Activation.ACTIVE
    async with shop.store.read() as view:
        state = await view.access.find(anna)
    assert state is not None
    assert (state.due_at, state.tries) == (None, 0)


async def test_a_try_that_nobody_ended_is_made_again(shop: World) -> None:
    anna = await shop.customer()
    panel = Held()
    shop.panel.down(1)
    await pays(shop, anna)
    dying = asyncio.create_task(MakeAccess(shop.store, panel, shop.clock)(anna))
    await panel.ordered(1)
    dying.cancel()

    await shop.time_passes(minutes=2)

    assert shop.panel.given[anna].grants == ("vpn",)


async def test_the_wallet_that_renews_it_prolongs_it_outside(shop: World) -> None:
    anna = await shop.customer()
    await pays(shop, anna)
    await shop.billing.change_subscription.renew_from(anna, FROM_WALLET)
    await shop.deposits(anna, rub(500))
    before = await end_of(shop, anna)

    await comes(shop, before, hours=-24)

    end = await end_of(shop, anna)
    assert end > before
    assert shop.panel.given[anna].until == end + timedelta(hours=72)
    assert shop.panel.given[anna] != NO_ACCESS
