"""What the store keeps of money, one protocol for each kind of thing: read, and written."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from core.domain.charge import Charge, ChargeKey
from core.domain.customer import CustomerId
from core.domain.escrow import Escrow
from core.domain.item import EscrowId, PaymentMethodId
from core.domain.ledger import Account, Entry, EntryId, Line
from core.domain.money import Currency, Money
from core.domain.payment import PaymentId, PayoutId
from core.domain.payment_method import PaymentMethod
from core.domain.plan import GatewayName
from core.domain.promo_code import PromoCode, Redemption, WrongCodes
from core.domain.purchase import PurchaseId
from core.domain.referral_program import ReferralFigures, Reward
from core.domain.refund import OurRefundId, Refund
from core.domain.safety import Rewarded
from core.domain.withdrawal import Withdrawal, WithdrawalId


class ChargesRead(Protocol):
    async def find(self, key: ChargeKey) -> Charge | None: ...

    async def of_purchase(self, purchase_id: PurchaseId) -> list[Charge]:
        """The oldest first."""
        ...

    async def of_payment(self, gateway: GatewayName, payment_id: PaymentId) -> list[Charge]:
        """The oldest first."""
        ...

    async def since(
        self, gateway: GatewayName, since: datetime, *, limit: int, after: str = ""
    ) -> list[Charge]:
        """Those booked since then, by charge id; `after`: only what follows that one."""
        ...


class Charges(ChargesRead, Protocol):
    async def add(self, charge: Charge) -> None:
        """
        Raises:
            SavedMeanwhile: it is there already.
        """
        ...

    async def save(self, charge: Charge) -> None: ...


class RefundsRead(Protocol):
    async def get(self, refund_id: OurRefundId) -> Refund:
        """
        Raises:
            RefundNotFound
        """
        ...

    async def of_purchase(self, purchase_id: PurchaseId) -> list[Refund]:
        """In the order they were asked for (then by id)."""
        ...

    async def of_payment(self, gateway: GatewayName, payment_id: PaymentId) -> list[Refund]:
        """As `of_purchase`."""
        ...

    async def since(
        self, gateway: GatewayName, since: datetime, *, limit: int, after: str = ""
    ) -> list[Refund]:
        """Those asked for since then, by id; `after`: only what follows that one."""
        ...


class Refunds(RefundsRead, Protocol):
    async def add(self, refund: Refund) -> None:
        """
        Raises:
            SavedMeanwhile: one of that gateway has this provider's id already.
        """
        ...

    async def save(self, refund: Refund) -> None: ...

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[OurRefundId]:
        """As `Subscriptions.take_due`."""
        ...


class EscrowsRead(Protocol):
    async def get(self, escrow_id: EscrowId) -> Escrow:
        """
        Raises:
            EscrowNotFound
        """
        ...

    async def page(
        self, customer_id: CustomerId, *, limit: int, after: EscrowId | None = None
    ) -> list[Escrow]:
        """
        Those that the customer is a side of, the newest first (by `opened_at`, then id); `after`:
        older than that one.
        """
        ...


class Escrows(EscrowsRead, Protocol):
    async def lock(self, escrow_id: EscrowId) -> Escrow:
        """
        The one lock of a unit that ends a part, as `Customers.lock`; in a unit that funds one, the
        customer's row is locked before. Balances come after it.

        Raises:
            EscrowNotFound
        """
        ...

    async def add(self, escrow: Escrow) -> None: ...

    async def save(self, escrow: Escrow) -> None: ...

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[EscrowId]:
        """As `Subscriptions.take_due`."""
        ...


class MethodsRead(Protocol):
    async def get(self, method_id: PaymentMethodId) -> PaymentMethod:
        """
        Raises:
            PaymentMethodNotFound
        """
        ...

    async def of_customer(self, customer_id: CustomerId) -> list[PaymentMethod]:
        """Removed ones too, in the order they were added (then by id)."""
        ...


class Methods(MethodsRead, Protocol):
    async def add(self, method: PaymentMethod) -> None: ...

    async def save(self, method: PaymentMethod) -> None: ...

    async def take_due(
        self, now: datetime, *, until: datetime, limit: int
    ) -> list[PaymentMethodId]:
        """As `Subscriptions.take_due`."""
        ...


class WithdrawalsRead(Protocol):
    async def get(self, withdrawal_id: WithdrawalId) -> Withdrawal:
        """
        Raises:
            WithdrawalNotFound
        """
        ...

    async def find_by_payout(
        self, gateway: GatewayName, payout_id: PayoutId
    ) -> Withdrawal | None: ...

    async def page(
        self, customer_id: CustomerId, *, limit: int, after: WithdrawalId | None = None
    ) -> list[Withdrawal]:
        """The newest first (by `requested_at`, then id); `after`: older than that one."""
        ...

    async def waiting(self, *, limit: int, after: WithdrawalId | None = None) -> list[Withdrawal]:
        """
        Those that wait for a person, the oldest first; `after`: younger than that one, which may
        wait no more.

        Raises:
            WithdrawalNotFound: there never was an `after`.
        """
        ...

    async def since(
        self, gateway: GatewayName, since: datetime, *, limit: int, after: str = ""
    ) -> list[Withdrawal]:
        """Those asked for since then, by id; `after`: only what follows that one."""
        ...

    async def asked_since(
        self, since: datetime, currency: Currency, customer_id: CustomerId | None = None
    ) -> Money:
        """The sum of what was asked for since then and has not failed; None: by anybody."""
        ...


class Withdrawals(WithdrawalsRead, Protocol):
    async def add(self, withdrawal: Withdrawal) -> None: ...

    async def save(self, withdrawal: Withdrawal) -> None:
        """
        Raises:
            SavedMeanwhile: also where another of that gateway has this payout.
        """
        ...

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[WithdrawalId]:
        """As `Subscriptions.take_due`."""
        ...


class RewardsRead(Protocol):
    async def find(self, purchase_id: PurchaseId) -> Reward | None: ...

    async def figures(self, referrer_id: CustomerId) -> ReferralFigures:
        """All that the referrer's referrals came to."""
        ...


