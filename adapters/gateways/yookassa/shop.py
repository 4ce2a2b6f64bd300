"""Which shop we are at YooKassa, and which addresses YooKassa speaks from."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from core.domain.errors import Invalid
from core.ports.payment_gateway import SenderNotListed

YOOKASSA_NETWORKS: Final = (
    "185.71.76.0/27",
    "185.71.77.0/27",
    "77.75.153.0/25",
    "77.75.154.128/25",
    "77.75.156.11/32",
    "77.75.156.35/32",
    "2a02:5180:0:1509::/64",
    "2a02:5180:0:1533::/64",
    "2a02:5180:0:2655::/64",
    "2a02:5180:0:2669::/64",
)
"""
Where notifications come from (YooKassa docs, Notifications). For IPv6 the docs name the whole
2a02:5180::/32; the four parts of it that YooKassa's own SDK 3.13 admits are listed here.
"""

YOOKASSA_NETWORKS_TAKEN_ON: Final = "2026-11-21"
"""The day the list was last compared with its sources."""


@dataclass(eq=False)
class YookassaKeyOfOtherMode(Invalid):
    """The YooKassa secret key is of the other mode: a live key in test mode, or the reverse."""

    mode: str


@dataclass(frozen=True, slots=True)
class YooKassaShop:
    """
    A shop, or a gateway of payouts: each has an id and a secret key.

    Raises:
        YookassaKeyOfOtherMode
    """

    shop_id: str
    secret_key: str = field(repr=False)
    live: bool

    def __post_init__(self) -> None:
        if self.secret_key.startswith("test_" if self.live else "live_"):
            raise YookassaKeyOfOtherMode("live" if self.live else "test")


class Senders:
    """The addresses whose webhooks are read; `networks` as `185.71.76.0/27`."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)

    def check(self, sender: str | None) -> None:
        """
        Raises:
            SenderNotListed: also for what is no address at all.
        """
        try:
            address = ipaddress.ip_address(sender or "")
        except ValueError:
            raise SenderNotListed from None
        if isinstance(address, ipaddress.IPv6Address):
            # A zone id names a link of ours, and Python would ignore it when it compares.
            if address.scope_id is not None:
                raise SenderNotListed
            address = address.ipv4_mapped or address
        if not any(address in network for network in self._networks):
            raise SenderNotListed
