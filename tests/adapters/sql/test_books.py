"""The check of the books finds every way in which they could be wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, text

from adapters.persistence.sql.books import check_books
from core.domain.charge import ChargeKey
from core.domain.checkout import CheckoutStatus
from core.domain.item import EscrowShare
from core.domain.ledger import (
    ADJUSTMENTS,
    Entry,
    cash,
    clearing,
    escrow,
    fees,
    receivable,
    revenue,
    transfer,
)
from core.domain.money import Money
from core.domain.plan import PlanCode
from core.domain.purchase import PurchaseId
from core.domain.usage_quota import UsageQuota
from tests.builders import (
    ANNA,
    BORIS,
    NOON,
    YOOKASSA,
    a_checkout,
    a_hold,
    a_purchase,
    an_open_hold,
    rub,
)
from tests.escrows import REST, an_escrow
from tests.money_builders import a_charge, a_refund

# Boris's: the down payment lies in it, the remainder went back.
ESCROW = an_escrow(payer_id=BORIS, payee_id=ANNA)
PARTS = [
    a_purchase(
        id=PurchaseId(f"pur_of_{which}"),
        customer_id=BORIS,
        item=EscrowShare(ESCROW.id, which),
        amount=part.amount,
        refunded=None,
    )
    for which, part in ESCROW.parts.items()
]


def of_the_escrow() -> list[Entry]:
    """What moved because of it."""
    brought = transfer(
        "adjustment adj_1",
        "adjustment",
        ESCROW.total,
        debit=ADJUSTMENTS,
        credit=cash(BORIS),
        at=NOON,
    )
    funded = [
        transfer(
            f"purchase {one.id}",
            "purchase",
            one.amount,
            debit=cash(BORIS),
            credit=escrow(BORIS),
            at=NOON,
            purchase_id=one.id,
        )
        for one in PARTS
    ]
    return [brought, *funded, ESCROW.end_of(REST, at=NOON)]


@pytest.fixture
async def busy_shop(shop):
    """A purchase that was paid, and the money that paid it; an escrow under way; units held."""
    entries = [
        transfer(
            "charge yookassa 2d8f",
            "charge",
            rub(399),
            debit=clearing(YOOKASSA),
            credit=cash(ANNA),
            at=NOON,
            purchase_id="pur_00000001",
        ),
        transfer(
            "purchase pur_00000001",
            "purchase",
            rub(299),
            debit=cash(ANNA),
            credit=revenue(PlanCode("PRO_MONTHLY")),
            at=NOON,
            purchase_id="pur_00000001",
        ),
        transfer(
            "refund rfd_00000001 ended",
            "refund",
            rub(99),
            debit=revenue(PlanCode("PRO_MONTHLY")),
            credit=clearing(YOOKASSA),
            at=NOON,
            purchase_id="pur_00000001",
        ),
        transfer(
            "fee charge yookassa 2d8f",
            "fee",
            Money.of(1047, "RUB"),
            debit=fees(YOOKASSA),
            credit=clearing(YOOKASSA),
            at=NOON,
        ),
        transfer("owed", "fee", rub(5), debit=receivable(ANNA), credit=clearing(YOOKASSA), at=NOON),
        *of_the_escrow(),
    ]
    async with shop.write() as uow:
        await uow.purchases.add(a_purchase(from_wallet=False))
        await uow.escrows.add(ESCROW)
        for purchase in PARTS:
            await uow.purchases.add(purchase)
        await uow.checkouts.add(a_checkout(status=CheckoutStatus.PAID, due_at=None))
        await uow.charges.add(a_charge(key=ChargeKey(YOOKASSA, "2d8f"), amount=rub(399)))
        await uow.refunds.add(a_refund(charge_id="2d8f", paid=rub(399)))
        for entry in entries:
            await uow.ledger.post(entry)
        hold = a_hold()
        await uow.usage.lock([hold.key])
        await uow.usage.save([UsageQuota(hold.key, hold.resets_at, hold.limit, used=3)])
        await uow.holds.add([an_open_hold(units=1), hold])
        await uow.commit()
    return shop


async def test_books_that_are_right_give_no_finding(busy_shop):
    assert await check_books(busy_shop) == []


async def test_empty_books_are_right(store):
    assert await check_books(store) == []


@contextmanager
def unguarded(raw: Engine) -> Iterator[Connection]:
    """A connection for somebody who has taken the seal off."""
    with raw.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET session_replication_role = replica"))
        else:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            triggers = connection.execute(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            )
            for name in triggers.scalars().all():
                connection.execute(text(f"DROP TRIGGER {name}"))
        yield connection
        connection.commit()


UNNUMBERED = "seq = NULL, balance_after_minor = NULL, posted_at = NULL"
LATER = "(SELECT max(expires_at) FROM purchase)"
LINE = "account = 'cash:cus_anna0001' AND seq"


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("DELETE FROM entry WHERE id = 'owed'", "entry owed has a posting and no seal"),
        ("DELETE FROM posting WHERE entry_id = 'owed'", "entry owed has fewer than two postings"),
        (
            "UPDATE posting SET amount_minor = 600 WHERE entry_id = 'owed' AND amount_minor > 0",
            "entry owed is out of balance by 100 RUB",
        ),
        (
            "UPDATE posting SET amount_minor = 600 WHERE entry_id = 'owed' AND amount_minor > 0",
            "all accounts together hold 100 RUB instead of nothing",
        ),
        (
            "UPDATE balance SET balance_minor = 10001 WHERE account = 'cash:cus_anna0001'",
            "cash:cus_anna0001 is said to hold 10001 RUB at line 2, its lines say 10000 at 2",
        ),
        (
            "UPDATE balance SET seq = 3 WHERE account = 'receivable:cus_anna0001'",
            "receivable:cus_anna0001 is said to hold 500 RUB at line 3, its lines say 500 at 1",
        ),
        (
            "DELETE FROM balance WHERE account = 'receivable:cus_anna0001'",
            "receivable:cus_anna0001 has lines in RUB and no balance",
        ),
        (
            f"UPDATE posting SET {UNNUMBERED} WHERE {LINE} = 2",
            "cash:cus_anna0001 RUB has a line without a number",
        ),
        (
            f"UPDATE posting SET seq = 3 WHERE {LINE} = 2",
            "cash:cus_anna0001 RUB skips a number before line 3",
        ),
        (
            f"UPDATE posting SET balance_after_minor = 9999 WHERE {LINE} = 2",
            "cash:cus_anna0001 RUB says 9999 after line 2, and its lines say 10000",
        ),
        (
            f"UPDATE posting SET posted_at = {LATER} WHERE {LINE} = 1",
            "cash:cus_anna0001 RUB goes back in time at line 2",
        ),
        (
            f"UPDATE posting SET amount_minor = -50000 WHERE {LINE} = 2",
            "cash:cus_anna0001 is below zero: -10100 RUB",
        ),
        (
            "DELETE FROM posting WHERE entry_id LIKE 'p%'; DELETE FROM entry WHERE id LIKE 'p%'",
            "purchase pur_00000001 is paid and its entry is missing",
        ),
        (
            "UPDATE purchase SET status = 'failed'",
            "entry purchase pur_00000001 is of a purchase that is not paid",
        ),
        (
            "DELETE FROM refund; DELETE FROM charge",
            "purchase pur_00000001 was paid at yookassa and the charge is not in the books",
        ),
        (
            "DELETE FROM refund; DELETE FROM charge",
            "entry charge yookassa 2d8f is of a charge that nobody remembers",
        ),
        (
            "UPDATE charge SET amount_minor = 39901",
            "the charge 2d8f of yookassa and its entry do not say the same",
        ),
        (
            "UPDATE charge SET fee_minor = 1046",
            "the charge 2d8f of yookassa says a fee of 1046 and its entry says 1047",
        ),
        (
            "UPDATE charge SET fee_minor = NULL",
            "the charge 2d8f of yookassa says a fee of 0 and its entry says 1047",
        ),
        (
            "UPDATE entry SET purpose = 'gift' WHERE purpose = 'refund'",
            (
                "entry refund rfd_00000001 ended moves clearing:yookassa"
                " and is neither charge, refund, payout nor fee"
            ),
        ),
        (
            "UPDATE refund SET amount_minor = 9800",
            "of charge 2d8f of yookassa 9900 goes back, its refunds say 9800",
        ),
        (
            "UPDATE refund SET amount_minor = 9800",
            "purchase pur_00000001 gave back 9900 by its own word and 9800 by its refunds",
        ),
        (
            "UPDATE entry SET purpose = 'gift' WHERE purpose = 'refund'",
            "refund rfd_00000001 is done and its entry does not say so",
        ),
        (
            "UPDATE refund SET status = 'failed'",
            "refund rfd_00000001 is failed and its entry does not say so",
        ),
        (
            "UPDATE refund SET status = 'asked', ended_at = NULL",
            "refund rfd_00000001 is asked and its entry does not say so",
        ),
        (
            "UPDATE balance SET balance_minor = 29999 WHERE account = 'escrow:cus_boris001'",
            "escrow:cus_boris001 holds 29999 RUB and the parts that lie in it make 30000",
        ),
        (
            "UPDATE escrow SET down_payment_releasing_at = NULL, down_payment_status = 'unfunded'",
            "escrow:cus_boris001 holds 30000 RUB and the parts that lie in it make 0",
        ),
        (
            "UPDATE escrow SET remainder_ended_at = NULL, remainder_status = 'disputed'",
            "escrow:cus_boris001 holds 30000 RUB and the parts that lie in it make 100000",
        ),
        (
            "DELETE FROM balance WHERE account = 'escrow:cus_boris001'",
            "escrow:cus_boris001 holds 0 RUB and the parts that lie in it make 30000",
        ),
        (
            "UPDATE purchase SET status = 'expired' WHERE escrow_part = 'remainder'",
            "the remainder of escrow esc_00000001 is refunded and no purchase paid for it",
        ),
        (
            "UPDATE purchase SET escrow_id = 'esc_2' WHERE escrow_part = 'down_payment'",
            "the down_payment of escrow esc_00000001 is funded and no purchase paid for it",
        ),
        (
            "DELETE FROM posting WHERE entry_id LIKE 'e%'; DELETE FROM entry WHERE id LIKE 'e%'",
            "the remainder of escrow esc_00000001 is refunded and its entry is missing",
        ),
        (
            "UPDATE escrow SET remainder_status = 'released'",
            "the remainder of escrow esc_00000001 is released and its entry is missing",
        ),
        (
            "UPDATE posting SET amount_minor = -1 WHERE entry_id LIKE 'escrow%' AND line_no = 1",
            "the remainder of escrow esc_00000001 is refunded and its entry is missing",
        ),
        (
            "UPDATE escrow SET remainder_ended_at = NULL, remainder_status = 'disputed'",
            "entry escrow esc_00000001 remainder ended ends a part that has not ended",
        ),
        (
            "UPDATE usage_counter SET used = 2",
            "cus_anna0001 used 2 of photo_ai in a window whose holds took 3",
        ),
        (
            "DELETE FROM subscription WHERE customer_id = 'cus_boris001'",
            "customer cus_boris001 has no subscription",
        ),
    ],
)
async def test_what_is_wrong_is_told_in_words(busy_shop, raw: Engine, damage: str, finding: str):
    with unguarded(raw) as connection:
        for statement in damage.split(";"):
            connection.execute(text(statement))

    assert finding in await check_books(busy_shop)
