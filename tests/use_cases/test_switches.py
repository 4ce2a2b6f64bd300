"""Each switch: off refuses or waits, what is under way ends well, on again it goes on."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.gateways.memory import MemoryGateway
from adapters.persistence.memory import MemoryStore
from core.domain import ledger
from core.domain.access import Access
from core.domain.audit import Deed
from core.domain.checkout import CheckoutStatus
from core.domain.customer import CustomerId, identity
from core.domain.period import Period, PeriodUnit
from core.domain.plan import GatewayName, NoWayToPay
from core.domain.purchase import PurchaseStatus
from core.domain.referral_program import Door, Invitation, ReferralTerms, RewardLevel, code_of
from core.domain.renewal import FROM_WALLET, Renewal, RenewalTerms
from core.domain.subscription import Subscription, SubscriptionStatus
from core.domain.withdrawal import WithdrawalStatus
from core.ports.payment_gateway import GatewayNotFound, GatewayUnavailable
from core.use_cases.buying import WALLET, SalesPaused
from core.use_cases.checkouts import Started, Terms
from core.use_cases.consequences import consequences
from core.use_cases.switches import SwitchNotFound
from core.use_cases.trials import TrialNotOffered
from tests.builders import NOON, Clock, rub
from tests.escrows import Trade
from tests.market import held, opens_market, proves, status, withdraws
from tests.world import RETURN, World

OLGA = Deed("olga", "it misbehaves")
FIRST, LAST = "gateway:paymongo", "gateway:yookassa"


class Shop(World):
    """Two gateways, the first of them `first`, and an operator at the switches."""

    def __init__(self) -> None:
        clock = Clock()
        self.first = MemoryGateway("paymongo", now=clock)
        super().__init__(MemoryStore(consequences), more_gateways=[self.first], clock=clock)

    async def turns(self, name: str, *, on: bool) -> None:
        await self.billing.turn_switch(name, is_on=on, deed=OLGA)

    async def now(self, who: CustomerId) -> Subscription:
        return (await self.me(who)).standing.subscription.at(self.clock())


@pytest.fixture
async def shop() -> Shop:
    shop = Shop()
    await opens_market(shop)
    return shop


@pytest.fixture
async def lone() -> Shop:
    """`yookassa` alone takes money."""
    shop = Shop()
    await opens_market(shop)
    await shop.turns(FIRST, on=False)
    return shop


def gateway_of(started: Started) -> str:
    assert started.checkout is not None
    return started.checkout.gateway


async def test_all_are_on_until_turned_and_each_turn_leaves_a_line(shop: Shop) -> None:
    names = ["sales", "trials", "rewards", "payouts", "renewals", "broadcasts", FIRST, LAST]
    assert [(one.name, one.is_on) for one in await shop.billing.list_switches()] == [
        (name, True) for name in names
    ]

    await shop.turns("sales", on=False)
    await shop.turns(LAST, on=False)
    await shop.turns(LAST, on=True)

    switches = {one.name: one for one in await shop.billing.list_switches()}
    assert [name for name, one in switches.items() if not one.is_on] == ["sales"]
    assert (switches["sales"].by, switches["sales"].changed_at) == ("olga", shop.clock())
    lines = [line for _, line, _ in await shop.billing.show_audit(limit=9)]
    assert [(line.action, line.subject, line.reason) for line in lines] == [
        ("switch.off", "sales", OLGA.reason),
        ("switch.off", LAST, OLGA.reason),
        ("switch.on", LAST, OLGA.reason),
    ]


@pytest.mark.parametrize("name", ["", "sale", "gateway:", "gateway:xendit", "yookassa"])
async def test_what_is_no_switch_is_not_turned(shop: Shop, name: str) -> None:
    with pytest.raises(SwitchNotFound):
        await shop.turns(name, on=False)


async def test_a_gateway_that_is_off_opens_nothing_new_and_the_next_is_asked(shop: Shop) -> None:
    anna = await shop.customer()
    before = await shop.starts_deposit(anna, rub(100))
    await shop.turns(FIRST, on=False)

    after = await shop.starts_deposit(anna, rub(200))

    assert [gateway_of(one) for one in (before, after)] == ["paymongo", "yookassa"]
    with pytest.raises(GatewayNotFound):
        await shop.billing.start_deposit(
            anna, rub(300), Terms(RETURN, "paymongo"), cause=shop.cause()
        )
    assert len(shop.first.payments) == 1
    ways = {way.gateway: way.is_down for way in (await shop.billing.show_offer()).ways}
    assert ways == {"paymongo": True, "yookassa": False}
    assert {way.gateway for way in await shop.billing.show_offer.deposits(anna)} == {"yookassa"}
    await shop.turns(LAST, on=False)
    with pytest.raises(NoWayToPay):
        await shop.buys(anna)
    await shop.turns(FIRST, on=True)
    assert gateway_of(await shop.starts_deposit(anna, rub(400))) == "paymongo"


async def test_what_was_opened_at_a_gateway_before_is_booked_and_given_back(shop: Shop) -> None:
    anna = await shop.customer()
    started = await shop.starts_deposit(anna, rub(100))
    assert started.checkout is not None
    assert started.checkout.payment_id is not None
    await shop.turns(FIRST, on=False)

    shop.first.pay(started.checkout.payment_id)
    await shop.time_passes(minutes=30)

    assert await shop.cash(anna) == {"RUB": 10000}
    await shop.refunds(started)
    await shop.sweeps()
    assert await shop.cash(anna) == {}
    assert await shop.books(ledger.clearing(GatewayName("paymongo"))) == 0


async def test_an_opening_without_an_answer_is_not_made_again_at_a_gateway_that_is_off(
    shop: Shop,
) -> None:
    anna = await shop.customer()
    shop.first.unavailable(1)
    with pytest.raises(GatewayUnavailable):
        await shop.billing.start_deposit(
            anna, rub(100), Terms(RETURN, "paymongo"), cause=shop.cause()
        )
    await shop.turns(FIRST, on=False)

    await shop.time_passes(minutes=5)

    assert shop.first.payments == {}
    async with shop.store.read() as view:
        [purchase] = await view.purchases.page(anna, limit=9)
        [checkout] = await view.checkouts.of_purchases([purchase.id])
    assert checkout.status is CheckoutStatus.LAPSED


async def test_without_sales_nothing_new_is_sold_and_what_is_open_can_be_paid(lone: Shop) -> None:
    anna, cause = await lone.customer(), lone.cause()
    opened = await lone.buys(anna)
    await lone.turns("sales", on=False)

    for attempt in (
        lambda: lone.buys(anna, "PRO_YEARLY", cause),
        lambda: lone.starts_deposit(anna, rub(100)),
        lambda: lone.billing.start_purchase(
            anna, "PRO_YEARLY", gateway=WALLET, return_url=RETURN, cause=lone.cause()
        ),
    ):
        with pytest.raises(SalesPaused):
            await attempt()

    assert (await lone.buys(anna)).purchase.id == opened.purchase.id
    again = await lone.billing.add_checkout(
        anna, opened.purchase.id, return_url=RETURN, cause=lone.cause()
    )
    await lone.pays_and_is_heard(again)
    assert await lone.plan(anna) == "PRO_MONTHLY"
    await lone.turns("sales", on=True)
    assert (await lone.buys(anna, "PRO_YEARLY", cause)).purchase.is_pending


async def test_without_sales_no_part_of_an_escrow_is_funded() -> None:
    trade = await Trade.begins(MemoryStore(consequences))
    await trade.gives(trade.payer, rub(1000))
    escrow = await trade.opens(rub(1000), rub(300))
    await trade.world.billing.turn_switch("sales", is_on=False, deed=OLGA)

    with pytest.raises(SalesPaused):
        await trade.funds(escrow)

    assert await trade.set_aside() == 0
    await trade.world.billing.turn_switch("sales", is_on=True, deed=OLGA)
    await trade.funds(escrow)
    assert await trade.set_aside() == 30000


async def test_without_trials_none_begins_and_one_that_runs_goes_on(shop: Shop) -> None:
    wanted = shop.wanted()
    plans = [
        replace(one, trial=Period(3, PeriodUnit.DAY)) if one.code == "PRO_MONTHLY" else one
        for one in wanted.plans
    ]
    await shop.billing.apply_catalog(replace(wanted, plans=tuple(plans)))
    anna, boris = [await shop.customer(ref) for ref in ("telegram:1", "telegram:2")]
    await shop.billing.start_trial(anna)
    await shop.turns("trials", on=False)

    with pytest.raises(TrialNotOffered):
        await shop.billing.start_trial(boris)

    await shop.billing.start_trial(anna)
    assert (await shop.now(anna)).is_trial
    await shop.turns("trials", on=True)
    await shop.billing.start_trial(boris)
    assert (await shop.now(boris)).is_trial


async def rewarded(shop: Shop) -> tuple[CustomerId, CustomerId]:
    """Anna, and Boris whom she brought, in a shop that rewards a tenth after two weeks."""
    terms = ReferralTerms(levels=(RewardLevel(1, 1000),), least=(rub(50),), most_a_day=(rub(1000),))
    wanted = shop.wanted()
    money = replace(wanted.money, referral=terms)
    await shop.billing.apply_catalog(replace(wanted, money=money))
    anna = await shop.customer("telegram:1")
    shop.clock.advance(seconds=1)
    invited = Invitation(f"r_{code_of(anna)}", Door.BOT)
    boris = await shop.billing.register_customer(
        identity("telegram:2"), language="ru", invitation=invited
    )
    return anna, boris.id


async def test_without_rewards_none_is_decided_and_none_is_lost(lone: Shop) -> None:
    anna, boris = await rewarded(lone)
    await lone.turns("rewards", on=False)
    await lone.pays_and_is_heard(await lone.buys(boris))

    await lone.time_passes(days=1)
    assert await held(lone, anna) == 0

    await lone.turns("rewards", on=True)
    await lone.time_passes(minutes=15)
    assert await held(lone, anna) == 2990


async def test_without_rewards_ripe_ones_wait_and_refunded_ones_are_taken_back(lone: Shop) -> None:
    anna, boris = await rewarded(lone)
    for plan in ("PRO_MONTHLY", "PRO_YEARLY"):
        bought = await lone.buys(boris, plan)
        await lone.pays_and_is_heard(bought)
    both = await held(lone, anna)
    await lone.turns("rewards", on=False)

    await lone.time_passes(days=20)
    assert await held(lone, anna) == both
    await lone.refunds(bought)
    await lone.sweeps()
    assert await held(lone, anna) == 2990

    await lone.turns("rewards", on=True)
    await lone.time_passes(minutes=3)
    assert await held(lone, anna) == 0
    assert await lone.books(ledger.bonus(anna)) == 2990


async def test_without_payouts_nothing_is_sent_and_what_was_sent_is_asked_about(lone: Shop) -> None:
    anna = await lone.customer()
    method = await proves(lone, anna)
    await lone.deposits(anna, rub(1000))
    sent = await withdraws(lone, anna, method, rub(100))
    await lone.turns("payouts", on=False)

    waiting = await withdraws(lone, anna, method, rub(200))
    lone.gateway.finish_payouts()
    await lone.time_passes(hours=7)

    assert await status(lone, anna, sent) is WithdrawalStatus.DONE
    assert await status(lone, anna, waiting) is WithdrawalStatus.REQUESTED
    assert await held(lone, anna) == 20000
    assert len(lone.gateway.payouts) == 1
    await lone.turns("payouts", on=True)
    await lone.time_passes(minutes=3)
    assert await status(lone, anna, waiting) is WithdrawalStatus.SENT
    assert len(lone.gateway.payouts) == 2


async def test_without_payouts_one_that_never_arrived_is_not_sent_again(lone: Shop) -> None:
    anna = await lone.customer()
    method = await proves(lone, anna)
    await lone.deposits(anna, rub(1000))
    lone.gateway.unavailable(1)
    lost = await withdraws(lone, anna, method, rub(100))
    assert await status(lone, anna, lost) is WithdrawalStatus.SENT
    await lone.turns("payouts", on=False)

    await lone.time_passes(hours=1)
    assert lone.gateway.payouts == {}

    await lone.turns("payouts", on=True)
    await lone.time_passes(hours=7)
    assert len(lone.gateway.payouts) == 1


async def subscribed(shop: Shop, *, by_method: bool = False) -> CustomerId:
    anna = await shop.customer()
    source = (await proves(shop, anna)).id if by_method else FROM_WALLET
    await shop.pays_and_is_heard(await shop.buys(anna))
    await shop.billing.change_subscription.renew_from(anna, source)
    return anna


@pytest.mark.parametrize("by_method", [False, True])
async def test_without_renewals_none_is_tried_and_nobody_loses_access(
    lone: Shop, by_method: bool
) -> None:
    anna = await subscribed(lone, by_method=by_method)
    await lone.deposits(anna, rub(500))
    had = await lone.cash(anna)
    await lone.turns("renewals", on=False)

    for _ in range(45):  # The month, and longer than any grace.
        await lone.time_passes(days=1)

    late = await lone.now(anna)
    assert late.status is SubscriptionStatus.PAST_DUE
    assert await lone.plan(anna) == "PRO_MONTHLY"
    assert (await lone.cash(anna), len(await lone.cases())) == (had, 0)
    assert late.renewal is not None
    assert late.renewal.grace_until - lone.clock() >= timedelta(hours=35)
    await lone.turns("renewals", on=True)
    await lone.time_passes(minutes=3)
    renewed = await lone.now(anna)
    assert renewed.period is not None
    assert renewed.period.paid == rub(598)


async def test_a_gateway_that_is_off_charges_no_renewal_and_nobody_loses_access(lone: Shop) -> None:
    anna = await subscribed(lone, by_method=True)
    await lone.turns(LAST, on=False)
    charges = len(lone.gateway.payments)

    for _ in range(40):
        await lone.time_passes(days=1)

    assert (await lone.now(anna)).status is SubscriptionStatus.PAST_DUE
    assert len(lone.gateway.payments) == charges
    await lone.turns(LAST, on=True)
    await lone.time_passes(minutes=3)
    assert (await lone.now(anna)).status is SubscriptionStatus.ACTIVE


async def test_a_method_is_not_charged_at_a_gateway_that_is_off_and_may_be_later(
    lone: Shop,
) -> None:
    anna = await lone.customer()
    method = await proves(lone, anna)
    started = await lone.buys(anna)
    assert started.checkout is not None
    assert started.checkout.payment_id is not None
    lone.gateway.cancel(started.checkout.payment_id)
    await lone.settles(started.checkout.payment_id)
    await lone.turns(LAST, on=False)

    cause, wanted = lone.cause(), started.purchase.id
    with pytest.raises(GatewayUnavailable):
        await lone.billing.charge_method(wanted, method.id, cause=cause)

    await lone.turns(LAST, on=True)
    charged = await lone.billing.charge_method(wanted, method.id, cause=cause)
    assert charged.purchase.status is PurchaseStatus.PAID


async def test_without_renewals_what_is_canceled_ends_with_what_is_paid_for(lone: Shop) -> None:
    anna = await subscribed(lone)
    await lone.turns("renewals", on=False)
    await lone.billing.change_subscription.cancel(anna)

    await lone.time_passes(days=32)

    assert await lone.plan(anna) == "FREE"


@pytest.mark.parametrize("hours", [0, 1, 72])
def test_the_grace_of_what_waits_is_never_less_than_half(hours: int) -> None:
    terms = RenewalTerms(grace=timedelta(hours=hours))
    whole = max(terms.grace, timedelta(hours=1))
    renewal = Renewal(FROM_WALLET, NOON, NOON + whole / 2)

    assert renewal.waiting(terms, at=NOON) == renewal
    late = renewal.waiting(terms, at=NOON + timedelta(seconds=1))
    assert late == replace(renewal, grace_until=NOON + timedelta(seconds=1) + whole)


async def test_access_outside_is_kept_as_long_as_the_grace(lone: Shop) -> None:
    wanted = lone.wanted()
    plans = [
        replace(one, grants=("vpn",)) if one.code == "PRO_MONTHLY" else one for one in wanted.plans
    ]
    await lone.billing.apply_catalog(replace(wanted, plans=tuple(plans)))
    anna = await subscribed(lone)
    await lone.turns("renewals", on=False)

    for _ in range(40):
        await lone.time_passes(days=1)

    renewal = (await lone.now(anna)).renewal
    assert renewal is not None
    assert lone.panel.given[anna] == Access(("vpn",), renewal.grace_until)
