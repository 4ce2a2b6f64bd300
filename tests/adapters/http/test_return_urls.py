"""Return addresses: ten ways to write a good one, over a hundred attacks."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.http.return_urls import ReturnUrlNotListed, ReturnUrls

BAD = json.loads(
    (Path(__file__).parents[2] / "recordings" / "return_urls_bad.json").read_text("utf-8")
)
SHOP = "https://shop.example.com"
DEFAULT = f"{SHOP}/paid"
LISTED = ReturnUrls([SHOP, "https://pay.example.org:8443/done/"], DEFAULT)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (SHOP, f"{SHOP}/"),
        (f"{SHOP}/", f"{SHOP}/"),
        (f"{SHOP}/a?b=c&d=%20e", f"{SHOP}/a?b=c&d=%20e"),
        ("https://SHOP.example.com/x", f"{SHOP}/x"),
        ("HTTPS://shop.example.com/x", f"{SHOP}/x"),
        (f"{SHOP}:443/x", f"{SHOP}/x"),
        ("https://pay.example.org:8443/done/1", "https://pay.example.org:8443/done/1"),
        (f"{SHOP}/?next=https://evil.com", f"{SHOP}/?next=https://evil.com"),
        (f"{SHOP}/a%20%D0%B6", f"{SHOP}/a%20%D0%B6"),
        (f"{SHOP}/a@b", f"{SHOP}/a@b"),
        (f"{SHOP}/a:b;c=d", f"{SHOP}/a:b;c=d"),
        (None, DEFAULT),
    ],
)
def test_a_listed_address_is_taken_and_written_anew(sent: str | None, kept: str) -> None:
    assert LISTED.checked(sent) == kept


@pytest.mark.parametrize("attack", BAD, ids=[each["why"] for each in BAD])
def test_an_attack_is_refused(attack: dict[str, str]) -> None:
    with pytest.raises(ReturnUrlNotListed):
        LISTED.checked(attack["u"])


def test_the_table_of_attacks_is_whole() -> None:
    assert len({each["u"] for each in BAD}) == 112


@pytest.mark.parametrize(
    "path",
    ["/%c0%ae%c0%ae/", "/%25252e%25252e/", "/a/%E2%80%AE", "/%C2%85", "/.", "/a/%2e"],
)
def test_a_path_that_two_readers_could_read_differently_is_refused(path: str) -> None:
    with pytest.raises(ReturnUrlNotListed):
        LISTED.checked(SHOP + path)


def test_a_prefix_ends_at_a_segment() -> None:
    listed = ReturnUrls(["https://t.me/OurBot"], "https://t.me/OurBot")

    assert listed.checked("https://t.me/OurBot?start=paid") == "https://t.me/OurBot?start=paid"
    assert listed.checked("https://t.me/OurBot/app") == "https://t.me/OurBot/app"
    with pytest.raises(ReturnUrlNotListed):
        listed.checked("https://t.me/OurBotEvil")


def test_plain_http_is_for_this_machine_and_only_if_listed() -> None:
    listed = ReturnUrls(["http://127.0.0.1:8000", "http://localhost"], "http://localhost/")

    assert listed.checked("http://127.0.0.1:8000/x") == "http://127.0.0.1:8000/x"
    assert listed.checked("http://localhost:80/x") == "http://localhost/x"
    for other in ("http://127.0.0.1/", "https://127.0.0.1:8000/", "http://localhost:8000/"):
        with pytest.raises(ReturnUrlNotListed):
            listed.checked(other)
    with pytest.raises(ReturnUrlNotListed):
        LISTED.checked("http://127.0.0.1:8000/")


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "*",
        "shop.example.com",
        "http://shop.example.com",
        "http://127.0.0.1.evil.com",
        "https://*.example.com",
        "https://user@shop.example.com",
        "https://shop.example.com/#a",
        "tg://resolve",
    ],
)
def test_an_address_that_is_none_stops_the_start(origin: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        ReturnUrls([origin], DEFAULT)
    with pytest.raises(ValueError, match="return address"):
        ReturnUrls([], origin)


def test_an_origin_has_no_query() -> None:
    with pytest.raises(ValueError, match="origin"):
        ReturnUrls([f"{SHOP}/?a=1"], DEFAULT)


@given(st.text("/.%25eE0a?&=:;@#\\ \x01é", max_size=40))
def test_what_is_taken_is_taken_again_unchanged(rest: str) -> None:
    try:
        kept = LISTED.checked(SHOP + "/" + rest)
    except ReturnUrlNotListed:
        return

    assert kept.startswith(f"{SHOP}/")
    assert LISTED.checked(kept) == kept


@given(st.text())
def test_any_text_is_taken_or_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(ReturnUrlNotListed):
        LISTED.checked(text)
