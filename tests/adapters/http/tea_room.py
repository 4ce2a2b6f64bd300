"""A little application to try operations on: it brews tea, or refuses to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import httpx
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from adapters.http.operations import (
    Closed,
    Moment,
    Operation,
)
from core.domain.errors import Conflict, Refused


@dataclass(eq=False)
class KettleEmpty(Refused):
    """There is no water in it."""


@dataclass(eq=False)
class KettleHot(Conflict):
    """It has boiled."""


class Price(Closed):
    amount_minor: int = Field(ge=0, le=10**15)
    currency: str = Field(pattern="^[A-Z]{3,4}$")


class Black(Closed):
    kind: Literal["black"]


class Green(Closed):
    kind: Literal["green"]
    degrees: int


class Tea(Closed):
    name: str = Field(min_length=1, max_length=20)
    price: Price
    leaf: Annotated[Black | Green, Field(discriminator="kind")] | None = None
    at: Moment | None = None
    hot: bool = True


class Brewed(BaseModel):
    id: str
    tea: Tea | None = None
    key: str | None = None


class Cups(BaseModel):
    items: list[Brewed]
    limit: int
    strong: bool | None


class KettlePath(Closed):
    kettle_id: str = Field(pattern="^ket_[a-z0-9]{4}$")


class CupsQuery(Closed):
    limit: int = Field(10, ge=1, le=100)
    strong: bool | None = None
    since: Moment | None = None
    sort: Literal["new", "old"] | None = None
    cursor: str | None = None


class Pour(Closed):
    cups: int | None = None


class KeyHeader(BaseModel):
    key: str = Field(alias="Idempotency-Key", pattern="^[!-~]{1,64}$")


async def brew_tea(
    request: Request, *, params: KettlePath, headers: KeyHeader, body: Tea
) -> tuple[int, Brewed]:
    return (201, Brewed(id=params.kettle_id, tea=body, key=headers.key))


async def list_cups(request: Request, *, query: CupsQuery) -> Cups:
    return Cups(items=[], limit=query.limit, strong=query.strong)


async def get_kettle(request: Request, *, params: KettlePath) -> Brewed:
    return Brewed(id=params.kettle_id)


async def preview_tea(request: Request) -> Brewed:
    return Brewed(id="preview")


async def empty_kettle(request: Request, *, params: KettlePath) -> None:
    if params.kettle_id == "ket_none":
        raise KettleEmpty


async def pour_raw(request: Request) -> Response:
    return Response("as it is")


async def pour_tea(request: Request, *, body: Pour) -> tuple[int, Brewed]:
    return 200, Brewed(id=f"cups {body.cups}")


KETTLE = "/kettles/{kettle_id}/"
OPERATIONS = [
    Operation(
        method="GET",
        path=KETTLE,
        endpoint=get_kettle,
        summary="Look at it",
        params=KettlePath,
        responses={200: Brewed},
        tags=("kettles",),
    ),
    Operation(
        method="POST",
        path=KETTLE,
        endpoint=brew_tea,
        summary="Brew <tea>",
        params=KettlePath,
        headers=KeyHeader,
        body=Tea,
        responses={200: Brewed, 201: Brewed},
        security=("session",),
        errors=(KettleEmpty, KettleHot),
        tags=("kettles",),
    ),
    Operation(
        method="DELETE",
        path=KETTLE,
        endpoint=empty_kettle,
        summary="Empty it",
        params=KettlePath,
        responses={204: None},
        errors=(KettleEmpty,),
    ),
    Operation(
        method="GET",
        path="/kettles/preview/",
        endpoint=preview_tea,
        summary="Look ahead",
        responses={200: Brewed},
    ),
    Operation(
        method="GET",
        path="/cups",
        endpoint=list_cups,
        summary="All cups",
        query=CupsQuery,
        responses={200: Cups},
    ),
    Operation(method="GET", path="/raw/", endpoint=pour_raw, summary="Raw", responses={200: None}),
    Operation(
        method="POST",
        path="/pour/",
        endpoint=pour_tea,
        summary="Pour",
        body=Pour,
        responses={200: Brewed},
    ),
]
SCHEMES: Mapping[str, object] = {"session": {"type": "http", "scheme": "bearer"}}
TOLD = {"title": "Tea <room>", "version": "1", "security_schemes": SCHEMES}
GOOD = {"name": "assam", "price": {"amount_minor": 100, "currency": "RUB"}}
KEY = {"Idempotency-Key": "k1"}


def said(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(each["in"], each["field"]) for each in answer.json()["errors"]]
