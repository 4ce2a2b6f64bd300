"""What a Telegram client hands a Mini App at its launch: `initData`, signed by the bot's token."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from sandbox.telegram.wire import Json

WEB_APP_VERSION: Final = "9.1"
PLATFORM: Final = "web"
THEMES: Final[Mapping[str, Mapping[str, str]]] = {
    "light": {
        "bg_color": "#ffffff",
        "text_color": "#000000",
        "hint_color": "#707579",
        "link_color": "#2678b6",
        "button_color": "#3390ec",
        "button_text_color": "#ffffff",
        "secondary_bg_color": "#f4f4f5",
        "section_bg_color": "#ffffff",
        "section_separator_color": "#e3e4e6",
        "destructive_text_color": "#df3f40",
    },
    "dark": {
        "bg_color": "#212121",
        "text_color": "#ffffff",
        "hint_color": "#aaaaaa",
        "link_color": "#8774e1",
        "button_color": "#8774e1",
        "button_text_color": "#ffffff",
        "secondary_bg_color": "#0f0f0f",
        "section_bg_color": "#212121",
        "section_separator_color": "#3a3a3c",
        "destructive_text_color": "#ff595a",
    },
}
"""By the colour scheme of the client."""


def signed_init_data(fields: Mapping[str, str], token: str) -> str:
    """
    `signature` is what third parties without the token check by Telegram's public key. Ours only
    looks like one, but takes part in the hash as the real one does.
    """
    likeness = hashlib.sha512(repr(sorted(fields.items())).encode()).digest()
    signed = {**fields, "signature": urlsafe_b64encode(likeness).decode().rstrip("=")}
    key = hmac.digest(b"WebAppData", token.encode(), hashlib.sha256)
    text = "\n".join(f"{name}={signed[name]}" for name in sorted(signed))
    signed["hash"] = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in signed.items())


def user_field(user: Json) -> str:
    """Telegram escapes slashes, so whoever writes the JSON anew gets another hash."""
    name = user.get("username", str(user["id"]))
    told = {name: value for name, value in user.items() if name != "is_bot"} | {
        "allows_write_to_pm": True,
        "photo_url": f"https://t.me/i/userpic/320/{name}.svg",
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")


def launch_url(url: str, init_data: str, scheme: str) -> str:
    """The address with the fragment that clients open."""
    launch = {
        "tgWebAppData": init_data,
        "tgWebAppVersion": WEB_APP_VERSION,
        "tgWebAppPlatform": PLATFORM,
        "tgWebAppThemeParams": json.dumps(THEMES[scheme], separators=(",", ":")),
    }
    fragment = "&".join(f"{name}={quote(value, safe='')}" for name, value in launch.items())
    return f"{url}{'&' if '#' in url else '#'}{fragment}"
