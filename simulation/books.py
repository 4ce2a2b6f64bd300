"""
What must hold of money that moves in every direction, after every commit and at the end: M money,
H what is set aside. The bank's own books are the truth that ours are compared with.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Final

from adapters.persistence.memory import Committed
from adapters.persistence.memory.tables import Tables
from core.domain import ledger
from core.domain.case import CaseKind
from core.domain.charge import Charge, ChargeKey
from core.domain.customer import CustomerId
from core.domain.escrow import Escrow, PartStatus
from core.domain.item import Verification
from core.domain.ledger import Account, Entry, EntryId
from core.domain.money import Currency, Money
from core.domain.payment import Notice, OutgoingStatus, PaymentStatus
from core.domain.payment_method import MethodStatus
from core.domain.purchase import Purchase, PurchaseId
from core.domain.referral_program import RewardStatus
from core.domain.refund import Refund, RefundStatus
from core.domain.withdrawal import Withdrawal, WithdrawalId, WithdrawalStatus
from simulation.bank import BANK, Bank
from simulation.network import NAME, PromiseBroken, Provider

WITHDRAWALS_MOVE: Final[dict[str, set[str]]] = {
    "held": {"requested", "failed"},
    "requested": {"sent", "failed"},
    "sent": {"done", "failed"},
    "done": {"returned"},
}
PARTS_MOVE: Final[dict[str, set[str]]] = {
    "unfunded": {"funded"},
    "funded": {"disputed", "released", "refunded"},
    "disputed": {"released", "refunded"},
}
REFUNDS_MOVE: Final[dict[str, set[str]]] = {"asked": {"done", "failed"}, "failed": {"done"}}
RUB: Final = Money.of(0, "RUB").currency

_TABLES: Final = {
    "charge": "charges",
    "refund": "refunds",
    "withdrawal": "withdrawals",
    "escrow": "escrows",
}


class MoneyInvariants:
    """Told of each commit, as `Invariants` is."""

    def __init__(self, bank: Bank, fail: Callable[[PromiseBroken], None]) -> None:
        self._bank = bank
        self._fail = fail
        self._had: dict[tuple[str, Hashable], Any] = {}
        self._endings: Counter[str] = Counter()
        self._cash_left: Counter[tuple[str, str]] = Counter()
        """Of the cash that paid for purchases, and of that for plans: what is not back yet."""

    def demand(self, promise: bool, law: str, *about: object) -> None:
        if not promise:
            self._fail(PromiseBroken(f"{law}: {', '.join(map(str, about))}"))

    def heard(self, committed: Committed) -> None:
        tables = committed.tables
        checks: dict[str, Callable[[Any, Any, Tables], None]] = {
            "charge": self._check_charge,
            "refund": self._check_refund,
            "withdrawal": self._check_withdrawal,
            "escrow": self._check_escrow,
        }
        for entry_id in committed.changed.get("entry", ()):
            self._check_entry(str(entry_id), tables)
        for name, check in checks.items():
            for key in committed.changed.get(name, ()):
                has = getattr(tables, _TABLES[name]).rows[key]
                check(self._had.get((name, key)), has, tables)
                self._had[name, key] = has
        if {"balance", "reward", *checks} & committed.changed.keys():
            for law, account, expected in _set_aside(tables):
                found = _balance(tables, account)
                self.demand(found == expected, law, account, found, expected)

    def _check_entry(self, entry_id: str, tables: Tables) -> None:
        """A charge in the books is one that the bank has taken, exactly, and is remembered."""
        what, ended, _ = entry_id.partition(" ended")
        self._endings[what] += bool(ended)
        self.demand(self._endings[what] <= 1, "H1 what ends once ended twice", entry_id)
        withdrawn = tables.withdrawals.rows.get(WithdrawalId(entry_id.removeprefix("withdrawal ")))
        if withdrawn is not None:
            owed = _balance(tables, ledger.receivable(withdrawn.customer_id))
            self.demand(not owed, "M12 withdrawn before a debt was repaid", withdrawn, owed)
        self._check_bonus(tables.entries.rows[EntryId(entry_id)], tables)
        kind, _, key = entry_id.partition(f" {BANK} ")
        if kind != "charge":
            return
        taken = self._bank.payments.get(key)
        entry = tables.entries.rows[EntryId(entry_id)]
        if taken is None or taken.paid is None:
            self.demand(False, "M10 booked without success at the bank", entry_id, taken)
            return
        self.demand(entry.postings[1].amount == taken.paid, "M9 booked is not what was taken", key)
        kept = [one.key.charge_id for one in tables.charges.rows.values()]
        self.demand(key in kept, "M7 booked and not remembered", entry_id)

    def _check_bonus(self, entry: Entry, tables: Tables) -> None:
        """It pays for plans, and what comes back of it is bonus again: never cash."""
        moved: Counter[str] = Counter()
        for posting in entry.postings:
            moved[posting.account.partition(":")[0]] += posting.amount.amount_minor
        bought = tables.purchases.rows.get(PurchaseId(entry.purchase_id or ""))
        if moved["bonus"] < 0:
            may = bought is None and entry.purpose in {"adjustment", "reversal"}
            may = may or entry.purpose == "reward"  # What it was for went back.
            may = may or (bought is not None and _may_take_bonus(bought, entry.purpose))
            self.demand(may and moved["cash"] <= 0, "M18 bonus went where it may not", entry)
        if bought is None or bought.ware is None or entry.purpose == "reward":
            return
        if "clearing" in moved or "hold" in moved:
            return
        revenue = next(p.account for p in entry.postings if p.account.startswith("revenue:"))
        pots: dict[str, list[tuple[str, str]]] = {
            "purchase": [("purchase", bought.id), (bought.customer_id, revenue)],
            "refund": [("purchase", bought.id)],
            "rest_of_former_plan": [(bought.customer_id, revenue)],
        }
        for pot in pots[entry.purpose]:
            self._cash_left[pot] -= moved["cash"]
            left = self._cash_left[pot]
            self.demand(left >= 0, "M18 more cash came back than was paid", pot, left, entry)

    def _check_charge(self, had: Charge | None, has: Charge, tables: Tables) -> None:
        entry_id = EntryId(f"charge {has.key.gateway} {has.key.charge_id}")
        self.demand(entry_id in tables.entries.rows, "M7 remembered and not booked", has)
        self.demand(had is None or had.amount == has.amount, "M5 a charge changed", had, has)
        back = sum(
            one.amount.amount_minor
            for one in tables.refunds.rows.values()
            if one.charge == has.key and one.status is not RefundStatus.FAILED
        )
        returning = 0 if has.returning is None else has.returning.amount_minor
        self.demand(0 <= returning <= has.amount.amount_minor, "M11 more back than paid", has)
        known = has.customer_id is None or returning == back
        self.demand(known, "M11 refunds are not what goes back", has, back)

    def _check_refund(self, had: Refund | None, has: Refund, tables: Tables) -> None:
        if had is not None:
            moves = {had.status, *REFUNDS_MOVE.get(had.status, ())}
            self.demand(has.status in moves, "E10 refund", had.status, has.status, has.id)
        if has.gateway != BANK or has.status is not RefundStatus.DONE:
            return
        there = self._bank.refunds.get(has.provider_id or "")
        is_true = there is not None and there.status is OutgoingStatus.DONE
        self.demand(is_true, "M10 a refund that the bank did not make", has, there)
        self.demand(there is None or there.amount == has.amount, "M9 refund", has, there)
        after_all = _any(tables, f"refund {has.id} done after all")
        self.demand(
            after_all or self._endings[f"refund {has.id}"] == 1,
            "M7 a refund without its entry",
            has,
        )

    def _check_withdrawal(self, had: Withdrawal | None, has: Withdrawal, _: Tables) -> None:
        if had is not None:
            moves = {had.status, *WITHDRAWALS_MOVE.get(had.status, ())}
            self.demand(has.status in moves, "H1 withdrawal", had.status, has.status, has.id)
        there = [one for one in self._bank.payouts.values() if one.our_id == has.id]
        left = any(one.status is OutgoingStatus.DONE for one in there)
        ever_left = left or any(one.status is OutgoingStatus.RETURNED for one in there)
        if has.status is WithdrawalStatus.DONE:
            self.demand(ever_left, "M10 done, and the bank sent nothing", has, there)
        if has.status in {WithdrawalStatus.FAILED, WithdrawalStatus.RETURNED}:
            self.demand(not left, "M14 given again, and the money left", has, there)
        endings = self._endings[f"withdrawal {has.id}"]
        self.demand(endings == (not has.is_open), "H1 withdrawal and its end", has, endings)

    def _check_escrow(self, had: Escrow | None, has: Escrow, tables: Tables) -> None:
        for which, part in has.parts.items():
            former = PartStatus.UNFUNDED if had is None else had.part(which).status
            moves = {former, *PARTS_MOVE.get(former, ())}
            self.demand(part.status in moves, "H1 escrow part", former, part.status, has.id)
            if part.status is not former and part.has_ended:
                ended = tables.entries.rows.get(EntryId(f"escrow {has.id} {which} ended"))
                to, amount = has.due_to(which)
                credited = [] if ended is None else [(p.account, p.amount) for p in ended.postings]
                self.demand((ledger.cash(to), amount) in credited, "M13 escrow", has, ended)


def is_true(bank: Bank, notice: Notice) -> bool:
    """Whether a payment is as a notice from the bank's address says."""
    facts = bank.payments.get(notice.payment_id or "")
    is_paid = facts is not None and facts.status is PaymentStatus.PAID
    return is_paid or not notice.claims_paid


