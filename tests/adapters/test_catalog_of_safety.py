"""What a catalog says of safety bounds, and what it may not say."""

from pathlib import Path

import pytest

from adapters.catalog_file import CatalogNotUsable, catalog_from_file
from core.domain.money_terms import Brake
from core.domain.safety import SafetyTerms
from tests.builders import rub
from tests.world import FITNESS

OTHERS = """
[withdrawals.RUB]
least = "100"
payout = "5000"

[referral]
levels = [{ since = 1, percent = "10" }, { since = 9, percent = "45.5" }]

"""


def catalog_with(folder: Path, section: str) -> Path:
    """The fitness app's, with withdrawals, referrals, and this behind them."""
    file = folder / "catalog.toml"
    file.write_text(FITNESS.read_text(encoding="utf-8") + OTHERS + section)
    return file


def test_bounds_leave_room_for_everything_that_is_planned_where_nothing_is_said(tmp_path):
    money = catalog_from_file(catalog_with(tmp_path, "")).money
    [brake] = money.withdrawal.brakes

    assert money.safety == SafetyTerms()
    assert money.renewal.most_in_a_day == 2
    assert (money.tries_a_day, money.rewards_percent) == (3, 56)
    assert (brake.hour, money.payouts_a_day(brake)) == (rub(50_000), rub(200_000))
    huge = Brake(rub(1), rub(1), rub(10**13))
    assert money.payouts_a_day(huge) == rub(10**13), "no more than can be counted"


def test_bounds_are_as_the_business_says(tmp_path):
    section = (
        "[safety]\nrenewal_tries = 2\nfailing_percent = 60\nfailing_least = 50\n"
        'payouts_a_day = { RUB = "30000" }\nrewards_percent = 46\nrewards_least = 9\n'
    )
    money = catalog_from_file(catalog_with(tmp_path, section)).money
    [brake] = money.withdrawal.brakes

    assert money.safety == SafetyTerms(2, 60, 50, (rub(30_000),), 46, 9)
    assert money.payouts_a_day(brake) == rub(30_000)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("renewal_tries = 1", "safety.renewal_tries: [renewals] plans 2 in a day"),
        ("renewal_tries = 0", "safety.renewal_tries"),
        ("failing_percent = 0", "safety.failing_percent"),
        ("rewards_percent = 45", "safety.rewards_percent: more than the highest level"),
        ("rewards_least = 0", "safety.rewards_least"),
        ('payouts_a_day = { RUB = "4999" }', "payouts_a_day.RUB: one payout may be 5000.00 RUB"),
        ('payouts_a_day = { PHP = "9999" }', "there is no [withdrawals.PHP]"),
        ("hours = 3", "safety.hours: is not a setting"),
    ],
)
def test_bounds_that_cannot_be_meant_are_refused(tmp_path, section, problem):
    with pytest.raises(CatalogNotUsable) as refused:
        catalog_from_file(catalog_with(tmp_path, f"[safety]\n{section}\n"))
    assert problem in str(refused.value)
