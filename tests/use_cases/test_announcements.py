"""What the business's own system is told of, in which words, and that nothing is told unasked."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.memory_notifier import MemoryWebhooks
from adapters.persistence.memory import MemoryStore
from core.domain.customer import CustomerId
from core.domain.event import Event
from core.domain.renewal import FROM_WALLET
from core.use_cases.announcements import ANNOUNCED, announcements, announcing
from core.use_cases.consequences import consequences
from tests.builders import NOON, rub
from tests.contracts.units import seen
from tests.world import World

ANNA = CustomerId("cus_anna")
AT = NOON.isoformat()
LATER = (NOON + timedelta(days=30)).isoformat()
MONEY = {"amount_minor": 29900, "currency": "RUB"}
PART = {"part": "remainder", "payee_id": "cus_boris"}
WHOSE = {"customer_id": ANNA}


@pytest.fixture
async def world() -> World:
    webhooks = MemoryWebhooks("app.example.com")
    store = MemoryStore(announcing(consequences, webhooks.wants))
    return await World(store, webhooks=webhooks).opens()


def told(world: World) -> list[str]:
    return [one.event for one in world.webhooks.sent]


def bodies(world: World, event: str) -> list[dict]:
    found = (json.loads(one.body) for one in world.webhooks.sent)
    return [body["data"] for body in found if body["type"] == event]


@pytest.mark.parametrize(
    ("name", "subject", "facts", "expected"),
    [
        (
            "purchase.paid",
            "pur_1",
            {"item": "deposit", **MONEY},
            {
                "purchase.paid": {
                    "purchase_id": "pur_1",
                    **WHOSE,
                    "amount": MONEY,
                    "item": "deposit",
                }
            },
        ),
        (
            "purchase.refunded",
            "pur_1",
            {"entry_id": "refund 1", **MONEY},
            {"purchase.refunded": {"purchase_id": "pur_1", **WHOSE, "amount": MONEY}},
        ),
        ("purchase.expired", "pur_1", {}, {"purchase.expired": {"purchase_id": "pur_1", **WHOSE}}),
        (
            "subscription.trial_started",
            ANNA,
            {"plan": "PRO", "period_end": LATER},
            {"subscription.activated": {**WHOSE, "plan": "PRO", "period_end": LATER}},
        ),
        ("subscription.past_due", ANNA, {}, {"subscription.past_due": WHOSE}),
        (
            "subscription.canceled",
            ANNA,
            {"period_end": LATER},
            {"subscription.canceled": {**WHOSE, "period_end": LATER}},
        ),
        (
            "subscription.canceled",
            ANNA,
            {"access": "over"},
            {"subscription.canceled": WHOSE, "subscription.expired": WHOSE},
        ),
        (
            "renewal.price_told",
            ANNA,
            {"plan": "PRO", "former_minor": 19900, "from": LATER, "until": AT, **MONEY},
            {
                "subscription.price_announced": {
                    **WHOSE,
                    "plan": "PRO",
                    "amount": MONEY,
                    "former_amount": {"amount_minor": 19900, "currency": "RUB"},
                    "from": LATER,
                }
            },
        ),
        (
            "subscription.ended",
            ANNA,
            {"plan": "PRO", "period_end": AT},
            {"subscription.expired": {**WHOSE, "plan": "PRO", "period_end": AT}},
        ),
        (
            "subscription.shortened",
            ANNA,
            {"purchase_id": "pur_1"},
            {"subscription.expired": {**WHOSE, "purchase_id": "pur_1"}},
        ),
        ("subscription.shortened", ANNA, {"purchase_id": "pur_1", "period_end": LATER}, {}),
        (
            "wallet.credited",
            ANNA,
            {"cause": "pur_1", **MONEY},
            {"wallet.credited": {**WHOSE, "amount": MONEY, "cause": "pur_1"}},
        ),
        (
            "reward.earned",
            "pur_1",
            {"entry_id": "reward 1 ended", **MONEY},
            {"referral.rewarded": {"purchase_id": "pur_1", **WHOSE, "amount": MONEY}},
        ),
        *(
            (
                f"withdrawal.{end}",
                "wd_1",
                {"status": end, **MONEY},
                {f"withdrawal.{end}": {"withdrawal_id": "wd_1", **WHOSE, "amount": MONEY}},
            )
            for end in ("done", "failed", "returned")
        ),
        *(
            (
                f"escrow.{move}",
                "esc_1",
                {**PART, **MONEY},
                {f"escrow.{move}": {"escrow_id": "esc_1", **WHOSE, "amount": MONEY, **PART}},
            )
            for move in ("funded", "disputed", "released", "refunded")
        ),
        ("purchase.started", "pur_1", {"item": "deposit"}, {}),
    ],
)
def test_an_event_is_told_in_its_own_words(
    name: str, subject: str, facts: Mapping[str, str | int], expected: Mapping[str, object]
) -> None:
    event = Event(name, subject, NOON, ANNA, facts)

    assert {one.event: one.data for one in announcements(event)} == expected


async def test_a_plan_that_is_paid_is_told_with_what_began(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)

    [paid] = bodies(world, "purchase.paid")
    [began] = bodies(world, "subscription.activated")
    period = (await world.me(anna)).standing.subscription.period
    assert period is not None
    shared = {
        "purchase_id": started.purchase.id,
        "customer_id": anna,
        "amount": {"amount_minor": 29900, "currency": "RUB"},
        "plan": "PRO_MONTHLY",
        "period_start": period.start.isoformat(),
        "period_end": period.end.isoformat(),
    }
    assert paid == {**shared, "item": "plan"}
    assert began == shared
    first = json.loads(world.webhooks.sent[0].body)
    assert first | {"data": None} == {
        "type": "purchase.paid",
        "version": 1,
        "timestamp": period.start.isoformat(),
        "data": None,
    }


async def test_a_period_that_goes_on_is_renewed_and_another_plan_begins(world: World) -> None:
    anna = await world.customer()
    for plan in ("PRO_MONTHLY", "PRO_MONTHLY", "PRO_YEARLY"):
        await world.pays_and_is_heard(await world.buys(anna, plan))
        await world.time_passes(days=1)

    moves = [one for one in told(world) if one.startswith("subscription.")]
    assert moves == ["subscription.activated", "subscription.renewed", "subscription.activated"]
    # What was left of the former plan.
    assert len(bodies(world, "wallet.credited")) == 1


async def test_what_ends_is_told(world: World) -> None:
    anna, boris = await world.customer(), await world.customer("telegram:1002")
    await world.buys(anna)
    await world.pays_and_is_heard(await world.buys(boris))
    await world.billing.change_subscription.cancel(boris)
    await world.time_passes(days=40)

    assert [one["customer_id"] for one in bodies(world, "purchase.expired")] == [anna]
    [canceled] = bodies(world, "subscription.canceled")
    [expired] = bodies(world, "subscription.expired")
    assert canceled == {"customer_id": boris, "period_end": expired["period_end"]}
    assert (expired["customer_id"], expired["plan"]) == (boris, "PRO_MONTHLY")


@pytest.mark.parametrize(
    ("days_before", "price", "kept"),
    [(10, 399, 0), (8, 399, 1), (8, 199, 0)],
    ids=["dearer in time", "dearer too late", "cheaper"],
)
async def test_another_price_is_told_once_with_the_day_from_which_it_counts(
    world: World, days_before: int, price: int, kept: int
) -> None:
    anna = await world.customer("external:anna")  # Whom no chat reaches.
    await world.pays_and_is_heard(await world.buys(anna))
    await world.deposits(anna, rub(2000))
    await world.billing.change_subscription.renew_from(anna, FROM_WALLET)
    bought = (await world.me(anna)).standing.subscription.period
    assert bought is not None
    await world.time_passes(days=(bought.end - world.clock()).days - days_before)
    plans = [
        replace(one, prices=(rub(price),)) if one.code == "PRO_MONTHLY" else one
        for one in world.wanted().plans
    ]
    await world.billing.apply_catalog(replace(world.wanted(), plans=tuple(plans)))
    for _ in range(days_before + 31):
        await world.time_passes(days=1)

    [announced] = bodies(world, "subscription.price_announced")
    assert announced == {
        "customer_id": anna,
        "plan": "PRO_MONTHLY",
        "amount": {"amount_minor": price * 100, "currency": "RUB"},
        "former_amount": MONEY,
        "from": announced["from"],
    }
    ends = [
        bought.end.isoformat(),
        *(it["period_end"] for it in bodies(world, "subscription.renewed")),
    ]
    paid = [it["amount"]["amount_minor"] for it in bodies(world, "subscription.renewed")]
    assert paid[: kept + 1] == [*[29900] * kept, price * 100], "as was announced"
    assert announced["from"] == ends[kept]


async def test_a_plan_that_is_refunded_is_over(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)
    await world.refunds(started)
    await world.sweeps()

    assert told(world)[2:] == ["subscription.expired", "purchase.refunded"]


async def test_two_like_credits_are_told_apart(world: World) -> None:
    anna = await world.customer()
    for _ in range(2):
        await world.deposits(anna, (await world.buys(anna)).purchase.amount)

    assert len({one.id for one in world.webhooks.sent if one.event == "wallet.credited"}) == 2


async def test_the_last_unit_of_a_window_is_told_once(world: World) -> None:
    anna = await world.customer()
    for number in range(3):
        await world.uses(anna, f"first day {number}")
    await world.uses(anna, "denied")
    await world.sweeps()

    [exhausted] = bodies(world, "quota.exhausted")
    assert exhausted == {
        "customer_id": anna,
        "feature": "photo_ai",
        "used": 3,
        "limit": 3,
        "window_start": exhausted["window_start"],
        "resets_at": exhausted["resets_at"],
    }
    await world.time_passes(days=1)
    await world.uses(anna, "next day", units=3)
    await world.sweeps()
    assert len(bodies(world, "quota.exhausted")) == 2


async def test_units_that_came_back_and_went_again_are_not_told_twice(world: World) -> None:
    anna = await world.customer()
    held = await world.holds(anna, "held", units=3)
    assert held.hold is not None
    await world.sweeps()
    await world.billing.release_hold(held.hold.id)
    await world.time_passes(minutes=1)
    await world.uses(anna, "again", units=3)
    await world.sweeps()

    assert len(bodies(world, "quota.exhausted")) == 1


async def test_where_nobody_listens_nothing_is_kept() -> None:
    webhooks = MemoryWebhooks()
    world = await World(
        MemoryStore(announcing(consequences, webhooks.wants)), webhooks=webhooks
    ).opens()
    anna = await world.customer()
    await world.pays_and_is_heard(await world.buys(anna))
    boris = await world.customer("telegram:1002")
    await world.uses(boris, "all of them", units=3)
    await world.sweeps()

    assert webhooks.sent == []
    assert await seen(world.store, lambda view: view.deliveries.page(None, limit=10)) == []
    history = await seen(world.store, lambda view: view.history(boris))
    assert [event.name for event in history] == ["customer.registered", "quota.used_up"]


async def test_only_what_is_wanted_is_told() -> None:
    webhooks = MemoryWebhooks("app.example.com")
    follow = announcing(consequences, lambda event: event == "subscription.activated")
    world = await World(MemoryStore(follow), webhooks=webhooks).opens()
    await world.pays_and_is_heard(await world.buys(await world.customer()))

    assert told(world) == ["subscription.activated"]


def test_all_that_can_be_told_is_named() -> None:
    assert set(ANNOUNCED) == {
        *(f"purchase.{one}" for one in ("paid", "refunded", "expired")),
        *(
            f"subscription.{one}"
            for one in (
                "activated",
                "renewed",
                "past_due",
                "canceled",
                "expired",
                "price_announced",
            )
        ),
        "customer.erased",
        "quota.exhausted",
        "wallet.credited",
        "referral.rewarded",
        *(f"withdrawal.{one}" for one in ("done", "failed", "returned")),
        *(f"escrow.{one}" for one in ("funded", "disputed", "released", "refunded")),
    }
