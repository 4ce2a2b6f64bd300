"""What YooKassa was seen to send: recordings, and the shop that they belong to."""

import json
from pathlib import Path
from typing import Any

from adapters.gateways.yookassa.shop import YooKassaShop

RECORDINGS = Path(__file__).parents[2] / "recordings" / "yookassa"
SHOP = YooKassaShop("100500", "live_secret", live=True)
TEST_SHOP = YooKassaShop("100500", "test_secret", live=False)


def raw(name: str) -> bytes:
    return (RECORDINGS / f"{name}.json").read_bytes()


def recorded(name: str) -> Any:
    return json.loads(raw(name))