class Rewards(RewardsRead, Protocol):
    async def add(self, reward: Reward) -> None:
        """
        Raises:
            SavedMeanwhile: it was decided already.
        """
        ...

    async def save(self, reward: Reward) -> None: ...

    async def count_paying(self, referrer_id: CustomerId, *, but: CustomerId) -> int:
        """The referrer's other referrals that earned a reward of which something stands."""
        ...

    async def sum_since(self, referrer_id: CustomerId, unit: Currency, since: datetime) -> Money:
        """What was decided for the referrer since then, less what was taken back."""
        ...

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[PurchaseId]:
        """As `Subscriptions.take_due`."""
        ...


class Lately(Protocol):
    """What happened after a moment, counted and summed over everybody; nothing is locked."""

    async def events(self, subject: str, names: Collection[str], *, since: datetime) -> int:
        """How many of these names there were about it."""
        ...

    async def charges(self, *, since: datetime) -> tuple[int, int]:
        """Of the charges of saved methods that began then: how many were paid, how many were not."""
        ...

    async def withdrawals(self, currency: Currency, *, since: datetime) -> Money:
        """The sum of those asked for then that no person has to release, and that did not come back."""
        ...

    async def rewards(self, *, since: datetime) -> list[Rewarded]:
        """For purchases that were paid then; one for each currency in which there are any."""
        ...


class LedgerRead(Protocol):
    async def find(self, entry_id: EntryId) -> Entry | None: ...

    async def of_purchase(self, purchase_id: PurchaseId) -> list[Entry]:
        """The oldest first (then by id)."""
        ...

    async def balances(self, customer_id: CustomerId) -> Mapping[tuple[Account, Currency], Money]:
        """The natural balance of every account the customer ever had a posting in."""
        ...

    async def total(self, account: Account, currency: Currency) -> Money:
        """The sum of all postings to an account of the system (credits positive)."""
        ...

    async def lines(
        self, account: Account, currency: Currency, *, limit: int, before_seq: int | None = None
    ) -> list[Line]:
        """A customer account's statement, the newest first."""
        ...

    async def balance_at(self, account: Account, currency: Currency, at: datetime) -> Money:
        """What a customer's account held after everything posted up to and at that moment."""
        ...


class Ledger(LedgerRead, Protocol):
    async def post(self, entry: Entry) -> None:
        """
        Append. Posting the same entry again changes nothing. Balance rows are locked in the order
        of their keys; a line's time is never before the line before it.

        Raises:
            EntryContradicts: this id stands for something else.
            BalanceTooLow: an account of a customer would be below zero.
        """
        ...


class PromosRead(Protocol):
    async def find(self, name: str) -> PromoCode | None: ...

    async def page(self, *, limit: int, after: str | None = None) -> list[PromoCode]:
        """The newest first (by `created_at`, then name); `after`: older than that one."""
        ...

    async def any_open(self, now: datetime) -> bool:
        """Whether there is a code that somebody could still use."""
        ...

    async def redemption(self, customer_id: CustomerId, name: str) -> Redemption | None:
        """The use that this customer made of the code. A discount that waits is in the standing."""
        ...

    async def wrong(self, customer_id: CustomerId) -> WrongCodes | None: ...


class Promos(PromosRead, Protocol):
    """Promo codes and their uses. All but a code itself is decided under the customer's lock."""

    async def add(self, code: PromoCode) -> bool:
        """Whether it is new: no two ever have one name."""
        ...

    async def stop(self, name: str, *, at: datetime) -> bool:
        """Whether it was not stopped before."""
        ...

    async def take_use(self, name: str) -> bool:
        """
        Count one use more, unless the code is used up or stopped: as it is now, whatever this unit
        read of it. The code's row is held until the unit ends.
        """
        ...

    async def redeem(self, redemption: Redemption) -> None:
        """
        Raises:
            SavedMeanwhile: the customer has used the code, or has a discount waiting.
        """
        ...

    async def save(self, redemption: Redemption) -> None: ...

    async def put_wrong(self, wrong: WrongCodes) -> None:
        """Add it, or replace the customer's."""
        ...
