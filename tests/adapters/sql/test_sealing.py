"""The seal on the books holds against whoever writes SQL, not only against our code."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from core.domain.ledger import cash, clearing, transfer
from tests.builders import ANNA, NOON, YOOKASSA, rub
from tests.contracts.units import written


@pytest.fixture
async def sealed(shop, raw: Engine) -> str:
    """The id of an entry that is in the books."""
    entry = transfer("e1", "charge", rub(5), debit=clearing(YOOKASSA), credit=cash(ANNA), at=NOON)
    await written(shop, lambda uow: uow.ledger.post(entry))
    return entry.id


@pytest.fixture
def books(sealed: str, raw: Engine) -> Iterator[Connection]:
    with raw.connect() as connection:
        yield connection
        connection.rollback()


def post(books: Connection, entry: str, line: int, amount: int, currency: str = "RUB") -> None:
    books.execute(
        text(
            "INSERT INTO posting (entry_id, line_no, account, currency, amount_minor)"
            " VALUES (:entry, :line, 'rewards', :currency, :amount)"
        ),
        {"entry": entry, "line": line, "currency": currency, "amount": amount},
    )


def seal(books: Connection, entry: str) -> None:
    books.execute(
        text(f"INSERT INTO entry (id, purpose, at) SELECT '{entry}', 'gift', at FROM entry LIMIT 1")
    )


def test_what_balances_can_be_sealed(books):
    post(books, "e2", 1, 500)
    post(books, "e2", 2, -500)
    seal(books, "e2")
    books.commit()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE posting SET amount_minor = amount_minor + 1",
        "UPDATE posting SET account = 'cash:cus_boris001'",
        "DELETE FROM posting",
        "UPDATE entry SET purpose = 'gift'",
        "DELETE FROM entry",
    ],
)
def test_nothing_in_the_books_is_changed_or_removed(books, change):
    with pytest.raises(IntegrityError, match="append only"):
        books.execute(text(change))


def test_a_sealed_entry_takes_no_further_line(books, sealed):
    with pytest.raises(IntegrityError, match="sealed"):
        post(books, sealed, 3, 500)


def test_a_line_cannot_slip_under_an_entry_that_is_being_posted(books):
    with pytest.raises(IntegrityError, match="numbered from 1"):
        post(books, "e2", 3, 500)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [(500, "RUB")],
        [(500, "RUB"), (-499, "RUB")],
        [(500, "RUB"), (-500, "PHP")],
        [(500, "RUB"), (-500, "RUB"), (1, "PHP")],
    ],
)
def test_what_does_not_balance_in_each_currency_is_not_sealed(books, lines):
    for number, (amount, currency) in enumerate(lines, start=1):
        post(books, "e2", number, amount, currency)

    with pytest.raises(IntegrityError, match="does not balance"):
        seal(books, "e2")


def test_an_entry_is_not_sealed_twice(books, sealed):
    with pytest.raises(IntegrityError):
        seal(books, sealed)


def test_postings_without_their_seal_cannot_be_committed(books):
    post(books, "e2", 1, 500)
    post(books, "e2", 2, -500)

    with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
        books.commit()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_sqlite_cannot_replace_what_is_sealed(books):
    with pytest.raises(IntegrityError):
        books.execute(
            text("INSERT OR REPLACE INTO entry (id, purpose, at) VALUES ('e1', 'gift', 0)")
        )
    with pytest.raises(IntegrityError):
        books.execute(
            text(
                "INSERT OR REPLACE INTO posting SELECT 'e2', 1, account, currency, 100, seq,"
                " 100, posted_at FROM posting WHERE seq = 1"
            )
        )


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_postgresql_cannot_truncate_what_is_sealed(books):
    with pytest.raises(IntegrityError, match="append only"):
        books.execute(text("TRUNCATE posting, entry"))
