"""Whose address counts, with and without proxies."""

import pytest

from adapters.http.client_address import (
    TrustedProxies,
    client_address,
    is_listed,
    parse_networks,
)

PROXY = "10.0.0.1"
YOOKASSA = parse_networks(
    ["185.71.76.0/27", "77.75.156.11", "2a02:5180:0:1509::/64", "2a02:5180:0:2655::/64"]
)

TOLD = {
    "no proxies: the header is nothing": ("", "203.0.113.9", ["185.71.76.1"], "203.0.113.9"),
    "no proxies, from this machine": ("", "127.0.0.1", ["185.71.76.1"], "127.0.0.1"),
    "a stranger sends the header": (PROXY, "203.0.113.9", ["185.71.76.1"], "203.0.113.9"),
    "the proxy sends none": (PROXY, PROXY, [], PROXY),
    "the proxy names the client": (PROXY, PROXY, ["185.71.76.1"], "185.71.76.1"),
    "the client made up the left": (PROXY, PROXY, ["185.71.76.1, 203.0.113.9"], "203.0.113.9"),
    "two proxies": (
        "10.0.0.0/24",
        PROXY,
        ["185.71.76.1, 203.0.113.9, 10.0.0.7"],
        "203.0.113.9",
    ),
    "the right one counts": (PROXY, PROXY, ["203.0.113.9, 185.71.76.1"], "185.71.76.1"),
    "two lines": (PROXY, PROXY, ["185.71.76.1", "203.0.113.9"], "203.0.113.9"),
    "the proxy's address is mapped": (
        PROXY,
        "::ffff:10.0.0.1",
        ["185.71.76.1"],
        "185.71.76.1",
    ),
    "the client's address is mapped": (PROXY, PROXY, ["::ffff:185.71.76.1"], "185.71.76.1"),
    "mapped, in hex": (PROXY, PROXY, ["::FFFF:b947:4c01"], "185.71.76.1"),
    "NAT64 is itself": (PROXY, PROXY, ["64:ff9b::b947:4c01"], "64:ff9b::b947:4c01"),
    "with a port": (PROXY, PROXY, ["185.71.76.1:443"], None),
    "IPv6 with a port": (PROXY, PROXY, ["[2a02:5180:0:1509::1]:443"], None),
    "IPv6": (PROXY, PROXY, ["2A02:5180:0:1509:0::1"], "2a02:5180:0:1509::1"),
    "with a zone": (PROXY, PROXY, ["2a02:5180:0:1509::1%eth0"], None),
    "mapped, with a zone": (PROXY, PROXY, ["::ffff:185.71.76.1%1"], None),
    "the word unknown": (PROXY, PROXY, ["unknown"], None),
    "a hidden name": (PROXY, PROXY, ["_hidden"], None),
    "empty": (PROXY, PROXY, [""], None),
    "a comma": (PROXY, PROXY, [","], None),
    "5,000 commas": (PROXY, PROXY, ["," * 5000], None),
    "an unreadable neighbour hides the rest": (PROXY, PROXY, ["185.71.76.1, junk"], None),
    "leading zeros": (PROXY, PROXY, ["185.71.076.1"], None),
    "octal": (PROXY, PROXY, ["0271.71.76.1"], None),
    "one number": (PROXY, PROXY, ["3108457473"], None),
    "three parts": (PROXY, PROXY, ["185.71.76"], None),
    "full-width digits": (PROXY, PROXY, ["１85.71.76.1"], None),
    "spaces and tabs": (PROXY, PROXY, ["203.0.113.9 ,\t185.71.76.1 "], "185.71.76.1"),
    "a socket that is trusted": ("unix", None, ["185.71.76.1"], "185.71.76.1"),
    "a socket that is not": (PROXY, None, ["185.71.76.1"], None),
    "a socket without the header": ("unix", None, [], None),
    "loopback by header is an address like others": (PROXY, PROXY, ["::1"], "::1"),
    "all are proxies": ("10.0.0.0/24", PROXY, ["10.0.0.8, 10.0.0.7"], "10.0.0.8"),
    "a peer that is no address": (PROXY, "testclient", ["185.71.76.1"], None),
}


@pytest.mark.parametrize(("trusted", "peer", "lines", "expected"), TOLD.values(), ids=TOLD.keys())
def test_the_nearest_address_that_is_not_ours_is_the_client(
    trusted: str, peer: str | None, lines: list[str], expected: str | None
) -> None:
    proxies = TrustedProxies.parsed([trusted] if trusted else [])

    assert client_address(peer, lines, proxies) == expected


@pytest.mark.parametrize(
    ("address", "listed"),
    [
        ("185.71.76.1", True),
        ("::ffff:185.71.76.1", True),
        ("185.71.76.31", True),
        ("185.71.76.32", False),
        ("77.75.156.11", True),
        ("77.75.156.12", False),
        ("2a02:5180:0:1509::1", True),
        ("2a02:5180:0:1510::1", False),
        ("2a02:5180:0:1509::1%eth0", False),
        ("64:ff9b::b947:4c01", False),
        (PROXY, False),
        ("127.0.0.1", False),
        ("", False),
        (None, False),
    ],
)
def test_the_list_is_read_to_its_edges(address: str | None, listed: bool) -> None:
    assert is_listed(address, YOOKASSA) is listed


@pytest.mark.parametrize("everybody", ["0.0.0.0/0", "::/0", "::ffff:0:0/96"])
def test_nobody_trusts_everybody(everybody: str) -> None:
    with pytest.raises(ValueError, match="every address"):
        TrustedProxies.parsed(["10.0.0.1", everybody])


@pytest.mark.parametrize("unreadable", ["", "10.0.0.1/24", "proxy.example.com", "10.0.0.0/33"])
def test_a_proxy_that_cannot_be_read_stops_the_start(unreadable: str) -> None:
    with pytest.raises(ValueError, match=r"appear to be|host bits"):
        TrustedProxies.parsed([unreadable])


def test_a_mapped_network_in_the_list_is_its_v4_network() -> None:
    assert is_listed("185.71.76.1", parse_networks(["::ffff:185.71.76.0/123"]))
