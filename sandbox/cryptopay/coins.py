"""What Crypto Pay's double knows of money: assets, currencies, and rates that never move."""

import re
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Final

from sandbox.gateway_rules import Json

DIGITS: Final = Decimal("0.00000001")
"""The last digit of what is computed; what a shop asks for is kept as it is."""
FEE: Final = Decimal("0.03")


@dataclass(frozen=True, slots=True)
class Asset:
    name: str
    decimals: int
    usd: Decimal
    is_stablecoin: bool = False


ASSETS: Final = {
    "USDT": Asset("Tether", 18, Decimal("1.0002"), is_stablecoin=True),
    "TON": Asset("Toncoin", 9, Decimal("3.31")),
    "BTC": Asset("Bitcoin", 8, Decimal(97000)),
    "ETH": Asset("Ethereum", 18, Decimal(3150)),
    "LTC": Asset("Litecoin", 8, Decimal("84.2")),
    "BNB": Asset("Binance Coin", 18, Decimal(905)),
    "TRX": Asset("Tron", 6, Decimal("0.287")),
    "USDC": Asset("USD Coin", 18, Decimal("0.9999"), is_stablecoin=True),
}
TESTNET_ASSETS: Final = ASSETS | {"JET": Asset("Testnet Jetton", 9, Decimal("0.01"))}
FIATS: Final = {
    "USD": ("United States dollar", Decimal(1)),
    "EUR": ("Euro", Decimal("0.86")),
    "RUB": ("Russian ruble", Decimal("80.5")),
    "BYN": ("Belarusian ruble", Decimal("3.4")),
    "UAH": ("Ukrainian hryvnia", Decimal("42.1")),
    "GBP": ("Pound sterling", Decimal("0.76")),
    "CNY": ("Chinese yuan", Decimal("7.11")),
    "KZT": ("Kazakhstani tenge", Decimal(520)),
    "UZS": ("Uzbekistani som", Decimal(11950)),
    "GEL": ("Georgian lari", Decimal("2.7")),
    "TRY": ("Turkish lira", Decimal("42.4")),
    "AMD": ("Armenian dram", Decimal(382)),
    "THB": ("Thai baht", Decimal("32.4")),
    "INR": ("Indian rupee", Decimal("88.6")),
    "BRL": ("Brazilian real", Decimal("5.33")),
    "IDR": ("Indonesian rupiah", Decimal(16700)),
    "AZN": ("Azerbaijani manat", Decimal("1.7")),
    "AED": ("United Arab Emirates dirham", Decimal("3.67")),
    "PLN": ("Polish zloty", Decimal("3.67")),
    "ILS": ("Israeli new shekel", Decimal("3.27")),
    "KGS": ("Kyrgyzstani som", Decimal("87.4")),
    "TJS": ("Tajikistani somoni", Decimal("9.2")),
}
"""By code: the name, and how much of it is one dollar."""


def said(amount: Decimal) -> str:
    """As amounts are on the wire: no exponent, no zeros at the end."""
    return format(amount.normalize(), "f")


def amount_of(value: object) -> Decimal | None:
    """A text is what is documented; clients that send numbers are understood too."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = said(Decimal(str(value)))
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,18})?", value):
        return None
    amount = Decimal(value)
    return amount if amount > 0 else None


def usd(asset: str) -> Decimal:
    return TESTNET_ASSETS[asset].usd


def rate(asset: str, fiat: str) -> Decimal:
    """How much of the currency one of the asset is."""
    return usd(asset) * FIATS[fiat][1]


def price(amount: Decimal, fiat: str, asset: str) -> Decimal:
    """What a payer pays in the asset for an amount in the currency: never less than it."""
    return (amount / rate(asset, fiat)).quantize(DIGITS, ROUND_UP)


def rates() -> list[Json]:
    def one(source: str, target: str, value: Decimal, *, is_crypto: bool) -> Json:
        return {
            "is_valid": True,
            "is_crypto": is_crypto,
            "is_fiat": not is_crypto,
            "source": source,
            "target": target,
            "rate": said(value),
        }

    return [
        *(one(asset, f, rate(asset, f), is_crypto=True) for asset in ASSETS for f in FIATS),
        *(one("USD", f, FIATS[f][1], is_crypto=False) for f in FIATS if f != "USD"),
    ]


def currencies(assets: dict[str, Asset]) -> list[Json]:
    coins = [
        {
            "is_blockchain": not one.is_stablecoin,
            "is_stablecoin": one.is_stablecoin,
            "is_fiat": False,
            "name": one.name,
            "code": code,
            "decimals": one.decimals,
        }
        for code, one in assets.items()
    ]
    fiats = [
        {
            "is_blockchain": False,
            "is_stablecoin": False,
            "is_fiat": True,
            "name": name,
            "code": code,
            "decimals": 8,
        }
        for code, (name, _) in FIATS.items()
    ]
    return coins + fiats
