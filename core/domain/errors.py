"""The five kinds of refusal; the only base class we have."""

import re
from dataclasses import dataclass, fields
from typing import ClassVar


@dataclass(eq=False)
class BillingError(Exception):
    """
    The core refused. Knows nothing of HTTP, of Telegram, or of human languages.

    Its kind says what the caller may do about it, `code` names the fact for ever, and the
    fields of the leaf class are the facts that a message may use.
    (Not frozen: a frozen exception dies in `contextlib`. `eq=False`: it must stay hashable.)
    """

    code: ClassVar[str] = "billing_error"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def facts(self) -> dict[str, object]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __str__(self) -> str:
        told = ", ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.code}({told})"


@dataclass(eq=False)
class Invalid(BillingError):
    """The request makes no sense; fix it before sending it again."""


@dataclass(eq=False)
class NotFound(BillingError):
    """The thing named does not exist, or is not the caller's to see."""


@dataclass(eq=False)
class Refused(BillingError):
    """The request makes sense, and a rule of the business says no."""


@dataclass(eq=False)
class PaymentWouldHelp(Refused):
    """A rule says no, and a payment would lift it."""


@dataclass(eq=False)
class Conflict(BillingError):
    """The request contradicts something already recorded."""


@dataclass(eq=False)
class Unavailable(BillingError):
    """Somebody else's system did not answer; try the same again later."""
