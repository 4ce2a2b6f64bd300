"""
What must hold after every commit, whatever failed before, and what must hold at the end.

A broken promise is told by its letter and number: M money, E entitlement, R calendar, Q quota,
S sessions, W messages, O operation; or by the law of the design that it breaks.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.persistence.memory import Committed
from adapters.persistence.memory.tables import JobStatus, Tables
from core.domain.case import CaseKind
from core.domain.checkout import CheckoutStatus
from core.domain.customer import CustomerId
from core.domain.item import Deposit
from core.domain.ledger import Account, Entry, is_of_a_customer, natural_sign
from core.domain.money import Currency, Money
from core.domain.payment import InboxStatus
from core.domain.period import Anchor
from core.domain.purchase import Purchase, PurchaseStatus
from core.domain.subscription import PaidPeriod, Subscription
from core.domain.usage_quota import RECEIPT_LIFE, HoldStatus, UsageHold, UsageKey
from core.ports.unit_of_work import Now
from simulation.bank import BANK, Bank
from simulation.books import is_true
from simulation.changes import (
    Changed,
    full_price,
    gifted,
    given,
    gone,
    highest_told,
    newly_paid,
)
from simulation.network import NAME, PromiseBroken, Provider, money_of
from simulation.wall_calendar import end_by_calendar, rest_of

Taken = Callable[[str], Money | None]
"""What a gateway's own books say that it took by a charge; None: nothing."""

PURCHASES_MOVE: Final[dict[str, set[str]]] = {
    "pending": {"pending", "paid", "canceled", "expired", "failed"},
    "expired": {"expired", "paid"},
    "paid": {"paid", "refunded"},
}
SNAPSHOT: Final = (
    *("id", "customer_id", "item", "amount", "reduction"),
    *("created_at", "expires_at"),
)
CHECKOUTS_MOVE: Final[dict[str, set[str]]] = {
    "asked": {"asked", "unknown", "open", "declined", "paid", "lapsed"},
    "unknown": {"unknown", "open", "declined", "paid", "lapsed"},
    "open": {"open", "paid", "lapsed"},
    "lapsed": {"lapsed", "paid"},
}
FRESH_CHECKOUT: Final = timedelta(minutes=12)
"""One that was made while its purchase was being expired is watched, not asked first."""


