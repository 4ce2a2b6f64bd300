"""
Text with formatting: what a bot marks up in HTML, as text with entities, and back as safe HTML.

The rules and their words are those of the Bot API server (TDLib, MessageEntity.cpp). Offsets and
lengths count UTF-16 units, the offsets in complaints count bytes of UTF-8.
"""

import re
from dataclasses import dataclass
from html import escape
from typing import Final

from sandbox.telegram.wire import Json

ENTITY_OF_TAG: Final = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline",
    "ins": "underline", "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough",
    "span": "spoiler", "tg-spoiler": "spoiler", "a": "text_link", "code": "code", "pre": "pre",
    "blockquote": "blockquote", "tg-emoji": "custom_emoji", "tg-time": "date_time",
}  # fmt: skip
TAG_OF_ENTITY: Final = {
    "bold": "b", "italic": "i", "underline": "u", "strikethrough": "s", "code": "code",
    "pre": "pre", "blockquote": "blockquote", "expandable_blockquote": "blockquote",
}  # fmt: skip

_REFERENCE = re.compile(r"&(?:#x([0-9A-Fa-f]+)|#([0-9]+)|(lt|gt|amp|quot)(?![A-Za-z]));?", re.ASCII)
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_ATTRIBUTE = re.compile(
    r"""\s*(?P<name>[^\s=>/"']*)\s*(?:(?P<equals>=)\s*"""
    r"""(?:"(?P<double>[^"]*)"?|'(?P<single>[^']*)'?|(?P<bare>[A-Za-z0-9.\-]*)))?"""
)
_FOUND = re.compile(
    r"(?P<bot_command>(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/]))"
    r"|(?P<url>https?://[^\s<>\"']*[^\s<>\"'.,:;!?)\]])"
)
_USER_LINK = re.compile(r"tg://user\?id=([0-9]{1,16})", re.ASCII)
_LINK = re.compile(r"(?:https?|tg|mailto|tel):[^\s]+", re.IGNORECASE)


class NotParsed(ValueError):
    """The markup is wrong; the text says where, as Telegram does."""


@dataclass(slots=True)
class _Open:
    tag: str
    argument: str
    offset: int
    begin: int
    """Where its text begins, in pieces."""


class _Parser:
    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._pieces: list[str] = []
        self._offset = 0
        self._open: list[_Open] = []
        self._entities: list[Json] = []

    def parsed(self) -> tuple[str, list[Json]]:
        while self._at < len(self._source):
            if self._source.startswith("</", self._at):
                self._end_tag()
            elif self._source[self._at] == "<":
                self._start_tag()
            else:
                self._put(self._character())
        if self._open:
            tag = self._open[-1].tag
            raise NotParsed(f'Can\'t find end tag corresponding to start tag "{tag}"')
        return "".join(self._pieces), self._entities

    def _character(self) -> str:
        reference = _REFERENCE.match(self._source, self._at)
        character = None if reference is None else _referenced(reference)
        if reference is None or character is None:
            self._at += 1
            return self._source[self._at - 1]
        self._at = reference.end()
        return character

    def _put(self, character: str) -> None:
        self._pieces.append(character)
        self._offset += utf16_length(character)

    def _start_tag(self) -> None:
        where = self._byte_offset()
        name = re.compile(r"[^\s>]*").match(self._source, self._at + 1)
        assert name is not None
        self._at = name.end()
        tag = name[0].lower()
        if self._at == len(self._source):
            raise NotParsed(f"Unclosed start tag at byte offset {where}")
        if tag not in ENTITY_OF_TAG:
            raise NotParsed(f'Unsupported start tag "{tag}" at byte offset {where}')
        argument = self._attributes(tag, where)
        if tag == "span" and argument != "spoiler":
            raise NotParsed(f'Tag "span" must have class "tg-spoiler" at byte offset {where}')
        self._open.append(_Open(tag, argument, self._offset, len(self._pieces)))

    def _attributes(self, tag: str, where: int) -> str:
        """Up to and with the `>`; of all attributes, the one that this tag has a use for."""
        argument = ""
        while True:
            rest = self._source[self._at :].lstrip()
            self._at = len(self._source) - len(rest)
            if not rest:
                raise NotParsed(f'Unclosed start tag "{tag}" at byte offset {where}')
            if rest.startswith(">"):
                self._at += 1
                return argument
            found = _ATTRIBUTE.match(self._source, self._at)
            assert found is not None
            name = found["name"]
            if not name:
                raise NotParsed(f'Empty attribute name in the tag "{tag}" at byte offset {where}')
            self._at = found.end()
            if found["bare"] is not None and not re.match(r"[\s>]|$", self._source[self._at :]):
                token = len(self._source[: found.start("bare")].encode())
                raise NotParsed(f"Unexpected end of name token at byte offset {token}")
            value = found["double"] or found["single"] or (found["bare"] or "").lower()
            value = _REFERENCE.sub(lambda one: _referenced(one) or one[0], value)
            argument = _argument(tag, name, value) or argument

    def _end_tag(self) -> None:
        where = self._byte_offset()
        if not self._open:
            raise NotParsed(f"Unexpected end tag at byte offset {where}")
        found = re.compile(r"</([^\s>]*)\s*(>?)").match(self._source, self._at)
        assert found is not None
        if not found[2]:
            raise NotParsed(f"Unclosed end tag at byte offset {where}")
        tag = self._open[-1].tag
        if found[1] and found[1].lower() != tag:
            raise NotParsed(
                f"Unmatched end tag at byte offset {where},"
                f' expected "</{tag}>", found "</{found[1].lower()}>"'
            )
        self._at = found.end()
        self._close(self._open.pop())

    def _close(self, opened: _Open) -> None:
        length = self._offset - opened.offset
        if not length:
            return
        entity: Json = {"type": ENTITY_OF_TAG[opened.tag], "offset": opened.offset}
        entity["length"] = length
        same = [one for one in self._entities[-1:] if is_same_stretch(one, entity)]
        match opened.tag:
            case "a":
                self._add_link(entity, opened)
                return
            case "blockquote" if opened.argument:
                entity["type"] = "expandable_blockquote"
            case "tg-emoji":
                if not opened.argument.isdigit():
                    raise NotParsed("Invalid custom emoji identifier specified")
                entity["custom_emoji_id"] = opened.argument
            case "tg-time":
                return  # Written as its text; nothing here reads the time out of it.
            case "code" if opened.argument:
                entity["language"] = opened.argument
            case "pre" if same and same[0]["type"] == "code" and "language" in same[0]:
                entity["language"] = self._entities.pop()["language"]
            case _:
                pass
        self._entities.append(entity)

    def _add_link(self, entity: Json, opened: _Open) -> None:
        url = opened.argument or "".join(self._pieces[opened.begin :])
        user = _USER_LINK.fullmatch(url)
        if user is not None:
            entity |= {"type": "text_mention", "user": {"id": int(user[1]), "is_bot": False}}
        elif _LINK.match(url):
            entity["url"] = url
        elif "." in url and ":" not in url:
            entity["url"] = f"http://{url}"
        else:
            return  # Telegram drops a link that leads nowhere, and keeps its text.
        self._entities.append(entity)

    def _byte_offset(self) -> int:
        return len(self._source[: self._at].encode())


