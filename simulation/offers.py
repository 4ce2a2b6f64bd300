"""
What must hold of promo codes, what they and packs give, and of broadcasts, after every commit and
at the end: P promo codes and packs, B broadcasts. Uses, prices and units are reckoned here anew.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from typing import Any, Final

from adapters.persistence.memory import Committed
from adapters.persistence.memory.tables import Tables
from core.domain import ledger
from core.domain.broadcast import (
    Broadcast,
    BroadcastId,
    BroadcastStatus,
    Recipient,
    RecipientStatus,
)
from core.domain.customer import Customer, CustomerId
from core.domain.item import PackItem
from core.domain.promo_code import (
    WRONG_MAX,
    DaysOf,
    Discount,
    PercentOff,
    PromoCode,
    Redemption,
    UnitsOf,
)
from core.domain.purchase import PAID, Purchase, PurchaseStatus
from core.domain.subscription import Subscription
from core.domain.usage_quota import HoldStatus
from core.ports.unit_of_work import Now
from simulation.changes import purchases_of
from simulation.network import PromiseBroken
from simulation.wall_calendar import days_later

RECIPIENTS_MOVE: Final[dict[str | None, set[str]]] = {
    None: {"taken", "waiting", "passed_over"},
    "waiting": {"taken", "waiting", "passed_over"},
    "taken": {"sent", "unreachable", "failed", "waiting"},
}
BROADCASTS_MOVE: Final[dict[str, set[str]]] = {
    "draft": {"draft", "running", "stopped"},
    "running": {"running", "paused", "stopped", "done"},
    "paused": {"paused", "running", "stopped"},
}
OUTCOMES: Final = (RecipientStatus.SENT, RecipientStatus.UNREACHABLE, RecipientStatus.FAILED)
PUT_FORWARD: Final = {RecipientStatus.TAKEN, *OUTCOMES}
MAYBE_SENT: Final = PUT_FORWARD - {RecipientStatus.UNREACHABLE}

_TABLES: Final = {
    "promo_code": "promo_codes",
    "redemption": "redemptions",
    "wrong_codes": "wrong_codes",
    "purchase": "purchases",
    "subscription": "subscriptions",
    "customer": "customers",
    "receipt": "receipts",
    "usage_hold": "holds",
    "broadcast": "broadcasts",
    "broadcast_recipient": "recipients",
}

Place = tuple[CustomerId, str]


class OfferInvariants:
    """Told of each commit, as `Invariants` is."""

    def __init__(
        self,
        mailed: Mapping[tuple[CustomerId, str], int],
        now: Now,
        theirs: Now,
        fail: Callable[[PromiseBroken], None],
    ) -> None:
        """
        `mailed`: how often whom a message of many reached, by what it says. `theirs`: the clock of
        the process that commits.
        """
        self.drawn: Final[Counter[Place]] = Counter()
        """Units that were used or are held, by whom and of what."""
        self.came_at: Final[dict[CustomerId, datetime]] = {}
        self.started_at: Final[dict[BroadcastId, datetime]] = {}
        self.ever_declined: Final[set[CustomerId]] = set()
        self._mailed = mailed
        self._now = now
        self._theirs = theirs
        self._fail = fail
        self._had: dict[tuple[str, Hashable], Any] = {}
        self._uses: Counter[str] = Counter()
        self._bought: Counter[Place] = Counter()
        self._declined_at: dict[CustomerId, datetime] = {}
        self._is_asked_for = False
        """Whether this commit claims a cause: somebody asked for what it does."""

    def demand(self, promise: bool, law: str, *about: object) -> None:
        if not promise:
            self._fail(PromiseBroken(f"{law}: {', '.join(map(str, about))}"))

    def heard(self, committed: Committed) -> None:
        tables = committed.tables
        checks: dict[str, Callable[[Any, Any, Tables], None]] = {
            "customer": self._note_wish,
            "redemption": self._check_redemption,
            "promo_code": self._check_code,
            "purchase": self._check_purchase,
            "receipt": self._count_receipt,
            "usage_hold": self._count_hold,
            "broadcast": self._check_broadcast,
            "broadcast_recipient": self._check_recipient,
        }
        rows = {
            name: [(key, self._had.get((name, key)), self._row(tables, name, key)) for key in keys]
            for name, keys in committed.changed.items()
            if name in _TABLES
        }
        self._is_asked_for = "claim" in committed.changed
        for name, check in checks.items():
            for _, had, has in rows.get(name, ()):
                check(had, has, tables)
        for _, _, wrong in rows.get("wrong_codes", ()):
            self.demand(wrong.count <= WRONG_MAX, "P9 more guesses than may be made", wrong)
        self._check_gifts(rows, tables)
        self._check_uses(rows, tables)
        for name, changes in rows.items():
            for key, _, has in changes:
                self._had[name, key] = has
        if {"broadcast", "broadcast_recipient"} & rows.keys():
            self.check_letters(tables)

    def _row(self, tables: Tables, name: str, key: Hashable) -> Any:
        return getattr(tables, _TABLES[name]).rows.get(key)

    # Promo codes.

    def _check_code(self, had: PromoCode | None, has: PromoCode, _: Tables) -> None:
        within = has.limit is None or has.used <= has.limit
        self.demand(within, "P1 used by more customers than it is for", has)
        if had is None:
            self.demand(has.used == 0, "P1 born used", has)
            return
        for name in ("name", "gives", "created_at", "limit", "until", "only_new"):
            self.demand(getattr(had, name) == getattr(has, name), "P1 a code changed", had, has)
        if had.stopped_at is not None:
            same = (had.stopped_at, had.used) == (has.stopped_at, has.used)
            self.demand(same, "P1 used after it was stopped", had, has)

    def _check_uses(self, rows: Mapping[str, list[Any]], tables: Tables) -> None:
        codes = {key for key, _, _ in rows.get("promo_code", ())}
        for name in codes | {has.code for _, _, has in rows.get("redemption", ())}:
            code = tables.promo_codes.rows[name]
            self.demand(
                code.used == self._uses[name], "P1 uses and customers differ", code, self._uses
            )

    def _check_redemption(self, had: Redemption | None, has: Redemption, tables: Tables) -> None:
        who, code = has.customer_id, tables.promo_codes.rows[has.code]
        if had is not None:
            kept = (had.code, had.at, had.discount) == (has.code, has.at, has.discount)
            self.demand(kept, "P2 a redemption changed", had, has)
            self.demand(had.purchase_id is None, "P3 a discount was used twice", had, has)
            return
        self._uses[has.code] += 1
        self.demand(code.is_open(has.at), "P2 used when it was over", code, has)
        self.demand(tables.customers.rows[who].is_served, "P2 used by who is not served", has)
        discount = None
        if isinstance(code.gives, PercentOff):
            discount = Discount(code.name, code.gives.percent, code.gives.plans)
        self.demand(has.discount == discount, "P2 another discount than the code's", has, code)
        self.demand(has.purchase_id is None, "P2 born used up", has)
        if code.only_new:
            paid = [one for one in purchases_of(tables, who) if one.status in PAID]
            self.demand(not paid, "P2 for who never paid, and used by one who did", has, paid)
        wrong = tables.wrong_codes.rows.get(who)
        pause = None if wrong is None else wrong.over_at(has.at)
        self.demand(pause is None, "P9 taken from a guesser in the pause", has, wrong)

    def _check_gifts(self, rows: Mapping[str, list[Any]], tables: Tables) -> None:
        """Days follow the end of the same plan, or begin now; nobody pays, and nothing else moves."""
        changed = {key: (had, has) for key, had, has in rows.get("subscription", ())}
        for _, before, used in rows.get("redemption", ()):
            gives = tables.promo_codes.rows[used.code].gives
            if before is not None or not isinstance(gives, DaysOf):
                continue
            had, has = changed.get(used.customer_id, (None, None))
            if had is None or has is None or has.period is None:
                self.demand(False, "P8 days were not given", used)
                return
            self._check_days(had, has, used, gives, tables)

    def _check_days(
        self,
        had: Subscription,
        has: Subscription,
        used: Redemption,
        gives: DaysOf,
        tables: Tables,
    ) -> None:
        running, period = had.at(used.at).period, has.period
        assert period is not None
        self.demand(period.plan.code == gives.plan, "P8 days of another plan", has, gives)
        if running is not None:
            self.demand(running.plan.code == gives.plan, "P8 another plan ran", had, gives)
            end = days_later(running.end, gives.days, running.anchor.zone)
            if end > used.at:
                moved = (period.start, period.end, period.paid, period.count)
                due = (running.start, end, running.paid, running.count)
                self.demand(moved == due, "P8 days do not follow the end", had, has)
                return
        end = days_later(used.at, gives.days, tables.customers.rows[used.customer_id].zone)
        begun = (period.start, period.end, period.is_free)
        self.demand(begun == (used.at, end, True), "P8 days do not begin now", has, end)

    # Discounts.

    def _check_purchase(self, had: Purchase | None, has: Purchase, tables: Tables) -> None:
        reduction, who = has.reduction, has.customer_id
        used = None if reduction is None else tables.redemptions.rows.get((who, reduction.code))
        if had is None and reduction is None:
            if self._is_asked_for:  # What renews by itself costs what it always does.
                self._check_full_price(has, tables)
        elif had is None:
            self._check_reduction(has, used)
        is_paid_now = has.status is PurchaseStatus.PAID and (had is None or had.status not in PAID)
        if reduction is None or not is_paid_now:
            return
        by_it = used is not None and used.purchase_id == has.id
        self.demand(by_it, "P3 paid at the lower price, and the discount is not used up", has, used)
        self._bought[who, reduction.code] += 1
        once = self._bought[who, reduction.code] == 1
        self.demand(once, "P3 one discount, two purchases", has, used)
        payable = [one for one in purchases_of(tables, who) if one.is_pending and one.reduction]
        self.demand(not payable, "P6 another can still be paid at the lower price", has, payable)

    def _check_full_price(self, has: Purchase, tables: Tables) -> None:
        waiting = list(tables.redemptions.keys("waiting", has.customer_id))
        discount = tables.redemptions.rows[waiting[0]].discount if waiting else None
        if has.plan is not None and discount is not None:
            fits = not discount.plans or has.plan.code in discount.plans
            self.demand(not fits, "P5 a discount was forgotten", has, discount)

    def _check_reduction(self, has: Purchase, used: Redemption | None) -> None:
        assert has.reduction is not None
        discount = None if used is None else used.discount
        if used is None or discount is None or has.plan is None:
            self.demand(False, "P4 a lower price, and by what?", has, used)
            return
        is_there = used.purchase_id in {None, has.id}
        self.demand(is_there, "P4 agreed by a discount that was gone", has, used)
        fits = not discount.plans or has.plan.code in discount.plans
        self.demand(fits, "P4 a discount off another plan", has, used)
        full = has.reduction.full.amount_minor
        left = full - full * discount.percent // 100
        self.demand(0 < left < full, "P4 nothing, or nothing less", has)
        self.demand(has.amount.amount_minor == left, "P4 not what the discount leaves", has, left)

    # Units.

    def _count_receipt(self, had: Any, has: Any, _: Tables) -> None:
        if had is None and has.decision.allowed:
            self.drawn[has.customer_id, has.feature] += has.units

    def _count_hold(self, had: Any, has: Any, _: Tables) -> None:
        if had is not None and has is not None and had.status is HoldStatus.OPEN:
            self.drawn[has.key.customer_id, has.key.feature] -= has.units - has.captured

    # Broadcasts.

    def _note_wish(self, had: Customer | None, has: Customer, _: Tables) -> None:
        """Whether, and since when, this one is to be sent none."""
        if had is None:
            self.came_at[has.id] = self._now()
        is_there = has.telegram_id is not None and has.unreachable_since is None
        if is_there and has.is_served and has.takes_broadcasts:
            self._declined_at.pop(has.id, None)
        else:
            self._declined_at.setdefault(has.id, self._now())
            self.ever_declined.add(has.id)

    def _check_broadcast(self, had: Broadcast | None, has: Broadcast, _: Tables) -> None:
        before = "draft" if had is None else had.status
        moves = BROADCASTS_MOVE.get(before, {before})
        self.demand(has.status in moves, "B4 a broadcast moved backwards", had, has)
        if has.started_at is not None:
            self.started_at.setdefault(has.id, self._now())

    def _check_recipient(self, had: Recipient | None, has: Recipient, tables: Tables) -> None:
        before = None if had is None else had.status
        moves = RECIPIENTS_MOVE.get(before, set())
        self.demand(has.status in moves, "B1 put forward again", had, has)
        if has.status is not RecipientStatus.TAKEN:
            return
        status = tables.broadcasts.rows[has.broadcast_id].status
        self.demand(status is BroadcastStatus.RUNNING, "B4 sent though it does not run", has)
        decided_at = has.at - (self._theirs() - self._now())
        declined_at = self._declined_at.get(has.customer_id)
        in_time = declined_at is None or decided_at <= declined_at
        self.demand(in_time, "B2 sent to who takes none", has, decided_at, declined_at)

    def check_letters(self, tables: Tables) -> None:
        """What arrived, what the rows say, and what their broadcasts count are the same."""
        for id_, broadcast in tables.broadcasts.rows.items():
            rows = [tables.recipients.rows[key] for key in tables.recipients.keys("broadcast", id_)]
            counts = Counter(one.status for one in rows)
            said = (broadcast.taken, broadcast.sent, broadcast.unreachable, broadcast.failed)
            found = (
                sum(counts[one] for one in PUT_FORWARD),
                *(counts[one] for one in OUTCOMES),
            )
            self.demand(said == found, "B5 progress is not what the rows say", broadcast, counts)
            self._check_arrived(broadcast, {one.customer_id: one.status for one in rows})

    def _check_arrived(
        self, broadcast: Broadcast, rows: Mapping[CustomerId, RecipientStatus]
    ) -> None:
        arrived: defaultdict[CustomerId, int] = defaultdict(int)
        for (who, text), times in self._mailed.items():
            arrived[who] += times * (text in broadcast.draft.texts.values())
        for who, times in arrived.items():
            self.demand(times <= 1, "B1 one broadcast reached somebody twice", broadcast, who)
            noted = not times or rows.get(who) in MAYBE_SENT
            self.demand(noted, "B3 sent before it was taken", broadcast, who, rows.get(who))
        for who, status in rows.items():
            is_true = status is not RecipientStatus.SENT or arrived[who] == 1
            self.demand(is_true, "B6 said to be sent and was not", broadcast, who)


def lost_its_discount(purchase: Purchase, tables: Tables) -> bool:
    """Whether it was agreed at a price that another purchase was paid at since."""
    if purchase.reduction is None:
        return False
    used = tables.redemptions.rows[purchase.customer_id, purchase.reduction.code]
    return used.purchase_id not in {None, purchase.id}


def offer_problems(invariants: OfferInvariants, tables: Tables) -> list[str]:
    """What is wrong when all is quiet; empty when all is well."""
    invariants.check_letters(tables)
    return [
        *_units_astray(invariants, tables),
        *_money_astray(tables),
        *_letters_astray(invariants, tables),
    ]


def _units_astray(invariants: OfferInvariants, tables: Tables) -> list[str]:
    """What was given is used, held, left, or was taken back."""
    given: Counter[Place] = Counter()
    for purchase in tables.purchases.rows.values():
        if isinstance(purchase.item, PackItem) and purchase.status in PAID:
            terms = purchase.item.terms
            given[purchase.customer_id, terms.feature] += terms.units
    for used in tables.redemptions.rows.values():
        gives = tables.promo_codes.rows[used.code].gives
        if isinstance(gives, UnitsOf):
            given[used.customer_id, gives.feature] += gives.units
    left, beside = Counter[Place](), Counter[Place]()
    for key, units in tables.counters.rows.items():
        which = left if key == key.of_packs else beside
        which[key.customer_id, key.feature] += units
    back: Counter[Place] = Counter()
    for event in tables.events.rows.values():
        if event.name == "units.taken_back" and event.customer_id is not None:
            back[event.customer_id, str(event.facts["feature"])] += int(event.facts["units"])
    return [
        f"P7 given is not used, held, left and taken back: {place} {given[place]}"
        for place in {*given, *left}
        if given[place] != invariants.drawn[place] - beside[place] + left[place] + back[place]
    ]


def _money_astray(tables: Tables) -> list[str]:
    """What came for an order that had lost its discount is the customer's, who knows of it."""
    told = {
        str(one.facts.get("entry_id"))
        for one in tables.events.rows.values()
        if one.name == "payment.left_in_wallet"
    }
    found = []
    for charge in tables.charges.rows.values():
        if charge.purchase_id is None or charge.settled:
            continue
        purchase = tables.purchases.rows[charge.purchase_id]
        if not lost_its_discount(purchase, tables):
            continue
        entry_id = f"charge {charge.key.gateway} {charge.key.charge_id}"
        credited = tables.entries.rows[entry_id].postings[1]  # type: ignore[index]
        is_theirs = credited.account == ledger.cash(purchase.customer_id)
        if not (is_theirs and credited.amount == charge.amount and entry_id in told):
            found.append(f"P10 money without a discount is nowhere: {charge} {purchase}")
    return found


def _letters_astray(invariants: OfferInvariants, tables: Tables) -> list[str]:
    """A broadcast ends, and has then come to everybody who was there and never declined."""
    found = []
    for id_, broadcast in tables.broadcasts.rows.items():
        if broadcast.status is BroadcastStatus.RUNNING:
            found.append(f"B7 a broadcast never ended: {broadcast}")
        if broadcast.status is not BroadcastStatus.DONE:
            continue
        began, began_at = invariants.started_at[id_], broadcast.started_at
        assert began_at is not None
        for who, customer in tables.customers.rows.items():
            was_there = customer.created_at <= began_at and invariants.came_at[who] < began
            language = broadcast.draft.segment.language
            is_meant = language in {None, customer.language} and was_there
            is_meant &= who not in invariants.ever_declined
            if is_meant and (id_, who) not in tables.recipients.rows:
                found.append(f"B8 passed by: {broadcast} {customer}")
    return found
