"""
Crypto Pay as pure rules (Crypto Pay API 1.5.2): invoices, transfers, the app's balance.

createInvoice honours no key: whoever asks twice has two invoices. An expired one tells nobody.
"""

import hmac
import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from sandbox.cryptopay.checks import (
    Fields,
    chosen,
    error,
    invoice_of,
    seconds_of,
    transfer_of,
    whole,
)
from sandbox.cryptopay.coins import (
    ASSETS,
    DIGITS,
    FEE,
    TESTNET_ASSETS,
    amount_of,
    currencies,
    price,
    rate,
    rates,
    said,
    usd,
)
from sandbox.deliveries import Notification
from sandbox.faults import REFUSING_FAULTS
from sandbox.gateway_rules import (
    Answer,
    Call,
    GatewayRules,
    Json,
    MoveNotAllowed,
    NoSuchThing,
)

PAUSES: Final = (
    *(timedelta(minutes=2**k) for k in range(7)),
    *(timedelta(hours=7) for _ in range(9)),
)
"""17 tries in three days (Crypto Pay API 1.5.2, Webhooks); how far apart they are is not said."""
FIRST_INVOICE: Final = 528_890
FIRST_TRANSFER: Final = 1001
ONE_MORE: Final = {"crypto": Decimal("0.000001"), "fiat": Decimal("0.01")}


