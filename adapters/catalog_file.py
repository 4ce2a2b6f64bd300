"""The catalog file: TOML to plan terms, with messages that name file, key and remedy."""

import re
import tomllib
from dataclasses import dataclass, replace
from datetime import time, timedelta
from pathlib import Path
from typing import Literal

from pydantic import (
    ValidationError,
)

from adapters.catalog_sections import (
    FileSection,
    PackSection,
    PeriodSection,
    PlanSection,
    QuotaSection,
    ReceiptSection,
    ReferralSection,
    RemindersSection,
    SafetySection,
    basis_points,
    renewal_terms,
)
from core.domain.catalog import ChatTerms
from core.domain.errors import Invalid
from core.domain.money import Money
from core.domain.money_terms import (
    Brake,
    DepositTerms,
    EscrowTerms,
    MoneyTerms,
    VerificationTerms,
    WithdrawalTerms,
)
from core.domain.period import Period, PeriodUnit, WindowKind
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
from core.domain.safety import SafetyTerms
from core.use_cases.catalogs import WantedCatalog


@dataclass(eq=False)
class CatalogNotUsable(Invalid):
    """The catalog file cannot be used."""

    file: str
    problems: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(f"{self.file}: {problem}" for problem in self.problems)


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
        parsed = FileSection.model_validate(raw)
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


def _reminders(reminders: RemindersSection) -> ReminderTerms:
    evening, morning = (time.fromisoformat(one) for one in reminders.quiet)
    return ReminderTerms(
        tuple(reminders.days_before), tuple(reminders.days_after), (evening, morning)
    )


def _money_terms(file: FileSection) -> MoneyTerms:
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
        points = basis_points(file.escrow.fee_percent)
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
        renewal=renewal_terms(file.renewals),
        referral=_referral(file.referral),
        safety=_safety(file.safety),
    )


def _safety(safety: SafetySection) -> SafetyTerms:
    sums = safety.payouts_a_day.items()
    return SafetyTerms(
        safety.renewal_tries,
        safety.failing_percent,
        safety.failing_least,
        tuple(Money.from_decimal_text(text, code) for code, text in sums),
        safety.rewards_percent,
        safety.rewards_least,
    )


def _referral(referral: ReferralSection | None) -> ReferralTerms:
    if referral is None:
        return ReferralTerms()
    read = Money.from_decimal_text
    return ReferralTerms(
        tuple(RewardLevel(one.since, basis_points(one.percent)) for one in referral.levels),
        timedelta(days=referral.hold_days),
        timedelta(hours=referral.join_hours),
        referral.pays == "cash",
        tuple(read(text, code) for code, text in referral.least.items()),
        tuple(read(text, code) for code, text in referral.most_a_day.items()),
    )


def _said(where: tuple[int | str, ...], message: str) -> str:
    # Pydantic names the branch of a union that it tried; a person looks for the key.
    keys = [
        str(key) for key in where if not re.fullmatch(r"QuotaSection|literal\[.*|\[key\]", str(key))
    ]
    said = message.removeprefix("Value error, ").replace("Input should", "should")
    if message == "Extra inputs are not permitted":
        said = "is not a setting; look for a typing mistake"
    return ": ".join((".".join(keys) or "the file", said))


def _terms(code: str, plan: PlanSection) -> PlanTerms:
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


def _pack_terms(code: str, pack: PackSection) -> PackTerms:
    return PackTerms(
        PackCode(code),
        dict(pack.title),
        Feature(pack.feature),
        pack.units,
        tuple(Money.from_decimal_text(text, cur) for cur, text in pack.prices.items()),
        tuple(GatewayName(name) for name in pack.gateways),
        _receipt(pack.receipt),
    )


def _receipt(receipt: ReceiptSection | None) -> ReceiptRule | None:
    return None if receipt is None else ReceiptRule(**receipt.model_dump())


def _period(period: PeriodSection | None) -> Period | None:
    if period is None:
        return None
    if period.days is not None:
        return Period(period.days, PeriodUnit.DAY)
    assert period.months is not None
    return Period(period.months, PeriodUnit.MONTH)


def _rule(quota: "QuotaSection | Literal['unlimited']") -> QuotaRule:
    if quota == "unlimited":
        return QuotaRule(limit=None, per=WindowKind.DAY)
    assert isinstance(quota, QuotaSection)
    return QuotaRule(limit=quota.limit, per=WindowKind(quota.per))
