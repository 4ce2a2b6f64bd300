"""What the business's own system was told: looked through, and told again, by a person on duty."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request

from adapters.http.customer_routes import API_KEY, ROOT
from adapters.http.edge import edge_of, key_of
from adapters.http.limits import TooManyRequests
from adapters.http.operations import Closed, Operation
from adapters.http.operator_routes import ReasonRequest, operator_of
from core.domain.audit import ReasonMissing
from core.domain.cause import StoreBusy
from core.domain.credentials import NotSignedIn, Scope, ScopeMissing
from core.domain.delivery import Delivery, DeliveryId, DeliveryNotFound, DeliveryStatus
from core.use_cases.deliveries import WebhooksOff, WebhooksPaused

_Id = Annotated[str, Field(pattern=r"^msg_[0-9a-f]{32}$")]


class DeliveryPath(BaseModel):
    delivery_id: _Id


class DeliveriesQuery(Closed):
    limit: int = Field(100, ge=1, le=1000)
    cursor: _Id | None = None
    status: DeliveryStatus | None = None


class DeliveryBody(BaseModel):
    """`answer` is what the last try heard: a status, or why there was none."""

    id: str
    event: str
    host: str
    status: DeliveryStatus
    attempts: int
    answer: str | None
    created_at: AwareDatetime
    next_at: AwareDatetime | None
    ended_at: AwareDatetime | None


class DeliveriesBody(BaseModel):
    items: list[DeliveryBody]
    next_cursor: str | None


async def list_deliveries(request: Request, query: DeliveriesQuery) -> DeliveriesBody:
    await key_of(request, Scope.OPERATOR)
    found = await edge_of(request).billing.show_deliveries(
        limit=query.limit + 1,
        after=None if query.cursor is None else DeliveryId(query.cursor),
        status=query.status,
    )
    items = [_body_from_delivery(one) for one in found[: query.limit]]
    has_more = len(found) > query.limit
    return DeliveriesBody(items=items, next_cursor=items[-1].id if has_more else None)


async def replay_delivery(
    request: Request, params: DeliveryPath, body: ReasonRequest
) -> DeliveryBody:
    call, deed = await operator_of(request, body.reason)
    delivery_id = DeliveryId(params.delivery_id)
    return _body_from_delivery(await call.billing.replay_delivery(delivery_id, deed=deed))


def _body_from_delivery(delivery: Delivery) -> DeliveryBody:
    return DeliveryBody(
        id=delivery.id,
        event=delivery.event,
        host=delivery.host,
        status=delivery.status,
        attempts=delivery.attempts,
        answer=delivery.answer,
        created_at=delivery.created_at,
        next_at=delivery.due_at,
        ended_at=delivery.ended_at,
    )


def delivery_operations() -> list[Operation]:
    shared: Mapping[str, Any] = {"tags": ("operator",), "security": (API_KEY,)}
    errors = (NotSignedIn, ScopeMissing, TooManyRequests, StoreBusy)
    return [
        Operation(
            method="GET",
            path=f"{ROOT}/operator/deliveries/",
            endpoint=list_deliveries,
            summary="What your own system was told, or is still to be, the newest first",
            responses={200: DeliveriesBody},
            query=DeliveriesQuery,
            errors=errors,
            **shared,
        ),
        Operation(
            method="POST",
            path=f"{ROOT}/operator/deliveries/{{delivery_id}}/replay/",
            endpoint=replay_delivery,
            summary="Tell your own system once more",
            responses={200: DeliveryBody},
            params=DeliveryPath,
            body=ReasonRequest,
            errors=(DeliveryNotFound, WebhooksOff, WebhooksPaused, ReasonMissing, *errors),
            **shared,
        ),
    ]
