"""What a production start refuses, said all at once."""

import pytest

from core.domain.customer import identity
from entrypoints.settings import (
    DEVELOPMENT_BOT_TOKEN,
    DEVELOPMENT_DATA_KEY,
    DEVELOPMENT_SIGNING_KEY,
    Settings,
    SettingsNotUsable,
    read_settings,
)
from sandbox.app import DEMO_WEBHOOK_SECRET

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
    assert production().secrets_of("yookassa") == ("100500", "live_secret")


def test_an_owner_is_a_user_of_telegram() -> None:
    assert production(owner="telegram:123").owner_identity == identity("telegram:123")
    assert production(owner="").owner_identity is None
    for wrong in ("123", "external:boss", "telegram:0", "@boss"):
        with pytest.raises(SettingsNotUsable, match="BILLHOOK_OWNER"):
            production(owner=wrong)


def test_yookassa_pays_out_only_where_it_has_both_id_and_key() -> None:
    agent = {"yookassa_agent_id": "100600", "yookassa_agent_secret_key": "live_agent"}

    assert production().yookassa_agent is None
    assert production(**agent).yookassa_agent == ("100600", "live_agent")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"yookassa_agent_id": "100600"}, "YOOKASSA_AGENT_ID"),
        ({"yookassa_agent_secret_key": "live_agent"}, "YOOKASSA_AGENT_ID"),
        (
            {"yookassa_agent_id": "100600", "yookassa_agent_secret_key": "test_agent"},
            "YOOKASSA_AGENT_SECRET_KEY",
        ),
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
        (
            {
                "gateways": "telegram_payments",
                "telegram_payments_provider_token_test": "1:TEST:x",
            },
            "TELEGRAM_PAYMENTS_MODE",
        ),
    ],
)
def test_production_refuses_what_is_made_for_tests(changes: dict[str, object], named: str) -> None:
    with pytest.raises(SettingsNotUsable) as refused:
        production(**changes)
    assert [problem.split()[0].partition("=")[0] for problem in refused.value.problems] == [
        f"BILLHOOK_{named}"
    ]


def test_telegrams_gateways_are_known_and_stars_need_the_bot_alone() -> None:
    both = production(
        gateways="telegram_stars,telegram_payments",
        telegram_payments_mode="live",
        telegram_payments_provider_token_live="1:LIVE:x",
    )
    assert both.gateways == ("telegram_stars", "telegram_payments")
    assert both.secrets_of("telegram_payments") == ("1:LIVE:x",)
    assert "LIVE" not in repr(both)
    assert production(gateways="telegram_stars").secrets_of("telegram_payments") is None


def test_a_provider_without_its_token_is_refused() -> None:
    with pytest.raises(SettingsNotUsable, match="TELEGRAM_PAYMENTS_PROVIDER_TOKEN_LIVE is needed"):
        production(gateways="telegram_payments", telegram_payments_mode="live")


OLD, NEW = "o" * 32, "n" * 32


def test_signing_keys_are_replaced_one_after_the_other() -> None:
    assert production(signing_key=f"{NEW}, {OLD}").signing_keys == (NEW, OLD)
    assert production(signing_key=OLD).signing_keys == (OLD,)
    assert read_settings(_env_file=None).signing_keys == (DEVELOPMENT_SIGNING_KEY,)


@pytest.mark.parametrize("keys", [f"{NEW},short", f"{NEW},", f"{NEW},{DEVELOPMENT_SIGNING_KEY}"])
def test_each_of_several_signing_keys_must_be_one(keys: str) -> None:
    with pytest.raises(SettingsNotUsable, match="SIGNING_KEY"):
        production(signing_key=keys)


@pytest.mark.parametrize(
    "changes",
    [
        {"redis_url": "127.0.0.1:6379"},
        {"redis_url": "memory://"},
        {"redis_prefix": ""},
        {"redis_prefix": "a:b"},
        {"api_key_limit_per_minute": 0},
        {"api_key_limit_per_minute": -1},
    ],
)
def test_limits_that_cannot_be_kept_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(SettingsNotUsable, match=next(iter(changes)).upper()):
        production(**changes)


def test_limits_are_of_each_process_and_keys_unlimited_unless_it_is_said() -> None:
    assert production().redis_url is None
    assert production().api_key_limit_per_minute is None
    shared = production(redis_url="rediss://:hunter2@limits:6379/0", api_key_limit_per_minute=600)
    assert shared.secret("redis_url") == "rediss://:hunter2@limits:6379/0"
    assert "hunter2" not in repr(shared)


def test_a_test_shop_may_be_rehearsed_with_in_staging() -> None:
    staging = production(
        env="staging",
        yookassa_mode="test",
        yookassa_shop_id_test="1",
        yookassa_secret_key_test="test_secret",
    )
    assert staging.secrets_of("yookassa") == ("1", "test_secret")


