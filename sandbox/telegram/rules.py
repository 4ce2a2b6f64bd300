"""
The Telegram Bot API as pure rules: a call and the time in, an answer out.

Words of refusals are those of the Bot API server. What real Telegram would refuse and the double
takes: plain http addresses of this machine, for webhooks and Mini Apps.
"""

import re
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from sandbox.telegram.chats import QUERY_TERM, TEXT_MAX, Chat, Query, User
from sandbox.telegram.formatting import NotParsed, text_from_html, tidy
from sandbox.telegram.keyboards import LOOPBACK_HOSTS, checked_keyboard
from sandbox.telegram.pace import Pace
from sandbox.telegram.payments import MONEY_METHODS, TelegramPayments
from sandbox.telegram.updates import Pending
from sandbox.telegram.wire import (
    Answer,
    Call,
    Held,
    Json,
    Refused,
    bad_request,
    done,
    too_many,
    unix,
)

CALLS_KEPT: Final = 1000
DELETABLE_FOR: Final = timedelta(hours=48)
TYPING_SHOWN: Final = timedelta(seconds=5)
GONE_FOR: Final = timedelta(hours=23)
"""A webhook that answers 410 for so long is removed."""
POLL_MAX_SECONDS: Final = 50
NOTICE_MAX: Final = 200
METHODS: Final = MONEY_METHODS | {
    name.replace("_", ""): f"_{name}"
    for name in (
        "get_me", "get_updates", "set_webhook", "delete_webhook", "get_webhook_info",
        "send_message", "edit_message_text", "edit_message_reply_markup", "delete_message",
        "answer_callback_query", "send_chat_action", "get_chat", "send_invoice",
    )
}  # fmt: skip
"""Those of `BotProfile` come beside them. Telegram knows its methods in any case."""
KINDS: Final = (
    "message", "edited_message", "channel_post", "edited_channel_post", "business_connection",
    "business_message", "edited_business_message", "deleted_business_messages",
    "message_reaction", "message_reaction_count", "inline_query", "chosen_inline_result",
    "callback_query", "shipping_query", "pre_checkout_query", "purchased_paid_media", "poll",
    "poll_answer", "my_chat_member", "chat_member", "chat_join_request", "chat_boost",
    "removed_chat_boost", "subscription",
)  # fmt: skip
ACTIONS: Final = (
    "typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice",
    "upload_document", "choose_sticker", "find_location", "record_video_note",
    "upload_video_note",
)  # fmt: skip

_TOKEN = re.compile(r"[0-9]{1,16}:[A-Za-z0-9_-]{1,80}", re.ASCII)
_SECRET = re.compile(r"[A-Za-z0-9_-]{0,256}", re.ASCII)


@dataclass(slots=True)
class Webhook:
    url: str
    secret_token: str
    max_connections: int
    last_error: str | None = None
    last_error_at: datetime | None = None
    gone_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class CallRecord:
    method: str
    chat_id: str
    status: int | None
    """None where the answer was lost on its way."""
    at: datetime


