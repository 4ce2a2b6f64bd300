"""What a production start refuses, said all at once."""

import pytest

from entrypoints.settings import (
    DEVELOPMENT_BOT_TOKEN,
    DEVELOPMENT_DATA_KEY,
    Settings,
    SettingsNotUsable,
    read_settings,
)

PRODUCTION = {
    "env": "production",
    "database_url": "postgresql://billhook@db/billhook",
    "signing_key": "s" * 32,
    "data_key": "ZRkjn8v2I8CqhZpfHoab3etpe4W56VgEC7XcxSbsXRI=",
    "telegram_token": "1:token",
    "return_url": "https://shop.example.com/",
    "return_origins": "https://shop.example.com",
    "yookassa_mode": "live",
    "yookassa_shop_id_live": "100500",
    "yookassa_secret_key_live": "live_secret",
}


def production(**changes: object) -> Settings:
    return read_settings(_env_file=None, **PRODUCTION | changes)


def test_a_complete_production_is_taken() -> None:
    assert production().yookassa_shop == ("100500", "live_secret")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (
            {
                "yookassa_mode": "test",
                "yookassa_shop_id_test": "1",
                "yookassa_secret_key_test": "test_secret",
            },
            "YOOKASSA_MODE",
        ),
        ({"telegram_token": DEVELOPMENT_BOT_TOKEN}, "TELEGRAM_TOKEN"),
        ({"data_key": f"{DEVELOPMENT_DATA_KEY},{PRODUCTION['data_key']}"}, "DATA_KEY"),
        ({"dev_api_key": "bh_preset"}, "DEV_API_KEY"),
        ({"yookassa_api_url": "http://127.0.0.1:1"}, "YOOKASSA_API_URL"),
    ],
)
def test_production_refuses_what_is_made_for_tests(changes: dict[str, object], named: str) -> None:
    with pytest.raises(SettingsNotUsable) as refused:
        production(**changes)
    assert [problem.split()[0].partition("=")[0] for problem in refused.value.problems] == [
        f"BILLHOOK_{named}"
    ]


def test_a_test_shop_may_be_rehearsed_with_in_staging() -> None:
    staging = production(
        env="staging",
        yookassa_mode="test",
        yookassa_shop_id_test="1",
        yookassa_secret_key_test="test_secret",
    )
    assert staging.yookassa_shop == ("1", "test_secret")
