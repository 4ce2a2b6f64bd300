"""The trial, as the chat offers it."""

from dataclasses import replace

from core.domain.audit import Deed
from core.domain.period import Period, PeriodUnit
from core.domain.switch import SwitchName
from tests.adapters.telegram.chat_room import BEN, ChatRoom, labels


async def offers_a_trial(room: ChatRoom) -> None:
    wanted = room.world.wanted()
    trial = Period(3, PeriodUnit.DAY)
    plans = [
        replace(plan, trial=trial) if plan.code == "PRO_MONTHLY" else plan for plan in wanted.plans
    ]
    await room.world.billing.apply_catalog(replace(wanted, plans=tuple(plans)))


async def test_a_trial_is_offered_until_it_was_taken(room: ChatRoom) -> None:
    await offers_a_trial(room)
    await room.says("/start", BEN)

    begun = await room.presses("Try 3 days for free", BEN)

    assert "Your trial has begun. Nothing is charged for it." in begun["text"]
    assert "You are trying PRO, one month until 13 Mar 2026" in plain(begun)
    home = await room.says("/start", BEN)
    assert "Try 3 days for free" not in labels(home)
    await room.world.sweeps()
    await room.world.time_passes(days=2)
    assert "Your trial of PRO, one month ends on 13 Mar 2026" in room.screen(BEN)["text"]
    await room.world.time_passes(days=1)
    assert "has ended" in room.screen(BEN)["text"]
    assert "Try 3 days for free" not in labels(await room.says("/start", BEN))


async def test_while_trials_are_switched_off_none_is_offered(room: ChatRoom) -> None:
    await offers_a_trial(room)
    billing = room.world.billing
    await billing.turn_switch(SwitchName.TRIALS, is_on=False, deed=Deed("ann", "abuse"))
    assert "Try 3 days for free" not in labels(await room.says("/start", BEN))

    await billing.turn_switch(SwitchName.TRIALS, is_on=True, deed=Deed("ann", "over"))
    assert "Try 3 days for free" in labels(await room.says("/start", BEN))


def plain(message: dict[str, str]) -> str:
    return message["text"].replace("<b>", "").replace("</b>", "")