class TelegramRules(TelegramPayments):
    """The chats, and the API that bots call about them."""

    def __init__(self, token: str, *, username: str, name: str, seed: int = 0) -> None:
        super().__init__(token, username=username, name=name, seed=seed)
        self.calls: deque[CallRecord] = deque(maxlen=CALLS_KEPT)
        """Oldest first, without `getUpdates`."""
        self.webhook: Webhook | None = None
        self._webhook_set_at: datetime | None = None
        self._polls = 0
        self._chat_pace = Pace(per_second=1, burst=20)
        self._pace = Pace(per_second=30, burst=30)

    def answer(self, call: Call, *, at: datetime) -> Answer:
        """One call, whole. Faults spare `getUpdates`, so that a test knows which call they meet."""
        if call.method.lower() == "getupdates":
            return self._decide(call, at)
        if self.faults.take("down"):
            answer = Refused(502, "Bad Gateway").answer()
        elif self.faults.take("flood"):
            answer = too_many(3).answer()
        else:
            answer = replace(self._decide(call, at), slow=self.faults.take("slow"))
            if answer.status == 200 and not call.method.lower().startswith("get"):
                answer = replace(answer, lost=self.faults.take("timeout_after_acting"))
        told = None if answer.lost else answer.status
        self.calls.append(CallRecord(call.method, call.text("chat_id"), told, at))
        return answer

    def resume(self, held: Held, *, at: datetime) -> Answer:
        """Ask again after any change, and when the time of the call is over."""
        try:
            return self._held(held, at)
        except Refused as refused:
            return refused.answer()

    # Delivering by webhook.

    def due_updates(self, at: datetime) -> list[Pending]:
        """The next to post, one of each queue; each comes again until `delivered` or `failed`."""
        return [] if self.webhook is None else self.updates.due(at)

    def delivered(self, update_id: int) -> None:
        """The receiver said 2xx; nothing else counts."""
        self.updates.delivered(update_id)
        if self.webhook is not None:
            self.webhook.gone_since = None
        self.changes += 1

    def failed(
        self, update_id: int, error: str, *, at: datetime, retry_after: int = 0, gone: bool = False
    ) -> None:
        """`gone`: it said 410, which after 23 hours of nothing else removes the webhook."""
        self.changes += 1
        self.updates.failed(update_id, at=at, retry_after=retry_after)
        if self.webhook is None:
            return
        self.webhook.last_error, self.webhook.last_error_at = error, at
        self.webhook.gone_since = (self.webhook.gone_since or at) if gone else None
        if gone and self.webhook.gone_since and at > self.webhook.gone_since + GONE_FOR:
            self.webhook = None

    # Keeping.

    def snapshot(self) -> Json:
        """What must outlive a restart, for `json.dumps(..., default=datetime.isoformat)`."""
        return {
            "changes": self.changes,
            "faults": self.faults.left,
            "updates": self.updates.snapshot(),
            "allowed_updates": self.allowed_updates,
            "last_message_id": self._last_message_id,
            "queries_made": self._queries_made,
            "queries": [asdict(query) for query in self._queries.values()],
            "chats": [asdict(chat) for chat in self._chats.values()],
            "profile": self.profile.snapshot(),
            "till": self.till.snapshot(),
            "webhook": None if self.webhook is None else asdict(self.webhook),
        }

    def restore(self, state: Json) -> None:
        """Takes up a snapshot that went through JSON."""
        self.changes = state["changes"]
        self.faults.left = dict(state["faults"])
        self.updates.restore(state["updates"])
        self.allowed_updates = state["allowed_updates"]
        self._last_message_id = state["last_message_id"]
        self._queries_made = state["queries_made"]
        for raw in state["queries"]:
            self._queries[raw["id"]] = Query(**_with_times(raw, "asked_at"))
        for raw in state["chats"]:
            chat = Chat(**_with_times(raw | {"user": User(**raw["user"])}, "typing_until"))
            self._chats[chat.user.id] = chat
        self.profile.restore(state["profile"])
        if "till" in state:  # Not so in files of before it was there.
            self.till.restore(state["till"])
        if state["webhook"] is not None:
            self.webhook = Webhook(**_with_times(state["webhook"], "last_error_at", "gone_since"))

    # The methods.

    def _decide(self, call: Call, at: datetime) -> Answer:
        try:
            return self._act(call, at)
        except Refused as refused:
            return refused.answer()

    def _act(self, call: Call, at: datetime) -> Answer:
        if not _TOKEN.fullmatch(call.token):
            raise Refused(404, "Not Found")
        if call.token != self.token:
            raise Refused(401, "Unauthorized")
        name = call.method.lower()
        if name in METHODS:
            act: Callable[[Call, datetime], Answer] = getattr(self, METHODS[name])
            return act(call, at)
        answer = self.profile.answer(call)
        if answer is None:
            raise Refused(404, "Not Found: method not found")
        self.changes += name.startswith(("set", "delete"))
        return answer

    def _get_me(self, _call: Call, _at: datetime) -> Answer:
        abilities = ("can_join_groups", "can_read_all_group_messages", "supports_inline_queries")
        return done(self.bot | dict.fromkeys(abilities, False) | {"has_main_web_app": False})

    def _get_updates(self, call: Call, at: datetime) -> Answer:
        self._allow_updates(call)
        self._polls += 1
        limit = min(max(call.whole("limit", 100), 1), 100)
        seconds = min(max(call.whole("timeout"), 0), POLL_MAX_SECONDS)
        until = at + timedelta(seconds=seconds)
        return self._held(Held(self._polls, call.whole("offset"), limit, until), at)

    def _held(self, held: Held, at: datetime) -> Answer:
        if self.webhook is not None:
            why = "can't use getUpdates method while webhook is active"
            how = "use deleteWebhook to delete the webhook first"
            raise Refused(409, f"Conflict: {why}; {how}")
        if held.number != self._polls:
            why = "terminated by other getUpdates request"
            how = "make sure that only one bot instance is running"
            raise Refused(409, f"Conflict: {why}; {how}")
        before = self.updates.count(at)
        found = self.updates.fetched(held.offset, held.limit, at=at)
        self.changes += self.updates.count(at) != before
        return replace(done(found), held=held if not found and at < held.until else None)

    def _set_webhook(self, call: Call, at: datetime) -> Answer:
        url = call.text("url")
        if not url:
            return self._delete_webhook(call, at)
        if self._webhook_set_at is not None and at < self._webhook_set_at + timedelta(seconds=1):
            raise too_many(1)
        self._webhook_set_at = at
        parts = urlsplit(url)
        is_own = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
        if not parts.hostname or (parts.scheme != "https" and not is_own):
            raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
        secret = call.text("secret_token")
        if len(secret) > 256:
            raise bad_request("secret token is too long")
        if not _SECRET.fullmatch(secret):
            raise bad_request("secret token contains unallowed characters")
        self._allow_updates(call)
        if call.flag("drop_pending_updates"):
            self.updates.clear()
        connections = min(max(call.whole("max_connections", 40), 1), 100)
        before = self.webhook
        now = Webhook(url, secret, connections)
        self.changes += 1
        if (
            before is not None
            and replace(before, last_error=None, last_error_at=None, gone_since=None) == now
        ):
            return done(description="Webhook is already set")
        self.webhook = now
        return done(description="Webhook was set")

    def _delete_webhook(self, call: Call, _at: datetime) -> Answer:
        if call.flag("drop_pending_updates"):
            self.updates.clear()
        was_set, self.webhook = self.webhook is not None, None
        self.changes += 1
        return done(description="Webhook was deleted" if was_set else "Webhook is already deleted")

    def _get_webhook_info(self, _call: Call, at: datetime) -> Answer:
        webhook = self.webhook
        info: Json = {
            "url": "" if webhook is None else webhook.url,
            "has_custom_certificate": False,
            "pending_update_count": self.updates.count(at),
        }
        if webhook is not None and webhook.last_error_at is not None:
            info["last_error_date"] = unix(webhook.last_error_at)
            info["last_error_message"] = webhook.last_error
        if webhook is not None:
            info["max_connections"] = webhook.max_connections
        if self.allowed_updates is not None:
            info["allowed_updates"] = self.allowed_updates
        return done(info)

    def _send_message(self, call: Call, at: datetime) -> Answer:
        text, entities = self._text(call)
        keyboard = checked_keyboard(call)
        chat = self._open_chat(call)
        quoted = self._quoted(call, chat)
        self._keep_pace(chat, at)
        message = self._put(chat, text, entities, sender=self.bot, at=at)
        if quoted is not None:
            message["reply_to_message"] = quoted
        if keyboard is not None:
            message["reply_markup"] = keyboard
        chat.typing_until = None
        return done(deepcopy(message))

    def _send_invoice(self, call: Call, at: datetime) -> Answer:
        keyboard = checked_keyboard(call)
        chat = self._open_chat(call)
        self._keep_pace(chat, at)
        return done(deepcopy(self._put_invoice(call, chat, keyboard, at)))

    def _edit_message_text(self, call: Call, at: datetime) -> Answer:
        text, entities = self._text(call)
        keyboard = checked_keyboard(call)
        message = self._own_message(call)
        if "text" not in message:
            raise bad_request("there is no text in the message to edit")
        fresh = {name: value for name, value in message.items() if name != "entities"}
        fresh["text"] = text
        if entities:
            fresh["entities"] = entities
        return self._edited(message, fresh, keyboard, at)

    def _edit_message_reply_markup(self, call: Call, at: datetime) -> Answer:
        keyboard = checked_keyboard(call)
        message = self._own_message(call)
        return self._edited(message, dict(message), keyboard, at)

    def _edited(self, message: Json, fresh: Json, keyboard: Json | None, at: datetime) -> Answer:
        """An edit without a keyboard takes the keyboard away."""
        fresh.pop("reply_markup", None)
        if keyboard is not None:
            fresh["reply_markup"] = keyboard
        if fresh == message:
            raise bad_request(
                "message is not modified: specified new message content and reply markup are"
                " exactly the same as a current content and reply markup of the message"
            )
        fresh["edit_date"] = unix(at)
        message.clear()
        message.update(fresh)
        self.changes += 1
        return done(deepcopy(message))

    def _delete_message(self, call: Call, at: datetime) -> Answer:
        chat = self._chat_of(call)
        message = _message_of(chat, call.whole("message_id"), "message to delete")
        if at > datetime.fromtimestamp(message["date"], at.tzinfo) + DELETABLE_FOR:
            raise bad_request("message can't be deleted for everyone")
        chat.messages.remove(message)
        self.changes += 1
        return done()

    def _answer_callback_query(self, call: Call, at: datetime) -> Answer:
        query = self._queries.get(call.text("callback_query_id"))
        if query is None or at > query.asked_at + QUERY_TERM:
            raise bad_request(
                "query is too old and response timeout expired or query ID is invalid"
            )
        text = call.text("text")
        if len(text) > NOTICE_MAX:
            raise bad_request("MESSAGE_TOO_LONG")
        query.answer = {
            "text": text,
            "alert": call.flag("show_alert"),
            "url": call.text("url"),
        }
        self.changes += 1
        return done()

    def _send_chat_action(self, call: Call, at: datetime) -> Answer:
        chat = self._open_chat(call)
        if call.text("action") not in ACTIONS:
            raise bad_request("wrong parameter action in request")
        chat.typing_until = at + TYPING_SHOWN
        self.changes += 1
        return done()

    def _get_chat(self, call: Call, _at: datetime) -> Answer:
        chat = self._chat_of(call)
        gifts = ("unlimited", "limited", "unique")
        accepted = {f"{kind}_gifts": True for kind in gifts}
        full: Json = chat.as_told | {
            "accent_color_id": chat.user.id % 7,
            "max_reaction_count": 11,
            "accepted_gift_types": accepted
            | {"premium_subscription": True, "gifts_from_channels": True},
        }
        if chat.user.username:
            full["active_usernames"] = [chat.user.username]
        return done(full)

    # What they share.

    def _allow_updates(self, call: Call) -> None:
        """Not given: what was set before stays. An empty list is the default again."""
        names = call.nested("allowed_updates", "can't parse allowed updates JSON object")
        if isinstance(names, list):
            before = self.allowed_updates
            self.allowed_updates = [name for name in KINDS if name in names] or None
            self.changes += self.allowed_updates != before

    def _text(self, call: Call) -> tuple[str, list[Json]]:
        source, mode = call.text("text"), call.text("parse_mode").lower()
        if not source:
            raise bad_request("message text is empty")
        entities: list[Json] = []
        if mode == "html":
            try:
                source, entities = text_from_html(source)
            except NotParsed as error:
                raise bad_request(f"can't parse entities: {error}") from error
        elif mode:
            raise bad_request("unsupported parse_mode (this double reads HTML alone)")
        else:
            entities = _given_entities(call)
        text, entities = tidy(source, entities)
        if not text:
            raise bad_request("text must be non-empty")
        if len(text) > TEXT_MAX:
            raise bad_request("message is too long")
        return text, entities

    def _chat_of(self, call: Call) -> Chat:
        if not call.text("chat_id"):
            raise bad_request("chat_id is empty")
        chat = self._chats.get(call.whole("chat_id"))
        if chat is None:
            raise bad_request("chat not found")
        return chat

    def _open_chat(self, call: Call) -> Chat:
        chat = self._chat_of(call)
        if chat.blocked:
            raise Refused(403, "Forbidden: bot was blocked by the user")
        if not chat.started:
            raise Refused(403, "Forbidden: bot can't initiate conversation with a user")
        return chat

    def _own_message(self, call: Call) -> Json:
        message = _message_of(self._open_chat(call), call.whole("message_id"), "message to edit")
        if not message["from"]["is_bot"]:
            raise bad_request("message can't be edited")
        return message

    def _quoted(self, call: Call, chat: Chat) -> Json | None:
        raw = call.nested("reply_parameters", "can't parse reply parameters JSON object")
        if not isinstance(raw, dict):
            return None
        try:
            message = _message_of(chat, raw.get("message_id"), "message to be replied")
        except Refused:
            if raw.get("allow_sending_without_reply"):
                return None
            raise
        return {name: value for name, value in message.items() if name != "reply_to_message"}

    def _keep_pace(self, chat: Chat, at: datetime) -> None:
        wait = max(
            self._chat_pace.seconds_to_wait(chat.user.id, at=at),
            self._pace.seconds_to_wait(0, at=at),
        )
        if wait:
            raise too_many(wait)
        self._chat_pace.count(chat.user.id, at=at)
        self._pace.count(0, at=at)


def _given_entities(call: Call) -> list[Json]:
    given = call.nested("entities", "can't parse entities JSON object")
    for entity in given if isinstance(given, list) else []:
        match entity:
            case {"type": str(), "offset": int(), "length": int()}:
                continue
        raise bad_request("can't parse MessageEntity: expected an Object")
    return given if isinstance(given, list) else []


def _message_of(chat: Chat, message_id: object, what: str) -> Json:
    for message in chat.messages:
        if message["message_id"] == message_id:
            return message
    raise bad_request(f"{what} not found")


def _with_times(raw: Json, *names: str) -> Json:
    return raw | {
        name: datetime.fromisoformat(raw[name]) for name in names if raw[name] is not None
    }
