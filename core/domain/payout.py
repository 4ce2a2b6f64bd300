"""Where money can be sent to, and what a gateway is asked to send."""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from core.domain.errors import Invalid
from core.domain.money import Money

_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
_NUMBER: Final = re.compile(r"[A-Za-z0-9@+._-]{3,64}", re.ASCII)
NAME_MAX: Final = 100
ERASED: Final = "erased"
"""Stands for what was of a person who is erased."""


@dataclass(eq=False)
class AccountNotUsable(Invalid):
    """This is not an account that money can be sent to; see the field named."""

    field: str


@dataclass(frozen=True, slots=True)
class PayoutAccount:
    """
    An account of a person at a bank or a wallet. `kind` is `gcash`, `maya`, `bank_card`,
    `telegram`, or a bank as the gateway calls it in lower case. Stored sealed, shown masked.
    """

    kind: str
    number: str = field(repr=False)
    holder_name: str = field(repr=False)

    def __post_init__(self) -> None:
        """
        Raises:
            AccountNotUsable
        """
        if not _KIND.fullmatch(self.kind):
            raise AccountNotUsable("type")
        if not _NUMBER.fullmatch(self.number):
            raise AccountNotUsable("account_number")
        name = self.holder_name
        if not 1 <= len(name) <= NAME_MAX or name != name.strip() or not name.isprintable():
            raise AccountNotUsable("holder_name")

    @property
    def masked(self) -> str:
        """The last four characters at most, and never more than half of it."""
        shown = min(4, len(self.number) // 2)
        return "•" * 4 + self.number[len(self.number) - shown :]

    def erased(self) -> "PayoutAccount":
        """Nobody's."""
        return replace(self, number=ERASED, holder_name=ERASED)


@dataclass(frozen=True, slots=True)
class PayoutOrder:
    """
    What a gateway is asked to pay out. `id` is our withdrawal's, and the provider's idempotency
    key: the same order is the same payout, for ever. `description` is plain ASCII.
    """

    id: str
    amount: Money
    account: PayoutAccount
    description: str
    ordered_at: datetime
