"""
The proof of a forecast: what `billhook books check` demands of the books, asked of those in memory,
and what the gateways and the panel hold, compared with them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from adapters.persistence.memory.tables import Tables
from adapters.provisioning.memory import MemoryProvisioner
from core.domain import ledger
from core.domain.access import NO_ACCESS, due_access
from core.domain.charge import ChargeKey
from core.domain.customer import CustomerId
from core.domain.item import Deposit
from core.domain.ledger import Account, EntryId, is_of_a_customer, natural_sign
from core.domain.money import CURRENCIES, Currency
from core.domain.plan import GatewayName
from core.domain.purchase import PAID
from core.domain.referral_program import RewardStatus
from core.domain.refund import RefundStatus
from simulation.till import Till

Sums = defaultdict[tuple[Account, Currency], int]


def book_problems(tables: Tables, tills: Mapping[str, Till]) -> list[str]:
    """What is wrong, in words; an empty list is a clean bill."""
    sums: Sums = defaultdict(int)
    for entry in tables.entries.rows.values():
        for posting in entry.postings:
            sums[posting.account, posting.amount.currency] += posting.amount.amount_minor
    return [
        *_out_of_balance(tables, sums),
        *_unpaid_for(tables),
        *_charges(tables, sums, tills),
        *_set_aside(tables),
        *_rewards(tables),
    ]


def access_problems(
    tables: Tables, panel: MemoryProvisioner, now: datetime, whose: Iterable[CustomerId]
) -> list[str]:
    """Whoever has paid and is without access, and whoever has it past its end and grace."""
    found = []
    for who in whose:
        due = due_access(tables.subscriptions.rows[who].at(now))
        given = panel.given.get(who, NO_ACCESS)
        if due.grants and given != due:
            found.append(f"E6 {who} is due {due} and has {given}")
        if not due.grants and given.until is not None and given.until > now:
            found.append(f"E4 {who} is due nothing and has {given}")
    return found


def _out_of_balance(tables: Tables, sums: Sums) -> Iterator[str]:
    whole: Counter[Currency] = Counter()
    for entry in tables.entries.rows.values():
        moved: Counter[Currency] = Counter()
        for posting in entry.postings:
            moved[posting.amount.currency] += posting.amount.amount_minor
        whole.update(moved)
        if any(moved.values()) or len(entry.postings) < 2:
            yield f"entry {entry.id} is out of balance"
    yield from (
        f"all accounts together hold {minor} {unit}" for unit, minor in whole.items() if minor
    )
    for (account, unit), total in sums.items():
        balance = tables.balances.rows.get((account, unit))
        if not is_of_a_customer(account):
            continue
        own = total * natural_sign(account)
        if balance is None or balance.amount.amount_minor != own:
            yield f"{account} is said to hold {balance}, its lines say {own} {unit}"
        if own < 0:
            yield f"{account} is below zero: {own} {unit}"
    yield from _lines(tables)
    for customer_id in tables.customers.rows:
        if customer_id not in tables.subscriptions.rows:
            yield f"customer {customer_id} has no subscription"


def _lines(tables: Tables) -> Iterator[str]:
    """Numbered without a gap, each with the balance after it, and never back in time."""
    for (account, unit), balance in tables.balances.rows.items():
        after, at = 0, None
        for seq in range(1, balance.seq + 1):
            line = tables.lines.rows.get((account, unit, seq))
            if line is None:
                yield f"{account} {unit} skips line {seq}"
                return
            after += line.posting.amount.amount_minor * natural_sign(account)
            if line.balance_after.amount_minor != after:
                yield f"{account} {unit} says {line.balance_after} after line {seq}, not {after}"
            if at is not None and line.at < at:
                yield f"{account} {unit} goes back in time at line {seq}"
            at = line.at


def _unpaid_for(tables: Tables) -> Iterator[str]:
    of_purchase = {(one.purchase_id, one.purpose) for one in tables.entries.rows.values()}
    for purchase in tables.purchases.rows.values():
        purpose = "charge" if isinstance(purchase.item, Deposit) else "purchase"
        if (purchase.status in PAID) > ((purchase.id, purpose) in of_purchase):
            yield f"purchase {purchase.id} is {purchase.status} and its entry is missing"
    for purchase_id, purpose in sorted((a, b) for a, b in of_purchase if a and b == "purchase"):
        paid = tables.purchases.rows.get(purchase_id)  # type: ignore[call-overload]
        if paid is None or paid.status not in PAID:
            yield f"an entry ({purpose}) is of {purchase_id}, which is not paid"


def _charges(tables: Tables, sums: Sums, tills: Mapping[str, Till]) -> Iterator[str]:
    back: Counter[ChargeKey] = Counter()
    for refund in tables.refunds.rows.values():
        if refund.status is not RefundStatus.FAILED:
            back[refund.charge] += refund.amount.amount_minor
    for charge in tables.charges.rows.values():
        id_ = f"charge {charge.key.gateway} {charge.key.charge_id}"
        entry = tables.entries.rows.get(EntryId(id_))
        clearing = ledger.clearing(charge.key.gateway)
        lines = [] if entry is None else [(one.account, one.amount) for one in entry.postings]
        if (clearing, -charge.amount) not in lines:
            yield f"{id_} and its entry do not say the same"
        if back[charge.key] != (0 if charge.returning is None else charge.returning.amount_minor):
            yield f"of {id_} {charge.returning} goes back, its refunds say {back[charge.key]}"
    for name, till in tills.items():
        for code, unit in CURRENCIES.items():
            ours = -sums[ledger.clearing(GatewayName(name)), unit]
            if ours != (theirs := till.held_for_us(code)):
                yield f"{name} holds {theirs} {code} for us and the books say {ours}"


def _set_aside(tables: Tables) -> Iterator[str]:
    """What lies in a hold is what waits: rewards, refunds on their way, and withdrawals."""
    due: Counter[tuple[Account, Currency]] = Counter()
    for reward in tables.rewards.rows.values():
        if reward.status is RewardStatus.WAITING:
            place = ledger.hold(reward.referrer_id), reward.left.currency
            due[place] += reward.left.amount_minor
    for refund in tables.refunds.rows.values():
        if refund.status is RefundStatus.ASKED:
            due[ledger.hold(refund.customer_id), refund.amount.currency] += (
                refund.amount.amount_minor
            )
    for place, balance in tables.balances.rows.items():
        is_hold = ledger.kind_of(place[0]) == "hold"
        if is_hold and balance.amount.amount_minor != due[place]:
            yield f"{place[0]} holds {balance.amount} and what is set aside makes {due[place]}"


def _rewards(tables: Tables) -> Iterator[str]:
    """F1: the reward for a purchase stands at what its entries make."""
    given: Counter[str] = Counter()
    for entry in tables.entries.rows.values():
        for posting in entry.postings:
            if posting.account == ledger.REWARDS:
                given[entry.purchase_id or ""] -= posting.amount.amount_minor
    for reward in tables.rewards.rows.values():
        if given[reward.purchase_id] != reward.left.amount_minor:
            yield f"the reward for {reward.purchase_id} stands at {reward.left}, its entries do not"
