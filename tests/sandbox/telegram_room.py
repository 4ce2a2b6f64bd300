"""A room to try Telegram's rules in: one bot, its users, and a clock that waits to be moved."""

from datetime import UTC, datetime, timedelta

from sandbox.app import DEMO_BOT_TOKEN, DEMO_BOT_USERNAME
from sandbox.telegram.rules import TelegramRules
from sandbox.telegram.wire import Answer, Call

ANNA, BEN = 1001, 1002
HOOK = "https://bot.example/hook"


class Room:
    def __init__(self, *, started: bool = True) -> None:
        self.at = datetime(2026, 3, 10, 12, tzinfo=UTC)
        self.rules = TelegramRules(DEMO_BOT_TOKEN, username=DEMO_BOT_USERNAME, name="Demo")
        if started:
            self.send(ANNA, "/start")
            self.rules.updates.clear()

    def wait(self, **time: float) -> None:
        self.at += timedelta(**time)

    def call(self, method: str, *, token: str = DEMO_BOT_TOKEN, **params: object) -> Answer:
        return self.rules.answer(Call(token, method, params), at=self.at)

    def result(self, method: str, **params: object):
        answer = self.call(method, **params)
        assert answer.status == 200, answer.body
        assert answer.body["ok"] is True
        return answer.body["result"]

    def refusal(self, method: str, **params: object) -> str:
        answer = self.call(method, **params)
        assert answer.body["ok"] is False
        assert answer.body["error_code"] == answer.status
        return f"{answer.status} {answer.body['description']}"

    def says(self, text: str = "hi", chat_id: int = ANNA, **params: object):
        return self.result("sendMessage", chat_id=chat_id, text=text, **params)

    def send(self, user_id: int, text: str):
        return self.rules.send(user_id, text, at=self.at)

    def press(self, text: str, user_id: int = ANNA, **where):
        return self.rules.press(user_id, text, at=self.at, **where)

    def updates(self, offset: int = 0, **params: object) -> list[dict]:
        return self.result("getUpdates", offset=offset, **params)


def keyboard(*buttons: dict) -> dict:
    return {"inline_keyboard": [list(buttons)]}


def button(text: str = "Go", **kind: object) -> dict:
    return {"text": text, **(kind or {"callback_data": "v1:go"})}
