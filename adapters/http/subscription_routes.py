"""The running subscription over HTTP: renew by itself or not, cancel, resume; its access."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from adapters.http.bodies import SubscriptionBody, body_from_account
from adapters.http.customer_routes import for_both
from adapters.http.edge import Call
from adapters.http.operations import Closed, Operation
from core.domain.credentials import Scope
from core.domain.customer import CustomerBlocked
from core.domain.payment_method import (
    PaymentMethodNotFound,
    PaymentMethodNotVerified,
    PaymentMethodRemoved,
)
from core.domain.renewal import FROM_WALLET
from core.domain.subscription import TrialTaken
from core.use_cases.charging import MethodNotChargeable
from core.use_cases.subscriptions import NothingToRenew
from core.use_cases.trials import PlanIsRunning, TrialNotOffered


class RenewalRequest(Closed):
    """`source` is what renewals are paid from: `wallet`, or a payment method that was saved."""

    auto_renew: bool
    source: Annotated[str, Field(pattern=r"^(wallet|pm_[a-z0-9]{8,40})$")] = FROM_WALLET


async def change_renewal(call: Call, body: RenewalRequest) -> SubscriptionBody:
    call.require_fresh_sign_in()
    source = body.source if body.auto_renew else None
    await call.billing.change_subscription.renew_from(call.customer_id, source)
    return await _present(call)


async def cancel_subscription(call: Call) -> SubscriptionBody:
    await call.billing.change_subscription.cancel(call.customer_id)
    return await _present(call)


async def resume_subscription(call: Call) -> SubscriptionBody:
    call.require_fresh_sign_in()
    await call.billing.change_subscription.resume(call.customer_id)
    return await _present(call)


async def start_trial(call: Call) -> SubscriptionBody:
    await call.billing.start_trial(call.customer_id)
    return await _present(call)


class AccessBody(BaseModel):
    """
    What the plan gives outside, and until when; `link` is where the customer finds it, null where
    there is none, or not yet.
    """

    activation: str
    grants: list[str]
    until: AwareDatetime | None
    link: str | None


async def show_access(call: Call) -> AccessBody:
    told = await call.billing.show_access(call.customer_id)
    return AccessBody(
        activation=told.activation,
        grants=list(told.due.grants),
        until=told.due.until,
        link=told.link,
    )


async def _present(call: Call) -> SubscriptionBody:
    return body_from_account(await call.billing.show_account(call.customer_id)).subscription


_OF_THE_METHOD = (
    PaymentMethodNotFound,
    PaymentMethodNotVerified,
    PaymentMethodRemoved,
    MethodNotChargeable,
)


def subscription_operations() -> list[Operation]:
    return [
        *for_both("PATCH", "/subscription/", change_renewal,
                  "Renew by itself, and from what; or not", SubscriptionBody,
                  scope=Scope.PURCHASES, body=RenewalRequest,
                  errors=(NothingToRenew, CustomerBlocked, *_OF_THE_METHOD)),
        *for_both("POST", "/subscription/trial/", start_trial,
                  "Try the plan that can be tried, once, for nothing", SubscriptionBody,
                  scope=Scope.PURCHASES,
                  errors=(TrialNotOffered, TrialTaken, PlanIsRunning, CustomerBlocked)),
        *for_both("POST", "/subscription/cancel/", cancel_subscription,
                  "Let it end with what is paid for; nothing is charged any more",
                  SubscriptionBody, scope=Scope.PURCHASES, errors=(NothingToRenew,)),
        *for_both("POST", "/subscription/resume/", resume_subscription,
                  "Take a cancellation back", SubscriptionBody, scope=Scope.PURCHASES,
                  errors=(NothingToRenew,)),
        *for_both("GET", "/subscription/access/", show_access,
                  "What the plan gives outside, and where it is found", AccessBody,
                  scope=Scope.PURCHASES),
    ]  # fmt: skip
