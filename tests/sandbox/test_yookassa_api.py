"""What YooKassa's API accepts, refuses, remembers and lists."""

from datetime import timedelta
from itertools import chain

import pytest

from sandbox.yookassa.wire import Shop
from tests.sandbox.shop_floor import TEN_O_CLOCK, ShopFloor, a_receipt, a_shop, an_order


@pytest.fixture
def floor() -> ShopFloor:
    return ShopFloor()


def test_ids_look_like_those_of_yookassa_and_are_the_same_in_every_run(floor):
    payment = floor.paid()
    refund = floor.refund(payment["id"], "1.00").body

    assert len(payment["id"]) == len(refund["id"]) == 36
    assert payment["id"][8:24] == "-000f-5000-8000-"
    assert refund["id"][8:24] == "-0015-5000-8000-"
    assert ShopFloor().opened()["id"] == payment["id"]


def test_the_same_key_and_body_get_the_first_answer_for_a_day(floor):
    first = floor.post("/payments", an_order(), key="chk-1")
    floor.rules.pay(first.body["id"], at=floor.at)
    floor.wait(hours=24, microseconds=-1)
    again = floor.post("/payments", an_order(), key="chk-1")

    assert again == first
    assert again.body["status"] == "pending"
    assert len(list(floor.rules.payments())) == 1


def test_after_a_day_a_key_is_new(floor):
    first = floor.post("/payments", an_order(), key="chk-1")
    floor.wait(hours=24)
    again = floor.post("/payments", an_order(), key="chk-1")

    assert again.body["id"] != first.body["id"]
    assert len(list(floor.rules.payments())) == 2


def test_a_key_belongs_to_one_body_one_call_and_one_shop(floor):
    floor.rules.shops["2"] = a_shop(shop_id="2")
    payment = floor.post("/payments", an_order(capture=False), key="one").body
    floor.rules.pay(payment["id"], at=floor.at)

    other_body = floor.post("/payments", an_order("991.00", capture=False), key="one")
    other_call = floor.post(f"/payments/{payment['id']}/cancel", key="one")
    other_shop = floor.call("POST", "/payments", body=an_order(), key="one", shop_id="2")
    assert other_body.body["description"] == "Idempotence key duplicated"
    assert other_call.body["description"] == "Idempotence key duplicated"
    assert other_shop.status == 200


def test_a_refusal_is_remembered_with_its_key(floor):
    wrong = floor.post("/payments", an_order("0.00"), key="one")
    again = floor.post("/payments", an_order("0.00"), key="one")
    mended = floor.post("/payments", an_order(), key="one")

    assert wrong == again
    assert mended.body["description"] == "Idempotence key duplicated"


@pytest.mark.parametrize(
    ("key", "status"), [("k" * 64, 200), ("k" * 65, 400), ("ключ", 400), ("a b", 400), ("", 400)]
)
def test_a_key_has_up_to_64_plain_characters(floor, key, status):
    assert floor.post("/payments", an_order(), key=key).status == status


@pytest.mark.parametrize(
    "value",
    [
        "0.00",
        "-1.00",
        "1.001",
        "1e3",
        "1,00",
        " 1.00",
        "NaN",
        "",
        "0.99",
        "700000.01",
        "١.٠٠",
        990.0,
        None,
    ],
)
def test_an_amount_is_a_plain_string_within_the_limits(floor, value):
    order = an_order() | {"amount": {"value": value, "currency": "RUB"}}

    assert floor.post("/payments", order).status == 400


def test_a_card_pays_up_to_350_000_roubles(floor):
    card = {"payment_method_data": {"type": "bank_card"}}

    assert floor.post("/payments", an_order("350000.00", **card)).status == 200
    assert floor.post("/payments", an_order("350000.01", **card)).status == 400


@pytest.mark.parametrize(
    ("asked", "told"), [("1.00", "1.00"), ("990", "990.00"), ("350000.00", "350000.00")]
)
def test_an_amount_comes_back_with_two_digits(floor, asked, told):
    assert floor.opened(asked)["amount"] == {"value": told, "currency": "RUB"}


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"amount": {"value": "990.00", "currency": "USD"}}, "amount.currency"),
        ({"description": "x" * 129}, "description"),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
        ({"metadata": {"k" * 33: ""}}, "metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"metadata": {"k": 1}}, "metadata"),
        ({"capture": "true"}, "capture"),
        ({"confirmation": {"type": "redirect"}}, "confirmation.return_url"),
        (
            {
                "confirmation": {
                    "type": "redirect",
                    "return_url": "javascript://shop.example/%0Aalert(1)",
                }
            },
            "confirmation.return_url",
        ),
        ({"payment_method_data": {"type": "sbp"}}, "payment_method_data.type"),
        ({"payment_method_id": "31d5"}, "payment_method_id"),
    ],
)
def test_a_wrong_parameter_is_named_and_nothing_is_made(change, parameter):
    floor = ShopFloor(a_shop(test=True))  # A test shop has no SBP.
    answer = floor.post("/payments", an_order() | change)

    assert answer.status == 400
    assert answer.body["code"] == "invalid_request"
    assert answer.body["parameter"] == parameter
    assert list(floor.rules.payments()) == []


