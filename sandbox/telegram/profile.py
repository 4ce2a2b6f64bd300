"""What a bot says of itself: commands by audience and language, menu buttons, name and texts."""

import re
from dataclasses import asdict, dataclass, field
from typing import Final

from sandbox.telegram.keyboards import checked_web_app_url
from sandbox.telegram.wire import Answer, Call, Json, bad_request, done

COMMANDS_MAX: Final = 100
DESCRIPTION_MAX: Final = 256
TEXTS: Final = {"name": 64, "description": 512, "shortdescription": 120}
"""Of `setMyName` and its like, with the longest that Telegram takes."""
FIELDS: Final = {"shortdescription": "short_description"}

_COMMAND = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)
_TEXT_METHOD = re.compile(r"(set|get)my(name|description|shortdescription)")


@dataclass(slots=True)
class BotProfile:
    name: str
    _commands: dict[str, list[Json]] = field(default_factory=dict)
    _buttons: dict[str, Json] = field(default_factory=dict)
    """By chat id; the one of all other chats under an empty text."""
    _texts: dict[str, str] = field(default_factory=dict)

    def answer(self, call: Call) -> Answer | None:
        """None: not a method of ours. Raises: Refused."""
        method = call.method.lower()
        match method:
            case "setmycommands":
                self._commands[_scope(call)] = _checked_commands(call)
            case "deletemycommands":
                self._commands.pop(_scope(call), None)
            case "getmycommands":
                return done(self._commands.get(_scope(call), []))
            case "setchatmenubutton":
                self._buttons[call.text("chat_id")] = _checked_menu_button(call)
            case "getchatmenubutton":
                return done(self.menu_button(call.text("chat_id")))
            case _:
                found = _TEXT_METHOD.fullmatch(method)
                return None if found is None else self._text(call, found[1], found[2])
        return done()

    def commands_for(self, chat_id: int, language: str) -> list[Json]:
        """Of all lists that were set, the one that Telegram shows in this chat."""
        for scope in (f"chat {chat_id}", "all_private_chats", "default"):
            for code in (language[:2], ""):
                if commands := self._commands.get(f"{scope} {code}"):
                    return commands
        return []

    def menu_button(self, chat_id: str) -> Json:
        return self._buttons.get(chat_id) or self._buttons.get("") or {"type": "default"}

    def snapshot(self) -> Json:
        return asdict(self)

    def restore(self, state: Json) -> None:
        self._commands, self._buttons = state["_commands"], state["_buttons"]
        self._texts = state["_texts"]

    def _text(self, call: Call, deed: str, text: str) -> Answer:
        name = FIELDS.get(text, text)
        key = f"{name} {call.text('language_code')}"
        if deed == "get":
            default = self.name if text == "name" else ""
            return done({name: self._texts.get(key, default)})
        if len(call.text(name)) > TEXTS[text]:
            raise bad_request(f"bot {name.replace('_', ' ')} is too long")
        self._texts[key] = call.text(name)
        return done()


def _scope(call: Call) -> str:
    raw = call.nested("scope", "can't parse BotCommandScope JSON object")
    scope = raw if isinstance(raw, dict) else {"type": "default"}
    whose = f"chat {scope.get('chat_id')}" if scope.get("type") == "chat" else scope.get("type")
    return f"{whose} {call.text('language_code')}"


def _checked_commands(call: Call) -> list[Json]:
    commands = call.nested("commands", "can't parse commands JSON object") or []
    if not isinstance(commands, list):
        raise bad_request("expected an Array of BotCommand")
    if len(commands) > COMMANDS_MAX:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    return [_checked_command(command) for command in commands]


def _checked_command(raw: object) -> Json:
    match raw:
        case {"command": str(command), "description": str(description)}:
            command = command.removeprefix("/")
            if not _COMMAND.fullmatch(command):
                raise bad_request("BOT_COMMAND_INVALID")
            if not 1 <= len(description.strip()) <= DESCRIPTION_MAX:
                raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
            return {"command": command, "description": description}
    raise bad_request("can't parse BotCommand: expected an Object")


def _checked_menu_button(call: Call) -> Json:
    match call.nested("menu_button", "can't parse menu button JSON object"):
        case None | "":
            return {"type": "default"}
        case {"type": "default" | "commands" as kind}:
            return {"type": kind}
        case {"type": "web_app", "text": str(text), "web_app": {"url": str(url)}} if text:
            url = checked_web_app_url(url, "menu button ")
            return {"type": "web_app", "text": text, "web_app": {"url": url}}
    raise bad_request("can't parse menu button: MenuButton has unsupported type")