def is_same_stretch(one: Json, other: Json) -> bool:
    return (one["offset"], one["length"]) == (other["offset"], other["length"])


def text_from_html(source: str) -> tuple[str, list[Json]]:
    """Raises: NotParsed."""
    text, entities = _Parser(source).parsed()
    for entity in entities:
        if entity["type"] == "code":
            entity.pop("language", None)
    return text, entities


def tidy(text: str, entities: list[Json]) -> tuple[str, list[Json]]:
    """Without blanks round it, and with the commands and addresses that Telegram finds itself."""
    lost = utf16_length(text) - utf16_length(text.lstrip())
    kept = utf16_length(text.strip())
    moved = []
    for entity in entities:
        begin = max(entity["offset"] - lost, 0)
        end = min(entity["offset"] + entity["length"] - lost, kept)
        if begin < end:
            moved.append(entity | {"offset": begin, "length": end - begin})
    text = text.strip()
    closed = [one for one in moved if one["type"] in {"text_link", "code", "pre", "url"}]
    for found in _FOUND.finditer(text):
        begin = utf16_length(text[: found.start()])
        length = utf16_length(found[0])
        if not any(
            one["offset"] < begin + length and begin < one["offset"] + one["length"]
            for one in closed
        ):
            moved.append({"type": found.lastgroup, "offset": begin, "length": length})
    return text, sorted(moved, key=lambda one: (one["offset"], -one["length"]))


def html_from_text(text: str, entities: list[Json]) -> str:
    """Only our own tags, everything else escaped: safe to put into a page."""
    units = text.encode("utf-16-le", "surrogatepass")

    def rendered(begin: int, end: int, inner: list[Json]) -> str:
        pieces, at = [], begin
        for number, entity in enumerate(inner):
            first = max(entity["offset"], at)
            last = min(entity["offset"] + entity["length"], end)
            if first >= last:
                continue
            within = [one for one in inner[number + 1 :] if one["offset"] < last]
            plain = _plain(units, first, last)
            pieces += [_plain_html(units, at, first)]
            pieces += [_wrapped(entity, rendered(first, last, within), plain)]
            at = last
        return "".join([*pieces, _plain_html(units, at, end)])

    return rendered(0, len(units) // 2, entities)


def utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _plain(units: bytes, begin: int, end: int) -> str:
    return units[2 * begin : 2 * end].decode("utf-16-le", "replace")


def _plain_html(units: bytes, begin: int, end: int) -> str:
    return escape(_plain(units, begin, end))


def _wrapped(entity: Json, inner: str, plain: str) -> str:
    kind = entity["type"]
    if kind in TAG_OF_ENTITY:
        return f"<{TAG_OF_ENTITY[kind]}>{inner}</{TAG_OF_ENTITY[kind]}>"
    if kind in {"text_link", "url"}:
        url = str(entity.get("url", plain))
        if _LINK.fullmatch(url):
            return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{inner}</a>'
    if kind == "bot_command":
        return f'<span class="command" role="link" tabindex="0">{inner}</span>'
    if kind == "spoiler":
        return f'<span class="spoiler" tabindex="0">{inner}</span>'
    return inner


def _referenced(reference: re.Match[str]) -> str | None:
    hexadecimal, decimal, name = reference.groups()
    if name:
        return _NAMED[name]
    digits = hexadecimal or decimal
    code = int(digits, 16 if hexadecimal else 10) if len(digits) < 9 else 0
    # Half of a surrogate pair is no character; Telegram refuses it later, we leave it as written.
    return chr(code) if 0 < code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else None


def _argument(tag: str, name: str, value: str) -> str:
    match tag, name:
        case "a", "href":
            return value
        case "code", "class" if value.startswith("language-"):
            return value.removeprefix("language-")
        case "span", "class" if value.startswith("tg-"):
            return value.removeprefix("tg-")
        case "tg-emoji", "emoji-id":
            return value
        case "blockquote", "expandable":
            return "1"
    return ""
