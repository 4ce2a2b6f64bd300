"""Every text is there in every language, uses only the facts it is given, and fits Telegram."""

import ast
import re
import string
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from adapters.locales.translations import FOLDER, LANGUAGES, translation
from adapters.telegram.admin.broadcasts import SEGMENTS
from adapters.telegram.admin.deeds import ANSWERS
from adapters.telegram.admin.kinds import DEEDS
from adapters.telegram.chat import COMMANDS, HIDDEN_COMMANDS, PRESSED
from adapters.telegram.screens import DATA_BYTES_MAX, Button, Screen, press, pressed
from adapters.telegram.texts import Texts
from core.domain.broadcast import BroadcastMove, BroadcastStatus
from core.domain.case import CaseKind
from core.domain.errors import BillingError
from core.domain.money import Money
from core.domain.money_terms import Brake
from core.domain.operator import Role
from core.domain.purchase import PurchaseStatus
from core.domain.referral_program import ReferralStatus
from core.domain.subscription import Activation
from core.domain.withdrawal import WithdrawalStatus
from core.ports.notifier import NewsKind
from core.use_cases.buying import WALLET
from core.use_cases.pre_checkout import Refusal
from entrypoints.settings import SECRETS
from sandbox.telegram.formatting import text_from_html
from tests.builders import NOON, a_catalog
from tests.house.test_errors import leaves  # noqa: F401 - A fixture is found by its name.

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "adapters" / "telegram"
TELL_OF_TROUBLE = (ROOT / "core/use_cases/system_state.py", ROOT / "entrypoints/health.py")
EXPLAINED = ROOT / "core"
SAID_WITH = {"texts", "label", "count", "error", "button"}


def catalog(language: str) -> dict[str, list[str]]:
    with (FOLDER / f"{language}.po").open("rb") as file:
        read = read_po(file, locale=language)
    found = {}
    for message in read:
        if message.id:
            key = message.id[0] if isinstance(message.id, tuple) else message.id
            said = message.string
            found[key] = list(said) if isinstance(said, tuple) else [said]
    return found


def keys_in_the_code() -> set[str]:
    """Every literal that could be the key of a text, and those that are put together."""
    found = {f"button.{key}" for key in button_keys()}
    for file in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    found |= {f"news.{kind}" for kind in NewsKind} | {f"period.{unit}" for unit in ("day", "month")}
    found |= {f"order.{status}" for status in PurchaseStatus}
    found |= {f"command.{name}" for name in COMMANDS}
    return found | put_together() | whys()


def put_together() -> set[str]:
    """Keys that end with a name of the core's: none of those may be without a text."""
    found = {f"refusal.{why}" for why in (*Refusal, "busy")}
    found |= {f"way.{name}" for name in (*SECRETS, WALLET)}
    found |= {f"item.{kind}" for kind in ("deposit", "verification", "escrow")}
    found |= {f"role.{role}" for role in Role} | {f"case.{kind}" for kind in CaseKind}
    found |= {f"admin.ask.{name}" for name in ANSWERS}
    found |= {f"admin.not_read.{name}" for name in ANSWERS if name != "code"}
    found |= {f"admin.will.{deed}" for deed in DEEDS}
    found |= {f"button.deed_{deed}" for deed in (*DEEDS, "grant") if deed not in set(Role)}
    found |= {f"admin.purchase.{status}" for status in PurchaseStatus}
    found |= {f"admin.broadcast.{status}" for status in BroadcastStatus}
    found |= {f"admin.broadcast.{count}" for count in ("unreachable", "failed", "unsure")}
    found |= {f"admin.segment.{name}" for name in (*SEGMENTS, "other")} | trouble_keys()
    found |= {f"admin.letter.{question}" for question in ("text", "skip", "plan", "segment")}
    found |= {f"admin.withdrawal.{state}" for state in (*WithdrawalStatus, "by_hand", "unsure")}
    found |= {f"admin.withdrawal.over_{one.name}" for one in fields(Brake)}
    found |= {f"admin.withdrawal.way_{way}" for way in ("hand", "gateway")}
    found |= {f"admin.withdrawals.{count}" for count in ("some", "none")}
    found |= {f"admin.access.{state}" for state in Activation}
    found |= {f"admin.doors.{state}" for state in ("well", "down", "off")}
    found |= {f"admin.sold.{span}{none}" for span in ("today", "month") for none in ("", ".none")}
    return found


