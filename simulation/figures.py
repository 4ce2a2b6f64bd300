"""What a forecast came to, by month and in all: read from the books and the history alone."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from adapters.persistence.memory.tables import Tables
from core.domain import ledger
from core.domain.event import Event
from core.domain.ledger import Entry
from core.domain.money import Currency, Money
from core.domain.referral_program import RewardStatus
from core.domain.subscription import SubscriptionStatus

FLOWS: Final = (
    *("taken", "refunded", "fees", "revenue"),
    *("rewards_booked", "rewards_earned", "rewards_taken_back"),
)
STOCKS: Final = ("wallets", "rewards_waiting", "owed_to_us")
COUNTS: Final = (
    *("new", "referred", "trials", "trials_paid", "first_payments", "payments"),
    *("refunds", "past_due", "left", "uses", "uses_denied"),
)

Sums = Mapping[str, Mapping[Currency, int]]


@dataclass(frozen=True, slots=True)
class Standing:
    """How things are at the end of a month. `sums` are of STOCKS, in minor units."""

    at: datetime
    paying: int
    on_trial: int
    sums: Sums


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    A month, or all of them. `counts` are of COUNTS, `sums` of FLOWS. `trials_paid` are those of
    its trials that were followed by a payment, whenever; `left` are those whose plan ended, and who
    did not come back.
    """

    begins: datetime
    standing: Standing
    counts: Counter[str] = field(default_factory=Counter)
    sums: defaultdict[str, Counter[Currency]] = field(default_factory=lambda: defaultdict(Counter))

    @property
    def churn(self) -> int:
        """Of a thousand who paid and could have stayed: how many left."""
        whole = self.counts["left"] + self.standing.paying
        return 1000 * self.counts["left"] // whole if whole else 0


@dataclass(frozen=True, slots=True)
class Figures:
    months: tuple[Stretch, ...]
    total: Stretch


def standing_at(tables: Tables, at: datetime) -> Standing:
    present = [one.at(at) for one in tables.subscriptions.rows.values()]
    periods = [one.period for one in present if one.status is not SubscriptionStatus.EXPIRED]
    free = [one.is_free for one in periods if one is not None]
    sums: defaultdict[str, Counter[Currency]] = defaultdict(Counter)
    for (account, unit), balance in tables.balances.rows.items():
        if ledger.kind_of(account) in {"cash", "bonus"}:
            sums["wallets"][unit] += balance.amount.amount_minor
        if ledger.kind_of(account) == "receivable":
            sums["owed_to_us"][unit] += balance.amount.amount_minor
    for reward in tables.rewards.rows.values():
        if reward.status is RewardStatus.WAITING:
            sums["rewards_waiting"][reward.left.currency] += reward.left.amount_minor
    return Standing(at, free.count(False), free.count(True), sums)


def figures(
    tables: Tables,
    begins: datetime,
    standings: Sequence[Standing],
    uses: Iterable[tuple[datetime, bool]],
) -> Figures:
    """One month for each standing; what happened after the last is left out."""
    if not standings:
        standings = [standing_at(tables, begins)]
    starts = [begins, *(one.at for one in standings[:-1])]
    months = [Stretch(*one) for one in zip(starts, standings, strict=True)]
    ends = [one.at for one in standings]

    def month_of(at: datetime) -> Stretch | None:
        place = bisect_left(ends, at)
        return months[place] if place < len(months) else None

    for entry in tables.entries.rows.values():
        month = month_of(entry.at)
        for name, amount in () if month is None else _flows(entry):
            assert month is not None
            month.sums[name][amount.currency] += amount.amount_minor
    for at, name in _happenings(tables):
        month = month_of(at)
        if month is not None:
            month.counts[name] += 1
    for at, is_allowed in uses:
        month = month_of(at)
        if month is not None:
            month.counts["uses" if is_allowed else "uses_denied"] += 1
    total = Stretch(begins, standings[-1])
    for month in months:
        total.counts.update(month.counts)
        for name, sums in month.sums.items():
            total.sums[name].update(sums)
    return Figures(tuple(months), total)


def _flows(entry: Entry) -> Iterable[tuple[str, Money]]:
    """What each posting is a part of."""
    for posting in entry.postings:
        kind, amount = ledger.kind_of(posting.account), posting.amount
        if kind == "clearing" and entry.purpose in {"charge", "refund"}:
            yield ("taken", -amount) if entry.purpose == "charge" else ("refunded", amount)
        elif kind == "fees":
            yield "fees", -amount
        elif kind == "revenue":
            yield "revenue", amount
        elif posting.account == ledger.REWARDS:
            is_given = not amount.is_positive
            yield ("rewards_booked", -amount) if is_given else ("rewards_taken_back", amount)
        elif entry.purpose == "reward" and kind in {"cash", "bonus"} and amount.is_positive:
            yield "rewards_earned", amount


def _happenings(tables: Tables) -> Iterable[tuple[datetime, str]]:
    tried: dict[str, datetime] = {}
    """Who is on a trial, or was and has not paid since: when it began."""
    ended: dict[str, datetime] = {}
    """Whose plan is over, and who has not come back: since when."""
    paid: set[str] = set()
    names = {
        "customer.registered": "new",
        "referral.registered": "referred",
        "subscription.trial_started": "trials",
        "subscription.past_due": "past_due",
        "purchase.refunded": "refunds",
    }
    for event in tables.events.rows.values():
        who = event.customer_id or ""
        if event.name in names:
            yield event.at, names[event.name]
        if event.name == "subscription.trial_started":
            tried[who] = event.at
        elif event.name == "purchase.paid" and _is_of_plan(tables, event.subject):
            yield event.at, "payments"
            if who not in paid:
                yield event.at, "first_payments"
            if who in tried:
                yield tried.pop(who), "trials_paid"
            paid.add(who)
            ended.pop(who, None)
        elif _is_end(event) and who not in tried:
            ended[who] = event.at
    for at in ended.values():
        yield at, "left"


def _is_end(event: Event) -> bool:
    """By time, or since all of it was given back."""
    is_over = event.name == "subscription.shortened" and "period_end" not in event.facts
    return is_over or event.name == "subscription.ended"


def _is_of_plan(tables: Tables, purchase_id: str) -> bool:
    purchase = tables.purchases.rows.get(purchase_id)  # type: ignore[call-overload]
    return purchase is not None and purchase.plan is not None
