"""
Schemathesis over the whole document: what it says is what happens, whoever asks and whatever for.

A sample from a fixed seed runs always; more with BILLHOOK_TEST_HOSTILE=whole.
"""

import asyncio
from collections import Counter
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from starlette.types import Receive, Scope, Send

from adapters.persistence.memory import MemoryStore
from core.use_cases.consequences import consequences
from tests.adapters.http.api import ROOT, Api, an_api
from tests.hostile.examples import Scene, a_scene
from tests.sampling import is_whole
from tests.world import World

WHOLE = is_whole("hostile")
EXAMPLES = 2000 if WHOLE else 15
KNOWN: dict[str, list[str]] = {
    "body.plan": ["PRO_MONTHLY", "PRO_YEARLY", "FREE"],
    "body.gateway": ["yookassa"],
    "body.return_url": ["https://shop.example.com/done"],
    "body.zone": ["Europe/Moscow"],
    "body.reason": ["looked at it"],
    "query.currency": ["RUB", "PHP"],
    "path.ref": ["telegram:1001", "telegram:1002", "external:anna"],
    "path.feature": ["photo_ai"],
    "path.gateway": ["yookassa"],
}
"""What is worth trying besides what the document says, so that much is let in."""

pytestmark = pytest.mark.timeout(7200 if WHOLE else 300)


def configured(token: str | None) -> SchemathesisConfig:
    settings: dict[str, Any] = {
        "seed": 1,
        "continue-on-failure": True,
        "generation": {
            "max-examples": EXAMPLES,
            "deterministic": not WHOLE,
            "no-shrink": not WHOLE,
        },
        # Of all the operations there are, few lead on to another one.
        "phases": {"stateful": {"generation": {"max-examples": 4 * EXAMPLES}}},
        "dictionaries": {
            name.replace(".", "-"): {"values": known} for name, known in KNOWN.items()
        },
        "parameters": {
            name: {"dictionary": name.replace(".", "-"), "probability": 0.6} for name in KNOWN
        },
        # What a schema cannot say is refused as 422: a plan without a price, an unlisted address;
        # and as 400, where a text holds what no database keeps.
        "checks": {
            "positive_data_acceptance": {
                "expected-statuses": ["2xx", 400, 401, 403, 404, 409, 422, 429]
            }
        },
    }
    if token is not None:
        settings["headers"] = {"Authorization": f"Bearer {token}"}
    return SchemathesisConfig.from_dict(settings)


async def a_stage() -> tuple[Api, Scene]:
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world) as api:
        return api, await a_scene(api)


@pytest.mark.parametrize("who", ["anonymous", "customer", "host"])
def test_the_document_is_true_whatever_is_sent(who: str) -> None:
    api, scene = asyncio.run(a_stage())
    token = {"customer": scene.sessions["anna"], "host": scene.keys["host"]}.get(who)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":  # The application is up already.
            while (await receive())["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
        else:
            # Each comes from an address of its own, so that limits per address hide nothing.
            n = next(scene.numbers)
            client = (f"198.18.{n >> 8 & 255}.{n & 255}", 1)
            await api.app({**scope, "client": client}, receive, send)

    schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=configured(token))
    if who == "customer":  # Else it ends its own session at once, and nothing else is seen.
        schema = schema.exclude(path=[f"{ROOT}/auth/logout/", f"{ROOT}/auth/refresh/"])
    wrong: dict[tuple[str, str], str] = {}
    statuses: Counter[int] = Counter()
    stateful = 0
    for event in from_schema(schema).execute():
        match event:
            case events.NonFatalError() | events.FatalError():
                wrong["the run", str(event)] = ""
            case events.PhaseFinished(status=Status.ERROR | Status.INTERRUPTED):
                wrong["the run", str(event.phase.name)] = "did not end well"
            case events.ScenarioFinished():
                recorder = event.recorder
                answers = [one.response for one in recorder.interactions.values() if one.response]
                statuses.update(one.status_code for one in answers)
                if event.phase.name == "STATEFUL_TESTING":
                    stateful += len([one for one in answers if one.status_code < 300])
                for case_id, checks in recorder.checks.items():
                    for check in checks:
                        if check.failure_info is not None:
                            label = recorder.cases[case_id].value.operation.label
                            wrong[check.name, label] = (
                                f"{check.failure_info.failure}\n{check.failure_info.code_sample}"
                            )

    assert not wrong, "\n\n".join(f"{where}: {what}" for where, what in wrong.items())
    assert not [status for status in statuses if status >= 500]
    if token is not None:
        assert statuses[200], "nothing was let in, so little was tried"
        assert stateful, "no call followed from another's answer"
