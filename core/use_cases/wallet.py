"""The wallet: what is spent from it, what is repaid first, what waits for money, the statement."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.domain import ledger
from core.domain.audit import Deed, line_of
from core.domain.cause import Cause, claim
from core.domain.customer import CustomerId
from core.domain.errors import Invalid, NotFound, PaymentWouldHelp
from core.domain.event import Event
from core.domain.ledger import Account, Entry, EntryId, Line
from core.domain.money import Currency, Money
from core.domain.purchase import Purchase, PurchaseId
from core.ports.unit_of_work import NewId, Now, Store, UnitOfWork, View


@dataclass(eq=False)
class WalletTooLow(PaymentWouldHelp):
    """There is not enough money in the wallet; deposit what is missing and repeat."""

    missing: Money
    purchase_id: str | None = None


@dataclass(eq=False)
class AdjustmentNotUsable(Invalid):
    """An adjustment gives or takes more than nothing of cash or bonus, in a currency kept here."""

    account: str
    amount: Money


@dataclass(eq=False)
class AdjustmentNotFound(NotFound):
    """No such adjustment is in the books; what purchases move is undone by a refund."""

    entry_id: str


@dataclass(frozen=True, slots=True)
class Purse:
    """What a customer could spend in one currency at the moment it was read."""

    customer_id: CustomerId
    cash: Money
    bonus: Money
    owed: Money

    @property
    def free(self) -> Money:
        """What can be spent, bonus too, once what is owed has been repaid from the cash."""
        return self.cash - min(self.cash, self.owed) + self.bonus

    def require(self, amount: Money, *, with_bonus: bool) -> None:
        """
        Raises:
            WalletTooLow
        """
        missing = self.missing(amount, with_bonus=with_bonus)
        if missing is not None:
            raise WalletTooLow(missing=missing)

    def missing(self, amount: Money, *, with_bonus: bool) -> Money | None:
        """What has to come in before so much can be spent: what is owed is repaid first of it."""
        free = self.free if with_bonus else self.free - self.bonus
        still_owed = self.owed - min(self.cash, self.owed)
        return amount - free + still_owed if free < amount else None

    def spent(self, amount: Money, *, with_bonus: bool) -> list[tuple[Account, Money]]:
        """
        The debits that make up the amount, bonus first. Whatever is owed: a charge pays its own
        purchase first, and whoever else spends has repaid before.

        Raises:
            WalletTooLow
        """
        there = self.cash + self.bonus if with_bonus else self.cash
        if there < amount:
            raise WalletTooLow(missing=amount - there)
        of_bonus = min(self.bonus, amount) if with_bonus else amount - amount
        return [
            (ledger.bonus(self.customer_id), -of_bonus),
            (ledger.cash(self.customer_id), of_bonus - amount),
        ]

    def given_up(self, amount: Money, *, from_bonus: bool = False) -> list[tuple[Account, Money]]:
        """The debits that take so much away: from what is there, and the rest is owed."""
        there, account = self.cash, ledger.cash(self.customer_id)
        if from_bonus:
            there, account = self.bonus, ledger.bonus(self.customer_id)
        taken = min(there, amount)
        return [(account, -taken), (ledger.receivable(self.customer_id), taken - amount)]


async def purse_of(uow: UnitOfWork | View, customer_id: CustomerId, currency: Currency) -> Purse:
    """Read it after the customer's row is locked, where anything is decided on it."""
    balances = await uow.ledger.balances(customer_id)
    cash, bonus, owed = (
        balances.get((account(customer_id), currency), Money(0, currency))
        for account in (ledger.cash, ledger.bonus, ledger.receivable)
    )
    return Purse(customer_id, cash, bonus, owed)


