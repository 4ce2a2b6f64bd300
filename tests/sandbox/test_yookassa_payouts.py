"""What YooKassa's gateway of payouts sends, refuses, remembers and lists."""

import json
from datetime import datetime

import pytest

from sandbox.yookassa.machine import MoveNotAllowed, NoSuchPayment
from sandbox.yookassa.rules import YooKassaRules
from sandbox.yookassa.wire import Json
from tests.sandbox.shop_floor import ShopFloor, a_shop
from tests.sandbox.test_yookassa_recordings import outline, recorded

CARD = {"type": "bank_card", "card": {"number": "2202200000002537"}}
WALLET = {"type": "yoo_money", "account_number": "4100116075156746"}


@pytest.fixture
def floor() -> ShopFloor:
    return ShopFloor(a_shop(pays_out=True, balance_minor=1_000_00))


def an_order(value: str = "320.00", **changes) -> Json:
    order = {
        "amount": {"value": value, "currency": "RUB"},
        "payout_destination_data": CARD,
        "description": "Выплата 55",
        "metadata": {"payout_ref": "55"},
    }
    return order | changes


def made(floor: ShopFloor, *args, **changes) -> Json:
    answer = floor.post("/payouts", an_order(*args, **changes))
    assert answer.status == 200, answer.body
    return answer.body


@pytest.mark.parametrize(("destination", "kind"), [(CARD, "bank_card"), (WALLET, "yoo_money")])
def test_a_payout_that_arrives(floor, destination, kind):
    payout = made(floor, payout_destination_data=destination)
    assert payout["status"] == "pending"
    floor.wait(seconds=4)
    floor.rules.finish_payout(payout["id"], at=floor.at)

    read = floor.get(f"/payouts/{payout['id']}").body
    assert outline(read) == outline(recorded(f"api-get-payout.succeeded-{kind}"))
    [notice] = floor.sent()
    assert (notice["event"], notice["object"]) == ("payout.succeeded", read)
    assert "2202200000002537" not in json.dumps(floor.rules.snapshot(), default=str)


def test_a_payout_that_comes_back(floor):
    payout = made(floor)
    floor.rules.fail_payout(payout["id"], at=floor.at)

    [notice] = floor.sent()
    told = recorded("payout.canceled")["object"]
    assert notice["event"] == "payout.canceled"
    assert notice["object"]["cancellation_details"] == told["cancellation_details"]
    assert floor.get("/me").body["payout_balance"]["value"] == "1000.00"


def test_a_payout_ends_once(floor):
    payout = made(floor)
    floor.rules.finish_payout(payout["id"], at=floor.at)

    for end in (floor.rules.finish_payout, floor.rules.fail_payout):
        with pytest.raises(MoveNotAllowed):
            end(payout["id"], at=floor.at)
        with pytest.raises(NoSuchPayment):
            end("po-0", at=floor.at)


def test_no_more_is_sent_than_there_is(floor):
    made(floor, "680.00")
    too_much = made(floor, "320.01")
    last = made(floor, "320.00")

    assert too_much["status"] == "canceled"
    assert too_much["cancellation_details"]["reason"] == "insufficient_funds"
    assert last["status"] == "pending"
    assert floor.get("/me").body["payout_balance"]["value"] == "0.00"


def test_one_key_makes_one_payout(floor):
    first = floor.post("/payouts", an_order(), key="wd_1")
    again = floor.post("/payouts", an_order(), key="wd_1")
    other = floor.post("/payouts", an_order("321.00"), key="wd_1")

    assert first == again
    assert other.body["description"] == "Idempotence key duplicated"
    assert len(floor.rules.payouts()) == 1


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"amount": {"value": "4.99", "currency": "RUB"}}, "amount.value"),
        ({"amount": {"value": "500000.01", "currency": "RUB"}}, "amount.value"),
        ({"amount": {"value": "320.00", "currency": "USD"}}, "amount.currency"),
        ({"payout_destination_data": None}, "payout_destination_data"),
        ({"payout_destination_data": {"type": "sbp"}}, "payout_destination_data.type"),
        ({"payout_destination_data": {"type": ["sbp"]}}, "payout_destination_data.type"),
        ({"payout_destination_data": {"type": "bank_card"}}, "card"),
        (
            {"payout_destination_data": CARD | {"card": {"number": "123"}}},
            "payout_destination_data.number",
        ),
        ({"description": "x" * 129}, "description"),
    ],
)
def test_a_wrong_parameter_is_named_and_nothing_is_sent(floor, change, parameter):
    answer = floor.post("/payouts", an_order(**change))

    assert (answer.status, answer.body["parameter"]) == (400, parameter)
    assert floor.rules.payouts() == []


def test_payouts_and_payments_are_different_products(floor):
    assert floor.get("/payments").status == 403
    assert floor.post("/refunds", {}).status == 403

    shop = ShopFloor()
    assert shop.post("/payouts", an_order()).status == 403
    assert shop.get("/payouts").status == 403


def test_payouts_are_listed_page_by_page_and_nobody_elses(floor):
    floor.rules.shops["2"] = a_shop(shop_id="2", pays_out=True)
    ids = []
    for _ in range(3):
        ids.append(made(floor, "5.00")["id"])
        floor.wait(hours=1)

    first = floor.get("/payouts", limit="2").body
    rest = floor.get("/payouts", limit="2", cursor=first["next_cursor"]).body
    listed = [one["id"] for page in (first, rest) for one in page["items"]]
    assert listed == ids[::-1]
    assert floor.call("GET", "/payouts", shop_id="2").body["items"] == []
    assert floor.call("GET", f"/payouts/{ids[0]}", shop_id="2").status == 404
    assert floor.get("/payouts", payment_id="x").status == 400


def test_payouts_outlive_a_restart(floor):
    payout = made(floor)
    state = json.dumps(floor.rules.snapshot(), default=datetime.isoformat)

    floor.rules = YooKassaRules([])
    floor.rules.restore(json.loads(state))

    assert floor.get(f"/payouts/{payout['id']}").body == payout
    assert floor.rules.finish_payout(payout["id"], at=floor.at)["status"] == "succeeded"


def test_an_older_state_has_no_payouts(floor):
    state = json.loads(json.dumps(floor.rules.snapshot(), default=datetime.isoformat))
    del state["payouts"]

    floor.rules.restore(state)

    assert floor.rules.payouts() == []
