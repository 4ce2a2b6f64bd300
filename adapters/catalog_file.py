"""The catalog file: TOML to plan terms, with messages that name file, key and remedy."""

import re
import tomllib
from dataclasses import dataclass, replace
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from core.domain.catalog import ChatTerms
from core.domain.errors import BillingError, Invalid
from core.domain.money import Money
from core.domain.money_terms import (
    Brake,
    DepositTerms,
    EscrowTerms,
    MoneyTerms,
    VerificationTerms,
    WithdrawalTerms,
)
from core.domain.period import Period, PeriodUnit, WindowKind, time_zone
from core.domain.plan import (
    Feature,
    GatewayName,
    PackCode,
    PackTerms,
    PlanCode,
    PlanTerms,
    QuotaRule,
    ReceiptRule,
)
from core.domain.referral_program import ReferralTerms, RewardLevel
from core.domain.reminder_terms import ReminderTerms
from core.domain.renewal import RenewalTerms
from core.domain.safety import SafetyTerms
from core.domain.usage_quota import UNITS_MAX
from core.use_cases.catalogs import WantedCatalog


@dataclass(eq=False)
class CatalogNotUsable(Invalid):
    """The catalog file cannot be used."""

    file: str
    problems: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(f"{self.file}: {problem}" for problem in self.problems)


class _Section(BaseModel):
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


class _Quota(_Section):
    limit: int = Field(ge=0, le=10**12)
    per: Literal["day", "month", "period"]


class _Period(_Section):
    days: int | None = Field(None, ge=1, le=1200)
    months: int | None = Field(None, ge=1, le=120)

    @model_validator(mode="after")
    def _one_of_them(self) -> "_Period":
        if (self.days is None) == (self.months is None):
            raise ValueError("give either days or months")
        return self


class _Receipt(_Section):
    vat_code: int = Field(ge=1, le=12)
    payment_subject: str = Field(pattern=r"^[a-z_]{1,64}$")
    payment_mode: str = Field(pattern=r"^[a-z_]{1,64}$")
    tax_system_code: int | None = Field(None, ge=1, le=6)
    fallback_contact: str | None = Field(None, pattern=r"^([^@\s]+@[^@\s]+|[0-9]{10,15})$")


class _Plan(_Section):
    title: dict[Language, Title] = Field(min_length=1)
    prices: dict[str, Price] = {}
    period: _Period | None = None
    quotas: dict[FeatureName, _Quota | Literal["unlimited"]] = {}
    grants: list[str] = []
    gateways: list[str] = []
    receipt: _Receipt | None = None
    trial: _Period | None = None
    stars_subscription: bool = False

    @model_validator(mode="after")
    def _sold_for_a_time(self) -> "_Plan":
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


class _Pack(_Section):
    title: dict[Language, Title] = Field(min_length=1)
    feature: FeatureName
    units: int = Field(ge=1, le=UNITS_MAX)
    prices: dict[str, Price] = Field(min_length=1)
    gateways: list[str] = []
    receipt: _Receipt | None = None

    @model_validator(mode="after")
    def _readable(self) -> "_Pack":
        for code, text in self.prices.items():
            _amount(f"prices.{code}", text, code)
        return self


class _Chat(_Section):
    about: dict[Language, Annotated[str, Field(min_length=1, max_length=256)]] = {}
    support: str | None = Field(None, min_length=1, max_length=128)
    other_gateways: bool = False
    words: dict[FeatureName, dict[Language, dict[PluralCategory, Title]]] = {}
    terms: dict[Language, Paper] = {}
    privacy: dict[Language, Paper] = {}

    @model_validator(mode="after")
    def _every_number_has_a_word(self) -> "_Chat":
        for feature, languages in self.words.items():
            for language, forms in languages.items():
                if "other" not in forms:
                    raise ValueError(f"words.{feature}.{language}: give at least other = ...")
        return self


class _Reminders(_Section):
    """Days from the end of what is paid for; quiet hours by the customer's own clock."""

    days_before: list[Days] = [3, 1]
    days_after: list[Days] = [1]
    quiet: Annotated[list[Clock], Field(min_length=2, max_length=2)] = ["22:00", "09:00"]

    @model_validator(mode="after")
    def _in_order(self) -> "_Reminders":
        if sorted(set(self.days_before), reverse=True) != self.days_before:
            raise ValueError("days_before: each once, the most first")
        if sorted(set(self.days_after)) != self.days_after:
            raise ValueError("days_after: each once, the fewest first")
        return self


