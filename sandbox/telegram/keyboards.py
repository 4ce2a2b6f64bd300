"""Inline keyboards: what Telegram takes, and how it says no."""

import re
from typing import Final
from urllib.parse import urlsplit

from sandbox.telegram.wire import Call, Json, bad_request

CALLBACK_DATA_MAX: Final = 64
"""Bytes of UTF-8."""
COPY_TEXT_MAX: Final = 256
LOOPBACK_HOSTS: Final = {"localhost", "127.0.0.1", "::1"}
PASSED_ON: Final = (
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
)
"""Kinds of buttons that the double shows and that do nothing here."""

_URL = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://)?(?P<host>[^/?#]*)(?P<rest>.*)", re.DOTALL
)


def checked_keyboard(call: Call) -> Json | None:
    """
    The inline keyboard of `reply_markup` as Telegram would tell it back, None for none. Keyboards
    that replace the phone's own are taken and not shown.

    Raises: Refused.
    """
    raw = call.nested("reply_markup", "can't parse reply keyboard markup JSON object")
    if raw is None or raw == "":
        return None
    if not isinstance(raw, dict):
        raise bad_request("object expected as reply markup")
    rows = raw.get("inline_keyboard")
    if rows is None:
        return None
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request(
            'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays'
        )
    checked = [[_checked_button(button) for button in row] for row in rows]
    kept = [row for row in checked if row]
    return {"inline_keyboard": kept} if kept else None


def checked_web_app_url(url: str, of_what: str) -> str:
    """
    Only https, and, what real Telegram refuses, plain http of this very machine.

    Raises: Refused.
    """
    return _checked_url(url, f"{of_what}Web App ", https_only=True)


def _checked_button(raw: object) -> Json:
    if not isinstance(raw, dict):
        raise _not_parsed("InlineKeyboardButton must be an Object")
    text = raw.get("text")
    if not isinstance(text, str):
        raise _not_parsed('Can\'t find field "text"')
    kind = _checked_kind(raw)
    if not text.strip():
        raise bad_request("inline keyboard button text must be non-empty")
    return {"text": text, **kind}


def _checked_kind(raw: Json) -> Json:
    button = "inline keyboard button "
    match raw:
        case {"url": str(url)} if url:
            return {"url": _checked_url(url, button)}
        case {"callback_data": str(data)} if data:
            if len(data.encode()) > CALLBACK_DATA_MAX:
                raise bad_request("BUTTON_DATA_INVALID")
            return {"callback_data": data}
        case {"web_app": {"url": str(url)}}:
            return {"web_app": {"url": checked_web_app_url(url, button)}}
        case {"copy_text": {"text": str(text)}}:
            if not 1 <= len(text) <= COPY_TEXT_MAX:
                raise bad_request("BUTTON_COPY_TEXT_INVALID")
            return {"copy_text": {"text": text}}
        case {"pay": True}:
            return {"pay": True}
    for kind in PASSED_ON:
        if kind in raw:
            return {kind: raw[kind]}
    raise _not_parsed("Text buttons are unallowed in the inline keyboard")


def _not_parsed(why: str) -> Exception:
    return bad_request(f"can't parse inline keyboard button: {why}")


def _checked_url(url: str, of_what: str, *, https_only: bool = False) -> str:
    if not https_only and url.lower().startswith(("tg:", "ton:", "tonsite:")):
        return url
    found = _URL.fullmatch(url.strip())
    assert found is not None
    scheme = (found["scheme"] or "http").lower()
    try:
        host = urlsplit(f"//{found['host']}").hostname or ""
        port = urlsplit(f"//{found['host']}").port
    except ValueError:
        host, port = "", -1
    is_own = host in LOOPBACK_HOSTS
    complaint = None
    if scheme not in {"http", "https"}:
        complaint = "Unsupported URL protocol"
    elif port == -1:
        complaint = "Wrong port number specified in the URL"
    elif not host:
        complaint = "URL host is empty"
    elif https_only and scheme != "https" and not is_own:
        complaint = "Only HTTPS links are allowed"
    elif "." not in host and ":" not in host and not is_own:
        complaint = "Wrong HTTP URL"
    if complaint is not None:
        raise bad_request(f"{of_what}URL '{url}' is invalid: {complaint}")
    rest = found["rest"]
    return f"{scheme}://{found['host']}{rest if rest.startswith('/') else '/' + rest}"
