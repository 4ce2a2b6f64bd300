"""What each section of the catalog file may say, as pydantic reads it."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from core.domain.errors import BillingError
from core.domain.money import Money
from core.domain.period import time_zone
from core.domain.renewal import RenewalTerms
from core.domain.usage_quota import UNITS_MAX


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _zone(name: str) -> str:
    try:
        time_zone(name)
    except BillingError as error:
        raise ValueError("no such time zone; write for example Europe/Moscow") from error
    return name


Code = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,31}$")]
FeatureName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Language = Annotated[str, Field(pattern=r"^[a-z]{2}$")]
Title = Annotated[str, Field(min_length=1, max_length=128)]
Paper = Annotated[str, Field(min_length=1, max_length=3000)]
"""A text, or a link to one; a message of Telegram holds 4096 characters."""
Days = Annotated[int, Field(ge=1, le=60)]
Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
PluralCategory = Literal["zero", "one", "two", "few", "many", "other"]
STARS_MAX: Final = Money.of(10_000, "XTR")
Price = Annotated[str, Field(description="an amount in quotes, such as 299.00")]


def _amount(where: str, text: str, code: str) -> Money:
    try:
        amount = Money.from_decimal_text(text, code)
    except BillingError as error:
        raise ValueError(f"{where}: {text!r} is not an amount in {code}") from error
    if not amount.is_positive:
        raise ValueError(f"{where}: an amount is more than zero")
    return amount


class QuotaSection(Section):
    limit: int = Field(ge=0, le=10**12)
    per: Literal["day", "month", "period"]


class PeriodSection(Section):
    days: int | None = Field(None, ge=1, le=1200)
    months: int | None = Field(None, ge=1, le=120)

    @model_validator(mode="after")
    def _one_of_them(self) -> "PeriodSection":
        if (self.days is None) == (self.months is None):
            raise ValueError("give either days or months")
        return self


class ReceiptSection(Section):
    vat_code: int = Field(ge=1, le=12)
    payment_subject: str = Field(pattern=r"^[a-z_]{1,64}$")
    payment_mode: str = Field(pattern=r"^[a-z_]{1,64}$")
    tax_system_code: int | None = Field(None, ge=1, le=6)
    fallback_contact: str | None = Field(None, pattern=r"^([^@\s]+@[^@\s]+|[0-9]{10,15})$")


class PlanSection(Section):
    title: dict[Language, Title] = Field(min_length=1)
    prices: dict[str, Price] = {}
    period: PeriodSection | None = None
    quotas: dict[FeatureName, QuotaSection | Literal["unlimited"]] = {}
    grants: list[str] = []
    gateways: list[str] = []
    receipt: ReceiptSection | None = None
    trial: PeriodSection | None = None
    stars_subscription: bool = False

    @model_validator(mode="after")
    def _sold_for_a_time(self) -> "PlanSection":
        if self.prices and self.period is None:
            raise ValueError("a plan with prices needs a period, for example { months = 1 }")
        if self.trial and not self.prices:
            raise ValueError("trial: what is tried for nothing has prices to be bought at after it")
        for code, text in self.prices.items():
            _amount(f"prices.{code}", text, code)
        stars = [_amount("", text, code) for code, text in self.prices.items() if code == "XTR"]
        is_month = self.period is not None and self.period.days == 30
        if self.stars_subscription and not (is_month and stars and stars[0] <= STARS_MAX):
            raise ValueError(
                "stars_subscription: Telegram renews 30 days for at most 10000 Stars;"
                " give period = { days = 30 } and such a price in XTR"
            )
        return self


class PackSection(Section):
    title: dict[Language, Title] = Field(min_length=1)
    feature: FeatureName
    units: int = Field(ge=1, le=UNITS_MAX)
    prices: dict[str, Price] = Field(min_length=1)
    gateways: list[str] = []
    receipt: ReceiptSection | None = None

    @model_validator(mode="after")
    def _readable(self) -> "PackSection":
        for code, text in self.prices.items():
            _amount(f"prices.{code}", text, code)
        return self


class ChatSection(Section):
    about: dict[Language, Annotated[str, Field(min_length=1, max_length=256)]] = {}
    support: str | None = Field(None, min_length=1, max_length=128)
    other_gateways: bool = False
    words: dict[FeatureName, dict[Language, dict[PluralCategory, Title]]] = {}
    terms: dict[Language, Paper] = {}
    privacy: dict[Language, Paper] = {}

    @model_validator(mode="after")
    def _every_number_has_a_word(self) -> "ChatSection":
        for feature, languages in self.words.items():
            for language, forms in languages.items():
                if "other" not in forms:
                    raise ValueError(f"words.{feature}.{language}: give at least other = ...")
        return self


class RemindersSection(Section):
    """Days from the end of what is paid for; quiet hours by the customer's own clock."""

    days_before: list[Days] = [3, 1]
    days_after: list[Days] = [1]
    quiet: Annotated[list[Clock], Field(min_length=2, max_length=2)] = ["22:00", "09:00"]

    @model_validator(mode="after")
    def _in_order(self) -> "RemindersSection":
        if sorted(set(self.days_before), reverse=True) != self.days_before:
            raise ValueError("days_before: each once, the most first")
        if sorted(set(self.days_after)) != self.days_after:
            raise ValueError("days_after: each once, the fewest first")
        return self


