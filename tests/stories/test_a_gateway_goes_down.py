"""PayMongo goes down for a while: the marketplace's customers deposit through Xendit, over HTTP."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from entrypoints.commands import prepare
from entrypoints.process import application, development_key
from entrypoints.settings import Settings
from tests.sandbox.served_sandbox import listening

MARKETPLACE = Path(__file__).parents[2] / "catalogs" / "marketplace.toml"
API = "/api/v1/billing"


class Marketplace:
    """The whole process with its doubles, and the business's backend calling it."""

    def __init__(self, client: httpx.Client, key: str) -> None:
        self.client = client
        self._headers = {"Authorization": f"Bearer {key}"}
        self._keys = 0

    def deposits(self, gateway: str | None = None) -> httpx.Response:
        self._keys += 1
        return self.client.post(
            f"{API}/customers/external:ana/wallet/deposits/",
            json={"amount": {"amount_minor": 50_000 + self._keys, "currency": "PHP"}}
            | ({} if gateway is None else {"gateway": gateway}),
            headers={**self._headers, "Idempotency-Key": f"key-{self._keys}"},
        )

    def has_trouble(self, gateway: str, next_n: int) -> None:
        told = {"mode": "down", "next": next_n}
        assert self.client.post(f"/sandbox/{gateway}/faults", json=told).status_code == 200

    def opening(self, gateway: str) -> dict:
        status = self.client.get("/health/status").json()
        assert status["gateways"] == ["paymongo", "xendit"]
        return dict(status["breakers"][gateway]["opening"])

    def operates(self, path: str, body: dict) -> httpx.Response:
        return self.client.post(f"{API}/operator/{path}", json=body, headers=self._headers)

    def offers(self) -> tuple[str, bool]:
        """The first way to pay, and whether the last one is available."""
        ways = self.client.get(f"{API}/plans/").json()["ways_to_pay"]
        return ways[0]["gateway"], ways[-1]["available"]


@contextmanager
def a_marketplace(data_dir: Path) -> Iterator[Marketplace]:
    listener = socket.create_server(("127.0.0.1", 0))
    settings = Settings(
        _env_file=None,
        data_dir=data_dir,
        port=listener.getsockname()[1],
        catalog=MARKETPLACE,
        gateways="paymongo,xendit",
    )
    prepare(settings)
    with (
        httpx.Client(base_url=settings.base_url, trust_env=False, timeout=20) as client,
        listening(application(settings, whole=False), listener),
    ):
        place = Marketplace(client, development_key(settings))
        headers = {"Authorization": f"Bearer {development_key(settings)}"}
        made = client.put(f"{API}/customers/external:ana/", json={}, headers=headers)
        assert made.status_code in {200, 201}, made.text
        yield place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Marketplace]:
    with a_marketplace(tmp_path) as place:
        yield place


def test_the_other_gateway_takes_over_until_the_first_is_back(place: Marketplace) -> None:
    assert place.deposits().json()["gateway"] == "paymongo"
    place.has_trouble("paymongo", 5)

    for failures in range(1, 6):
        started = place.deposits()
        assert started.status_code == 201, started.text
        assert started.json()["gateway"] == "xendit"
        assert started.json()["confirmation_url"]
        assert place.opening("paymongo")["failures"] == failures

    down = place.opening("paymongo")
    assert down["state"] == "open"
    assert datetime.fromisoformat(down["since"]).tzinfo is not None
    assert place.offers() == ("xendit", False)
    # Nothing is sent although it would answer by now; who names it is told how long.
    assert place.deposits().json()["gateway"] == "xendit"
    named = place.deposits("paymongo")
    assert (named.status_code, named.json()["code"]) == (503, "gateway_unavailable")
    assert 50 <= int(named.headers["Retry-After"]) <= 60
    assert place.opening("xendit")["state"] == "closed"

    assert place.client.post("/sandbox/clock/advance", json={"seconds": 61}).is_success
    assert place.opening("paymongo")["state"] == "half_open"
    assert place.deposits().json()["gateway"] == "paymongo"
    assert place.opening("paymongo")["state"] == "closed"
    assert place.offers() == ("paymongo", True)


def test_a_person_who_knows_better_has_it_called_again_at_once(place: Marketplace) -> None:
    place.has_trouble("paymongo", 5)
    for _ in range(5):
        assert place.deposits("paymongo").status_code == 503
    assert place.opening("paymongo")["state"] == "open"

    reset = place.operates("breakers/paymongo/reset/", {"reason": "PayMongo says it is back"})

    assert reset.status_code == 200, reset.text
    assert place.opening("paymongo") | {"since": ""} == {
        "state": "closed",
        "since": "",
        "failures": 0,
    }
    assert place.deposits("paymongo").json()["gateway"] == "paymongo"
    unknown = place.operates("breakers/yookassa/reset/", {"reason": "PayMongo says it is back"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "breakers_not_found")
