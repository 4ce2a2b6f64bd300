"""
What Crypto Pay refuses, and by which names (Crypto Pay API 1.5.2).

Seen at the provider: UNAUTHORIZED, METHOD_NOT_FOUND, UNSUPPORTED_ASSET, PAID_BTN_URL_REQUIRED. The
other names are composed: its documentation lists none.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from sandbox.cryptopay.coins import FIATS, Asset, amount_of, said, usd
from sandbox.gateway_rules import Json, Refused

BUTTONS: Final = ("viewItem", "openChannel", "openBot", "callback")
LINKS: Final = ("https://", "http://", "tg://")
EXPIRES_IN_MAX: Final = 2_678_400
TEXTS: Final = {"description": 1024, "hidden_message": 2048, "payload": 4096}
COUNT_MAX: Final = 1000
SPEND_ID_MAX: Final = 64
TRANSFER_USD: Final = (Decimal(1), Decimal(25_000))

Fields = Mapping[str, object]


def error(name: str, code: int = 400) -> Refused:
    return Refused(code, {"ok": False, "error": {"code": code, "name": name}})


def invoice_of(fields: Fields, assets: Mapping[str, Asset]) -> Json:
    """What an invoice is made from. Raises: Refused."""
    invoice: Json = {"currency_type": _text(fields, "currency_type") or "crypto"}
    if invoice["currency_type"] == "crypto":
        invoice["asset"] = asset_of(fields, assets)
    elif invoice["currency_type"] == "fiat":
        invoice["fiat"] = _text(fields, "fiat")
        if invoice["fiat"] not in FIATS:
            raise error("UNSUPPORTED_FIAT")
    else:
        raise error("CURRENCY_TYPE_INVALID")
    invoice["amount"] = said(_amount(fields))
    if invoice["currency_type"] == "fiat":
        asked = _text(fields, "accepted_assets")
        accepted = list(dict.fromkeys(asked.split(","))) if asked else list(assets)
        if not set(accepted) <= set(assets):
            raise error("UNSUPPORTED_ASSET")
        invoice["accepted_assets"] = accepted
    if swap_to := _text(fields, "swap_to"):
        if swap_to not in assets:
            raise error("UNSUPPORTED_ASSET")
        invoice["swap_to"] = swap_to
    for name, most in TEXTS.items():
        text = _text(fields, name)
        if len(text.encode() if name == "payload" else text) > most:
            raise error(f"{name.upper()}_TOO_LONG")
        if text:
            invoice[name] = text
    invoice |= _button(fields)
    for name in ("allow_comments", "allow_anonymous"):
        invoice[name] = str(fields.get(name, True)).lower() in {"true", "1"}
    return invoice


def _button(fields: Fields) -> Json:
    """A button without an address is refused, even if the documentation has a default of it."""
    name, url = _text(fields, "paid_btn_name"), _text(fields, "paid_btn_url")
    if not name:
        return {}
    if name not in BUTTONS:
        raise error("PAID_BTN_NAME_INVALID")
    if not url:
        raise error("PAID_BTN_URL_REQUIRED")
    if not url.startswith(LINKS):
        raise error("PAID_BTN_URL_INVALID")
    return {"paid_btn_name": name, "paid_btn_url": url}


def seconds_of(fields: Fields) -> int | None:
    """After how long an invoice expires; None: never."""
    if not _text(fields, "expires_in"):
        return None
    seconds = whole(fields, "expires_in", 0)
    if not 1 <= seconds <= EXPIRES_IN_MAX:
        raise error("EXPIRES_IN_INVALID")
    return seconds


def asset_of(fields: Fields, assets: Mapping[str, Asset]) -> str:
    asset = _text(fields, "asset")
    if asset not in assets:
        raise error("UNSUPPORTED_ASSET")
    return asset


def transfer_of(fields: Fields, assets: Mapping[str, Asset]) -> Json:
    """What a transfer is made from. Raises: Refused."""
    user_id = whole(fields, "user_id", 0)
    if user_id < 1:
        raise error("USER_ID_INVALID")
    asset, amount = asset_of(fields, assets), _amount(fields)
    least, most = TRANSFER_USD
    if not least <= amount * usd(asset) <= most:
        raise error("AMOUNT_INVALID")
    spend_id, comment = _text(fields, "spend_id"), _text(fields, "comment")
    if not 1 <= len(spend_id) <= SPEND_ID_MAX:
        raise error("SPEND_ID_INVALID")
    if len(comment) > TEXTS["description"]:
        raise error("COMMENT_TOO_LONG")
    told: Json = {"user_id": user_id, "asset": asset, "amount": said(amount)}
    return told | ({"comment": comment} if comment else {}) | {"spend_id": spend_id}


def chosen(things: list[Json], fields: Fields, id_name: str) -> list[Json]:
    """Of those that match, so many from the offset on, the newest first. Raises: Refused."""
    for name in ("asset", "fiat", "status", "spend_id"):
        if wanted := _text(fields, name):
            things = [one for one in things if one.get(name) == wanted]
    if ids := _text(fields, f"{id_name}s"):
        wanted_ids = {part.strip() for part in ids.split(",")}
        things = [one for one in things if str(one[id_name]) in wanted_ids]
    offset, count = whole(fields, "offset", 0), whole(fields, "count", 100)
    if offset < 0:
        raise error("OFFSET_INVALID")
    if not 1 <= count <= COUNT_MAX:
        raise error("COUNT_INVALID")
    return things[::-1][offset : offset + count]


def whole(fields: Fields, name: str, default: int) -> int:
    """A number, or a text of one, as a form has it. Raises: Refused."""
    value = fields.get(name, default)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
        value = int(value)
    if type(value) is not int:
        raise error(f"{name.upper()}_INVALID")
    return value


def _amount(fields: Fields) -> Decimal:
    amount = amount_of(fields.get("amount"))
    if amount is None:
        raise error("AMOUNT_INVALID")
    return amount


def _text(fields: Fields, name: str) -> str:
    """Empty for what is not there; a number or a list is told as the text that a form would hold."""
    value = fields.get(name)
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "" if value is None else str(value)
