"""The tester's and the page's controls of what is paid in the chats."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from starlette.routing import BaseRoute

from sandbox.controls import Control, text_field
from sandbox.telegram.invoices import NoSuchInvoice, NotPossible
from sandbox.telegram.payments import TelegramPayments
from sandbox.telegram.wire import Json, Refused

PAYMENT_REFUSALS: Final[dict[type[Exception], int]] = {NoSuchInvoice: 404, NotPossible: 409}


def payment_controls(
    payments: TelegramPayments,
    now: Callable[[], datetime],
    control: Callable[[str, Control, str], list[BaseRoute]],
) -> list[BaseRoute]:
    """`control` makes the routes of one: its path below the double's name, its deed, its method."""

    def pay(fields: Json, slug: str) -> Json:
        """`{"user_id": 1001}`: whoever has the link, or was sent a copy of the message."""
        user_id = fields.get("user_id")
        if type(user_id) is not int:
            raise ValueError("user_id must be a whole number")
        return payments.pay(slug, user_id, at=now())

    def invoice(_fields: Json, slug: str) -> Json:
        return payments.invoice_view(slug, at=now())

    def charges(_fields: Json) -> Json:
        return {"balance": payments.till.stars, "items": payments.charges_view()}

    def refund(_fields: Json, charge_id: str) -> Json:
        """As `refundStarPayment` does it."""
        charge = payments.till.charge(charge_id)
        try:
            payments.refund(charge.user_id, charge_id, at=now())
        except Refused as refused:
            raise NotPossible(refused.description) from refused
        return payments.charge_view(charge)

    def renew(_fields: Json, charge_id: str) -> Json:
        return payments.renew(charge_id, at=now())

    def subscription(fields: Json, charge_id: str) -> Json:
        """`{"state": "canceled"}` by the subscriber, `active` again, or `failed` to renew."""
        state = text_field(fields, "state")
        return payments.change_subscription(charge_id, state, at=now())

    def purse(fields: Json, user_id: int) -> Json:
        """`{"stars": 0}`: so many are there to be charged from now on."""
        stars = fields.get("stars")
        if type(stars) is not int or stars < 0:
            raise ValueError("stars must be a whole number")
        payments.till.purses[user_id] = stars
        payments.changes += 1
        return {"stars": stars}

    charge = "stars/{charge_id}"
    return [
        *control("invoices/{slug}", invoice, "GET"),
        *control("invoices/{slug}/pay", pay, "POST"),
        *control("stars", charges, "GET"),
        *control("users/{user_id:int}/stars", purse, "POST"),
        *control(f"{charge}/refund", refund, "POST"),
        *control(f"{charge}/renew", renew, "POST"),
        *control(f"{charge}/subscription", subscription, "POST"),
    ]
