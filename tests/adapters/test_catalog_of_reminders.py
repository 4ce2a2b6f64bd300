"""What a catalog says of reminders, and what it may not say."""

from datetime import time
from pathlib import Path

import pytest

from adapters.catalog_file import CatalogNotUsable, catalog_from_file
from core.domain.reminder_terms import ReminderTerms
from tests.world import FITNESS


def catalog_with(folder: Path, section: str | None) -> Path:
    """The fitness app's, with another section of reminders, or none."""
    others, _, _ = FITNESS.read_text(encoding="utf-8").partition("[reminders]")
    file = folder / "catalog.toml"
    file.write_text(others if section is None else f"{others}\n[reminders]\n{section}\n")
    return file


def test_reminders_are_as_people_expect_where_nothing_is_said(tmp_path):
    assert catalog_from_file(catalog_with(tmp_path, None)).chat.reminders == ReminderTerms()


def test_a_rehearsal_of_the_fitness_app_tells_at_any_hour():
    quiet = catalog_from_file(FITNESS).chat.reminders.quiet
    assert quiet[0] == quiet[1]


def test_reminders_are_as_the_business_says(tmp_path):
    section = 'days_before = [7, 2, 1]\ndays_after = []\nquiet = ["23:30", "08:00"]'
    read = catalog_from_file(catalog_with(tmp_path, section)).chat.reminders
    assert read == ReminderTerms((7, 2, 1), (), (time(23, 30), time(8)))


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("days_before = [1, 3]", "days_before: each once, the most first"),
        ("days_before = [3, 3]", "days_before: each once, the most first"),
        ("days_after = [2, 1]", "days_after: each once, the fewest first"),
        ("days_before = [0]", "reminders.days_before.0"),
        ('quiet = ["22:00"]', "reminders.quiet"),
        ('quiet = ["22:00", "9:00"]', "reminders.quiet.1"),
        ('quiet = ["22:00", "24:00"]', "reminders.quiet.1"),
        ("hours = 3", "reminders.hours: is not a setting"),
    ],
)
def test_reminders_that_cannot_be_meant_are_refused(tmp_path, section, problem):
    with pytest.raises(CatalogNotUsable) as refused:
        catalog_from_file(catalog_with(tmp_path, section))
    assert problem in str(refused.value)
