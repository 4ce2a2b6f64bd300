"""Whole things for tests: every optional field is set, so that a forgotten column shows."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import count
from typing import Any, Final

from core.domain.case import Case, CaseKind
from core.domain.catalog import Catalog, ChatTerms
from core.domain.cause import Cause, Claim
from core.domain.checkout import Checkout, CheckoutId, CheckoutStatus, Receipt
from core.domain.credentials import ApiKey, Scope, Session, SessionEnd, SessionId
from core.domain.customer import Customer, CustomerId, Identity, IdentityKind
from core.domain.event import Event, Job
from core.domain.item import PlanItem
from core.domain.ledger import Entry, EntryId, Posting, cash, clearing, receivable, revenue
from core.domain.money import Money
from core.domain.money_terms import (
    Brake,
    DepositTerms,
    EscrowTerms,
    MoneyTerms,
    VerificationTerms,
    WithdrawalTerms,
)
from core.domain.payment import (
    InboxItem,
    InboxStatus,
    Notice,
    NoticeKind,
    OpenedCheckout,
    PaymentId,
)
from core.domain.period import Anchor, Period, PeriodUnit, WindowKind
from core.domain.plan import (
    Feature,
    GatewayName,
    PackCode,
    PackTerms,
    PlanCode,
    PlanTerms,
    PlanVersion,
    PlanVersionId,
    QuotaRule,
    ReceiptRule,
)
from core.domain.purchase import Meeting, Purchase, PurchaseId, PurchaseStatus, Reduction, Remark
from core.domain.referral_program import ReferralTerms, RewardLevel
from core.domain.reminder import PriceNotice, Reminder
from core.domain.reminder_terms import ReminderTerms
from core.domain.renewal import Renewal, RenewalTerms
from core.domain.safety import SafetyTerms
from core.domain.subscription import (
    Activation,
    PaidPeriod,
    Subscription,
    SubscriptionId,
    SubscriptionStatus,
)
from core.domain.usage_quota import HoldId, HoldStatus, UsageHold, UsageKey

NOON: Final = datetime(2026, 3, 10, 9, 0, 0, 123457, tzinfo=UTC)
"""Noon in Moscow, with microseconds: a store that rounds time is found out."""

ANNA: Final = CustomerId("cus_anna0001")
BORIS: Final = CustomerId("cus_boris001")
PHOTO_AI: Final = Feature("photo_ai")
YOOKASSA: Final = GatewayName("yookassa")


class Clock:
    """The present, standing still until it is moved."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def advance(self, by: timedelta | None = None, **units: float) -> datetime:
        """`clock.advance(days=30)`, or by a timedelta; the new present."""
        self.at += timedelta(**units) if by is None else by
        return self.at


class CountedIds:
    """Ids that a test can foretell: the first purchase is `pur_00000001`."""

    def __init__(self) -> None:
        self._next = count(1)

    def __call__(self, prefix: str) -> str:
        return f"{prefix}_{next(self._next):08d}"


def rub(roubles: int) -> Money:
    return Money.of(roubles * 100, "RUB")


def a_customer(**fields: Any) -> Customer:
    customer = Customer(
        id=ANNA,
        identities=(
            Identity(IdentityKind.TELEGRAM, "1001"),
            Identity(IdentityKind.EXTERNAL, "anna@example"),
        ),
        language="ru",
        zone="Europe/Moscow",
        created_at=NOON,
        receipt_contact="anna@example.com",
        unreachable_since=NOON + timedelta(days=3),
        blocked_at=NOON + timedelta(days=3),
        fewer_reminders=True,
        name="Анна <b>",
        username="AnnaTea",
        no_broadcasts=True,
    )
    return replace(customer, **fields)


def another_customer(**fields: Any) -> Customer:
    boris = {
        "id": BORIS,
        "identities": (Identity(IdentityKind.TELEGRAM, "1002"),),
        "receipt_contact": "79001234567",
    }
    return a_customer(**boris | fields)


