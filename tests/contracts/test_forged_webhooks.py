"""What no gateway believes, and no door stores: a true webhook with its proof spoiled in each way."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from adapters.persistence.memory import MemoryStore
from core.ports.payment_gateway import (
    Gateways,
    SenderNotListed,
    Webhook,
    WebhookNotReadable,
    WebhookNotTrusted,
)
from core.use_cases.consequences import consequences
from core.use_cases.webhooks import TakeInWebhook
from tests.adapters.gateways.paymongo_desk import PayMongoDesk
from tests.adapters.gateways.served import Stage, a_stage
from tests.adapters.http.api import ROOT, Api, an_api
from tests.builders import Clock
from tests.contracts.gateways import ALL, UNSIGNED, AnyDesk, SigningDesk, a_desk, asked
from tests.hostile.served import everything_in
from tests.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module", params=ALL)
async def desk(request: pytest.FixtureRequest, stage: Stage, now: Clock) -> AsyncIterator[AnyDesk]:
    async with a_desk(request.param, stage, now) as desk:
        yield desk


@pytest_asyncio.fixture(loop_scope="module")
async def api(desk: AnyDesk, now: Clock) -> AsyncIterator[Api]:
    """The door of this gateway alone."""
    world = await World(MemoryStore(consequences), clock=now).opens()
    taking_in = TakeInWebhook(world.store, Gateways(desk.gateway), now, world.ids)
    world.billing = replace(world.billing, take_in_webhook=taking_in)
    async with an_api(world) as api:
        yield api


async def true_webhook(desk: AnyDesk) -> Webhook:
    opened = await desk.gateway.open_checkout(asked(desk))
    desk.pay(opened.payment_id)
    return desk.webhook(opened.payment_id)


def forgeries(desk: AnyDesk, true: Webhook) -> Mapping[str, Webhook]:
    """The proof is whatever a forger has to guess: a header, or the address that it comes from."""
    guessed = desk.forged(true.body)
    found = {"wrong secret": guessed}
    for name in guessed.headers:
        given = true.headers[name]
        spoiled = {"empty": "", "truncated": given[:-1], "longer": f"0{given}"}
        spoiled |= {"twice": f"{given}, {given}", "in other letters": given.swapcase()}
        for how, proof in spoiled.items():
            found[how] = replace(true, headers={**true.headers, name: proof})
        found["missing"] = replace(true, headers={})
    if true.sender is not None:
        for how, sender in (("missing", None), ("truncated", true.sender[:-1])):
            found[how] = replace(true, sender=sender)
        found["in a header"] = replace(guessed, headers={"X-Real-IP": true.sender})
    if isinstance(desk, SigningDesk):
        for how, body in written_anew(true.body).items():
            found[how] = replace(true, body=body)
    if isinstance(desk, PayMongoDesk):
        found["live in test mode"] = desk.vouched(true.body, live=True)
        for how, late in (("of yesterday", timedelta(days=1)), ("of tomorrow", timedelta(days=-1))):
            found[how] = desk.vouched(true.body, late=late)
    return found


def written_anew(body: bytes) -> Mapping[str, bytes]:
    told = json.loads(body)
    return {
        "re-serialised": json.dumps(told, indent=1).encode(),
        "with a field more": json.dumps(told | {"paid": True}).encode(),
        "body truncated": body[:-1],
        "body longer": body + b" ",
        "no body": b"",
    }


async def heard(api: Api, desk: AnyDesk, webhook: Webhook) -> tuple[int, str | None]:
    headers = {"Content-Type": "application/json", **webhook.headers}
    if webhook.sender is not None:
        headers["X-Forwarded-For"] = webhook.sender
    path = f"{ROOT}/webhooks/{desk.gateway.name}/"
    answer = await api.client.post(path, content=webhook.body, headers=headers)
    return answer.status_code, answer.json()["code"] if answer.is_error else None


async def test_a_forgery_is_refused_by_status_and_code_and_stored_nowhere(
    desk: AnyDesk, api: Api
) -> None:
    true = await true_webhook(desk)
    before = everything_in(api.world)

    for how, forged in forgeries(desk, true).items():
        with pytest.raises((SenderNotListed, WebhookNotTrusted)):
            desk.gateway.read_webhook(forged)
        told = await heard(api, desk, forged)
        assert told in {(403, "sender_not_listed"), (401, "webhook_not_trusted")}, how
        assert everything_in(api.world) == before, how

    assert await heard(api, desk, true) == (200, None)
    assert len(everything_in(api.world)["inbox"]) == 1


@pytest.mark.parametrize("desk", UNSIGNED, indirect=True)
async def test_a_body_that_is_not_signed_is_the_same_notice_however_it_is_written(
    desk: AnyDesk,
) -> None:
    true = await true_webhook(desk)
    written = written_anew(true.body)

    anew = desk.gateway.read_webhook(replace(true, body=written["re-serialised"]))

    assert anew.dedupe_key == desk.gateway.read_webhook(true).dedupe_key
    for how in ("body truncated", "no body"):
        with pytest.raises(WebhookNotReadable):
            desk.gateway.read_webhook(replace(true, body=written[how]))
