"""Which app we are at Crypto Pay."""

from dataclasses import dataclass, field
from typing import Final

LIVE_API_URL: Final = "https://pay.crypt.bot/api"
TEST_API_URL: Final = "https://testnet-pay.crypt.bot/api"
ASSETS: Final = ("USDT", "TON")


@dataclass(frozen=True, slots=True)
class CryptoPayAccount:
    """
    `token` is the app's (`<app id>:<secret>`); which network it is of cannot be seen from it, so
    the network is asked that the mode says, and refuses a token of the other. `assets` are what
    pays an invoice in a currency of a state.
    """

    token: str = field(repr=False)
    live: bool
    assets: tuple[str, ...] = ASSETS

    @property
    def api_url(self) -> str:
        return LIVE_API_URL if self.live else TEST_API_URL
