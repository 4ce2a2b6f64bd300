"""Units of work and views over one connection."""

from datetime import datetime

from adapters.persistence.sql.access import SqlAccess
from adapters.persistence.sql.broadcasts import SqlBroadcasts
from adapters.persistence.sql.catalogs import Shelf, SqlCatalogs
from adapters.persistence.sql.checkouts import SqlCheckouts
from adapters.persistence.sql.claims import SqlClaims
from adapters.persistence.sql.credentials import SqlCredentials
from adapters.persistence.sql.customers import SqlCustomers
from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.deliveries import SqlDeliveries
from adapters.persistence.sql.escrows import SqlEscrows
from adapters.persistence.sql.figures import SqlFigures
from adapters.persistence.sql.history import SqlHistory
from adapters.persistence.sql.holds import SqlHolds
from adapters.persistence.sql.inbox import SqlInbox
from adapters.persistence.sql.jobs import SqlJobs
from adapters.persistence.sql.lately import SqlLately
from adapters.persistence.sql.ledger import SqlLedger
from adapters.persistence.sql.methods import SqlMethods, SqlWithdrawals
from adapters.persistence.sql.operators import SqlOperators
from adapters.persistence.sql.promos import SqlPromos
from adapters.persistence.sql.purchases import SqlPurchases
from adapters.persistence.sql.referrals import SqlReferrals, SqlRewards
from adapters.persistence.sql.refunds import SqlCharges, SqlRefunds
from adapters.persistence.sql.reminders import SqlReminders
from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.subscriptions import SqlSubscriptions
from adapters.persistence.sql.switches import SqlSwitches
from adapters.persistence.sql.usage import SqlUsage
from core.domain.audit import AuditLine
from core.domain.case import Case, CaseKind
from core.domain.customer import CustomerId
from core.domain.event import Event
from core.ports import broadcasts as sent
from core.ports import money_repositories as money
from core.ports import operators as desk
from core.ports import repositories as kept
from core.ports import unit_of_work as port
from core.ports import work_repositories as work


class SqlView:
    def __init__(self, statements: Statements, shelf: Shelf, data_key: DataKey) -> None:
        catalogs = SqlCatalogs(statements, shelf)
        self._subscriptions = SqlSubscriptions(statements, catalogs, data_key)
        self._history = SqlHistory(statements)
        self.customers: kept.CustomersRead = SqlCustomers(statements, data_key)
        self.subscriptions: kept.SubscriptionsRead = self._subscriptions
        self.access: kept.AccessRead = SqlAccess(statements, data_key)
        self.reminders: kept.RemindersRead = SqlReminders(statements)
        self.purchases: kept.PurchasesRead = SqlPurchases(statements, catalogs)
        self.checkouts: kept.CheckoutsRead = SqlCheckouts(statements, data_key)
        self.charges: money.ChargesRead = SqlCharges(statements)
        self.refunds: money.RefundsRead = SqlRefunds(statements, data_key)
        self.escrows: money.EscrowsRead = SqlEscrows(statements)
        self.methods: money.MethodsRead = SqlMethods(statements, data_key)
        self.withdrawals: money.WithdrawalsRead = SqlWithdrawals(statements, data_key)
        self.referrals: kept.ReferralsRead = SqlReferrals(statements)
        self.rewards: money.RewardsRead = SqlRewards(statements)
        self.ledger: money.LedgerRead = SqlLedger(statements)
        self.lately: money.Lately = SqlLately(statements)
        self.usage: kept.UsageRead = SqlUsage(statements)
        self.holds: kept.HoldsRead = SqlHolds(statements)
        self.catalogs: kept.CatalogsRead = catalogs
        self.credentials: kept.CredentialsRead = SqlCredentials(statements)
        self.switches: kept.SwitchesRead = SqlSwitches(statements)
        self.promos: money.PromosRead = SqlPromos(statements)
        self.operators: desk.OperatorsRead = SqlOperators(statements)
        self.figures: desk.FiguresRead = SqlFigures(statements)
        self.inbox: work.InboxRead = SqlInbox(statements)
        self.jobs: work.JobsRead = SqlJobs(statements)
        self.deliveries: work.DeliveriesRead = SqlDeliveries(statements)
        self.broadcasts: sent.BroadcastsRead = SqlBroadcasts(statements)

    async def overview(self, customer_id: CustomerId) -> port.AccountOverview:
        return await self._subscriptions.overview(customer_id)

    async def open_cases(
        self, *, limit: int, after: Case | None = None, kind: CaseKind | None = None
    ) -> list[Case]:
        return await self._history.open_cases(limit=limit, after=after, kind=kind)

    async def find_case(self, cause: str) -> Case | None:
        return await self._history.find_case(cause)

    async def history(self, subject: str, *, at: datetime | None = None) -> list[Event]:
        return await self._history.of(subject, at=at)

    async def audit_trail(
        self, *, limit: int, after: int = 0, subject: str | None = None
    ) -> list[tuple[int, AuditLine, str]]:
        return await self._history.audit_trail(limit=limit, after=after, subject=subject)


