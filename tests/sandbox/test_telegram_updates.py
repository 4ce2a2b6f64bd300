"""Updates: fetched or told by webhook, in order, again until they are heard, lost by no accident."""

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sandbox.faults import NoSuchFault
from sandbox.telegram.rules import GONE_FOR
from sandbox.telegram.wire import Call
from tests.sandbox.telegram_room import ANNA, BEN, HOOK, Room, button, keyboard

BY_WEBHOOK = (
    "409 Conflict: can't use getUpdates method while webhook is active;"
    " use deleteWebhook to delete the webhook first"
)


@pytest.fixture
def room() -> Room:
    room = Room()
    room.send(BEN, "/start")
    room.rules.updates.clear()
    return room


def due(room: Room) -> list[str]:
    return [told(one.body) for one in room.rules.due_updates(room.at)]


def told(update: dict) -> str:
    match update:
        case {"message": message}:
            return message["text"]
        case {"callback_query": query}:
            return query["data"]
    return "member"


def deliver(room: Room) -> list[str]:
    said = due(room)
    for one in room.rules.due_updates(room.at):
        room.rules.delivered(one.id)
    return said


def fail(room: Room, **how: object) -> None:
    (one,) = room.rules.due_updates(room.at)
    room.rules.failed(one.id, "Wrong response from the webhook: 500 Oops", at=room.at, **how)


def with_webhook(room: Room, **params: object) -> Room:
    room.result("setWebhook", url=HOOK, **params)
    return room


def test_updates_come_again_until_an_offset_confirms_them(room):
    room.send(ANNA, "one")
    room.send(ANNA, "two")
    first = room.updates()
    assert [told(one) for one in first] == ["one", "two"]
    assert first[1]["update_id"] == first[0]["update_id"] + 1
    assert room.updates() == first
    assert room.updates(limit=1) == first[:1]
    assert room.updates(offset=first[1]["update_id"]) == first[1:]
    assert room.updates() == first[1:]
    assert room.updates(offset=first[1]["update_id"] + 1) == []


def test_a_negative_offset_forgets_all_but_the_last(room):
    for text in ("one", "two", "three"):
        room.send(ANNA, text)
    assert [told(one) for one in room.updates(offset=-1)] == ["three"]
    assert [told(one) for one in room.updates()] == ["three"]


def test_a_poll_is_held_until_there_is_something_or_its_time_is_over(room):
    answer = room.call("getUpdates", timeout=30)
    assert answer.held is not None
    room.wait(seconds=29)
    assert room.rules.resume(answer.held, at=room.at).held is not None
    room.send(ANNA, "one")
    now = room.rules.resume(answer.held, at=room.at)
    assert now.held is None
    assert [told(one) for one in now.body["result"]] == ["one"]

    room.rules.updates.clear()
    answer = room.call("getUpdates", timeout=30)
    room.wait(seconds=30)
    over = room.rules.resume(answer.held, at=room.at)
    assert (over.held, over.body["result"]) == (None, [])


def test_a_second_poll_ends_the_first(room):
    first = room.call("getUpdates", timeout=30)
    second = room.call("getUpdates", timeout=30)

    ended = room.rules.resume(first.held, at=room.at)
    assert ended.status == 409
    assert ended.body["description"] == (
        "Conflict: terminated by other getUpdates request;"
        " make sure that only one bot instance is running"
    )
    assert room.rules.resume(second.held, at=room.at).held is not None


def test_a_webhook_and_polling_exclude_each_other(room):
    held = room.call("getUpdates", timeout=30).held
    with_webhook(room)
    assert room.rules.resume(held, at=room.at).status == 409
    assert room.refusal("getUpdates") == BY_WEBHOOK
    assert room.call("deleteWebhook").body["description"] == "Webhook was deleted"
    assert room.call("deleteWebhook").body["description"] == "Webhook is already deleted"
    assert room.updates() == []


def test_a_webhook_is_set_at_an_address_that_telegram_takes(room):
    for url in ("http://bot.example/", "ftp://bot.example/", "nonsense"):
        said = room.refusal("setWebhook", url=url)
        assert said == "400 Bad Request: bad webhook: An HTTPS URL must be provided for webhook"
        room.wait(seconds=1)
    said = room.refusal("setWebhook", url=HOOK, secret_token="no spaces")
    assert said == "400 Bad Request: secret token contains unallowed characters"
    room.wait(seconds=1)
    said = room.refusal("setWebhook", url=HOOK, secret_token="x" * 257)
    assert said == "400 Bad Request: secret token is too long"
    room.wait(seconds=1)
    answer = room.call("setWebhook", url="http://127.0.0.1:8000/hook", secret_token="s")
    assert answer.body == {"ok": True, "result": True, "description": "Webhook was set"}
    assert room.refusal("setWebhook", url=HOOK) == "429 Too Many Requests: retry after 1"
    room.wait(seconds=1)
    answer = room.call("setWebhook", url="http://127.0.0.1:8000/hook", secret_token="s")
    assert answer.body["description"] == "Webhook is already set"
    room.wait(seconds=1)
    assert room.call("setWebhook", url="").body["description"] == "Webhook was deleted"


