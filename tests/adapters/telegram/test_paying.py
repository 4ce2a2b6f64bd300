"""Paying in the chat: who may, what is stored before Telegram is answered, and what is booked."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from adapters.gateways.telegram.translate import payload_of
from adapters.http.edge import UpdatesDoor
from adapters.persistence.memory import MemoryStore
from core.domain.cause import StoreBusy
from core.domain.checkout import Checkout
from core.domain.errors import Unavailable
from core.domain.ledger import suspense
from core.domain.money import Money
from core.domain.payment import InboxStatus
from core.domain.plan import GatewayName
from core.domain.purchase import PurchaseStatus
from core.use_cases.consequences import consequences
from tests.adapters.gateways.served import Stage, a_stage
from tests.adapters.gateways.telegram_desk import SECRET, a_telegram_desk
from tests.adapters.http.api import an_api
from tests.adapters.telegram.chat_room import ANNA, BEN, ChatRoom, labels, link
from tests.builders import Clock

PATH = "/api/v1/billing/webhooks/telegram/"
PROOF = "X-Telegram-Bot-Api-Secret-Token"
STRANGER = 777


class Till:
    """A chat room that sells PRO for 250 Stars, and a store that may be away."""

    def __init__(self, room: ChatRoom, away: list[int]) -> None:
        self.room = room
        self.rules = room.rules
        self.world = room.world
        self._away = away

    def store_is_away(self, statements: int) -> None:
        self._away[0] = statements

    async def order(self, who: int = ANNA) -> str:
        """Orders PRO in the chat; the slug of the invoice behind the button."""
        say = {ANNA: ("/start", "Выбрать", "Заказать"), BEN: ("/start", "Choose", "Order for")}
        start, choose, order = say[who]
        await self.room.says(f"{start} p_PRO_MONTHLY", who)
        await self.room.presses(choose, who)
        address = link(await self.room.presses(order, who))
        assert address.startswith("https://t.me/$")
        return address.partition("$")[2]

    async def asks(self, slug: str, who: int = ANNA) -> dict[str, Any]:
        """Presses Pay, and the bot answers; what became of it."""
        self.rules.pay(slug, who, at=self.world.clock())
        told = self.rules.updates.fetched(0, 100, at=self.world.clock())
        [update] = [one for one in told if "pre_checkout_query" in one]
        await self.room.chat.hear(update)
        self.rules.updates.delivered(update["update_id"])
        attempt: dict[str, Any] = self.attempts(slug)[-1]
        return attempt

    async def pays(self, slug: str, who: int = ANNA) -> str:
        """Pays, and all that follows is done; the charge's id."""
        attempt = await self.asks(slug, who)
        assert attempt["status"] == "paid", attempt
        await self.hears_the_rest()
        return str(attempt["charge_id"])

    async def hears_the_rest(self) -> None:
        await self.room.delivers()
        await self.world.pump.drain()

    def attempts(self, slug: str) -> list[dict[str, Any]]:
        attempts: list[dict[str, Any]] = self.rules.invoice_view(slug, at=self.world.clock())[
            "attempts"
        ]
        return attempts

    def waiting(self) -> dict[str, Any]:
        """The next update that Telegram owes."""
        return self.rules.updates.fetched(0, 1, at=self.world.clock())[0]

    async def plan(self, who: int = ANNA) -> str:
        return await self.world.plan(await self.room.customer(who))

    async def stars(self, who: int = ANNA) -> int:
        return (await self.world.cash(await self.room.customer(who))).get("XTR", 0)

    async def checkout(self, slug: str) -> Checkout:
        payment_id = self.rules.till.invoice(slug).payload
        async with self.world.store.read() as view:
            found = await view.checkouts.find_by_payment(GatewayName("telegram_stars"), payment_id)
        assert found is not None
        return found


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as stage:
        yield stage


@pytest.fixture
async def till(stage: Stage, now: Clock) -> AsyncIterator[Till]:
    away = [0]

    async def pause() -> None:
        if away[0] > 0:
            away[0] -= 1
            raise StoreBusy

    async with a_telegram_desk(stage, now, "telegram_stars") as desk:
        room = await ChatRoom(MemoryStore(consequences, pause), desk).opens()
        await sells_for_stars(room)
        yield Till(room, away)


