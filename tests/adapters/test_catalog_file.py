"""What the catalog file may say of subscriptions in Stars and of packs, and no more."""

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


PACKED = """
zone = "Europe/Moscow"
default_plan = "FREE"
[plans.FREE]
title = {{ en = "Free" }}
quotas = {{ photo = {{ limit = 3, per = "day" }} }}
[packs.{code}]
title = {{ en = "Fifty" }}
feature = "{feature}"
units = {units}
prices = {{ {price} }}
"""


@pytest.mark.parametrize(
    ("code", "feature", "units", "price", "told"),
    [
        ("FREE", "photo", "50", 'RUB = "9.00"', r"packs\.FREE: a plan has this code"),
        ("FIFTY", "video", "50", 'RUB = "9.00"', r"packs\.FIFTY: no plan has a quota of video"),
        ("FIFTY", "photo", "0", 'RUB = "9.00"', r"packs\.FIFTY\.units"),
        ("FIFTY", "photo", "50", "", r"packs\.FIFTY\.prices"),
        ("FIFTY", "photo", "50", 'RUB = "0"', r"packs\.FIFTY: prices\.RUB: an amount is more"),
    ],
)
def test_what_no_pack_can_be_is_told(
    tmp_path: Path, code: str, feature: str, units: str, price: str, told: str
) -> None:
    file = tmp_path / "catalog.toml"
    file.write_text(PACKED.format(code=code, feature=feature, units=units, price=price))
    with pytest.raises(CatalogNotUsable, match=told):
        catalog_from_file(file)