def a_plan_version(**fields: Any) -> PlanVersion:
    """PRO_MONTHLY. `terms=` replaces the terms, any other field of PlanTerms only itself."""
    terms = PlanTerms(
        code=PlanCode("PRO_MONTHLY"),
        titles={"ru": "PRO на месяц", "en": "PRO monthly"},
        prices=(rub(299), Money.of(250, "XTR")),
        period=Period(1, PeriodUnit.MONTH),
        quotas={PHOTO_AI: QuotaRule(50, WindowKind.DAY)},
        grants=("pro",),
        gateways=(YOOKASSA,),
        receipt=ReceiptRule(
            vat_code=1,
            payment_subject="service",
            payment_mode="full_payment",
            tax_system_code=2,
            fallback_contact="shop@example.com",
        ),
        stars_subscription=True,
    )
    own = {name: fields.pop(name) for name in list(fields) if hasattr(terms, name)}
    version = PlanVersion(PlanVersionId("plv_pro_monthly_1"), 1, replace(terms, **own), NOON)
    return replace(version, **fields)


def a_catalog(**fields: Any) -> Catalog:
    """The fitness app: FREE by default, PRO_MONTHLY, PRO_YEARLY."""
    free = a_plan_version(
        id=PlanVersionId("plv_free_1"),
        code=PlanCode("FREE"),
        titles={"ru": "Бесплатно", "en": "Free"},
        prices=(),
        period=None,
        quotas={PHOTO_AI: QuotaRule(3, WindowKind.DAY)},
        grants=(),
        gateways=(),
        receipt=None,
    )
    yearly = a_plan_version(
        id=PlanVersionId("plv_pro_yearly_1"),
        code=PlanCode("PRO_YEARLY"),
        titles={"ru": "PRO на год", "en": "PRO yearly"},
        prices=(rub(2990),),
        period=Period(12, PeriodUnit.MONTH),
        quotas={PHOTO_AI: QuotaRule(None, WindowKind.DAY)},
        receipt=None,
    )
    plans = {version.code: version for version in (free, a_plan_version(), yearly)}
    chat = ChatTerms(
        about={"ru": "Калории по фото.", "en": "Calories by photo."},
        support="@tea_room",
        other_gateways=True,
        words={PHOTO_AI: {"en": {"one": "photo", "other": "photos"}}},
        reminders=ReminderTerms((7, 2), (1, 5), (time(23, 30), time(8))),
    )
    pack = a_pack()
    money, packs = some_money_terms(), {pack.code: pack}
    catalog = Catalog(1, "Europe/Moscow", PlanCode("FREE"), plans, chat, money, packs)
    return replace(catalog, **fields)


def some_money_terms() -> MoneyTerms:
    receipt = ReceiptRule(1, "payment", "advance", 2, "shop@example.com")
    stars = Money.of(5000, "XTR")
    return MoneyTerms(
        DepositTerms(
            ((rub(10), rub(15_000)), (Money.of(1, "XTR"), stars)),
            (YOOKASSA,),
            {"ru": "Пополнение", "en": "Deposit"},
            receipt,
        ),
        VerificationTerms((rub(1),), {"ru": "Проверка", "en": "Check"}, receipt),
        EscrowTerms(True, 550, timedelta(hours=48), {"ru": "Сделка", "en": "Escrow"}, receipt),
        WithdrawalTerms((rub(50),), (Brake(rub(500), rub(900), rub(5000)),)),
        RenewalTerms(
            (timedelta(hours=-5), timedelta(hours=7)), timedelta(hours=9), timedelta(days=5)
        ),
        ReferralTerms(
            (RewardLevel(1, 1000), RewardLevel(7, 2550)),
            timedelta(days=3),
            timedelta(hours=5),
            in_cash=True,
            least=(rub(5), Money.of(3, "XTR")),
            most_a_day=(rub(500),),
        ),
        SafetyTerms(4, 60, 7, (rub(9000),), 30, 11),
    )


def a_purchase(**fields: Any) -> Purchase:
    """Paid, with a remark. See `a_pending_purchase` for a fresh one."""
    purchase = Purchase(
        id=PurchaseId("pur_00000001"),
        customer_id=ANNA,
        item=PlanItem(a_plan_version()),
        amount=rub(299),
        created_at=NOON,
        expires_at=NOON + timedelta(hours=24),
        status=PurchaseStatus.PAID,
        ended_at=NOON + timedelta(minutes=5),
        remark=Remark(Meeting.SECOND, Money.of(250, "XTR")),
        from_wallet=True,
        refunded=rub(99),
        reduction=Reduction("SPRING", rub(332)),
    )
    return replace(purchase, **fields)