async def sells_for_stars(room: ChatRoom) -> None:
    """PRO costs 250 Stars too, and inside Telegram nothing else is offered."""
    wanted = room.world.wanted()
    plans = []
    for terms in wanted.plans:
        if terms.code == "PRO_MONTHLY":
            prices = (*terms.prices, Money.of(250, "XTR"))
            plans.append(replace(terms, prices=prices, gateways=(), receipt=None))
        else:
            plans.append(terms)
    chat = replace(wanted.chat, other_gateways=False)
    await room.world.billing.apply_catalog(replace(wanted, plans=tuple(plans), chat=chat))


async def test_pro_is_bought_for_stars_in_the_chat(till: Till) -> None:
    slug = await till.order()
    assert "Оплатить 250" in labels(till.room.screen())[0]
    assert (await till.checkout(slug)).gateway == "telegram_stars"

    charge_id = await till.pays(slug)

    assert await till.plan() == "PRO_MONTHLY"
    assert await till.stars() == 0
    assert till.rules.till.stars == 250
    assert "PRO" in till.room.screen()["text"], "the news of it is the newest message"
    async with till.world.store.read() as view:
        entry = await view.ledger.find(f"charge telegram_stars {charge_id}")
    assert entry is not None


async def test_nothing_is_given_before_it_is_paid(till: Till) -> None:
    slug = await till.order()
    attempt = await till.asks(slug)

    assert attempt["status"] == "paid"
    assert await till.plan() == "FREE", "the update about the money is still on its way"


async def test_an_invoice_of_somebody_else_is_refused_in_the_payers_language(till: Till) -> None:
    slug = await till.order(ANNA)
    await till.room.says("/start", BEN)

    by_ben = await till.asks(slug, BEN)
    by_a_stranger = await till.asks(slug, STRANGER)

    assert by_ben["status"] == by_a_stranger["status"] == "refused"
    assert "made for somebody else" in by_ben["error_message"]
    assert by_a_stranger["error_message"] == by_ben["error_message"]
    assert till.rules.till.stars == 0


async def test_a_paid_order_is_not_paid_again(till: Till) -> None:
    slug = await till.order()
    await till.pays(slug)

    again = await till.asks(slug)

    assert again["status"] == "refused"
    assert "уже оплачен" in again["error_message"]
    assert till.rules.till.stars == 250


async def test_a_second_payment_that_slips_through_stays_in_the_wallet(till: Till) -> None:
    slug = await till.order()
    first, second = await till.asks(slug), await till.asks(slug)
    assert [first["status"], second["status"]] == ["paid", "paid"], "neither was settled yet"

    await till.hears_the_rest()

    assert await till.plan() == "PRO_MONTHLY"
    assert await till.stars() == 250
    assert till.rules.till.stars == 500


async def test_a_price_that_was_not_agreed_is_refused(till: Till) -> None:
    slug = await till.order()
    invoice = till.rules.till.invoice(slug)
    till.rules.till.invoices[slug] = replace(invoice, total=1)

    attempt = await till.asks(slug)

    assert attempt["status"] == "refused"
    assert "Цена отличается" in attempt["error_message"]


async def test_after_its_hour_an_invoice_is_refused(till: Till) -> None:
    slug = await till.order()
    till.world.clock.advance(hours=1)

    attempt = await till.asks(slug)

    assert attempt["status"] == "refused"
    assert "Время" in attempt["error_message"]


async def test_an_answer_that_comes_too_late_harms_nobody(till: Till) -> None:
    slug = await till.order()

    async def slowly(method: str) -> None:
        if method == "answerPreCheckoutQuery":
            till.world.clock.advance(seconds=11)

    till.room.network.on_the_way = slowly
    attempt = await till.asks(slug)

    assert attempt["status"] == "timed_out"
    assert till.rules.till.stars == 0
    till.room.network.on_the_way = None
    assert (await till.asks(slug))["status"] == "paid", "the payer may try again"


