"""The file of example settings names every setting there is, and none that is not."""

import re
from pathlib import Path

from entrypoints.settings import PREFIX, Settings, unknown_variables

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def test_every_setting_is_in_the_example_and_nothing_else() -> None:
    told = set(re.findall(rf"^#?({PREFIX}[A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE))
    assert told == {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def test_a_variable_that_nothing_reads_is_named() -> None:
    environ = {"BILLHOOK_SIGNINGKEY": "x", "BILLHOOK_PORT": "1", "HOME": "/", "BILLHOOK_TEST_X": ""}
    assert unknown_variables(environ) == ["BILLHOOK_SIGNINGKEY"]
