"""The walls hold: one deliberate trespass for each contract, and exactly that contract breaks."""

import os
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.house.sources import ROOT

ROOMS = ("core", "adapters", "entrypoints", "sandbox", "simulation", "billhook_client")

DETOUR = "acyclic"
"""Who enters a layer from below closes a circle too."""

# In files of their own, which nobody imports, so that no other room is entered through them.
TRESPASSES = [
    ("direction", "core/use_cases/stray.py", "import adapters.catalog_file", {"direction"}),
    ("direction", "adapters/http/stray.py", "import entrypoints.logs", {"direction"}),
    ("core", "core/domain/stray.py", "import core.ports.unit_of_work", {"core", DETOUR}),
    ("core", "core/ports/stray.py", "import core.use_cases.keys", {"core", DETOUR}),
    ("core", "core/stray.py", "", {"core"}),
    ("adapters", "adapters/jobs/stray.py", "import adapters.http.limits", {"adapters"}),
    ("adapters", "adapters/stray.py", "", {"adapters"}),
    (
        "gateways",
        "adapters/gateways/yookassa/stray.py",
        "import adapters.gateways.memory",
        {"gateways"},
    ),
    (
        "stores",
        "adapters/persistence/sql/stray.py",
        "import adapters.persistence.memory",
        {"stores"},
    ),
    ("driven", "adapters/persistence/sql/stray.py", "import core.use_cases.billing", {"driven"}),
    ("driven", "adapters/gateways/stray.py", "import core.use_cases.billing", {"driven"}),
    ("sandbox", "sandbox/stray.py", "import core.domain.money", {"sandbox"}),
    ("simulation", "simulation/stray.py", "import entrypoints.logs", {"simulation"}),
    ("product", "adapters/http/stray.py", "import sandbox.clock", {"product"}),
    ("product", "core/use_cases/stray.py", "import simulation", {"product"}),
    ("client", "billhook_client/stray.py", "import core.domain.money", {"client"}),
    ("server", "simulation/stray.py", "import billhook_client", {"server"}),
    ("wiring", "adapters/http/stray.py", "import dependency_injector", {"wiring"}),
    ("sql", "adapters/jobs/stray.py", "import sqlalchemy", {"sql"}),
    ("web", "adapters/jobs/stray.py", "import starlette", {"web"}),
    ("vendors", "adapters/jobs/stray.py", "import requests", {"vendors"}),
    ("chat", "adapters/http/stray.py", "import telegram", {"chat"}),
    ("acyclic", "core/domain/money.py", "import core.domain.ledger", {DETOUR}),
]

pytestmark = pytest.mark.xdist_group("walls")  # One copy of the house, one cache of its imports.


def contracts() -> dict[str, str]:
    """The name of each contract by its id."""
    config = ConfigParser()
    config.read(ROOT / ".importlinter")
    prefix = "importlinter:contract:"
    return {
        section.removeprefix(prefix): config[section]["name"]
        for section in config.sections()
        if section.startswith(prefix)
    }


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    copy = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / ".importlinter", copy)
    for room in ROOMS:
        shutil.copytree(ROOT / room, copy / room, ignore=only_sources)
    return copy


def only_sources(folder: str, names: list[str]) -> set[str]:
    return {
        name for name in names if not name.endswith(".py") and not (Path(folder) / name).is_dir()
    }


def broken_in(house: Path) -> set[str]:
    """The ids of the contracts that do not hold there."""
    told = subprocess.run(
        [Path(sys.prefix) / "bin" / "lint-imports", "--no-logo"],
        cwd=house,
        env=os.environ | {"COLUMNS": "400", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = told.stdout.splitlines()
    results = {
        id_: f"{name} KEPT" not in lines
        for id_, name in contracts().items()
        if {f"{name} KEPT", f"{name} BROKEN"} & set(lines)
    }
    assert set(results) == set(contracts()), told.stdout + told.stderr
    return {id_ for id_, is_broken in results.items() if is_broken}


def test_the_house_as_it_stands_keeps_every_contract(house):
    assert broken_in(house) == set()


@pytest.mark.parametrize(
    ("contract", "path", "line", "broken"),
    TRESPASSES,
    ids=[f"{contract}-{path}" for contract, path, *_ in TRESPASSES],
)
def test_a_trespass_breaks_exactly_its_contract(house, contract, path, line, broken):
    place = house / path
    before = place.read_bytes() if place.exists() else None

    place.write_bytes(line.encode() + b"\n" + (before or b""))
    try:
        found = broken_in(house)
    finally:
        if before is None:
            place.unlink()
        else:
            place.write_bytes(before)

    assert found == broken
    assert contract in found


def test_every_contract_has_a_trespass():
    assert {contract for contract, *_ in TRESPASSES} == set(contracts())
