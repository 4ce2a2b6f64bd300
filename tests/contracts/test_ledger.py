"""The books: an entry counts once, balances are per currency, nobody's goes below zero."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from core.domain.customer import CustomerId
from core.domain.ledger import (
    Account,
    BalanceTooLow,
    Entry,
    EntryContradicts,
    Line,
    Posting,
    bonus,
    cash,
    clearing,
    hold,
    receivable,
    revenue,
    transfer,
)
from core.domain.money import Money
from core.domain.plan import PlanCode
from core.ports.unit_of_work import Store
from tests.builders import ANNA, BORIS, NOON, YOOKASSA, a_purchase, an_entry, rub
from tests.contracts.units import again, let_others_go_on, seen, written

RUB = rub(1).currency
ANNAS = cash(ANNA)
SALES = revenue(PlanCode("PRO_MONTHLY"))


def charge(id_: str, amount: Money, *, to: Account = ANNAS, at: datetime = NOON) -> Entry:
    return transfer(id_, "charge", amount, debit=clearing(YOOKASSA), credit=to, at=at)


def spend(id_: str, amount: Money, *, of: Account = ANNAS, at: datetime = NOON) -> Entry:
    return transfer(id_, "purchase", amount, debit=of, credit=SALES, at=at)


async def post(store: Store, *entries: Entry) -> None:
    """Each in a unit of its own."""
    for entry in entries:
        await written(store, lambda uow, entry=entry: uow.ledger.post(entry))


async def balance(store: Store, account: Account, customer: CustomerId = ANNA) -> Money | None:
    balances = await seen(store, lambda view: view.ledger.balances(customer))
    return balances.get((account, RUB))


async def statement(store: Store, account: Account = ANNAS, **page: int) -> list[Line]:
    page = {"limit": 100} | page
    return await seen(store, lambda view: view.ledger.lines(account, RUB, **page))


async def test_an_entry_comes_back_whole(shop):
    await written(shop, lambda uow: uow.purchases.add(a_purchase()))

    await post(shop, an_entry())

    assert await seen(shop, lambda view: view.ledger.find(an_entry().id)) == an_entry()


async def test_a_line_says_which_purchase_it_is_about(shop):
    await written(shop, lambda uow: uow.purchases.add(a_purchase()))
    entry = replace(charge("e1", rub(5)), purchase_id=a_purchase().id)

    await post(shop, entry, charge("e2", rub(5)))

    assert [line.purchase_id for line in await statement(shop)] == [None, a_purchase().id]


async def test_an_entry_counts_once_however_often_it_is_posted(shop):
    async with shop.write() as uow:
        await uow.ledger.post(charge("e1", rub(5)))
        await uow.ledger.post(charge("e1", rub(5)))
        await uow.commit()
    await post(shop, charge("e1", rub(5)), charge("e1", rub(5), at=NOON + timedelta(days=400)))

    assert await balance(shop, ANNAS) == rub(5)
    assert len(await statement(shop)) == 1
    assert await seen(shop, lambda view: view.ledger.find("e1")) == charge("e1", rub(5))


async def test_an_entry_counts_once_when_ten_post_it_at_the_same_moment(shop):
    async def post_it() -> None:
        async with shop.write() as uow:
            await let_others_go_on()
            await uow.ledger.post(charge("e1", rub(5)))
            await let_others_go_on()
            await uow.commit()

    await asyncio.gather(*(again(post_it) for _ in range(10)))

    assert await balance(shop, ANNAS) == rub(5)


async def test_the_order_of_its_postings_does_not_make_another_entry(shop):
    entry = charge("e1", rub(5))
    await post(shop, entry, replace(entry, postings=entry.postings[::-1]))

    assert await balance(shop, ANNAS) == rub(5)


@pytest.mark.parametrize(
    "otherwise",
    [
        charge("e1", rub(6)),
        charge("e1", Money.of(500, "PHP")),
        charge("e1", rub(5), to=cash(BORIS)),
        replace(charge("e1", rub(5)), purpose="gift"),
        replace(charge("e1", rub(5)), purchase_id="pur_00000001"),
    ],
    ids=["amount", "currency", "account", "purpose", "purchase"],
)
async def test_an_entry_never_comes_to_mean_something_else(shop, otherwise):
    await written(shop, lambda uow: uow.purchases.add(a_purchase()))
    await post(shop, charge("e1", rub(5)))

    with pytest.raises(EntryContradicts):
        await post(shop, otherwise)

    assert await seen(shop, lambda view: view.ledger.find("e1")) == charge("e1", rub(5))


async def test_balances_are_kept_per_account_and_currency(shop):
    await post(
        shop,
        charge("e1", rub(5)),
        charge("e2", Money.of(7, "XTR")),
        charge("e3", rub(11), to=bonus(ANNA)),
        charge("e4", rub(13), to=cash(BORIS)),
    )

    assert await seen(shop, lambda view: view.ledger.balances(ANNA)) == {
        (ANNAS, RUB): rub(5),
        (ANNAS, Money.of(7, "XTR").currency): Money.of(7, "XTR"),
        (bonus(ANNA), RUB): rub(11),
    }
    assert await seen(shop, lambda view: view.ledger.total(clearing(YOOKASSA), RUB)) == rub(-29)


async def test_who_never_had_money_has_no_balance_and_who_spent_it_has_zero(shop):
    await post(shop, charge("e1", rub(5)), spend("e2", rub(5)))

    assert await balance(shop, ANNAS) == rub(0)
    assert await seen(shop, lambda view: view.ledger.balances(BORIS)) == {}
    assert await statement(shop, cash(BORIS)) == []
    assert await seen(shop, lambda view: view.ledger.total(clearing("other"), RUB)) == rub(0)


@pytest.mark.parametrize("account", [ANNAS, bonus(ANNA), hold(ANNA)])
async def test_a_customer_spends_to_the_last_kopeck_and_not_one_more(shop, account):
    await post(shop, charge("e1", rub(5), to=account))

    with pytest.raises(BalanceTooLow) as refused:
        await post(shop, spend("e2", Money.of(501, "RUB"), of=account))
    with pytest.raises(BalanceTooLow):
        await post(shop, spend("e2", Money.of(1, "PHP"), of=account))
    await post(shop, spend("e2", rub(5), of=account))

    assert (refused.value.account, refused.value.needs) == (account, Money.of(501, "RUB"))
    assert await balance(shop, account) == rub(0)


async def test_what_a_customer_owes_grows_by_debits_and_is_not_paid_back_twice(shop):
    await post(shop, spend("e1", rub(5), of=receivable(ANNA)))
    owed = await balance(shop, receivable(ANNA))

    with pytest.raises(BalanceTooLow):
        await post(shop, charge("e2", rub(6), to=receivable(ANNA)))
    await post(shop, charge("e3", rub(2), to=receivable(ANNA)))

    assert (owed, await balance(shop, receivable(ANNA))) == (rub(5), rub(3))


async def test_a_refused_entry_moves_nothing_at_all(shop):
    await post(shop, charge("e1", rub(5)))
    lines = (Posting(bonus(BORIS), rub(9)), Posting(ANNAS, rub(-9)))

    with pytest.raises(BalanceTooLow):
        await post(shop, Entry("e2", "gift", NOON, lines))

    assert await balance(shop, ANNAS) == rub(5)
    assert await balance(shop, bonus(BORIS), BORIS) is None
    assert await seen(shop, lambda view: view.ledger.find("e2")) is None


async def test_of_ten_who_spend_at_once_only_those_pass_for_whom_there_is_money(shop):
    await post(shop, charge("e0", rub(55)))

    async def spend_ten(number: int) -> bool:
        try:
            await again(lambda: post(shop, spend(f"s{number}", rub(10))))
        except BalanceTooLow:
            return False
        return True

    answers = await asyncio.gather(*(spend_ten(number) for number in range(10)))

    assert sum(answers) == 5
    assert await balance(shop, ANNAS) == rub(5)


async def test_a_statement_is_numbered_and_tells_the_balance_after_each_line(shop):
    await post(
        shop,
        charge("e1", rub(5)),
        charge("e2", rub(7), to=bonus(ANNA)),
        spend("e3", rub(3)),
        charge("e4", rub(10)),
    )

    lines = await statement(shop)

    assert [(line.entry_id, line.purpose) for line in lines] == [
        ("e4", "charge"),
        ("e3", "purchase"),
        ("e1", "charge"),
    ]
    assert [line.seq for line in lines] == [3, 2, 1]
    assert [line.balance_after for line in lines] == [rub(12), rub(2), rub(5)]
    assert [line.posting.amount for line in lines] == [rub(10), rub(-3), rub(5)]
    assert {line.posting.account for line in lines} == {ANNAS}


async def test_what_is_owed_is_told_as_a_balance_that_grows(shop):
    await post(shop, spend("e1", rub(5), of=receivable(ANNA)))

    (line,) = await statement(shop, receivable(ANNA))

    assert (line.posting.amount, line.balance_after) == (rub(-5), rub(5))


async def test_two_lines_of_one_entry_to_one_account_both_count(shop):
    lines = (
        Posting(ANNAS, rub(5)),
        Posting(clearing(YOOKASSA), rub(-12)),
        Posting(ANNAS, rub(7)),
    )
    await post(shop, Entry("e1", "charge", NOON, lines))

    assert [line.balance_after for line in await statement(shop)] == [rub(12), rub(5)]


async def test_time_never_goes_back_within_an_account(shop):
    earlier = NOON - timedelta(hours=1)
    await post(
        shop,
        charge("e1", rub(1), at=NOON),
        charge("e2", rub(1), at=earlier),
        charge("e3", rub(1), at=NOON + timedelta(microseconds=1)),
    )

    assert [line.at for line in await statement(shop)] == [
        NOON + timedelta(microseconds=1),
        NOON,
        NOON,
    ]
    assert (await seen(shop, lambda view: view.ledger.find("e2"))).at == earlier


async def test_a_statement_is_read_in_pages(shop):
    await post(shop, *(charge(f"e{number}", rub(1)) for number in range(1, 6)))

    first = await statement(shop, limit=2)
    second = await statement(shop, limit=2, before_seq=first[-1].seq)
    last = await statement(shop, limit=2, before_seq=second[-1].seq)

    assert [[line.seq for line in page] for page in (first, second, last)] == [[5, 4], [3, 2], [1]]
    assert await statement(shop, before_seq=1) == []


async def test_transfers_both_ways_at_once_neither_stand_still_nor_lose_money(shop):
    await post(shop, charge("a", rub(100)), charge("b", rub(100), to=cash(BORIS)))

    async def send(number: int) -> None:
        payer, payee = (ANNA, BORIS) if number % 2 else (BORIS, ANNA)
        entry = transfer(
            f"t{number}", "gift", rub(1), debit=cash(payer), credit=cash(payee), at=NOON
        )
        async with shop.write() as uow:
            await uow.ledger.post(entry)
            await let_others_go_on()
            await uow.commit()

    await asyncio.gather(*(send(number) for number in range(12)))

    assert await balance(shop, ANNAS) == rub(100)
    assert await balance(shop, cash(BORIS), BORIS) == rub(100)
    assert [line.seq for line in await statement(shop)] == list(range(13, 0, -1))


async def test_the_most_there_is_can_be_kept(shop):
    most = Money.of(10**15, "USDT")
    await post(shop, charge("e1", most))

    balances = await seen(shop, lambda view: view.ledger.balances(ANNA))
    assert balances == {(ANNAS, most.currency): most}


async def test_the_entries_of_a_purchase_come_whole_the_oldest_first(shop):
    bought = a_purchase()
    await written(shop, lambda uow: uow.purchases.add(bought))
    later, first, other = (
        replace(charge(id_, rub(300), at=at), purchase_id=purchase_id)
        for id_, at, purchase_id in (
            ("charge b", NOON + timedelta(hours=1), bought.id),
            ("charge c", NOON, bought.id),
            ("charge a", NOON, None),
        )
    )
    await post(shop, first, other, later)

    assert await seen(shop, lambda view: view.ledger.of_purchase(bought.id)) == [first, later]
