"""The memory store's ledger, usage counters and holds of usage."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from adapters.persistence.memory.repositories import Dated, Repository
from adapters.persistence.memory.tables import Balance
from core.domain.customer import CustomerId
from core.domain.ledger import (
    Account,
    BalanceTooLow,
    Entry,
    EntryContradicts,
    EntryId,
    Line,
    Posting,
    is_of_a_customer,
    natural_sign,
)
from core.domain.money import Currency, Money
from core.domain.purchase import PurchaseId
from core.domain.usage_quota import (
    RECEIPT_LIFE,
    HoldId,
    UsageHold,
    UsageHoldNotFound,
    UsageKey,
    UsageQuota,
    UsageReceipt,
)


class MemoryLedger(Repository):
    async def find(self, entry_id: EntryId) -> Entry | None:
        await self._unit.called()
        return self._unit.get(self._tables.entries, entry_id)

    async def of_purchase(self, purchase_id: PurchaseId) -> list[Entry]:
        await self._unit.called()
        found = (it for _, it in self._unit.all(self._tables.entries))
        theirs = [entry for entry in found if entry.purchase_id == purchase_id]
        return sorted(theirs, key=lambda entry: (entry.at, entry.id))

    async def balances(self, customer_id: CustomerId) -> Mapping[tuple[Account, Currency], Money]:
        await self._unit.called()
        found = self._unit.find(self._tables.balances, "customer", customer_id)
        return {place: balance.amount for place, balance in found}

    async def total(self, account: Account, currency: Currency) -> Money:
        await self._unit.called()
        found = self._unit.find(self._tables.postings, "account", (account, currency))
        return Money(sum(posting.amount.amount_minor for _, posting in found), currency)

    async def lines(
        self, account: Account, currency: Currency, *, limit: int, before_seq: int | None = None
    ) -> list[Line]:
        await self._unit.called()
        balance = self._unit.get(self._tables.balances, (account, currency))
        end = 1 if balance is None else balance.seq + 1
        if before_seq is not None:
            end = min(end, before_seq)
        wanted = range(end - 1, max(end - 1 - limit, 0), -1)
        lines = (self._unit.get(self._tables.lines, (account, currency, seq)) for seq in wanted)
        return [line for line in lines if line is not None]

    async def balance_at(self, account: Account, currency: Currency, at: datetime) -> Money:
        balance = self._unit.get(self._tables.balances, (account, currency))
        for line in await self.lines(
            account, currency, limit=0 if balance is None else balance.seq
        ):
            if line.at <= at:
                return line.balance_after
        return Money(0, currency)

    async def post(self, entry: Entry) -> None:
        await self._unit.called()
        posted = await self._unit.lock(self._tables.entries, entry.id)
        if posted is not None:
            if not posted.says_the_same_as(entry):
                raise EntryContradicts(entry.id)
            return
        await self._unit.put(self._tables.entries, entry.id, entry)
        touched = {
            (posting.account, posting.amount.currency)
            for posting in entry.postings
            if is_of_a_customer(posting.account)
        }
        for place in sorted(touched):
            await self._unit.lock(self._tables.balances, place)
        for number, posting in enumerate(entry.postings):
            await self._unit.put(self._tables.postings, (entry.id, number), posting)
            if is_of_a_customer(posting.account):
                await self._add_line(entry, posting)
        for account, currency in sorted(touched):
            self._check(account, currency, entry)

    async def _add_line(self, entry: Entry, posting: Posting) -> None:
        place = (posting.account, posting.amount.currency)
        moved = posting.amount if natural_sign(posting.account) > 0 else -posting.amount
        before = self._unit.get(self._tables.balances, place)
        if before is None:
            after = Balance(moved, 1, entry.at)
        else:
            at = max(entry.at, before.last_at)
            after = Balance(before.amount + moved, before.seq + 1, at)
        line = Line(
            entry.id,
            entry.purpose,
            posting,
            after.seq,
            after.amount,
            after.last_at,
            entry.purchase_id,
        )
        await self._unit.put(self._tables.balances, place, after)
        await self._unit.put(self._tables.lines, (*place, after.seq), line)

    def _check(self, account: Account, currency: Currency, entry: Entry) -> None:
        balance = self._unit.get(self._tables.balances, (account, currency))
        assert balance is not None
        if balance.amount.amount_minor < 0:
            moved = sum(
                posting.amount.amount_minor
                for posting in entry.postings
                if (posting.account, posting.amount.currency) == (account, currency)
            )
            raise BalanceTooLow(account, Money(abs(moved), currency))


class MemoryUsage(Repository):
    async def used(self, keys: Collection[UsageKey]) -> Mapping[UsageKey, int]:
        await self._unit.called()
        counters = ((key, self._unit.get(self._tables.counters, key)) for key in keys)
        return {key: used for key, used in counters if used is not None}

    async def lock(self, keys: Collection[UsageKey]) -> Mapping[UsageKey, int]:
        await self._unit.called()
        locked = []
        for key in sorted(keys):
            if key == key.of_packs and self._unit.get(self._tables.counters, key) is None:
                continue  # And what is given while the others are waited for is not seen either.
            if await self._unit.lock(self._tables.counters, key) is None:
                await self._unit.put(self._tables.counters, key, 0)
            locked.append(key)
        return await self.used(locked)

    async def save(self, quotas: Sequence[UsageQuota]) -> None:
        await self._unit.called()
        for quota in quotas:
            for key, units in quota.counters.items():
                assert self._unit.has_locked(self._tables.counters, key), "lock it first"
                await self._unit.put(self._tables.counters, key, units)

    async def give(self, key: UsageKey, units: int) -> int:
        await self._unit.called()
        left = (await self._unit.lock(self._tables.counters, key) or 0) + units
        await self._unit.put(self._tables.counters, key, left)
        return left

    async def receipts(
        self, requests: Collection[tuple[CustomerId, str]]
    ) -> Mapping[tuple[CustomerId, str], UsageReceipt]:
        await self._unit.called()
        found = ((request, self._unit.get(self._tables.receipts, request)) for request in requests)
        return {request: receipt for request, receipt in found if receipt is not None}

    async def add_receipts(self, receipts: Sequence[UsageReceipt]) -> None:
        await self._unit.called()
        for receipt in receipts:
            request = (receipt.customer_id, receipt.request_id)
            await self._unit.add(self._tables.receipts, request, receipt)

    async def forget_receipts(self, now: datetime, *, limit: int) -> int:
        await self._unit.called()
        expired = [
            request
            for request, receipt in self._unit.all(self._tables.receipts)
            if receipt.expires_at <= now
        ]
        for request in expired[:limit]:
            await self._unit.put(self._tables.receipts, request, None)
        return len(expired[:limit])


class MemoryHolds(Dated):
    async def get(self, hold_id: HoldId) -> UsageHold:
        await self._unit.called()
        hold = self._unit.get(self._tables.holds, hold_id)
        if hold is None:
            raise UsageHoldNotFound(hold_id)
        return hold

    async def add(self, holds: Sequence[UsageHold]) -> None:
        await self._unit.called()
        for hold in holds:
            await self._unit.add(self._tables.holds, hold.id, hold)
            await self._put_due(self._tables.holds, hold.id, hold.due_at)

    async def save(self, hold: UsageHold) -> None:
        await self._unit.called()
        await self._unit.save(self._tables.holds, hold.id, hold)
        await self._put_due(self._tables.holds, hold.id, hold.due_at)

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[HoldId]:
        return await self._take_due(self._tables.holds, now, until, limit)

    async def forget(self, now: datetime, *, limit: int) -> int:
        await self._unit.called()
        old = [
            hold_id
            for hold_id, hold in self._unit.all(self._tables.holds)
            if hold.due_at is None and hold.resets_at + RECEIPT_LIFE <= now
        ]
        for hold_id in old[:limit]:
            await self._unit.put(self._tables.holds, hold_id, None)
        return len(old[:limit])