class _Deposit(_Section):
    title: dict[Language, Title] = {"en": "Wallet deposit", "ru": "Пополнение кошелька"}
    bounds: dict[str, Annotated[list[Price], Field(min_length=2, max_length=2)]] = Field(
        min_length=1
    )
    gateways: list[str] = []
    receipt: _Receipt | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "_Deposit":
        for code, (least, most) in self.bounds.items():
            if not _amount(f"bounds.{code}", least, code) <= _amount(f"bounds.{code}", most, code):
                raise ValueError(f"bounds.{code}: the smallest comes first")
        return self


class _PaymentMethods(_Section):
    title: dict[Language, Title] = {
        "en": "Payment method check",
        "ru": "Проверка способа оплаты",
    }
    verify: dict[str, Price] = Field(min_length=1)
    receipt: _Receipt | None = None

    @model_validator(mode="after")
    def _readable(self) -> "_PaymentMethods":
        for code, text in self.verify.items():
            _amount(f"verify.{code}", text, code)
        return self


class _Escrow(_Section):
    title: dict[Language, Title] = {"en": "Escrow", "ru": "Безопасная сделка"}
    fee_percent: str = Field("0", pattern=r"^[0-9]{1,2}(\.[0-9]{1,2})?$")
    buffer_hours: int = Field(72, ge=0, le=24 * 90)
    receipt: _Receipt | None = None


class _Withdrawal(_Section):
    """The brakes in major units of the currency; above one of them a person releases it."""

    least: Price
    payout: Price = "5000"
    customer_day: Price = "10000"
    hour: Price = "50000"


class _Renewals(_Section):
    """Hours from the end of the period; what is negative lies before it."""

    tries_hours: list[Annotated[int, Field(ge=-24 * 14, le=24 * 60)]] = Field(
        [-24, 0, 24, 48], min_length=1, max_length=10
    )
    grace_hours: int = Field(72, ge=0, le=24 * 90)
    price_notice_days: int = Field(7, ge=0, le=90)

    @model_validator(mode="after")
    def _in_order(self) -> "_Renewals":
        if sorted(set(self.tries_hours)) != self.tries_hours:
            raise ValueError("tries_hours: each once, the earliest first")
        if self.tries_hours[-1] > self.grace_hours:
            raise ValueError("grace_hours: the last try is made before access ends")
        return self


class _Level(_Section):
    since: int = Field(ge=1, le=10**6)
    percent: str = Field(pattern=r"^[0-9]{1,2}(\.[0-9]{1,2})?$")


class _Referral(_Section):
    """`least` and `most_a_day` are amounts by currency, `hold_days` how long a reward waits."""

    levels: list[_Level] = Field(min_length=1, max_length=20)
    hold_days: int = Field(14, ge=0, le=365)
    join_hours: int = Field(24, ge=1, le=24 * 365)
    pays: Literal["bonus", "cash"] = "bonus"
    least: dict[str, Price] = {}
    most_a_day: dict[str, Price] = {}

    @model_validator(mode="after")
    def _in_order(self) -> "_Referral":
        since = [level.since for level in self.levels]
        if since[0] != 1 or sorted(set(since)) != since:
            raise ValueError("levels: the first is since = 1, and each begins after the one before")
        if not all(_basis_points(level.percent) for level in self.levels):
            raise ValueError("levels: a percentage is more than zero")
        for name in ("least", "most_a_day"):
            for code, text in getattr(self, name).items():
                _amount(f"{name}.{code}", text, code)
        return self


Percent = Annotated[int, Field(ge=1, le=100)]
Least = Annotated[int, Field(ge=1, le=10**6)]


class _Safety(_Section):
    """What Billhook stops at by itself, in 24 hours; what is not named follows from the rest."""

    renewal_tries: int | None = Field(None, ge=1, le=100)
    failing_percent: Percent = 80
    failing_least: Least = 20
    payouts_a_day: dict[str, Price] = {}
    rewards_percent: Percent | None = None
    rewards_least: Least = 20