def whys() -> set[str]:
    """A link of a chain of causes is named in the core: as an event is, or by a beginning and one of a few."""
    found = {f"subscription.by_{why}" for why in ("default", "trial", "gift", "purchase")}
    found |= {f"charge.{fate}" for fate in ("settled", "left", "suspense")}
    found |= {f"referral.{status}" for status in ReferralStatus}
    for file in EXPLAINED.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {node.value, f"reward.none.{node.value}"}
    return {f"why.{what}" for what in found}


def trouble_keys() -> set[str]:
    text = "".join(file.read_text(encoding="utf-8") for file in TELL_OF_TROUBLE)
    return {f"trouble.{code}" for code in re.findall(r'Trouble\("([a-z_]+)"', text)}


def button_keys() -> set[str]:
    text = "".join(file.read_text(encoding="utf-8") for file in SOURCES.rglob("*.py"))
    named = re.findall(r'(?:visit\.button|_button)\(\s*(?:texts, )?"([a-z_]+)"', text)
    chosen = re.findall(r'"([a-z]+)" if [a-z_ ]+ else "([a-z]+)", "plans"', text)
    return {*named, *(word for pair in chosen for word in pair)}


def test_all_languages_have_the_same_texts_and_none_is_empty():
    told = {language: catalog(language) for language in LANGUAGES}

    [first, *others] = told
    for other in others:
        assert set(told[first]) == set(told[other])
    for texts in told.values():
        assert [key for key, said in texts.items() if not all(said)] == []


def test_a_text_uses_the_same_facts_in_every_language():
    told = {language: catalog(language) for language in LANGUAGES}
    [first, *others] = told
    for other in others:
        for key, said in told[first].items():
            assert facts(said) == facts(told[other][key]), key


def facts(said: list[str]) -> set[str]:
    return {name for text in said for _, name, _, _ in string.Formatter().parse(text) if name}


def test_a_plural_has_every_form_of_its_language():
    assert {len(catalog("en")[key]) for key in ("span.days", "period.month")} == {2}
    assert {len(catalog("ru")[key]) for key in ("span.days", "period.month")} == {3}
    texts = Texts("ru", "Europe/Moscow")
    counted = {n: texts.count("period.month", n) for n in (1, 2, 5, 11, 21, 22, 25, 111, 112)}
    assert counted == {
        1: "1 месяц",
        2: "2 месяца",
        5: "5 месяцев",
        11: "11 месяцев",
        21: "21 месяц",
        22: "22 месяца",
        25: "25 месяцев",
        111: "111 месяцев",
        112: "112 месяцев",
    }
    assert Texts("en", "UTC").count("span.days", 1) == "1 day"


