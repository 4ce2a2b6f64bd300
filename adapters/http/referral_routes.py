"""Referrals over HTTP: one's code and what it brought, and coming in by somebody else's."""

from typing import Annotated

from pydantic import BaseModel, Field
from starlette.requests import Request

from adapters.http.bodies import MoneyBody, body_from_money
from adapters.http.customer_routes import OF_THE_CODE, CustomerPath, for_both
from adapters.http.edge import Call, key_call
from adapters.http.operations import Closed, Operation
from adapters.http.operator_routes import ReasonRequest, operator_of, operator_operation
from core.domain.credentials import Scope
from core.domain.customer import CustomerNotFound, IdentityNotReadable, OwnAffair
from core.domain.money_terms import NotOffered
from core.domain.referral_program import Door, Invitation

ReferralCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,64}$")]


class JoinRequest(Closed):
    """The code as it was given, with or without the `r_` of a link."""

    code: ReferralCode


class AttachRequest(ReasonRequest):
    code: ReferralCode


class LevelBody(BaseModel):
    """From that many paying referrals on."""

    since: int
    percent: str


class ReferralBody(BaseModel):
    """
    `start_parameter` is for links: `https://t.me/<bot>?start=…`, or `?startapp=…` for the Mini App.
    `percent` is what the next paying referral earns. `came`, `activated` (tried or paid) and
    `paying` count people; `earned` is in the wallet or was spent, `waiting` still waits.
    """

    code: str
    start_parameter: str
    was_referred: bool
    percent: str
    levels: list[LevelBody]
    came: int
    activated: int
    paying: int
    earned: list[MoneyBody]
    waiting: list[MoneyBody]


async def show_referral(call: Call) -> ReferralBody:
    page = await call.billing.show_referrals(call.customer_id)
    return ReferralBody(
        code=page.code,
        start_parameter=page.start_parameter,
        was_referred=page.referral is not None,
        percent=page.percent,
        levels=[LevelBody(since=one.since, percent=one.percent) for one in page.terms.levels],
        came=page.figures.came,
        activated=page.figures.activated,
        paying=page.figures.paying,
        earned=[body_from_money(one, "en") for one in page.figures.earned],
        waiting=[body_from_money(one, "en") for one in page.figures.waiting],
    )


async def join_referral(call: Call, body: JoinRequest) -> ReferralBody:
    await call.billing.join_referral(call.customer_id, Invitation(body.code, Door.API))
    return await show_referral(call)


async def attach_referral(
    request: Request, params: CustomerPath, body: AttachRequest
) -> ReferralBody:
    _, deed = await operator_of(request, body.reason)
    call = await key_call(request, params.ref, Scope.OPERATOR)
    invitation = Invitation(body.code, Door.OPERATOR)
    await call.billing.join_referral(call.customer_id, invitation, deed=deed)
    return await show_referral(call)


def referral_operations() -> list[Operation]:
    return [
        *for_both("GET", "/referral/", show_referral, "One's code, and what it brought so far",
                  ReferralBody, scope=Scope.CUSTOMERS, errors=(NotOffered,)),
        *for_both("POST", "/referral/", join_referral,
                  "Come in by another customer's code: the first counts, for ever", ReferralBody,
                  scope=Scope.CUSTOMERS, body=JoinRequest, errors=OF_THE_CODE),
        operator_operation("POST", "/customers/{ref}/referral/", attach_referral,
                           "Say who brought a customer, also late", ReferralBody, *OF_THE_CODE,
                           IdentityNotReadable, CustomerNotFound, OwnAffair, params=CustomerPath,
                           body=AttachRequest),
    ]  # fmt: skip