def a_pending_purchase(**fields: Any) -> Purchase:
    fresh = {
        "status": PurchaseStatus.PENDING,
        "ended_at": None,
        "remark": None,
        "from_wallet": False,
        "refunded": None,
        "reduction": None,
    }
    return a_purchase(**fresh | fields)


def a_checkout(**fields: Any) -> Checkout:
    """Open, looked at twice. See `an_asked_checkout` for a fresh one."""
    checkout = Checkout(
        id=CheckoutId("chk_00000001"),
        purchase_id=PurchaseId("pur_00000001"),
        customer_id=ANNA,
        gateway=YOOKASSA,
        amount=rub(299),
        description="PRO на месяц",
        return_url="https://app.example/back?purchase=pur_00000001",
        language="ru",
        receipt=Receipt(
            contact="anna@example.com",
            title="PRO на месяц",
            rule=ReceiptRule(1, "service", "full_payment", 2, "shop@example.com"),
        ),
        asked_at=NOON,
        saves_method=True,
        status=CheckoutStatus.OPEN,
        opened=OpenedCheckout(
            PaymentId("2d8f0001-000f-5000-8000-18db351245c7"),
            "https://pay.example/2d8f0001",
            NOON + timedelta(hours=1),
        ),
        looked=2,
        due_at=NOON + timedelta(minutes=4),
    )
    return replace(checkout, **fields)


def an_asked_checkout(**fields: Any) -> Checkout:
    fresh = {
        "status": CheckoutStatus.ASKED,
        "opened": None,
        "looked": 0,
        "due_at": None,
        "receipt": None,
        "saves_method": False,
    }
    return a_checkout(**fresh | fields)


def a_subscription(**fields: Any) -> Subscription:
    """On PRO_MONTHLY for two months. See `a_free_subscription` for a fresh one."""
    anchor = Anchor(NOON - timedelta(days=7), "Europe/Moscow")
    subscription = Subscription(
        id=SubscriptionId("sub_anna0001"),
        customer_id=ANNA,
        period=PaidPeriod(
            plan=a_plan_version(),
            start=anchor.at,
            end=anchor.after(2, PeriodUnit.MONTH),
            anchor=anchor,
            count=2,
            paid=rub(598),
            of_bonus=rub(100),
            given=3,
        ),
        status=SubscriptionStatus.ACTIVE,
        renewal=Renewal(
            "pm_00000001",
            anchor.after(2, PeriodUnit.MONTH) - timedelta(hours=24),
            anchor.after(2, PeriodUnit.MONTH) + timedelta(hours=72),
            PurchaseId("pur_00000001"),
        ),
        cancel_at_period_end=True,
        activation=Activation.PENDING,
        trialed_at=NOON - timedelta(days=70),
    )
    return replace(subscription, **fields)


def a_free_subscription(customer_id: CustomerId = ANNA) -> Subscription:
    return Subscription(SubscriptionId(f"sub_{customer_id[4:]}"), customer_id)


def a_reminder(**fields: Any) -> Reminder:
    end = NOON + timedelta(days=20)
    before = end - timedelta(days=2)
    notice = PriceNotice(rub(399), NOON - timedelta(days=3))
    passed = NOON - timedelta(days=3)
    reminder = Reminder(ANNA, PlanCode("PRO_MONTHLY"), end, passed, before, notice)
    return replace(reminder, **fields)


def an_entry(**fields: Any) -> Entry:
    """Two currencies, three accounts of a customer, no order in the postings."""
    postings = (
        Posting(revenue(PlanCode("PRO_MONTHLY")), rub(100)),
        Posting(clearing(YOOKASSA), rub(-400)),
        Posting(cash(ANNA), rub(300)),
        Posting(receivable(ANNA), Money.of(-7, "XTR")),
        Posting(revenue(PlanCode("PRO_MONTHLY")), Money.of(7, "XTR")),
    )
    entry = Entry(
        id=EntryId("charge yookassa 2d8f0001"),
        purpose="charge",
        at=NOON,
        postings=postings,
        purchase_id="pur_00000001",
    )
    return replace(entry, **fields)


def a_pack(**fields: Any) -> PackTerms:
    receipt = ReceiptRule(1, "payment", "advance", 2, "shop@example.com")
    titles = {"ru": "50 фото", "en": "50 photos"}
    pack = PackTerms(PackCode("PHOTOS_50"), titles, PHOTO_AI, 50, (rub(299),), (YOOKASSA,), receipt)
    return replace(pack, **fields)


