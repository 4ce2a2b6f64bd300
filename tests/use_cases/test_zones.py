"""The customer's own clock: a change counts from the next window on, once in thirty days."""

from datetime import UTC, datetime

import pytest

from core.domain.customer import ZoneChangedLately
from core.domain.period import UnknownTimeZone
from tests.world import World


async def test_a_change_counts_from_the_next_window_on(world: World) -> None:
    """At noon in UTC a new day has begun in Kamchatka: it must not give the limit twice."""
    anna = await world.customer()  # In Moscow, three photos a day.
    for number in range(3):
        assert (await world.uses(anna, f"before-{number}")).allowed
    await world.time_passes(hours=3)

    moved = await world.billing.change_zone(anna, "Asia/Kamchatka")
    denied = await world.uses(anna, "after")

    assert moved.zone == "Asia/Kamchatka"
    assert not denied.allowed
    assert denied.resets_at == datetime(2026, 3, 10, 21, tzinfo=UTC), "midnight in Moscow"
    world.clock.advance(denied.resets_at - world.clock())
    fresh = await world.uses(anna, "next day")
    assert fresh.allowed
    assert fresh.resets_at == datetime(2026, 3, 11, 12, tzinfo=UTC), "midnight in Kamchatka"


async def test_it_is_changed_once_in_thirty_days(world: World) -> None:
    anna = await world.customer()
    await world.billing.change_zone(anna, "Asia/Omsk")
    await world.billing.change_zone(anna, "Asia/Omsk")
    with pytest.raises(ZoneChangedLately):
        await world.billing.change_zone(anna, "Europe/Moscow")
    with pytest.raises(UnknownTimeZone):
        await world.billing.change_zone(anna, "Mars/Olympus")

    await world.time_passes(days=30)
    back = await world.billing.change_zone(anna, "Europe/Moscow")

    assert (back.zone, back.former_zone) == ("Europe/Moscow", "Asia/Omsk")
