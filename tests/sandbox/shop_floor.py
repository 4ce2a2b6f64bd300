"""A shop in front of the pure rules of YooKassa, and a clock that the test turns."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

from sandbox.yookassa.rules import YooKassaRules
from sandbox.yookassa.wire import Answer, Call, Json, Shop

TEN_O_CLOCK = datetime(2026, 11, 20, 10, 0, 0, 123000, tzinfo=UTC)


def a_shop(**changes) -> Shop:
    return Shop(**{"shop_id": "100500", "secret": "live_x", "test": False} | changes)


def an_order(value: str = "990.00", **changes) -> Json:
    order = {
        "amount": {"value": value, "currency": "RUB"},
        "capture": True,
        "confirmation": {"type": "redirect", "return_url": "https://shop.example/return"},
        "description": "Подписка PRO, заказ 100042",
        "metadata": {"order_id": "100042", "cms_name": "yookassa_sdk_python"},
    }
    return {name: value for name, value in (order | changes).items() if value is not None}


def a_receipt(*lines: tuple[str, str]) -> Json:
    items = [
        {
            "description": "Подписка PRO, 1 месяц",
            "quantity": quantity,
            "amount": {"value": price, "currency": "RUB"},
            "vat_code": 1,
            "payment_subject": "service",
            "payment_mode": "full_payment",
        }
        for quantity, price in lines
    ]
    return {"customer": {"email": "buyer@example.com"}, "items": items}


@dataclass
class ShopFloor:
    shop: Shop = field(default_factory=a_shop)
    at: datetime = TEN_O_CLOCK
    rules: YooKassaRules = field(init=False)
    keys: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self.rules = YooKassaRules([self.shop])

    def wait(self, **time: float) -> None:
        self.at += timedelta(**time)

    def call(self, method: str, path: str, **rest) -> Answer:
        known = {"shop_id": self.shop.shop_id, "secret": self.shop.secret}
        return self.rules.answer(Call(method, path, **known | rest), at=self.at)

    def post(self, path: str, body: object = None, key: str | None = None) -> Answer:
        key = f"key-{next(self.keys)}" if key is None else key
        return self.call("POST", path, body={} if body is None else body, key=key)

    def get(self, path: str, **query: str) -> Answer:
        return self.call("GET", path, query=query)

    def opened(self, *args, **changes) -> Json:
        answer = self.post("/payments", an_order(*args, **changes))
        assert answer.status == 200, answer.body
        return answer.body

    def paid(self, *args, **changes) -> Json:
        return self.rules.pay(self.opened(*args, **changes)["id"], at=self.at)

    def refund(self, payment_id: str, value: str, **changes) -> Answer:
        amount = {"value": value, "currency": self.shop.currency}
        return self.post("/refunds", {"payment_id": payment_id, "amount": amount} | changes)

    def sent(self) -> list[Json]:
        """Takes all that is due, as a receiver that answers 200."""
        due = self.rules.due_notifications(self.at)
        for notification in due:
            self.rules.delivered(notification.id)
        return [notification.body for notification in due]