def a_hold(**fields: Any) -> UsageHold:
    """Captured in part. See `an_open_hold` for a fresh one."""
    hold = UsageHold(
        id=HoldId("hld_00000001"),
        key=UsageKey(ANNA, PHOTO_AI, NOON - timedelta(hours=12)),
        units=3,
        limit=50,
        resets_at=NOON + timedelta(hours=12),
        held_at=NOON,
        expires_at=NOON + timedelta(minutes=5),
        status=HoldStatus.CAPTURED,
        captured=2,
        ended_at=NOON + timedelta(minutes=1),
        of_packs=1,
    )
    return replace(hold, **fields)


def an_open_hold(**fields: Any) -> UsageHold:
    fresh = {
        "id": HoldId("hld_00000002"),
        "limit": None,
        "status": HoldStatus.OPEN,
        "captured": 0,
        "ended_at": None,
        "of_packs": 0,
    }
    return a_hold(**fresh | fields)


def a_claim(**fields: Any) -> Claim:
    claim = Claim(
        cause=Cause("customer cus_anna0001 POST /purchases/", "key-1", "sha256:1"),
        subject="pur_00000001",
        leased_until=NOON + timedelta(seconds=30),
        answer='{"id":"pur_00000001"}',
    )
    return replace(claim, **fields)


def a_notice(**fields: Any) -> Notice:
    notice = Notice(
        gateway=YOOKASSA,
        kind=NoticeKind.PAYMENT,
        event="payment.succeeded",
        dedupe_key="payment.succeeded 2d8f0001",
        payment_id=PaymentId("2d8f0001-000f-5000-8000-18db351245c7"),
        claims_paid=True,
        body='{"event":"payment.succeeded"}',
    )
    return replace(notice, **fields)


def an_inbox_item(**fields: Any) -> InboxItem:
    item = InboxItem(
        id="inb_00000001",
        notice=a_notice(),
        received_at=NOON,
        copies=3,
        attempts=2,
        status=InboxStatus.DONE,
        handled_at=NOON + timedelta(seconds=2),
        result="settled",
    )
    return replace(item, **fields)


def a_session(**fields: Any) -> Session:
    session = Session(
        id=SessionId("ses_00000001"),
        customer_id=ANNA,
        created_at=NOON,
        expires_at=NOON + timedelta(days=7),
        may_pay=True,
        in_telegram=True,
        proof="5e884898da280471",
        turn=3,
        refreshed_at=NOON + timedelta(hours=2),
        revoked_at=NOON + timedelta(days=1),
        ended_as=SessionEnd.SIGNED_OUT,
    )
    return replace(session, **fields)


def a_live_session(**fields: Any) -> Session:
    fresh = {
        "proof": None,
        "turn": 1,
        "refreshed_at": None,
        "revoked_at": None,
        "ended_as": None,
    }
    return a_session(**fresh | fields)


def an_api_key(**fields: Any) -> ApiKey:
    key = ApiKey(
        name="backend",
        key_hash="9f86d081884c7d65",
        scopes=frozenset({Scope.CUSTOMERS, Scope.USAGE}),
        created_at=NOON,
        revoked_at=NOON + timedelta(days=1),
    )
    return replace(key, **fields)


def a_job(name: str = "settle_payment", **fields: Any) -> Job:
    job = Job(name, {"checkout_id": "chk_00000001"}, run_at=NOON, dedupe="chk_00000001")
    return replace(job, **fields)


def an_event(**fields: Any) -> Event:
    facts: Mapping[str, str | int] = {"purchase_id": "pur_00000001", "amount_minor": 29900}
    event = Event("purchase.paid", "pur_00000001", NOON, ANNA, facts)
    return replace(event, **fields)


def a_case(**fields: Any) -> Case:
    case = Case(
        id="cas_00000001",
        kind=CaseKind.MISMATCH,
        cause="charge yookassa 2d8f0001",
        opened_at=NOON,
        facts={"purchase_id": "pur_00000001"},
        customer_id=ANNA,
        closed_at=NOON + timedelta(hours=1),
        reason="refunded by hand",
    )
    return replace(case, **fields)
