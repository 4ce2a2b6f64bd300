"""One customer's press or message, with all that is needed to answer it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from telegram import User, WebhookInfo

from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.texts import Texts
from core.domain.cause import Cause
from core.domain.customer import Customer, CustomerId, Identity, Names
from core.domain.operator import Right, Role, may
from core.use_cases.billing import Billing

NAME_MAX: Final = 129
"""First and last name, of 64 letters each."""


async def always(_: CustomerId, _cause: Cause) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    What is the same for all visits. `app_url` is the Mini App's address (None: there is none),
    `return_url` says where a payer comes back to, `may_check_out` raises where somebody asks for
    payments too often, `may_recheck` where somebody asks too often what became of them.
    `bot_address` is the bot's own link, once it is known. `secret` proves to the gateways that an update is Telegram's.
    `webhook_info` asks Telegram how it fares with calling us; None: we ask for updates.
    """

    billing: Billing
    now: Callable[[], datetime]
    return_url: Callable[[], str]
    may_check_out: Callable[[CustomerId, Cause], Awaitable[None]]
    app_url: str | None = None
    secret: str = field(default="", repr=False)
    bot_address: Callable[[], str | None] = lambda: None
    may_recheck: Callable[[CustomerId, Cause], Awaitable[None]] = always
    webhook_info: Callable[[], Awaitable[WebhookInfo]] | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """
    `who` presses or writes. `name` is how Telegram calls them now. `role` is set only on the way
    to a screen of the admin's, to what it is at this moment.
    """

    around: Surroundings
    customer: Customer
    texts: Texts
    cause: Cause
    now: datetime
    who: Identity
    name: str = ""
    seem_busy: Callable[[], Awaitable[None]] | None = None
    role: Role | None = None

    @property
    def billing(self) -> Billing:
        return self.around.billing

    def may(self, right: Right) -> bool:
        return may(self.role, right)

    def button(self, key: str, verb: str, *words: str, **facts: object) -> Button:
        return Button(self.texts.label(f"button.{key}", **facts), press=press(verb, *words))

    def app_button(self) -> list[Button]:
        """The way into the Mini App, where there is one."""
        url = self.around.app_url
        return [] if url is None else [Button(self.texts.label("button.app"), app=url)]

    async def takes_a_while(self) -> None:
        if self.seem_busy is not None:
            await self.seem_busy()


def names_of(user: User) -> Names:
    """What Telegram calls them, without letters that are not seen but turn others round."""
    told = (user.full_name, user.username or "")
    name, username = ("".join(filter(str.isprintable, one)).strip() for one in told)
    return Names(name[:NAME_MAX] or str(user.id), username or None)


Action = Callable[[Visit, Sequence[str]], Awaitable[Screen]]
"""What a verb does and shows, given the words that came with it."""