class _File(_Section):
    zone: Annotated[str, AfterValidator(_zone)]
    default_plan: Code
    plans: dict[Code, _Plan] = Field(min_length=1)
    packs: dict[Code, _Pack] = {}
    chat: _Chat = Field(default_factory=lambda: _Chat.model_validate({}))
    reminders: _Reminders = Field(default_factory=lambda: _Reminders.model_validate({}))
    deposits: _Deposit | None = None
    payment_methods: _PaymentMethods | None = None
    escrow: _Escrow | None = None
    withdrawals: dict[str, _Withdrawal] = {}
    renewals: _Renewals = Field(default_factory=lambda: _Renewals.model_validate({}))
    referral: _Referral | None = None
    safety: _Safety = Field(default_factory=lambda: _Safety.model_validate({}))

    @model_validator(mode="after")
    def _default_exists(self) -> "_File":
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
    def _bounds_leave_room(self) -> "_File":
        """A bound that ordinary business reaches would stop it every day."""
        safety, most = self.safety, _renewal(self.renewals).most_in_a_day
        if safety.renewal_tries is not None and safety.renewal_tries < most:
            raise ValueError(f"safety.renewal_tries: [renewals] plans {most} in a day")
        for code, text in safety.payouts_a_day.items():
            if code not in self.withdrawals:
                raise ValueError(f"safety.payouts_a_day: there is no [withdrawals.{code}]")
            payout = _amount("", self.withdrawals[code].payout, code)
            if not payout <= _amount(f"safety.payouts_a_day.{code}", text, code):
                raise ValueError(f"safety.payouts_a_day.{code}: one payout may be {payout}")
        levels = self.referral.levels if self.referral else []
        highest = max((_basis_points(one.percent) for one in levels), default=0)
        if safety.rewards_percent is not None and safety.rewards_percent * 100 <= highest:
            raise ValueError("safety.rewards_percent: more than the highest level of [referral]")
        return self