class Invariants:
    """Told of each commit. Keeps its own books, so that what the store says can be compared."""

    def __init__(
        self,
        taken: Mapping[str, Taken],
        asked: Mapping[str, Mapping[str, datetime]],
        now: Now,
        fail: Callable[[PromiseBroken], None],
    ) -> None:
        """
        By gateway: `taken`, and `asked`, when we last heard of a payment or a checkout. `now`: the
        clock of the process that commits.
        """
        self.commits = 0
        self._taken = taken
        self._asked = asked
        self._now = now
        self._fail = fail
        self._had: dict[tuple[str, Hashable], Any] = {}
        self._entries: dict[str, Entry] = {}
        self._sums: defaultdict[tuple[Account, Currency], int] = defaultdict(int)
        self._settled: defaultdict[CustomerId, int] = defaultdict(int)

    def heard(self, committed: Committed) -> None:
        self.commits += 1
        tables = committed.tables
        changed = {
            name: [(key, self._had.get((name, key)), self._row(tables, name, key)) for key in keys]
            for name, keys in committed.changed.items()
            if name in _TABLES
        }
        self._check_entries(changed, tables)
        self._check_purchases(changed, tables)
        self._check_checkouts(changed)
        self._check_subscriptions(changed, tables)
        self._check_usage(changed, tables)
        self._check_sessions(changed)
        for name, rows in changed.items():
            for key, _, row in rows:
                self._had[name, key] = row

    def demand(self, promise: bool, law: str, *about: object) -> None:
        if not promise:
            self._fail(PromiseBroken(f"{law}: {', '.join(map(str, about))}"))

    def _row(self, tables: Tables, name: str, key: Hashable) -> Any:
        return getattr(tables, _TABLES[name]).rows.get(key)

    # Money.

    def _check_entries(self, changed: Changed, tables: Tables) -> None:
        for key, had, entry in changed.get("entry", ()):
            self.demand(had is None, "M5 an entry changed or vanished", key)
            sums: defaultdict[Currency, int] = defaultdict(int)
            for posting in entry.postings:
                self.demand(type(posting.amount.amount_minor) is int, "M6 amount", entry)
                sums[posting.amount.currency] += posting.amount.amount_minor
                place = (posting.account, posting.amount.currency)
                self._sums[place] += posting.amount.amount_minor
            self.demand(not any(sums.values()), "M1 an entry does not balance", entry)
            self._entries[key] = entry
            what, _, charged = key.partition(" ")
            gateway, _, charge_id = charged.partition(" ")
            if what == "charge" and gateway in self._taken:
                self._check_charge(entry, self._taken[gateway](charge_id))
        for (account, unit), _, balance in changed.get("balance", ()):
            own = self._sums[account, unit] * natural_sign(account)
            self.demand(balance.amount.amount_minor == own, "M3 balance", account, balance, own)
            self.demand(own >= 0, "M4 below zero", account, own)
            line = tables.lines.rows.get((account, unit, balance.seq))
            self.demand(
                line is not None and line.balance_after == balance.amount, "M3 last line", account
            )

    def _check_charge(self, entry: Entry, taken: Money | None) -> None:
        if taken is None:
            self.demand(False, "M10 booked without success at the provider", entry.id)
            return
        booked = max(posting.amount.amount_minor for posting in entry.postings)
        self.demand(
            entry.postings[1].amount == taken and booked == taken.amount_minor,
            "M9 booked is not what was captured",
            entry,
            taken,
        )

    # Purchases, checkouts and the subscription.

    def _check_purchases(self, changed: Changed, tables: Tables) -> None:
        for key, had, has in changed.get("purchase", ()):
            if had is None:
                at_its_price = has.ware is None or full_price(has) in has.ware.terms.prices
                self.demand(at_its_price, "M19 price", has)
                is_born = has.is_pending or (has.from_wallet and has.status is PurchaseStatus.PAID)
                self.demand(is_born, "E10 born", has)
                continue
            for name in SNAPSHOT:
                self.demand(getattr(had, name) == getattr(has, name), "law 4 snapshot", name, has)
            moves = PURCHASES_MOVE.get(had.status, {had.status})
            self.demand(has.status in moves, "E10 purchase", had.status, has.status, key)
            if has.status is PurchaseStatus.EXPIRED and had.status is PurchaseStatus.PENDING:
                self._check_expiry(has, tables)
        for purchase in newly_paid(changed):
            paying = tables.entries.rows.get(_entry_id("purchase", purchase.id))
            # A deposit stays where the charge has put it.
            self.demand(
                isinstance(purchase.item, Deposit)
                or (paying is not None and paying.postings[-1].amount == purchase.amount),
                "law 9 paid without its entry",
                purchase,
            )

    def _check_expiry(self, purchase: Purchase, tables: Tables) -> None:
        for key in tables.checkouts.keys("purchase", purchase.id):
            checkout = tables.checkouts.rows[key]
            if checkout.is_settling and checkout.asked_at < purchase.expires_at - FRESH_CHECKOUT:
                asked = self._asked[checkout.gateway].get(checkout.payment_id or checkout.id)
                self.demand(
                    asked is not None and asked >= purchase.expires_at - FRESH_CHECKOUT,
                    "law 4 expired before its gateway was asked",
                    purchase.id,
                    checkout.id,
                    asked,
                )

    def _check_checkouts(self, changed: Changed) -> None:
        for key, had, has in changed.get("checkout", ()):
            if had is None:
                continue
            moves = CHECKOUTS_MOVE.get(had.status, {had.status})
            self.demand(has.status in moves, "E10 checkout", had.status, has.status, key)
            kept = had.opened is None or had.opened.payment_id == has.opened.payment_id
            self.demand(kept, "law 5 a checkout changed its payment", had, has)

    def _check_subscriptions(self, changed: Changed, tables: Tables) -> None:
        paid: defaultdict[CustomerId, list[Purchase]] = defaultdict(list)
        for purchase in newly_paid(changed):
            if purchase.plan is not None:
                paid[purchase.customer_id].append(purchase)
        given_back = {
            has.customer_id
            for _, had, has in changed.get("purchase", ())
            if had is not None and has.refunded != had.refunded
        }
        gifts, left = gifted(changed, tables), gone(changed)
        for key, had, has in changed.get("subscription", ()):
            bought = paid.pop(key, [])
            if had is None:
                self.demand(has.period is None and not bought, "E1 born with a period", has)
            elif key in gifts:
                self.demand(not bought, "E1 given and bought at once", had, has)
            elif not bought:
                ended = had.period is not None and had.period.end <= self._now()
                if has.trialed_at != had.trialed_at:
                    is_first = had.trialed_at is None and had.at(has.trialed_at).period is None
                    self.demand(is_first and has.is_trial, "E9 another trial", had, has)
                    continue
                if key in given_back:
                    is_less = has.period is None or has.period.end <= had.period.end
                    self.demand(is_less, "E7 given back and not shortened", had, has)
                    continue
                self.demand(
                    had.period == has.period or ((ended or key in left) and has.period is None),
                    "E1 a period changed and nobody paid",
                    had,
                    has,
                )
            else:
                self._settled[key] += len(bought)
                if len(bought) == 1:  # Else several that waited were paid at once, each in turn.
                    self._check_extension(had, has, bought[0], tables)
        self.demand(not paid, "E3 paid and nothing given", paid)

    def _check_extension(
        self, had: Subscription, has: Subscription, bought: Purchase, tables: Tables
    ) -> None:
        at = bought.ended_at
        assert at is not None
        running = had.at(at).period  # Past its end too, as long as it may yet be renewed.
        period = has.period
        if period is None:
            self.demand(False, "E1 paid and not covered", bought)
            return
        assert bought.plan is not None
        agreed = bought.plan.terms.period
        assert agreed is not None
        count = agreed.count
        rest = tables.entries.rows.get(_entry_id("rest", bought.id))
        if running is not None and _is_extended(running, bought, at):
            begins, paid = running.start, bought.amount
            if not running.is_free:
                paid += running.paid
            else:  # What is paid for begins where the trial ends.
                begins = running.end
                self.demand(period.count == count, "E3 count after a trial", period, running)
            self.demand(period.start == begins, "E3 the start moved", period)
            self.demand(rest is None, "E8 a rest of the same plan", rest)
            self.demand(period.paid == paid, "E3 paid", period)
            if running.plan.terms.period == agreed and not running.is_free:
                self.demand(period.count == running.count + count, "E3 count", period, running)
        else:
            self.demand(period.start == at and period.count == count, "E3 starts now", period)
            self.demand(period.paid == bought.amount, "E3 paid", period)
            returned = 0 if rest is None else -rest.postings[0].amount.amount_minor
            owed = 0 if running is None else rest_of(running, at)
            self.demand(returned == owed, "E8 the rest of the former plan", returned, owed)
        self.demand(period.end == end_by_calendar(period), "R5 end", period)

    # Sessions.

    def _check_sessions(self, changed: Changed) -> None:
        for key, had, has in changed.get("session", ()):
            if has is None:
                self.demand(had.expires_at <= self._now(), "S4 forgotten too early", key)
                continue
            if had is None:
                self.demand(has.turn == 1 and has.revoked_at is None, "S1 born", has)
                continue
            if had.revoked_at is not None:
                same = had.revoked_at == has.revoked_at and had.turn == has.turn
                self.demand(same, "S1 a revoked session lives again", key, had, has)
            self.demand(has.turn - had.turn in {0, 1}, "S2 turns were skipped", key, had, has)
            for name in (
                *("customer_id", "created_at", "expires_at"),
                *("may_pay", "in_telegram", "proof"),
            ):
                self.demand(getattr(had, name) == getattr(has, name), "S1 another session", key)

    # Usage.

    def _check_usage(self, changed: Changed, tables: Tables) -> None:
        units: defaultdict[tuple[str, str], int] = defaultdict(int)
        for key, had, receipt in changed.get("receipt", ()):
            if receipt is None:
                self.demand(had.expires_at <= self._now(), "Q3 forgotten too early", key)
                continue
            self.demand(had is None, "Q3 a receipt changed", had, receipt)
            decision = receipt.decision
            if decision.allowed:
                units[receipt.customer_id, receipt.feature] += receipt.units
                fits = decision.limit is None or decision.used <= decision.limit
                has_packs = decision.packs is not None  # Their units are not of the window.
                self.demand(fits or has_packs, "Q1 more than the limit", receipt)
        returned = self._check_holds(changed)
        given_by_packs = given(changed, tables)
        counted: defaultdict[tuple[str, str], int] = defaultdict(int)
        for key, had, used in changed.get("counter", ()):
            if key == key.of_packs:
                self.demand(used >= 0, "Q1 more than packs gave", key, used)
                taken = (had or 0) - used + given_by_packs.pop(key, 0) + returned.pop(key, 0)
                counted[key.customer_id, key.feature] += taken
                continue
            counted[key.customer_id, key.feature] += used - (had or 0) + returned.pop(key, 0)
            told = highest_told(changed, key.customer_id, key.feature)
            self.demand(not used or told in {None, used}, "Q2 told otherwise", key, used, told)
        counted_all = {place: used for place, used in counted.items() if used}
        self.demand(counted_all == dict(units), "Q2 allowed is not what was used", units, counted)
        self.demand(not any(returned.values()), "Q6 given back to no counter", returned)
        self.demand(not given_by_packs, "Q2 bought and not given", given_by_packs)

    def _check_holds(self, changed: Changed) -> dict[UsageKey, int]:
        """How many units go back to which counter."""
        returned: defaultdict[UsageKey, int] = defaultdict(int)
        receipts = [has for _, _, has in changed.get("receipt", ()) if has is not None]
        told = {it.decision.hold.id: it for it in receipts if it.decision.hold is not None}
        for key, had, has in changed.get("usage_hold", ()):
            if has is None:
                is_old = had.due_at is None and had.resets_at + RECEIPT_LIFE <= self._now()
                self.demand(is_old, "Q3 a hold forgotten too early", had)
            elif had is None:
                receipt = told.pop(key, None)
                as_told = receipt is not None and (
                    (has.key.customer_id, has.key.feature, has.units, has.ticket)
                    == (receipt.customer_id, receipt.feature, receipt.units, receipt.decision.hold)
                )
                self.demand(as_told, "Q2 held otherwise than told", has, receipt)
                self.demand(has.status is HoldStatus.OPEN, "Q4 born ended", has)
            else:
                self._check_ending(had, has)
                returned[has.key] += has.units - has.captured - has.returned_to_packs
                returned[has.key.of_packs] += has.returned_to_packs
        self.demand(not told, "Q2 told and not held", told)
        return returned

    def _check_ending(self, had: UsageHold, has: UsageHold) -> None:
        self.demand(had.status is HoldStatus.OPEN, "Q4 a hold ended twice", had, has)
        for name in ("id", "key", "units", "of_packs", "expires_at", "resets_at"):
            self.demand(getattr(had, name) == getattr(has, name), "Q4 a hold changed", name, has)
        ended_at = has.ended_at or had.held_at
        is_late = has.expires_at <= ended_at <= self._now()
        self.demand((has.status is HoldStatus.EXPIRED) == is_late, "Q4 ended out of its time", has)
        captured = range(1, has.units + 1) if has.status is HoldStatus.CAPTURED else (0,)
        self.demand(has.captured in captured, "Q6 captured", has)


