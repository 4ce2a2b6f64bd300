"""
The chats of one bot and what its users do in them: write, press, stop the bot, open Mini Apps.

No network, no clock, no chance: time is the argument `at` (aware UTC, never going back), ids come
from a seed. A copy by `copy.deepcopy` lives on alone.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sandbox.faults import TELEGRAM_FAULTS, Faults
from sandbox.telegram.formatting import html_from_text, tidy, utf16_length
from sandbox.telegram.init_data import THEMES, launch_url, signed_init_data, user_field
from sandbox.telegram.invoices import paid_words
from sandbox.telegram.profile import BotProfile
from sandbox.telegram.updates import Updates
from sandbox.telegram.wire import USER_ID_MAX, Json, big_number, unix

TEXT_MAX: Final = 4096
MESSAGE_LIFE: Final = timedelta(hours=24)
CALLBACK_LIFE: Final = timedelta(seconds=150)
QUERY_TERM: Final = timedelta(seconds=15)
QUERIES_KEPT: Final = 200
NOT_BY_DEFAULT: Final = frozenset({"chat_member", "message_reaction", "message_reaction_count"})


class NoSuchButton(Exception):
    """No message of this chat has such a button now."""


class ChatIsClosed(Exception):
    """The user has stopped the bot, or never started it."""


@dataclass(frozen=True, slots=True)
class User:
    id: int
    first_name: str
    last_name: str = ""
    username: str = ""
    language_code: str = "en"

    @property
    def as_told(self) -> Json:
        named = {name: value for name, value in asdict(self).items() if value and name != "id"}
        return {"id": self.id, "is_bot": False, **named}


FAMOUS: Final = (
    User(1001, "Anna", username="anna_demo", language_code="ru"),
    User(1002, "Ben", username="ben_demo", language_code="en"),
)
"""Known to every double from its start."""


@dataclass(slots=True)
class Chat:
    user: User
    started: bool = False
    blocked: bool = False
    messages: list[Json] = field(default_factory=list)
    """As Telegram tells them, oldest first."""
    typing_until: datetime | None = None

    @property
    def as_told(self) -> Json:
        told = self.user.as_told | {"type": "private"}
        return {name: told[name] for name in told if name not in {"is_bot", "language_code"}}


@dataclass(slots=True)
class Query:
    """A pressed button; its client waits to hear."""

    id: str
    user_id: int
    message_id: int
    index: int
    asked_at: datetime
    answer: Json | None = None


class TelegramChats:
    def __init__(self, token: str, *, username: str, name: str, seed: int = 0) -> None:
        self.token = token
        self.bot: Json = {
            "id": _bot_id(token),
            "is_bot": True,
            "first_name": name,
            "username": username,
        }
        self.faults = Faults(modes=TELEGRAM_FAULTS)
        self.changes = 0
        """Grows with every change worth saving or showing."""
        self.profile = BotProfile(name)
        self.updates = Updates()
        self.allowed_updates: list[str] | None = None
        """None is Telegram's default: everything but `NOT_BY_DEFAULT`."""
        self._seed = seed
        self._last_message_id = 0
        self._queries_made = 0
        self._chats = {user.id: Chat(user) for user in FAMOUS}
        self._queries: dict[str, Query] = {}

    # What users do.

    def send(self, user_id: int, text: str, *, at: datetime) -> Json:
        """The message as Telegram tells it. Raises: ChatIsClosed, ValueError."""
        chat = self.chat(user_id)
        if chat.blocked:
            raise ChatIsClosed("the user has stopped the bot; unblock it first")
        text, entities = tidy(text, [])
        if not 1 <= utf16_length(text) <= TEXT_MAX:
            raise ValueError(f"text must have 1 to {TEXT_MAX} characters")
        chat.started = True
        message = self._put(chat, text, entities, sender=chat.user.as_told, at=at)
        self._tell("message", message, f"chat {user_id}", MESSAGE_LIFE, at)
        return deepcopy(message)

    def press(
        self,
        user_id: int,
        text: str,
        *,
        at: datetime,
        message_id: int | None = None,
        index: int | None = None,
        scheme: str = "light",
    ) -> Json:
        """
        Presses a button of the newest message that has one of this text (or, if none has, one that
        contains it); with an id, of that message; with an index, the so-manieth of the message.
        Returns what the client does: asks the bot, or opens or copies something.

        Raises: NoSuchButton, ChatIsClosed.
        """
        chat = self.chat(user_id)
        if chat.blocked:
            raise ChatIsClosed("the user has stopped the bot; unblock it first")
        message, place, button = _found_button(chat, text, message_id, index)
        match button:
            case {"callback_data": str(data)}:
                return self._ask(chat, message, place, data, at)
            case {"web_app": {"url": str(url)}}:
                return {"web_app": self.launch(user_id, url, at=at, scheme=scheme)}
            case {"copy_text": {"text": str(copied)}}:
                return {"copy_text": copied}
            case {"pay": True}:
                return {"pay": message["message_id"]}
        return {name: value for name, value in button.items() if name != "text"}

    def block(self, user_id: int, *, at: datetime) -> None:
        self._set_blocked(user_id, at, blocked=True)

    def unblock(self, user_id: int, *, at: datetime) -> None:
        self._set_blocked(user_id, at, blocked=False)

    def set_profile(self, user_id: int, fields: Json) -> Json:
        """Raises: ValueError, for a field that no profile has."""
        chat = self.chat(user_id)
        known = set(asdict(chat.user)) - {"id"}
        wrong = [
            name
            for name, value in fields.items()
            if name not in known or not isinstance(value, str)
        ]
        if wrong or fields.get("first_name") == "":
            raise ValueError(f"not a profile's fields: {', '.join(wrong) or 'first_name'}")
        chat.user = replace(chat.user, **fields)
        self.changes += 1
        return chat.user.as_told

    def init_data(
        self, user_id: int, *, at: datetime, start_param: str = "", age_seconds: float = 0
    ) -> str:
        """
        What the client gives a Mini App that this user opens by a button, or, with a start_param,
        by a direct link.
        """
        user = self.chat(user_id).user.as_told
        made_at = unix(at - timedelta(seconds=age_seconds))
        fields = {"user": user_field(user), "auth_date": str(made_at)}
        if start_param:
            fields |= {"chat_instance": self._chat_instance(user_id), "chat_type": "sender"}
            fields["start_param"] = start_param
        else:
            fields["query_id"] = f"AAH{big_number(self._seed, user_id, made_at)}"
        return signed_init_data(fields, self.token)

    def launch(
        self, user_id: int, url: str, *, at: datetime, scheme: str = "light", start_param: str = ""
    ) -> str:
        """The address that the client opens for a Mini App. Raises: ValueError."""
        if scheme not in THEMES:
            raise ValueError(f"scheme is one of {', '.join(THEMES)}")
        return launch_url(url, self.init_data(user_id, at=at, start_param=start_param), scheme)

    # What they see.

    def chat(self, user_id: int) -> Chat:
        """The double's own record. Whoever is named springs into being. Raises: ValueError."""
        if not 1 <= user_id <= USER_ID_MAX:
            raise ValueError(f"a user's id is a number from 1 to {USER_ID_MAX}")
        if user_id not in self._chats:
            self._chats[user_id] = Chat(User(user_id, f"User {user_id}"))
            self.changes += 1
        return self._chats[user_id]

    def users(self) -> Iterator[User]:
        return (chat.user for chat in self._chats.values())

    def messages(self, user_id: int) -> list[Json]:
        """For testers: all of the chat, the newest last."""
        return [_shown(message) for message in self.chat(user_id).messages]

    def view(self, user_id: int, *, at: datetime) -> Json:
        """All that the chat's page shows."""
        chat = self.chat(user_id)
        own = [query for query in self._queries.values() if query.user_id == user_id]
        return {
            "bot": self.bot,
            "user": chat.user.as_told,
            "started": chat.started,
            "blocked": chat.blocked,
            "typing": chat.typing_until is not None and at < chat.typing_until,
            "commands": self.profile.commands_for(user_id, chat.user.language_code),
            "menu_button": self.profile.menu_button(str(user_id)),
            "messages": self.messages(user_id),
            "waiting": [
                {"message_id": query.message_id, "index": query.index}
                for query in own
                if query.answer is None and at < query.asked_at + QUERY_TERM
            ],
            "answers": [
                {"query_id": query.id, **query.answer} for query in own if query.answer is not None
            ],
        }

    # From here on: moves that the API shares.

    def _put(
        self, chat: Chat, text: str, entities: list[Json], *, sender: Json, at: datetime
    ) -> Json:
        self._last_message_id += 1
        message: Json = {
            "message_id": self._last_message_id,
            "from": sender,
            "chat": chat.as_told,
            "date": unix(at),
            "text": text,
        }
        if entities:
            message["entities"] = entities
        chat.messages.append(message)
        self.changes += 1
        return message

    def _ask(self, chat: Chat, message: Json, index: int, data: str, at: datetime) -> Json:
        self._queries_made += 1
        query_id = big_number(self._seed, "query", self._queries_made)
        query = Query(query_id, chat.user.id, message["message_id"], index, at)
        self._queries[query_id] = query
        while len(self._queries) > QUERIES_KEPT:
            del self._queries[next(iter(self._queries))]
        asked = {
            "id": query_id,
            "from": chat.user.as_told,
            "message": deepcopy(message),
            "chat_instance": self._chat_instance(chat.user.id),
            "data": data,
        }
        self._tell("callback_query", asked, f"callback {chat.user.id}", CALLBACK_LIFE, at)
        return {"callback_query_id": query_id, "message_id": message["message_id"]}

    def _set_blocked(self, user_id: int, at: datetime, *, blocked: bool) -> None:
        """Raises: ChatIsClosed, if it was never started."""
        chat = self.chat(user_id)
        if not chat.started:
            raise ChatIsClosed("the user has not started the bot")
        if chat.blocked is blocked:
            return
        chat.blocked = blocked
        was, became = ("member", "kicked") if blocked else ("kicked", "member")
        member = {
            "chat": chat.as_told,
            "from": chat.user.as_told,
            "date": unix(at),
            "old_chat_member": self._membership(was),
            "new_chat_member": self._membership(became),
        }
        self._tell("my_chat_member", member, f"member {user_id}", MESSAGE_LIFE, at)

    def _membership(self, status: str) -> Json:
        until = {"until_date": 0} if status == "kicked" else {}
        return {"user": self.bot, "status": status, **until}

    def _tell(self, kind: str, content: Json, queue: str, life: timedelta, at: datetime) -> None:
        allowed = self.allowed_updates
        if kind in allowed if allowed is not None else kind not in NOT_BY_DEFAULT:
            content = deepcopy(content)
            self.updates.add(kind, content, queue=queue, life=life, at=at, faults=self.faults)
        self.changes += 1

    def _chat_instance(self, user_id: int) -> str:
        return big_number(self.bot["id"], "chat", user_id)