def test_every_text_is_said_somewhere_and_every_key_has_a_text():
    written = set(catalog("en"))
    in_code = keys_in_the_code()
    spoken_of = {key for key in written if key.startswith("error.") or key in in_code}
    assert written - spoken_of == set(), "nobody says these"
    wanted = {f"button.{key}" for key in button_keys()} | {f"news.{kind}" for kind in NewsKind}
    wanted |= put_together()
    wanted |= {f"command.{name}" for name in COMMANDS if name not in HIDDEN_COMMANDS}
    wanted |= {f"case.{kind}" for kind in CaseKind} | trouble_keys()
    wanted |= {f"button.deed_{move}" for move in BroadcastMove}
    wanted |= {f"admin.will.{deed}" for deed in DEEDS} | {f"admin.segment.{it}" for it in SEGMENTS}
    wanted |= {f"admin.broadcast.{status}" for status in BroadcastStatus}
    wanted |= {f"order.{s}" for s in PurchaseStatus if s is not PurchaseStatus.PENDING}
    ours = r"(?:confirm|pay|quota|rule|wallet|deposit|history|way|item|settings|admin)\.[a-z_]+"
    literals = {key for key in in_code if re.fullmatch(ours, key)}
    assert (wanted | literals) - written == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal_can_be_said(leaves: list[type[BillingError]], language: str):  # noqa: F811
    for kind in leaves:
        told = {field.name: "1" for field in fields(kind)}
        said = Texts(language, "UTC").error(kind(**told))
        assert said
        assert "{" not in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_html_that_telegram_takes(language: str):
    for key, said in catalog(language).items():
        for text in said:
            told = dict.fromkeys(facts([text]), "1")
            plain, _ = text_from_html(text.format(**told))
            assert len(plain) < 2000, key
            if key.startswith("button."):
                assert "<" not in text
            if key.startswith("command."):
                assert len(text) <= 256


def test_a_language_that_we_lack_is_spoken_in_the_first_one():
    assert Texts("de", "UTC")("hint") == Texts("en", "UTC")("hint")
    assert translation("xx").gettext("button.help") == "Help"


def test_facts_are_escaped_in_messages_and_left_alone_on_buttons():
    texts = Texts("en", "UTC")
    assert texts("hello", name="<b>&\"'") == "👋 Hi, &lt;b&gt;&amp;&quot;&#x27;!"
    assert texts.label("button.pay", price="<5>") == "Pay <5>"


def test_features_are_counted_in_the_operators_words():
    words = a_catalog().chat.words
    [feature] = words
    assert Texts("en", "UTC").units(a_catalog(), feature, 1) == "1 photo"
    assert Texts("en", "UTC").units(a_catalog(), feature, 3) == "3 photos"
    assert Texts("ru", "UTC").units(a_catalog(), feature, 3) == "3 photos", "better than nothing"


def test_times_are_written_as_people_of_the_zone_write_them():
    english, russian = Texts("en", "Europe/Moscow"), Texts("ru", "Asia/Omsk")
    assert english.label("plan.until", plan="PRO", end=NOON).endswith("10 Mar 2026, 12:00 MSK")
    assert russian.when(NOON, NOON) == "15:00 UTC+06"
    assert english.label("price", price=Money.of(250, "XTR")) == "250\u00a0⭐"


def test_what_is_left_is_told_in_the_largest_units_that_there_are():
    russian = Texts("ru", "Europe/Moscow")
    left = [timedelta(seconds=1), timedelta(minutes=59), timedelta(hours=5, minutes=2)]
    told = [russian.time_left(NOON + one, NOON) for one in [*left, timedelta(hours=49)]]
    assert told == ["1 мин", "59 мин", "5 ч 2 мин", "2 дня"]


def test_a_button_says_a_verb_and_ids_within_64_bytes():
    longest = press("buy", "0" * 16, "A" * 32)
    assert len(longest.encode()) <= DATA_BYTES_MAX
    assert len(press("cancel", "pur_" + "0" * 32, on_news=True).encode()) <= DATA_BYTES_MAX
    told = pressed(longest)
    assert told is not None
    assert (told.verb, list(told.words)) == ("buy", ["0" * 16, "A" * 32])
    assert not told.on_news
    for verb, (_, count) in PRESSED.items():
        assert pressed(press(verb, *["x"] * count)) is not None


def test_a_button_is_one_thing():
    with pytest.raises(AssertionError):
        Button("x")
    with pytest.raises(AssertionError):
        Button("x", press="v1:home", url="https://example.com")
    assert Screen("x").markup() is None
