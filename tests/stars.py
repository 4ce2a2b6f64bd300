"""A shop in Telegram that sells a month for 250 Stars as a subscription; all of it in one process."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from adapters.catalog_file import catalog_from_file
from adapters.gateways.calls import Calls, Told
from adapters.gateways.telegram.client import TelegramClient
from adapters.gateways.telegram.gateway import STARS, TelegramStarsGateway
from core.domain.customer import CustomerId
from core.domain.money import Money
from core.domain.period import Period, PeriodUnit
from core.domain.subscription import Subscription
from core.ports.payment_gateway import GatewayUnavailable
from core.ports.unit_of_work import Now, Store
from sandbox.telegram.rules import TelegramRules
from sandbox.telegram.wire import Call
from tests.adapters.gateways.telegram_desk import SECRET, TOKEN, TelegramDesk
from tests.adapters.telegram.chat_room import ANNA, ChatRoom, link
from tests.builders import Clock
from tests.world import FITNESS

PRICE = Money.of(250, "XTR")


class CallsOfRules(Calls):
    """What a network would do between the gateway and Telegram."""

    def __init__(self, rules: TelegramRules, now: Now) -> None:
        self._rules = rules
        self._now = now

    async def call(self, _method: str, path: str, *, body: str | None = None, **_: Any) -> Told:
        answer = self._rules.answer(Call(TOKEN, path, json.loads(body or "{}")), at=self._now())
        if answer.lost:
            raise GatewayUnavailable(STARS)
        return Told(answer.status, answer.body)


class ClientOfRules(TelegramClient):
    def __init__(self, rules: TelegramRules, now: Now) -> None:
        self._gateway = STARS
        self._calls = CallsOfRules(rules, now)


class StarsOfRules(TelegramStarsGateway):
    def __init__(self, rules: TelegramRules, now: Now) -> None:
        super().__init__(TOKEN, now=now, secret=SECRET)
        self._client = ClientOfRules(rules, now)


class StarsShop:
    """What customers and their Telegram do, in a word each."""

    def __init__(self, store: Store) -> None:
        now = Clock()
        self.rules = TelegramRules(TOKEN, username="tea_room_bot", name="Tea room")
        desk = TelegramDesk(StarsOfRules(self.rules, now), self.rules, now)
        self.room = ChatRoom(store, desk)
        self.world = self.room.world
        self.billing = self.world.billing

    async def opens(self, **of_the_plan: object) -> "StarsShop":
        """PRO_MONTHLY for Stars alone; `of_the_plan` changes its terms."""
        month: Mapping[str, Any] = {
            "prices": (PRICE,),
            "period": Period(30, PeriodUnit.DAY),
            "gateways": (STARS,),
            "receipt": None,
            "stars_subscription": True,
        }
        wanted = catalog_from_file(FITNESS)
        plans = tuple(
            replace(one, **dict(month) | of_the_plan) if one.code == "PRO_MONTHLY" else one
            for one in wanted.plans
        )
        await self.billing.apply_catalog(replace(wanted, plans=plans))
        return self

    async def orders(self) -> str:
        """PRO in the chat; the slug of the invoice behind the button."""
        await self.room.says("/start p_PRO_MONTHLY")
        await self.room.presses("Выбрать")
        return link(await self.room.presses("Заказать")).partition("$")[2]

    async def pays(self, slug: str) -> dict[str, Any]:
        """What became of it."""
        self.rules.pay(slug, ANNA, at=self.world.clock())
        await self.settles()
        view = self.rules.invoice_view(slug, at=self.world.clock())
        attempt: dict[str, Any] = view["attempts"][-1]
        return attempt

    async def subscribes(self) -> str:
        """The id of the first charge."""
        attempt = await self.pays(await self.orders())
        assert attempt["status"] == "paid", attempt
        return str(attempt["charge_id"])

    async def settles(self) -> None:
        """All that Telegram owes is heard, and all that follows is done."""
        for _ in range(3):
            await self.room.delivers()
            await self.world.pump.drain()

    async def passes(self, **time: float) -> None:
        """Time does, at Telegram first."""
        self.world.clock.advance(**time)
        self.rules.pass_time(self.world.clock())
        await self.settles()
        await self.world.sweeps()

    def charges(self) -> list[str]:
        return list(self.rules.till.charges)

    def renews_there(self, charge_id: str) -> bool:
        return bool(self.rules.charge_view(self.rules.till.charge(charge_id))["renews"])

    async def customer(self) -> CustomerId:
        return await self.room.customer()

    async def present(self) -> Subscription:
        account = await self.billing.show_account(await self.customer())
        return account.standing.subscription.at(account.at)

    async def plan(self) -> str:
        return await self.world.plan(await self.customer())

    async def stars(self) -> int:
        return (await self.world.cash(await self.customer())).get("XTR", 0)

    async def paid(self) -> list[str]:
        """The states of all orders, the newest first."""
        show = self.billing.show_purchases.page
        return [one.purchase.status for one in await show(await self.customer(), limit=50)]

    def heard(self, text: str) -> int:
        return sum(text in one["text"] for one in self.room.messages() if one["from"] == "bot")
