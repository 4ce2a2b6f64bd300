"""Where a payer may be sent back to: addresses the operator listed, and no other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from core.domain.errors import Invalid

LENGTH_MAX: Final = 2048
_DEFAULT_PORTS = {"https": 443, "http": 80}
_LOOPBACK_HOSTS = {"localhost", "127.0.0.1"}
# No spaces, controls, backslashes, quotes, brackets of markup, and nothing beyond ASCII.
_CHARACTERS = re.compile(r"(?:[A-Za-z0-9\-._~:/?#@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+", re.ASCII)
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9\-.]*[a-z0-9])?", re.ASCII)


@dataclass(eq=False)
class ReturnUrlNotListed(Invalid):
    """The return address is not one of those that the operator listed."""


class ReturnUrls:
    """
    An origin is `https://host[:port][/prefix]`; the path of an address must be the prefix or lie
    under it. Plain http is for this machine alone (localhost, 127.0.0.1).
    """

    def __init__(self, origins: Sequence[str], default: str) -> None:
        """
        The default is the operator's own word, so its origin need not be listed.

        Raises:
            ValueError: an origin or the default is not usable.
        """
        self._prefixes: dict[str, list[str]] = {}
        for listed in origins:
            url = _parse(listed)
            if url is None or url.query:
                raise ValueError(f"not an origin that can be listed: {listed}")
            self._prefixes.setdefault(_origin(url), []).append(url.path)
        default_url = _parse(default)
        if default_url is None:
            raise ValueError(f"not a return address that can be used: {default}")
        self._default = urlunsplit(default_url)

    @property
    def origins(self) -> frozenset[str]:
        """The listed ones without their prefixes, as browsers write them."""
        return frozenset(self._prefixes)

    def checked(self, url: str | None) -> str:
        """
        The address written anew from its parts, never the text that came; the default for None.

        Raises:
            ReturnUrlNotListed: the caller gets no hint of what would have passed.
        """
        if url is None:
            return self._default
        parsed = _parse(url)
        prefixes = [] if parsed is None else self._prefixes.get(_origin(parsed), [])
        if parsed is None or not any(_is_under(parsed.path, prefix) for prefix in prefixes):
            raise ReturnUrlNotListed
        return urlunsplit(parsed)


def _parse(text: str) -> SplitResult | None:
    """An address on which all parsers agree, in one spelling: lower-case host, no default port."""
    if len(text) > LENGTH_MAX or "#" in text or not _CHARACTERS.fullmatch(text):
        return None
    # Browsers take `https:/host` and `https:host` for `https://host`; Python does not.
    if not text.lower().startswith(("https://", "http://")):
        return None
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return None
    host = url.hostname or ""
    path = url.path or "/"
    if (
        not _HOST.fullmatch(host)
        or (url.scheme == "http" and host not in _LOOPBACK_HOSTS)
        or "@" in url.netloc
        or url.netloc.endswith(":")
        or not _is_plain_path(path)
        or not _is_plain_query(url.query)
    ):
        return None
    netloc = host if port in {None, _DEFAULT_PORTS[url.scheme]} else f"{host}:{port}"
    return SplitResult(url.scheme, netloc, path, url.query, "")


def _is_plain_path(path: str) -> bool:
    """No dot segments, no empty ones and no controls, at any depth of encoding."""
    for _ in range(4):
        if "\\" in path or "//" in path or not path.isprintable():
            return False
        if {".", ".."} & set(path.split("/")):
            return False
        try:
            decoded = unquote(path, errors="strict")
        except UnicodeDecodeError:
            return False
        if decoded == path:
            return True
        path = decoded
    return False


def _is_plain_query(query: str) -> bool:
    try:
        return unquote(query, errors="strict").isprintable()
    except UnicodeDecodeError:
        return False


def origin_of(text: str) -> str:
    """As browsers write it; empty for an address that we would send nobody to."""
    url = _parse(text)
    return "" if url is None else _origin(url)


def _origin(url: SplitResult) -> str:
    return f"{url.scheme}://{url.netloc}"


def _is_under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix if prefix.endswith("/") else prefix + "/")
