"""
A sample to copy: the fitness business's own Mini App, "Calories by photo", with its tiny backend.

The page talks to Billhook itself; what costs a photo goes through the backend, which alone decides
what it does for whom: it proves who asks, and holds a photo of theirs while the work is done.
"""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from billhook_client import Billhook, Decision, EndedHold, Problem, QuotaDenied, Unavailable
from sandbox.pages import page_routes
from sandbox.reading import parsed

FEATURE: Final = "photo_ai"
INIT_DATA_LIFE: Final = timedelta(hours=24)
TEXT_MAX: Final = 64
PAGE_MAY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'self' https://web.telegram.org"
)
"""Telegram's web client shows a Mini App in a frame, and so does the sandbox's chat."""


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


class NothingToBeSeen(Exception):
    """The photo is too blurred to tell what is on it."""


async def calories_on(photo: str) -> int:
    """
    Here the real app asks its model, which takes a while and may fail. This one goes by the name.

    Raises: NothingToBeSeen.
    """
    if photo.startswith("blurred"):
        raise NothingToBeSeen
    return 420


class MiniApp:
    """`key` is the one by which Billhook knows this backend."""

    def __init__(
        self,
        url: str,
        key: str | Callable[[], str],
        *,
        bot_token: str,
        now: Callable[[], datetime],
    ) -> None:
        self._url = url
        self._key = key
        self._bot_token = bot_token
        self._now = now
        self.routes: list[BaseRoute] = [
            *page_routes("/app", Path(__file__).parent / "page", PAGE_MAY),
            Route("/app/photo", self._photo, methods=["POST"]),
        ]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        key = self._key if isinstance(self._key, str) else self._key()
        async with (
            httpx.AsyncClient(trust_env=False) as client,  # Billhook is here: no proxy between us.
            Billhook(self._url, key, client=client) as self._billhook,
        ):
            yield

    async def _photo(self, request: Request) -> JSONResponse:
        try:
            user_id = user_id_of(request, bot_token=self._bot_token, now=self._now())
            photo, request_id = _asked(parsed(await request.body()))
        except NotFromTelegram:
            return JSONResponse({"code": "not_from_telegram"}, 401)
        except ValueError:
            return JSONResponse({"code": "request_not_readable"}, 422)
        try:
            return JSONResponse(await self._looked_at(photo, user_id, request_id))
        except Unavailable:
            return JSONResponse({"code": "billing_unavailable"}, 503)
        except Problem as refused:
            return JSONResponse({"code": refused.code}, 502)

    async def _looked_at(self, photo: str, user_id: int, request_id: str) -> dict[str, object]:
        """
        A photo is held while it is looked at, and counted only if something was seen. The same
        request_id is the same hold, so an answer that was lost never costs a second photo.

        Raises: Unavailable, Problem.
        """
        quota = self._billhook.quota(f"telegram:{user_id}")
        try:
            async with quota.hold(FEATURE, request_id=f"photo-{user_id}-{request_id}") as hold:
                calories = await calories_on(photo)
                left = await hold.capture()
        except NothingToBeSeen:
            return {"calories": None, "why": "nothing_to_be_seen"}
        except QuotaDenied as denied:
            return {"calories": None, "why": "no_photos_left", **_told(denied.decision)}
        return {"calories": calories, **_told(left)}


def _told(quota: Decision | EndedHold) -> dict[str, object]:
    resets_at = quota.resets_at.isoformat()
    return {"limit": quota.limit, "remaining": quota.remaining, "resets_at": resets_at}


def _asked(body: object) -> tuple[str, str]:
    """The photo's name, and the page's own id of the attempt. Raises: ValueError."""
    match body:
        case {"photo": str(photo), "request_id": str(given)} if (
            len(photo) <= TEXT_MAX and 1 <= len(given) <= TEXT_MAX and given.isascii()
        ):
            return photo, given
    raise ValueError("photo and request_id must be short texts")
