"""A shop for each module that names its `CATALOG`, and perhaps its `ROLES`, on either database."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.torture.shop import Shop


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    url = f"sqlite:///{folder / 'billhook.db'}"
    if request.param == "postgres":
        admin_url = request.getfixturevalue("postgres_admin_url")
        url = new_database(admin_url, f"{Path(request.module.CATALOG).stem}_{folder.name}")
    roles = getattr(request.module, "ROLES", {}).get(request.param, ("run",))
    shop = Shop(folder, url, request.module.CATALOG, roles)
    try:
        shop.opens()
        yield shop
    finally:
        shop.closes()


def new_database(admin_url: str, name: str) -> str:
    name = name.replace("-", "_")
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {name}")
    return make_url(admin_url).set(database=name).render_as_string(hide_password=False)
