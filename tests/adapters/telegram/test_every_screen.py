"""Every screen that can be reached by pressing buttons, in both languages."""

import re

import pytest

from adapters.persistence.memory import MemoryStore
from core.domain.payment import InboxStatus
from core.use_cases.consequences import consequences
from tests.adapters.telegram.chat_room import ANNA, BEN, ChatRoom, labels

A_KEY = re.compile(
    r"\b(?:button|plan|plans|quota|rule|confirm|pay|order|news|error|wallet|deposit|history|way|item|settings)\.[a-z_]+\b"
)
DEPTH = 6
SCREENS_MIN = 12


async def a_room(who: int, path: tuple[str, ...]) -> ChatRoom:
    """Fresh, with these buttons pressed one after the other."""
    room = await ChatRoom(MemoryStore(consequences)).opens()
    await room.says("/start", who)
    for label in path:
        await room.presses(label, who)
    return room


def shape(screen: dict) -> str:
    """What makes it another screen: its words without the numbers that chance gave."""
    return re.sub(r"[0-9A-F]{6}|[0-9]+", "#", screen["text"]) + str(len(labels(screen)))


def presses(screen: dict) -> list[str]:
    return [b["text"] for row in screen["buttons"] for b in row if "callback_data" in b]


def followed(screen: dict) -> list[str]:
    """Of all the cities two: each leads to the same."""
    pressable = [b for row in screen["buttons"] for b in row if "callback_data" in b]
    cities = [b["text"] for b in pressable if ":zoneto:" in b["callback_data"]]
    return [b["text"] for b in pressable if b["text"] not in cities[2:]]


@pytest.mark.parametrize("who", [BEN, ANNA], ids=["en", "ru"])
async def test_every_screen_speaks_its_language_and_leads_on(who: int) -> None:
    seen: dict[str, dict] = {}
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        path = waiting.pop(0)
        room = await a_room(who, path)
        screen = room.screen(who)
        if shape(screen) in seen:
            continue
        seen[shape(screen)] = screen
        assert room.owed() == 0, path
        assert A_KEY.search(screen["text"]) is None, "a key without its text"
        assert "{" not in screen["text"]
        assert presses(screen), f"a dead end after {path}"
        for row in screen["buttons"]:
            for button in row:
                assert len(button.get("callback_data", "").encode()) <= 64
        kept = room.world.store.tables.inbox.rows.values()
        assert {one.status for one in kept} == {InboxStatus.DONE}, path
        if len(path) < DEPTH:
            waiting += [(*path, label) for label in followed(screen)]

    assert len(seen) >= SCREENS_MIN
    russian = [text for text in seen if re.search("[а-яё]", text)]
    # Of the two languages' screens, those after the choice of the other one are in the other one.
    assert russian
    assert len(russian) < len(seen)