async def repaid(
    uow: UnitOfWork, customer_id: CustomerId, currency: Currency, cause: str, *, at: datetime
) -> Purse:
    """
    The purse after what the customer owes was taken from it, as far as there is cash. Whoever
    spends or withdraws calls this first, so that a debt is repaid before anything else.
    """
    purse = await purse_of(uow, customer_id, currency)
    back = min(purse.cash, purse.owed)
    if not back.is_positive:
        return purse
    await uow.ledger.post(
        ledger.transfer(
            f"repay {cause}",
            "repayment",
            back,
            debit=ledger.cash(customer_id),
            credit=ledger.receivable(customer_id),
            at=at,
        )
    )
    return await purse_of(uow, customer_id, currency)


def credited(customer_id: CustomerId, amount: Money, cause: str, *, at: datetime) -> Event:
    """Money came into the wallet to stay: what waits for it is looked at."""
    told: dict[str, str | int] = {
        "amount_minor": amount.amount_minor,
        "currency": amount.currency.code,
        "cause": cause,
    }
    return Event("wallet.credited", customer_id, at, customer_id, told)


STATEMENT_KINDS: Final = ("cash", "bonus", "hold", "escrow", "receivable")


@dataclass(frozen=True, slots=True)
class Statement:
    """
    The lines of one account in one currency, the newest first. `purchases` are those that the
    lines are about.
    """

    account: str
    currency: Currency
    lines: Sequence[Line]
    balance: Money
    at: datetime
    purchases: Mapping[str, Purchase]


class ShowStatement:
    """What moved in a customer's account, and what it held at any moment of the past."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(
        self,
        customer_id: CustomerId,
        kind: str,
        currency: Currency,
        *,
        limit: int,
        before_seq: int | None = None,
        at: datetime | None = None,
    ) -> Statement:
        """
        `kind` is one of STATEMENT_KINDS. `before_seq`: only older lines than this one. The balance
        is that of the moment `at`, everything posted by then included; None: now.
        """
        assert kind in STATEMENT_KINDS
        account = Account(f"{kind}:{customer_id}")
        async with self._store.read() as view:
            lines = await view.ledger.lines(account, currency, limit=limit, before_seq=before_seq)
            if at is None:
                balances = await view.ledger.balances(customer_id)
                balance = balances.get((account, currency), Money(0, currency))
            else:
                balance = await view.ledger.balance_at(account, currency, at)
            about = {line.purchase_id for line in lines if line.purchase_id is not None}
            purchases = await view.purchases.several([PurchaseId(one) for one in sorted(about)])
        told: dict[str, Purchase] = {one.id: one for one in purchases}
        return Statement(kind, currency, lines, balance, at or self._now(), told)


class AdjustWallet:
    """
    An operator gives money, or takes it back: cash, or bonus. What is taken and not there is
    owed. Once per cause, with a reason in the audit trail.
    """

    def __init__(self, store: Store, now: Now, new_id: NewId) -> None:
        self._store = store
        self._now = now
        self._new_id = new_id

    async def __call__(
        self, customer_id: CustomerId, amount: Money, *, account: str, deed: Deed, cause: Cause
    ) -> Entry:
        """
        `amount` is positive to give, negative to take; `account` is `cash` or `bonus`.

        Raises:
            AdjustmentNotUsable: also of a currency that is neither in the catalog nor in the wallet.
            AmountNotUsable: there would be more in the account than can be counted.
            CustomerNotFound, KeyUsedOtherwise
            OwnAffair: whoever does it is the customer.
        """
        if account not in {"cash", "bonus"} or not amount.amount_minor:
            raise AdjustmentNotUsable(account[:32], amount)
        async with self._store.write() as uow:
            at = self._now()
            (await uow.customers.lock(customer_id)).require_another(deed.actor)
            fresh = claim(cause, self._new_id("adj"), at=at)
            taken = await uow.claims.take(fresh)
            if taken.subject != fresh.subject:
                taken.taken_again(cause, at=taken.leased_until)
                known = await uow.ledger.find(EntryId(f"adjustment {taken.subject}"))
                assert known is not None, "claimed and posted in one unit"
                return known
            if not await _is_kept(uow, customer_id, amount.currency):
                raise AdjustmentNotUsable(account, amount)
            purse = await purse_of(uow, customer_id, amount.currency)
            is_bonus = account == "bonus"
            if amount.is_positive:
                own = ledger.bonus(customer_id) if is_bonus else ledger.cash(customer_id)
                moves = [(own, amount)]
            else:
                moves = purse.given_up(-amount, from_bonus=is_bonus)
            other = ledger.BONUSES if is_bonus else ledger.ADJUSTMENTS
            entry = ledger.entry_of(
                f"adjustment {fresh.subject}", "adjustment", [*moves, (other, -amount)], at=at
            )
            await uow.ledger.post(entry)
            if amount.is_positive:
                await uow.record(credited(customer_id, amount, entry.id, at=at))
            told: dict[str, str | int] = {
                "entry": entry.id,
                "amount_minor": amount.amount_minor,
                "currency": amount.currency.code,
            }
            await uow.audit(line_of(deed, "wallet.adjust", customer_id, at=at, **told))
            await uow.claims.save(taken.answered(entry.id))
            await uow.commit()
        return entry


class ReverseAdjustment:
    """
    An operator takes an adjustment back, whole, by an entry of its own: entries never change.
    What was given and has been spent is owed; what was taken comes back, and pays first what is
    owed of it. Its cause is the adjustment: reversing again changes nothing.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, adjustment: str, *, deed: Deed) -> Entry:
        """
        Raises:
            AdjustmentNotFound: also for an entry that is no adjustment, a reversal for one.
            OwnAffair: as in AdjustWallet.
            AmountNotUsable: there would be more in the account than can be counted.
        """
        async with self._store.read() as view:
            reversed_ = await view.ledger.find(EntryId(adjustment))
        if reversed_ is None or reversed_.purpose != "adjustment":
            raise AdjustmentNotFound(adjustment[:100])
        customer_id = _whose(reversed_)
        async with self._store.write() as uow:
            at = self._now()
            (await uow.customers.lock(customer_id)).require_another(deed.actor)
            id_ = EntryId(f"reversal of {reversed_.id}")
            known = await uow.ledger.find(id_)
            if known is not None:
                return known
            currency = reversed_.postings[0].amount.currency
            undone = _undone(reversed_, await purse_of(uow, customer_id, currency))
            entry = ledger.entry_of(id_, "reversal", undone.items(), at=at)
            await uow.ledger.post(entry)
            for account in (ledger.cash(customer_id), ledger.bonus(customer_id)):
                if account in undone and undone[account].is_positive:
                    await uow.record(credited(customer_id, undone[account], entry.id, at=at))
            told = {"entry": entry.id, "reversed": reversed_.id}
            await uow.audit(line_of(deed, "wallet.reverse", customer_id, at=at, **told))
            await uow.commit()
        return entry


