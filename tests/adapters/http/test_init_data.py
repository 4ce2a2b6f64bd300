"""Sign-in data: genuine, forged, stale and odd."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.http.init_data import (
    InitDataNotTrusted,
    InitDataTooOld,
    init_data_hash,
    read_init_data,
)

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
NOON = datetime(2026, 10, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(hours=24)
USER = {"id": 279058397, "first_name": "Vladislav + - ? \\/ 🙂", "language_code": "ru"}

# The sample of docs.telegram-mini-apps.com, with the token published beside it.
PUBLISHED_TOKEN = "5768337691:AAH5YkoiEuPk8-FZa32hStHTqXiLPtAEhx8"
PUBLISHED = (
    "query_id=AAHdF6IQAAAAAN0XohDhrOrc&user=%7B%22id%22%3A279058397%2C%22first_name%22%3A%22"
    "Vladislav%22%2C%22last_name%22%3A%22Kibenko%22%2C%22username%22%3A%22vdkfrost%22%2C%22"
    "language_code%22%3A%22ru%22%2C%22is_premium%22%3Atrue%7D&auth_date=1662771648&hash="
    "c501b71e775f74ce10e377dea85a7ea24ecd640b223ea86dfe453e0eaed2e2b2"
)
# No vector with a `signature` and a known token is published, so this one is ours: the hash was
# computed apart from the code under test, over all fields with `signature` among them.
OURS = (
    "user=%7B%22id%22%3A42%7D&chat_instance=8134722200314281151&chat_type=private"
    "&auth_date=1790856000&signature=TYJxVcisqbWjtodPepiJ6ghziUL94-KNpG8Pau-X7oM"
    "&hash=08cfe8e8d1d0f0d77abe3614931e5e5be9ff6c7f45ac0463c021ca41ae5443fc"
)


def fields(**changed: str | None) -> dict[str, str]:
    found = {
        "query_id": "AAHdF6IQAAAAAN0XohDhrOrc",
        "user": json.dumps(USER, ensure_ascii=False, separators=(",", ":")),
        "auth_date": str(int(NOON.timestamp())),
        "start_param": "ref_abc-1",
        "signature": "c2ln",
        **changed,
    }
    return {name: value for name, value in found.items() if value is not None}


def signed(found: dict[str, str], token: str = TOKEN) -> str:
    return urlencode({**found, "hash": init_data_hash(found, token)})


def read(raw: str, now: datetime = NOON):
    return read_init_data(raw, bot_token=TOKEN, now=now, max_age=DAY)


def test_genuine_data_names_its_user() -> None:
    found = read(signed(fields()))

    assert found.user_id == 279058397
    assert found.auth_date == NOON
    assert found.language_code == "ru"
    assert found.start_param == "ref_abc-1"
    assert found.query_id == "AAHdF6IQAAAAAN0XohDhrOrc"


def test_the_published_sample_is_genuine() -> None:
    now = datetime.fromtimestamp(1662771648, UTC)

    found = read_init_data(PUBLISHED, bot_token=PUBLISHED_TOKEN, now=now, max_age=DAY)

    assert found.user_id == 279058397


def test_the_signature_field_is_among_the_hashed() -> None:
    assert read(OURS, datetime.fromtimestamp(1790856000, UTC)).user_id == 42
    unsigned = "&".join(part for part in OURS.split("&") if not part.startswith("signature"))
    with pytest.raises(InitDataNotTrusted):
        read(unsigned, datetime.fromtimestamp(1790856000, UTC))


def test_order_and_the_manner_of_escaping_do_not_matter() -> None:
    genuine = signed(fields())
    shuffled = "&".join(reversed(genuine.split("&")))

    assert read(shuffled) == read(genuine.replace("+", "%20")) == read(genuine)


def test_the_proof_is_of_the_data_and_not_of_its_spelling() -> None:
    genuine = signed(fields())
    spellings = [genuine, "&".join(reversed(genuine.split("&"))), genuine.replace("+", "%20")]

    assert len({read(spelled).proof for spelled in spellings}) == 1
    assert read(signed(fields(query_id="another"))).proof != read(genuine).proof
    assert read(genuine).proof not in genuine, "what is kept signs nobody in"


def test_fields_that_telegram_adds_later_are_hashed_and_ignored() -> None:
    assert read(signed(fields(something_new="1", empty=""))).user_id == 279058397


GENUINE = signed(fields())
HASH = GENUINE.rpartition("=")[2]
FORGED = {
    "nothing": "",
    "a word": "hello",
    "one character changed": GENUINE.replace("279058397", "279058398"),
    "a field added": GENUINE + "&added=1",
    "a field removed": signed(fields()).replace("&start_param=ref_abc-1", ""),
    "the user twice": GENUINE + "&" + urlencode({"user": json.dumps({"id": 1})}),
    "the hash twice": GENUINE + "&hash=" + HASH,
    "no hash": urlencode(fields()),
    "an empty hash": GENUINE.replace(HASH, ""),
    "the hash in capitals": GENUINE.replace(HASH, HASH.upper()),
    "a hash beyond ASCII": GENUINE.replace(HASH, quote("é" * 64)),
    "a longer hash": GENUINE + "0",
    "another bot's token": signed(fields(), "1:other"),
    "no bot's token": signed(fields(), ""),
    "invalid UTF-8": GENUINE + "&x=%ff",
    "a lone surrogate": GENUINE + "\ud800",
    "64 KiB": signed(fields(more="x" * 65_536)),
    "a field without a value": GENUINE + "&x",
    "no date": signed(fields(auth_date=None)),
    "date 0": signed(fields(auth_date="0")),
    "date with an exponent": signed(fields(auth_date="1e9")),
    "date with a sign": signed(fields(auth_date=f"+{int(NOON.timestamp())}")),
    "date below zero": signed(fields(auth_date="-1")),
    "date beyond all calendars": signed(fields(auth_date="9" * 30)),
    "date in full-width digits": signed(fields(auth_date="１７９０８５６０００")),
    "date in an hour": signed(fields(auth_date=str(int(NOON.timestamp()) + 3600))),
    "date in 61 seconds": signed(fields(auth_date=str(int(NOON.timestamp()) + 61))),
    "no user": signed(fields(user=None)),
    "user is not JSON": signed(fields(user="{")),
    "user is a list": signed(fields(user="[]")),
    "user is nested without end": signed(fields(user="[" * 5000)),
    "user without an id": signed(fields(user="{}")),
    "id as text": signed(fields(user='{"id": "1"}')),
    "id true": signed(fields(user='{"id": true}')),
    "id zero": signed(fields(user='{"id": 0}')),
    "id below zero": signed(fields(user='{"id": -1}')),
    "id with a fraction": signed(fields(user='{"id": 1.5}')),
    "id 2^52": signed(fields(user='{"id": 4503599627370496}')),
    "id beyond 2^53": signed(fields(user='{"id": 9007199254740993}')),
    "id twice": signed(fields(user='{"id": 1, "id": 2}')),
    "a line break in a value": signed(fields(start_param="x\nuser={}")),
    "a field's name with more in it": signed({**fields(), "a=b\nc": "1"}),
}


@pytest.mark.parametrize("raw", FORGED.values(), ids=FORGED.keys())
def test_forged_or_malformed_data_is_not_trusted(raw: str) -> None:
    with pytest.raises(InitDataNotTrusted):
        read(raw)


def test_two_readings_of_one_signed_text_are_not_both_taken() -> None:
    signed_once = fields(start_param="x", user='{"id": 7}')
    split = {**signed_once, "start_param": "x", "zzz": "1"}
    joined = {**signed_once, "user": '{"id": 7}\nzzz=1'}

    assert init_data_hash(split, TOKEN) == init_data_hash(joined, TOKEN)
    assert read(signed(split)).user_id == 7
    with pytest.raises(InitDataNotTrusted):
        read(signed(joined))


def test_without_a_token_of_ours_nothing_is_trusted() -> None:
    with pytest.raises(InitDataNotTrusted):
        read_init_data(signed(fields(), ""), bot_token="", now=NOON, max_age=DAY)


def test_data_is_taken_for_a_day_and_a_minute_ahead() -> None:
    assert read(GENUINE, NOON + DAY)
    assert read(GENUINE, NOON - timedelta(seconds=60))
    with pytest.raises(InitDataTooOld):
        read(GENUINE, NOON + DAY + timedelta(seconds=1))


@pytest.mark.parametrize("hostile", ["", "a b", "x" * 65, "<script>", "../..", "é", "' OR 1=1"])
def test_a_hostile_start_link_is_no_start_link(hostile: str) -> None:
    found = read(signed(fields(start_param=hostile, query_id=hostile * 3 + "!")))

    assert found.start_param is None
    assert found.query_id is None


@pytest.mark.parametrize("language", ["", "x", "ru\x7f", 5, None, ["ru"], "a" * 40])
def test_a_language_that_is_none_is_left_out(language: object) -> None:
    user = json.dumps({"id": 1, "language_code": language})

    assert read(signed(fields(user=user))).language_code is None


@given(st.text() | st.text("&=%+0fhasuer").map(lambda text: text + "&" + GENUINE))
def test_no_text_but_the_genuine_is_ever_trusted(raw: str) -> None:
    if raw != f"&{GENUINE}":
        with pytest.raises(InitDataNotTrusted):
            read(raw)
