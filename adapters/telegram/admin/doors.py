"""By which money comes in: the gateways, what was turned off, and notices that were given up on."""

from collections.abc import Sequence
from typing import Final

from telegram.error import TelegramError

from adapters.telegram.admin.kinds import DEEDS, switch_word
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.visits import Visit
from core.use_cases.operators import NoticeNotFound
from core.use_cases.webhooks import ASKED_ABOUT

NOTICES: Final = 8
LOOKED_THROUGH: Final = 200
TROUBLES_MAX: Final = 8


async def how_it_stands(visit: Visit) -> list[str]:
    """The whole system, in one line, or why it is not wholly well."""
    texts, state = visit.texts, await visit.billing.show_system_state()
    told = [texts(f"trouble.{one.code}", **one.facts) for one in state.troubles[:TROUBLES_MAX]]
    return [f"⚠️ {line}" for line in told] or [texts("admin.well")]


async def doors(visit: Visit, _: Sequence[str] = ()) -> Screen:
    told, texts = await visit.billing.show_doors(), visit.texts
    lines = [*await how_it_stands(visit), "", texts("admin.doors.title"), ""]
    for one in told.gateways:
        state = "off" if one.is_off else "down" if one.is_down else "well"
        lines.append(texts(f"admin.doors.{state}", gateway=one.name))
    if told.oldest is None:
        lines += ["", texts("admin.doors.worked_off")]
    else:
        lines += ["", texts("admin.doors.waits", at=told.oldest)]
    lines += await _updates(visit)
    return Screen(
        "\n".join(lines),
        [
            [visit.button("switches", "aswitches"), visit.button("notices", "anotices")],
            [visit.button("refresh", "adoors"), visit.button("to_desk", "admin")],
        ],
    )


async def _updates(visit: Visit) -> list[str]:
    """What Telegram says of the webhook that it calls, where it calls one."""
    if visit.around.webhook_info is None:
        return []
    try:
        told = await visit.around.webhook_info()
    except TelegramError:
        return [visit.texts("admin.doors.telegram_silent")]
    lines = [visit.texts("admin.doors.telegram", waiting=told.pending_update_count)]
    if told.last_error_date is not None:
        why = (told.last_error_message or "")[:200]
        lines.append(visit.texts("admin.doors.telegram_error", at=told.last_error_date, why=why))
    return lines


async def switches(visit: Visit, _: Sequence[str] = ()) -> Screen:
    texts = visit.texts
    lines, rows = [texts("admin.switches"), ""], []
    for one in await visit.billing.list_switches():
        key = "admin.switch.on" if one.is_on else "admin.switch.off"
        lines.append(texts(key, name=one.name))
        if one.changed_at is not None:
            lines.append(texts("admin.switch.turned", at=one.changed_at, by=one.by))
        deed = "off" if one.is_on else "on"
        if visit.may(DEEDS[deed].right):
            label = texts.label(f"button.deed_{deed}", name=one.name)
            rows.append([Button(label, press=press("adeed", deed, switch_word(one.name)))])
    return Screen("\n".join(lines), [*rows, [visit.button("back", "adoors")]])


async def notices(visit: Visit, _: Sequence[str] = ()) -> Screen:
    found, texts = await visit.billing.list_failed_notices(limit=NOTICES), visit.texts
    rows = []
    for item in found:
        facts = {"gateway": item.notice.gateway, "event": item.notice.event}
        label = texts.label("admin.notices.line", at=item.received_at, **facts)
        rows.append([Button(label, press=press("anotice", item.id))])
    key = "admin.notices.some" if rows else "admin.notices.none"
    return Screen(texts(key), [*rows, [visit.button("back", "adoors")]])


async def notice(visit: Visit, words: Sequence[str]) -> Screen:
    """
    Raises:
        NoticeNotFound: also where it is failed no more.
    """
    [id_] = words
    found = await visit.billing.list_failed_notices(limit=LOOKED_THROUGH)
    item = next((one for one in found if one.id == id_), None)
    if item is None:
        raise NoticeNotFound(id_)
    texts, told = visit.texts, item.notice
    about = told.payment_id or told.payout_id
    facts = {"gateway": told.gateway, "event": told.event, "id": item.id, "at": item.received_at}
    lines = [texts("admin.notice.what", **facts)]
    lines.append(texts("admin.notice.result", result=item.result or "—", tries=item.attempts))
    if about is not None:
        lines.append(texts("admin.notice.about", about=about))
    can = told.kind in ASKED_ABOUT and about is not None and visit.may(DEEDS["replay"].right)
    label = texts.label("button.deed_replay")
    replay = [Button(label, press=press("adeed", "replay", item.id))] if can else []
    return Screen("\n".join(lines), [replay, [visit.button("back", "anotices")]])
