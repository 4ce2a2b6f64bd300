"""What the chat tells in time, what its buttons do, and the settings that say how much of it."""

from dataclasses import replace

import pytest

from core.domain.period import WindowKind
from core.domain.plan import PlanTerms, QuotaRule
from core.domain.renewal import FROM_WALLET
from tests.adapters.telegram.chat_room import ANNA, BEN, ChatRoom, forged, labels
from tests.builders import PHOTO_AI, rub


async def subscribes(room: ChatRoom, who: int) -> None:
    """For a month, from noon in Moscow."""
    await room.says("/start", who)
    await room.world.hears(room.world.pays(await room.world.buys(await room.customer(who))))


async def renews(room: ChatRoom, who: int) -> None:
    await subscribes(room, who)
    customer = await room.customer(who)
    await room.world.billing.change_subscription.renew_from(customer, FROM_WALLET)


async def offers(room: ChatRoom, code: str, **terms: object) -> None:
    """The same catalog, but this plan has other terms."""
    wanted = room.world.wanted()

    def changed(plan: PlanTerms) -> PlanTerms:
        return replace(plan, **terms) if plan.code == code else plan  # type: ignore[arg-type]

    plans = tuple(changed(plan) for plan in wanted.plans)
    await room.world.billing.apply_catalog(replace(wanted, plans=plans))


def said(room: ChatRoom, who: int) -> str:
    text = str(room.screen(who)["text"])
    return text.replace("RUB\xa0", "₽").replace("\xa0", " ")


@pytest.mark.parametrize(
    ("who", "words", "extend", "confirm"),
    [
        (BEN, "PRO, one month ends on 10 Apr 2026, 12:00 MSK", "Extend", "Check your order"),
        (ANNA, "Тариф «PRO на месяц» закончится 10 апр. 2026", "Продлить", "Проверьте заказ"),
    ],
)
async def test_an_end_is_told_with_the_way_to_extend_it(
    room: ChatRoom, who: int, words: str, extend: str, confirm: str
) -> None:
    await subscribes(room, who)
    await room.world.time_passes(days=28)
    assert words in said(room, who)
    before = len(room.messages(who))
    assert confirm in (await room.presses(extend, who))["text"]
    assert len(room.messages(who)) > before, "the reminder stays, and the screen comes below it"


async def test_a_plan_that_is_not_sold_any_more_is_not_offered_again(room: ChatRoom) -> None:
    await subscribes(room, BEN)
    await offers(room, "PRO_MONTHLY", prices=())
    await room.world.time_passes(days=28)
    assert "PRO, one month ends on" in said(room, BEN)
    assert labels(room.screen(BEN)) == ["My plan"]


@pytest.mark.parametrize(
    ("who", "announced", "changed"),
    [
        (
            BEN,
            "renews by itself from your wallet on 9 Apr 2026, 12:00 MSK, for ₽399.00.",
            "The price has changed: it was ₽299.00, now it is ₽399.00.",
        ),
        (
            ANNA,
            "продлится автоматически из кошелька 9 апр. 2026, 12:00 МСК: 399,00 ₽.",
            "Цена изменилась: была 299,00 ₽, теперь 399,00 ₽.",
        ),
    ],
)
async def test_a_renewal_is_announced_with_its_price_and_the_one_before_it(
    room: ChatRoom, who: int, announced: str, changed: str
) -> None:
    await renews(room, who)
    await offers(room, "PRO_MONTHLY", prices=(rub(399),))
    await room.world.time_passes(days=22)
    told = said(room, who)
    assert [("299" in line, "399" in line) for line in told.splitlines()] == [
        (True, True),
        (False, True),
    ], "both prices, what is charged next, and no word of an old one that is kept"
    await room.world.time_passes(days=6)
    assert announced in said(room, who)
    assert changed in said(room, who)


