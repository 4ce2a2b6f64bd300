"""The official YooKassa SDK bound to one shop: nothing shared, nothing endless, one silence."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import requests
import structlog
from anyio import CapacityLimiter, to_thread
from requests.adapters import HTTPAdapter
from yookassa.client import ApiClient
from yookassa.domain.common import UserAgent
from yookassa.domain.exceptions import (
    ApiError,
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    UnauthorizedError,
)

from adapters.gateways.yookassa.shop import YooKassaShop
from core.ports.payment_gateway import GatewayUnavailable
from core.ports.unit_of_work import unit_is_open

CALLS_AT_ONCE: Final = 16
TIMEOUT_SECONDS: Final = (3.05, 10.0)
"""To connect, and between two pieces of the answer."""
CALL_SECONDS_MAX: Final = 30.0
"""For the whole answer, however small its pieces."""

WORD: Final = re.compile(r"[0-9A-Za-z_.\[\]-]{1,64}")

log = structlog.get_logger()


@dataclass(eq=False)
class AnsweredNo(Exception):
    """
    YooKassa read the request and refuses it; the same request again gets the same answer.
    `parameter` is empty where it named none. `description` may hold anything: never show it.
    """

    code: str
    parameter: str
    description: str


class YooKassaClient:
    """
    Calls of one shop. The SDK brings the credentials, the headers and the meaning of errors.
    Its models are passed by: those of requests take amounts through floats and add metadata,
    those of responses refuse oddities, and so would lose a payment that was just opened.
    """

    def __init__(
        self,
        shop: YooKassaShop,
        *,
        api_url: str,
        timeout_seconds: tuple[float, float],
        call_seconds: float = CALL_SECONDS_MAX,
    ) -> None:
        self._call_seconds = call_seconds
        self._bound = _BoundClient(shop, api_url, timeout_seconds)
        self._limiter = CapacityLimiter(CALLS_AT_ONCE)

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        key: str | None = None,
    ) -> Mapping[str, object]:
        """
        The JSON object of a 200. `key` is the idempotency key; there are no retries in here.
        A thread cannot be stopped: after CALL_SECONDS_MAX it is left behind with its answer.

        Raises:
            AnsweredNo
            GatewayUnavailable: anything else; the call may have been acted on.
        """
        assert not unit_is_open.get(), "a gateway is never called inside a unit of work"
        headers = None if key is None else {"Idempotence-Key": key}
        ask = partial(self._ask, method, path, query, headers, body)
        try:
            async with asyncio.timeout(self._call_seconds):
                return await to_thread.run_sync(ask, limiter=self._limiter, abandon_on_cancel=True)
        except TimeoutError:
            log.warning("provider too slow", gateway="yookassa", method=method, path=path)
            raise GatewayUnavailable("yookassa") from None

    def close(self) -> None:
        """Let go of the idle connections; the next call makes new ones."""
        self._bound.session.close()

    def _ask(self, method: str, path: str, *rest: Any) -> Mapping[str, object]:
        # `from None`: a network error holds the request, and with it the secret key.
        called = log.bind(gateway="yookassa", method=method, path=path)
        try:
            answer = self._bound.request(method, path, *rest)
        except (BadRequestError, NotFoundError) as error:
            no = _answered_no(error.content)
            if no is None:
                called.warning("provider unreadable", status=error.HTTP_CODE)
                raise GatewayUnavailable("yookassa") from None
            raise no from None
        except (UnauthorizedError, ForbiddenError) as error:
            # Nothing was done; once the operator has mended it, the checkout goes on.
            called.error("provider refused our credentials", status=error.HTTP_CODE)
            raise GatewayUnavailable("yookassa") from None
        except Exception as error:  # noqa: BLE001 - the SDK masks: a lost connection is AttributeError.
            cause = error if isinstance(error, ApiError) else error.__context__ or error
            called.warning("provider unavailable", cause=type(cause).__name__)
            raise GatewayUnavailable("yookassa") from None
        if not isinstance(answer, dict):
            called.warning("provider unreadable", status=200)
            raise GatewayUnavailable("yookassa")
        return answer


class _BoundClient(ApiClient):  # type: ignore[misc] # The SDK has no types.
    def __init__(
        self, shop: YooKassaShop, api_url: str, timeout_seconds: tuple[float, float]
    ) -> None:
        # Not the SDK's own: it takes the credentials from a global that all shops share.
        self.endpoint = api_url.rstrip("/")
        self.shop_id = shop.shop_id
        self.shop_password = shop.secret_key
        self.auth_token = None
        self.user_agent = UserAgent()
        self._timeout_seconds = timeout_seconds
        self.session = requests.Session()
        self.session.trust_env = False  # A .netrc would replace our credentials.
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, HTTPAdapter(pool_maxsize=CALLS_AT_ONCE, max_retries=0))

    def execute(
        self,
        body: Mapping[str, object] | None,
        method: str,
        path: str,
        query_params: Mapping[str, str] | None,
        request_headers: Mapping[str, str],
    ) -> requests.Response:
        # Not the SDK's own: it has no timeout, repeats by itself, and logs the credentials.
        return self.session.request(
            method,
            self.endpoint + path,
            params=query_params,
            headers=request_headers,
            json=body,
            timeout=self._timeout_seconds,
            allow_redirects=False,
        )


def _answered_no(content: object) -> AnsweredNo | None:
    """None: an error page of somebody in between."""
    told = content if isinstance(content, dict) else {}
    code, parameter, description = (
        text if isinstance(text := told.get(name), str) else ""
        for name in ("code", "parameter", "description")
    )
    if not WORD.fullmatch(code):
        return None
    # The rest is logged and shown: what is not a plain name could repeat what the payer wrote.
    return AnsweredNo(code, parameter if WORD.fullmatch(parameter) else "", description)
