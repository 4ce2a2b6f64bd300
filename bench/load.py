"""The load: a process of its own that asks over kept connections, one request at a time on each.

Prints one line of JSON: `rate` per second after a warm-up, `answered` and `refused` in all.
"""

import argparse
import asyncio
import json
import secrets
from collections.abc import Iterator
from itertools import count
from typing import Final, cast

import uvloop

WARM_UP_SECONDS: Final = 0.5


class Tally:
    def __init__(self) -> None:
        self.answered = self.refused = self.open = 0
        self.is_over = False
        self.all_closed = asyncio.Event()


class Asker(asyncio.Protocol):
    """One connection: a request, its whole answer, the next request."""

    transport: asyncio.Transport

    def __init__(self, requests: Iterator[bytes], tally: Tally) -> None:
        self._requests = requests
        self._tally = tally
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own, no subclass.
        self._tally.open += 1
        self.transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not _is_whole(self._answer):
            return
        if self._answer.startswith(b"HTTP/1.1 200"):
            self._tally.answered += 1
        else:
            self._tally.refused += 1
        self._answer = b""
        if self._tally.is_over:
            self.transport.close()
        else:
            self.transport.write(next(self._requests))

    def connection_lost(self, _: Exception | None) -> None:
        self._tally.open -= 1
        if not self._tally.open:
            self._tally.all_closed.set()
        if not self._tally.is_over:
            self._tally.refused += 1


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    _, _, length = head.lower().partition(b"content-length: ")
    return len(body) >= int(length.partition(b"\r\n")[0])


def requests(key: str, customers: int) -> Iterator[bytes]:
    """For customer after customer; each with a request id that never was before."""
    run = secrets.token_hex(8)
    heads = [
        (
            f"POST /api/v1/billing/customers/external:c{number}/usage/photo_ai/consume/ HTTP/1.1\r\n"
            f"Host: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
            "Content-Type: application/json\r\nContent-Length: 57\r\n\r\n"
            f'{{"amount": 1, "request_id": "{run}'
        ).encode()
        for number in range(customers)
    ]
    for number in count():
        yield heads[number % customers] + b'%010d"}' % number


async def load(port: int, connections: int, seconds: float, asked: Iterator[bytes]) -> None:
    loop = asyncio.get_running_loop()
    tally = Tally()
    for _ in range(connections):
        await loop.create_connection(lambda: Asker(asked, tally), "127.0.0.1", port)
    await asyncio.sleep(WARM_UP_SECONDS)
    before, started = tally.answered, loop.time()
    await asyncio.sleep(seconds)
    assert tally.open == connections, "connections were lost"
    rate = (tally.answered - before) / (loop.time() - started)
    tally.is_over = True
    await tally.all_closed.wait()
    print(json.dumps({"rate": rate, "answered": tally.answered, "refused": tally.refused}))


def main() -> None:
    options = argparse.ArgumentParser()
    for name in ("--port", "--connections", "--customers"):
        options.add_argument(name, type=int, required=True)
    options.add_argument("--seconds", type=float, required=True)
    options.add_argument("--key", required=True)
    given = options.parse_args()
    asked = requests(given.key, given.customers)
    uvloop.run(load(given.port, given.connections, given.seconds, asked))


if __name__ == "__main__":
    main()