class DepositSection(Section):
    title: dict[Language, Title] = {"en": "Wallet deposit", "ru": "Пополнение кошелька"}
    bounds: dict[str, Annotated[list[Price], Field(min_length=2, max_length=2)]] = Field(
        min_length=1
    )
    gateways: list[str] = []
    receipt: ReceiptSection | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "DepositSection":
        for code, (least, most) in self.bounds.items():
            if not _amount(f"bounds.{code}", least, code) <= _amount(f"bounds.{code}", most, code):
                raise ValueError(f"bounds.{code}: the smallest comes first")
        return self


class PaymentMethodsSection(Section):
    title: dict[Language, Title] = {
        "en": "Payment method check",
        "ru": "Проверка способа оплаты",
    }
    verify: dict[str, Price] = Field(min_length=1)
    receipt: ReceiptSection | None = None

    @model_validator(mode="after")
    def _readable(self) -> "PaymentMethodsSection":
        for code, text in self.verify.items():
            _amount(f"verify.{code}", text, code)
        return self


class EscrowSection(Section):
    title: dict[Language, Title] = {"en": "Escrow", "ru": "Безопасная сделка"}
    fee_percent: str = Field("0", pattern=r"^[0-9]{1,2}(\.[0-9]{1,2})?$")
    buffer_hours: int = Field(72, ge=0, le=24 * 90)
    receipt: ReceiptSection | None = None


class WithdrawalSection(Section):
    """The brakes in major units of the currency; above one of them a person releases it."""

    least: Price
    payout: Price = "5000"
    customer_day: Price = "10000"
    hour: Price = "50000"


class RenewalsSection(Section):
    """Hours from the end of the period; what is negative lies before it."""

    tries_hours: list[Annotated[int, Field(ge=-24 * 14, le=24 * 60)]] = Field(
        [-24, 0, 24, 48], min_length=1, max_length=10
    )
    grace_hours: int = Field(72, ge=0, le=24 * 90)
    price_notice_days: int = Field(7, ge=0, le=90)

    @model_validator(mode="after")
    def _in_order(self) -> "RenewalsSection":
        if sorted(set(self.tries_hours)) != self.tries_hours:
            raise ValueError("tries_hours: each once, the earliest first")
        if self.tries_hours[-1] > self.grace_hours:
            raise ValueError("grace_hours: the last try is made before access ends")
        return self


class LevelSection(Section):
    since: int = Field(ge=1, le=10**6)
    percent: str = Field(pattern=r"^[0-9]{1,2}(\.[0-9]{1,2})?$")


class ReferralSection(Section):
    """`least` and `most_a_day` are amounts by currency, `hold_days` how long a reward waits."""

    levels: list[LevelSection] = Field(min_length=1, max_length=20)
    hold_days: int = Field(14, ge=0, le=365)
    join_hours: int = Field(24, ge=1, le=24 * 365)
    pays: Literal["bonus", "cash"] = "bonus"
    least: dict[str, Price] = {}
    most_a_day: dict[str, Price] = {}

    @model_validator(mode="after")
    def _in_order(self) -> "ReferralSection":
        since = [level.since for level in self.levels]
        if since[0] != 1 or sorted(set(since)) != since:
            raise ValueError("levels: the first is since = 1, and each begins after the one before")
        if not all(basis_points(level.percent) for level in self.levels):
            raise ValueError("levels: a percentage is more than zero")
        for name in ("least", "most_a_day"):
            for code, text in getattr(self, name).items():
                _amount(f"{name}.{code}", text, code)
        return self