def _may_take_bonus(bought: Purchase, purpose: str) -> bool:
    if bought.ware is not None:
        return purpose == "purchase"
    return isinstance(bought.item, Verification) and purpose in {"refund_asked", "refund"}


def money_problems(tables: Tables, bank: Bank, provider: Provider) -> list[str]:
    """What is wrong of money when all is quiet; empty when all is well."""
    found: list[str] = []

    def demand(promise: bool, law: str, *about: object) -> None:
        if not promise:
            found.append(f"{law}: {', '.join(map(str, about))}")

    sums: defaultdict[Account, int] = defaultdict(int)
    for entry in tables.entries.rows.values():
        for posting in entry.postings:
            sums[posting.account] += posting.amount.amount_minor
    for payment in bank.payments.values():
        is_booked = _any(tables, f"charge {BANK} {payment.charge_id}")
        demand(is_booked == (payment.paid is not None), "M7 a charge booked once", payment)
    booked = {one.provider_id: one for one in tables.refunds.rows.values()}
    open_cases = {one.cause for one in tables.cases.rows.values() if one.closed_at is None}
    _check_decisions(tables, bank, demand)
    _check_surplus(tables, bank, provider, demand)
    for refund in bank.refunds.values():
        ours_too = booked.get(refund.refund_id)
        same = ours_too is not None and ours_too.status == refund.status.value
        demand(same, "M11 a refund that we do not know", refund, ours_too)
    ours, theirs = -sums[ledger.clearing(BANK)], bank.held_for_us
    demand(ours == theirs, "M15 clearing is not what the bank holds for us", ours, theirs)
    for order, times in bank.sent_for.items():
        demand(times == 1, "M14 one withdrawal, several payouts", order, times)
    for case in tables.cases.rows.values():
        demand(case.kind is not CaseKind.DIFFERENCE, "M15 a difference that is none", case)
    _check_ends(tables, open_cases, demand)
    return found


