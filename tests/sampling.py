"""Samples of sweeps that are too long for every run: drawn anew each day, and drawn again by name."""

import os
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

Case = TypeVar("Case")

SEED_VARIABLE: Final = "BILLHOOK_TEST_SEED"
SEED: Final = os.environ.setdefault(SEED_VARIABLE, datetime.now(UTC).date().isoformat())
"""The day's, and one for all processes of a run; told where a test has failed."""


def is_whole(sweep: str) -> bool:
    """Whether all of it was asked for, such as by `BILLHOOK_TEST_TORTURE=whole`."""
    return os.environ.get(f"BILLHOOK_TEST_{sweep.upper()}") == "whole"


def drawn(sweep: str, cases: Sequence[Case], count: int) -> list[Case]:
    """All of the cases where the sweep runs whole, else so many of them."""
    if is_whole(sweep) or count >= len(cases):
        return list(cases)
    return random.Random(SEED).sample(cases, count)
