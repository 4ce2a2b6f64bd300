"""The tester's controls of a double as HTTP: JSON in, JSON out, with or without a last slash."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from sandbox.faults import Faults
from sandbox.reading import parsed

PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
}
"""A page styles itself and posts its form anywhere: its answer leads on to the shop's address."""

Control = Callable[..., object]
"""Takes the fields of the body, and the names in the path as keywords; returns what to tell."""


def control(
    path: str,
    act: Control,
    *,
    method: str = "POST",
    refusals: Mapping[type[Exception], int] | None = None,
) -> list[BaseRoute]:
    """`refusals` are errors of `act` and their statuses; a ValueError is 422 anyway."""
    statuses: dict[type[Exception], int] = {ValueError: 422, **(refusals or {})}
    kinds = tuple(statuses)

    async def endpoint(request: Request) -> JSONResponse:
        fields = parsed(await request.body())
        if not isinstance(fields, dict):
            return JSONResponse({"error": "A JSON object is expected"}, 422)
        try:
            told = act(fields, **request.path_params)
        except kinds as error:
            status = next(one for kind, one in statuses.items() if isinstance(error, kind))
            return JSONResponse({"error": str(error), "code": type(error).__name__}, status)
        return JSONResponse(told)

    return [Route(path + end, endpoint, methods=[method]) for end in ("", "/")]


def text_field(fields: dict[str, Any], name: str, default: str | None = None) -> str:
    """Raises: ValueError."""
    value = fields.get(name, default)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text")  # noqa: TRY004 - a wrong value of a field.
    return value


def number_field(fields: dict[str, Any], name: str, default: float) -> float:
    """Raises: ValueError."""
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number")  # noqa: TRY004 - as above.
    return value


def plan_fault(faults: Faults, fields: dict[str, Any]) -> dict[str, Any]:
    """The control `{"mode": "drop", "next": 1}`. Raises: ValueError."""
    count = fields.get("next", 1)
    if type(count) is not int:
        raise ValueError("next must be a whole number")
    faults.plan(text_field(fields, "mode"), count)
    return {"faults": faults.left}


class LostResponse(Response):
    """Breaks off inside the body: the client sees a broken connection, never an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