_TABLES: Final = {
    "entry": "entries",
    "balance": "balances",
    "purchase": "purchases",
    "checkout": "checkouts",
    "subscription": "subscriptions",
    "receipt": "receipts",
    "counter": "counters",
    "usage_hold": "holds",
    "session": "sessions",
    "redemption": "redemptions",
    "customer": "customers",
}


def _entry_id(kind: str, of: str) -> Any:
    return f"{kind} {of}"


def _is_extended(running: PaidPeriod, bought: Purchase, at: datetime) -> bool:
    """The same plan in the same currency goes on, unless that would be over all the same."""
    assert bought.plan is not None
    agreed = bought.plan.terms.period
    assert agreed is not None
    is_same = running.is_free or running.paid.currency == bought.amount.currency
    until = Anchor(running.end, running.anchor.zone).after(agreed.count, agreed.unit)
    return running.plan.code == bought.plan.code and is_same and until > at


def final_problems(
    invariants: Invariants, tables: Tables, provider: Provider, bank: Bank
) -> list[str]:
    """What is wrong when all faults are over and three days have passed; empty when all is well."""
    found: list[str] = []

    def demand(promise: bool, law: str, *about: object) -> None:
        if not promise:
            found.append(f"{law}: {', '.join(map(str, about))}")

    cases = {(case.kind, case.cause) for case in tables.cases.rows.values()}
    demand(
        dict(tables.entries.rows) == invariants._entries, "M5 the books are not what was written"
    )
    total = sum(invariants._sums.values())
    demand(total == 0, "M2 all accounts", total)
    captured = provider.captured()
    sums = invariants._sums
    cleared = -sum(minor for (account, _), minor in sums.items() if account == f"clearing:{NAME}")
    taken = sum(money_of(body).amount_minor for body in captured)
    demand(cleared == taken, "M15 clearing is not what the provider took", cleared, taken)
    for body in captured:
        _check_payment(body, tables, cases, demand)
    for purchase in tables.purchases.rows.values():
        demand(not purchase.is_pending, "E2 stranded", purchase)
    for hold in tables.holds.rows.values():
        demand(hold.status is not HoldStatus.OPEN, "Q4 a hold is open past its end", hold)
    for checkout in tables.checkouts.rows.values():
        demand(not checkout.is_settling, "law 6 never ended", checkout)
    _check_work(tables, provider, bank, demand)
    paid = defaultdict(int, dict.fromkeys(tables.customers.rows, 0))
    for purchase in tables.purchases.rows.values():
        is_paid = purchase.status in {PurchaseStatus.PAID, PurchaseStatus.REFUNDED}
        paid[purchase.customer_id] += is_paid and purchase.plan is not None
    demand(
        all(invariants._settled[key] == count for key, count in paid.items()),
        "E3 periods are not as many as settled purchases",
        dict(paid),
    )
    return found