@pytest.mark.parametrize(
    ("who", "kept"),
    [
        (BEN, "for ₽299.00. You can switch it off under “My plan”.\nThis time at the old price"),
        (ANNA, "299,00 ₽. Отключить продление можно в «Моём тарифе».\nВ этот раз ещё по прежней"),
    ],
)
async def test_a_price_told_too_late_is_told_with_the_one_that_is_kept(
    room: ChatRoom, who: int, kept: str
) -> None:
    await renews(room, who)
    await room.world.time_passes(days=23)
    await offers(room, "PRO_MONTHLY", prices=(rub(399),))
    await room.world.time_passes(days=5)
    told = " ".join(one["text"] for one in room.messages(who))
    assert kept in told.replace("RUB\xa0", "₽").replace("\xa0", " ")


async def test_a_price_that_has_not_changed_is_told_alone(room: ChatRoom) -> None:
    await renews(room, BEN)
    await room.world.time_passes(days=28)
    assert "for ₽299.00." in said(room, BEN)
    assert "has changed" not in said(room, BEN)
    assert "Do not renew" in labels(await room.presses("My plan", BEN))


async def test_who_canceled_is_told_that_it_ends_as_decided(room: ChatRoom) -> None:
    await renews(room, BEN)
    await room.world.billing.change_subscription.cancel(await room.customer(BEN))
    await room.world.time_passes(days=30)
    assert "does not renew by itself, as you decided" in said(room, BEN)
    assert labels(room.screen(BEN)) == ["Extend", "My plan"]


async def test_who_has_left_is_called_back_a_day_later(room: ChatRoom) -> None:
    await subscribes(room, BEN)
    await room.world.time_passes(days=31)
    assert "has ended" in said(room, BEN)
    await room.world.time_passes(days=1)
    assert "You can have it again at any time" in said(room, BEN)
    assert "PRO, one month" in (await room.presses("Buy again", BEN))["text"]


@pytest.mark.parametrize(
    ("who", "low", "used_up"),
    [
        (BEN, "Only 2 photos left of 10 · resets 00:00 MSK", "Used up: 10 photos · resets"),
        (ANNA, "Осталось всего 2 фото из 10 · обновление 00:00 МСК", "Израсходовано: 10 фото ·"),
    ],
)
async def test_little_is_left_and_then_nothing(
    room: ChatRoom, who: int, low: str, used_up: str
) -> None:
    await offers(room, "FREE", quotas={PHOTO_AI: QuotaRule(10, WindowKind.DAY)})
    await room.says("/start", who)
    customer = await room.customer(who)
    await room.world.uses(customer, "eight", 8)
    await room.world.sweeps()
    assert low in said(room, who)
    await room.world.uses(customer, "two", 2)
    await room.world.sweeps()
    assert used_up in said(room, who)
    more, plans, *_ = labels(room.screen(who))
    assert more.startswith(("50 photos · ", "50 фото · "))
    assert plans in {"Plans", "Тарифы"}


@pytest.mark.parametrize(
    ("who", "path", "fewer", "every"),
    [
        (BEN, ("Settings", "Fewer reminders", "All reminders"), "only when", "before your plan"),
        (ANNA, ("Настройки", "Меньше напоминаний", "Все напоминания"), "только когда", "скоро"),
    ],
)
async def test_the_settings_say_how_much_is_told(
    room: ChatRoom, who: int, path: tuple[str, str, str], fewer: str, every: str
) -> None:
    settings, less, more = path
    await room.says("/start", who)
    assert every in (await room.presses(settings, who))["text"]
    switched = await room.presses(less, who)
    assert fewer in switched["text"]
    assert fewer in (await room.says("/settings", who))["text"]
    assert every in (await room.presses(more, who))["text"]


async def test_who_asked_for_fewer_is_not_reminded(room: ChatRoom) -> None:
    await subscribes(room, BEN)
    await room.says("/settings", BEN)
    await room.presses("Fewer reminders", BEN)
    before = len(room.messages(BEN))
    await room.world.time_passes(days=28)
    assert len(room.messages(BEN)) == before
    await room.world.time_passes(days=3)
    assert "has ended" in said(room, BEN)


@pytest.mark.parametrize("data", ["v1:languages", "v1:settings", "v1:language:xx"])
async def test_older_and_forged_buttons_lead_to_the_settings(room: ChatRoom, data: str) -> None:
    await room.says("/start", BEN)
    await room.chat.hear(forged(room, data))
    assert "Settings" in said(room, BEN)
    assert "✓ English" in labels(room.screen(BEN))