def catalog_from_file(path: Path) -> WantedCatalog:
    """
    Read and check a catalog file. All problems are reported at once.

    Raises:
        CatalogNotUsable
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CatalogNotUsable(str(path), ("there is no such file",)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogNotUsable(str(path), (f"cannot be read: {error}",)) from None
    except tomllib.TOMLDecodeError as error:
        raise CatalogNotUsable(str(path), (f"is not TOML: {error}",)) from None
    try:
        parsed = _File.model_validate(raw)
    except ValidationError as error:
        problems = tuple(_said(tuple(e["loc"]), e["msg"]) for e in error.errors())
        raise CatalogNotUsable(str(path), problems) from None
    plans = tuple(_terms(code, plan) for code, plan in parsed.plans.items())
    chat = ChatTerms(
        about=dict(parsed.chat.about),
        support=parsed.chat.support,
        other_gateways=parsed.chat.other_gateways,
        words={
            Feature(name): {
                language: {str(category): word for category, word in forms.items()}
                for language, forms in languages.items()
            }
            for name, languages in parsed.chat.words.items()
        },
        reminders=_reminders(parsed.reminders),
        terms=dict(parsed.chat.terms),
        privacy=dict(parsed.chat.privacy),
    )
    default_plan = PlanCode(parsed.default_plan)
    packs = tuple(_pack_terms(code, pack) for code, pack in parsed.packs.items())
    return WantedCatalog(parsed.zone, default_plan, plans, chat, _money_terms(parsed), packs)


def _reminders(reminders: _Reminders) -> ReminderTerms:
    evening, morning = (time.fromisoformat(one) for one in reminders.quiet)
    return ReminderTerms(
        tuple(reminders.days_before), tuple(reminders.days_after), (evening, morning)
    )


def _money_terms(file: _File) -> MoneyTerms:
    terms, read = MoneyTerms(), Money.from_decimal_text
    if file.deposits is not None:
        deposit = DepositTerms(
            tuple(
                (read(lo, code), read(hi, code)) for code, (lo, hi) in file.deposits.bounds.items()
            ),
            tuple(GatewayName(name) for name in file.deposits.gateways),
            dict(file.deposits.title),
            _receipt(file.deposits.receipt),
        )
        terms = replace(terms, deposit=deposit)
    if file.payment_methods is not None:
        amounts = tuple(read(text, code) for code, text in file.payment_methods.verify.items())
        titles, receipt = dict(file.payment_methods.title), _receipt(file.payment_methods.receipt)
        terms = replace(terms, verification=VerificationTerms(amounts, titles, receipt))
    if file.escrow is not None:
        points = _basis_points(file.escrow.fee_percent)
        buffer = timedelta(hours=file.escrow.buffer_hours)
        receipt = _receipt(file.escrow.receipt)
        escrow = EscrowTerms(True, points, buffer, dict(file.escrow.title), receipt)
        terms = replace(terms, escrow=escrow)
    sums = file.withdrawals.items()
    withdrawal = WithdrawalTerms(
        tuple(read(one.least, code) for code, one in sums),
        tuple(
            Brake(read(one.payout, code), read(one.customer_day, code), read(one.hour, code))
            for code, one in sums
        ),
    )
    return replace(
        terms,
        withdrawal=withdrawal,
        renewal=_renewal(file.renewals),
        referral=_referral(file.referral),
        safety=_safety(file.safety),
    )


def _renewal(renewals: _Renewals) -> RenewalTerms:
    return RenewalTerms(
        tuple(timedelta(hours=n) for n in renewals.tries_hours),
        timedelta(hours=renewals.grace_hours),
        timedelta(days=renewals.price_notice_days),
    )


def _safety(safety: _Safety) -> SafetyTerms:
    sums = safety.payouts_a_day.items()
    return SafetyTerms(
        safety.renewal_tries,
        safety.failing_percent,
        safety.failing_least,
        tuple(Money.from_decimal_text(text, code) for code, text in sums),
        safety.rewards_percent,
        safety.rewards_least,
    )


def _referral(referral: _Referral | None) -> ReferralTerms:
    if referral is None:
        return ReferralTerms()
    read = Money.from_decimal_text
    return ReferralTerms(
        tuple(RewardLevel(one.since, _basis_points(one.percent)) for one in referral.levels),
        timedelta(days=referral.hold_days),
        timedelta(hours=referral.join_hours),
        referral.pays == "cash",
        tuple(read(text, code) for code, text in referral.least.items()),
        tuple(read(text, code) for code, text in referral.most_a_day.items()),
    )


def _basis_points(percent: str) -> int:
    whole, _, part = percent.partition(".")
    return int(whole) * 100 + int(part.ljust(2, "0"))


def _said(where: tuple[int | str, ...], message: str) -> str:
    # Pydantic names the branch of a union that it tried; a person looks for the key.
    keys = [str(key) for key in where if not re.fullmatch(r"_Quota|literal\[.*|\[key\]", str(key))]
    said = message.removeprefix("Value error, ").replace("Input should", "should")
    if message == "Extra inputs are not permitted":
        said = "is not a setting; look for a typing mistake"
    return ": ".join((".".join(keys) or "the file", said))


def _terms(code: str, plan: _Plan) -> PlanTerms:
    return PlanTerms(
        code=PlanCode(code),
        titles=dict(plan.title),
        prices=tuple(Money.from_decimal_text(text, cur) for cur, text in plan.prices.items()),
        period=_period(plan.period),
        quotas={Feature(name): _rule(quota) for name, quota in plan.quotas.items()},
        grants=tuple(plan.grants),
        gateways=tuple(GatewayName(name) for name in plan.gateways),
        receipt=_receipt(plan.receipt),
        trial=_period(plan.trial),
        stars_subscription=plan.stars_subscription,
    )


def _pack_terms(code: str, pack: _Pack) -> PackTerms:
    return PackTerms(
        PackCode(code),
        dict(pack.title),
        Feature(pack.feature),
        pack.units,
        tuple(Money.from_decimal_text(text, cur) for cur, text in pack.prices.items()),
        tuple(GatewayName(name) for name in pack.gateways),
        _receipt(pack.receipt),
    )


def _receipt(receipt: _Receipt | None) -> ReceiptRule | None:
    return None if receipt is None else ReceiptRule(**receipt.model_dump())


def _period(period: _Period | None) -> Period | None:
    if period is None:
        return None
    if period.days is not None:
        return Period(period.days, PeriodUnit.DAY)
    assert period.months is not None
    return Period(period.months, PeriodUnit.MONTH)


def _rule(quota: "_Quota | Literal['unlimited']") -> QuotaRule:
    if quota == "unlimited":
        return QuotaRule(limit=None, per=WindowKind.DAY)
    assert isinstance(quota, _Quota)
    return QuotaRule(limit=quota.limit, per=WindowKind(quota.per))
