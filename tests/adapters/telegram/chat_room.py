"""A chat with the real bot: python-telegram-bot talks to the double's rules, without sockets."""

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from telegram import Bot
from telegram.error import TimedOut
from telegram.request import BaseRequest, RequestData

from adapters.telegram.chat import Chat
from adapters.telegram.notifier import TelegramNotifier
from adapters.telegram.visits import Surroundings
from core.domain.cause import Cause
from core.domain.customer import CustomerId, Identity, IdentityKind
from core.domain.errors import Unavailable
from core.ports.payment_gateway import PaymentGateway
from core.ports.unit_of_work import Store
from sandbox.telegram.rules import TelegramRules
from sandbox.telegram.wire import Call
from tests.adapters.gateways.telegram_desk import ANNA, BEN, SECRET, TOKEN, TelegramDesk
from tests.builders import Clock
from tests.world import World

__all__ = ["ANNA", "BEN", "SECRET", "TOKEN", "ChatRoom", "RulesRequest", "forged", "labels", "link"]

RETURN_URL = "https://t.me/tea_room_bot"
APP_URL = "https://app.example.com/"


class RulesRequest(BaseRequest):
    """What a network would do between the library and Telegram."""

    def __init__(self, rules: TelegramRules, now: Callable[[], datetime]) -> None:
        self._rules = rules
        self._now = now
        self.on_the_way: Callable[[str], Awaitable[None]] | None = None
        """Called with the name of each method; what it raises becomes of the call."""

    async def initialize(self) -> None: ...

    async def shutdown(self) -> None: ...

    @property
    def read_timeout(self) -> float:
        return 5.0

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, **_: Any
    ) -> tuple[int, bytes]:
        token, _, name = url.partition("/bot")[2].partition("/")
        if self.on_the_way is not None:
            await self.on_the_way(name)
        given = {} if request_data is None else request_data.json_parameters
        answer = self._rules.answer(Call(token, name, given), at=self._now())
        if answer.lost:
            raise TimedOut
        return answer.status, json.dumps(answer.body).encode()


class ChatRoom:
    """The bot, Telegram and the people who write to it, over any store."""

    def __init__(
        self,
        store: Store,
        desk: TelegramDesk | None = None,
        *,
        gateways: Sequence[PaymentGateway] = (),
        clock: Clock | None = None,
    ) -> None:
        """
        With a desk, its gateway is the first to be offered, and its Telegram is ours; `gateways`
        come next.
        """
        own = TelegramRules(TOKEN, username="tea_room_bot", name="Tea room")
        self.rules = own if desk is None else desk.rules
        self.world = World(
            store,
            notifier=self._notifier,
            more_gateways=[*([] if desk is None else [desk.gateway]), *gateways],
            clock=clock if desk is None else desk.now,
        )
        self.limit_reached: Exception | None = None
        self.around = Surroundings(
            self.world.billing,
            self.world.clock,
            lambda: RETURN_URL,
            self._may_check_out,
            APP_URL,
            SECRET,
            bot_address=lambda: RETURN_URL,
            may_recheck=self._may_check_out,
        )
        self.starts_again()

    def starts_again(self) -> None:
        """A restart: the bot remembers nothing that the store does not."""
        self.chat = Chat(self.bot, self.around)

    async def opens(self) -> "ChatRoom":
        await self.world.opens()
        return self

    def _notifier(self, now: Callable[[], datetime]) -> TelegramNotifier:
        self.network = network = RulesRequest(self.rules, now)
        self.bot = Bot(
            TOKEN, base_url="https://x/bot", request=network, get_updates_request=network
        )
        return TelegramNotifier(self.bot, now, APP_URL)

    async def _may_check_out(self, _: CustomerId, _cause: Cause) -> None:
        if self.limit_reached is not None:
            raise self.limit_reached

    async def says(self, text: str, who: int = ANNA) -> dict[str, Any]:
        self.rules.send(who, text, at=self.world.clock())
        await self.delivers()
        return self.screen(who)

    async def presses(self, label: str, who: int = ANNA) -> dict[str, Any]:
        self.rules.press(who, label, at=self.world.clock())
        await self.delivers()
        return self.screen(who)

    async def delivers(self) -> None:
        """Each update that Telegram still owes, once; what is unavailable stays owed."""
        for told in self.rules.updates.fetched(0, 100, at=self.world.clock()):
            try:
                await self.chat.hear(told)
            except Unavailable:
                continue
            self.rules.updates.delivered(told["update_id"])

    def owed(self) -> int:
        return self.rules.updates.count(self.world.clock())

    def screen(self, who: int = ANNA) -> dict[str, Any]:
        """The newest message from the bot."""
        return [one for one in self.messages(who) if one["from"] == "bot"][-1]

    def messages(self, who: int = ANNA) -> list[dict[str, Any]]:
        return self.rules.messages(who)

    async def customer(self, who: int = ANNA) -> CustomerId:
        return await self.world.billing.find_customer(Identity(IdentityKind.TELEGRAM, str(who)))


def forged(room: ChatRoom, data: str, who: int = BEN) -> dict[str, Any]:
    """A press as a forged client would have Telegram tell of it."""
    found = [one for one in room.messages(who) if one["from"] == "bot" and one["buttons"]]
    pressable = [b["text"] for row in found[-1]["buttons"] for b in row if "callback_data" in b]
    room.rules.press(who, pressable[0], at=room.world.clock())
    told = room.rules.updates.fetched(0, 1, at=room.world.clock())[0]
    told["callback_query"]["data"] = data
    return dict(told)


def labels(screen: dict[str, Any]) -> list[str]:
    return [button["text"] for row in screen["buttons"] for button in row]


def link(screen: dict[str, Any]) -> str:
    """The address behind the one button that leads out to pay."""
    [url] = [button["url"] for row in screen["buttons"] for button in row if "url" in button]
    return str(url)