Percent = Annotated[int, Field(ge=1, le=100)]
Least = Annotated[int, Field(ge=1, le=10**6)]


class SafetySection(Section):
    """What Billhook stops at by itself, in 24 hours; what is not named follows from the rest."""

    renewal_tries: int | None = Field(None, ge=1, le=100)
    failing_percent: Percent = 80
    failing_least: Least = 20
    payouts_a_day: dict[str, Price] = {}
    rewards_percent: Percent | None = None
    rewards_least: Least = 20


class FileSection(Section):
    zone: Annotated[str, AfterValidator(_zone)]
    default_plan: Code
    plans: dict[Code, PlanSection] = Field(min_length=1)
    packs: dict[Code, PackSection] = {}
    chat: ChatSection = Field(default_factory=lambda: ChatSection.model_validate({}))
    reminders: RemindersSection = Field(default_factory=lambda: RemindersSection.model_validate({}))
    deposits: DepositSection | None = None
    payment_methods: PaymentMethodsSection | None = None
    escrow: EscrowSection | None = None
    withdrawals: dict[str, WithdrawalSection] = {}
    renewals: RenewalsSection = Field(default_factory=lambda: RenewalsSection.model_validate({}))
    referral: ReferralSection | None = None
    safety: SafetySection = Field(default_factory=lambda: SafetySection.model_validate({}))

    @model_validator(mode="after")
    def _default_exists(self) -> "FileSection":
        default = self.plans.get(self.default_plan)
        if default is None:
            raise ValueError(f"default_plan: there is no [plans.{self.default_plan}]")
        if default.prices:
            raise ValueError("default_plan: the plan that everybody starts on has no price")
        if sum(plan.trial is not None for plan in self.plans.values()) > 1:
            raise ValueError("trial: one plan can be tried, once by each customer")
        counted = {name for plan in self.plans.values() for name in plan.quotas}
        for code, pack in self.packs.items():
            if code in self.plans:
                raise ValueError(f"packs.{code}: a plan has this code; a pack needs its own")
            if pack.feature not in counted:
                raise ValueError(f"packs.{code}: no plan has a quota of {pack.feature}")
        if default.grants:
            raise ValueError("default_plan: access outside is granted for paid time alone")
        for code, withdrawal in self.withdrawals.items():
            for name in ("least", "payout", "customer_day", "hour"):
                _amount(f"withdrawals.{code}.{name}", getattr(withdrawal, name), code)
        return self

    @model_validator(mode="after")
    def _bounds_leave_room(self) -> "FileSection":
        """A bound that ordinary business reaches would stop it every day."""
        safety, most = self.safety, renewal_terms(self.renewals).most_in_a_day
        if safety.renewal_tries is not None and safety.renewal_tries < most:
            raise ValueError(f"safety.renewal_tries: [renewals] plans {most} in a day")
        for code, text in safety.payouts_a_day.items():
            if code not in self.withdrawals:
                raise ValueError(f"safety.payouts_a_day: there is no [withdrawals.{code}]")
            payout = _amount("", self.withdrawals[code].payout, code)
            if not payout <= _amount(f"safety.payouts_a_day.{code}", text, code):
                raise ValueError(f"safety.payouts_a_day.{code}: one payout may be {payout}")
        levels = self.referral.levels if self.referral else []
        highest = max((basis_points(one.percent) for one in levels), default=0)
        if safety.rewards_percent is not None and safety.rewards_percent * 100 <= highest:
            raise ValueError("safety.rewards_percent: more than the highest level of [referral]")
        return self


def renewal_terms(renewals: RenewalsSection) -> RenewalTerms:
    return RenewalTerms(
        tuple(timedelta(hours=n) for n in renewals.tries_hours),
        timedelta(hours=renewals.grace_hours),
        timedelta(days=renewals.price_notice_days),
    )


def basis_points(percent: str) -> int:
    whole, _, part = percent.partition(".")
    return int(whole) * 100 + int(part.ljust(2, "0"))
