"""The terms of a catalog as JSON, and back. What an older revision does not say has no terms."""

from dataclasses import asdict
from datetime import time, timedelta
from typing import Any

from core.domain.catalog import ChatTerms
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
from core.domain.renewal import RenewalTerms
from core.domain.safety import SafetyTerms


def json_from_plan_terms(terms: PlanTerms) -> dict[str, Any]:
    return {
        "titles": dict(terms.titles),
        "prices": [[price.amount_minor, price.currency.code] for price in terms.prices],
        "period": None if terms.period is None else [terms.period.count, terms.period.unit],
        "quotas": {name: [rule.limit, rule.per] for name, rule in terms.quotas.items()},
        "grants": terms.grants,
        "gateways": terms.gateways,
        "receipt": _json_from_receipt(terms.receipt),
        "trial": None if terms.trial is None else [terms.trial.count, terms.trial.unit],
        "stars_subscription": terms.stars_subscription,
    }


def plan_terms_from_json(code: PlanCode, terms: dict[str, Any]) -> PlanTerms:
    period, trial = terms["period"], terms.get("trial")
    return PlanTerms(
        code=code,
        titles=terms["titles"],
        prices=tuple(Money.of(*price) for price in terms["prices"]),
        period=None if period is None else Period(period[0], PeriodUnit(period[1])),
        quotas={
            Feature(name): QuotaRule(limit, WindowKind(per))
            for name, (limit, per) in terms["quotas"].items()
        },
        grants=tuple(terms["grants"]),
        gateways=tuple(terms["gateways"]),
        receipt=_receipt_from(terms),
        trial=None if trial is None else Period(trial[0], PeriodUnit(trial[1])),
        stars_subscription=terms.get("stars_subscription", False),
    )


def json_from_pack_terms(terms: PackTerms) -> dict[str, Any]:
    return {
        "code": terms.code,
        "titles": dict(terms.titles),
        "feature": terms.feature,
        "units": terms.units,
        "prices": [_pair(price) for price in terms.prices],
        "gateways": terms.gateways,
        "receipt": _json_from_receipt(terms.receipt),
    }


def pack_terms_from_json(terms: dict[str, Any]) -> PackTerms:
    return PackTerms(
        PackCode(terms["code"]),
        terms["titles"],
        Feature(terms["feature"]),
        terms["units"],
        tuple(Money.of(*price) for price in terms["prices"]),
        tuple(GatewayName(name) for name in terms["gateways"]),
        _receipt_from(terms),
    )


def json_from_chat_terms(terms: ChatTerms) -> dict[str, Any]:
    reminders = terms.reminders
    quiet = [one.isoformat() for one in reminders.quiet]
    return asdict(terms) | {"reminders": [reminders.days_before, reminders.days_after, quiet]}


def chat_terms_from_json(terms: dict[str, Any]) -> ChatTerms:
    chat = dict(terms)
    if "reminders" in chat:
        before, after, (evening, morning) = chat["reminders"]
        quiet = time.fromisoformat(evening), time.fromisoformat(morning)
        chat["reminders"] = ReminderTerms(tuple(before), tuple(after), quiet)
    return ChatTerms(**chat)


