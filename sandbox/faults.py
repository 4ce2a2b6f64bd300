"""Faults that a double is told to show: so many of the next things that match go wrong."""

from dataclasses import dataclass, field
from typing import Final

FAULT_MODES: Final = (
    "down",  # the API answers 500 or 503 and does nothing
    "slow",  # the API answers late
    "timeout_after_acting",  # the API acts, and its answer is lost
    "duplicate",  # a webhook is sent twice
    "reorder",  # a webhook is overtaken by the next one
    "drop",  # a webhook is never sent
    "amount",  # the payer pays one minor unit less
    "decline",  # the payer's bank refuses
)
"""Of a gateway's double."""
REFUSING_FAULTS: Final = (
    *FAULT_MODES,
    "refuse",  # a checkout is refused, as it happens where channels are switched off
)
"""Of a gateway's whose channels and assets come and go (PayMongo, Crypto Pay)."""
XENDIT_FAULTS: Final = (
    *REFUSING_FAULTS,
    "flood",  # the API answers 429 and says how long to wait
)
"""Of Xendit's, which limits calls."""
PANEL_FAULTS: Final = (
    "down",
    "slow",
    "timeout_after_acting",
    "duplicate",  # a call is acted on twice
    "nonsense",  # it acts, and its answer means nothing
)
"""Of an access panel's."""
TELEGRAM_FAULTS: Final = (
    "down",
    "slow",
    "timeout_after_acting",
    "flood",  # the API answers 429 and says how long to wait
    "duplicate",
    "reorder",
    "drop",
    "decline",  # an invoice link is refused, as it happens to shops (PROVIDER_ACCOUNT_INVALID)
)
"""Of Telegram's: an update is what a webhook is there, told by webhook or fetched."""
RECEIVER_FAULTS: Final = (
    "down",  # it answers 503
    "slow",  # it answers late
    "gone",  # it answers 410: it is there no more
)
"""Of the business's own system, which is told by our webhooks."""


class NoSuchFault(ValueError):
    """The mode is unknown, or its count is not a whole number from zero."""


@dataclass(slots=True)
class Faults:
    left: dict[str, int] = field(default_factory=dict)
    """How many of each mode are still to come; a mode at zero is absent."""
    modes: tuple[str, ...] = FAULT_MODES

    def plan(self, mode: str, count: int) -> None:
        """Replaces what was planned of this mode; zero calls it off. Raises: NoSuchFault."""
        if mode not in self.modes or count < 0:
            raise NoSuchFault(f"{mode} x {count}: the modes are {', '.join(self.modes)}")
        self.left[mode] = count
        if count == 0:
            del self.left[mode]

    def take(self, mode: str) -> bool:
        """Whether the thing at hand goes wrong in this way; uses one up."""
        left = self.left.get(mode, 0)
        if left:
            self.plan(mode, left - 1)
        return left > 0
