"""The sample Mini App's backend: it proves who asks, and asks Billhook as the business would."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps, loads

import pytest

from tests.sandbox.served_sandbox import Served, serve

LEFT = {"limit": 3, "remaining": 2, "resets_at": "2026-03-02T21:00:00+00:00"}
HELD = {"hold_id": "hld_1", "allowed": True, "used": 1, "expires_at": LEFT["resets_at"], **LEFT}
CAPTURED = {"hold_id": "hld_1", "status": "captured", "captured": 1, "used": 1, **LEFT}
RELEASED = {**CAPTURED, "status": "released", "captured": 0}
DENIED = {**HELD, "hold_id": None, "allowed": False, "remaining": 0}
HOLD = "/api/v1/billing/customers/telegram:1001/usage/photo_ai/holds/"
CAPTURE = "/api/v1/billing/usage/holds/hld_1/capture/"
RELEASE = "/api/v1/billing/usage/holds/hld_1/release/"


class Billhook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, self.headers["Authorization"], loads(body)))
        status, told = self.server.answers[self.path]
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(dumps(told).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def billhook() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Billhook) as server:
        server.asked = []
        server.answers = {HOLD: (200, HELD), CAPTURE: (200, CAPTURED), RELEASE: (200, RELEASED)}
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def served(billhook) -> Iterator[Served]:
    url = f"http://127.0.0.1:{billhook.server_port}"
    with serve(api_url=url, api_key=lambda: "bh_key") as one:
        yield one


def photo(served: Served, init_data: str | None = None, **body: object):
    if init_data is None:
        init_data = served.control("telegram/users/1001/init_data").json()["init_data"]
    headers = {"Authorization": f"tma {init_data}"} if init_data else {}
    body = body or {"photo": "meal.jpg", "request_id": "one"}
    return served.client.post("/sandbox/app/photo", json=body, headers=headers)


def test_a_photo_is_held_for_whoever_opened_the_app_and_counted_when_it_was_read(served, billhook):
    answer = photo(served)
    assert (answer.status_code, answer.json()) == (200, {"calories": 420, **LEFT})
    [(path, key, asked), (end, _, _)] = billhook.asked
    assert (path, key, end) == (HOLD, "Bearer bh_key", CAPTURE)
    assert (asked["amount"], asked["request_id"]) == (1, "photo-1001-one")


def test_a_photo_that_shows_nothing_is_given_back(served, billhook):
    answer = photo(served, photo="blurred.jpg", request_id="one")
    told = {"calories": None, "why": "nothing_to_be_seen"}
    assert (answer.status_code, answer.json()) == (200, told)
    assert [path for path, _, _ in billhook.asked] == [HOLD, RELEASE]


def test_without_photos_left_nothing_is_looked_at(served, billhook):
    billhook.answers[HOLD] = (200, DENIED)
    answer = photo(served, photo="blurred.jpg", request_id="one")
    told = {"calories": None, "why": "no_photos_left", **LEFT, "remaining": 0}
    assert (answer.status_code, answer.json()) == (200, told)
    assert [path for path, _, _ in billhook.asked] == [HOLD]


def test_nobody_asks_in_anothers_name(served, billhook):
    mine = served.control("telegram/users/1001/init_data").json()["init_data"]
    assert photo(served, mine.replace("1001", "1002")).status_code == 401
    assert photo(served, "").status_code == 401
    assert photo(served, "nonsense").status_code == 401
    old = served.control("telegram/users/1001/init_data", age_seconds=25 * 3600).json()
    assert photo(served, old["init_data"]).status_code == 401
    assert billhook.asked == []


def test_an_attempt_nested_too_deep_is_refused(served, billhook):
    init_data = served.control("telegram/users/1001/init_data").json()["init_data"]
    answer = served.client.post(
        "/sandbox/app/photo",
        content="[" * 100_000 + "]" * 100_000,
        headers={"Authorization": f"tma {init_data}"},
    )

    assert answer.status_code == 422
    assert billhook.asked == []


@pytest.mark.parametrize("body", [{"x": 1}, {"request_id": ""}, {"request_id": "x" * 65}])
def test_an_attempt_has_a_short_id(served, billhook, body):
    assert photo(served, photo="meal.jpg", **body).status_code == 422
    assert billhook.asked == []


def test_what_billhook_refuses_is_said_by_its_code(served, billhook):
    billhook.answers[HOLD] = (404, {"code": "feature_not_found"})
    answer = photo(served)
    assert (answer.status_code, answer.json()) == (502, {"code": "feature_not_found"})


def test_a_billhook_that_is_away_is_said_too():
    with serve(api_url="http://127.0.0.1:9", api_key="bh_key") as served:
        answer = photo(served)
    assert (answer.status_code, answer.json()) == (503, {"code": "billing_unavailable"})


def test_the_page_may_be_framed_by_telegram_and_runs_nothing_foreign(served):
    page = served.client.get("/sandbox/app/")
    policy = page.headers["content-security-policy"]
    assert page.status_code == 200
    assert "frame-ancestors 'self' https://web.telegram.org" in policy
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert "style=" not in page.text
    assert served.client.get("/sandbox/app/app.js").status_code == 200
