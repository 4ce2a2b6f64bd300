"""Signing in, going on, and out; and customers whom the business serves no longer."""

import asyncio
from datetime import timedelta

import pytest

from adapters.persistence.memory import MemoryStore
from core.domain.audit import Deed
from core.domain.credentials import NotSignedIn, Session, SessionEnd, SessionId, SignedOutBefore
from core.domain.customer import CustomerBlocked, CustomerId, CustomerNotFound, identity
from core.domain.errors import BillingError
from core.domain.purchase import PurchaseStatus
from core.ports.unit_of_work import SavedMeanwhile
from core.use_cases.consequences import consequences
from tests.world import RETURN, World

PROOF = "5e884898da28047151d0e56f8dc62927"


async def signs_in(world: World, proof: str | None = PROOF) -> Session:
    return await world.billing.open_session(await world.customer(), may_pay=True, proof=proof)


async def kept(world: World, session: Session) -> Session:
    async with world.store.read() as view:
        found = await view.credentials.find_session(session.id)
    assert found is not None
    return found


async def refreshes(world: World, session: Session, turn: int) -> Session:
    """As the edge does: a lost race is run again."""
    while True:
        try:
            return await world.billing.refresh_session(session.id, turn)
        except SavedMeanwhile:
            continue


async def test_a_refresh_hands_out_the_next_turn_and_retires_the_old(world: World) -> None:
    session = await signs_in(world)
    assert session.turn == 1
    assert (await refreshes(world, session, 1)).turn == 2

    await world.billing.check_session(session.id, 2)
    await world.billing.check_session(session.id, 1, reading=True)
    with pytest.raises(NotSignedIn):
        await world.billing.check_session(session.id, 1)
    world.clock.advance(seconds=60)
    with pytest.raises(NotSignedIn):
        await world.billing.check_session(session.id, 1, reading=True)
    await world.billing.check_session(session.id, 2)


async def test_ten_refreshes_at_once_are_one_turn_and_sign_nobody_out(world: World) -> None:
    session = await signs_in(world)
    answers = await asyncio.gather(*(refreshes(world, session, 1) for _ in range(10)))
    assert {one.turn for one in answers} == {2}
    assert (await kept(world, session)).revoked_at is None


async def test_a_lost_answer_is_asked_for_again_within_a_minute(world: World) -> None:
    session = await signs_in(world)
    await refreshes(world, session, 1)
    world.clock.advance(seconds=59)
    assert (await refreshes(world, session, 1)).turn == 2


async def test_a_token_that_was_retired_long_ago_ends_the_session_for_both(world: World) -> None:
    session = await signs_in(world)
    await refreshes(world, session, 1)
    world.clock.advance(seconds=60)
    with pytest.raises(NotSignedIn):
        await refreshes(world, session, 1)

    with pytest.raises(NotSignedIn):
        await world.billing.check_session(session.id, 2, reading=True)
    with pytest.raises(NotSignedIn):
        await refreshes(world, session, 2)
    ended = await kept(world, session)
    assert (ended.ended_as, ended.revoked_at) == (SessionEnd.COPIED, world.clock())
    assert (await signs_in(world)).is_live(world.clock()), "whose session was stolen may come back"
    await world.billing.close_session(session.id)
    with pytest.raises(SignedOutBefore):
        await signs_in(world)


async def test_a_session_ends_after_seven_days_however_often_it_was_renewed(world: World) -> None:
    session, turn = await signs_in(world), 1
    for _ in range(7):
        turn = (await refreshes(world, session, turn)).turn
        world.clock.advance(days=1)
    assert turn == 8
    for act in (refreshes(world, session, turn), world.billing.check_session(session.id, turn)):
        with pytest.raises(NotSignedIn):
            await act


async def test_a_session_is_forgotten_when_it_is_over_and_not_before(world: World) -> None:
    session = await signs_in(world)
    await world.billing.close_session(session.id)
    await world.time_passes(days=6, hours=23, minutes=59)
    assert (await kept(world, session)).ended_as is SessionEnd.SIGNED_OUT
    await world.time_passes(minutes=1)
    async with world.store.read() as view:
        assert await view.credentials.find_session(session.id) is None


async def test_an_unknown_session_is_nobodys_and_is_signed_out_of_in_peace(world: World) -> None:
    nobody = SessionId("ses_99999999")
    for act in (
        world.billing.check_session(nobody, 1),
        world.billing.refresh_session(nobody, 1),
    ):
        with pytest.raises(NotSignedIn):
            await act
    await world.billing.close_session(nobody)


async def test_the_same_live_proof_signs_in_again(world: World) -> None:
    one, two = await signs_in(world), await signs_in(world)
    assert one.id != two.id
    assert await world.billing.check_proof(identity("telegram:1001"), PROOF) == one.customer_id