@pytest.mark.parametrize("body", [None, [], "text", 5])
def test_a_body_that_is_no_object_is_refused(floor, body):
    assert floor.call("POST", "/payments", body=body, key="one").status == 400


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([("1.000", "990.00")], 200),
        ([("3", "330.00")], 200),
        ([("0.500", "980.00"), ("1", "500.00")], 200),
        ([("1.000", "989.99")], 400),
        ([("1.0001", "990.00")], 400),
        ([], 400),
    ],
)
def test_a_receipt_comes_to_the_amount_of_the_payment(lines, status):
    floor = ShopFloor(a_shop(receipt_required=True))

    assert floor.post("/payments", an_order(receipt=a_receipt(*lines))).status == status


def test_a_receipt_needs_a_customer(floor):
    receipt = a_receipt(("1", "990.00")) | {"customer": {}}
    answer = floor.post("/payments", an_order(receipt=receipt))

    assert answer.body["description"] == "Receipt is missing or illegal"


def test_a_shop_without_recurring_payments_refuses_the_whole_call():
    floor = ShopFloor(a_shop(recurring_allowed=False))
    answer = floor.post("/payments", an_order(save_payment_method=True))

    assert answer.status == 403
    assert list(floor.rules.payments()) == []


def test_capture_is_off_unless_asked_for(floor):
    payment = floor.paid(capture=None)

    assert payment["status"] == "waiting_for_capture"
    assert payment["paid"] is True
    assert payment["expires_at"] == "2026-11-27T10:00:00.123Z"


def test_a_capture_of_a_part_releases_the_rest(floor):
    payment = floor.paid(capture=False)
    too_much = floor.post(
        f"/payments/{payment['id']}/capture", {"amount": payment["amount"] | {"value": "990.01"}}
    )
    part = floor.post(
        f"/payments/{payment['id']}/capture", {"amount": payment["amount"] | {"value": "700.00"}}
    )
    again = floor.post(f"/payments/{payment['id']}/capture")

    assert too_much.status == 400
    assert part.body["status"] == "succeeded"
    assert part.body["amount"]["value"] == "700.00"
    assert again.status == 400
    assert floor.refund(payment["id"], "700.01").status == 400


def test_a_capture_with_no_body_takes_all(floor):
    payment = floor.paid(capture=False)
    captured = floor.post(f"/payments/{payment['id']}/capture").body

    assert captured["amount"]["value"] == "990.00"
    assert captured["captured_at"] == "2026-11-20T10:00:00.123Z"


def test_only_a_held_payment_can_be_canceled(floor):
    pending, paid = floor.opened(), floor.paid()

    assert floor.post(f"/payments/{pending['id']}/cancel").status == 400
    assert floor.post(f"/payments/{paid['id']}/cancel").status == 400


def test_a_hold_ends_after_seven_days(floor):
    payment = floor.paid(capture=False)
    floor.wait(days=7)

    assert floor.post(f"/payments/{payment['id']}/capture").status == 400
    read = floor.get(f"/payments/{payment['id']}").body
    assert read["status"] == "canceled"
    assert read["paid"] is False


def test_refunds_never_exceed_the_payment(floor):
    payment = floor.paid()

    assert floor.refund(payment["id"], "990.01").status == 400
    assert floor.refund(payment["id"], "0.00").status == 400
    assert floor.refund(payment["id"], "989.99").status == 200
    assert floor.refund(payment["id"], "0.02").status == 400
    assert floor.refund(payment["id"], "0.01").status == 200
    read = floor.get(f"/payments/{payment['id']}").body
    assert read["refunded_amount"]["value"] == "990.00"
    assert read["refundable"] is False


def test_a_pending_refund_keeps_its_money_until_it_is_rejected():
    floor = ShopFloor(a_shop(refunds_wait=True))
    payment = floor.paid()
    refund = floor.refund(payment["id"], "990.00").body

    assert floor.refund(payment["id"], "0.01").status == 400
    floor.rules.reject_refund(refund["id"], at=floor.at)
    second = floor.refund(payment["id"], "990.00").body
    floor.rules.finish_refund(second["id"], at=floor.at)
    read = floor.get(f"/payments/{payment['id']}").body
    assert read["refunded_amount"]["value"] == "990.00"


