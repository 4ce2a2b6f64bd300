"""Payment methods and withdrawals over HTTP: added, proven, listed, removed; money on its way out."""

from typing import Annotated

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
from core.domain.customer import CustomerBlocked
from core.domain.item import PaymentMethodId
from core.domain.money import AmountNotUsable, UnknownCurrency
from core.domain.money_terms import NotOffered
from core.domain.payment_method import (
    Billing,
    BillingNotUsable,
    PaymentMethod,
    PaymentMethodNotFound,
    PaymentMethodNotVerified,
    PaymentMethodRemoved,
)
from core.domain.payout import AccountNotUsable, PayoutAccount
from core.domain.withdrawal import (
    Withdrawal,
    WithdrawalId,
    WithdrawalNotFound,
    WithdrawalNotTaken,
)
from core.ports.payment_gateway import GatewayNotFound
from core.ports.unit_of_work import CatalogMissing
from core.use_cases.checkouts import NoGatewayTakes, Started, Terms
from core.use_cases.wallet import WalletTooLow

_MethodRef = Annotated[str, Field(pattern=r"^pm_[a-z0-9]{8,40}$")]


class BillingRequest(Closed):
    name: Annotated[str, Field(min_length=1, max_length=128)]
    email: Annotated[str, Field(pattern=r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,63}$")]
    phone: Annotated[str, Field(pattern=r"^\+?[0-9]{7,15}$")]


class MethodRequest(Closed):
    type: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    account_number: Annotated[str, Field(pattern=r"^[A-Za-z0-9@+._-]{3,64}$")]
    holder_name: Annotated[str, Field(min_length=1, max_length=100)]
    billing: BillingRequest
    gateway: GatewayText | None = None
    return_url: ReturnUrl | None = None


class WithdrawalRequest(Closed):
    amount: MoneyRequest
    payment_method: _MethodRef


class MethodPath(BaseModel):
    method_id: _MethodRef


class CustomerMethodPath(CustomerPath, MethodPath):
    pass


_WithdrawalRef = Annotated[str, Field(pattern=r"^wd_[a-z0-9]{8,40}$")]


class WithdrawalPath(BaseModel):
    withdrawal_id: _WithdrawalRef


class CustomerWithdrawalPath(CustomerPath, WithdrawalPath):
    pass


class WithdrawalsQuery(Closed):
    limit: int = Field(20, ge=1, le=100)
    cursor: _WithdrawalRef | None = None


class MethodBody(BaseModel):
    """The account is masked; nobody is shown the rest of it again."""

    id: str
    type: str
    gateway: str
    account: str
    status: str
    created_at: AwareDatetime


class AddedMethodBody(MethodBody):
    confirmation_url: str | None
    purchase: PurchaseBody


class MethodsBody(BaseModel):
    items: list[MethodBody]
    next_cursor: str | None = None


class RemovedBody(BaseModel):
    id: str
    status: str


class WithdrawalBody(BaseModel):
    id: str
    status: str
    amount: MoneyBody
    payment_method: str
    account: str
    requested_at: AwareDatetime
    reason: str | None


class PayoutAccountBody(BaseModel):
    """Where to send it by hand."""

    type: str
    account_number: str
    holder_name: str


class WithdrawalsBody(BaseModel):
    items: list[WithdrawalBody]
    next_cursor: str | None


async def add_payment_method(
    call: Call, body: MethodRequest, headers: IdempotencyHeader
) -> AddedMethodBody:
    call.require_fresh_sign_in()
    return_url = call.edge.return_urls.checked(body.return_url)
    account = PayoutAccount(body.type, body.account_number, body.holder_name)
    billing = Billing(body.billing.name, body.billing.email, body.billing.phone)
    cause = call.cause("add_payment_method", headers.key, body.model_dump(exclude_none=True))
    await call.count_opening(cause)
    method, started = await call.billing.add_payment_method(
        call.customer_id,
        account,
        billing,
        Terms(return_url, body.gateway, call.in_telegram),
        cause=cause,
    )
    return _body_from_added(method, started)


def _body_from_added(method: PaymentMethod, started: Started) -> AddedMethodBody:
    purchase = body_from_started(started)
    return AddedMethodBody(
        **_body_from_method(method).model_dump(),
        confirmation_url=purchase.confirmation_url,
        purchase=purchase,
    )


def _body_from_method(method: PaymentMethod) -> MethodBody:
    return MethodBody(
        id=method.id,
        type=method.account.kind,
        gateway=method.gateway,
        account=method.account.masked,
        status=method.status,
        created_at=method.created_at,
    )


async def list_payment_methods(call: Call) -> MethodsBody:
    methods = await call.billing.list_payment_methods(call.customer_id)
    return MethodsBody(items=[_body_from_method(one) for one in methods])


async def remove_payment_method(call: Call, params: MethodPath) -> RemovedBody:
    method_id = PaymentMethodId(params.method_id)
    await call.billing.remove_payment_method(call.customer_id, method_id)
    return RemovedBody(id=method_id, status="removed")


async def request_withdrawal(
    call: Call, body: WithdrawalRequest, headers: IdempotencyHeader
) -> WithdrawalBody:
    call.require_fresh_sign_in()
    withdrawal = await call.billing.request_withdrawal(
        call.customer_id,
        body.amount.money(),
        PaymentMethodId(body.payment_method),
        cause=call.cause("request_withdrawal", headers.key, body.model_dump()),
    )
    return body_from_withdrawal(withdrawal)


def body_from_withdrawal(withdrawal: Withdrawal) -> WithdrawalBody:
    return WithdrawalBody(
        id=withdrawal.id,
        status=withdrawal.status,
        amount=body_from_money(withdrawal.amount, "en"),
        payment_method=withdrawal.method_id,
        account=withdrawal.account.masked,
        requested_at=withdrawal.requested_at,
        reason=withdrawal.reason,
    )


async def show_withdrawal(call: Call, params: WithdrawalPath) -> WithdrawalBody:
    withdrawal_id = WithdrawalId(params.withdrawal_id)
    return body_from_withdrawal(
        await call.billing.show_withdrawals.one(call.customer_id, withdrawal_id)
    )


async def list_withdrawals(call: Call, query: WithdrawalsQuery) -> WithdrawalsBody:
    after = None if query.cursor is None else WithdrawalId(query.cursor)
    found = await call.billing.show_withdrawals.page(
        call.customer_id, limit=query.limit + 1, after=after
    )
    items = [body_from_withdrawal(one) for one in found[: query.limit]]
    has_more = len(found) > query.limit
    return WithdrawalsBody(items=items, next_cursor=items[-1].id if has_more else None)


def withdrawal_operations() -> list[Operation]:
    of_the_method = (PaymentMethodNotFound, PaymentMethodNotVerified, PaymentMethodRemoved)
    return [
        *for_both("POST", "/payment-methods/", add_payment_method,
                  "Add an account of one's own: a small payment proves it", AddedMethodBody,
                  status=201, headers=IdempotencyHeader, opens_a_checkout=True,
                  body=MethodRequest, leads_to=("remove_payment_method",),
                  errors=(*OF_THE_CLAIM, *OF_THE_GATEWAY, *OF_THE_LIMITS, NotOffered,
                          NoGatewayTakes, GatewayNotFound, AccountNotUsable, BillingNotUsable,
                          CustomerBlocked, ReturnUrlNotListed, CatalogMissing)),
        *for_both("GET", "/payment-methods/", list_payment_methods, "The accounts that are proven",
                  MethodsBody),
        *for_both("DELETE", "/payment-methods/{method_id}/", remove_payment_method,
                  "Keep an account no longer", RemovedBody, params=MethodPath,
                  customer_params=CustomerMethodPath, errors=(PaymentMethodNotFound,)),
        *for_both("POST", "/wallet/withdrawals/", request_withdrawal,
                  "Send money to an account that is proven", WithdrawalBody, status=201,
                  headers=IdempotencyHeader, body=WithdrawalRequest,
                  errors=(*OF_THE_CLAIM, *of_the_method, WithdrawalNotTaken, WalletTooLow,
                          UnknownCurrency, AmountNotUsable, CustomerBlocked, CatalogMissing)),
        *for_both("GET", "/wallet/withdrawals/", list_withdrawals, "Withdrawals, the newest first",
                  WithdrawalsBody, query=WithdrawalsQuery, errors=(WithdrawalNotFound,)),
        *for_both("GET", "/wallet/withdrawals/{withdrawal_id}/", show_withdrawal,
                  "What became of a withdrawal", WithdrawalBody, params=WithdrawalPath,
                  customer_params=CustomerWithdrawalPath, errors=(WithdrawalNotFound,)),
    ]  # fmt: skip