def test_webhook_info_tells_what_went_wrong(room):
    assert room.result("getWebhookInfo") == {
        "url": "", "has_custom_certificate": False, "pending_update_count": 0,
    }  # fmt: skip
    with_webhook(room, max_connections=7, allowed_updates=["message", "nonsense"])
    room.send(ANNA, "one")
    fail(room)
    assert room.result("getWebhookInfo") == {
        "url": HOOK,
        "has_custom_certificate": False,
        "pending_update_count": 1,
        "last_error_date": int(room.at.timestamp()),
        "last_error_message": "Wrong response from the webhook: 500 Oops",
        "max_connections": 7,
        "allowed_updates": ["message"],
    }


def test_only_what_the_bot_asked_for_is_told_and_the_choice_stays(room):
    room.says(reply_markup=keyboard(button()))
    room.updates(allowed_updates='["callback_query"]')
    room.send(ANNA, "unheard")
    room.press("Go")
    assert [told(one) for one in room.updates()] == ["v1:go"]
    room.updates(allowed_updates="[]")
    room.send(ANNA, "heard")
    assert [told(one) for one in room.updates()] == ["v1:go", "heard"]


def test_one_of_a_chat_is_under_way_at_a_time(room):
    room.says(reply_markup=keyboard(button()))
    with_webhook(room)
    room.send(ANNA, "one")
    room.press("Go")
    room.press("Go")
    room.send(ANNA, "two")
    room.send(BEN, "other")
    room.rules.block(BEN, at=room.at)

    assert deliver(room) == ["one", "v1:go", "other", "member"]
    assert deliver(room) == ["v1:go", "two"]
    assert deliver(room) == []


def test_a_failed_one_is_told_again_at_once_then_after_doubling_pauses(room):
    with_webhook(room)
    room.send(ANNA, "one")
    pauses = []
    for _ in range(9):
        fail(room)
        before = room.at
        while not due(room):
            room.wait(seconds=1)
        pauses.append((room.at - before).total_seconds())
    assert pauses == [0, 2, 4, 8, 16, 32, 60, 60, 60]

    fail(room, retry_after=100)
    room.wait(seconds=99)
    room.send(ANNA, "waits behind it")
    assert due(room) == []
    room.wait(seconds=1)
    assert deliver(room) == ["one"]
    assert deliver(room) == ["waits behind it"]


@pytest.mark.parametrize(("kind", "hours"), [("message", 24), ("callback", 150 / 3600)])
def test_an_update_lives_for_its_time(room, kind, hours):
    room.says(reply_markup=keyboard(button()))
    if kind == "message":
        room.send(ANNA, "one")
    else:
        room.press("Go")
    room.wait(hours=hours)
    assert len(room.updates()) == 1
    room.wait(seconds=1)
    assert room.updates() == []
    assert room.result("getWebhookInfo")["pending_update_count"] == 0


def test_a_failing_update_is_given_up_at_the_end_of_its_life(room):
    with_webhook(room)
    room.send(ANNA, "one")
    room.wait(hours=23, minutes=59, seconds=50)
    fail(room, retry_after=60)
    room.wait(seconds=5)
    assert room.result("getWebhookInfo")["pending_update_count"] == 0


def test_a_webhook_that_is_gone_for_a_day_is_removed(room):
    with_webhook(room)
    room.send(ANNA, "one")
    fail(room, gone=True)
    fail(room, gone=True)
    room.wait(hours=23, seconds=1)
    fail(room, gone=True)
    assert room.result("getWebhookInfo")["url"] == ""
    assert timedelta(hours=23) == GONE_FOR

    room.wait(minutes=1)
    with_webhook(room)
    fail(room, gone=True)
    room.wait(minutes=1)
    fail(room)
    room.wait(hours=23)
    room.send(ANNA, "two")
    fail(room, gone=True)
    assert room.result("getWebhookInfo")["url"] == HOOK, "it was not gone all the time"


