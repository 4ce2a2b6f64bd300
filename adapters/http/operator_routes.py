"""What a person on duty does: by a named key, with a reason, and a line in the audit trail."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request

from adapters.http.bodies import (
    MoneyBody,
    MoneyRequest,
    PurchaseBody,
    WareCodeText,
    body_from_money,
    body_from_started,
)
from adapters.http.customer_routes import (
    API_KEY,
    OF_THE_CLAIM,
    ROOT,
    CustomerPath,
    IdempotencyHeader,
    PurchasePath,
)
from adapters.http.edge import Call, edge_of, key_call, key_of
from adapters.http.escrow_routes import EscrowBody, EscrowPath, body_from_escrow
from adapters.http.limits import TooManyRequests
from adapters.http.operations import Closed, Operation
from adapters.http.public_routes import GatewayPath
from adapters.http.withdrawal_routes import PayoutAccountBody, WithdrawalBody, body_from_withdrawal
from core.domain.audit import REASON_MAX, REASON_MIN, Deed, ReasonMissing
from core.domain.cause import StoreBusy
from core.domain.credentials import NotSignedIn, Scope, ScopeMissing
from core.domain.customer import (
    CustomerBlocked,
    CustomerNotFound,
    IdentityNotReadable,
    OwnAffair,
)
from core.domain.errors import BillingError
from core.domain.escrow import EscrowNotFound, EscrowSide, NothingDisputed
from core.domain.item import EscrowId
from core.domain.ledger import Entry, is_of_a_customer
from core.domain.money import AmountNotUsable, CurrencyMismatch, UnknownCurrency
from core.domain.plan import PlanNotFound
from core.domain.purchase import PurchaseId, PurchaseNotFound
from core.domain.refund import NothingToRefund, RefundNotPossible, RefundTooLarge
from core.domain.withdrawal import (
    WithdrawalId,
    WithdrawalMoved,
    WithdrawalNotFound,
    WithdrawalSentByGateway,
)
from core.use_cases.checkouts import Started
from core.use_cases.gifts import DAYS_MAX, AnotherPlanRuns, DaysNotGivable
from core.use_cases.giving_back import Refunded
from core.use_cases.operators import (
    BreakersNotFound,
    CaseNotFound,
    NoticeNotFound,
    NoticeNotReplayable,
)
from core.use_cases.wallet import AdjustmentNotFound, AdjustmentNotUsable

_Cause = Annotated[str, Field(min_length=1, max_length=300)]
_Reason = Annotated[str, Field(min_length=REASON_MIN, max_length=REASON_MAX)]


class ReasonRequest(Closed):
    reason: _Reason


class RefundRequest(ReasonRequest):
    """
    No `amount`: all that is left. `charge` names one of several charges of the purchase.
    `chargeback`: the payer's bank took it; it is booked, and the gateway is asked for nothing.
    """

    amount: MoneyRequest | None = None
    charge: Annotated[str, Field(pattern=r"^[!-~]{1,128}$")] | None = None
    chargeback: bool = False


class AdjustRequest(ReasonRequest):
    """A negative amount takes; what is taken and not there is owed."""

    amount: MoneyRequest
    account: Literal["cash", "bonus"] = "cash"


class ReverseRequest(ReasonRequest):
    """`entry` is what the adjustment was answered with."""

    entry: Annotated[str, Field(pattern=r"^[!-~ ]{1,100}$")]


class GrantRequest(ReasonRequest):
    """Days of a plan, which nobody pays for."""

    plan: WareCodeText
    days: Annotated[int, Field(ge=1, le=DAYS_MAX)]


class CloseCaseRequest(ReasonRequest):
    cause: _Cause


class ResolveRequest(ReasonRequest):
    to: Literal["payer", "payee"]


class InboxPath(BaseModel):
    inbox_id: Annotated[str, Field(pattern=r"^inb_[a-z0-9_]{1,60}$")]


class WithdrawalPath(BaseModel):
    withdrawal_id: Annotated[str, Field(pattern=r"^wd_[a-z0-9]{8,40}$")]


class CasesQuery(Closed):
    limit: int = Field(100, ge=1, le=1000)
    cursor: _Cause | None = None


class AuditQuery(Closed):
    limit: int = Field(100, ge=1, le=1000)
    cursor: Annotated[int, Field(ge=0, le=10**15)] = 0
    subject: Annotated[str, Field(pattern=r"^[!-~ ]{1,200}$")] | None = None


class RefundBody(BaseModel):
    """`refund` is null where it went back into the wallet, which is done at once."""

    purchase: PurchaseBody
    refund: str | None
    status: str
    refunded: MoneyBody | None


class CaseBody(BaseModel):
    cause: str
    kind: str
    opened_at: AwareDatetime
    customer: str | None
    facts: dict[str, str]


class CasesBody(BaseModel):
    items: list[CaseBody]
    next_cursor: str | None


class AuditLineBody(BaseModel):
    number: int
    at: AwareDatetime
    actor: str
    action: str
    subject: str
    reason: str
    facts: dict[str, str | int]
    seal: str


class AuditBody(BaseModel):
    items: list[AuditLineBody]
    next_cursor: str | None


class EntryBody(BaseModel):
    entry: str
    amount: MoneyBody


class GrantBody(BaseModel):
    plan: str
    until: AwareDatetime


class DoneBody(BaseModel):
    done: str


async def operator_of(request: Request, reason: str) -> tuple[Call, Deed]:
    """
    Whose key it is, and what they say. The call is nobody's: it only makes causes.

    Raises:
        NotSignedIn, ScopeMissing, TooManyRequests, ReasonMissing
    """
    key = await key_of(request, Scope.OPERATOR)
    return Call(edge_of(request), f"operator {key.name}", _NOBODY), Deed(key.name, reason)


_NOBODY: Any = ""


async def refund_purchase(
    request: Request, params: PurchasePath, body: RefundRequest, headers: IdempotencyHeader
) -> RefundBody:
    call, deed = await operator_of(request, body.reason)
    purchase_id = PurchaseId(params.purchase_id)
    done = await call.billing.refund_purchase(
        purchase_id,
        deed=deed,
        cause=call.cause(
            "refund_purchase", headers.key, purchase_id, body.model_dump(exclude_defaults=True)
        ),
        amount=None if body.amount is None else body.amount.money(),
        charge_id=body.charge,
        is_chargeback=body.chargeback,
    )
    return _body_from_refunded(done)


def _body_from_refunded(done: Refunded) -> RefundBody:
    refund = done.refund
    back = done.purchase.refunded if refund is None else refund.amount
    return RefundBody(
        purchase=body_from_started(Started(done.purchase, None)),
        refund=None if refund is None else refund.id,
        status="done" if refund is None else refund.status,
        refunded=None if back is None else body_from_money(back, "en"),
    )


async def adjust_wallet(
    request: Request, params: CustomerPath, body: AdjustRequest, headers: IdempotencyHeader
) -> EntryBody:
    _, deed = await operator_of(request, body.reason)
    call = await key_call(request, params.ref, Scope.OPERATOR)
    entry = await call.billing.adjust_wallet(
        call.customer_id,
        body.amount.money(),
        account=body.account,
        deed=deed,
        cause=call.cause("adjust_wallet", headers.key, body.model_dump(exclude_none=True)),
    )
    return _body_from_entry(entry)


def _body_from_entry(entry: Entry) -> EntryBody:
    """What the customer has more, or less, by it all in all: the other side of the system's line."""
    ours = next(one.amount for one in entry.postings if not is_of_a_customer(one.account))
    return EntryBody(entry=entry.id, amount=body_from_money(-ours, "en"))


