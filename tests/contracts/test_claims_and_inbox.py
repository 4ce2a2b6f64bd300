"""A cause decides once; a notice is stored once; whoever comes second waits and gets the first's."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.cause import Cause, Claim
from core.domain.payment import InboxItem, NoticeKind
from core.domain.plan import GatewayName
from tests.builders import NOON, a_claim, a_notice, an_inbox_item
from tests.contracts.units import let_others_go_on, seen, written


class ThePowerWentOut(Exception):
    """Any error that nobody expects."""


async def test_the_second_taker_of_a_claim_gets_the_first_ones(shop):
    first, second = a_claim(subject="pur_1", answer=None), a_claim(subject="pur_2", answer=None)

    taken = [await written(shop, lambda uow, it=it: uow.claims.take(it)) for it in (first, second)]

    assert taken == [first, first]


async def test_of_two_claims_at_once_the_second_waits_and_sees_what_the_first_left(shop):
    async def take(number: int) -> tuple[Claim, bool]:
        mine = a_claim(subject=f"pur_{number}", answer=None)
        async with shop.write() as uow:
            claim = await uow.claims.take(mine)
            await let_others_go_on()
            if claim == mine:
                await uow.claims.save(claim.answered("first"))
            await uow.commit()
        return claim, claim == mine

    results = await asyncio.gather(*(take(number) for number in range(4)))

    (winner,) = [claim for claim, was_first in results if was_first]
    left = replace(winner, answer="first", version=1)
    assert [claim for claim, was_first in results if not was_first] == [left] * 3


async def test_if_the_first_unit_fails_the_second_ones_claim_stands(shop):
    has_taken = asyncio.Event()

    async def fail() -> None:
        async with shop.write() as uow:
            await uow.claims.take(a_claim(subject="pur_1"))
            has_taken.set()
            await let_others_go_on()
            raise ThePowerWentOut

    async def take() -> Claim:
        await has_taken.wait()
        return await written(shop, lambda uow: uow.claims.take(a_claim(subject="pur_2")))

    failed, taken = await asyncio.gather(fail(), take(), return_exceptions=True)

    assert isinstance(failed, ThePowerWentOut)
    assert taken == a_claim(subject="pur_2")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Cause("customer cus_anna0001 POST /purchases/", "key-1", "sha256:other"), True),
        (Cause("customer cus_anna0001 POST /purchases/", "key-2", "sha256:1"), False),
        (Cause("customer cus_boris001 POST /purchases/", "key-1", "sha256:1"), False),
    ],
    ids=["fingerprint", "key", "scope"],
)
async def test_a_claim_is_known_by_scope_and_key_alone(shop, other, same):
    await written(shop, lambda uow: uow.claims.take(a_claim()))

    found = await written(shop, lambda uow: uow.claims.find(other))

    assert found == (a_claim() if same else None)


async def test_a_claim_is_taken_once_in_a_unit_too(shop):
    async with shop.write() as uow:
        await uow.claims.take(a_claim(subject="pur_1"))
        repeated = await uow.claims.take(a_claim(subject="pur_2"))
        await uow.commit()

    assert repeated == a_claim(subject="pur_1")


async def test_copies_of_a_notice_that_come_at_once_are_one_item(shop):
    async def receive(number: int) -> InboxItem:
        fresh = an_inbox_item(id=f"inb_{number}", copies=1)
        async with shop.write() as uow:
            item = await uow.inbox.take(fresh)
            await let_others_go_on()
            if item != fresh:
                await uow.inbox.save(item.received_again())
            await uow.commit()
        return item

    items = await asyncio.gather(*(receive(number) for number in range(5)))

    (id_,) = {item.id for item in items}
    stored = await seen(shop, lambda view: view.inbox.find(id_))
    assert stored == an_inbox_item(id=id_, copies=5, version=4)


async def test_a_copy_that_comes_while_the_item_is_worked_on_waits_for_that(shop):
    fresh = an_inbox_item(copies=1)
    await written(shop, lambda uow: uow.inbox.take(fresh))
    has_saved = asyncio.Event()

    async def work() -> None:
        async with shop.write() as uow:
            item = await uow.inbox.find(fresh.id)
            await uow.inbox.save(item.tried())
            has_saved.set()
            await let_others_go_on()
            await uow.commit()

    async def receive() -> None:
        await has_saved.wait()
        async with shop.write() as uow:
            item = await uow.inbox.take(an_inbox_item(id="inb_copy"))
            await uow.inbox.save(item.received_again())
            await uow.commit()

    await asyncio.gather(work(), receive())

    stored = await seen(shop, lambda view: view.inbox.find(fresh.id))
    assert stored == replace(fresh.tried().received_again(), version=2)


@pytest.mark.parametrize(
    "notice",
    [a_notice(dedupe_key="another"), a_notice(gateway=GatewayName("cryptopay"))],
    ids=["key", "gateway"],
)
async def test_another_notice_is_another_item(shop, notice):
    other = an_inbox_item(id="inb_2", notice=notice)
    await written(shop, lambda uow: uow.inbox.take(an_inbox_item()))

    taken = await written(shop, lambda uow: uow.inbox.take(other))

    assert taken == other
    assert await seen(shop, lambda view: view.inbox.find("inb_2")) == other


async def test_a_copy_that_says_it_otherwise_changes_nothing_of_the_first(shop):
    copy = an_inbox_item(id="inb_2", notice=a_notice(body="{}"), received_at=NOON, copies=9)
    await written(shop, lambda uow: uow.inbox.take(an_inbox_item()))

    assert await written(shop, lambda uow: uow.inbox.take(copy)) == an_inbox_item()


async def test_notices_of_a_payment_are_read_the_oldest_first(shop):
    notices = (
        a_notice(dedupe_key="1"),
        a_notice(dedupe_key="2"),
        a_notice(dedupe_key="3", payment_id=None, kind=NoticeKind.OTHER),
        a_notice(dedupe_key="4", gateway=GatewayName("xendit")),
    )
    items = [
        an_inbox_item(id=f"inb_{number}", notice=notice, received_at=NOON - timedelta(hours=number))
        for number, notice in enumerate(notices)
    ]
    for item in items:
        await written(shop, lambda uow: uow.inbox.take(item))  # noqa: B023

    about = notices[0].gateway, notices[0].payment_id
    assert await seen(shop, lambda view: view.inbox.of_payment(*about)) == [items[1], items[0]]
