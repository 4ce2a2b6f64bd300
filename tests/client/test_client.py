"""The Python client over real HTTP: what a service's author may rely on, on a good line and a bad one."""

import asyncio
import json
import logging
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from adapters.http.tokens import api_key_hash
from adapters.persistence.memory import MemoryStore
from billhook_client import (
    Billhook,
    Conflict,
    Decision,
    HoldEnded,
    Invalid,
    NotAllowed,
    NotFound,
    Problem,
    Quota,
    QuotaDenied,
    RequestIdUsedOtherwise,
    Unavailable,
)
from core.domain.credentials import Scope
from core.domain.customer import CustomerId
from core.use_cases.consequences import consequences
from tests.adapters.http.api import KEY, PEPPER
from tests.builders import NOON
from tests.client.bad_line import BadLine, Trouble, a_bad_line
from tests.house.sources import ROOT
from tests.world import World

BUSY = "HTTP/1.1 503 Service Unavailable\nConnection: close\nContent-Length: 0\n\n"
HTML = "HTTP/1.1 {}\nConnection: close\nContent-Type: text/html\nContent-Length: 6\n\n<html>"


class Shop:
    """The world, the line to it, and Anna, asked for by a client."""

    def __init__(
        self, world: World, line: BadLine, anna: CustomerId, client: httpx.AsyncClient
    ) -> None:
        self.world, self.line, self.anna, self._client = world, line, anna, client
        self.billhook = self.called_with(KEY)

    def called_with(self, key: str, **settings: int) -> Billhook:
        return Billhook(self.line.url, key, client=self._client, **settings)

    @property
    def quota(self) -> Quota:
        return self.billhook.quota("telegram:1001")

    async def used(self) -> int:
        return await self.world.used(self.anna)

    def asked(self) -> list[tuple[str, dict]]:
        """The last part of each path that was asked for, and the body."""
        told = [request.split(" ", 2) for request in self.line.requests]
        return [(path.split("/")[-2], json.loads(body)) for _, path, body in told]


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    world = await World(MemoryStore(consequences)).opens()
    anna = await world.customer()
    async with (
        a_bad_line(world) as line,
        httpx.AsyncClient(trust_env=False, timeout=2) as client,
    ):
        yield Shop(world, line, anna, client)


def busy(seconds: int | str, status: str = "503 Service Unavailable") -> str:
    return BUSY.replace("503 Service Unavailable", f"{status}\nRetry-After: {seconds}")


async def test_a_use_is_decided_and_a_denial_is_an_answer(shop):
    decision = await shop.quota.consume("photo_ai", 2)
    denied = await shop.quota.consume("photo_ai", 2)

    midnight = NOON.replace(hour=21, minute=0, second=0, microsecond=0)
    assert decision == Decision(True, used=2, limit=3, remaining=1, resets_at=midnight)
    assert denied == Decision(False, used=2, limit=3, remaining=1, resets_at=midnight)


async def test_each_call_is_an_ask_of_its_own_and_a_request_id_makes_it_one(shop):
    for request_id in (None, None, "same", "same"):
        await shop.quota.consume("photo_ai", request_id=request_id)

    assert await shop.used() == 3


async def test_a_block_that_ends_has_used_what_was_held(shop):
    async with shop.quota.hold("photo_ai", 2) as hold:
        assert await shop.used() == 2
        assert hold.decision.remaining == 1
        assert hold.expires_at == NOON + timedelta(minutes=5)

    await shop.world.time_passes(minutes=6)
    assert await shop.used() == 2
    assert (hold.ended.status, hold.ended.captured) == ("captured", 2)


async def test_a_block_may_capture_fewer_units_and_earlier(shop):
    async with shop.quota.hold("photo_ai", 3) as hold:
        ended = await hold.capture(1)

    assert (ended.captured, ended.used, ended.remaining) == (1, 1, 2)
    assert await shop.used() == 1
    assert [what for what, _ in shop.asked()] == ["holds", "capture"]


async def test_a_block_may_change_its_mind(shop):
    async with shop.quota.hold("photo_ai") as hold:
        await hold.release()

    assert await shop.used() == 0
    assert [what for what, _ in shop.asked()] == ["holds", "release"]


async def test_a_block_that_raises_gives_back_and_its_error_is_heard(shop):
    with pytest.raises(ZeroDivisionError):
        async with shop.quota.hold("photo_ai", 3):
            raise ZeroDivisionError

    assert await shop.used() == 0