async def reverse_adjustment(request: Request, body: ReverseRequest) -> EntryBody:
    call, deed = await operator_of(request, body.reason)
    entry = await call.billing.reverse_adjustment(body.entry, deed=deed)
    return _body_from_entry(entry)


async def grant_days(
    request: Request, params: CustomerPath, body: GrantRequest, headers: IdempotencyHeader
) -> GrantBody:
    _, deed = await operator_of(request, body.reason)
    call = await key_call(request, params.ref, Scope.OPERATOR)
    until = await call.billing.grant_days(
        call.customer_id,
        body.plan,
        body.days,
        deed=deed,
        cause=call.cause("grant_days", headers.key, body.model_dump()),
    )
    return GrantBody(plan=body.plan, until=until)


async def block_customer(request: Request, params: CustomerPath, body: ReasonRequest) -> DoneBody:
    _, deed = await operator_of(request, body.reason)
    call = await key_call(request, params.ref, Scope.OPERATOR)
    await call.billing.block_customer(call.customer_id, deed=deed)
    return DoneBody(done="blocked")


async def unblock_customer(request: Request, params: CustomerPath, body: ReasonRequest) -> DoneBody:
    _, deed = await operator_of(request, body.reason)
    call = await key_call(request, params.ref, Scope.OPERATOR)
    await call.billing.unblock_customer(call.customer_id, deed=deed)
    return DoneBody(done="unblocked")