def json_from_money_terms(terms: MoneyTerms) -> dict[str, Any]:
    deposit, verification = terms.deposit, terms.verification
    escrow, withdrawal, referral = terms.escrow, terms.withdrawal, terms.referral
    return {
        "deposit": {
            "bounds": [[_pair(least), _pair(most)] for least, most in deposit.bounds],
            "gateways": deposit.gateways,
            "titles": dict(deposit.titles),
            "receipt": _json_from_receipt(deposit.receipt),
        },
        "verification": {
            "amounts": [_pair(amount) for amount in verification.amounts],
            "titles": dict(verification.titles),
            "receipt": _json_from_receipt(verification.receipt),
        },
        "escrow": {
            "is_offered": escrow.is_offered,
            "fee_basis_points": escrow.fee_basis_points,
            "buffer_seconds": escrow.buffer // timedelta(seconds=1),
            "titles": dict(escrow.titles),
            "receipt": _json_from_receipt(escrow.receipt),
        },
        "withdrawal": {
            "least": [_pair(amount) for amount in withdrawal.least],
            "brakes": [
                [_pair(brake.payout), _pair(brake.customer_day), _pair(brake.hour)]
                for brake in withdrawal.brakes
            ],
        },
        "renewal": {
            "tries_seconds": [one // timedelta(seconds=1) for one in terms.renewal.tries],
            "grace_seconds": terms.renewal.grace // timedelta(seconds=1),
            "price_notice_days": terms.renewal.price_notice.days,
        },
        "referral": {
            "levels": [[one.since, one.basis_points] for one in referral.levels],
            "hold_seconds": referral.hold // timedelta(seconds=1),
            "join_seconds": referral.join // timedelta(seconds=1),
            "in_cash": referral.in_cash,
            "least": [_pair(amount) for amount in referral.least],
            "most_a_day": [_pair(amount) for amount in referral.most_a_day],
        },
        "safety": asdict(terms.safety)
        | {"payouts": [_pair(amount) for amount in terms.safety.payouts]},
    }


def money_terms_from_json(terms: dict[str, Any]) -> MoneyTerms:
    if not terms:
        return MoneyTerms()
    deposit, verification = terms["deposit"], terms["verification"]
    escrow, withdrawal = terms["escrow"], terms["withdrawal"]
    renewal = terms.get("renewal")
    return MoneyTerms(
        DepositTerms(
            tuple((Money.of(*least), Money.of(*most)) for least, most in deposit["bounds"]),
            tuple(deposit["gateways"]),
            deposit["titles"],
            _receipt_from(deposit),
        ),
        VerificationTerms(
            tuple(Money.of(*amount) for amount in verification["amounts"]),
            verification["titles"],
            _receipt_from(verification),
        ),
        EscrowTerms(
            escrow["is_offered"],
            escrow["fee_basis_points"],
            timedelta(seconds=escrow["buffer_seconds"]),
            escrow["titles"],
            _receipt_from(escrow),
        ),
        WithdrawalTerms(
            tuple(Money.of(*amount) for amount in withdrawal["least"]),
            tuple(
                Brake(*(Money.of(*amount) for amount in brake)) for brake in withdrawal["brakes"]
            ),
        ),
        RenewalTerms()
        if renewal is None
        else RenewalTerms(
            tuple(timedelta(seconds=one) for one in renewal["tries_seconds"]),
            timedelta(seconds=renewal["grace_seconds"]),
            timedelta(days=renewal.get("price_notice_days", 7)),
        ),
        _referral_from_json(terms.get("referral")),
        _safety_from_json(terms.get("safety")),
    )


def _referral_from_json(terms: dict[str, Any] | None) -> ReferralTerms:
    if terms is None:
        return ReferralTerms()
    return ReferralTerms(
        tuple(RewardLevel(*level) for level in terms["levels"]),
        timedelta(seconds=terms["hold_seconds"]),
        timedelta(seconds=terms["join_seconds"]),
        terms["in_cash"],
        tuple(Money.of(*amount) for amount in terms["least"]),
        tuple(Money.of(*amount) for amount in terms["most_a_day"]),
    )


def _safety_from_json(terms: dict[str, Any] | None) -> SafetyTerms:
    if terms is None:
        return SafetyTerms()
    payouts = tuple(Money.of(*amount) for amount in terms["payouts"])
    return SafetyTerms(**terms | {"payouts": payouts})


def _json_from_receipt(rule: ReceiptRule | None) -> dict[str, Any] | None:
    return None if rule is None else asdict(rule)


def _receipt_from(terms: dict[str, Any]) -> ReceiptRule | None:
    rule = terms.get("receipt")
    return None if rule is None else ReceiptRule(**rule)


def _pair(amount: Money) -> list[int | str]:
    return [amount.amount_minor, amount.currency.code]
