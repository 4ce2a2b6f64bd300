"""Forecasts: what is assumed is what happens, all of it is booked, and a broken promise is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapters.catalog_file import catalog_from_file
from core.domain.money import currency
from core.use_cases.access import MakeAccess
from simulation.app import wired
from simulation.forecast import forecast
from simulation.growth_mutants import access_ordered_once, reward_inside_the_settlement
from simulation.habits import Assumptions, Chance, fee_on
from simulation.mutants import posting_in_a_second_unit

CATALOGS = Path(__file__).parents[2] / "catalogs"
RUB, PHP, XTR = map(currency, ("RUB", "PHP", "XTR"))
ALL, NOBODY = 100_00, 0
SMALL = Assumptions(customers=60, days=90)
KEEN = replace(SMALL, tries=80_00, converts=90_00, buys=60_00, referred=50_00, refunded=20_00)
"""So much happens to few people that all of it happens."""


def catalog(name):
    return catalog_from_file(CATALOGS / f"{name}.toml")


@pytest.mark.parametrize(
    ("name", "unit", "has"),
    [
        ("vpn_shop", RUB, {"referred", "trials", "trials_paid", "refunds", "left"}),
        ("fitness", RUB, {"uses", "refunds", "left"}),
        ("marketplace", PHP, {"uses", "uses_denied", "left"}),
    ],
)
def test_every_promise_holds_in_each_of_the_catalogs(name, unit, has):
    done = forecast(catalog(name), KEEN)

    total, months = done.figures.total, done.figures.months
    assert done.problems == ()
    assert total.counts["new"] == 60
    assert has <= set(total.counts)
    assert len(months) == 3
    assert total.counts["first_payments"] == total.counts["left"] + total.standing.paying
    assert total.sums["taken"][unit] > total.sums["revenue"][unit] > 0
    for figure in (*total.counts, "revenue"):
        assert total.counts[figure] == sum(one.counts[figure] for one in months)


def test_where_all_buy_and_nobody_leaves_it_is_the_price_times_the_months():
    wanted = catalog("fitness")
    wanted = replace(wanted, plans=wanted.plans[:2])  # Without the yearly plan.
    stays = replace(
        SMALL, buys=ALL, leaves=NOBODY, late=NOBODY, declined=NOBODY, refunded=NOBODY, fee=10_00
    )

    total = forecast(wanted, stays).figures.total

    paid = total.counts["payments"]
    assert total.counts["left"] == total.counts["refunds"] == 0
    assert 60 <= paid <= 4 * 60
    assert total.sums["revenue"] == {RUB: paid * 299_00}
    assert total.sums["fees"] == {RUB: paid * 29_90}


def test_who_tries_and_never_buys_pays_nothing_and_has_left_nothing():
    lookers = replace(SMALL, tries=ALL, converts=NOBODY, buys=NOBODY)

    done = forecast(catalog("vpn_shop"), lookers)

    assert done.problems == ()
    assert done.figures.total.counts["trials"] >= 55  # The last came too late to begin.
    assert not done.figures.total.sums
    assert done.figures.total.counts["left"] == done.figures.total.standing.paying == 0


def test_referrals_are_brought_by_whoever_came_before_and_rewards_wait():
    brought = replace(KEEN, referred=ALL, refunded=50_00)

    total = forecast(catalog("vpn_shop"), brought).figures.total

    assert total.counts["referred"] == 59  # Everybody but the first.
    booked, back = (total.sums[name][RUB] for name in ("rewards_booked", "rewards_taken_back"))
    earned, waiting = total.sums["rewards_earned"][RUB], total.standing.sums["rewards_waiting"][RUB]
    assert back > 0
    assert booked - back <= earned + waiting <= booked


def test_a_seed_is_one_future_and_another_seed_another():
    one, same, other = (
        forecast(catalog("vpn_shop"), replace(KEEN, seed=seed)).figures for seed in (1, 1, 2)
    )

    assert one == same
    assert one != other


def test_a_catalog_that_sells_nothing_earns_nothing():
    wanted = catalog("fitness")

    done = forecast(replace(wanted, plans=wanted.plans[:1]), SMALL)

    assert done.problems == ()
    assert done.figures.total.counts["uses"] > 0
    assert not done.figures.total.sums


class NoAccess(MakeAccess):
    """The order is forgotten."""

    async def __call__(self, customer_id):
        return None


def no_access(outside):
    return replace(
        wired(outside),
        make_access=NoAccess(outside.store, outside.provisioner, outside.now),
    )


@pytest.mark.parametrize(
    ("compose", "promise"),
    [
        (posting_in_a_second_unit, "a job failed: wallet_too_low"),
        (reward_inside_the_settlement, "F4"),
        (access_ordered_once, "E6"),
        (no_access, "E6"),
    ],
)
def test_a_planted_bug_is_told_and_no_sum_is_believed(compose, promise):
    done = forecast(catalog("vpn_shop"), KEEN, compose=compose)

    assert promise in done.problems[0]


def test_stars_cost_nothing_until_they_are_turned_into_money():
    stars = catalog("vpn_shop").plans[1].price_in(XTR)

    assert fee_on("telegram_stars", stars, 3_50).amount_minor == 0
    assert fee_on("yookassa", stars, 3_50).amount_minor == 8


def test_the_first_is_the_favorite():
    chance = Chance(7, "somebody")

    chosen = [chance.favorite("abcd") for _ in range(1100)]

    assert 500 < chosen.count("a") < 700
    assert chosen.count("b") > chosen.count("c") > 0 < chosen.count("d")
