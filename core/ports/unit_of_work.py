"""The store: what a writing use case and a reader may ask of it, and what it promises."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from core.domain.audit import AuditLine
from core.domain.case import Case, CaseKind
from core.domain.customer import CustomerId
from core.domain.errors import Conflict, Unavailable
from core.domain.event import Event, Job
from core.domain.ledger import Account
from core.domain.money import Currency, Money
from core.domain.subscription import Standing
from core.domain.usage_quota import UsageKey
from core.ports.broadcasts import Broadcasts, BroadcastsRead
from core.ports.money_repositories import (
    Charges,
    ChargesRead,
    Escrows,
    EscrowsRead,
    Lately,
    Ledger,
    LedgerRead,
    Methods,
    MethodsRead,
    Promos,
    PromosRead,
    Refunds,
    RefundsRead,
    Rewards,
    RewardsRead,
    Withdrawals,
    WithdrawalsRead,
)
from core.ports.operators import FiguresRead, Operators, OperatorsRead
from core.ports.repositories import (
    AccessRead,
    AccessStates,
    Catalogs,
    CatalogsRead,
    Checkouts,
    CheckoutsRead,
    Credentials,
    CredentialsRead,
    Customers,
    CustomersRead,
    Holds,
    HoldsRead,
    Purchases,
    PurchasesRead,
    Referrals,
    ReferralsRead,
    Reminders,
    RemindersRead,
    Subscriptions,
    SubscriptionsRead,
    Switches,
    SwitchesRead,
    Usage,
    UsageRead,
)
from core.ports.work_repositories import (
    Claims,
    Deliveries,
    DeliveriesRead,
    Inbox,
    InboxRead,
    Jobs,
    JobsRead,
)

Now = Callable[[], datetime]
"""The present, aware and in UTC."""

NewId = Callable[[str], str]
"""A fresh id with this prefix: `new_id("pur")` is `pur_…`."""

Consequences = Callable[[Event], Sequence[Job]]
"""What must follow from an event; `record` enqueues it in the same unit."""

unit_is_open: Final[ContextVar[bool]] = ContextVar("unit_is_open", default=False)
"""True in a task while it has a unit of work open. Whoever calls out asserts that it is not."""


@dataclass(eq=False)
class IdentityTaken(Conflict):
    """Another customer has this identity."""

    identity: str


@dataclass(eq=False)
class SavedMeanwhile(Unavailable):
    """Somebody else saved the same thing first; nothing was written. Repeat the request."""

    id: str
    retry_after_seconds: int = 1


@dataclass(eq=False)
class CatalogMissing(Unavailable):
    """No catalog has been applied yet: run `billhook catalog apply`."""


@dataclass(eq=False)
class HeldElsewhere(Unavailable):
    """Another process holds this exclusive right."""

    name: str


@dataclass(frozen=True, slots=True)
class AccountOverview:
    """
    All that a customer's own page shows, read in one go. `used` has the newest counter of each
    feature, and the one of packs.
    """

    standing: Standing
    used: Mapping[UsageKey, int]
    balances: Mapping[tuple[Account, Currency], Money]


class View(Protocol):
    """Reading without locks. Every statement sees what was committed when it began."""

    customers: CustomersRead
    subscriptions: SubscriptionsRead
    access: AccessRead
    reminders: RemindersRead
    purchases: PurchasesRead
    checkouts: CheckoutsRead
    charges: ChargesRead
    refunds: RefundsRead
    escrows: EscrowsRead
    methods: MethodsRead
    withdrawals: WithdrawalsRead
    referrals: ReferralsRead
    rewards: RewardsRead
    ledger: LedgerRead
    lately: Lately
    usage: UsageRead
    holds: HoldsRead
    catalogs: CatalogsRead
    credentials: CredentialsRead
    switches: SwitchesRead
    promos: PromosRead
    operators: OperatorsRead
    figures: FiguresRead
    inbox: InboxRead
    jobs: JobsRead
    deliveries: DeliveriesRead
    broadcasts: BroadcastsRead

    async def overview(self, customer_id: CustomerId) -> AccountOverview:
        """One round trip. `used` has at least the newest counter of each feature."""
        ...

    async def open_cases(
        self, *, limit: int, after: Case | None = None, kind: CaseKind | None = None
    ) -> list[Case]:
        """The oldest first (by `opened_at`, then id); `after`: only those that follow that one."""
        ...

    async def find_case(self, cause: str) -> Case | None:
        """Open or closed."""
        ...

    async def history(self, subject: str, *, at: datetime | None = None) -> list[Event]:
        """The events about it, the oldest first; `at`: of that moment alone."""
        ...

    async def audit_trail(
        self, *, limit: int, after: int = 0, subject: str | None = None
    ) -> list[tuple[int, AuditLine, str]]:
        """Lines with their numbers and seals, the oldest first, from after that number."""
        ...


class UnitOfWork(Protocol):
    """
    All or nothing. Without `commit()` nothing happened; an error forgets everything. Saving is
    compare-and-set on `version` (which the store counts up): SavedMeanwhile is raised where the
    entity was saved since it was read, and where something is added that may be there only once
    (one open purchase of a thing, one checkout of a payment). Any method may raise StoreBusy.
    """

    customers: Customers
    subscriptions: Subscriptions
    access: AccessStates
    reminders: Reminders
    purchases: Purchases
    checkouts: Checkouts
    charges: Charges
    refunds: Refunds
    escrows: Escrows
    methods: Methods
    withdrawals: Withdrawals
    referrals: Referrals
    rewards: Rewards
    ledger: Ledger
    lately: Lately
    usage: Usage
    holds: Holds
    catalogs: Catalogs
    credentials: Credentials
    switches: Switches
    promos: Promos
    operators: Operators
    claims: Claims
    inbox: Inbox
    jobs: Jobs
    deliveries: Deliveries
    broadcasts: Broadcasts

    async def open_case(self, case: Case) -> bool:
        """Once per cause: whether it is new. A repeat changes nothing."""
        ...

    async def close_case(self, cause: str, *, reason: str, at: datetime) -> bool:
        """Whether there was an open case of this cause. A closed one stays as it was closed."""
        ...

    async def audit(self, line: AuditLine) -> None:
        """Append to the audit trail, sealed after its last line. Of two units one waits."""
        ...

    async def record(self, event: Event) -> None:
        """Keep the history and enqueue what follows from it."""
        ...

    async def commit(self) -> None: ...


class Store(Protocol):
    def write(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """A fresh unit. Sets `unit_is_open` for the task."""
        ...

    def read(self) -> AbstractAsyncContextManager[View]: ...

    def exclusive(self, name: str) -> AbstractAsyncContextManager[None]:
        """
        Hold a right that only one process may have; ends with the process, however it dies.
        Whoever loses it meanwhile is canceled.

        Raises:
            HeldElsewhere
            StoreBusy: it could not be asked for, or was lost.
        """
        ...
