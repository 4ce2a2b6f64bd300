"""What a store keeps of operators: roles that end at once, and one draft for each."""

from dataclasses import replace
from datetime import timedelta

from core.domain.customer import identity
from core.domain.operator import Draft, Operator, Role
from core.ports.unit_of_work import Store
from tests.builders import NOON
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
