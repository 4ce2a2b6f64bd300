"""What providers were seen to send: recordings, and the shop at YooKassa that some belong to."""

import json
from pathlib import Path
from typing import Any

from adapters.gateways.yookassa.shop import YooKassaShop

RECORDINGS = Path(__file__).parents[2] / "recordings"
SHOP = YooKassaShop("100500", "live_secret", live=True)
TEST_SHOP = YooKassaShop("100500", "test_secret", live=False)


def raw(name: str, provider: str = "yookassa") -> bytes:
    return (RECORDINGS / provider / f"{name}.json").read_bytes()


def recorded(name: str, provider: str = "yookassa") -> Any:
    return json.loads(raw(name, provider))
