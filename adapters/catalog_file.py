"""The catalog file: TOML to plan terms, with messages that name file, key and remedy."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from core.domain.errors import BillingError, Invalid
from core.domain.money import Money
from core.domain.period import Period, PeriodUnit, WindowKind, time_zone
from core.domain.plan import (
    ChatTerms,
    Feature,
    GatewayName,
    PlanCode,
    PlanTerms,
    QuotaRule,
    ReceiptRule,
)
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
PluralCategory = Literal["zero", "one", "two", "few", "many", "other"]
Price = Annotated[str, Field(description="an amount in quotes, such as 299.00")]


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

    @model_validator(mode="after")
    def _sold_for_a_time(self) -> "_Plan":
        if self.prices and self.period is None:
            raise ValueError("a plan with prices needs a period, for example { months = 1 }")
        for code, text in self.prices.items():
            try:
                price = Money.from_decimal_text(text, code)
            except BillingError as error:
                raise ValueError(f"prices.{code}: {text!r} is not an amount in {code}") from error
            if not price.is_positive:
                raise ValueError(f"prices.{code}: a price is more than zero")
        return self


class _Chat(_Section):
    about: dict[Language, Annotated[str, Field(min_length=1, max_length=256)]] = {}
    support: str | None = Field(None, min_length=1, max_length=128)
    other_gateways: bool = False
    words: dict[FeatureName, dict[Language, dict[PluralCategory, Title]]] = {}

    @model_validator(mode="after")
    def _every_number_has_a_word(self) -> "_Chat":
        for feature, languages in self.words.items():
            for language, forms in languages.items():
                if "other" not in forms:
                    raise ValueError(f"words.{feature}.{language}: give at least other = ...")
        return self


class _File(_Section):
    zone: Annotated[str, AfterValidator(_zone)]
    default_plan: Code
    plans: dict[Code, _Plan] = Field(min_length=1)
    chat: _Chat = Field(default_factory=lambda: _Chat.model_validate({}))

    @model_validator(mode="after")
    def _default_exists(self) -> "_File":
        default = self.plans.get(self.default_plan)
        if default is None:
            raise ValueError(f"default_plan: there is no [plans.{self.default_plan}]")
        if default.prices:
            raise ValueError("default_plan: the plan that everybody starts on has no price")
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
    )
    return WantedCatalog(parsed.zone, PlanCode(parsed.default_plan), plans, chat)


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
        receipt=None if plan.receipt is None else ReceiptRule(**plan.receipt.model_dump()),
    )


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