class SqlUnitOfWork:
    def __init__(
        self,
        statements: Statements,
        shelf: Shelf,
        data_key: DataKey,
        consequences: port.Consequences,
    ) -> None:
        catalogs = SqlCatalogs(statements, shelf)
        self._statements = statements
        self._consequences = consequences
        self._history = SqlHistory(statements)
        self.customers: kept.Customers = SqlCustomers(statements, data_key)
        self.subscriptions: kept.Subscriptions = SqlSubscriptions(statements, catalogs, data_key)
        self.access: kept.AccessStates = SqlAccess(statements, data_key)
        self.reminders: kept.Reminders = SqlReminders(statements)
        self.purchases: kept.Purchases = SqlPurchases(statements, catalogs)
        self.checkouts: kept.Checkouts = SqlCheckouts(statements, data_key)
        self.charges: money.Charges = SqlCharges(statements)
        self.refunds: money.Refunds = SqlRefunds(statements, data_key)
        self.escrows: money.Escrows = SqlEscrows(statements)
        self.methods: money.Methods = SqlMethods(statements, data_key)
        self.withdrawals: money.Withdrawals = SqlWithdrawals(statements, data_key)
        self.referrals: kept.Referrals = SqlReferrals(statements)
        self.rewards: money.Rewards = SqlRewards(statements)
        self.ledger: money.Ledger = SqlLedger(statements)
        self.lately: money.Lately = SqlLately(statements)
        self.usage: kept.Usage = SqlUsage(statements)
        self.holds: kept.Holds = SqlHolds(statements)
        self.catalogs: kept.Catalogs = catalogs
        self.credentials: kept.Credentials = SqlCredentials(statements)
        self.switches: kept.Switches = SqlSwitches(statements)
        self.promos: money.Promos = SqlPromos(statements)
        self.operators: desk.Operators = SqlOperators(statements)
        self.claims: work.Claims = SqlClaims(statements)
        self.inbox: work.Inbox = SqlInbox(statements)
        self.jobs: work.Jobs = SqlJobs(statements)
        self.deliveries: work.Deliveries = SqlDeliveries(statements)
        self.broadcasts: sent.Broadcasts = SqlBroadcasts(statements)

    async def open_case(self, case: Case) -> bool:
        return await self._history.open_case(case)

    async def close_case(self, cause: str, *, reason: str, at: datetime) -> bool:
        return await self._history.close_case(cause, reason=reason, at=at)

    async def audit(self, line: AuditLine) -> None:
        await self._history.audit(line)

    async def record(self, event: Event) -> None:
        await self._history.add(event)
        for job in self._consequences(event):
            await self.jobs.enqueue(job)

    async def commit(self) -> None:
        await self._statements.commit()