async def test_what_was_captured_before_the_block_raises_stays_used(shop):
    with pytest.raises(ZeroDivisionError):
        async with shop.quota.hold("photo_ai", 3) as hold:
            await hold.capture(2)
            raise ZeroDivisionError

    assert await shop.used() == 2


async def test_a_block_that_is_canceled_gives_back(shop):
    begun = asyncio.Event()

    async def work() -> None:
        async with shop.quota.hold("photo_ai", 3):
            begun.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await shop.used() == 0


async def test_a_block_that_runs_out_of_its_time_gives_back(shop):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), shop.quota.hold("photo_ai", 3):
            await asyncio.sleep(60)

    assert await shop.used() == 0


async def test_without_leave_the_block_does_not_run(shop):
    await shop.quota.consume("photo_ai", 3)

    with pytest.raises(QuotaDenied) as denied:
        async with shop.quota.hold("photo_ai"):
            raise AssertionError
    assert denied.value.decision.allowed is False
    assert denied.value.decision.remaining == 0


async def test_a_block_that_outlives_its_hold_hears_of_it(shop):
    with pytest.raises(HoldEnded) as over:
        async with shop.quota.hold("photo_ai", expires_in_seconds=60):
            await shop.world.time_passes(minutes=2)

    assert isinstance(over.value, Conflict)
    assert over.value.facts["hold_status"] == "expired"
    assert await shop.used() == 0


@pytest.mark.parametrize(
    "troubles",
    [
        [Trouble.CUT_BEFORE],
        [Trouble.CUT_AFTER],
        [Trouble.CUT_AFTER, Trouble.CUT_BEFORE, Trouble.CUT_AFTER, Trouble.CUT_AFTER],
        [BUSY],
        [HTML.format("502 Bad Gateway"), HTML.format("504 Gateway Timeout")],
    ],
)
async def test_what_was_not_answered_is_asked_again_and_counted_once(shop, troubles):
    shop.line.troubles = [*troubles]
    decision = await shop.quota.consume("photo_ai", 2)

    assert decision.used == await shop.used() == 2
    assert len(shop.asked()) == len(troubles) + 1
    assert len({body["request_id"] for _, body in shop.asked()}) == 1


async def test_a_hold_is_held_once_and_ended_once_on_the_worst_of_lines(shop):
    cut = Trouble.CUT_AFTER
    shop.line.troubles = [cut, Trouble.CUT_BEFORE, None, cut, Trouble.CUT_BEFORE, cut]
    async with shop.quota.hold("photo_ai", 3) as hold:
        await hold.capture(2)
    assert await shop.used() == 2

    shop.line.troubles = [cut, None, cut, cut]
    with pytest.raises(ZeroDivisionError):
        async with shop.quota.hold("photo_ai"):
            raise ZeroDivisionError
    assert await shop.used() == 2


@pytest.mark.parametrize("status", ["503 Service Unavailable", "429 Too Many Requests"])
async def test_who_is_told_to_wait_waits_so_long(shop, status):
    shop.line.troubles = [busy(1, status)]
    began = time.monotonic()
    assert (await shop.quota.consume("photo_ai")).allowed

    assert 1 <= time.monotonic() - began < 5
    assert len(shop.asked()) == 2


async def test_who_is_told_to_wait_for_long_is_told_so_at_once(shop):
    shop.line.troubles = [busy(3600)]
    with pytest.raises(Unavailable) as busy_now:
        await shop.quota.consume("photo_ai")

    assert busy_now.value.retry_after_seconds == 3600
    assert isinstance(busy_now.value.__cause__, Problem)
    assert len(shop.asked()) == 1


async def test_too_many_requests_without_a_time_to_wait_are_not_repeated(shop):
    shop.line.troubles = [BUSY.replace("503", "429")]
    with pytest.raises(Problem) as refused:
        await shop.quota.consume("photo_ai")

    assert refused.value.status == 429
    assert len(shop.asked()) == 1


async def test_nobody_asks_for_ever(shop):
    shop.line.troubles = [Trouble.CUT_BEFORE] * 9
    with pytest.raises(Unavailable) as nobody:
        await shop.quota.consume("photo_ai", request_id="r")

    assert isinstance(nobody.value.__cause__, httpx.TransportError)
    assert len(shop.asked()) == 5
    shop.line.troubles.clear()
    assert (await shop.quota.consume("photo_ai", request_id="r")).used == 1


async def test_where_nobody_listens_it_is_said_so(shop):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        shop.line.url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    lost = shop.called_with(KEY, tries_max=2)
    with pytest.raises(Unavailable):
        await lost.quota("telegram:1001").consume("photo_ai")


