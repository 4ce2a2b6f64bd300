"""Where a request comes from: one answer for limits, allow-lists and the audit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Self

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class TrustedProxies:
    """Whose `X-Forwarded-For` we believe. `unix` is a peer without an address: a local socket."""

    networks: tuple[Network, ...] = ()
    unix: bool = False

    @classmethod
    def parsed(cls, entries: Iterable[str]) -> Self:
        """
        Read addresses, networks and the word `unix`.

        Raises:
            ValueError: an entry is not readable, or would trust everybody.
        """
        listed = [entry.strip() for entry in entries]
        networks = parse_networks(entry for entry in listed if entry != "unix")
        if any(network.prefixlen == 0 for network in networks):
            raise ValueError("trusting every address as a proxy lets anybody choose theirs")
        return cls(networks, unix="unix" in listed)

    def trusts(self, address: Address | None) -> bool:
        if address is None:
            return self.unix
        return any(address in network for network in self.networks)


def parse_networks(entries: Iterable[str]) -> tuple[Network, ...]:
    """Networks as `is_listed` compares them: v4-mapped ones are v4. ValueError if unreadable."""
    return tuple(_unmapped(ip_network(entry)) for entry in entries)


def client_address(
    peer: str | None, forwarded_for_lines: Sequence[str], trusted: TrustedProxies
) -> str | None:
    """
    The address nearest to us that is not a proxy of ours, in its shortest form, v4-mapped as v4;
    None if it cannot be told, which is never "allowed". A port or a zone makes it unreadable.
    `forwarded_for_lines` are all `X-Forwarded-For` lines in order; other headers do not count.
    """
    nearest = parse_address(peer) if peer else None
    if peer and nearest is None:
        return None
    if trusted.trusts(nearest):
        # From the right: each proxy appends whom it saw, and the left is whatever was sent.
        hops = ",".join(forwarded_for_lines).split(",") if forwarded_for_lines else []
        for hop in reversed(hops):
            nearest = parse_address(hop.strip(" \t"))
            if nearest is None or not trusted.trusts(nearest):
                break
    return None if nearest is None else str(nearest)


def is_listed(address: str | None, networks: Iterable[Network]) -> bool:
    parsed = parse_address(address) if address else None
    return parsed is not None and any(parsed in network for network in networks)


def parse_address(text: str) -> Address | None:
    """None for whatever is not a plain address; `in` would say yes to one with a zone id."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


def _unmapped(network: Network) -> Network:
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        v4 = network.network_address.ipv4_mapped
        if v4 is not None:
            return IPv4Network((v4, network.prefixlen - 96))
    return network
