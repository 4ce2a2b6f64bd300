"""The sign-in data that the double makes: our adapter takes it, and nobody else's."""

from datetime import timedelta
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from adapters.http.init_data import InitDataNotTrusted, InitDataTooOld, read_init_data
from sandbox.app import DEMO_BOT_TOKEN
from sandbox.miniapp.app import NotFromTelegram, user_id_from
from tests.sandbox.telegram_room import ANNA, Room, button, keyboard

DAY = timedelta(hours=24)


@pytest.fixture
def room() -> Room:
    return Room()


def test_the_adapter_takes_what_the_double_signs(room):
    raw = room.rules.init_data(ANNA, at=room.at, start_param="r_code")
    data = read_init_data(raw, bot_token=DEMO_BOT_TOKEN, now=room.at, max_age=DAY)

    assert (data.user_id, data.language_code, data.start_param) == (ANNA, "ru", "r_code")
    assert data.auth_date == room.at
    assert "signature" in dict(parse_qsl(raw))
    assert user_id_from(raw, bot_token=DEMO_BOT_TOKEN, now=room.at) == ANNA


def test_a_name_with_any_letters_is_signed(room):
    room.rules.set_profile(ANNA, {"first_name": 'Аня & "<+> / 😀'})
    raw = room.rules.init_data(ANNA, at=room.at)
    assert read_init_data(raw, bot_token=DEMO_BOT_TOKEN, now=room.at, max_age=DAY).query_id


@pytest.mark.parametrize(("age", "error"), [(DAY, None), (DAY + timedelta(seconds=1), True)])
def test_it_is_as_old_as_asked(room, age, error):
    raw = room.rules.init_data(ANNA, at=room.at, age_seconds=age.total_seconds())
    if error is None:
        assert read_init_data(raw, bot_token=DEMO_BOT_TOKEN, now=room.at, max_age=DAY)
        assert user_id_from(raw, bot_token=DEMO_BOT_TOKEN, now=room.at) == ANNA
    else:
        with pytest.raises(InitDataTooOld):
            read_init_data(raw, bot_token=DEMO_BOT_TOKEN, now=room.at, max_age=DAY)
        with pytest.raises(NotFromTelegram):
            user_id_from(raw, bot_token=DEMO_BOT_TOKEN, now=room.at)


@pytest.mark.parametrize("change", [("1001", "1002"), ("hash=", "hash=0"), ("signature=", "s=")])
def test_what_was_changed_is_taken_by_nobody(room, change):
    raw = room.rules.init_data(ANNA, at=room.at).replace(*change)
    with pytest.raises(InitDataNotTrusted):
        read_init_data(raw, bot_token=DEMO_BOT_TOKEN, now=room.at, max_age=DAY)
    with pytest.raises(NotFromTelegram):
        user_id_from(raw, bot_token=DEMO_BOT_TOKEN, now=room.at)


def test_a_mini_app_is_opened_with_the_data_in_the_fragment(room):
    url = "http://127.0.0.1:8000/sandbox/app/?x=1"
    room.says(reply_markup=keyboard(button("Open", web_app={"url": url})))

    opened = urlsplit(room.press("Open", scheme="dark")["web_app"])
    assert opened._replace(fragment="").geturl() == url
    launch = {name: values[0] for name, values in parse_qs(opened.fragment).items()}
    assert set(launch) == {
        "tgWebAppData", "tgWebAppVersion", "tgWebAppPlatform", "tgWebAppThemeParams",
    }  # fmt: skip
    assert '"bg_color":"#212121"' in launch["tgWebAppThemeParams"]
    data = read_init_data(
        launch["tgWebAppData"], bot_token=DEMO_BOT_TOKEN, now=room.at, max_age=DAY
    )
    assert data.user_id == ANNA