async def test_who_cannot_be_checked_in_time_is_not_let_through(till: Till) -> None:
    slug = await till.order()
    till.store_is_away(1)

    attempt = await till.asks(slug)

    assert attempt["status"] == "refused"
    assert "через минуту" in attempt["error_message"], "as her Telegram speaks"
    assert (await till.asks(slug))["status"] == "paid"


async def test_a_payer_that_could_not_be_answered_is_asked_about_again(till: Till) -> None:
    slug = await till.order()
    till.rules.faults.plan("flood", 1)
    till.rules.pay(slug, ANNA, at=till.world.clock())

    with pytest.raises(Unavailable):
        await till.room.chat.hear(till.waiting())
    await till.hears_the_rest()

    assert till.attempts(slug)[-1]["status"] == "paid"


async def test_money_told_of_twice_is_money_once(till: Till) -> None:
    slug = await till.order()
    await till.asks(slug)
    update = till.waiting()

    for _ in range(3):
        await till.room.chat.hear(update)
        await till.world.pump.drain()
    await till.room.chat.hear(update | {"update_id": 12345})
    await till.hears_the_rest()

    assert await till.plan() == "PRO_MONTHLY"
    assert await till.stars() == 0
    assert await till.world.cases() == []


async def test_money_that_cannot_be_stored_is_told_again(till: Till) -> None:
    slug = await till.order()
    await till.asks(slug)
    till.store_is_away(1)

    with pytest.raises(Unavailable):
        await till.room.chat.hear(till.waiting())
    assert await till.plan() == "FREE"
    await till.hears_the_rest()

    assert await till.plan() == "PRO_MONTHLY"


async def test_money_for_what_nobody_ordered_waits_in_suspense(till: Till) -> None:
    slug = await till.order()
    await till.asks(slug)
    update = json.loads(json.dumps(till.waiting()).replace("chk_", "old_"))

    await till.room.chat.hear(update)
    await till.world.pump.drain()

    assert await till.plan() == "FREE"
    assert await till.world.books(suspense(GatewayName("telegram_stars")), "XTR") == 250
    assert await till.world.cases() == ["suspense"]


async def test_less_than_the_price_stays_in_the_wallet_and_is_a_persons(till: Till) -> None:
    slug = await till.order()
    await till.asks(slug)
    update = till.waiting()
    update["message"]["successful_payment"]["total_amount"] = 249

    await till.room.chat.hear(update)
    await till.world.pump.drain()

    assert await till.plan() == "FREE"
    assert await till.stars() == 249
    assert await till.world.cases() == ["mismatch"]


async def test_money_of_a_gateway_that_is_not_switched_on_is_kept_for_a_person(till: Till) -> None:
    slug = await till.order()
    await till.asks(slug)
    update = till.waiting()
    update["message"]["successful_payment"]["currency"] = "RUB"

    await till.room.chat.hear(update)

    async with till.world.store.read() as view:
        kept = await view.inbox.find(f"inb_telegram_{update['update_id']}")
    assert kept is not None
    assert (kept.status, kept.result) == (InboxStatus.FAILED, "gateway_not_found")
    body = json.loads(kept.notice.body)
    assert (body["total_amount"], body["currency"]) == (250, "RUB")
    assert body["telegram_payment_charge_id"]
    assert "Anna" not in kept.notice.body
    assert await till.world.cases() == ["poison"]


async def test_a_charge_that_telegram_makes_by_itself_is_kept_with_what_it_says(till: Till) -> None:
    slug = await till.order()
    await till.asks(slug)
    first = till.waiting()
    await till.hears_the_rest()
    paid = first["message"]["successful_payment"]
    renewal = paid | {
        "telegram_payment_charge_id": "stx-renewal",
        "is_recurring": True,
        "subscription_expiration_date": 1800352870,
    }
    message = first["message"] | {"successful_payment": renewal}

    await till.room.chat.hear({"update_id": 12345, "message": message})
    await till.world.pump.drain()

    assert await till.stars() == 0, "it paid a renewal"
    gateway, payment_id = GatewayName("telegram_stars"), paid["invoice_payload"]
    async with till.world.store.read() as view:
        charges = await view.charges.of_payment(gateway, payment_id)
    [details] = [one.details for one in charges if one.key.charge_id == "stx-renewal"]
    assert details == {"is_recurring": "true", "subscription_expiration_date": "1800352870"}


