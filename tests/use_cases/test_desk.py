"""What an operator looks at, and that nobody decides about themselves."""

from datetime import UTC, datetime

import pytest

from adapters.persistence.memory import MemoryStore
from core.domain.audit import Deed
from core.domain.customer import Names, OwnAffair, identity
from core.domain.operator import Role
from core.domain.referral_program import Door, Invitation, code_of
from core.use_cases.consequences import consequences
from core.use_cases.desk import Found
from core.use_cases.roles import (
    GrantRole,
    ListRoles,
    NotOfTelegram,
    OwnerBySetting,
    RevokeRole,
    ShowRole,
)
from tests.builders import rub
from tests.world import World

WHY = Deed("ann", "works here")


async def test_a_customer_is_found_by_whatever_is_known(world: World) -> None:
    anna = await world.customer("telegram:1001")
    names = Names("Анна Ли", "AnnaLi")
    await world.billing.register_customer(identity("telegram:1001"), names=names)
    shop = await world.customer("external:order-77")
    started = await world.buys(anna)
    payment_id = await world.pays_and_is_heard(started)
    assert started.checkout is not None
    async with world.store.read() as view:
        [charge] = await view.charges.of_purchase(started.purchase.id)

    async def found(sought: str) -> list[tuple[str, str | None]]:
        results: list[Found] = await world.billing.search_customers(sought)
        return [(one.customer.id, one.purchase_id) for one in results]

    for sought in (anna, "telegram:1001", " 1001 ", "@annali", "anna", "анна л"):
        assert await found(sought) == [(anna, None)], sought
    for sought in ("external:order-77", "order-77"):
        assert await found(sought) == [(shop, None)], sought
    for sought in (
        started.purchase.id,
        started.checkout.id,
        payment_id,
        charge.key.charge_id,
    ):
        assert await found(sought) == [(anna, started.purchase.id)], sought
    for sought in ("", " ", "a", "@", "cus_unknown1", "pur_unknown", "%", "nobody", "x\0y"):
        assert await found(sought) == [], sought


async def test_names_change_at_contact_and_a_username_may_go() -> None:
    world = await World(MemoryStore(consequences)).opens()
    who = identity("telegram:1001")
    first = await world.billing.register_customer(who, names=Names("Anna", "anna"))
    same = await world.billing.register_customer(who, names=Names("Anna", "anna"))
    assert same == first, "nothing is written where nothing changed"
    changed = await world.billing.register_customer(who, names=Names("Ann"))
    assert (changed.name, changed.username) == ("Ann", None)
    assert (await world.billing.register_customer(who)).name == "Ann"
    assert "Ann" not in repr(changed)


async def test_nobody_decides_by_hand_about_themselves() -> None:
    world = await World(MemoryStore(consequences)).opens()
    anna, boris = await world.customer("telegram:1001"), await world.customer("telegram:1002")
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)
    own, another = Deed("telegram:1001", "I may"), Deed("telegram:1002", "she may")
    billing = world.billing
    entry = await billing.adjust_wallet(
        anna, rub(1), account="cash", deed=another, cause=world.cause()
    )

    for act in (
        lambda: billing.adjust_wallet(anna, rub(1), account="cash", deed=own, cause=world.cause()),
        lambda: billing.reverse_adjustment(entry.id, deed=own),
        lambda: billing.refund_purchase(started.purchase.id, deed=own, cause=world.cause()),
        lambda: billing.join_referral(anna, Invitation(boris, Door.OPERATOR), deed=own),
        lambda: billing.join_referral(boris, Invitation(code_of(anna), Door.OPERATOR), deed=own),
        lambda: billing.block_customer(anna, deed=own),
        lambda: billing.unblock_customer(anna, deed=own),
    ):
        with pytest.raises(OwnAffair):
            await act()

    assert await world.cash(anna) == {"RUB": 100}
    lines = await billing.show_audit(limit=9)
    assert [line.actor for _, line, _ in lines] == ["telegram:1002"]


async def test_the_day_begins_where_the_business_is() -> None:
    world = await World(MemoryStore(consequences)).opens()
    world.clock.at = datetime(2026, 2, 28, 20, 59, tzinfo=UTC)  # A minute to March, in Moscow.
    await world.pays_and_is_heard(await world.buys(await world.customer("telegram:1001")))
    figures, zone = await world.billing.show_figures()
    assert zone == "Europe/Moscow"
    assert (figures.new, [one.amount for one in figures.sold]) == (1, [rub(299)])

    world.clock.advance(minutes=1)
    figures, _ = await world.billing.show_figures()
    assert (figures.new, figures.sold, figures.sold_since_month) == (0, (), ())
    assert figures.active == 1


async def test_the_owner_by_setting_is_one_and_stays_one() -> None:
    world = await World(MemoryStore(consequences)).opens()
    boss, olga = identity("telegram:7"), identity("telegram:8")
    grant, revoke = (
        GrantRole(world.store, world.clock, boss),
        RevokeRole(world.store, world.clock, boss),
    )
    show, everybody = ShowRole(world.store, boss), ListRoles(world.store, boss)

    await grant(olga, Role.SUPPORT, deed=WHY)
    for act in (lambda: grant(boss, Role.SUPPORT, deed=WHY), lambda: revoke(boss, deed=WHY)):
        with pytest.raises(OwnerBySetting):
            await act()
    with pytest.raises(NotOfTelegram):
        await grant(identity("external:olga"), Role.SUPPORT, deed=WHY)

    assert await show(boss) is Role.OWNER
    assert [(one.identity, one.role) for one in await everybody()] == [
        (boss, Role.OWNER),
        (olga, Role.SUPPORT),
    ]
    await grant(olga, Role.SUPPORT, deed=WHY)
    lines = await world.billing.show_audit(limit=9)
    assert [line.action for _, line, _ in lines] == ["role.grant"], "a repeat changes nothing"
