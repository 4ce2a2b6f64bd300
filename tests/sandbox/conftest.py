"""Fixtures of the sandbox's tests."""

from collections.abc import Iterator

import pytest

from tests.sandbox.served_sandbox import Served, serve


@pytest.fixture
def served() -> Iterator[Served]:
    with serve() as one:
        yield one
