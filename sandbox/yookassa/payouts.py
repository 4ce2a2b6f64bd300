"""The payouts of YooKassa, which leave from a gateway of payouts, and how they end."""

from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime

from sandbox.yookassa import checks
from sandbox.yookassa.machine import MoveNotAllowed, NoSuchPayment, PaymentMachine
from sandbox.yookassa.wire import Json, Shop, money, object_id, stamp


@dataclass(slots=True)
class Payout:
    shop_id: str
    body: Json
    """What YooKassa answers about it now."""
    minor: int
    created_at: datetime


class PayoutMachine(PaymentMachine):
    """Each is pending until it is finished or failed; one that the balance does not bear fails."""

    _payouts: dict[str, Payout]

    def finish_payout(self, payout_id: str, *, at: datetime) -> Json:
        """The money is there. Raises: NoSuchPayment, MoveNotAllowed."""
        payout = self._pending_payout(payout_id, at)
        payout.body |= {"status": "succeeded", "succeeded_at": stamp(at)}
        self._notify("payout", payout.body, at)
        return deepcopy(payout.body)

    def fail_payout(
        self, payout_id: str, *, at: datetime, reason: str = "recipient_not_found"
    ) -> Json:
        """It comes back at once. Raises: NoSuchPayment, MoveNotAllowed."""
        payout = self._pending_payout(payout_id, at)
        self._cancel_payout(payout, "payout_network", reason, at)
        return deepcopy(payout.body)

    def payouts(self) -> list[Json]:
        """The double's own records, to read; the oldest first."""
        return [payout.body for payout in self._payouts.values()]

    def balance(self, shop: Shop) -> int:
        """Minor units that are left to pay out."""
        spent = sum(
            payout.minor
            for payout in self._payouts.values()
            if payout.shop_id == shop.shop_id and payout.body["status"] != "canceled"
        )
        return shop.balance_minor - spent

    def _pay_out(self, shop: Shop, raw: Json, at: datetime) -> Json:
        wanted = checks.checked_payout(raw, shop)
        is_enough = wanted.minor <= self.balance(shop)
        body: Json = {
            "id": f"po-{object_id('0003', digits=self._digits(), at=at)}",
            "amount": money(wanted.minor, shop.currency),
            "status": "pending",
            "payout_destination": wanted.destination,
            "created_at": stamp(at),
            "test": shop.test,
        } | deepcopy(wanted.echoed)
        made_at = datetime.fromisoformat(body["created_at"])
        payout = self._payouts[body["id"]] = Payout(shop.shop_id, body, wanted.minor, made_at)
        if not is_enough:
            self._cancel_payout(payout, "yoo_money", "insufficient_funds", at)
        return body

    def _cancel_payout(self, payout: Payout, party: str, reason: str, at: datetime) -> None:
        payout.body["status"] = "canceled"
        payout.body["cancellation_details"] = {"party": party, "reason": reason}
        self._notify("payout", payout.body, at)

    def _pending_payout(self, payout_id: str, at: datetime) -> Payout:
        self._age(at)
        if payout_id not in self._payouts:
            raise NoSuchPayment(payout_id)
        payout = self._payouts[payout_id]
        if payout.body["status"] != "pending":
            raise MoveNotAllowed(f"the payout is {payout.body['status']}")
        return payout
