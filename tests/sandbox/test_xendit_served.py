"""The served double of Xendit: its page for payers, its controls for testers, its webhooks."""

import re

import httpx
import pytest

from sandbox.app import DEMO
from tests.sandbox.served_sandbox import Served, serve
from tests.sandbox.xendit_shop import PAYOUT, SESSION

KEY, TOKEN = DEMO["xendit"]
API = "/sandbox/xendit"


def call(served: Served, method: str, path: str, body: object = None, **headers) -> httpx.Response:
    return served.client.request(method, f"{API}{path}", json=body, auth=(KEY, ""), headers=headers)


def opened(served: Served, **changes) -> dict:
    answer = call(served, "POST", "/sessions", SESSION | {"expires_at": None} | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()


def session(served: Served, session_id: str) -> dict:
    return call(served, "GET", f"/sessions/{session_id}").json()


def test_a_payer_is_declined_tries_again_and_returns_to_the_shop(served):
    made = opened(served)
    url = made["payment_link_url"]
    page = served.client.get(url).text
    assert "990.50 PHP" in page
    assert set(re.findall(r'name="action" value="(\w+)"', page)) == {
        *("GCASH", "CARDS", "QRPH", "decline")
    }
    assert 'href="https://shop.example/cancel"' in page

    declined = served.client.post(url, data={"action": "decline"})
    assert url.endswith(declined.headers["location"])
    paid = served.client.post(url, data={"action": "CARDS"})
    assert (paid.status_code, paid.headers["location"]) == (303, "https://shop.example/ok")

    told = session(served, made["payment_session_id"])
    payment = call(served, "GET", f"/v3/payments/{told['payment_id']}").json()
    assert (told["status"], payment["channel_code"]) == ("COMPLETED", "CARDS")
    page = served.client.get(url).text
    assert "<form" not in page
    assert 'href="https://shop.example/ok"' in page


def test_a_button_pressed_too_late_leads_back_to_the_page(served):
    url = opened(served)["payment_link_url"]
    served.control("clock/advance", minutes=31)

    late = served.client.post(url, data={"action": "GCASH"})

    assert url.endswith(late.headers["location"])
    assert 'data-status="EXPIRED"' in served.client.get(url).text
    assert served.client.get(f"{API}/checkout/ps-1").status_code == 404
    assert served.client.post(f"{API}/checkout/ps-1").status_code == 404


def test_webhooks_come_with_their_token_and_an_id_each(served):
    made = opened(served)
    served.control(f"xendit/payments/{made['payment_session_id']}/pay")
    served.until(lambda: len(served.hooks) == 2)

    assert {one["event"] for one in served.hooks} == {
        *("payment.capture", "payment_session.completed")
    }
    assert {one["x-callback-token"] for one in served.hook_headers} == {TOKEN}
    assert len({one["webhook-id"] for one in served.hook_headers}) == 2


def test_a_webhook_that_nobody_took_comes_again_with_its_id_and_a_new_time(served):
    served.hook_status = 500
    made = opened(served)
    served.control(f"xendit/payments/{made['payment_session_id']}/expire")
    served.until(lambda: len(served.hooks) == 1)
    served.hook_status = 202

    served.control("clock/advance", minutes=15)
    served.until(lambda: len(served.hooks) == 2)

    first, again = served.hooks
    assert first["data"] == again["data"]
    assert first["created"] < again["created"]
    assert len({one["webhook-id"] for one in served.hook_headers}) == 1
    served.control("clock/advance", days=2)
    assert len(served.hooks) == 2


def test_money_goes_back_and_out_by_the_testers_hand(served):
    session_id = opened(served)["payment_session_id"]
    payments = f"xendit/payments/{session_id}"
    assert served.control(f"{payments}/refund").status_code == 409
    served.control(f"{payments}/pay")
    assert served.control(f"{payments}/pay_again").status_code == 200
    given = served.control(f"{payments}/refund", amount=0.5).json()
    assert (given["status"], given["amount"]) == ("SUCCEEDED", 0.5)
    assert served.control(f"{payments}/refund", amount=991).status_code == 422

    asked = {"payment_id": given["payment_id"], "amount": 1, "reason": "OTHERS"}
    refund = call(served, "POST", "/refunds", asked).json()
    rejected = served.control(f"xendit/refunds/{refund['id']}/reject").json()
    assert (rejected["status"], rejected["failure_code"]) == ("FAILED", "REFUND_FAILED")
    refund = call(served, "POST", "/refunds", asked).json()
    assert served.control(f"xendit/refunds/{refund['id']}/finish").json()["status"] == "SUCCEEDED"

    payout = call(served, "POST", "/v2/payouts", PAYOUT, **{"idempotency-key": "k"}).json()
    payouts = f"xendit/payouts/{payout['id']}"
    assert served.control(f"{payouts}/reverse").status_code == 409
    assert served.control(f"{payouts}/finish").json()["status"] == "SUCCEEDED"
    assert served.control(f"{payouts}/fail").status_code == 409
    assert served.control(f"{payouts}/reverse").json()["status"] == "REVERSED"
    assert served.control("xendit/payouts/disb-1/finish").status_code == 404


def test_answers_say_how_many_calls_are_left_and_a_flood_says_none(served):
    left = int(call(served, "GET", "/refunds").headers["rate-limit-remaining"])
    assert left < 60

    served.control("xendit/faults", mode="flood", next=1)
    flood = call(served, "GET", "/refunds")

    assert (flood.status_code, flood.headers["rate-limit-remaining"]) == (429, "0")
    assert 0 < int(flood.headers["rate-limit-reset"]) <= 60


def test_what_was_acted_on_may_be_lost_and_the_journal_knows(served):
    served.control("xendit/faults", mode="timeout_after_acting", next=1)
    with pytest.raises(httpx.HTTPError):
        call(served, "POST", "/sessions", SESSION | {"expires_at": None})

    [known] = served.client.get(f"{API}/calls").json()["items"]
    assert (known["method"], known["path"], known["status"]) == ("POST", "/sessions", None)
    assert "990.50 PHP" in served.client.get("/sandbox/").text


def test_only_its_own_key_opens_it_and_no_page_is_an_answer(served):
    for auth in (None, (KEY, "password"), ("", KEY), ("xnd_public_1", "")):
        assert served.client.get(f"{API}/refunds", auth=auth).status_code == 401, auth
    for path in ("", "/", "/v2/invoices", "/sessions/", "/payments/x/pay"):
        assert call(served, "GET", path or "/x").status_code == 404


def test_a_restart_forgets_nothing(tmp_path):
    with serve(tmp_path) as served:
        made = opened(served)
        served.control(f"xendit/payments/{made['payment_session_id']}/pay")
        before = session(served, made["payment_session_id"])
    with serve(tmp_path) as served:
        assert session(served, made["payment_session_id"]) == before
