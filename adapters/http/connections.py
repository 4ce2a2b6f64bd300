"""Connections from strangers: not too many of them, none with a vast head, and none for ever."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from adapters.http.client_address import TrustedProxies, parse_address
from adapters.http.limits import address_key
from adapters.http.problems import (
    HeadTooLarge,
    RequestNotReadable,
    RequestTooSlow,
    TooManyConnections,
    problem_response,
)
from core.domain.errors import BillingError

HEAD_SIZE_MAX: Final = 32 * 1024
HEADERS_MAX: Final = 100
WAITING_MAX: Final = 100
"""Requests of one connection that wait for the answer to an earlier one: each costs kilobytes."""


@dataclass(frozen=True)
class ConnectionLimits:
    """
    For the head, counted from the connection or from its first byte, for the body after the head,
    and for taking an answer: so many seconds in all, however the bytes are spread over them.

    `uncounted` peers (our proxies, this machine) speak for many, so that only `in_all` is theirs.
    """

    uncounted: TrustedProxies
    new_request_id: Callable[[], str]
    head_seconds: float = 10
    body_seconds: float = 20
    answer_seconds: float = 30
    idle_seconds: int = 5
    per_peer: int = 50
    in_all: int = 800  # Below the 1,024 open files that a process commonly has.
    open: Counter[str] = field(default_factory=Counter)

    def protocol(self, *args: Any, **named: Any) -> asyncio.Protocol:
        """What uvicorn calls for each connection."""
        return _LimitedProtocol(self, *args, **named)

    def admits(self, peer: str | None) -> bool:
        if self.open.total() >= self.in_all:
            return False
        address = parse_address(peer) if peer else None
        return self.uncounted.trusts(address) or self.open[address_key(peer)] < self.per_peer


class _LimitedProtocol(HttpToolsProtocol):
    """
    uvicorn's protocol, which waits for ever and takes a head of any length.

    While a request is answered the peer may wait for us: only what we wait for has a deadline.
    """

    def __init__(self, limits: ConnectionLimits, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._limits = limits
        self._counted_as: str | None = None
        self._arriving: asyncio.TimerHandle | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._is_in_body = False
        # Bytes that came since the parser last made something of any, and the size of the head.
        self._unplaced = self._head_size = 0
        self._refusal: BillingError = RequestNotReadable()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        peer = self.client[0] if self.client else None
        if not self._limits.admits(peer):
            self._refuse(TooManyConnections(self._limits.idle_seconds))
            return
        self._counted_as = address_key(peer)
        self._limits.open[self._counted_as] += 1
        self._await_rest(self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._counted_as is not None:
            self._limits.open[self._counted_as] -= 1
            if not self._limits.open[self._counted_as]:
                del self._limits.open[self._counted_as]
        for timer in (self._arriving, self._leaving):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        if self._leaving is not None and not self.transport.get_write_buffer_size():
            self._leaving.cancel()
            self._leaving = None
        if self._arriving is None:
            self._await_rest(self._limits.head_seconds)
        self._unplaced += len(data)
        super().data_received(data)
        if self._unplaced > HEAD_SIZE_MAX and not self.transport.is_closing():
            self._refuse(HeadTooLarge())

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= WAITING_MAX:
            raise httptools.HttpParserError  # The parser stops, and uvicorn refuses: see below.
        super().on_message_begin()
        self._unplaced = self._head_size = 0
        if self._arriving is None:  # It came with the end of the one before.
            self._await_rest(self._limits.head_seconds)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._measure(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)  # Trailers come this way, too.
        self._measure(len(name) + len(value))

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._unplaced = 0
        self._is_in_body = True
        self._await_rest(self._limits.body_seconds)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._unplaced = 0

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._unplaced = 0
        self._is_in_body = False
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._await_taking()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_taking()

    def send_400_response(self, _: str) -> None:
        self._refuse(self._refusal)

    def _unsupported_upgrade_warning(self) -> None:
        # Answered as if nobody had asked for it, as HTTP has it; but what follows cannot be read.
        self._refuse(RequestNotReadable())

    def _measure(self, size: int) -> None:
        self._head_size += size
        if self._head_size > HEAD_SIZE_MAX or len(self.headers) > HEADERS_MAX:
            self._refusal = HeadTooLarge()
            raise httptools.HttpParserError

    def _await_rest(self, seconds: float) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
        self._arriving = self.loop.call_later(seconds, self._give_up_reading, seconds)

    def _give_up_reading(self, seconds: float) -> None:
        is_next = self._answering() is not None and not self._is_in_body
        if self.pipeline or self.flow.read_paused or is_next:
            self._await_rest(seconds)
        else:
            self._refuse(RequestTooSlow())

    def _await_taking(self) -> None:
        if self._leaving is None:
            seconds = self._limits.answer_seconds
            self._leaving = self.loop.call_later(seconds, self._give_up_writing)

    def _give_up_writing(self) -> None:
        self._leaving = None
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # Closing would wait for the peer to take what is left.

    def _refuse(self, error: BillingError) -> None:
        """
        Say why and hang up. A request that is here already is answered first, since the answer
        must not be lost; of one that is still coming, ours is the answer.
        """
        answering = self._answering()
        if answering is not None and not self._is_in_body:
            answering.keep_alive = False
            self.flow.pause_reading()
            return
        if answering is not None:
            answering.disconnected = True
            answering.message_event.set()
        has_answered = answering.response_started if answering is not None else self._is_in_body
        if not (has_answered or self.pipeline or self.transport.is_closing()):
            answer = problem_response(error, self._limits.new_request_id(), {"Connection": "close"})
            status = HTTPStatus(answer.status_code)
            lines = [f"HTTP/1.1 {status} {status.phrase}".encode()]
            lines += [b"%s: %s" % pair for pair in answer.raw_headers]
            self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self._await_taking()
        self.transport.close()

    def _answering(self) -> RequestResponseCycle | None:
        """The request that came last, while it is not answered in full."""
        cycle: RequestResponseCycle | None = self.cycle
        return None if cycle is None or cycle.response_complete else cycle
