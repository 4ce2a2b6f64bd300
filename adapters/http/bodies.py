"""JSON bodies: what clients send and what they are told."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field, RootModel

from adapters.http.operations import Closed
from adapters.locales.display import money_text
from core.domain.checkout import CheckoutStatus
from core.domain.credentials import Session
from core.domain.item import Deposit, EscrowShare, PackItem, PlanItem, Verification
from core.domain.money import AMOUNT_MINOR_MAX, Money
from core.domain.promo_code import Discount
from core.domain.purchase import Purchase, PurchaseStatus, Reduction
from core.domain.referral_program import code_of
from core.domain.usage_quota import (
    HOLD_SECONDS,
    HOLD_SECONDS_MAX,
    UNITS_MAX,
    QuotaDecision,
    UsageQuota,
)
from core.use_cases.buying import WALLET
from core.use_cases.checkouts import Started
from core.use_cases.customers import Account
from core.use_cases.purchases import Preview
from core.use_cases.quotas import EndedHold

# What clients send.

WareCodeText = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,31}$")]
FeatureText = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
GatewayText = Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]
Language = Annotated[str, Field(pattern=r"^[a-z]{2}$")]
ContactText = Annotated[
    str,
    Field(
        max_length=254,
        pattern=r"^([A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}|[0-9]{10,15})$",
        description="an e-mail address, or a telephone number in digits with its country code",
    ),
]
ReturnUrl = Annotated[str, Field(pattern=r"^[!-~]{1,2048}$")]


class MoneyRequest(Closed):
    """In minor units of the currency: 500.00 PHP is 50000."""

    amount_minor: Annotated[int, Field(ge=-AMOUNT_MINOR_MAX, le=AMOUNT_MINOR_MAX)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3,8}$")]

    def money(self) -> Money:
        """
        Raises:
            UnknownCurrency
        """
        return Money.of(self.amount_minor, self.currency)


class CheckoutRequest(Closed):
    gateway: GatewayText | None = None
    return_url: ReturnUrl | None = None


class CustomerRequest(Closed):
    language: Language | None = None
    zone: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+/-]{1,64}$")] | None = None
    receipt_contact: ContactText | None = None
    referral_code: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,64}$")] | None = None


class ConsumeRequest(Closed):
    amount: Annotated[int, Field(ge=1, le=UNITS_MAX)] = 1
    request_id: Annotated[str, Field(pattern=r"^[!-~]{1,128}$")]


class HoldRequest(ConsumeRequest):
    expires_in_seconds: Annotated[int, Field(ge=1, le=HOLD_SECONDS_MAX)] = HOLD_SECONDS


class CaptureRequest(Closed):
    amount: Annotated[int, Field(ge=1, le=UNITS_MAX)] | None = None


class TelegramSignIn(Closed):
    init_data: Annotated[str, Field(min_length=1, max_length=8192)]
    cookie: bool = False


class RefreshRequest(Closed):
    cookie: bool = False


# What clients are told.


class MoneyBody(BaseModel):
    amount_minor: int
    currency: str
    display: str


class TokenBody(BaseModel):
    access_token: str
    token_type: str
    expires_in: int


class CookieBody(BaseModel):
    """The token is in the cookie. `csrf_token` changes only where the signing key was replaced."""

    csrf_token: str
    expires_in: int


class SignedInBody(RootModel[TokenBody | CookieBody]):
    """A cookie if that was asked for."""


class CustomerBody(BaseModel):
    id: str
    identities: list[str]
    language: str
    zone: str
    created_at: AwareDatetime
    blocked: bool


class ErasedBody(BaseModel):
    """`leaving`: the person is being forgotten, and nothing can stop it."""

    status: str


class SubscriptionBody(BaseModel):
    plan: str
    title: str
    status: str
    current_period_end: AwareDatetime | None
    cancel_at_period_end: bool
    auto_renew: bool
    renews_from: str | None
    renews_at: AwareDatetime | None
    activation: str


class PacksBody(BaseModel):
    """Units that packs gave and nobody has used yet."""

    remaining: int


class UsageBody(BaseModel):
    """
    `used`, `limit` and `resets_at` are the window's own; `remaining` is all that can still be
    used, that of packs too. `packs` is null for who was never given any.
    """

    used: int
    limit: int | None
    remaining: int | None
    resets_at: AwareDatetime
    packs: PacksBody | None


class DecisionBody(UsageBody):
    allowed: bool


class HoldBody(DecisionBody):
    """Both are null where it was denied."""

    hold_id: str | None
    expires_at: AwareDatetime | None


class EndedHoldBody(UsageBody):
    """The counter is that of the window which the units were taken from."""

    hold_id: str
    status: str
    captured: int


class WalletBody(BaseModel):
    balances: list[MoneyBody]
    bonus: list[MoneyBody]
    held: list[MoneyBody]
    escrow: list[MoneyBody]
    owed: list[MoneyBody]
    withdrawable: list[MoneyBody]


class ReferralCodeBody(BaseModel):
    """What to give to those who are to be brought; null where there is no referral programme."""

    code: str


class DiscountBody(BaseModel):
    """Off the next purchase of one of these plans; none named: of any."""

    code: str
    percent: int
    plans: list[str]


class MeBody(BaseModel):
    customer: CustomerBody
    subscription: SubscriptionBody
    usage: dict[str, UsageBody]
    wallet: WalletBody
    referral: ReferralCodeBody | None
    discount: DiscountBody | None = Field(description="What waits for the next purchase.")


class ItemBody(BaseModel):
    """One of the five says what was bought: the others are null."""

    title: str
    plan: str | None = None
    pack: str | None = None
    deposit: MoneyBody | None = None
    payment_method: str | None = None
    escrow: str | None = None
    part: str | None = None


class RemarkBody(BaseModel):
    """Why money that arrived did not pay the purchase; it is in the wallet."""

    code: str
    received: MoneyBody
    missing: MoneyBody | None


class ReductionBody(BaseModel):
    """By which promo code the amount is lower, and what it would have been."""

    code: str
    full: MoneyBody


class PurchaseBody(BaseModel):
    id: str
    status: str
    item: ItemBody
    amount: MoneyBody
    reduction: ReductionBody | None
    gateway: str | None
    payment_id: str | None
    confirmation_url: str | None
    created_at: AwareDatetime
    expires_at: AwareDatetime
    remark: RemarkBody | None
    refunded: MoneyBody | None


class PurchasesBody(BaseModel):
    items: list[PurchaseBody]
    next_cursor: str | None


class PreviewBody(BaseModel):
    """Of a plan or of a pack: the other is null. What a pack gives stays until it is used."""

    preview_id: str
    plan: str | None
    pack: str | None
    title: str
    amount: MoneyBody
    reduction: ReductionBody | None
    gateway: str
    period_end: AwareDatetime | None
    returned_to_wallet: MoneyBody | None
    subscribes: bool = Field(description="The gateway charges it again by itself, every 30 days.")


def body_from_money(money: Money, language: str) -> MoneyBody:
    return MoneyBody(
        amount_minor=money.amount_minor,
        currency=money.currency.code,
        display=money_text(money, language),
    )


def body_from_session(session: Session, token: str, *, at: datetime) -> TokenBody:
    seconds = int((session.access_until(at) - at).total_seconds())
    return TokenBody(access_token=token, token_type="Bearer", expires_in=seconds)  # noqa: S106


def body_from_account(account: Account) -> MeBody:
    standing, language = account.standing, account.standing.customer.language
    customer = standing.customer
    subscription = standing.subscription.at(account.at)
    plan, renewal, renews = (
        standing.plan(account.at),
        subscription.renewal,
        subscription.renews,
    )
    # A gateway that charges by itself knows when; what we do before is no charge.
    next_at = None if renews is None or renews.at_gateway is not None else renews.next_at
    return MeBody(
        customer=CustomerBody(
            id=customer.id,
            identities=[str(one) for one in customer.identities],
            language=customer.language,
            zone=customer.zone,
            created_at=customer.created_at,
            blocked=customer.blocked_at is not None,
        ),
        subscription=SubscriptionBody(
            plan=plan.code,
            title=plan.terms.title(language),
            status=subscription.status,
            current_period_end=None if subscription.period is None else subscription.period.end,
            cancel_at_period_end=subscription.cancel_at_period_end,
            auto_renew=renews is not None,
            renews_from=None if renewal is None else renewal.source.partition(" ")[0],
            renews_at=next_at,
            activation=subscription.activation,
        ),
        usage={quota.key.feature: body_from_quota(quota) for quota in account.quotas},
        wallet=body_from_wallet(account),
        referral=ReferralCodeBody(code=code_of(customer.id))
        if standing.catalog.money.referral.is_offered
        else None,
        discount=_body_from_discount(standing.discount),
    )


def _body_from_discount(discount: Discount | None) -> DiscountBody | None:
    if discount is None:
        return None
    plans: list[str] = list(discount.plans)
    return DiscountBody(code=discount.code, percent=discount.percent, plans=plans)


def body_from_wallet(account: Account) -> WalletBody:
    language = account.standing.customer.language

    def bodies(amounts: Iterable[Money]) -> list[MoneyBody]:
        return [body_from_money(one, language) for one in amounts]

    return WalletBody(
        balances=bodies(account.cash),
        bonus=bodies(account.bonus),
        held=bodies(account.held),
        escrow=bodies(account.escrow),
        owed=bodies(account.owed),
        withdrawable=bodies(account.withdrawable),
    )


def body_from_quota(quota: UsageQuota) -> UsageBody:
    told = body_from_decision(quota.decision(allowed=True))
    return UsageBody(**told.model_dump(exclude={"allowed"}))


def body_from_decision(decision: QuotaDecision) -> DecisionBody:
    return DecisionBody(
        allowed=decision.allowed,
        used=decision.used,
        limit=decision.limit,
        remaining=decision.remaining,
        resets_at=decision.resets_at,
        packs=None if decision.packs is None else PacksBody(remaining=decision.packs),
    )


def body_from_held(decision: QuotaDecision) -> HoldBody:
    hold = decision.hold
    return HoldBody(
        **body_from_decision(decision).model_dump(),
        hold_id=None if hold is None else hold.id,
        expires_at=None if hold is None else hold.expires_at,
    )


def body_from_ended(ended: EndedHold) -> EndedHoldBody:
    counter = body_from_decision(ended.decision).model_dump(exclude={"allowed"})
    return EndedHoldBody(
        **counter, hold_id=ended.hold.id, status=ended.hold.status, captured=ended.hold.captured
    )


def body_from_started(started: Started) -> PurchaseBody:
    purchase, checkout = started.purchase, started.checkout
    language = "en" if checkout is None else checkout.language
    url = None
    if checkout is not None and checkout.opened is not None and purchase.is_pending:
        url = checkout.opened.confirmation_url if checkout.status is CheckoutStatus.OPEN else None
    return PurchaseBody(
        id=purchase.id,
        status=purchase.status,
        item=_body_from_item(started, language),
        amount=body_from_money(purchase.amount, language),
        reduction=_body_from_reduction(purchase.reduction, language),
        gateway=_way_to_pay(started),
        payment_id=None if checkout is None else checkout.payment_id,
        confirmation_url=url or None,
        created_at=purchase.created_at,
        expires_at=purchase.expires_at,
        remark=_body_from_remark(purchase, language),
        refunded=None
        if purchase.refunded is None
        else body_from_money(purchase.refunded, language),
    )


def _body_from_reduction(reduction: Reduction | None, language: str) -> ReductionBody | None:
    if reduction is None:
        return None
    return ReductionBody(code=reduction.code, full=body_from_money(reduction.full, language))


def _way_to_pay(started: Started) -> str | None:
    if started.purchase.from_wallet:
        return WALLET
    return None if started.checkout is None else started.checkout.gateway


def _body_from_item(started: Started, language: str) -> ItemBody:
    title = started.title(language)
    match started.purchase.item:
        case PlanItem(plan):
            return ItemBody(title=title, plan=plan.code)
        case PackItem(terms):
            return ItemBody(title=title, pack=terms.code)
        case Deposit():
            deposit = body_from_money(started.purchase.amount, language)
            return ItemBody(title=title, deposit=deposit)
        case Verification(method_id):
            return ItemBody(title=title, payment_method=method_id)
        case EscrowShare(escrow_id, part):
            return ItemBody(title=title, escrow=escrow_id, part=part)


def _body_from_remark(purchase: Purchase, language: str) -> RemarkBody | None:
    remark = purchase.remark
    if remark is None:
        return None
    missing = None
    if (
        purchase.status is PurchaseStatus.PENDING
        and remark.received.currency == purchase.amount.currency
        and remark.received < purchase.amount
    ):
        missing = body_from_money(purchase.amount - remark.received, language)
    return RemarkBody(
        code=remark.code, received=body_from_money(remark.received, language), missing=missing
    )


def body_from_preview(preview: Preview) -> PreviewBody:
    returned, language = preview.returned, preview.standing.customer.language
    return PreviewBody(
        preview_id=preview.id,
        plan=preview.item.terms.code if isinstance(preview.item, PlanItem) else None,
        pack=preview.item.terms.code if isinstance(preview.item, PackItem) else None,
        title=preview.item.terms.title(language),
        amount=body_from_money(preview.amount, language),
        reduction=_body_from_reduction(preview.reduction, language),
        gateway=preview.gateway,
        period_end=preview.ends_at,
        returned_to_wallet=None if returned is None else body_from_money(returned, language),
        subscribes=preview.subscribes,
    )
