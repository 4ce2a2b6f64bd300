"""Broadcasts over HTTP: written, looked at, and moved by a person, each deed with its reason."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request

from adapters.http.bodies import WareCodeText
from adapters.http.customer_routes import OF_THE_CLAIM, IdempotencyHeader
from adapters.http.edge import edge_of, key_of
from adapters.http.operations import Closed, Operation
from adapters.http.operator_routes import ReasonRequest, operator_of, operator_operation
from core.domain.broadcast import (
    DAYS_MAX,
    TEXT_MAX,
    URL_MAX,
    Broadcast,
    BroadcastId,
    BroadcastMove,
    BroadcastMoved,
    BroadcastNotFound,
    BroadcastNotUsable,
    BroadcastsCrowded,
    BroadcastStatus,
    Draft,
    Segment,
)
from core.domain.credentials import Scope
from core.domain.plan import PlanCode

_Id = Annotated[str, Field(pattern=r"^brd_[a-z0-9]{8,40}$")]
_Language = Literal["ru", "en"]
_Text = Annotated[str, Field(min_length=1, max_length=TEXT_MAX)]


class BroadcastPath(BaseModel):
    broadcast_id: _Id


class BroadcastsQuery(Closed):
    limit: int = Field(20, ge=1, le=100)
    cursor: _Id | None = None


class SegmentBody(Closed):
    """
    All that is said must hold; nothing said is everybody. `plans`: on one of them now. `paid`:
    whether money was ever taken for something. `expired_days`: what was paid for, or tried, ran out
    in so many last days, and nothing runs now.
    """

    plans: list[WareCodeText] = Field(default_factory=list, max_length=50)
    paid: bool | None = None
    trialing: bool = False
    expired_days: Annotated[int, Field(ge=1, le=DAYS_MAX)] | None = None
    language: Annotated[str, Field(pattern=r"^[A-Za-z-]{2,35}$")] | None = None
    registered_from: AwareDatetime | None = None
    registered_before: AwareDatetime | None = None

    def segment(self) -> Segment:
        return Segment(
            tuple(PlanCode(one) for one in self.plans),
            self.paid,
            self.trialing,
            self.expired_days,
            self.language,
            self.registered_from,
            self.registered_before,
        )


class BroadcastRequest(ReasonRequest):
    """
    Plain text by language; whoever speaks another reads the English one, else the first. A button
    leads to a `plan` that is sold or to a `url`, or there is none.
    """

    texts: dict[_Language, _Text]
    segment: SegmentBody = SegmentBody()
    plan: WareCodeText | None = None
    url: Annotated[str, Field(pattern=r"^https://[!-~]+$", max_length=URL_MAX)] | None = None

    def draft(self) -> Draft:
        plan = None if self.plan is None else PlanCode(self.plan)
        texts = {str(language): said for language, said in self.texts.items()}
        return Draft(texts, self.segment.segment(), plan, self.url)


class BroadcastBody(BaseModel):
    """
    `expected`: for how many it was when it was started. `unsure`: being sent just now, or left so
    by a process that died, and never sent again. `left`: about how many are still to come.
    """

    id: str
    status: BroadcastStatus
    texts: dict[str, str]
    segment: SegmentBody
    plan: str | None
    url: str | None
    created_at: AwareDatetime
    created_by: str
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    expected: int
    sent: int
    unreachable: int
    failed: int
    unsure: int
    left: int


class BroadcastsBody(BaseModel):
    items: list[BroadcastBody]
    next_cursor: str | None


class BroadcastPreviewBody(BaseModel):
    """Whom a start just now would reach; `declined` are as many more, who asked to get none."""

    total: int
    by_language: dict[str, int]
    declined: int


async def create_broadcast(
    request: Request, body: BroadcastRequest, headers: IdempotencyHeader
) -> BroadcastBody:
    call, deed = await operator_of(request, body.reason)
    cause = call.cause("create_broadcast", headers.key, body.model_dump(exclude_none=True))
    made = await call.billing.create_broadcast(body.draft(), deed=deed, cause=cause)
    return body_from_broadcast(made)


async def list_broadcasts(request: Request, query: BroadcastsQuery) -> BroadcastsBody:
    await key_of(request, Scope.OPERATOR)
    found = await edge_of(request).billing.show_broadcasts.page(
        limit=query.limit + 1, after=None if query.cursor is None else BroadcastId(query.cursor)
    )
    items = [body_from_broadcast(one) for one in found[: query.limit]]
    has_more = len(found) > query.limit
    return BroadcastsBody(items=items, next_cursor=items[-1].id if has_more else None)


async def show_broadcast(request: Request, params: BroadcastPath) -> BroadcastBody:
    await key_of(request, Scope.OPERATOR)
    show = edge_of(request).billing.show_broadcasts
    return body_from_broadcast(await show.one(BroadcastId(params.broadcast_id)))


async def preview_broadcast(request: Request, params: BroadcastPath) -> BroadcastPreviewBody:
    await key_of(request, Scope.OPERATOR)
    show = edge_of(request).billing.show_broadcasts
    preview = await show.preview(BroadcastId(params.broadcast_id))
    return BroadcastPreviewBody(
        total=preview.total, by_language=preview.by_language, declined=preview.declined
    )


def _moving(move: BroadcastMove) -> Any:
    async def moves(request: Request, params: BroadcastPath, body: ReasonRequest) -> BroadcastBody:
        call, deed = await operator_of(request, body.reason)
        broadcast_id = BroadcastId(params.broadcast_id)
        return body_from_broadcast(await call.billing.move_broadcast(broadcast_id, move, deed=deed))

    moves.__name__ = f"{move}_broadcast"
    return moves


def body_from_broadcast(one: Broadcast) -> BroadcastBody:
    draft, segment = one.draft, one.draft.segment
    return BroadcastBody(
        id=one.id,
        status=one.status,
        texts=dict(draft.texts),
        segment=SegmentBody(
            plans=list(segment.plans),
            paid=segment.has_paid,
            trialing=segment.is_trialing,
            expired_days=segment.expired_days,
            language=segment.language,
            registered_from=segment.registered_from,
            registered_before=segment.registered_before,
        ),
        plan=draft.plan,
        url=draft.url,
        created_at=one.created_at,
        created_by=one.created_by,
        started_at=one.started_at,
        ended_at=one.ended_at,
        expected=one.expected,
        sent=one.sent,
        unreachable=one.unreachable,
        failed=one.failed,
        unsure=one.unsure,
        left=one.left,
    )


def broadcast_operations() -> list[Operation]:
    path = "/broadcasts/{broadcast_id}"
    create = operator_operation(
        "POST", "/broadcasts/", create_broadcast,
        "Write a message to many customers; nobody is sent it before it is started",
        BroadcastBody, BroadcastNotUsable, *OF_THE_CLAIM, body=BroadcastRequest,
        headers=IdempotencyHeader)  # fmt: skip
    return [
        replace(create, responses={201: BroadcastBody}),
        operator_operation("GET", "/broadcasts/", list_broadcasts, "Those there are, the newest first",
                           BroadcastsBody, query=BroadcastsQuery),
        operator_operation("GET", f"{path}/", show_broadcast, "How far one has come", BroadcastBody,
                           BroadcastNotFound, params=BroadcastPath),
        operator_operation("GET", f"{path}/preview/", preview_broadcast, "Whom a start would reach",
                           BroadcastPreviewBody, BroadcastNotFound, params=BroadcastPath),
        *(
            operator_operation("POST", f"{path}/{move}/", _moving(move), summary, BroadcastBody,
                               BroadcastNotFound, BroadcastMoved, *errors, params=BroadcastPath,
                               body=ReasonRequest)
            for move, summary, errors in (
                (BroadcastMove.START, "Send it", (BroadcastsCrowded,)),
                (BroadcastMove.PAUSE, "Send no more of it for now", ()),
                (BroadcastMove.RESUME, "Go on sending it", (BroadcastsCrowded,)),
                (BroadcastMove.STOP, "Never send any more of it", ()),
            )
        ),
    ]  # fmt: skip
