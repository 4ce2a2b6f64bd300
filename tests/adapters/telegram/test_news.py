"""What the chat tells by itself, in both languages, each thing once."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from telegram.error import InvalidToken, NetworkError, RetryAfter, TelegramError

from adapters.telegram.notifier import TelegramNotifier, screen_from_news
from core.domain.audit import Deed
from core.domain.money import Money
from core.domain.plan import PlanCode
from core.ports.notifier import News, NewsKind, NotifierUnavailable
from core.use_cases.news import NewsRef
from tests.adapters.telegram.chat_room import ANNA, BEN, ChatRoom, labels
from tests.builders import rub


async def ordered(room: ChatRoom, who: int, plan: str = "PRO_MONTHLY"):
    await room.says("/start", who)
    return await room.world.buys(await room.customer(who), plan)


def news(room: ChatRoom, who: int) -> list[str]:
    """All that came after the home screen."""
    return [one["text"] for one in room.messages(who) if one["from"] == "bot"][1:]


@pytest.mark.parametrize(
    ("who", "words"),
    [
        (BEN, ["Paid ₽299.00 · order", "PRO, one month until 10 Apr 2026, 12:00 MSK"]),
        (ANNA, ["Оплачено 299,00 ₽ · заказ", "PRO на месяц до 10 апр. 2026, 12:00 МСК"]),
    ],
)
async def test_a_receipt_comes_once(any_room: ChatRoom, who: int, words: list[str]) -> None:
    room = any_room
    started = await ordered(room, who)
    payment = room.world.pays(started)
    for _ in range(3):
        await room.world.hears(payment)

    [receipt] = news(room, who)
    for one in words:
        assert one in receipt.replace("\xa0", " ").replace("RUB ", "₽")
    assert started.purchase.id[-6:].upper() in receipt


@pytest.mark.parametrize(
    ("who", "words"),
    [(BEN, "did not go through. Nothing was taken"), (ANNA, "не прошёл. Ничего не списано")],
)
async def test_a_payer_who_was_turned_down_hears_of_it(
    any_room: ChatRoom, who: int, words: str
) -> None:
    room = any_room
    await room.world.hears_of_a_refusal(await ordered(room, who))
    [told] = news(room, who)
    assert words in told
    again = {BEN: "New order", ANNA: "Новый заказ"}[who]
    assert again in labels(room.screen(who))
    chosen = await room.presses(again, who)
    assert "299" in chosen["text"]
    assert len(news(room, who)) == 2, "the news stays, and the screen comes below it"


@pytest.mark.parametrize(
    ("who", "words"),
    [(BEN, "has expired. If you did pay"), (ANNA, "истёк. Если вы оплатили")],
)
async def test_an_order_that_nobody_paid_says_so_and_a_late_payment_counts(
    any_room: ChatRoom, who: int, words: str
) -> None:
    room = any_room
    await ordered(room, who)
    await room.world.time_passes(hours=23, minutes=30)
    started = await room.world.buys(await room.customer(who))
    await room.world.time_passes(minutes=45)
    [expired] = news(room, who)
    assert words in expired

    await room.world.hears(room.world.pays(started))

    _, paid = news(room, who)
    late = {BEN: "it counts all the same", ANNA: "но он засчитан"}[who]
    assert late in paid


@pytest.mark.parametrize(
    ("who", "words"),
    [(BEN, "Your second payment, ₽299.00, is in your wallet"), (ANNA, "Второй платёж, 299,00 ₽")],
)
async def test_a_second_payment_is_in_the_wallet_and_is_said_so(
    any_room: ChatRoom, who: int, words: str
) -> None:
    room = any_room
    payment = room.world.pays(await ordered(room, who))
    await room.world.hears(payment)
    await room.world.hears(room.world.gateway.pay_again(payment))
    told = news(room, who)[1].replace("\xa0", " ").replace("RUB ", "₽")
    assert words in told


@pytest.mark.parametrize(
    ("received", "words"),
    [
        (Money.of(25000, "RUB"), "₽250.00 of ₽299.00 for order"),
        (Money.of(25000, "RUB"), "₽49.00 are missing"),
        (Money.of(30000, "RUB"), "We got ₽300.00 for order"),
        (Money.of(29900, "USD"), "We got $299.00 for order"),
    ],
)
async def test_another_sum_is_told_with_what_is_missing(
    room: ChatRoom, received: Money, words: str
) -> None:
    await room.world.hears(room.world.pays(await ordered(room, BEN), received))
    [told] = news(room, BEN)
    assert words in told.replace("RUB\xa0", "₽").replace("US$", "$")
    assert "we are looking into it" in told


async def test_money_for_a_canceled_order_is_said_to_be_in_the_wallet(room: ChatRoom) -> None:
    started = await ordered(room, BEN)
    await room.world.billing.cancel_purchase(await room.customer(BEN), started.purchase.id)
    await room.world.hears(room.world.pays(started))
    [told] = news(room, BEN)
    assert "came after order" in told
    assert "In your wallet" in (await room.presses("Wallet", BEN))["text"]


@pytest.mark.parametrize(
    ("who", "words", "again"),
    [
        (BEN, "PRO, one month has ended. You are on Free now.", "Buy again"),
        (ANNA, "Тариф «PRO на месяц» закончился. Теперь у вас тариф «Бесплатный».", "Купить снова"),
    ],
)
async def test_the_end_of_a_period_is_told_once(
    any_room: ChatRoom, who: int, words: str, again: str
) -> None:
    room = any_room
    await room.world.hears(room.world.pays(await ordered(room, who)))
    await room.world.time_passes(days=32)
    await room.world.time_passes(days=1)
    _, ended = news(room, who)
    assert ended == words
    assert again in labels(room.screen(who))


async def test_news_wait_while_telegram_says_so_and_are_told_in_the_end(
    any_room: ChatRoom,
) -> None:
    room = any_room
    payment = room.world.pays(await ordered(room, BEN))
    room.rules.faults.plan("flood", 1)
    await room.world.hears(payment)
    assert news(room, BEN) == []
    await room.world.time_passes(seconds=2)
    assert news(room, BEN) == [], "three seconds were asked for"

    await room.world.time_passes(seconds=30)

    assert len(news(room, BEN)) == 1


async def test_a_shorter_wait_does_not_cut_a_longer_one_short(room: ChatRoom) -> None:
    await room.says("/start", BEN)
    standing = (await room.world.me(await room.customer(BEN))).standing
    ended = News("its id", NewsKind.ENDED, standing, room.world.clock())
    answers = [RetryAfter(timedelta(seconds=30)), NetworkError("Bad Gateway")]
    both_asked = asyncio.Barrier(2)

    async def refuse(_: str) -> None:
        await both_asked.wait()
        raise answers.pop(0)

    room.network.on_the_way = refuse
    notifier = TelegramNotifier(room.bot, room.world.clock)
    await asyncio.gather(*(notifier.tell(ended) for _ in answers), return_exceptions=True)
    room.network.on_the_way = None
    room.world.clock.advance(seconds=20)

    with pytest.raises(NotifierUnavailable):
        await notifier.tell(ended)


@pytest.mark.parametrize(
    "error", [InvalidToken("Unauthorized"), TelegramError("Invalid server response")]
)
async def test_whatever_telegram_says_of_us_the_receipt_comes_later(
    room: ChatRoom, error: TelegramError
) -> None:
    payment = room.world.pays(await ordered(room, BEN))

    async def refuse(_: str) -> None:
        raise error

    room.network.on_the_way = refuse
    await room.world.hears(payment)
    await room.world.time_passes(minutes=30)
    assert news(room, BEN) == []
    room.network.on_the_way = None

    await room.world.time_passes(hours=1)

    assert len(news(room, BEN)) == 1
    assert await room.world.cases() == []


async def test_news_that_cannot_be_told_for_a_day_are_given_up_without_a_case(
    any_room: ChatRoom,
) -> None:
    room = any_room
    payment = room.world.pays(await ordered(room, BEN))
    room.rules.faults.plan("down", 10**6)
    await room.world.hears(payment)
    for _ in range(60):
        await room.world.time_passes(hours=1)
    room.rules.faults.plan("down", 0)
    await room.world.time_passes(hours=2)

    assert news(room, BEN) == []
    assert await room.world.cases() == []
    async with room.world.store.read() as view:
        assert await view.jobs.waiting() == 0
    assert "PRO, one month until" in (await room.says("/status", BEN))["text"]


async def test_a_message_that_may_have_arrived_is_told_again(any_room: ChatRoom) -> None:
    room = any_room
    payment = room.world.pays(await ordered(room, BEN))
    room.rules.faults.plan("timeout_after_acting", 1)
    await room.world.hears(payment)
    await room.world.time_passes(minutes=1)

    receipts = news(room, BEN)

    assert len(receipts) == 2
    assert receipts[0] == receipts[1], "with the same number, so that a second does no harm"


async def test_a_customer_of_a_web_page_has_no_chat_to_be_told_in(room: ChatRoom) -> None:
    anna = await room.world.customer("external:anna")
    await room.world.hears(room.world.pays(await room.world.buys(anna)))
    assert await room.world.plan(anna) == "PRO_MONTHLY"
    assert await room.world.cases() == []


async def test_who_turns_out_to_have_stopped_the_bot_is_written_down(any_room: ChatRoom) -> None:
    room = any_room
    payment = room.world.pays(await ordered(room, BEN))
    who = await room.customer(BEN)
    room.rules.block(BEN, at=room.world.clock())  # The bot has not heard of it yet.

    await room.world.hears(payment)

    async with room.world.store.read() as view:
        customer = await view.customers.get(who)
        history = await view.history(who)
    assert customer.unreachable_since == room.world.clock()
    assert [one.name for one in history].count("customer.unreachable") == 1


async def test_who_cannot_be_reached_is_not_tried(room: ChatRoom) -> None:
    payment = room.world.pays(await ordered(room, BEN))
    await room.world.billing.mark_reach(await room.customer(BEN), is_reachable=False)
    await room.world.hears(payment)
    assert news(room, BEN) == []


async def test_a_job_that_comes_again_tells_nothing_again(room: ChatRoom) -> None:
    started = await ordered(room, BEN)
    await room.world.hears(room.world.pays(started))
    again = NewsRef(
        f"paid {started.purchase.id}",
        NewsKind.PAID,
        await room.customer(BEN),
        purchase_id=started.purchase.id,
    )
    await room.world.billing.tell_customer(again)
    assert len(news(room, BEN)) == 1
    await room.world.billing.tell_customer(replace(again, id="another"))
    assert len(news(room, BEN)) == 2, "else the name above is not that of the news"


@pytest.mark.parametrize("kind", [NewsKind.REFUSED, NewsKind.EXPIRED, NewsKind.ENDED])
async def test_bad_news_that_payment_has_overtaken_is_not_told(
    room: ChatRoom, kind: NewsKind
) -> None:
    started = await ordered(room, BEN)
    await room.world.hears(room.world.pays(started))
    late = NewsRef(
        "late", kind, await room.customer(BEN), started.purchase.id, plan=PlanCode("PRO_MONTHLY")
    )
    await room.world.billing.tell_customer(late)
    assert len(news(room, BEN)) == 1


@pytest.mark.parametrize(
    ("who", "words"),
    [
        (BEN, "7 days of PRO, one month as a gift: you have it until 17 Mar 2026, 12:00 MSK."),
        (ANNA, "Вам подарили 7 дней тарифа «PRO на месяц»: он действует до 17 мар. 2026, 12:00"),
    ],
)
async def test_a_gift_of_days_is_told_with_its_end(room: ChatRoom, who: int, words: str) -> None:
    await room.says("/start", who)
    customer = await room.customer(who)
    deed, cause = Deed("olga", "we were away"), room.world.cause()
    await room.world.billing.grant_days(customer, "PRO_MONTHLY", 7, deed=deed, cause=cause)
    await room.world.sweeps()

    [told] = news(room, who)
    assert words in told.replace("\xa0", " ")
    assert "we were away" not in told, "the reason is for the audit trail"
    assert labels(room.screen(who)) == [{BEN: "My plan", ANNA: "Мой тариф"}[who]]


ABOUT_THE_WALLET = [one for one in NewsKind if one.startswith(("escrow_", "withdrawal_"))]


@pytest.mark.parametrize("kind", ABOUT_THE_WALLET)
async def test_what_concerns_the_wallet_is_told_with_its_sum_and_the_way_there(
    room: ChatRoom, kind: NewsKind
) -> None:
    said = {}
    for who in (ANNA, BEN):
        await room.says("/start", who)
        standing = (await room.world.me(await room.customer(who))).standing
        title = "Paint <b>& more" if kind.startswith("escrow_") else None
        one = News("n", kind, standing, room.world.clock(), received=rub(120), title=title)
        screen = screen_from_news(one)
        said[who] = screen.text
        assert "120" in screen.text
        assert title is None or "Paint &lt;b&gt;&amp; more" in screen.text
        assert "wallet" in str(screen.rows)

    assert said[ANNA] != said[BEN]
    assert "news." not in said[ANNA] + said[BEN]
