"""
A sample to copy: the fitness business's own Mini App, "Calories by photo", with its tiny backend.

The page talks to Billhook itself; what costs a photo goes through the backend, which alone decides
what it does for whom: it proves who asks, and asks Billhook whether there are photos left.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from sandbox.pages import page_routes

FEATURE: Final = "photo_ai"
INIT_DATA_LIFE: Final = timedelta(hours=24)
REQUEST_ID_MAX: Final = 64
PAGE_MAY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'self' https://web.telegram.org"
)
"""Telegram's web client shows a Mini App in a frame, and so does the sandbox's chat."""


@dataclass(frozen=True)
class BillhookApi:
    """Where Billhook is, and the key by which it knows this backend."""

    url: str
    key: str | Callable[[], str] = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        key = self.key if isinstance(self.key, str) else self.key()
        return {"Authorization": f"Bearer {key}"}


class NotFromTelegram(ValueError):
    """The sign-in data is forged, older than a day, or names no user."""


def user_id_from(init_data: str, *, bot_token: str, now: datetime) -> int:
    """
    Whom Telegram has launched the Mini App for.

    Raises: NotFromTelegram.
    """
    fields = dict(parse_qsl(init_data, keep_blank_values=True))
    claimed = fields.pop("hash", "")
    key = hmac.digest(b"WebAppData", bot_token.encode(), hashlib.sha256)
    text = "\n".join(f"{name}={fields[name]}" for name in sorted(fields))
    proof = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(proof.encode(), claimed.encode()):
        raise NotFromTelegram
    made_at = datetime.fromtimestamp(int(fields.get("auth_date", "0")), now.tzinfo)
    if "user" not in fields or not timedelta(minutes=-1) <= now - made_at <= INIT_DATA_LIFE:
        raise NotFromTelegram
    return int(json.loads(fields["user"])["id"])


def user_id_of(request: Request, *, bot_token: str, now: datetime) -> int:
    """From the header `Authorization: tma <initData>`. Raises: NotFromTelegram."""
    scheme, _, init_data = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "tma":
        raise NotFromTelegram
    return user_id_from(init_data, bot_token=bot_token, now=now)


async def take_a_photo(api: BillhookApi, user_id: int, request_id: str) -> httpx.Response:
    """
    Uses up one photo, if there is one left: 200 with `allowed`, `remaining` and `resets_at`. The
    same request_id hears the same answer, so a lost answer never costs a second photo.
    """
    asked = {"amount": 1, "request_id": request_id}
    path = f"/customers/telegram:{user_id}/usage/{FEATURE}/consume/"
    async with httpx.AsyncClient(headers=api.headers, trust_env=False) as client:
        return await client.post(f"{api.url}{path}", json=asked)


def miniapp_routes(
    api: BillhookApi, *, bot_token: str, now: Callable[[], datetime]
) -> list[BaseRoute]:
    async def photo(request: Request) -> JSONResponse:
        try:
            user_id = user_id_of(request, bot_token=bot_token, now=now())
            request_id = _request_id(await request.json(), user_id)
        except NotFromTelegram:
            return JSONResponse({"code": "not_from_telegram"}, 401)
        except ValueError:
            return JSONResponse({"code": "request_not_readable"}, 422)
        try:
            decided = await take_a_photo(api, user_id, request_id)
        except httpx.HTTPError:
            return JSONResponse({"code": "billing_unavailable"}, 503)
        told: dict[str, Any] = decided.json()
        if decided.status_code != 200:
            return JSONResponse({"code": told.get("code", "billing_refused")}, 502)
        # Here the real app would look at the picture; for work that may fail, hold and capture.
        return JSONResponse(told)

    return [
        *page_routes("/app", Path(__file__).parent / "page", PAGE_MAY),
        Route("/app/photo", photo, methods=["POST"]),
    ]


def _request_id(body: object, user_id: int) -> str:
    """The page's own id of the attempt, kept apart by user. Raises: ValueError."""
    match body:
        case {"request_id": str(given)} if 1 <= len(given) <= REQUEST_ID_MAX and given.isascii():
            return f"photo-{user_id}-{given}"
    raise ValueError("request_id must be a short text")
