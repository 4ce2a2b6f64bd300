"""The check of the books finds what is wrong with rewards, so that what referrers are shown holds."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from adapters.persistence.sql.books import check_books
from adapters.persistence.sql.store import SqlStore
from core.domain.customer import CustomerId, identity
from core.domain.money import Money
from core.domain.referral_program import Door, Invitation, ReferralTerms, RewardLevel, code_of
from tests.adapters.sql.test_books import unguarded
from tests.world import World


async def a_busy_programme(store: SqlStore) -> dict[str, str]:
    """Anna brought Boris: one reward in the wallet, one waiting, one taken back, one of nothing."""
    world = await World(store).opens()
    wanted = world.wanted()
    terms = ReferralTerms((RewardLevel(1, 1000),), least=(Money.of(5000, "RUB"),))
    await world.billing.apply_catalog(replace(wanted, money=replace(wanted.money, referral=terms)))
    anna = await world.customer("telegram:1")
    world.clock.advance(seconds=1)
    invitation = Invitation(code_of(anna), Door.BOT)
    boris = await world.billing.register_customer(identity("telegram:2"), invitation=invitation)
    found: dict[str, str] = {"anna": anna, "boris": boris.id}
    for name, minor in (("earned", 29900), ("taken", 10000), ("none", 4999)):
        found[name] = await deposit(world, boris.id, minor)
    await world.time_passes(days=15)
    found["waiting"] = await deposit(world, boris.id, 20000)
    return found


async def deposit(world: World, who: CustomerId, minor: int) -> str:
    started = await world.deposits(who, Money.of(minor, "RUB"))
    if minor == 10000:
        await world.refunds(started)
        await world.sweeps()
    return started.purchase.id


async def test_a_busy_programme_has_right_books(store: SqlStore) -> None:
    await a_busy_programme(store)

    assert await check_books(store) == []


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (
            "UPDATE reward SET amount_minor = 2989 WHERE id = '{earned}'",
            "the reward for purchase {earned} stands at 2989 and its entries make 2990",
        ),
        (
            "UPDATE reward SET taken_back_minor = 1 WHERE id = '{waiting}'",
            "hold:{anna} holds 2000 RUB and what is set aside in it makes 1999",
        ),
        (
            "UPDATE reward SET status = 'waiting' WHERE id = '{earned}'",
            "the reward for purchase {earned} is waiting and its entry does not say so",
        ),
        (
            "UPDATE reward SET status = 'earned' WHERE id = '{waiting}'",
            "the reward for purchase {waiting} is earned and its entry does not say so",
        ),
        (
            "DELETE FROM reward WHERE id = '{earned}'",
            "the reward for purchase {earned} stands at 0 and its entries make 2990",
        ),
        (
            "UPDATE referral SET referrer_id = '{boris}', customer_id = '{anna}'",
            "the reward for purchase {earned} is not for whom brought its buyer, or of another sum",
        ),
        (
            "UPDATE referral SET referrer_id = '{boris}', customer_id = '{anna}'",
            "customer {anna} was brought by {boris}, who came later",
        ),
    ],
)
async def test_what_is_wrong_is_told_in_words(
    store: SqlStore, raw: Engine, damage: str, finding: str
) -> None:
    found = await a_busy_programme(store)

    with unguarded(raw) as connection:
        for statement in damage.format_map(found).split(";"):
            connection.execute(text(statement))

    assert finding.format_map(found) in await check_books(store)
