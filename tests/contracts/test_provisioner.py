"""What every provisioner promises: what is ordered is there, however often and after whatever."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from core.domain.access import NO_ACCESS, Access
from core.ports.access_provisioner import AccessUnavailable, Applied
from tests.adapters.gateways.served import Stage, a_stage
from tests.builders import NOON, Clock, a_customer, another_customer
from tests.contracts.panels import ALL, MemoryPanel, ServedPanel, a_panel

ANNA, BORIS = a_customer(), another_customer()
MONTH = Access(("vpn",), NOON.replace(microsecond=0) + timedelta(days=30))
LONGER = Access(("vpn",), NOON.replace(microsecond=0) + timedelta(days=60))
MORE = Access(("vpn", "fast"), MONTH.until)

Panel = MemoryPanel | ServedPanel


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module", params=ALL)
async def panel(request: pytest.FixtureRequest, stage: Stage) -> AsyncIterator[Panel]:
    async with a_panel(request.param, stage, Clock(NOON)) as panel:
        yield panel


async def ordered(panel: Panel, due: Access, revision: int = 1) -> Applied:
    return await panel.provisioner.apply(ANNA, due, revision=revision)


async def test_what_is_granted_is_there_with_a_link_and_for_nobody_else(panel: Panel) -> None:
    applied = await ordered(panel, MONTH)

    assert panel.access(ANNA) == MONTH
    assert panel.access(BORIS) == NO_ACCESS
    assert applied.link is not None


@pytest.mark.parametrize("due", [LONGER, MORE, MONTH])
async def test_it_is_prolonged_changed_or_left_as_it_was_under_the_same_link(
    panel: Panel, due: Access
) -> None:
    before = await ordered(panel, MONTH)

    after = await ordered(panel, due, 2)

    assert panel.access(ANNA) == due
    assert after == before


async def test_it_is_shortened(panel: Panel) -> None:
    await ordered(panel, LONGER)

    await ordered(panel, MONTH, 2)

    assert panel.access(ANNA) == MONTH


async def test_what_is_revoked_is_gone_and_comes_back_under_its_link(panel: Panel) -> None:
    before = await ordered(panel, MONTH)

    for _ in range(2):
        assert await ordered(panel, NO_ACCESS, 2) == Applied(None)
        assert panel.access(ANNA) == NO_ACCESS

    assert await ordered(panel, LONGER, 3) == before
    assert panel.access(ANNA) == LONGER


async def test_revoking_what_was_never_there_leaves_nothing(panel: Panel) -> None:
    assert await ordered(panel, NO_ACCESS) == Applied(None)
    assert panel.access(ANNA) == NO_ACCESS


@pytest.mark.parametrize("due", [MONTH, LONGER, NO_ACCESS])
async def test_an_order_that_was_not_heard_is_given_again(panel: Panel, due: Access) -> None:
    await ordered(panel, MONTH)
    panel.down()

    with pytest.raises(AccessUnavailable):
        await ordered(panel, due, 2)
    assert panel.access(ANNA) == MONTH
    await ordered(panel, due, 2)

    assert panel.access(ANNA) == due


@pytest.mark.parametrize("due", [MONTH, LONGER, NO_ACCESS])
@pytest.mark.parametrize("has_before", [True, False])
async def test_an_answer_that_was_lost_is_no_harm_when_it_is_ordered_again(
    panel: Panel, due: Access, has_before: bool
) -> None:
    if has_before:
        await ordered(panel, MONTH)
    panel.lose_answer()
    try:
        await ordered(panel, due, 2)
    except AccessUnavailable:
        await ordered(panel, due, 2)

    assert panel.access(ANNA) == due


@pytest.mark.parametrize("due", [MONTH, NO_ACCESS])
async def test_one_that_acts_twice_ends_the_same(panel: Panel, due: Access) -> None:
    panel.acts_twice()

    await ordered(panel, due)

    assert panel.access(ANNA) == due


async def test_without_us_it_ends_by_itself(panel: Panel) -> None:
    if isinstance(panel, MemoryPanel):
        return  # It has no clock.
    await ordered(panel, MONTH)

    panel.now.advance(timedelta(days=31))

    assert panel.access(ANNA) == NO_ACCESS
    await ordered(panel, Access(("vpn",), panel.now() + timedelta(days=1)), 2)
    assert panel.access(ANNA) != NO_ACCESS
