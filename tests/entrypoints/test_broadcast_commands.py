"""Broadcasts at the command line."""

from pathlib import Path

import pytest

from adapters.catalog_file import catalog_from_file
from core.domain.audit import Deed
from core.domain.broadcast import BroadcastId, BroadcastMove, Draft, Segment
from core.domain.customer import identity
from core.domain.plan import PlanCode
from entrypoints.broadcast_commands import create, list_broadcasts, move, preview, show
from entrypoints.commands import migrate_database
from entrypoints.process import opened
from entrypoints.settings import Settings
from tests.world import FITNESS

OLGA = Deed("olga", "the spring offer")


async def test_one_is_written_looked_at_and_moved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = Settings(_env_file=None, data_dir=tmp_path)  # type: ignore[call-arg]
    migrate_database(shop)
    async with opened(shop) as parts:
        await parts.billing.apply_catalog(catalog_from_file(FITNESS))
        await parts.billing.register_customer(identity("telegram:1001"), language="ru")
    capsys.readouterr()

    async def said(command) -> str:
        assert await command == 0
        return capsys.readouterr().out

    assert await said(list_broadcasts(shop)) == "there is nothing\n"
    draft = Draft({"ru": "Скидка"}, Segment(has_paid=False), PlanCode("PRO_MONTHLY"))
    written = await said(create(shop, draft, OLGA))
    own = BroadcastId(written.split()[0])

    looked = await said(preview(shop, own))
    assert "1  in all; 0 more asked" in looked
    assert "--- ru\nСкидка\n\n[ PRO_MONTHLY ]" in looked
    assert "running  sent 0" in await said(move(shop, own, BroadcastMove.START, OLGA))
    assert "paused" in await said(move(shop, own, BroadcastMove.PAUSE, OLGA))
    assert "about 1 left of 1" in await said(show(shop, own))
    assert str(own) in await said(list_broadcasts(shop))
