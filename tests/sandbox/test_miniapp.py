"""The sample Mini App's backend: it proves who asks, and asks Billhook as the business would."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps, loads

import pytest

from tests.sandbox.served_sandbox import Served, serve

DECISION = {"allowed": True, "used": 1, "limit": 3, "remaining": 2, "resets_at": "x"}


class Billhook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, self.headers["Authorization"], loads(body)))
        status, told = self.server.answer
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(dumps(told).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def billhook() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Billhook) as server:
        server.asked, server.answer = [], (200, DECISION)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def served(billhook) -> Iterator[Served]:
    url = f"http://127.0.0.1:{billhook.server_port}/api"
    with serve(api_url=url, api_key=lambda: "bh_key") as one:
        yield one


def photo(served: Served, init_data: str | None = None, **body: object):
    if init_data is None:
        init_data = served.control("telegram/users/1001/init_data").json()["init_data"]
    headers = {"Authorization": f"tma {init_data}"} if init_data else {}
    body = body or {"request_id": "one"}
    return served.client.post("/sandbox/app/photo", json=body, headers=headers)


def test_a_photo_is_asked_for_in_the_name_of_whoever_opened_the_app(served, billhook):
    answer = photo(served)
    assert (answer.status_code, answer.json()) == (200, DECISION)
    assert billhook.asked == [
        (
            "/api/customers/telegram:1001/usage/photo_ai/consume/",
            "Bearer bh_key",
            {"amount": 1, "request_id": "photo-1001-one"},
        )
    ]


def test_nobody_asks_in_anothers_name(served, billhook):
    mine = served.control("telegram/users/1001/init_data").json()["init_data"]
    assert photo(served, mine.replace("1001", "1002")).status_code == 401
    assert photo(served, "").status_code == 401
    assert photo(served, "nonsense").status_code == 401
    old = served.control("telegram/users/1001/init_data", age_seconds=25 * 3600).json()
    assert photo(served, old["init_data"]).status_code == 401
    assert billhook.asked == []


@pytest.mark.parametrize("body", [{"x": 1}, {"request_id": ""}, {"request_id": "x" * 65}])
def test_an_attempt_has_a_short_id(served, billhook, body):
    assert photo(served, **body).status_code == 422
    assert billhook.asked == []


def test_what_billhook_refuses_is_said_by_its_code(served, billhook):
    billhook.answer = (404, {"code": "feature_not_found"})
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
