"""The served sandbox: its page for payers, its controls for testers, its webhooks, its memory."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from sandbox.app import DEMO_SECRET, DEMO_SHOP_ID
from tests.sandbox.served_sandbox import Served, serve
from tests.sandbox.shop_floor import an_order


def order(served: Served, key: str = "chk-1", **changes) -> httpx.Response:
    return served.client.post(
        "/sandbox/yookassa/v3/payments",
        json=an_order(**changes),
        headers={"Idempotence-Key": key},
        auth=(DEMO_SHOP_ID, DEMO_SECRET),
    )


def status_of(served: Served, payment_id: str) -> str:
    path = f"/sandbox/yookassa/v3/payments/{payment_id}"
    return served.client.get(path, auth=(DEMO_SHOP_ID, DEMO_SECRET)).json()["status"]


def test_a_payer_pays_on_the_page_and_returns_to_the_shop(served):
    payment = order(served).json()
    url = payment["confirmation"]["confirmation_url"]

    page = served.client.get(url)
    assert page.status_code == 200
    assert "990.00 RUB" in page.text
    assert "Подписка PRO, заказ 100042" in page.text
    assert {"pay", "decline"} == set(re.findall(r'name="action" value="(\w+)"', page.text))
    assert 'href="https://shop.example/return"' in page.text

    paid = served.client.post(url, data={"action": "pay"})
    assert (paid.status_code, paid.headers["location"]) == (303, "https://shop.example/return")
    assert status_of(served, payment["id"]) == "succeeded"
    assert "<form" not in served.client.get(url).text


def test_a_payer_whose_bank_declines_returns_to_the_shop_too(served):
    payment = order(served).json()
    url = payment["confirmation"]["confirmation_url"]

    declined = served.client.post(url, data={"action": "decline"})
    assert (declined.status_code, declined.headers["location"]) == (
        303,
        "https://shop.example/return",
    )
    assert status_of(served, payment["id"]) == "canceled"


def test_a_button_pressed_too_late_leads_back_to_the_page(served):
    url = order(served).json()["confirmation"]["confirmation_url"]
    served.control("clock/advance", hours=1)

    late = served.client.post(url, data={"action": "pay"})
    assert late.status_code == 303
    assert url.endswith(late.headers["location"])
    assert 'data-status="canceled"' in served.client.get(url).text


def test_the_page_escapes_what_the_shop_wrote(served):
    evil = '"><script>alert(1)</script>'
    confirmation = {"type": "redirect", "return_url": f"https://shop.example/{evil}"}
    payment = order(served, description=evil, confirmation=confirmation).json()

    page = served.client.get(payment["confirmation"]["confirmation_url"]).text
    assert "<script" not in page
    assert "<script" not in served.client.get("/sandbox/").text


def test_an_unknown_payment_has_no_page(served):
    assert served.client.get("/sandbox/yookassa/checkout/nothing").status_code == 404
    assert served.client.post("/sandbox/yookassa/checkout/nothing").status_code == 404


@pytest.mark.parametrize(
    ("action", "status"), [("pay", "succeeded"), ("decline", "canceled"), ("expire", "canceled")]
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_controls_move_a_payment_and_webhooks_tell(served, action, status, slash):
    payment_id = order(served).json()["id"]

    moved = served.control(f"yookassa/payments/{payment_id}/{action}{slash}")
    assert (moved.status_code, moved.json()["status"]) == (200, status)
    served.until(lambda: served.hooks)
    (hook,) = served.hooks
    assert hook["event"] == f"payment.{status}"
    assert hook["object"] == moved.json()


def test_controls_say_what_is_wrong(served):
    payment_id = order(served).json()["id"]
    served.control(f"yookassa/payments/{payment_id}/decline")

    assert served.control(f"yookassa/payments/{payment_id}/pay").status_code == 409
    assert served.control("yookassa/payments/nothing/pay").status_code == 404
    assert served.control("yookassa/faults", mode="tired").status_code == 422
    assert served.control("yookassa/faults", mode="down", next="2").status_code == 422
    assert served.control("yookassa/shops", shop_id=DEMO_SHOP_ID, colour="red").status_code == 422
    assert served.control("clock/advance", days=-1).status_code == 422
    assert served.control("clock/advance", days=10**9).status_code == 422
    assert served.control("clock/advance", days="1").status_code == 422
    assert served.client.post("/sandbox/clock/advance", content=b"[1]").status_code == 422
    assert served.client.post("/sandbox/clock/advance", content=b"{").status_code == 422


def test_foreign_payments_can_be_made(served):
    served.control("yookassa/shops", shop_id="2", secret="live_y", test=False)
    foreign = served.control("yookassa/payments", shop_id="2", amount="500.00").json()
    refund = served.control(f"yookassa/payments/{foreign['id']}/refund", amount="1.00").json()

    assert (foreign["status"], foreign["recipient"]["account_id"]) == ("succeeded", "2")
    assert refund["amount"]["value"] == "1.00"
    too_much = served.control(f"yookassa/payments/{foreign['id']}/refund", amount="500.00")
    assert too_much.status_code == 422
    served.until(lambda: len(served.hooks) == 2)


def test_a_refund_that_waits_is_finished_or_rejected(served):
    served.control("yookassa/shops", shop_id=DEMO_SHOP_ID, refunds_wait=True)
    payment_id = served.control("yookassa/payments", amount="500.00").json()["id"]
    one, two = (
        served.control(f"yookassa/payments/{payment_id}/refund", amount="1.00").json()["id"]
        for _ in range(2)
    )

    assert served.control(f"yookassa/refunds/{one}/finish").json()["status"] == "succeeded"
    assert served.control(f"yookassa/refunds/{two}/reject").json()["status"] == "canceled"
    assert served.control(f"yookassa/refunds/{two}/finish").status_code == 409


@pytest.mark.parametrize("status", [201, 204, 302, 500])
def test_only_200_accepts_a_webhook(served, status):
    served.hook_status = status
    rules = served.sandbox.gateways["yookassa"].rules
    served.control("yookassa/payments", amount="500.00")
    served.until(lambda: served.hooks and rules.next_event_at() > datetime.now(UTC))
    served.hook_status = 200
    served.control("clock/advance", minutes=2)

    served.until(lambda: len(served.hooks) == 2)
    assert served.hooks[0] == served.hooks[1]
    served.until(lambda: rules.next_event_at() is None)


def test_slow_answers_late_and_is_still_an_answer():
    with serve(slow_seconds=0.05) as served:
        served.control("yookassa/faults", mode="slow")

        assert order(served).status_code == 200


@pytest.mark.parametrize("wait", [0.0, 1.0])
def test_a_lost_answer_is_a_broken_connection_or_a_timeout(wait):
    with serve(lost_after_seconds=wait) as served:
        served.control("yookassa/faults", mode="timeout_after_acting", next=1)
        served.client.timeout = 0.3

        with pytest.raises(httpx.ReadTimeout if wait else httpx.RemoteProtocolError):
            order(served)
        calls = served.client.get("/sandbox/yookassa/calls").json()["items"]
        assert [(call["path"], call["key"], call["status"]) for call in calls] == [
            ("/payments", "chk-1", None)
        ]


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Basic !"}, {"Authorization": "Bearer x"}]
)
def test_a_call_without_readable_credentials_is_refused(served, headers):
    answer = served.client.get("/sandbox/yookassa/v3/me", headers=headers)

    assert answer.status_code == 401
    assert answer.json()["code"] == "invalid_credentials"


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b'{"description": "\\ud800"}'])
def test_a_call_that_is_not_json_is_refused(served, content):
    answer = served.client.post(
        "/sandbox/yookassa/v3/payments",
        content=content,
        headers={"Idempotence-Key": "one"},
        auth=(DEMO_SHOP_ID, DEMO_SECRET),
    )

    assert answer.status_code == 400
    assert answer.json()["type"] == "error"


def test_a_restart_keeps_payments_time_and_untold_webhooks(tmp_path):
    with serve(tmp_path) as served:
        served.hook_status = 500
        served.control("clock/advance", days=30)
        payment_id = order(served).json()["id"]
        served.control(f"yookassa/payments/{payment_id}/pay")
        served.until(lambda: served.hooks)

    with serve(tmp_path) as served:
        assert status_of(served, payment_id) == "succeeded"
        now = served.control("clock/advance", minutes=2).json()["now"]
        age = datetime.fromisoformat(now) - datetime.now().astimezone()
        assert age > timedelta(days=29, hours=23)
        served.until(lambda: served.hooks)
        assert served.hooks[0]["object"]["id"] == payment_id


def test_the_first_page_shows_payments_and_what_may_go_wrong(served):
    payment_id = order(served).json()["id"]
    page = served.client.get("/sandbox/").text

    assert f'href="yookassa/checkout/{payment_id}"' in page
    assert "timeout_after_acting: 0" in page


@pytest.mark.parametrize("path", ["yookassa/faults", "telegram/users/1001/send", "clock/advance"])
def test_controls_refuse_what_is_nested_too_deep(served, path):
    answer = served.client.post(f"/sandbox/{path}", content="[" * 100_000 + "]" * 100_000)

    assert answer.status_code == 422
