"""The double-entry ledger: postings, entries and the chart of accounts. Append only."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NewType

from core.domain.customer import CustomerId
from core.domain.errors import Conflict, PaymentWouldHelp
from core.domain.money import Money
from core.domain.plan import GatewayName, PackCode, PlanCode

EntryId = NewType("EntryId", str)
Account = NewType("Account", str)
"""A path such as `cash:cus_…` or `clearing:yookassa`."""

_OF_A_CUSTOMER: Final = frozenset({"cash", "bonus", "hold", "escrow", "receivable"})
_OWED_TO_US: Final = frozenset({"receivable"})


# The chart of accounts. Those of a customer are never below zero; those of the system are sums.


def cash(customer: CustomerId) -> Account:
    """The customer's own, withdrawable money."""
    return Account(f"cash:{customer}")


def bonus(customer: CustomerId) -> Account:
    """Money given to the customer: spent first, never withdrawn."""
    return Account(f"bonus:{customer}")


def hold(customer: CustomerId) -> Account:
    """Money set aside for something that has not ended yet."""
    return Account(f"hold:{customer}")


def escrow(customer: CustomerId) -> Account:
    """The payer's money in escrows, neither theirs to spend nor the payee's yet."""
    return Account(f"escrow:{customer}")


def receivable(customer: CustomerId) -> Account:
    """What the customer owes us. The one customer account that grows by debits."""
    return Account(f"receivable:{customer}")


def clearing(gateway: GatewayName) -> Account:
    """What a gateway has taken for us and not yet handed over (a debit, so below zero)."""
    return Account(f"clearing:{gateway}")


def suspense(gateway: GatewayName) -> Account:
    """Money that arrived and is nobody's yet; each item has a case."""
    return Account(f"suspense:{gateway}")


def revenue(of: PlanCode | PackCode) -> Account:
    return Account(f"revenue:{of}")


ESCROW_REVENUE: Final = Account("revenue:escrow")
"""What is kept of escrows. Codes of plans and packs are in capitals, so it is none of theirs."""


def fees(gateway: GatewayName) -> Account:
    """What a gateway kept for its work (a debit, so below zero)."""
    return Account(f"fees:{gateway}")


ADJUSTMENTS: Final = Account("adjustments")
"""The other side of what an operator gave or took by hand."""

BONUSES: Final = Account("bonuses")
"""The other side of what was given as bonus."""


REWARDS: Final = Account("rewards")
"""What referrers were given for whom they brought (a debit, so below zero)."""


def kind_of(account: Account) -> str:
    return account.partition(":")[0]


def is_of_a_customer(account: Account) -> bool:
    return kind_of(account) in _OF_A_CUSTOMER


def natural_sign(account: Account) -> int:
    """+1 where a credit makes the balance grow, -1 where a debit does."""
    return -1 if kind_of(account) in _OWED_TO_US else 1


@dataclass(eq=False)
class EntryContradicts(Conflict):
    """Another entry with this id is in the books already; entries never change."""

    entry_id: str


@dataclass(eq=False)
class BalanceTooLow(PaymentWouldHelp):
    """There is not enough money in the account."""

    account: str
    needs: Money


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of an entry. Positive is a credit to the account, negative a debit."""

    account: Account
    amount: Money


@dataclass(frozen=True, slots=True)
class Entry:
    """
    A balanced set of postings, posted once. `id` is derived from its cause, so that posting it
    again is no second entry, for ever. `purpose` says in one word what happened.
    """

    id: EntryId
    purpose: str
    at: datetime
    postings: tuple[Posting, ...]
    purchase_id: str | None = None

    def __post_init__(self) -> None:
        sums: defaultdict[str, int] = defaultdict(int)
        for posting in self.postings:
            assert posting.amount.amount_minor != 0, "a posting moves something"
            sums[posting.amount.currency.code] += posting.amount.amount_minor
        assert len(self.postings) >= 2, "money comes from somewhere and goes somewhere"
        assert not any(sums.values()), f"entry {self.id} does not balance: {dict(sums)}"

    def says_the_same_as(self, other: "Entry") -> bool:
        """Equal but for the time: a repeat is welcome, a contradiction is not."""
        return (
            self.id == other.id
            and self.purpose == other.purpose
            and self.purchase_id == other.purchase_id
            and sorted(map(_key, self.postings)) == sorted(map(_key, other.postings))
        )


def _key(posting: Posting) -> tuple[str, str, int]:
    return posting.account, posting.amount.currency.code, posting.amount.amount_minor


@dataclass(frozen=True, slots=True)
class Line:
    """
    A posting to a customer's account as the books keep it: numbered from 1 within (account,
    currency), with the natural balance after it. Time never goes back within an account.
    """

    entry_id: EntryId
    purpose: str
    posting: Posting
    seq: int
    balance_after: Money
    at: datetime
    purchase_id: str | None = None


def transfer(
    id_: str,
    purpose: str,
    amount: Money,
    *,
    debit: Account,
    credit: Account,
    at: datetime,
    purchase_id: str | None = None,
) -> Entry:
    """An entry of two lines: `amount` from one account to the other."""
    assert amount.is_positive, "money moves from the debit to the credit"
    lines = (Posting(debit, -amount), Posting(credit, amount))
    return Entry(EntryId(id_), purpose, at, lines, purchase_id)


def entry_of(
    id_: str,
    purpose: str,
    moves: Iterable[tuple[Account, Money]],
    *,
    at: datetime,
    purchase_id: str | None = None,
) -> Entry:
    """An entry of as many lines as move anything; credits positive."""
    lines = tuple(Posting(account, amount) for account, amount in moves if amount.amount_minor)
    return Entry(EntryId(id_), purpose, at, lines, purchase_id)
