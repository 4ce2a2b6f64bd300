"""Panels that answer nonsense, refuse, or are slow; and what exactly they are told."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio

from adapters.provisioning.own_system import OwnSystem
from adapters.provisioning.remnawave import Remnawave
from core.domain.access import NO_ACCESS, Access
from core.ports.access_provisioner import AccessRefused, AccessUnavailable, Applied
from tests.adapters.gateways.served import Script, Stage, a_stage
from tests.builders import NOON, Clock, a_customer
from tests.contracts.panels import SECRET, TOKEN, ServedPanel, a_panel

ANNA = a_customer()
MONTH = Access(("vpn",), NOON + timedelta(days=30))
KINDS = ["http", "remnawave"]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as stage:
        yield stage


@asynccontextmanager
async def told(
    kind: str, stage: Stage, *answers: tuple[int, bytes]
) -> AsyncIterator[tuple[OwnSystem | Remnawave, Script]]:
    """A provisioner whose outside answers what is scripted."""
    script = Script(*answers)
    stage.app, timeout = script.app, httpx.Timeout(0.5)
    made = (
        OwnSystem(stage.url, SECRET, now=Clock(NOON), timeout=timeout)
        if kind == "http"
        else Remnawave(stage.url, TOKEN, timeout=timeout)
    )
    yield made, script
    await made.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "answer",
    [
        (200, b"<html>Sign in</html>"),
        (200, b"[" * 100_000),
        (200, b"x" * 300_000),
        (200, b'{"response": 7, "link": 7}'),
        (200, b'{"response": {"internalSquads": 7}, "link": "javascript alert(1)"}'),
        (301, b"{}"),
        (409, b"{}"),
        (429, b"{}"),
        (500, b"oops"),
        (503, b"{}"),
    ],
    ids=lambda answer: f"{answer[0]} {answer[1][:20]!r}",
)
async def test_what_cannot_be_understood_is_asked_again(
    kind: str, answer: tuple[int, bytes], stage: Stage
) -> None:
    async with told(kind, stage, answer) as (panel, _):
        with pytest.raises(AccessUnavailable):
            await panel.apply(ANNA, MONTH, revision=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_what_is_refused_is_for_a_person(kind: str, status: int, stage: Stage) -> None:
    squads = b'{"response": {"internalSquads": [{"name": "vpn", "uuid": "u"}]}}'
    first = [(200, squads)] if kind == "remnawave" else []
    async with told(kind, stage, *first, (status, b"no")) as (panel, _):
        with pytest.raises(AccessRefused):
            await panel.apply(ANNA, MONTH, revision=1)


@pytest.mark.parametrize("fault", ["slow", "nonsense"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_slow_or_a_confused_panel_is_asked_again(
    kind: str, fault: str, stage: Stage
) -> None:
    async with a_panel(kind, stage, Clock(NOON)) as panel:
        assert isinstance(panel, ServedPanel)
        panel.rules.faults.plan(fault, 1)
        with pytest.raises(AccessUnavailable):
            await panel.provisioner.apply(ANNA, MONTH, revision=1)
        assert (await panel.provisioner.apply(ANNA, MONTH, revision=1)).link is not None


async def test_a_panel_that_hangs_holds_one_at_a_time_and_is_found_again(stage: Stage) -> None:
    async with a_panel("http", stage, Clock(NOON)) as panel:
        assert isinstance(panel, ServedPanel)
        panel.rules.faults.plan("slow", 4)
        for count, heard in ((3, 3), (5, 4)):
            orders = (panel.provisioner.apply(ANNA, MONTH, revision=1) for _ in range(count))
            told = await asyncio.gather(*orders, return_exceptions=True)
            assert [type(one) for one in told] == [AccessUnavailable] * count
            assert len(panel.rules.calls) == heard

        assert (await panel.provisioner.apply(ANNA, MONTH, revision=1)).link is not None


async def test_a_grant_that_the_panel_does_not_know_is_refused_by_name(stage: Stage) -> None:
    async with a_panel("remnawave", stage, Clock(NOON)) as panel:
        with pytest.raises(AccessRefused, match="'tea'"):
            await panel.provisioner.apply(ANNA, Access(("tea",), MONTH.until), revision=1)


async def test_a_user_made_by_another_order_meanwhile_is_asked_again(stage: Stage) -> None:
    squads = b'{"response": {"internalSquads": [{"name": "vpn", "uuid": "u"}]}}'
    taken = (400, b'{"errorCode": "A019"}')
    async with told("remnawave", stage, (200, squads), (404, b"{}"), taken) as (panel, script):
        with pytest.raises(AccessUnavailable):
            await panel.apply(ANNA, MONTH, revision=1)
    said = json.loads(script.asked[-1][1])
    assert said["username"] == ANNA.id
    assert said["activeInternalSquads"] == ["u"]
    assert said["expireAt"] == "2026-04-09T09:00:00.123Z"
    assert script.asked[-1][0].headers["Authorization"] == f"Bearer {TOKEN}"


async def test_an_own_system_is_told_all_by_a_signed_order_that_repeats_itself(
    stage: Stage,
) -> None:
    async with told("http", stage, (200, b"")) as (panel, script):
        assert await panel.apply(ANNA, MONTH, revision=7) == Applied(None)
        await panel.apply(ANNA, MONTH, revision=7)
        await panel.apply(ANNA, NO_ACCESS, revision=8)
    [first, again, revoked] = script.asked
    request, body = first
    assert (request.method, request.url.path) == ("PUT", f"/access/{ANNA.id}")
    assert json.loads(body) == {
        "customer": ANNA.id,
        "identities": [str(one) for one in ANNA.identities],
        "grants": ["vpn"],
        "until": "2026-04-09T09:00:00.123457Z",
        "revision": 7,
    }
    assert json.loads(revoked[1])["until"] is None
    headers = request.headers
    said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    proof = base64.b64encode(hmac.digest(key, said, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{proof}"
    assert headers["webhook-timestamp"] == str(int(NOON.timestamp()))
    ids = [one[0].headers["webhook-id"] for one in (first, again, revoked)]
    assert ids[0] == ids[1] != ids[2]


async def test_an_order_that_is_signed_by_nobody_is_not_taken_by_the_double(stage: Stage) -> None:
    async with a_panel("http", stage, Clock(NOON)) as panel:
        assert isinstance(panel, ServedPanel)
        stranger = OwnSystem(
            f"{stage.url}/panel", "whsec_" + base64.b64encode(b"x" * 32).decode(), now=panel.now
        )
        with pytest.raises(AccessRefused):
            await stranger.apply(ANNA, MONTH, revision=1)
        await stranger.close()
        assert panel.access(ANNA) == NO_ACCESS


async def test_an_older_order_that_comes_late_changes_nothing_at_the_double(stage: Stage) -> None:
    async with a_panel("http", stage, Clock(NOON)) as panel:
        await panel.provisioner.apply(ANNA, NO_ACCESS, revision=2)
        await panel.provisioner.apply(ANNA, MONTH, revision=1)
        assert panel.access(ANNA) == NO_ACCESS


@pytest.mark.parametrize("kind", KINDS)
async def test_the_doctor_finds_out_whether_it_is_there(kind: str, stage: Stage) -> None:
    async with a_panel(kind, stage, Clock(NOON)) as panel:
        assert isinstance(panel.provisioner, OwnSystem | Remnawave)
        await panel.provisioner.is_there()
        panel.down()
        if kind == "remnawave":
            with pytest.raises(AccessUnavailable):
                await panel.provisioner.is_there()
    async with told(kind, stage, (500, b"")) as (away, _):
        with pytest.raises(AccessUnavailable):
            await away.is_there()