def _check_work(
    tables: Tables, provider: Provider, bank: Bank, demand: Callable[..., None]
) -> None:
    """Nothing waits. What was given up on claimed money that never was, and a person was told."""
    for item in tables.inbox.rows.values():
        body = provider.payment(item.notice.payment_id or "") or {}
        as_said = item.notice.event == f"payment.{body.get('status')}"
        if item.notice.gateway == BANK:
            as_said = is_true(bank, item.notice)
        is_handled = item.status is InboxStatus.DONE or (
            item.status is InboxStatus.FAILED and not as_said
        )
        demand(is_handled, "W3 a notice was never handled", item)
    for kept in tables.jobs.rows.values():
        demand(kept.status is JobStatus.PARKED, "W3 a job was never done", kept)


def _check_payment(
    body: dict[str, Any],
    tables: Tables,
    cases: set[tuple[CaseKind, str]],
    demand: Callable[..., None],
) -> None:
    """What was paid at the provider is settled, in the wallet with a word, or in suspense."""
    cause = f"charge {NAME} {body['id']}"
    entry = tables.entries.rows.get(_entry_id("charge", f"{NAME} {body['id']}"))
    if entry is None:
        demand(False, "E2 paid and not booked", body)
        return
    credited = entry.postings[1].account
    if "metadata" not in body:
        demand(not is_of_a_customer(credited), "M16 whose?", entry)
        demand((CaseKind.SUSPENSE, cause) in cases, "M16 suspense without a case", entry)
        return
    owner = body["metadata"]["customer_id"]
    demand(credited == f"cash:{owner}", "law 3 somebody else's money", entry, owner)
    purchase = tables.purchases.rows[body["metadata"]["purchase_id"]]
    checkout = tables.checkouts.rows[body["metadata"]["checkout_id"]]
    demand(checkout.status is CheckoutStatus.PAID, "W6 paid and its checkout is not", checkout)
    if money_of(body) != purchase.amount:
        demand((CaseKind.MISMATCH, cause) in cases, "law 4 a mismatch without a case", body)
    else:
        settled = purchase.status is PurchaseStatus.PAID or purchase.remark is not None
        demand(settled, "E2 paid, and neither settled nor told", purchase, body)