class CryptoPayRules(GatewayRules):
    down = Answer(500, {"ok": False, "error": {"code": 500, "name": "INTERNAL_ERROR"}})

    def __init__(
        self,
        *,
        token: str,
        name: str = "Sandbox",
        checkout_url: str | None = None,
        testnet: bool = True,
        seed: int = 0,
    ) -> None:
        """`checkout_url` is where the page of an invoice is, without its id; None: in Telegram."""
        super().__init__(pauses=PAUSES, seed=seed)
        self.faults.modes = REFUSING_FAULTS
        self.token = token
        self.app_name = name
        self.transfers_are_on = True
        """An owner switches them on in the app's security settings; off: METHOD_DISABLED."""
        self._checkout_url = checkout_url
        self._bot = "CryptoTestnetBot" if testnet else "CryptoBot"
        self._web = "https://testnet-app.send.tg" if testnet else "https://app.send.tg"
        self._assets = TESTNET_ASSETS if testnet else ASSETS

    # The API.

    def act(self, call: Call, at: datetime) -> Answer:
        """`call.user` is the token of the header; fields are the query's and the body's together."""
        if call.user != self.token:
            raise error("UNAUTHORIZED", 401)
        methods: Mapping[str, Callable[[Fields, datetime], object]] = {
            "createInvoice": self._create_invoice,
            "deleteInvoice": self._delete_invoice,
            "getInvoices": self._get_invoices,
            "transfer": self._transfer,
            "getTransfers": self._get_transfers,
            "getBalance": self._get_balance,
            "getExchangeRates": lambda _fields, _at: rates(),
            "getCurrencies": lambda _fields, _at: currencies(self._assets),
            "getMe": self._get_me,
            "getStats": self._get_stats,
        }
        method = methods.get(call.path.strip("/"))
        if method is None or call.method not in {"GET", "POST"}:
            raise error("METHOD_NOT_FOUND", 405)
        body: Any = call.body
        fields = {**call.query, **(body if isinstance(body, dict) else {})}
        return Answer(200, {"ok": True, "result": method(fields, at)})

    def age(self, at: datetime) -> None:
        now = _stamp(at)
        for invoice in self.all("invoice"):
            # Stamps of one form are in the order of their texts.
            if invoice["status"] == "active" and invoice.get("expiration_date", "~") <= now:
                invoice["status"] = "expired"
                self.changes += 1

    def _create_invoice(self, fields: Fields, at: datetime) -> Json:
        if self.faults.take("refuse"):
            raise error("UNSUPPORTED_ASSET")
        asked, term = invoice_of(fields, self._assets), seconds_of(fields)
        id_ = FIRST_INVOICE + self._count("invoice")
        hash_ = f"IV{self.digits()[:10]}"
        bot_url = f"https://t.me/{self._bot}?start={hash_}"
        if self._checkout_url is not None:
            bot_url = f"{self._checkout_url}{id_}"
        invoice: Json = {
            "invoice_id": id_,
            "hash": hash_,
            **asked,
            "pay_url": bot_url,
            "bot_invoice_url": bot_url,
            "mini_app_invoice_url": f"https://t.me/{self._bot}/app?startapp=invoice-{hash_}"
            "&mode=compact",
            "web_app_invoice_url": f"{self._web}/invoices/{hash_}",
            "status": "active",
            "created_at": _stamp(at),
        }
        if term is not None:
            invoice["expiration_date"] = _stamp(at + timedelta(seconds=term))
        return self.put("invoice", str(id_), invoice)

    def _delete_invoice(self, fields: Fields, _at: datetime) -> bool:
        """Then it is in no list any more."""
        invoice = self._found(whole(fields, "invoice_id", 0))
        if invoice["status"] != "active":
            raise error("INVOICE_NOT_ACTIVE")
        self.changes += 1
        del self.tables["invoice"][str(invoice["invoice_id"])]
        return True

    def _found(self, invoice_id: int) -> Json:
        try:
            return self.find("invoice", str(invoice_id))
        except NoSuchThing:
            raise error("INVOICE_NOT_FOUND") from None

    def _get_invoices(self, fields: Fields, _at: datetime) -> Json:
        return {"items": chosen(self.all("invoice"), fields, "invoice_id")}

    def _transfer(self, fields: Fields, at: datetime) -> Json:
        """
        One spend_id, one transfer for ever. By which name a second one is refused is not known:
        adapters must not live on it.
        """
        if not self.transfers_are_on:
            raise error("METHOD_DISABLED")
        asked = transfer_of(fields, self._assets)
        if any(one["spend_id"] == asked["spend_id"] for one in self.all("transfer")):
            raise error("SPEND_ID_ALREADY_USED")
        if str(asked["user_id"]) in self.tables.get("stranger", {}):
            raise error("USER_NOT_FOUND")
        if Decimal(asked["amount"]) > self.available(asked["asset"]):
            raise error("INSUFFICIENT_FUNDS")
        self._credit(asked["asset"], -Decimal(asked["amount"]))
        transfer_id = FIRST_TRANSFER + self._count("transfer")
        transfer: Json = {"transfer_id": transfer_id, "status": "completed", **asked}
        transfer["completed_at"] = _stamp(at)
        self.put("transfer", str(transfer_id), transfer)
        # The spend_id is in getTransfers alone.
        return {name: value for name, value in transfer.items() if name != "spend_id"}

    def _get_transfers(self, fields: Fields, _at: datetime) -> Json:
        return {"items": chosen(self.all("transfer"), fields, "transfer_id")}

    def _get_balance(self, _fields: Fields, _at: datetime) -> list[Json]:
        return [
            {"currency_code": asset, "available": said(self.available(asset)), "onhold": "0"}
            for asset in self._assets
        ]

    def _get_me(self, _fields: Fields, _at: datetime) -> Json:
        app_id = self.token.partition(":")[0]
        return {
            "app_id": int(app_id) if app_id.isdecimal() else 0,
            "name": self.app_name,
            "payment_processing_bot_username": self._bot,
        }

    def _get_stats(self, fields: Fields, at: datetime) -> Json:
        """Of the last day, unless it is said. Each paid invoice counts as a payer of its own."""
        start = str(fields.get("start_at") or _stamp(at - timedelta(days=1)))
        end = str(fields.get("end_at") or _stamp(at))
        made = [one for one in self.all("invoice") if start <= one["created_at"] <= end]
        paid = [one for one in made if one["status"] == "paid"]
        volume = sum(float(_received(one)[1] * usd(_received(one)[0])) for one in paid)
        return {
            "volume": round(volume, 2),
            "conversion": round(len(paid) / len(made), 2) if made else 0,
            "unique_users_count": len(paid),
            "created_invoice_count": len(made),
            "paid_invoice_count": len(paid),
            "start_at": start,
            "end_at": end,
        }

    # The payer, the owner of the app.

    def invoice(self, invoice_id: str, *, at: datetime) -> Json:
        """As it is now. Raises: NoSuchThing."""
        self.age(at)
        return deepcopy(self.find("invoice", invoice_id))

    def prices(self, invoice: Json) -> dict[str, str]:
        """What it costs in each asset that pays it."""
        if invoice["currency_type"] == "crypto":
            return {invoice["asset"]: invoice["amount"]}
        amount = Decimal(invoice["amount"])
        return {
            asset: said(price(amount, invoice["fiat"], asset))
            for asset in invoice["accepted_assets"]
        }

    def pay(self, invoice_id: str, *, at: datetime, asset: str | None = None) -> Json:
        """
        The payer pays, in the first asset that pays it unless told; a paid one only repeats its
        webhook. A payer who is refused may try again: nobody is told.

        Raises: NoSuchThing, MoveNotAllowed.
        """
        self.age(at)
        invoice = self.find("invoice", invoice_id)
        if invoice["status"] == "paid":
            self._tell(invoice, at)
            return deepcopy(invoice)
        if invoice["status"] != "active":
            raise MoveNotAllowed(f"the invoice is {invoice['status']}")
        asset = asset or next(iter(self.prices(invoice)))
        if asset not in self.prices(invoice):
            raise MoveNotAllowed(f"the invoice is not payable in {asset}")
        if self.faults.take("decline"):
            return deepcopy(invoice)
        if self.faults.take("amount"):
            one_less = Decimal(invoice["amount"]) - ONE_MORE[invoice["currency_type"]]
            invoice["amount"] = said(one_less)
        self._becomes_paid(invoice, asset, at)
        self._tell(invoice, at)
        return deepcopy(invoice)

    def expire(self, invoice_id: str, *, at: datetime) -> Json:
        """Its time is over now; no webhook tells. Raises: NoSuchThing, MoveNotAllowed."""
        self.age(at)
        invoice = self.find("invoice", invoice_id)
        if invoice["status"] != "active":
            raise MoveNotAllowed(f"the invoice is {invoice['status']}")
        invoice |= {"status": "expired", "expiration_date": _stamp(at)}
        self.changes += 1
        return deepcopy(invoice)

    def top_up(self, asset: str, amount: str) -> str:
        """The owner puts money into the app; what it has then. Raises: Refused."""
        added = amount_of(amount)
        if asset not in self._assets or added is None:
            raise error("AMOUNT_INVALID")
        self._credit(asset, added)
        return said(self.available(asset))

    def forget(self, user_id: int) -> None:
        """This user never started the bot, and so can be sent nothing."""
        self.put("stranger", str(user_id), {})

    def switch(self, *, transfers: bool, webhooks: bool) -> None:
        """In the app's settings. Webhooks that were switched off by themselves come on again."""
        self.transfers_are_on, self.webhooks_are_off = transfers, not webhooks
        self.changes += 1

    def available(self, asset: str) -> Decimal:
        balance = self.tables.get("balance", {}).get(asset, {"available": "0"})
        return Decimal(balance["available"])

    # Webhooks.

    def signed(self, notification: Notification, at: datetime) -> tuple[bytes, Mapping[str, str]]:  # noqa: ARG002
        """HMAC-SHA256 of the very bytes; the key is the digest of the token."""
        body = json.dumps(notification.body, ensure_ascii=False, separators=(",", ":")).encode()
        key = sha256(self.token.encode()).digest()
        return body, {"crypto-pay-api-signature": hmac.new(key, body, "sha256").hexdigest()}

    def given_up(self, notification: Notification) -> None:  # noqa: ARG002
        self.webhooks_are_off = True

    def snapshot(self) -> Json:
        return super().snapshot() | {"transfers_are_on": self.transfers_are_on}

    def restore(self, state: Json) -> None:
        super().restore(state)
        self.transfers_are_on = state["transfers_are_on"]

    def _becomes_paid(self, invoice: Json, asset: str, at: datetime) -> None:
        amount, dollars = Decimal(invoice["amount"]), usd(asset)
        if invoice["currency_type"] == "fiat":
            amount = price(amount, invoice["fiat"], asset)
            invoice |= {
                "paid_asset": asset,
                "paid_amount": said(amount),
                "paid_fiat_rate": said(rate(asset, invoice["fiat"])),
            }
        fee = amount * FEE
        invoice |= {
            "status": "paid",
            "paid_usd_rate": said(dollars),
            "usd_rate": said(dollars),
            "fee_asset": asset,
            "fee_amount": said(fee),
            "fee": said(fee),
            "fee_in_usd": said((fee * dollars).quantize(Decimal("0.01"))),
            "paid_at": _stamp(at),
            "paid_anonymously": False,
        }
        swap_to = invoice.get("swap_to", asset)
        if swap_to == asset:
            self._credit(asset, amount - fee)
            return
        swapped = ((amount - fee) * dollars / usd(swap_to)).quantize(DIGITS)
        invoice |= {
            "is_swapped": True,
            "swapped_to": swap_to,
            "swapped_rate": said((dollars / usd(swap_to)).quantize(DIGITS)),
            "swapped_output": said(swapped),
            "swapped_usd_rate": said(usd(swap_to)),
            "swapped_usd_amount": said((swapped * usd(swap_to)).quantize(Decimal("0.01"))),
            "swapped_uid": f"sw-{self.digits()[:8]}",
        }
        self._credit(swap_to, swapped)

    def _tell(self, invoice: Json, at: datetime) -> None:
        """Update ids are not unique (Crypto Pay API, Webhooks): each is told twice."""
        paid = sum(one["status"] == "paid" for one in self.all("invoice"))
        told = {
            "update_id": 1 + paid // 2,
            "update_type": "invoice_paid",
            "request_date": _stamp(at),
            "payload": invoice,
        }
        self.notify(told, at)

    def _credit(self, asset: str, amount: Decimal) -> None:
        self.put("balance", asset, {"available": said(self.available(asset) + amount)})

    def _count(self, kind: str) -> int:
        """How many there ever were: ids of what was deleted are not given again."""
        last = self.tables.setdefault("count", {}).setdefault(kind, {"made": 0})
        last["made"] += 1
        return int(last["made"]) - 1


def _received(invoice: Json) -> tuple[str, Decimal]:
    """What a paid invoice brought, before the fee."""
    if invoice["currency_type"] == "fiat":
        return invoice["paid_asset"], Decimal(invoice["paid_amount"])
    return invoice["asset"], Decimal(invoice["amount"])


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