def test_pending_updates_are_dropped_when_asked(room):
    room.send(ANNA, "one")
    with_webhook(room, drop_pending_updates="true")
    room.send(ANNA, "two")
    assert due(room) == ["two"]
    room.result("deleteWebhook", drop_pending_updates=True)
    assert room.updates() == []


def test_faults_lose_repeat_and_disorder_updates(room):
    with_webhook(room)
    room.rules.faults.plan("drop", 1)
    room.rules.faults.plan("duplicate", 1)
    room.rules.faults.plan("reorder", 0)
    room.send(ANNA, "lost")
    room.send(ANNA, "twice")
    assert (deliver(room), deliver(room), deliver(room)) == (["twice"], ["twice"], [])

    room.rules.faults.plan("reorder", 1)
    room.send(ANNA, "first")
    assert deliver(room) == []
    room.wait(seconds=1)
    room.send(ANNA, "second")
    assert deliver(room) == ["second"]
    room.wait(seconds=1)
    assert deliver(room) == ["first"]

    room.rules.faults.plan("reorder", 1)
    room.send(ANNA, "alone")
    room.wait(seconds=5)
    assert deliver(room) == ["alone"]


def test_a_fetched_duplicate_comes_once_more_after_it_was_confirmed(room):
    room.rules.faults.plan("duplicate", 1)
    room.send(ANNA, "twice")
    (update,) = room.updates()
    offset = update["update_id"] + 1
    assert room.updates(offset=offset) == [update]
    assert room.updates(offset=offset) == []


def test_faults_of_the_api_spare_polling(room):
    room.rules.faults.plan("down", 1)
    room.rules.faults.plan("flood", 1)
    assert room.updates() == []
    assert room.refusal("getMe") == "502 Bad Gateway"
    assert room.call("sendMessage", chat_id=ANNA, text="x").retry_after == 3
    assert room.rules.messages(ANNA)[-1]["text"] == "/start"

    room.rules.faults.plan("timeout_after_acting", 1)
    room.rules.faults.plan("slow", 1)
    assert room.call("getMe").slow
    assert room.call("sendMessage", chat_id=ANNA, text="sent").lost
    assert room.rules.messages(ANNA)[-1]["text"] == "sent"
    statuses = [(one.method, one.status) for one in room.rules.calls]
    assert statuses == [("getMe", 502), ("sendMessage", 429), ("getMe", 200), ("sendMessage", None)]
    with pytest.raises(NoSuchFault):
        room.rules.faults.plan("amount", 1)


class Conversation(RuleBasedStateMachine):
    """Users talk while the bot polls, changes its way, fails and loses answers."""

    def __init__(self):
        super().__init__()
        self.room = Room()
        self.said = 0
        self.heard = []
        self.offset = 0
        self.seen = {}

    @rule(user_id=st.sampled_from([ANNA, BEN, 7]))
    def speak(self, user_id):
        self.said += 1
        self.room.send(user_id, f"{self.said}")

    @rule(limit=st.integers(1, 3), is_lost=st.booleans())
    def poll(self, limit, is_lost):
        call = Call(self.room.rules.token, "getUpdates", {"offset": self.offset, "limit": limit})
        answer = self.room.rules.answer(call, at=self.room.at)
        if answer.status == 409:
            assert self.room.rules.webhook is not None
        elif not is_lost:
            self.hear(answer.body["result"])
            if answer.body["result"]:
                self.offset = answer.body["result"][-1]["update_id"] + 1

    @rule(is_accepted=st.booleans())
    def tell(self, is_accepted):
        for one in self.room.rules.due_updates(self.room.at):
            if is_accepted:
                self.hear([one.body])
                self.room.rules.delivered(one.id)
            else:
                self.room.rules.failed(one.id, "oops", at=self.room.at)

    @rule(method=st.sampled_from(["setWebhook", "deleteWebhook"]))
    def change_the_way(self, method):
        self.room.wait(seconds=1)
        self.room.result(method, url=HOOK)

    @rule(seconds=st.integers(1, 90))
    def wait(self, seconds):
        self.room.wait(seconds=seconds)

    @rule(mode=st.sampled_from(["duplicate", "reorder"]))
    def break_something(self, mode):
        self.room.rules.faults.plan(mode, 1)

    def hear(self, updates):
        for update in updates:
            known = self.seen.setdefault(update["update_id"], update)
            assert known == update, "an id is of one update for ever"
            self.heard.append(int(update["message"]["text"]))

    @invariant()
    def nothing_is_lost(self):
        pending = {
            int(one.body["message"]["text"]) for one in self.room.rules.updates._pending.values()
        }
        assert set(range(1, self.said + 1)) <= pending | set(self.heard)


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
