"""Escrows over HTTP: open, fund, release, give back, dispute, show; and an operator's word."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from adapters.http.bodies import (
    GatewayText,
    MoneyBody,
    MoneyRequest,
    PurchaseBody,
    ReturnUrl,
    body_from_money,
    body_from_started,
)
from adapters.http.customer_routes import (
    OF_THE_CLAIM,
    OF_THE_GATEWAY,
    OF_THE_LIMITS,
    CustomerPath,
    IdempotencyHeader,
    for_both,
)
from adapters.http.edge import Call
from adapters.http.operations import Closed, Operation
from adapters.http.return_urls import ReturnUrlNotListed
from core.domain.customer import (
    CustomerBlocked,
    CustomerId,
    CustomerNotFound,
    Identity,
    IdentityNotReadable,
    customer_ref,
)
from core.domain.escrow import (
    Escrow,
    EscrowNotFound,
    EscrowNotUsable,
    EscrowPartNotFound,
    EscrowPartNotReady,
    EscrowWithOneself,
    NotYourMove,
    Part,
)
from core.domain.item import EscrowId, EscrowPart
from core.domain.money import UnknownCurrency
from core.domain.money_terms import NotOffered
from core.ports.payment_gateway import GatewayNotFound
from core.ports.unit_of_work import CatalogMissing
from core.use_cases.buying import SalesPaused
from core.use_cases.checkouts import NoGatewayTakes, Terms
from core.use_cases.escrows import PayeeNotServed
from core.use_cases.wallet import WalletTooLow

EscrowRef = Annotated[str, Field(pattern=r"^esc_[a-z0-9]{8,40}$")]
_Part = Literal["down_payment", "remainder"]


class EscrowRequest(Closed):
    """`payee`: telegram:…, external:… or cus_…; one that is unknown is made for a backend."""

    payee: Annotated[str, Field(min_length=1, max_length=160)]
    total: MoneyRequest
    down_payment: MoneyRequest
    title: Annotated[str, Field(min_length=1, max_length=128)]


class FundRequest(Closed):
    """`source`: wallet, or a gateway; none: the first that takes it."""

    part: _Part
    source: GatewayText | None = None
    return_url: ReturnUrl | None = None


class PartRequest(Closed):
    part: _Part


class EscrowPath(BaseModel):
    escrow_id: EscrowRef


class CustomerEscrowPath(CustomerPath, EscrowPath):
    pass


class EscrowsQuery(Closed):
    limit: int = Field(20, ge=1, le=100)
    cursor: EscrowRef | None = None


class PartBody(BaseModel):
    """`releasing_at`: the payer has said that it may go, and it goes then."""

    part: str
    amount: MoneyBody
    fee: MoneyBody
    status: str
    releasing_at: AwareDatetime | None
    ended_at: AwareDatetime | None


class EscrowBody(BaseModel):
    id: str
    payer: str
    payee: str
    title: str
    total: MoneyBody
    parts: list[PartBody]
    opened_at: AwareDatetime


class EscrowsBody(BaseModel):
    items: list[EscrowBody]
    next_cursor: str | None


def body_from_escrow(escrow: Escrow) -> EscrowBody:
    return EscrowBody(
        id=escrow.id,
        payer=escrow.payer_id,
        payee=escrow.payee_id,
        title=escrow.title,
        total=body_from_money(escrow.total, "en"),
        parts=[_body_from_part(escrow, which, part) for which, part in escrow.parts.items()],
        opened_at=escrow.opened_at,
    )


def _body_from_part(escrow: Escrow, which: EscrowPart, part: Part) -> PartBody:
    releasing_at: datetime | None = part.releasing_at
    return PartBody(
        part=which,
        amount=body_from_money(part.amount, "en"),
        fee=body_from_money(escrow.fee(which), "en"),
        status=part.status,
        releasing_at=releasing_at,
        ended_at=part.ended_at,
    )


async def open_escrow(call: Call, body: EscrowRequest, headers: IdempotencyHeader) -> EscrowBody:
    call.require_fresh_sign_in()
    total, down_payment = body.total.money(), body.down_payment.money()
    escrow = await call.billing.open_escrow(
        call.customer_id,
        await _payee(call, body.payee),
        body.title,
        total=total,
        down_payment=down_payment,
        cause=call.cause("open_escrow", headers.key, body.model_dump()),
    )
    return body_from_escrow(escrow)


async def _payee(call: Call, ref: str) -> CustomerId:
    """
    Raises:
        IdentityNotReadable, CustomerNotFound
        NotOffered: else anybody could ask of anybody whether this business has them as a customer.
    """
    named = customer_ref(ref)
    try:
        return await call.billing.find_customer(named)
    except CustomerNotFound:
        if not (await call.billing.show_catalog()).money.escrow.is_offered:
            raise NotOffered("escrow") from None
        if call.is_backend and isinstance(named, Identity):
            return (await call.billing.register_customer(named)).id
        raise


async def fund_escrow(
    call: Call, params: EscrowPath, body: FundRequest, headers: IdempotencyHeader
) -> PurchaseBody:
    call.require_fresh_sign_in()
    return_url = call.edge.return_urls.checked(body.return_url)
    asked = (params.escrow_id, body.model_dump(exclude_none=True))
    cause = call.cause("fund_escrow", headers.key, *asked)
    await call.count_opening(cause)
    started = await call.billing.fund_escrow(
        call.customer_id,
        EscrowId(params.escrow_id),
        EscrowPart(body.part),
        Terms(return_url, body.source, call.in_telegram),
        cause=cause,
    )
    return body_from_started(started)


async def release_escrow(
    call: Call, params: EscrowPath, body: PartRequest, headers: IdempotencyHeader
) -> EscrowBody:
    call.require_fresh_sign_in()
    cause = call.cause("release_escrow", headers.key, params.escrow_id, body.part)
    escrow_id, part = EscrowId(params.escrow_id), EscrowPart(body.part)
    return body_from_escrow(
        await call.billing.release_part(call.customer_id, escrow_id, part, cause=cause)
    )


async def refund_escrow(
    call: Call, params: EscrowPath, body: PartRequest, headers: IdempotencyHeader
) -> EscrowBody:
    call.require_fresh_sign_in()
    cause = call.cause("refund_escrow", headers.key, params.escrow_id, body.part)
    escrow_id, part = EscrowId(params.escrow_id), EscrowPart(body.part)
    return body_from_escrow(
        await call.billing.refund_part(call.customer_id, escrow_id, part, cause=cause)
    )


async def dispute_escrow(call: Call, params: EscrowPath, body: PartRequest) -> EscrowBody:
    escrow_id, part = EscrowId(params.escrow_id), EscrowPart(body.part)
    return body_from_escrow(await call.billing.dispute_part(call.customer_id, escrow_id, part))


async def show_escrow(call: Call, params: EscrowPath) -> EscrowBody:
    escrow_id = EscrowId(params.escrow_id)
    return body_from_escrow(await call.billing.show_escrows.one(call.customer_id, escrow_id))


async def list_escrows(call: Call, query: EscrowsQuery) -> EscrowsBody:
    after = None if query.cursor is None else EscrowId(query.cursor)
    found = await call.billing.show_escrows.page(
        call.customer_id, limit=query.limit + 1, after=after
    )
    items = [body_from_escrow(one) for one in found[: query.limit]]
    has_more = len(found) > query.limit
    return EscrowsBody(items=items, next_cursor=items[-1].id if has_more else None)


def escrow_operations() -> list[Operation]:
    of_a_part = (EscrowNotFound, EscrowPartNotFound, EscrowPartNotReady, NotYourMove)
    one: Mapping[str, Any] = {"params": EscrowPath, "customer_params": CustomerEscrowPath}
    moves: Mapping[str, Any] = {**one, "headers": IdempotencyHeader, "body": PartRequest}
    return [
        *for_both("POST", "/escrows/", open_escrow, "Agree on an escrow in one or two parts",
                  EscrowBody, status=201, headers=IdempotencyHeader, body=EscrowRequest,
                  leads_to=("show_escrow",),
                  errors=(*OF_THE_CLAIM, NotOffered, EscrowNotUsable, EscrowWithOneself,
                          PayeeNotServed, CustomerNotFound, IdentityNotReadable, UnknownCurrency,
                          CustomerBlocked, CatalogMissing)),
        *for_both("GET", "/escrows/", list_escrows, "Escrows, the newest first", EscrowsBody,
                  query=EscrowsQuery, errors=(EscrowNotFound,)),
        *for_both("GET", "/escrows/{escrow_id}/", show_escrow, "One escrow", EscrowBody,
                  errors=(EscrowNotFound,), **one),
        *for_both("POST", "/escrows/{escrow_id}/fund/", fund_escrow,
                  "Set a part aside, from the wallet or at a gateway", PurchaseBody, status=201,
                  headers=IdempotencyHeader, body=FundRequest, opens_a_checkout=True,
                  errors=(*OF_THE_CLAIM, *OF_THE_GATEWAY, *OF_THE_LIMITS, *of_a_part,
                          WalletTooLow, NoGatewayTakes, GatewayNotFound, PayeeNotServed,
                          CustomerBlocked, ReturnUrlNotListed, SalesPaused), **one),
        *for_both("POST", "/escrows/{escrow_id}/release/", release_escrow,
                  "Say that a part may go: it goes when the buffer is over", EscrowBody,
                  errors=(*OF_THE_CLAIM, *of_a_part), **moves),
        *for_both("POST", "/escrows/{escrow_id}/refund/", refund_escrow,
                  "Give a part back to the payer", EscrowBody,
                  errors=(*OF_THE_CLAIM, *of_a_part), **moves),
        *for_both("POST", "/escrows/{escrow_id}/dispute/", dispute_escrow,
                  "Say that a part must not go: an operator decides", EscrowBody,
                  errors=of_a_part, body=PartRequest, **one),
    ]  # fmt: skip