def _bot_id(token: str) -> int:
    number, colon, _ = token.partition(":")
    if not colon or not number.isdecimal():
        raise ValueError("a bot's token is its number, a colon and a secret")
    return int(number)


def _found_button(
    chat: Chat, text: str, message_id: int | None, index: int | None
) -> tuple[Json, int, Json]:
    """Raises: NoSuchButton."""
    buttons = [
        (message, place, button)
        for message in reversed(chat.messages)
        if message_id in {None, message["message_id"]}
        for place, button in enumerate(_buttons(message))
        if index in {None, place}
    ]
    exact = [found for found in buttons if found[2]["text"] == text]
    close = [found for found in buttons if text and text in found[2]["text"]]
    for found in (exact or close)[:1]:
        return found
    raise NoSuchButton(f"no message of this chat has a button {text!r}")


def _buttons(message: Json) -> list[Json]:
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button for row in rows for button in row]


def _shown(message: Json) -> Json:
    edited = message.get("edit_date")
    text = message.get("text") or paid_words(message) or ""
    return {
        "id": message["message_id"],
        "from": "bot" if message["from"]["is_bot"] else "user",
        "text": text,
        "html": html_from_text(text, message.get("entities", [])),
        "buttons": message.get("reply_markup", {}).get("inline_keyboard", []),
        "date": _stamp(message["date"]),
        "edited": None if edited is None else _stamp(edited),
    }


def _stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
