"""Switches: what an operator turns off for a while without a restart; what is under way goes on."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.domain.plan import GatewayName


class SwitchName(StrEnum):
    """Those that every business has. Each gateway has one of its own, see `gateway_switch`."""

    SALES = "sales"
    TRIALS = "trials"
    REWARDS = "rewards"
    PAYOUTS = "payouts"
    RENEWALS = "renewals"
    BROADCASTS = "broadcasts"


def gateway_switch(gateway: GatewayName) -> str:
    """Off: no checkout is opened and no saved method charged there. All else goes on."""
    return f"gateway:{gateway}"


@dataclass(frozen=True, slots=True)
class Switch:
    """On until somebody turns it off. `changed_at` and `by` are None where nobody ever turned it."""

    name: str
    is_on: bool = True
    changed_at: datetime | None = None
    by: str | None = None
