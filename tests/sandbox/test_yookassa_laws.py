"""Whatever shops, payers and faults do, money at the double obeys these laws."""

from copy import deepcopy
from datetime import datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from sandbox.faults import FAULT_MODES
from sandbox.yookassa.machine import MoveNotAllowed
from tests.sandbox.shop_floor import ShopFloor, a_shop

# As YooKassa docs draw it, Payment lifecycle.
ALLOWED = {
    "pending": {"pending", "waiting_for_capture", "succeeded", "canceled"},
    "waiting_for_capture": {"waiting_for_capture", "succeeded", "canceled"},
    "succeeded": {"succeeded"},
    "canceled": {"canceled"},
}
CENTS = st.integers(1_00, 20_00)


def value(cents: int) -> str:
    return f"{cents / 100:.2f}"


class Shopping(RuleBasedStateMachine):
    payments = Bundle("payments")
    refunds = Bundle("refunds")

    def __init__(self):
        super().__init__()
        self.floor = ShopFloor(a_shop(refunds_wait=True))
        self.seen = {}
        self.told = {}

    @rule(target=payments, cents=CENTS, capture=st.booleans())
    def order(self, cents, capture):
        amount = {"value": value(cents), "currency": "RUB"}
        answer = self.floor.post("/payments", {"amount": amount, "capture": capture})
        return answer.body["id"] if answer.status == 200 else multiple()

    @rule(payment=payments, deed=st.sampled_from(["pay", "pay", "decline", "expire"]))
    def act(self, payment, deed):
        try:
            getattr(self.floor.rules, deed)(payment, at=self.floor.at)
        except MoveNotAllowed:
            assert self.floor.rules.payment(payment, at=self.floor.at).deadline is None or (
                deed == "decline"
            )

    @rule(payment=payments, deed=st.sampled_from(["capture", "cancel"]), cents=CENTS)
    def end_hold(self, payment, deed, cents):
        amount = {"amount": {"value": value(cents), "currency": "RUB"}}
        self.floor.post(f"/payments/{payment}/{deed}", amount if deed == "capture" else None)

    @rule(target=refunds, payment=payments, cents=CENTS)
    def refund(self, payment, cents):
        answer = self.floor.refund(payment, value(cents))
        return answer.body["id"] if answer.status == 200 else multiple()

    @rule(refund=consumes(refunds), deed=st.sampled_from(["finish_refund", "reject_refund"]))
    def end_refund(self, refund, deed):
        getattr(self.floor.rules, deed)(refund, at=self.floor.at)

    @rule(mode=st.sampled_from(FAULT_MODES), count=st.integers(0, 2))
    def break_something(self, mode, count):
        self.floor.rules.faults.plan(mode, count)

    @rule(minutes=st.sampled_from([1, 59, 60, 60 * 24 * 7]))
    def wait(self, minutes):
        self.floor.wait(minutes=minutes)

    @rule(accepted=st.booleans())
    def notify(self, accepted):
        for one in self.floor.rules.due_notifications(self.floor.at):
            told = one.body["object"]
            if one.body["event"] == "payment.succeeded":
                moment = self.told.setdefault(told["id"], told["captured_at"])
                assert moment == told["captured_at"], "a second charge was told"
            if accepted:
                self.floor.rules.delivered(one.id)
            else:
                self.floor.rules.failed(one.id, at=self.floor.at)

    @invariant()
    def states_only_move_forward_and_a_charge_never_changes(self):
        for payment in self.floor.rules.payments():
            body = payment.body
            before = self.seen.get(body["id"], body)
            assert body["status"] in ALLOWED[before["status"]]
            if before["status"] in {"succeeded", "canceled"}:
                money = {"refunded_amount", "refundable"}
                assert {k: v for k, v in body.items() if k not in money} == {
                    k: v for k, v in before.items() if k not in money
                }
            self.seen[body["id"]] = deepcopy(body)

    @invariant()
    def refunds_never_exceed_the_payment(self):
        refunds = list(self.floor.rules._refunds.values())
        for payment in self.floor.rules.payments():
            own = [one for one in refunds if one.body["payment_id"] == payment.body["id"]]
            kept = sum(self._cents(one.body) for one in own if one.body["status"] != "canceled")
            done = sum(self._cents(one.body) for one in own if one.body["status"] == "succeeded")
            assert kept <= self._cents(payment.body)
            if payment.body["status"] == "succeeded":
                assert payment.body["refunded_amount"]["value"] == value(done)
                assert payment.body["refundable"] == (kept < self._cents(payment.body))

    @invariant()
    def nothing_stays_open_after_its_time(self):
        self.floor.rules.due_notifications(self.floor.at)
        for payment in self.floor.rules.payments():
            age = self.floor.at - datetime.fromisoformat(payment.body["created_at"])
            if payment.body["status"] == "pending":
                assert age.total_seconds() < 3600.001

    def _cents(self, body):
        return round(float(body["amount"]["value"]) * 100)


TestShopping = Shopping.TestCase
TestShopping.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