def test_only_a_succeeded_payment_of_the_last_three_years_is_refunded(floor):
    old, pending, held = floor.paid(), floor.opened(), floor.paid(capture=False)

    assert floor.refund(pending["id"], "1.00").status == 400
    assert floor.refund(held["id"], "1.00").status == 400
    floor.wait(days=3 * 365 + 1)
    assert floor.refund(old["id"], "1.00").status == 400


def test_a_refund_repeated_with_its_key_is_made_once(floor):
    payment = floor.paid()
    body = {"payment_id": payment["id"], "amount": payment["amount"]}

    assert floor.post("/refunds", body, key="r") == floor.post("/refunds", body, key="r")
    assert len(floor.get("/refunds").body["items"]) == 1


def test_a_part_of_a_fiscalised_payment_goes_back_with_its_own_receipt():
    floor = ShopFloor(a_shop(receipt_required=True))
    whole, part = a_receipt(("1", "990.00")), a_receipt(("1", "90.00"))
    payment = floor.paid(receipt=whole)

    for wrong in ({}, {"receipt": whole}):
        assert floor.refund(payment["id"], "90.00", **wrong).body["parameter"] == "receipt"
    told = floor.refund(payment["id"], "90.00", receipt=part).body
    assert told["receipt_registration"] == "pending"


def test_a_shop_sees_nothing_of_another_shop(floor):
    floor.rules.shops["2"] = Shop("2", "live_y", test=False)
    other = {"shop_id": "2", "secret": "live_y"}
    payment = floor.paid()
    refund = floor.refund(payment["id"], "1.00").body

    assert floor.call("GET", f"/payments/{payment['id']}", **other).status == 404
    assert floor.call("GET", f"/refunds/{refund['id']}", **other).status == 404
    assert floor.call("GET", "/payments", **other).body["items"] == []
    body = {"payment_id": payment["id"], "amount": refund["amount"]}
    assert floor.call("POST", "/refunds", body=body, key="r", **other).status == 400


@pytest.mark.parametrize("known", [{"secret": "live_y"}, {"shop_id": "2"}, {"secret": None}])
def test_wrong_credentials_are_refused(floor, known):
    answer = floor.call("GET", "/me", **known)

    assert answer.status == 401
    assert answer.body["code"] == "invalid_credentials"


def test_unknown_calls_are_refused(floor):
    assert floor.get("/nothing").status == 404
    assert floor.call("DELETE", "/payments").status == 405
    assert floor.post("/me").status == 405


def test_pages_go_from_the_newest_to_the_oldest_and_skip_nothing(floor):
    made = []
    for _ in range(25):
        made.append(floor.opened()["id"])
        floor.wait(seconds=1)

    first = floor.get("/payments").body
    floor.opened()  # What comes between two pages does not shift the second.
    second = floor.get("/payments", cursor=first["next_cursor"], limit="14").body
    third = floor.get("/payments", cursor=second["next_cursor"], limit="14").body

    pages = [[one["id"] for one in page["items"]] for page in (first, second, third)]
    assert [len(page) for page in pages] == [10, 14, 1]
    assert list(chain(*pages)) == made[::-1]
    assert "next_cursor" not in third


def test_a_page_that_is_exactly_full_is_the_last(floor):
    floor.opened()

    assert "next_cursor" not in floor.get("/payments", limit="1").body


def test_lists_are_cut_by_time_status_and_method(floor):
    def ids(**query: str) -> list[str]:
        return [one["id"] for one in floor.get("/payments", **query).body["items"]]

    old = floor.paid()["id"]
    floor.wait(minutes=10)
    new = floor.opened()["id"]
    border = (TEN_O_CLOCK + timedelta(minutes=10)).isoformat()

    assert ids(**{"created_at.gte": border}) == [new]
    assert ids(**{"created_at.gt": border}) == []
    assert ids(**{"created_at.lt": border}) == [old]
    assert ids(**{"created_at.lte": border}) == [new, old]
    assert ids(**{"captured_at.lt": border}) == [old]
    assert ids(status="pending") == [new]
    assert ids(payment_method="bank_card") == [old]
    assert ids(payment_method="sbp") == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "ten"},
        {"status": "paid"},
        {"created_at.gte": "yesterday"},
        {"created_at.gte": "2026-11-20T10:00:00"},
        {"metadata.order_id": "100042"},
        {"cursor": "nowhere"},
    ],
)
def test_a_wrong_filter_is_refused(floor, query):
    assert floor.get("/payments", **query).status == 400


def test_the_journal_keeps_calls_without_secrets(floor):
    floor.post("/payments", an_order(), key="chk-1")

    (record,) = floor.rules.calls
    assert (record.method, record.path, record.key, record.status) == (
        "POST",
        "/payments",
        "chk-1",
        200,
    )
    assert "live_x" not in repr(floor.rules.calls)
