"""The double of Crypto Pay over HTTP: its API, its page for payers, its controls, its webhooks."""

import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import httpx
import pytest

from sandbox.app import DEMO
from tests.sandbox.cryptopay_app import CRYPTO, FIAT, TRANSFER
from tests.sandbox.served_sandbox import Served, serve

[TOKEN] = DEMO["cryptopay"]
HEADERS = {"Crypto-Pay-API-Token": TOKEN}


def called(served: Served, method: str, **sent: object) -> httpx.Response:
    path = f"/sandbox/cryptopay/api/{method}"
    return served.client.post(path, headers=HEADERS, **sent)


def opened(served: Served, **changes: object) -> dict:
    return called(served, "createInvoice", json=FIAT | changes).json()["result"]


def invoice(served: Served, invoice_id: int) -> dict:
    answer = called(served, "getInvoices", json={"invoice_ids": str(invoice_id)})
    [one] = answer.json()["result"]["items"]
    return one


def test_every_method_is_served_by_get_and_by_post_with_json_or_a_form(served):
    path = "/sandbox/cryptopay/api/createInvoice"
    texts = {name: str(value) for name, value in FIAT.items()}

    made = [
        served.client.get(path, params=texts, headers=HEADERS),
        served.client.post(path, json=FIAT, headers=HEADERS),
        served.client.post(path, data=texts, headers=HEADERS),
    ]

    told = [one.json()["result"] for one in made]
    assert [(one["fiat"], one["amount"]) for one in told] == [("RUB", "990")] * 3
    assert len({one["invoice_id"] for one in told}) == 3
    assert all(one["accepted_assets"] == ["USDT", "TON", "BTC"] for one in told)


@pytest.mark.parametrize("headers", [{}, {"Crypto-Pay-API-Token": "12345:other"}])
def test_a_stranger_is_refused_by_the_status_and_the_body_alike(served, headers):
    answer = served.client.get("/sandbox/cryptopay/api/getMe", headers=headers)

    assert answer.status_code == 401
    assert answer.json() == {"ok": False, "error": {"code": 401, "name": "UNAUTHORIZED"}}


@pytest.mark.parametrize("body", [b"\xff", b"[1]", b"[" * 100_000, b'{"amount": {"a": 1}}'])
def test_a_body_that_makes_no_sense_is_refused(served, body):
    answer = called(served, "createInvoice", content=body)

    assert (answer.status_code, answer.json()["ok"]) == (400, False)


def test_a_payer_chooses_an_asset_on_the_page_and_finds_the_way_back_to_the_shop(served):
    made = opened(served, paid_btn_name="callback", paid_btn_url="https://shop.example/ok")
    url = made["bot_invoice_url"]
    assert url == f"{served.url}/sandbox/cryptopay/checkout/{made['invoice_id']}"

    page = served.client.get(url).text
    assert "990 RUB" in page
    assert re.findall(r'name="action" value="(\w+)"', page) == ["USDT", "TON", "BTC"]
    assert "3.71544914 TON" in page
    assert "shop.example" not in page

    paid = served.client.post(url, data={"action": "TON"})

    assert (paid.status_code, paid.headers["location"]) == (303, httpx.URL(url).path)
    page = served.client.get(url).text
    assert 'data-status="paid"' in page
    assert 'href="https://shop.example/ok"' in page
    assert "<form" not in page
    assert invoice(served, made["invoice_id"])["paid_asset"] == "TON"


def test_what_has_ended_is_said_on_the_page(served):
    made = opened(served)
    path = f"cryptopay/payments/{made['invoice_id']}"
    assert served.control(f"{path}/expire").json()["status"] == "expired"

    late = served.client.post(made["bot_invoice_url"], data={"action": "TON"})

    assert late.status_code == 303
    assert 'data-status="expired"' in served.client.get(made["bot_invoice_url"]).text
    assert served.control(f"{path}/pay").status_code == 409
    assert served.control(f"{path}/expire").status_code == 409
    assert served.control("cryptopay/payments/1/pay").status_code == 404
    assert served.client.get("/sandbox/cryptopay/checkout/1").status_code == 404


def test_a_webhook_comes_signed_over_its_bytes(served):
    made = opened(served, description="Привет / <b>")
    served.control(f"cryptopay/payments/{made['invoice_id']}/pay", asset="TON")

    served.until(lambda: served.hooks)

    told = served.hooks[0]
    assert (told["update_type"], told["payload"]["status"]) == ("invoice_paid", "paid")
    body = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    key = sha256(TOKEN.encode()).digest()
    proof = hmac.new(key, body, sha256).hexdigest()
    assert served.hook_headers[0]["crypto-pay-api-signature"] == proof


def test_only_200_ends_a_webhook(served):
    rules = served.sandbox.gateways["cryptopay"].rules
    served.hook_status = 204
    made = opened(served)
    served.control(f"cryptopay/payments/{made['invoice_id']}/pay")
    served.until(lambda: served.hooks and not rules.due_notifications(datetime.now(UTC)))
    assert rules.next_event_at() is not None

    served.hook_status = 200
    served.control("clock/advance", minutes=2)

    served.until(lambda: not rules.next_event_at())
    assert len(served.hooks) == 2


def test_the_clock_and_faults_are_the_testers(served):
    made = opened(served)
    served.control("cryptopay/faults", mode="refuse", next=1)
    assert called(served, "createInvoice", json=CRYPTO).status_code == 400

    served.control("clock/advance", seconds=timedelta(hours=1).total_seconds())

    assert invoice(served, made["invoice_id"])["status"] == "expired"
    assert served.control("cryptopay/faults", mode="flood", next=1).status_code == 422


def test_money_and_settings_of_the_app_are_the_testers_too(served):
    assert served.control("cryptopay/balance/top_up", asset="USDT", amount="50").json() == {
        "USDT": "50"
    }
    assert served.control("cryptopay/balance/top_up", asset="RUB", amount="5").status_code == 422
    off = served.control("cryptopay/switch", transfers=False).json()
    assert off == {"transfers": False, "webhooks": True}
    refused = called(served, "transfer", json=TRANSFER).json()
    assert refused["error"]["name"] == "METHOD_DISABLED"
    assert served.control("cryptopay/switch", payouts=True).status_code == 422

    served.control("cryptopay/switch", transfers=True)
    served.control(f"cryptopay/users/{TRANSFER['user_id']}/forget")
    refused = called(served, "transfer", json=TRANSFER).json()
    assert refused["error"]["name"] == "USER_NOT_FOUND"


def test_a_restart_remembers_invoices(tmp_path):
    with serve(tmp_path) as before:
        made = opened(before)
        before.control(f"cryptopay/payments/{made['invoice_id']}/pay")

    with serve(tmp_path) as after:
        assert invoice(after, made["invoice_id"])["status"] == "paid"


def test_the_index_lists_invoices(served):
    made = opened(served)

    page = served.client.get("/sandbox/").text

    assert f'href="cryptopay/checkout/{made["invoice_id"]}"' in page
    assert "cryptopay/api" in page
