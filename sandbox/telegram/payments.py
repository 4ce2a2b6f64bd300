"""Paying in the chats of one bot: what the payer does, and the methods of the API about money."""

from copy import deepcopy
from datetime import datetime
from typing import Any, Final

from sandbox.telegram.chats import CALLBACK_LIFE, MESSAGE_LIFE, Chat, TelegramChats
from sandbox.telegram.invoices import (
    Charge,
    Invoice,
    NotPossible,
    Till,
    payment_as_told,
    sum_of,
)
from sandbox.telegram.wire import Answer, Call, Json, bad_request, big_number, done

MONEY_METHODS: Final = {
    name.replace("_", ""): f"_{name}"
    for name in (
        "create_invoice_link", "answer_pre_checkout_query", "refund_star_payment",
        "get_star_transactions", "get_my_star_balance", "edit_user_star_subscription",
    )
}  # fmt: skip
SUBSCRIPTION_STATES: Final = ("active", "canceled", "failed")


class TelegramPayments(TelegramChats):
    def __init__(self, token: str, *, username: str, name: str, seed: int = 0) -> None:
        super().__init__(token, username=username, name=name, seed=seed)
        self.till = Till(seed, self.bot["id"])

    # What payers do.

    def press(self, user_id: int, text: str, *, at: datetime, **where: Any) -> Json:
        """As ever; the Pay button of an invoice tells which one it opens."""
        does = super().press(user_id, text, at=at, **where)
        invoice = self.till.in_message(does["pay"]) if "pay" in does else None
        return does if invoice is None else {"invoice": invoice.slug}

    def pay(self, slug: str, user_id: int, *, at: datetime) -> Json:
        """
        Opens an invoice and presses Pay: the bot is asked, and has ten seconds. What came of it
        tells `invoice_view`. Raises: NoSuchInvoice, ValueError.
        """
        invoice, chat = self.till.invoice(slug), self.chat(user_id)
        query_id = big_number(self._seed, "pre_checkout", len(self.till.attempts) + 1)
        self.till.ask(invoice, user_id, query_id, at=at)
        asked = {
            "id": query_id,
            "from": chat.user.as_told,
            "currency": invoice.currency,
            "total_amount": invoice.total,
            "invoice_payload": invoice.payload,
        }
        queue = f"pre_checkout {user_id}"
        self._tell("pre_checkout_query", asked, queue, CALLBACK_LIFE, at)
        return {"pre_checkout_query_id": query_id}

    def renew(self, charge_id: str, *, at: datetime) -> Json:
        """The next period of a subscription is paid. Raises: NoSuchInvoice, NotPossible."""
        charge = self.till.renewed(self.till.charge(charge_id), at=at)
        self._say_paid(charge, at)
        return self.charge_view(charge)

    def pass_time(self, at: datetime) -> None:
        """
        Every subscription is paid for again whose time has come; once for each period that a moved
        clock has jumped over. Without enough Stars it stops, which the bot is told.
        """
        while (first := self.till.due(at)) is not None:
            if self.till.affords(first):
                self.renew(first.id, at=at)
            else:
                self.change_subscription(first.id, "failed", at=at)

    def change_subscription(self, charge_id: str, state: str, *, at: datetime) -> Json:
        """
        The subscriber stops it or takes it up again, or a renewal failed.

        Raises: NoSuchInvoice, NotPossible, ValueError.
        """
        if state not in SUBSCRIPTION_STATES:
            raise ValueError(f"state is one of {', '.join(SUBSCRIPTION_STATES)}")
        charge = self.till.charge(charge_id)
        if not charge.is_subscription:
            raise NotPossible("this charge is not the first of a subscription")
        if state == "active" and charge.stopped:
            raise NotPossible("the bot has canceled it")
        charge.renews = state == "active"
        if charge.renews and charge.paid_until is not None:
            charge.paid_until = max(charge.paid_until, at)
        self._say_subscription(charge, state, at)
        return self.charge_view(charge)

    # What they see.

    def invoice_view(self, slug: str, *, at: datetime) -> Json:
        """Raises: NoSuchInvoice."""
        invoice = self.till.invoice(slug)
        attempts = [one for one in self.till.attempts.values() if one.slug == invoice.slug]
        return invoice.as_told | {
            "slug": invoice.slug,
            "sum": sum_of(invoice.as_told),
            "attempts": [
                {
                    "pre_checkout_query_id": one.id,
                    "user_id": one.user_id,
                    "status": one.status_at(at),
                    "error_message": one.refusal,
                    "charge_id": one.charge_id,
                }
                for one in attempts
            ],
        }

    def charge_view(self, charge: Charge) -> Json:
        paid_until = charge.paid_until
        return payment_as_told(charge, self.till.of(charge)) | {
            "user_id": charge.user_id,
            "refunded": charge.refunded,
            "renews": charge.renews and not charge.stopped,
            "paid_until": None if paid_until is None else paid_until.isoformat(),
        }

    def view(self, user_id: int, *, at: datetime) -> Json:
        """With the subscriptions, which a client has in its settings."""
        own = [one for one in self.till.subscriptions() if one.user_id == user_id]
        return super().view(user_id, at=at) | {
            "subscriptions": [
                {
                    "charge_id": one.id,
                    "title": self.till.of(one).title,
                    "sum": sum_of(self.till.of(one).as_told),
                    "paid_until": None if one.paid_until is None else one.paid_until.isoformat(),
                    "renews": one.renews and not one.stopped,
                    "stopped": one.stopped,
                }
                for one in own
            ]
        }

    def charges_view(self) -> list[Json]:
        return [self.charge_view(charge) for charge in self.till.charges.values()]

    # The methods.

    def _create_invoice_link(self, call: Call, _at: datetime) -> Answer:
        if self.faults.take("decline"):
            raise bad_request("PROVIDER_ACCOUNT_INVALID")
        invoice = self.till.create(call)
        self.changes += 1
        return done(f"https://t.me/${invoice.slug}")

    def _put_invoice(self, call: Call, chat: Chat, keyboard: Json | None, at: datetime) -> Json:
        invoice = self.till.create(call, message_id=self._last_message_id + 1)
        message = self._put_about(chat, self.bot, {"invoice": invoice.as_told}, at)
        pay = {"text": f"Pay {sum_of(invoice.as_told)}", "pay": True}
        message["reply_markup"] = keyboard or {"inline_keyboard": [[pay]]}
        return message

    def _answer_pre_checkout_query(self, call: Call, at: datetime) -> Answer:
        charge = self.till.answered(call, at=at)
        self.changes += 1
        if charge is not None:
            self._say_paid(charge, at)
        return done()

    def _refund_star_payment(self, call: Call, at: datetime) -> Answer:
        charge_id = call.text("telegram_payment_charge_id")
        self.refund(call.whole("user_id"), charge_id, at=at)
        return done()

    def refund(self, user_id: int, charge_id: str, *, at: datetime) -> None:
        """Raises: Refused."""
        charge = self.till.refunded(user_id, charge_id, at=at)
        told = payment_as_told(charge, self.till.of(charge))
        content = {name: told[name] for name in told if "recurring" not in name}
        content.pop("subscription_expiration_date", None)
        chat = self.chat(user_id)
        message = self._put_about(chat, chat.user.as_told, {"refunded_payment": content}, at)
        self._tell("message", message, f"chat {user_id}", MESSAGE_LIFE, at)

    def _get_star_transactions(self, call: Call, _at: datetime) -> Answer:
        return done(self.till.transactions(call))

    def _get_my_star_balance(self, _call: Call, _at: datetime) -> Answer:
        return done({"amount": self.till.stars, "nanostar_amount": 0})

    def _edit_user_star_subscription(self, call: Call, _at: datetime) -> Answer:
        renews = not call.flag("is_canceled")
        charge_id = call.text("telegram_payment_charge_id")
        self.till.set_renewal(call.whole("user_id"), charge_id, renews=renews)
        self.changes += 1  # Telegram tells of what subscribers do, and not of what the bot did.
        return done()

    # What the bot hears.

    def _say_paid(self, charge: Charge, at: datetime) -> None:
        chat = self.chat(charge.user_id)
        chat.started = True
        invoice: Invoice = self.till.of(charge)
        content = {"successful_payment": payment_as_told(charge, invoice)}
        message = self._put_about(chat, chat.user.as_told, content, at)
        self._tell("message", message, f"chat {charge.user_id}", MESSAGE_LIFE, at)

    def _say_subscription(self, charge: Charge, state: str, at: datetime) -> None:
        told = {
            "user": self.chat(charge.user_id).user.as_told,
            "invoice_payload": self.till.of(charge).payload,
            "state": state,
        }
        self._tell("subscription", told, f"subscription {charge.user_id}", MESSAGE_LIFE, at)

    def _put_about(self, chat: Chat, sender: Json, content: Json, at: datetime) -> Json:
        """A message that has something else than a text."""
        message = self._put(chat, "", [], sender=sender, at=at)
        del message["text"]
        message |= deepcopy(content)
        return message