PANEL = {"provisioner": "remnawave", "panel_url": "https://panel.example.com", "panel_token": "t"}
OWN = {
    "provisioner": "http",
    "panel_url": "https://own.example.com/billing",
    "panel_secret": "whsec_c2l4dGVlbiBieXRlcyBhbmQgYSBmZXcgbW9yZQ==",
}


@pytest.mark.parametrize("known", [PANEL, OWN])
def test_a_panel_is_taken_by_https_or_on_a_private_network(known: dict[str, object]) -> None:
    assert production().provisioner is None
    assert not production().doubles_panel
    production(**known)
    private = known | {"panel_url": "http://10.0.0.5:3000"}
    production(**private, panel_private=True)
    with pytest.raises(SettingsNotUsable, match="PANEL_PRIVATE"):
        production(**private)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (PANEL | {"panel_url": ""}, "PANEL_URL"),
        (PANEL | {"panel_url": "panel.example.com"}, "PANEL_URL"),
        (PANEL | {"panel_token": ""}, "PANEL_TOKEN"),
        (OWN | {"panel_secret": ""}, "PANEL_SECRET"),
        (OWN | {"panel_secret": "not a secret"}, "PANEL_SECRET"),
        (OWN | {"panel_secret": "whsec_short"}, "PANEL_SECRET"),
        (OWN | {"panel_secret": "whsec_" + "!" * 40}, "PANEL_SECRET"),
    ],
)
def test_a_panel_without_its_address_or_its_secret_is_refused(
    changes: dict[str, object], named: str
) -> None:
    with pytest.raises(SettingsNotUsable, match=named):
        production(**changes)


STRONG = "whsec_" + "QUJD" * 8
WEAK = "whsec_" + "QUJD" * 7


def test_a_receiver_of_webhooks_is_taken_with_one_secret_or_two() -> None:
    named = production(webhook_url="https://app.example.com/hooks", webhook_secret=STRONG)
    both = production(webhook_url="https://a.b/", webhook_secret=f"{STRONG}, {STRONG}")

    assert named.webhook_target == ("https://app.example.com/hooks", (STRONG,))
    assert both.webhook_secrets == (STRONG, STRONG)
    assert production().webhook_target is None
    only = production(webhook_events="purchase.paid,quota.exhausted").webhook_events
    assert only == ("purchase.paid", "quota.exhausted")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"webhook_url": "https://app.example.com/"}, "WEBHOOK_SECRET"),
        ({"webhook_secret": WEAK}, "WEBHOOK_SECRET"),
        ({"webhook_secret": f"{STRONG},{WEAK}"}, "WEBHOOK_SECRET"),
        ({"webhook_secret": STRONG.removeprefix("whsec_")}, "WEBHOOK_SECRET"),
        ({"webhook_secret": DEMO_WEBHOOK_SECRET}, "WEBHOOK_SECRET"),
        ({"webhook_url": "http://app.example.com/"}, "WEBHOOK_URL"),
        ({"webhook_url": "https://user@app.example.com/"}, "WEBHOOK_URL"),
        ({"webhook_url": "https://app.example.com/#x"}, "WEBHOOK_URL"),
        ({"webhook_url": "https:///path"}, "WEBHOOK_URL"),
        ({"webhook_url": "https://0177.0.0.1/"}, "WEBHOOK_URL"),
        ({"webhook_url": "ftp://app.example.com/"}, "WEBHOOK_URL"),
        ({"webhook_events": "purchase.sold"}, "WEBHOOK_EVENTS:"),
    ],
)
def test_a_receiver_that_cannot_be_told_safely_is_refused(
    changes: dict[str, object], named: str
) -> None:
    fine = {"webhook_url": "https://app.example.com/", "webhook_secret": STRONG}
    if list(changes) == ["webhook_url"] and named == "WEBHOOK_SECRET":
        fine = {}
    with pytest.raises(SettingsNotUsable) as refused:
        production(**fine | changes)
    assert [problem.split()[0] for problem in refused.value.problems] == [f"BILLHOOK_{named}"]


def test_in_development_the_sandbox_is_told_unless_nobody_is_to_be() -> None:
    plain = read_settings(_env_file=None, port=8123)
    nobody = read_settings(_env_file=None, webhook_url="")

    assert plain.webhook_target == (
        "http://127.0.0.1:8123/sandbox/webhooks",
        (DEMO_WEBHOOK_SECRET,),
    )
    assert nobody.webhook_target is None
    local = {"webhook_url": "http://localhost:3000/hooks", "webhook_secret": STRONG}
    assert read_settings(_env_file=None, **local).webhook_target is not None
