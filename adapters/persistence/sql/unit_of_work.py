"""Units of work and views over one connection."""

from adapters.persistence.sql.catalogs import Shelf, SqlCatalogs
from adapters.persistence.sql.checkouts import SqlCheckouts
from adapters.persistence.sql.claims import SqlClaims
from adapters.persistence.sql.credentials import SqlCredentials
from adapters.persistence.sql.customers import SqlCustomers
from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.history import SqlHistory
from adapters.persistence.sql.holds import SqlHolds
from adapters.persistence.sql.inbox import SqlInbox
from adapters.persistence.sql.jobs import SqlJobs
from adapters.persistence.sql.ledger import SqlLedger
from adapters.persistence.sql.purchases import SqlPurchases
from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.subscriptions import SqlSubscriptions
from adapters.persistence.sql.usage import SqlUsage
from core.domain.case import Case
from core.domain.customer import CustomerId
from core.domain.event import Event
from core.ports import unit_of_work as port


class SqlView:
    def __init__(self, statements: Statements, shelf: Shelf, data_key: DataKey) -> None:
        catalogs = SqlCatalogs(statements, shelf)
        self._subscriptions = SqlSubscriptions(statements, catalogs, data_key)
        self._history = SqlHistory(statements)
        self.customers: port.CustomersRead = SqlCustomers(statements, data_key)
        self.subscriptions: port.SubscriptionsRead = self._subscriptions
        self.purchases: port.PurchasesRead = SqlPurchases(statements, catalogs)
        self.checkouts: port.CheckoutsRead = SqlCheckouts(statements, data_key)
        self.ledger: port.LedgerRead = SqlLedger(statements)
        self.usage: port.UsageRead = SqlUsage(statements)
        self.holds: port.HoldsRead = SqlHolds(statements)
        self.catalogs: port.CatalogsRead = catalogs
        self.credentials: port.CredentialsRead = SqlCredentials(statements)
        self.inbox: port.InboxRead = SqlInbox(statements)
        self.jobs: port.JobsRead = SqlJobs(statements)

    async def overview(self, customer_id: CustomerId) -> port.AccountOverview:
        return await self._subscriptions.overview(customer_id)

    async def open_cases(self, *, limit: int) -> list[Case]:
        return await self._history.open_cases(limit=limit)

    async def history(self, subject: str) -> list[Event]:
        return await self._history.of(subject)


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
        self.customers: port.Customers = SqlCustomers(statements, data_key)
        self.subscriptions: port.Subscriptions = SqlSubscriptions(statements, catalogs, data_key)
        self.purchases: port.Purchases = SqlPurchases(statements, catalogs)
        self.checkouts: port.Checkouts = SqlCheckouts(statements, data_key)
        self.ledger: port.Ledger = SqlLedger(statements)
        self.usage: port.Usage = SqlUsage(statements)
        self.holds: port.Holds = SqlHolds(statements)
        self.catalogs: port.Catalogs = catalogs
        self.credentials: port.Credentials = SqlCredentials(statements)
        self.claims: port.Claims = SqlClaims(statements)
        self.inbox: port.Inbox = SqlInbox(statements)
        self.jobs: port.Jobs = SqlJobs(statements)

    async def open_case(self, case: Case) -> bool:
        return await self._history.open_case(case)

    async def record(self, event: Event) -> None:
        await self._history.add(event)
        for job in self._consequences(event):
            await self.jobs.enqueue(job)

    async def commit(self) -> None:
        await self._statements.commit()
