"""
What must hold of referrals and renewals, after every commit and at the end: F referral, R renewal.
Rewards are reckoned here anew, from what was paid and what went back.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.persistence.memory import Committed
from adapters.persistence.memory.tables import Tables
from core.domain import ledger
from core.domain.charge import Charge
from core.domain.customer import CustomerId
from core.domain.event import Event
from core.domain.item import Deposit, Ware
from core.domain.purchase import PAID, Purchase, PurchaseId
from core.domain.referral_program import Door, Referral, Reward, RewardStatus
from core.domain.subscription import Subscription
from simulation.changes import purchases_of
from simulation.network import PromiseBroken
from simulation.offers import lost_its_discount

TRIES_MAX: Final = 3
"""Of the simulated shop, for one period."""
TRIES_A_DAY_MAX: Final = 3
"""Of one subscription, whatever happens."""
NEARLY_A_DAY: Final = timedelta(hours=23)
AT_ONCE: Final = timedelta(seconds=10)
WHOLE: Final = 10_000


class GrowthInvariants:
    """Told of each commit, as `Invariants` is."""

    def __init__(
        self, fail: Callable[[PromiseBroken], None], *, tries_max: int = TRIES_MAX
    ) -> None:
        self._fail = fail
        self._tries_max = tries_max
        self._had: dict[tuple[str, Hashable], Any] = {}
        self._given: Counter[str] = Counter()
        """By purchase, what `rewards` gave for it."""
        self._tries: defaultdict[tuple[str, str], list[datetime]] = defaultdict(list)
        self._begun: defaultdict[CustomerId, list[datetime]] = defaultdict(list)
        self._orders: dict[PurchaseId, CustomerId] = {}
        self._charged: Counter[PurchaseId] = Counter()
        self._paid: set[PurchaseId] = set()
        """Before this commit."""

    def demand(self, promise: bool, law: str, *about: object) -> None:
        if not promise:
            self._fail(PromiseBroken(f"{law}: {', '.join(map(str, about))}"))

    def heard(self, committed: Committed) -> None:
        tables, changed = committed.tables, committed.changed
        for key in changed.get("event", ()):
            self._check_event(tables.events.rows[key])  # type: ignore[index]
        for key in changed.get("entry", ()):
            self._count_entry(str(key), tables)
        for key in changed.get("referral", ()):
            referral = tables.referrals.rows[key]  # type: ignore[index]
            self._check_referral(self._had.get(("referral", key)), referral, tables)
            self._had["referral", key] = referral
        for key in changed.get("reward", ()):
            reward = tables.rewards.rows[key]  # type: ignore[index]
            self._check_reward(self._had.get(("reward", key)), reward, tables)
            self._had["reward", key] = reward
        for key in changed.get("subscription", ()):
            subscription = tables.subscriptions.rows[key]  # type: ignore[index]
            self._check_subscription(self._had.get(("subscription", key)), subscription)
            self._had["subscription", key] = subscription
        for key in changed.get("charge", ()):
            if ("charge", key) not in self._had:
                self._had["charge", key] = True
                self._check_charge(tables.charges.rows[key], tables)  # type: ignore[index]
        for key in changed.get("checkout", ()):
            checkout = tables.checkouts.rows[key]  # type: ignore[index]
            if checkout.is_charge and ("checkout", key) not in self._had:
                self._check_bound(checkout.customer_id, checkout.asked_at)
            self._had["checkout", key] = checkout
        for key in changed.get("purchase", ()):
            purchase = tables.purchases.rows[key]  # type: ignore[index]
            # Nobody asked for it, and it was paid at once: a renewal from the wallet.
            is_born = ("purchase", key) not in self._had and "claim" not in changed
            if is_born and purchase.from_wallet and purchase.ended_at is not None:
                self._check_bound(purchase.customer_id, purchase.ended_at)
            self._had["purchase", key] = purchase
            if purchase.status in PAID:
                self._paid.add(purchase.id)

    # Referrals.

    def _check_referral(self, had: Referral | None, has: Referral, tables: Tables) -> None:
        customers = tables.customers.rows
        customer, referrer = customers[has.customer_id], customers[has.referrer_id]
        older = (referrer.created_at, referrer.id) < (customer.created_at, customer.id)
        self.demand(older, "F2 brought by somebody who is not older", has)
        if had is not None:
            same = (had.referrer_id, had.door, had.at) == (has.referrer_id, has.door, has.at)
            self.demand(same, "F3 another referrer", had, has)
            forward = ["registered", "activated", "earning"]
            moved = forward.index(has.status) - forward.index(had.status)
            self.demand(moved > 0, "F3 a referral went backwards", had, has)
        elif has.door is not Door.OPERATOR:
            bought = [one for one in purchases_of(tables, has.customer_id) if one.status in PAID]
            self.demand(not bought, "F6 brought after the first purchase", has, bought)

    def _count_entry(self, entry_id: str, tables: Tables) -> None:
        entry = tables.entries.rows[entry_id]  # type: ignore[index]
        for posting in entry.postings:
            if posting.account == ledger.REWARDS:
                self._given[entry.purchase_id or ""] -= posting.amount.amount_minor

    def _check_reward(self, had: Reward | None, has: Reward, tables: Tables) -> None:
        purchase = tables.purchases.rows[has.purchase_id]
        referral = tables.referrals.rows.get(has.customer_id)
        self.demand(
            referral is not None and referral.referrer_id == has.referrer_id,
            "F1 a reward for somebody else",
            has,
            referral,
        )
        self.demand(
            self._given[has.purchase_id] == has.left.amount_minor,
            "F1 what was given is not what stands",
            has,
            self._given[has.purchase_id],
        )
        if had is None:
            self._check_decision(has, purchase, tables)
            return
        fixed = ("customer_id", "referrer_id", "base", "count", "basis_points", "amount", "at")
        same = all(getattr(had, name) == getattr(has, name) for name in fixed)
        self.demand(same, "F1 decided anew", had, has)
        self.demand(had.taken_back <= has.taken_back, "F4 given again", had, has)

    def _check_decision(self, has: Reward, purchase: Purchase, tables: Tables) -> None:
        is_paid = purchase.status in PAID and not purchase.from_wallet
        self.demand(is_paid, "F4 a reward before the money", has, purchase)
        is_settled = purchase.id in self._paid
        self.demand(is_settled, "F4 rewarded in the unit that settles", has, purchase)
        if has.status is RewardStatus.NONE:
            return
        share = has.base.amount_minor * has.basis_points // WHOLE
        self.demand(has.amount.amount_minor <= share, "F5 more than the percentage", has)
        standing = {
            one.customer_id for one in _rewards(tables, has.referrer_id) if one.left.amount_minor
        }
        terms = next(reversed(tables.catalogs.rows.values())).money.referral
        expected = terms.level(len(standing | {has.customer_id}))
        self.demand(
            (has.count, has.basis_points) == (len(standing), expected.basis_points),
            "F5 another level than that of the referrals who pay",
            has,
            standing,
        )

    # Renewals.

    def _check_subscription(self, had: Subscription | None, has: Subscription) -> None:
        renewal = has.renewal
        if renewal is None or renewal.purchase_id is None:
            return
        former = None if had is None or had.renewal is None else had.renewal.purchase_id
        if renewal.purchase_id != former:
            is_wanted = had is not None and not had.cancel_at_period_end
            self.demand(is_wanted, "R2 renewed without consent", had, has)
            self._orders[renewal.purchase_id] = has.customer_id

    def _check_event(self, event: Event) -> None:
        if event.name not in {"renewal.due", "renewal.failed"}:
            return
        tries = self._tries[event.name, event.subject]
        soon = any(abs(event.at - one) < AT_ONCE for one in tries)
        self.demand(not soon, "R4 one try, twice", event)
        tries.append(event.at)
        self.demand(len(tries) <= self._tries_max, "R3 too many tries", event, tries)

    def _check_bound(self, whose: CustomerId, at: datetime) -> None:
        """The clocks of two processes differ a little."""
        begun = [one for one in self._begun[whose] if abs(at - one) < NEARLY_A_DAY]
        self._begun[whose] = [*begun, at]
        self.demand(len(begun) < TRIES_A_DAY_MAX, "R7 a renewal runs away", whose, begun, at)

    def _check_charge(self, charge: Charge, tables: Tables) -> None:
        self._check_meeting(charge, tables)
        if charge.purchase_id not in self._orders:
            return
        known = tables.checkouts.keys("payment", (charge.key.gateway, charge.payment_id))
        by_us = any(tables.checkouts.rows[key].is_charge for key in known)
        self._charged[charge.purchase_id] += by_us
        self.demand(self._charged[charge.purchase_id] <= 1, "R1 charged twice", charge)

    def _check_meeting(self, charge: Charge, tables: Tables) -> None:
        """The exact price pays for what nobody gave up, however late it comes."""
        purchase = tables.purchases.rows.get(charge.purchase_id or PurchaseId(""))
        if purchase is None or charge.settled or charge.amount != purchase.amount:
            return
        if not isinstance(purchase.item, Ware | Deposit) or purchase.id in self._paid:
            return
        events = tables.events
        names = [events.rows[key].name for key in events.keys("subject", purchase.id)]
        given_up = "purchase.canceled" in names or lost_its_discount(purchase, tables)
        self.demand(given_up, "law 4 a late payment was dropped", charge, purchase)


def growth_problems(tables: Tables, now: Any) -> list[str]:
    """At the end: nothing that was due is missing, and nothing stands that went back."""
    problems = []
    for reward in tables.rewards.rows.values():
        purchase = tables.purchases.rows[reward.purchase_id]
        share = purchase.refundable.amount_minor * reward.basis_points // WHOLE
        if reward.left.amount_minor > share:
            problems.append(f"F4 of a reward more stands than of its purchase: {reward} {purchase}")
        if reward.status is RewardStatus.WAITING and reward.ripe_at + timedelta(hours=1) < now:
            problems.append(f"F4 a reward is ripe and was never paid: {reward}")
    for purchase in tables.purchases.rows.values():
        referral = tables.referrals.rows.get(purchase.customer_id)
        if (
            referral is None
            or purchase.status not in PAID
            or purchase.from_wallet
            or purchase.ware is None
            or purchase.id in tables.rewards.rows
        ):
            continue
        assert purchase.ended_at is not None
        if purchase.ended_at >= referral.at:
            problems.append(f"F1 a purchase earned nothing, and nobody said why: {purchase}")
    return problems


def _rewards(tables: Tables, referrer: CustomerId) -> list[Reward]:
    return [tables.rewards.rows[key] for key in tables.rewards.keys("referrer", referrer)]
