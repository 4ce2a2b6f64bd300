"""The double of the business's own system: it believes our sender and nobody else, and shows it."""

from datetime import UTC, datetime, timedelta

import pytest

from adapters.webhooks import WebhookSender, is_public_or_this_machine
from core.domain.delivery import Reply
from sandbox.app import DEMO_WEBHOOK_SECRET
from tests.money_builders import a_fresh_delivery
from tests.sandbox.served_sandbox import Served, serve

OTHER = "whsec_" + "QUJD" * 10


@pytest.fixture
def served():
    with serve(slow_seconds=0.05) as one:
        yield one


async def told(served: Served, *secrets: str, hours: int = 0) -> Reply:
    sender = WebhookSender(
        f"{served.url}/sandbox/webhooks",
        secrets or (DEMO_WEBHOOK_SECRET,),
        lambda: datetime.now(UTC) + timedelta(hours=hours),
        may_call=is_public_or_this_machine,
    )
    try:
        return await sender.send(a_fresh_delivery())
    finally:
        await sender.close()


def calls(served: Served) -> list[tuple[int, bool]]:
    items = served.client.get("/sandbox/webhooks/calls").json()["items"]
    return [(one["status"], one["is_new"]) for one in items]


async def test_what_is_signed_is_taken_and_a_repeat_is_known(served: Served) -> None:
    for _ in range(2):
        assert await told(served) == Reply(204, "204")

    assert calls(served) == [(204, True), (204, False)]
    page = served.client.get("/sandbox/webhooks").text
    assert a_fresh_delivery().id in page
    assert "(again)" in page
    assert "webhooks/faults" in served.client.get("/sandbox/").text


async def test_what_is_not_signed_as_it_should_be_is_not_believed(served: Served) -> None:
    assert (await told(served, OTHER)).status == 401
    assert (await told(served, hours=1)).status == 401
    assert served.client.post("/sandbox/webhooks", content=b"{}").status_code == 401
    assert (await told(served, OTHER, DEMO_WEBHOOK_SECRET)).status == 204


async def test_it_is_down_slow_or_gone_when_told_to(served: Served) -> None:
    for mode in ("down", "gone", "slow"):
        assert served.control("webhooks/faults", mode=mode, next=1).status_code == 200

    assert [(await told(served)).status for _ in range(3)] == [503, 410, 204]
    assert served.control("webhooks/faults", mode="drop", next=1).status_code == 422
    assert served.control("webhooks/faults", mode="down").json() == {"faults": {"down": 1}}