async def test_who_does_not_answer_is_not_waited_for(shop):
    shop.line.troubles = [Trouble.SILENCE]
    # With an httpx client of its own, which it closes.
    async with Billhook(shop.line.url, KEY, timeout_seconds=0.2) as impatient:
        assert (await impatient.quota("telegram:1001").consume("photo_ai")).used == 1


async def test_what_cannot_be_given_back_expires_and_the_blocks_error_is_heard(shop, caplog):
    with caplog.at_level(logging.WARNING), pytest.raises(ZeroDivisionError):
        async with shop.quota.hold("photo_ai", 3) as hold:
            shop.line.troubles = [Trouble.CUT_BEFORE] * 9
            raise ZeroDivisionError

    assert hold.id in caplog.text
    assert await shop.used() == 3
    await shop.world.time_passes(minutes=5)
    assert await shop.used() == 0


async def test_a_block_whose_capture_is_not_answered_does_not_give_back(shop):
    with pytest.raises(Unavailable):
        async with shop.quota.hold("photo_ai", 3):
            shop.line.troubles = [Trouble.CUT_AFTER] * 5

    assert await shop.used() == 3
    assert "release" not in {what for what, _ in shop.asked()}


async def test_refusals_are_told_by_their_kind(shop):
    quota = shop.quota
    await quota.consume("photo_ai", request_id="r")
    await shop.world.billing.put_key("weak", api_key_hash("bh_weak", PEPPER), frozenset())
    strangers = [shop.called_with(key).quota("telegram:1001") for key in ("bh_no", "bh_weak")]
    cases = [
        (quota.consume("photo_ai", 2, request_id="r"), RequestIdUsedOtherwise, 409),
        (quota.consume("photo_ai", 0), Invalid, 422),
        (quota.consume("video"), NotFound, 404),
        (quota.consume("../../me"), NotFound, 404),
        (shop.billhook.quota("telegram:1002").consume("photo_ai"), NotFound, 404),
        (shop.billhook.quota("who?").consume("photo_ai"), Invalid, 422),
        (strangers[0].consume("photo_ai"), NotAllowed, 401),
        (strangers[1].consume("photo_ai"), NotAllowed, 403),
    ]
    for ask, kind, status in cases:
        with pytest.raises(kind) as refused:
            await ask
        assert refused.value.status == status
        assert str(status) in str(refused.value)
    assert refused.value.facts["needs"] == Scope.USAGE
    assert len(shop.asked()) == len(cases) + 1, "a refusal is not asked for again"


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "500 Internal Server Error"])
async def test_an_answer_that_is_not_billhooks_is_no_decision(shop, status):
    shop.line.troubles = [HTML.format(status)]
    with pytest.raises(Problem) as odd:
        await shop.quota.consume("photo_ai")

    assert odd.value.code == "answer_not_understood"
    assert odd.value.status == int(status[:3])


async def test_a_capture_of_more_than_was_held_is_refused_and_the_units_go_back(shop):
    with pytest.raises(Invalid) as refused:
        async with shop.quota.hold("photo_ai", 2) as hold:
            await hold.capture(3)

    assert refused.value.code == "capture_not_usable"
    assert await shop.used() == 0


async def test_many_blocks_at_once_never_pass_the_limit(shop):
    async def work(number: int) -> int:
        try:
            async with shop.quota.hold("photo_ai"):
                await asyncio.sleep(0.01)
                return 1 // (number % 2)
        except (QuotaDenied, ZeroDivisionError):
            return 0

    done = await asyncio.gather(*(work(number) for number in range(20)))

    assert await shop.used() == sum(done) <= 3


async def test_the_example_in_the_guide_does_what_the_guide_says(shop, tmp_path):
    guide = (ROOT / "docs" / "guides" / "quotas.md").read_text()
    example = tmp_path / "example.py"
    example.write_text(guide.partition("```python\n")[2].partition("```")[0])
    await shop.world.customer("external:anna")
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        example,
        env=os.environ | {"URL": f"{shop.line.url}/api/v1/billing", "KEY": KEY, "NO_PROXY": "*"},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await running.communicate()

    assert told.decode().splitlines() == [
        "soup.jpg: a bowl of soup",
        "blurred.jpg: nothing to be seen, and not counted",
        "salad.jpg: a bowl of soup",
        "cake.jpg: a bowl of soup",
        "pie.jpg: come back at 21:00 UTC",
    ]


def test_an_address_without_its_scheme_is_refused():
    with pytest.raises(ValueError, match="http"):
        Billhook("billing.example.com", KEY)
