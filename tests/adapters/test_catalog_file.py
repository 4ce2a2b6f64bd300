"""What the catalog file may say of subscriptions in Stars: what Telegram can charge, and no more."""

from pathlib import Path

import pytest

from adapters.catalog_file import CatalogNotUsable, catalog_from_file

FILE = """
zone = "Europe/Moscow"
default_plan = "FREE"
[plans.FREE]
title = {{ en = "Free" }}
[plans.PRO]
title = {{ en = "Pro" }}
prices = {{ {price} }}
period = {{ {period} }}
stars_subscription = true
"""


def written(folder: Path, price: str, period: str) -> Path:
    file = folder / "catalog.toml"
    file.write_text(FILE.format(price=price, period=period))
    return file


def test_thirty_days_for_ten_thousand_stars_may_be_a_subscription(tmp_path: Path) -> None:
    plans = catalog_from_file(written(tmp_path, 'XTR = "10000"', "days = 30")).plans

    assert [one.stars_subscription for one in plans] == [False, True]


@pytest.mark.parametrize(
    ("price", "period"),
    [
        ('XTR = "10001"', "days = 30"),
        ('RUB = "299.00"', "days = 30"),
        ('XTR = "250"', "days = 31"),
        ('XTR = "250"', "months = 1"),
    ],
)
def test_what_telegram_cannot_charge_is_told(tmp_path: Path, price: str, period: str) -> None:
    with pytest.raises(CatalogNotUsable, match=r"plans\.PRO: stars_subscription: Telegram renews"):
        catalog_from_file(written(tmp_path, price, period))