async def retry_access(request: Request, params: CustomerPath, body: ReasonRequest) -> DoneBody:
    _, deed = await operator_of(request, body.reason)
    call = await key_call(request, params.ref, Scope.OPERATOR)
    await call.billing.retry_access(call.customer_id, deed=deed)
    return DoneBody(done="the access is made again")


async def resolve_escrow(
    request: Request, params: EscrowPath, body: ResolveRequest, headers: IdempotencyHeader
) -> EscrowBody:
    call, deed = await operator_of(request, body.reason)
    escrow_id = EscrowId(params.escrow_id)
    resolved = await call.billing.resolve_escrow(
        escrow_id,
        EscrowSide(body.to),
        deed=deed,
        cause=call.cause("resolve_escrow", headers.key, escrow_id, body.model_dump()),
    )
    return body_from_escrow(resolved)


def _deciding(name: str) -> Any:
    """One of the three things that an operator decides about a withdrawal."""

    async def decide(
        request: Request, params: WithdrawalPath, body: ReasonRequest
    ) -> WithdrawalBody:
        call, deed = await operator_of(request, body.reason)
        decided = getattr(call.billing, name)
        return body_from_withdrawal(await decided(WithdrawalId(params.withdrawal_id), deed=deed))

    decide.__name__ = name
    return decide


async def show_payout_account(
    request: Request, params: WithdrawalPath, body: ReasonRequest
) -> PayoutAccountBody:
    call, deed = await operator_of(request, body.reason)
    show = call.billing.show_payout_account
    found = await show(WithdrawalId(params.withdrawal_id), deed=deed)
    return PayoutAccountBody(
        type=found.kind, account_number=found.number, holder_name=found.holder_name
    )


async def list_cases(request: Request, query: CasesQuery) -> CasesBody:
    await key_of(request, Scope.OPERATOR)
    cases = await edge_of(request).billing.list_cases(limit=query.limit + 1, after=query.cursor)
    items = [
        CaseBody(
            cause=case.cause,
            kind=case.kind,
            opened_at=case.opened_at,
            customer=case.customer_id,
            facts=dict(case.facts),
        )
        for case in cases[: query.limit]
    ]
    has_more = len(cases) > query.limit
    return CasesBody(items=items, next_cursor=items[-1].cause if has_more else None)


async def close_case(request: Request, body: CloseCaseRequest) -> DoneBody:
    call, deed = await operator_of(request, body.reason)
    await call.billing.close_case(body.cause, deed=deed)
    return DoneBody(done="closed")


async def replay_notice(request: Request, params: InboxPath, body: ReasonRequest) -> DoneBody:
    call, deed = await operator_of(request, body.reason)
    await call.billing.replay_notice(params.inbox_id, deed=deed)
    return DoneBody(done="the gateway is asked again")


async def reset_breakers(request: Request, params: GatewayPath, body: ReasonRequest) -> DoneBody:
    call, deed = await operator_of(request, body.reason)
    await call.billing.reset_breakers(params.gateway, deed=deed)
    return DoneBody(done="the gateway is called again")


async def show_audit(request: Request, query: AuditQuery) -> AuditBody:
    await key_of(request, Scope.OPERATOR)
    lines = await edge_of(request).billing.show_audit(
        limit=query.limit + 1, after=query.cursor, subject=query.subject
    )
    items = [
        AuditLineBody(
            number=number,
            at=line.at,
            actor=line.actor,
            action=line.action,
            subject=line.subject,
            reason=line.reason,
            facts=dict(line.facts),
            seal=seal,
        )
        for number, line, seal in lines[: query.limit]
    ]
    has_more = len(lines) > query.limit
    return AuditBody(items=items, next_cursor=str(items[-1].number) if has_more else None)


_OF_AMOUNTS = (UnknownCurrency, AmountNotUsable, CurrencyMismatch)
_OF_THE_CUSTOMER = (IdentityNotReadable, CustomerNotFound)


def operator_operation(
    method: str,
    path: str,
    endpoint: Any,
    summary: str,
    response: type[BaseModel],
    *errors: type[BillingError],
    **models: Any,
) -> Operation:
    said = () if method == "GET" else (ReasonMissing,)
    return Operation(
        method=method,
        path=f"{ROOT}/operator{path}",
        endpoint=endpoint,
        summary=summary,
        responses={200: response},
        tags=("operator",),
        security=(API_KEY,),
        errors=(*errors, *said, NotSignedIn, ScopeMissing, TooManyRequests, StoreBusy),
        **models,
    )