async def test_who_signs_out_has_used_up_the_proof_and_all_that_it_opened(world: World) -> None:
    one, two, other = await signs_in(world), await signs_in(world), await signs_in(world, "another")
    bare, again = await signs_in(world, None), await signs_in(world, None)
    await world.billing.close_session(one.id)
    await world.billing.close_session(one.id)

    for gone in (one, two):
        with pytest.raises(NotSignedIn):
            await world.billing.check_session(gone.id, 1, reading=True)
    with pytest.raises(SignedOutBefore):
        await signs_in(world)
    with pytest.raises(SignedOutBefore):
        await world.billing.check_proof(identity("telegram:1001"), PROOF)
    await world.billing.check_session(other.id, 1)

    await world.billing.close_session(bare.id)
    await world.billing.check_session(again.id, 1)


async def test_a_sign_in_that_races_a_sign_out_is_before_or_after_it(world: World) -> None:
    one = await signs_in(world)

    async def tries() -> Session | None:
        try:
            return await signs_in(world)
        except SignedOutBefore:
            return None

    opened, *_ = await asyncio.gather(tries(), world.billing.close_session(one.id), tries())
    if opened is not None:
        with pytest.raises(NotSignedIn):
            await world.billing.check_session(opened.id, 1)
    with pytest.raises(SignedOutBefore):
        await signs_in(world)


async def test_a_proof_of_nobody_opens_nothing(world: World) -> None:
    with pytest.raises(CustomerNotFound):
        await world.billing.check_proof(identity("telegram:404"), PROOF)


async def test_a_key_hashed_under_an_older_pepper_is_still_known(world: World) -> None:
    await world.billing.put_key("host", "hashed under the old one", frozenset())
    found = await world.billing.check_key("hashed under the new one", "hashed under the old one")
    assert found.name == "host"
    with pytest.raises(NotSignedIn):
        await world.billing.check_key("hashed under the new one", "under another")
    await world.billing.revoke_key("host")
    world.clock.advance(seconds=2)
    with pytest.raises(NotSignedIn):
        await world.billing.check_key("hashed under the new one", "hashed under the old one")


async def test_a_key_under_an_older_pepper_is_looked_up_once_a_second() -> None:
    store = MemoryStore(consequences)
    world = World(store)
    await world.billing.put_key("host", "hashed under the old one", frozenset())
    asked = []
    begun = store.read
    store.read = lambda: asked.append("read") or begun()
    for _ in range(3):
        await world.billing.check_key("hashed under the new one", "hashed under the old one")
    assert asked == ["read"]


async def test_a_blocked_customer_is_turned_away_at_every_door(world: World) -> None:
    session = await signs_in(world)
    anna = session.customer_id
    started = await world.buys(anna, cause=world.cause("before"))
    await world.billing.block_customer(anna, deed=Deed("ann", "charged back"))

    doors = {
        "signing in": world.billing.open_session(anna, may_pay=True, proof=None),
        "reading": world.billing.check_session(session.id, 1, reading=True),
        "refreshing": world.billing.refresh_session(session.id, 1),
        "showing a proof": world.billing.check_proof(identity("telegram:1001"), PROOF),
        "a preview": world.billing.preview_purchase(anna, "PRO_MONTHLY"),
        "buying": world.buys(anna, "PRO_YEARLY"),
        "hearing an old answer": world.buys(anna, cause=world.cause("before")),
        "another way to pay": world.billing.add_checkout(
            anna, started.purchase.id, return_url=RETURN, cause=world.cause()
        ),
    }
    for door, act in doors.items():
        with pytest.raises(CustomerBlocked) as refused:
            await act
        assert refused.value.facts == {}, f"{door}: the reason is nobody's business"
    assert (await kept(world, session)).revoked_at is None


async def test_what_a_blocked_customer_pays_is_booked_and_settled_as_always(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.billing.block_customer(anna, deed=Deed("ann", "charged back"))

    await world.hears(world.pays(started))

    assert (await world.purchase(anna, started.purchase.id)).purchase.status is PurchaseStatus.PAID
    assert await world.plan(anna) == "PRO_MONTHLY"
    assert (await world.uses(anna, "r1")).allowed, "usage is the business's own decision"


async def test_blocking_and_unblocking_are_history_once_and_undo_each_other(world: World) -> None:
    session = await signs_in(world)
    anna = session.customer_id
    blocked = await world.billing.block_customer(anna, deed=Deed("ann", "charged back"))
    world.clock.advance(timedelta(hours=1))
    again = await world.billing.block_customer(anna, deed=Deed("ann", "again"))
    assert again.blocked_at == blocked.blocked_at
    for _ in range(2):
        await world.billing.unblock_customer(anna, deed=Deed("ann", "paid it back"))

    async with world.store.read() as view:
        history = await view.history(anna)
    assert [(event.name, event.facts) for event in history] == [
        ("customer.registered", {}),
        ("customer.blocked", {"reason": "charged back"}),
        ("customer.unblocked", {"reason": "paid it back"}),
    ]
    await world.billing.check_session(session.id, 1)
    await world.buys(anna)


async def test_nobody_can_be_blocked_who_is_not_there(world: World) -> None:
    nobody = (await world.customer()).replace("cus_", "cus_9")
    for act in (world.billing.block_customer, world.billing.unblock_customer):
        with pytest.raises(BillingError) as refused:
            await act(CustomerId(nobody), deed=Deed("ann", "charged back"))
        assert isinstance(refused.value, CustomerNotFound)