async def test_stars_that_were_given_back_are_given_back_in_the_books(till: Till) -> None:
    slug = await till.order()
    charge_id = await till.pays(slug)

    till.rules.refund(ANNA, charge_id, at=till.world.clock())
    await till.hears_the_rest()

    purchase_id = (await till.checkout(slug)).purchase_id
    started = await till.world.purchase(await till.room.customer(), purchase_id)
    assert started.purchase.status is PurchaseStatus.REFUNDED
    assert await till.plan() == "FREE"


async def test_what_becomes_of_a_subscription_is_stored(till: Till) -> None:
    told = {"user": {"id": ANNA}, "invoice_payload": "chk_1.1773136800", "state": "canceled"}

    await till.room.chat.hear({"update_id": 7, "subscription": told})

    assert await till.world.cases() == []


async def test_a_payment_whose_update_was_lost_is_found_by_the_watcher(till: Till) -> None:
    slug = await till.order()
    await till.asks(slug)
    till.rules.updates.clear()

    await till.world.time_passes(minutes=2)

    assert await till.plan() == "PRO_MONTHLY"


async def test_what_nobody_pays_lapses_and_frees_the_way_to_order_again(till: Till) -> None:
    slug = await till.order()

    await till.world.time_passes(hours=2)

    assert (await till.checkout(slug)).status == "lapsed"
    assert await till.order() != slug


async def test_over_http_a_forged_secret_stores_nothing_and_a_store_away_is_503(
    till: Till,
) -> None:
    slug = await till.order()
    await till.asks(slug)
    body = json.dumps(till.waiting()).encode()
    kind = {"Content-Type": "application/json"}
    door = UpdatesDoor(SECRET, till.room.chat.hear)
    async with an_api(till.world, updates=door) as api:

        async def post(secret: str, path: str = PATH) -> int:
            headers = kind | {PROOF: secret}
            return (await api.client.post(path, content=body, headers=headers)).status_code

        assert await post("forged") == 401
        assert await post("forged", PATH.replace("telegram/", "telegram_stars/")) == 401
        await till.world.pump.drain()
        assert await till.plan() == "FREE"
        till.store_is_away(100)
        assert await post(SECRET) == 503
        till.store_is_away(1)
        assert await post(SECRET) == 200, "a race that is lost is run again at once"
    await till.world.pump.drain()
    assert await till.plan() == "PRO_MONTHLY"


async def test_who_is_unknown_to_telegram_is_not_offered_to_pay_there(till: Till) -> None:
    by_the_web = await till.world.customer("external:anna")
    started = await till.world.buys(by_the_web)

    assert started.checkout is not None
    assert started.checkout.gateway == "yookassa"


async def test_the_same_opening_again_leads_to_the_same_payment(till: Till) -> None:
    slug = await till.order()
    checkout = await till.checkout(slug)
    gateway = till.world.gateways.get("telegram_stars")

    again = await gateway.open_checkout(checkout)

    assert again.payment_id == payload_of(checkout) == checkout.payment_id
    assert (await till.asks(again.confirmation_url.partition("$")[2]))["status"] == "paid"
    await till.hears_the_rest()
    assert (await till.asks(slug))["status"] == "refused", "both links lead to one payment"


async def test_nobody_about_to_pay_waits_behind_what_they_pressed(till: Till) -> None:
    """By the webhook each update is a request of its own; only the store is shared."""
    slug = await till.order()
    let_go = asyncio.Event()

    async def stuck(method: str) -> None:
        if method == "sendMessage":
            await let_go.wait()

    till.room.network.on_the_way = stuck
    till.rules.send(ANNA, "/plans", at=till.world.clock())
    reading = asyncio.create_task(till.room.chat.hear(till.waiting()))
    await asyncio.sleep(0)
    till.rules.updates.clear()

    attempt = await till.asks(slug)

    assert attempt["status"] == "paid"
    assert not reading.done()
    let_go.set()
    await reading
