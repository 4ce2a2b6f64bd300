"""The books as rows: postings first, then the entry row that seals them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import RowMapping, func, select, tuple_

from adapters.persistence.sql.money_tables import balance as balances
from adapters.persistence.sql.money_tables import entry as entries
from adapters.persistence.sql.money_tables import posting as postings
from adapters.persistence.sql.statements import Statements
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
from core.domain.money import Currency, Money, currency
from core.domain.purchase import PurchaseId

_Key = tuple[Account, str]


class SqlLedger:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def find(self, entry_id: EntryId) -> Entry | None:
        rows = await self._statements.all(
            select(entries, postings)
            .join_from(entries, postings)
            .where(entries.c.id == entry_id)
            .order_by(postings.c.line_no)
        )
        return entry_from_rows(rows) if rows else None

    async def of_purchase(self, purchase_id: PurchaseId) -> list[Entry]:
        rows = await self._statements.all(
            select(entries, postings)
            .join_from(entries, postings)
            .where(entries.c.purchase_id == purchase_id)
            .order_by(entries.c.at, entries.c.id, postings.c.line_no)
        )
        found = groupby(rows, key=lambda row: row[entries.c.id])
        return [entry_from_rows(list(lines)) for _, lines in found]

    async def balances(self, customer_id: CustomerId) -> Mapping[tuple[Account, Currency], Money]:
        c = balances.c
        rows = await self._statements.all(
            select(balances).where(c.customer_id == customer_id, c.seq > 0)
        )
        return {
            (row[c.account], currency(row[c.currency])): Money.of(
                row[c.balance_minor], row[c.currency]
            )
            for row in rows
        }

    async def total(self, account: Account, currency: Currency) -> Money:
        c = postings.c
        row = await self._statements.first(
            select(func.coalesce(func.sum(c.amount_minor), 0).label("total")).where(
                c.account == account, c.currency == currency.code
            )
        )
        assert row is not None
        return Money(int(row["total"]), currency)

    async def lines(
        self, account: Account, currency: Currency, *, limit: int, before_seq: int | None = None
    ) -> list[Line]:
        c = postings.c
        statement = (
            select(postings, entries.c.purpose, entries.c.purchase_id)
            .join_from(postings, entries)
            .where(c.account == account, c.currency == currency.code, c.seq.is_not(None))
        )
        if before_seq is not None:
            statement = statement.where(c.seq < before_seq)
        rows = await self._statements.all(statement.order_by(c.seq.desc()).limit(limit))
        return [line_from_row(row) for row in rows]

    async def balance_at(self, account: Account, currency: Currency, at: datetime) -> Money:
        c = postings.c
        row = await self._statements.first(
            select(c.balance_after_minor)
            .where(c.account == account, c.currency == currency.code, c.posted_at <= at)
            .order_by(c.posted_at.desc(), c.seq.desc())
            .limit(1)
        )
        return Money(0 if row is None else row[c.balance_after_minor], currency)

    async def post(self, entry: Entry) -> None:
        before = await self._lock(entry)
        known = await self.find(entry.id)
        if known is not None:
            if not known.says_the_same_as(entry):
                raise EntryContradicts(entry.id)
            return
        lines, after = _booked(entry, before)
        run, insert = self._statements.run, self._statements.insert
        await run(insert(postings), lines, subject=entry.id)
        seal = {
            "id": entry.id,
            "purpose": entry.purpose,
            "at": entry.at,
            "purchase_id": entry.purchase_id,
        }
        await run(insert(entries), [seal], subject=entry.id)
        if after:
            upsert = insert(balances)
            changed = ("balance_minor", "seq", "last_posted_at")
            await run(
                upsert.on_conflict_do_update(
                    index_elements=["account", "currency"],
                    set_={name: upsert.excluded[name] for name in changed},
                ),
                after,
            )

    async def _lock(self, entry: Entry) -> dict[_Key, RowMapping]:
        """
        The balance rows of the entry's customer accounts, made where missing and locked in the
        order of their keys. Of two units with the same entry the second waits here.
        """
        keys = sorted(
            {
                (posting.account, posting.amount.currency.code)
                for posting in entry.postings
                if is_of_a_customer(posting.account)
            }
        )
        if not keys:
            if self._statements.is_postgresql:
                number = func.hashtextextended(entry.id, 0)
                await self._statements.run(select(func.pg_advisory_xact_lock(number)))
            return {}
        locked = await self._locked(keys)
        missing = [key for key in keys if key not in locked]
        if missing:
            await self._statements.run(
                self._statements.insert(balances).on_conflict_do_nothing(),
                [
                    {
                        "account": account,
                        "currency": code,
                        "customer_id": account.partition(":")[2],
                        "balance_minor": 0,
                        "seq": 0,
                        "last_posted_at": entry.at,
                    }
                    for account, code in missing
                ],
            )
            locked = await self._locked(keys)
        return locked

    async def _locked(self, keys: Sequence[_Key]) -> dict[_Key, RowMapping]:
        c = balances.c
        rows = await self._statements.all(
            select(balances)
            .where(tuple_(c.account, c.currency).in_(keys))
            .order_by(c.account, c.currency)
            .with_for_update()
        )
        return {(row[c.account], row[c.currency]): row for row in rows}


def _booked(
    entry: Entry, before: Mapping[_Key, RowMapping]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The entry's lines as rows, and the balance rows after them."""
    after = {key: dict(row) for key, row in before.items()}
    taken: defaultdict[_Key, int] = defaultdict(int)
    lines = []
    for line_no, posting in enumerate(entry.postings, start=1):
        key = (posting.account, posting.amount.currency.code)
        line = row_from_posting(posting, entry.id, line_no)
        if key in after:
            change = natural_sign(posting.account) * posting.amount.amount_minor
            taken[key] -= change
            row = after[key]
            row["balance_minor"] += change
            row["seq"] += 1
            row["last_posted_at"] = max(row["last_posted_at"], entry.at)
            line["seq"] = row["seq"]
            line["balance_after_minor"] = row["balance_minor"]
            line["posted_at"] = row["last_posted_at"]
        lines.append(line)
    for (account, code), row in after.items():
        if Money.of(row["balance_minor"], code).amount_minor < 0:
            raise BalanceTooLow(account, needs=Money.of(taken[account, code], code))
    return lines, list(after.values())


def row_from_posting(posting: Posting, entry_id: EntryId, line_no: int) -> dict[str, Any]:
    return {
        "entry_id": entry_id,
        "line_no": line_no,
        "account": posting.account,
        "currency": posting.amount.currency.code,
        "amount_minor": posting.amount.amount_minor,
        "seq": None,
        "balance_after_minor": None,
        "posted_at": None,
    }


def posting_from_row(row: RowMapping) -> Posting:
    c = postings.c
    return Posting(row[c.account], Money.of(row[c.amount_minor], row[c.currency]))


def entry_from_rows(rows: Sequence[RowMapping]) -> Entry:
    c = entries.c
    first = rows[0]
    lines = tuple(posting_from_row(row) for row in rows)
    return Entry(first[c.id], first[c.purpose], first[c.at], lines, first[c.purchase_id])


def line_from_row(row: RowMapping) -> Line:
    c = postings.c
    return Line(
        entry_id=row[c.entry_id],
        purpose=row[entries.c.purpose],
        posting=posting_from_row(row),
        seq=row[c.seq],
        balance_after=Money.of(row[c.balance_after_minor], row[c.currency]),
        at=row[c.posted_at],
        purchase_id=row[entries.c.purchase_id],
    )
