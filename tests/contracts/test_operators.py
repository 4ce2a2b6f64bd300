"""What a store keeps of operators: roles that end at once, and one draft for each."""

from dataclasses import replace
from datetime import timedelta

from core.domain.customer import CustomerId, identity
from core.domain.item import Deposit
from core.domain.money import Money
from core.domain.operator import Draft, Operator, Role
from core.domain.payment import InboxStatus
from core.domain.purchase import PurchaseStatus
from core.ports.operators import Sold
from core.ports.unit_of_work import Store
from tests.builders import (
    NOON,
    a_case,
    a_customer,
    a_notice,
    a_purchase,
    a_subscription,
    an_inbox_item,
    rub,
)
from tests.contracts.units import seen, written

OLGA, PETER = identity("telegram:11"), identity("telegram:12")


async def test_a_role_is_given_replaced_and_taken(store: Store) -> None:
    olga = Operator(OLGA, Role.SUPPORT, NOON, "ann")
    peter = Operator(PETER, Role.MANAGER, NOON, "ann")
    promoted = replace(olga, role=Role.OWNER, since=NOON + timedelta(days=1), by="telegram:12")
    for it in (peter, olga, promoted):
        await written(store, lambda uow, it=it: uow.operators.put(it))  # type: ignore[misc]

    async with store.read() as view:
        assert await view.operators.everybody() == [promoted, peter]
        assert await view.operators.find(OLGA) == promoted
    assert await written(store, lambda uow: uow.operators.remove(OLGA))
    assert not await written(store, lambda uow: uow.operators.remove(OLGA))
    assert await seen(store, lambda view: view.operators.find(OLGA)) is None


async def test_the_newest_draft_of_each_is_kept(store: Store) -> None:
    first = Draft("dft_1", OLGA, "refund", "pur_1", NOON, {"reason": "asked <for> it"})
    second = Draft("dft_2", OLGA, "block", "cus_1", NOON + timedelta(hours=1), is_done=True)
    peters = Draft("dft_3", PETER, "find", "", NOON)
    await written(store, lambda uow: uow.operators.put_draft(first))
    assert await seen(store, lambda view: view.operators.draft(OLGA)) == first

    for it in (second, peters):
        await written(store, lambda uow, it=it: uow.operators.put_draft(it))  # type: ignore[misc]

    assert await seen(store, lambda view: view.operators.draft(OLGA)) == second
    assert await seen(store, lambda view: view.operators.draft(PETER)) == peters
    assert await seen(store, lambda view: view.operators.draft(identity("telegram:9"))) is None


async def test_people_are_found_by_how_their_names_begin(store: Store) -> None:
    people = {
        "cus_aaaaaaa1": ("Анна Павлова", "zoe"),
        "cus_aaaaaaa2": ("АНТОН", "annagold"),
        "cus_aaaaaaa3": ("Ann_a", None),
        "cus_aaaaaaa4": ("Ann%b", "Ann_a_1"),
        "cus_aaaaaaa5": (None, None),
    }
    for number, (id_, (name, username)) in enumerate(people.items()):
        who = (identity(f"telegram:{number + 1}"),)
        customer = a_customer(id=CustomerId(id_), identities=who, name=name, username=username)
        await written(store, lambda uow, it=customer: uow.customers.add(it))  # type: ignore[misc]

    async def found(beginning: str, limit: int = 10) -> str:
        named = await seen(store, lambda view: view.customers.named(beginning, limit=limit))
        return "".join(one.id[-1] for one in named)

    assert await found("ан") == "12"
    assert await found("АНТ") == "2"
    assert await found("ann") == "423"
    assert await found("ann", limit=2) == "42"
    assert await found("ann_") == "43"
    assert await found("%") == ""
    assert await found("_") == ""


async def test_figures_count_what_is_there(shop: Store) -> None:
    day, month = NOON - timedelta(hours=9), NOON - timedelta(days=9)
    sales = (
        ("pur_1", NOON, PurchaseStatus.PAID, None, {}),
        ("pur_2", NOON - timedelta(days=2), PurchaseStatus.PAID, rub(99), {}),
        ("pur_3", NOON - timedelta(days=3), PurchaseStatus.REFUNDED, rub(299), {}),
        ("pur_4", NOON - timedelta(days=30), PurchaseStatus.PAID, None, {}),
        ("pur_5", NOON, PurchaseStatus.CANCELED, None, {}),
        ("pur_6", NOON, PurchaseStatus.PAID, None, {"item": Deposit()}),
        ("pur_7", NOON, PurchaseStatus.PAID, None, {"amount": Money.of(250, "XTR")}),
    )
    begun = NOON - timedelta(days=60)
    failed = an_inbox_item(status=InboxStatus.FAILED)
    waiting = an_inbox_item(
        id="inb_2", notice=a_notice(dedupe_key="other"), status=InboxStatus.STORED, handled_at=None
    )
    async with shop.write() as uow:
        for id_, ended_at, status, refunded, more in sales:
            fields = {"id": id_, "ended_at": ended_at, "status": status, "refunded": refunded}
            sold = a_purchase(**fields, created_at=begun, expires_at=begun, remark=None, **more)
            await uow.purchases.add(sold)
        await uow.open_case(a_case(closed_at=None, reason=None))
        await uow.inbox.take(failed)
        await uow.inbox.take(waiting)
        await uow.subscriptions.save(a_subscription())
        await uow.commit()
    period = a_subscription().period
    assert period is not None

    async with shop.read() as view:
        now = period.end - timedelta(seconds=1)
        told = await view.figures.told(now, day=day, month=month)
        over = await view.figures.told(period.end, day=NOON + timedelta(days=1), month=month)
        assert [it.id for it in await view.inbox.not_done(InboxStatus.FAILED, limit=9)] == [
            failed.id
        ]
        assert await view.inbox.not_done(InboxStatus.STORED, limit=9) == [waiting]

    assert told.sold == (Sold(1, rub(299)), Sold(1, Money.of(250, "XTR")))
    assert told.sold_since_month == (Sold(3, rub(299 + 200)), Sold(1, Money.of(250, "XTR")))
    assert (told.new, told.cases, told.failed_notices, told.withdrawals) == (2, 1, 1, 0)
    assert (told.active, told.trials) == (1, 0)
    assert (over.new, over.sold, over.active) == (0, (), 0)
