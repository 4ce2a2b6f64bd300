"""The wallet over HTTP: what is in it, what moved, and money for it."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from adapters.http.bodies import (
    GatewayText,
    MoneyBody,
    MoneyRequest,
    PurchaseBody,
    ReturnUrl,
    WalletBody,
    body_from_money,
    body_from_started,
    body_from_wallet,
)
from adapters.http.customer_routes import (
    OF_THE_CLAIM,
    OF_THE_GATEWAY,
    OF_THE_LIMITS,
    IdempotencyHeader,
    for_both,
)
from adapters.http.edge import Call
from adapters.http.operations import Closed, Moment, Operation
from adapters.http.return_urls import ReturnUrlNotListed
from core.domain.credentials import Scope
from core.domain.customer import CustomerBlocked
from core.domain.ledger import Line, kind_of
from core.domain.money import AmountNotUsable, UnknownCurrency, currency
from core.domain.money_terms import NotOffered
from core.ports.payment_gateway import GatewayNotFound
from core.ports.unit_of_work import CatalogMissing
from core.use_cases.buying import DepositNotTaken, SalesPaused
from core.use_cases.checkouts import NoGatewayTakes, Terms

Account = Literal["cash", "bonus", "hold", "escrow", "receivable"]


class DepositRequest(Closed):
    amount: MoneyRequest
    gateway: GatewayText | None = None
    return_url: ReturnUrl | None = None


class StatementQuery(Closed):
    """`cursor` is where the page before ended; `at` asks for the balance of that moment."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3,8}$")]
    account: Account = "cash"
    limit: int = Field(20, ge=1, le=100)
    cursor: Annotated[int, Field(ge=1, le=10**15)] | None = None
    at: Moment | None = None


class LineBody(BaseModel):
    """Positive came in, negative went out; of what is owed, positive is owed more."""

    entry: str
    purpose: str
    amount: MoneyBody
    balance_after: MoneyBody
    at: Moment


class StatementBody(BaseModel):
    account: str
    balance: MoneyBody
    at: Moment
    items: list[LineBody]
    next_cursor: str | None


async def show_wallet(call: Call) -> WalletBody:
    return body_from_wallet(await call.billing.show_account(call.customer_id))


async def show_statement(call: Call, query: StatementQuery) -> StatementBody:
    told = await call.billing.show_statement(
        call.customer_id,
        query.account,
        currency(query.currency),
        limit=query.limit + 1,
        before_seq=query.cursor,
        at=query.at,
    )
    lines = told.lines[: query.limit]
    has_more = len(told.lines) > query.limit
    return StatementBody(
        account=told.account,
        balance=body_from_money(told.balance, "en"),
        at=told.at,
        items=[_body_from_line(line) for line in lines],
        next_cursor=str(lines[-1].seq) if has_more else None,
    )


def _body_from_line(line: Line) -> LineBody:
    is_owed = kind_of(line.posting.account) == "receivable"
    amount = -line.posting.amount if is_owed else line.posting.amount
    return LineBody(
        entry=line.entry_id,
        purpose=line.purpose,
        amount=body_from_money(amount, "en"),
        balance_after=body_from_money(line.balance_after, "en"),
        at=line.at,
    )


async def start_deposit(
    call: Call, body: DepositRequest, headers: IdempotencyHeader
) -> PurchaseBody:
    call.require_fresh_sign_in()
    return_url = call.edge.return_urls.checked(body.return_url)
    cause = call.cause("start_deposit", headers.key, body.model_dump(exclude_none=True))
    await call.count_opening(cause)
    started = await call.billing.start_deposit(
        call.customer_id,
        body.amount.money(),
        Terms(return_url, body.gateway, call.in_telegram),
        cause=cause,
    )
    return body_from_started(started)


def wallet_operations() -> list[Operation]:
    return [
        *for_both("GET", "/wallet/", show_wallet, "What is in the wallet", WalletBody,
                  scope=Scope.CUSTOMERS),
        *for_both("GET", "/wallet/entries/", show_statement,
                  "What moved in one account, the newest first; its balance now or then",
                  StatementBody, scope=Scope.CUSTOMERS, query=StatementQuery,
                  errors=(UnknownCurrency,)),
        *for_both("POST", "/wallet/deposits/", start_deposit,
                  "Put money into the wallet: get an address to pay at", PurchaseBody,
                  status=201, headers=IdempotencyHeader, opens_a_checkout=True,
                  body=DepositRequest,
                  leads_to=("show_purchase", "add_checkout", "cancel_purchase"),
                  errors=(*OF_THE_CLAIM, *OF_THE_GATEWAY, *OF_THE_LIMITS, NotOffered,
                          DepositNotTaken, NoGatewayTakes, GatewayNotFound, UnknownCurrency,
                          AmountNotUsable, CustomerBlocked, ReturnUrlNotListed, CatalogMissing,
                          SalesPaused)),
    ]  # fmt: skip
