"""The system's state: one word, and reasons that a person can act on."""

from contextlib import suppress
from datetime import timedelta

from adapters.gateways.breaker import Group, GuardedGateway
from core.domain.case import Case, CaseKind
from core.domain.errors import Unavailable
from core.ports.payment_gateway import Gateways, GatewayUnavailable
from core.use_cases.system_state import Level, ShowSystemState, SystemState, Trouble
from tests.builders import a_job
from tests.market import ANN
from tests.world import World


def told(state: SystemState) -> list[tuple[str, dict]]:
    return [(trouble.code, dict(trouble.facts)) for trouble in state.troubles]


async def test_a_system_that_does_its_work_is_ok(world: World) -> None:
    state = await world.billing.show_system_state()
    assert (state.level, list(state.troubles)) == (Level.OK, [])


async def test_jobs_that_nobody_begins_degrade_it_until_they_are_done(world: World) -> None:
    async with world.store.write() as uow:
        await uow.jobs.enqueue(a_job(run_at=world.clock()))
        await uow.commit()
    world.clock.advance(minutes=2)
    assert (await world.billing.show_system_state()).level is Level.OK

    world.clock.advance(seconds=1)
    state = await world.billing.show_system_state()

    assert (state.level, told(state)) == (Level.DEGRADED, [("jobs_late", {"seconds": 121})])
    assert state.waiting_jobs == 1


async def test_a_job_for_later_is_not_late(world: World) -> None:
    async with world.store.write() as uow:
        await uow.jobs.enqueue(a_job(run_at=world.clock() + timedelta(days=1)))
        await uow.commit()
    assert (await world.billing.show_system_state()).level is Level.OK


async def test_work_given_up_on_degrades_it_until_its_case_is_closed(world: World) -> None:
    async with world.store.write() as uow:
        for kind in (CaseKind.POISON, CaseKind.SUSPENSE):
            case = Case(f"case {kind}", kind, f"cause {kind}", world.clock(), {})
            await uow.open_case(case)
        await uow.commit()

    state = await world.billing.show_system_state()
    assert (state.level, told(state)) == (Level.DEGRADED, [("work_given_up", {"count": 1})])
    assert state.open_cases == 2

    async with world.store.write() as uow:
        await uow.close_case(f"cause {CaseKind.POISON}", reason="done", at=world.clock())
        await uow.commit()
    assert (await world.billing.show_system_state()).level is Level.OK


async def test_what_stopped_by_itself_is_told_while_it_is_off(world: World) -> None:
    """A bound may open its case and stop one subscription alone: then no switch is off."""
    facts = {"bound": "payouts", "switch": "payouts", "why": "too much in a day"}
    async with world.store.write() as uow:
        case = Case("case safety", CaseKind.SAFETY, "safety", world.clock(), facts)
        await uow.open_case(case)
        await uow.commit()
    assert (await world.billing.show_system_state()).level is Level.OK

    await world.billing.turn_switch("payouts", is_on=False, deed=ANN)
    state = await world.billing.show_system_state()
    assert told(state) == [("stopped_by_itself", {"switch": "payouts", "why": "too much in a day"})]

    await world.billing.turn_switch("payouts", is_on=True, deed=ANN)
    assert (await world.billing.show_system_state()).level is Level.OK


async def test_a_gateway_behind_an_open_breaker_degrades_it(world: World) -> None:
    gateway = GuardedGateway(world.gateway, world.clock)
    show = ShowSystemState(world.store, Gateways(gateway), world.clock)
    assert (await show()).level is Level.OK
    opening = gateway.breakers[Group.OPENING]
    while not opening.refuses:
        with suppress(GatewayUnavailable), opening.call():
            raise GatewayUnavailable(gateway.name)

    assert told(await show()) == [("gateway_away", {"gateway": gateway.name})]


async def test_without_a_store_nothing_can_be_done(world: World) -> None:
    class Away:
        def read(self) -> object:
            raise Unavailable

    state = await ShowSystemState(Away(), Gateways(), world.clock)()
    assert (state.level, told(state)) == (Level.UNAVAILABLE, [("store_away", {})])


def test_the_worst_of_its_troubles_is_its_level() -> None:
    worst = Trouble("store_away", level=Level.UNAVAILABLE)
    assert SystemState([Trouble("jobs_late"), worst]).level is Level.UNAVAILABLE
