"""What a store promises of escrows: compare-and-set, one at a time, found when due, in pages."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.escrow import EscrowNotFound, Part, PartStatus
from core.domain.item import EscrowId
from core.ports.unit_of_work import SavedMeanwhile
from tests.builders import ANNA, BORIS, NOON, rub
from tests.contracts.units import again, let_others_go_on, seen, written
from tests.escrows import BUFFER, DOWN, a_fresh_escrow, an_escrow


async def test_an_escrow_that_is_not_there_is_not_found(shop):
    nowhere = EscrowId("esc_99999999")
    with pytest.raises(EscrowNotFound):
        await seen(shop, lambda view: view.escrows.get(nowhere))
    with pytest.raises(EscrowNotFound):
        await written(shop, lambda uow: uow.escrows.lock(nowhere))


async def test_what_was_saved_meanwhile_is_not_overwritten(shop):
    await written(shop, lambda uow: uow.escrows.add(an_escrow()))
    await written(shop, lambda uow: uow.escrows.save(an_escrow(title="Another")))

    with pytest.raises(SavedMeanwhile):
        await written(shop, lambda uow: uow.escrows.save(an_escrow()))

    assert (await seen(shop, lambda view: view.escrows.get(an_escrow().id))).title == "Another"


async def test_of_units_that_lock_one_escrow_each_sees_what_the_one_before_it_wrote(shop):
    await written(shop, lambda uow: uow.escrows.add(an_escrow(fee_basis_points=0)))

    async def count_up() -> None:
        async with shop.write() as uow:
            escrow = await uow.escrows.lock(an_escrow().id)
            await let_others_go_on()
            counted = replace(escrow, fee_basis_points=escrow.fee_basis_points + 1)
            await uow.escrows.save(counted)
            await uow.commit()

    await asyncio.gather(*(again(count_up) for _ in range(6)))

    assert (await seen(shop, lambda view: view.escrows.get(an_escrow().id))).fee_basis_points == 6


async def test_the_due_are_taken_once_by_whoever_comes_first(shop):
    due = an_escrow()
    later = an_escrow(
        id=EscrowId("esc_00000002"),
        down_payment=Part(rub(3), PartStatus.FUNDED, releasing_at=NOON + BUFFER * 2),
    )
    for one in (due, later, a_fresh_escrow(id=EscrowId("esc_00000003"))):
        await written(shop, lambda uow, one=one: uow.escrows.add(one))
    at = NOON + BUFFER
    until = at + timedelta(minutes=2)

    async def take(now):
        return await written(
            shop, lambda uow: uow.escrows.take_due(now, until=now + timedelta(minutes=2), limit=9)
        )

    assert await take(at - timedelta(microseconds=1)) == []
    assert await take(at) == [due.id]
    assert await take(at) == [], "leased"
    assert await take(until) == [due.id], "nobody did it, so it is due again"
    ended = due.at(at)
    await written(shop, lambda uow: uow.escrows.save(ended))
    assert await take(NOON + BUFFER * 2) == [later.id]


async def test_both_sides_find_it_among_their_own_the_newest_first(shop):
    old = an_escrow(id=EscrowId("esc_00000009"), opened_at=NOON - timedelta(days=1))
    same = an_escrow(id=EscrowId("esc_00000002"))
    back = an_escrow(id=EscrowId("esc_00000003"), payer_id=BORIS, payee_id=ANNA)
    for one in (old, an_escrow(), back, same):
        await written(shop, lambda uow, one=one: uow.escrows.add(one))
    expected = ["esc_00000003", "esc_00000002", "esc_00000001", "esc_00000009"]

    for who in (ANNA, BORIS):
        async with shop.read() as view:
            first = await view.escrows.page(who, limit=3)
            rest = await view.escrows.page(who, limit=3, after=first[-1].id)
        assert [one.id for one in (*first, *rest)] == expected
        assert len(first) == 3
    assert await seen(shop, lambda view: view.escrows.page("cus_carol001", limit=9)) == []
    assert first[0].part(DOWN) == back.part(DOWN)