def _check_decisions(tables: Tables, bank: Bank, demand: Callable[..., None]) -> None:
    """However often we ask, what was decided once is given back once."""
    causes = {one.subject for one in tables.claims.rows.values()}
    decided = Counter(one.payment_id for one in tables.refunds.rows.values() if one.id in causes)
    given = Counter(
        one.payment_id
        for one in bank.refunds.values()
        if one.our_id is not None and one.status is not OutgoingStatus.FAILED
    )
    for payment_id, times in given.items():
        demand(
            times <= decided[payment_id], "M11 decided once, given back again", payment_id, times
        )


def _check_surplus(
    tables: Tables, bank: Bank, provider: Provider, demand: Callable[..., None]
) -> None:
    """Wherever somebody paid for one thing twice, one of it pays, and the rest is theirs."""
    paid: defaultdict[str, list[ChargeKey]] = defaultdict(list)
    for payment in bank.payments.values():
        if payment.paid is not None:
            paid[payment.purchase_id or ""].append(ChargeKey(BANK, payment.charge_id))
    for body in provider.captured():
        paid[body.get("metadata", {}).get("purchase_id", "")].append(ChargeKey(NAME, body["id"]))
    told = {str(one.facts.get("entry_id")) for one in tables.events.rows.values()}
    for purchase_id, keys in paid.items():
        charges = {key: tables.charges.rows.get(key) for key in keys}
        nowhere = [key for key, charge in charges.items() if charge is None]
        settled = [key for key, charge in charges.items() if charge is not None and charge.settled]
        is_twice = len(keys) > 1 and purchase_id != ""
        demand(not (nowhere and is_twice), "M8 paid once more, and that is nowhere", nowhere)
        demand(len(settled) <= 1 or not purchase_id, "M8 one thing was paid for twice", settled)
        for key, charge in charges.items():
            if is_twice and charge is not None and not charge.settled:
                entry = tables.entries.rows[EntryId(f"charge {key.gateway} {key.charge_id}")]
                owner = tables.purchases.rows[PurchaseId(purchase_id)].customer_id
                is_theirs = entry.postings[1].account == ledger.cash(owner) and entry.id in told
                demand(is_theirs, "M8 paid once more, and its owner does not know", entry)