def _whose(entry: Entry) -> CustomerId:
    accounts = (posting.account for posting in entry.postings)
    own = next(one for one in accounts if ledger.is_of_a_customer(one))
    return CustomerId(own.partition(":")[2])


def _undone(entry: Entry, purse: Purse) -> dict[Account, Money]:
    """The postings the other way round, as far as what is there now allows."""
    moves: defaultdict[Account, Money] = defaultdict(lambda: purse.cash - purse.cash)
    for posting in entry.postings:
        account, back = posting.account, -posting.amount
        undone = [(account, back)]
        if account == ledger.receivable(purse.customer_id):
            still_owed = min(back, purse.owed)
            undone = [(account, still_owed), (ledger.cash(purse.customer_id), back - still_owed)]
        elif ledger.is_of_a_customer(account) and not back.is_positive:
            is_bonus = account == ledger.bonus(purse.customer_id)
            undone = purse.given_up(-back, from_bonus=is_bonus)
        for whose, amount in undone:
            moves[whose] += amount
    return moves


async def _is_kept(uow: UnitOfWork, customer_id: CustomerId, currency: Currency) -> bool:
    """Whether the business deals in it, or the customer had some before it ceased to."""
    if currency.code in (await uow.catalogs.current()).currencies:
        return True
    return any(unit == currency for _, unit in await uow.ledger.balances(customer_id))