def operator_operations() -> list[Operation]:
    moves: Mapping[str, Any] = {"headers": IdempotencyHeader}
    return [
        operator_operation("POST", "/purchases/{purchase_id}/refund/", refund_purchase,
                   "Give money back, all of it or a part, or book what a bank took", RefundBody,
                   PurchaseNotFound, NothingToRefund, RefundTooLarge, RefundNotPossible, OwnAffair,
                   *OF_THE_CLAIM, *_OF_AMOUNTS, params=PurchasePath, body=RefundRequest, **moves),
        operator_operation("POST", "/customers/{ref}/adjust/", adjust_wallet,
                   "Give money by hand, or take it", EntryBody, AdjustmentNotUsable, OwnAffair,
                   *OF_THE_CLAIM, *_OF_AMOUNTS, *_OF_THE_CUSTOMER, params=CustomerPath,
                   body=AdjustRequest, **moves),
        operator_operation("POST", "/entries/reverse/", reverse_adjustment,
                   "Take an adjustment back, once, by an entry of its own", EntryBody,
                   AdjustmentNotFound, AmountNotUsable, OwnAffair, body=ReverseRequest),
        operator_operation("POST", "/customers/{ref}/grant/", grant_days,
                   "Give days of a plan", GrantBody, PlanNotFound, DaysNotGivable,
                   AnotherPlanRuns, OwnAffair, CustomerBlocked, *OF_THE_CLAIM, *_OF_THE_CUSTOMER,
                   params=CustomerPath, body=GrantRequest, **moves),
        operator_operation("POST", "/customers/{ref}/block/", block_customer,
                   "Serve a customer no longer", DoneBody, OwnAffair, *_OF_THE_CUSTOMER,
                   params=CustomerPath, body=ReasonRequest),
        operator_operation("POST", "/customers/{ref}/unblock/", unblock_customer,
                   "Serve a customer again", DoneBody, OwnAffair, *_OF_THE_CUSTOMER,
                   params=CustomerPath, body=ReasonRequest),
        operator_operation("POST", "/customers/{ref}/access/retry/", retry_access,
                   "Have a customer's access made again at once", DoneBody, *_OF_THE_CUSTOMER,
                   params=CustomerPath, body=ReasonRequest),
        operator_operation("POST", "/escrows/{escrow_id}/resolve/", resolve_escrow,
                   "Decide what is in dispute", EscrowBody, EscrowNotFound, NothingDisputed,
                   *OF_THE_CLAIM, params=EscrowPath, body=ResolveRequest, **moves),
        *(
            operator_operation("POST", f"/withdrawals/{{withdrawal_id}}/{path}/", _deciding(name), summary,
                       WithdrawalBody, WithdrawalNotFound, WithdrawalMoved,
                       WithdrawalSentByGateway, OwnAffair, params=WithdrawalPath, body=ReasonRequest)
            for path, name, summary in (
                ("approve", "approve_withdrawal", "Let go what is above a brake"),
                ("reject", "reject_withdrawal", "Give back what nobody has sent yet"),
                ("mark-done", "mark_withdrawal_done", "Say that it was sent by hand"),
            )
        ),
        operator_operation("POST", "/withdrawals/{withdrawal_id}/account/", show_payout_account,
                   "Where to send it by hand; each look is in the audit trail", PayoutAccountBody,
                   WithdrawalNotFound, WithdrawalMoved, WithdrawalSentByGateway, OwnAffair,
                   params=WithdrawalPath, body=ReasonRequest),
        operator_operation("GET", "/cases/", list_cases, "What waits for a person, the oldest first",
                   CasesBody, CaseNotFound, query=CasesQuery),
        operator_operation("POST", "/cases/close/", close_case, "Say how a case was seen to", DoneBody,
                   CaseNotFound, body=CloseCaseRequest),
        operator_operation("POST", "/inbox/{inbox_id}/replay/", replay_notice,
                   "Have the gateway asked again about a notice", DoneBody,
                   NoticeNotFound, NoticeNotReplayable, params=InboxPath, body=ReasonRequest),
        operator_operation("POST", "/breakers/{gateway}/reset/", reset_breakers,
                   "Call a gateway again at once that was left alone, in the process that answers",
                   DoneBody, BreakersNotFound, params=GatewayPath, body=ReasonRequest),
        operator_operation("GET", "/audit/", show_audit, "Who did what by hand, and why", AuditBody,
                   query=AuditQuery),
    ]  # fmt: skip