def _check_ends(tables: Tables, open_cases: set[str], demand: Callable[..., None]) -> None:
    """Everything has ended, or waits for a person who knows of it, or for its owner."""
    for name, key in tables.due.rows:
        has_ended = name == "refund" or (
            name == "withdrawal" and tables.withdrawals.rows[WithdrawalId(key)].status != "done"
        )
        demand(not has_ended, "O3 looked after for ever", name, key)
    for refund in tables.refunds.rows.values():
        demand(refund.status is not RefundStatus.ASKED, "E2 a refund never ended", refund)
    for withdrawal in tables.withdrawals.rows.values():
        is_case = f"withdrawal {withdrawal.id}" in open_cases
        waits = withdrawal.status is WithdrawalStatus.HELD and is_case
        demand(waits or not withdrawal.is_open, "E2 a withdrawal never ended", withdrawal)
    for method in tables.methods.rows.values():
        is_open = method.status is MethodStatus.UNVERIFIED
        demand(not is_open, "E2 a method neither proven nor cleaned away", method)
    for escrow in tables.escrows.rows.values():
        for which, part in escrow.parts.items():
            demand(part.releasing_at is None, "H5 never released", escrow, which)
            is_case = f"dispute {escrow.id} {which}" in open_cases
            is_disputed = part.status is PartStatus.DISPUTED
            demand(is_case or not is_disputed, "E2 disputed, and nobody knows", escrow)


def _set_aside(tables: Tables) -> Iterable[tuple[str, Account, int]]:
    """What each account of set-aside money must hold."""
    held: defaultdict[CustomerId, int] = defaultdict(int)
    for withdrawal in tables.withdrawals.rows.values():
        held[withdrawal.customer_id] += withdrawal.amount.amount_minor * withdrawal.is_open
    for refund in tables.refunds.rows.values():
        is_open = refund.status is RefundStatus.ASKED
        held[refund.customer_id] += refund.amount.amount_minor * is_open
    parts: defaultdict[CustomerId, int] = defaultdict(int)
    for escrow in tables.escrows.rows.values():
        for part in escrow.parts.values():
            parts[escrow.payer_id] += part.amount.amount_minor * part.is_set_aside
    for reward in tables.rewards.rows.values():
        waits = reward.status is RewardStatus.WAITING
        held[reward.referrer_id] += reward.left.amount_minor * waits
    for customer_id, minor in held.items():
        yield "H3 held is not what is open", ledger.hold(customer_id), minor
    for customer_id, minor in parts.items():
        yield "H3 set aside is not what the parts say", ledger.escrow(customer_id), minor


def _balance(tables: Tables, account: Account, currency: Currency = RUB) -> int:
    kept = tables.balances.rows.get((account, currency))
    return 0 if kept is None else kept.amount.amount_minor


def _any(tables: Tables, id_: str) -> bool:
    return EntryId(id_) in tables.entries.rows
