"""Every gateway that there is, at a desk of its own, and what is done at all of them alike."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.gateways.memory import MemoryGateway
from core.domain.checkout import Checkout
from core.domain.money import Money
from core.domain.payment import PaymentFacts, PaymentId
from tests.adapters.gateways.cryptopay_desk import CryptoPayDesk, a_cryptopay_desk
from tests.adapters.gateways.desks import Desk, MemoryDesk, a_yookassa_desk
from tests.adapters.gateways.paymongo_desk import PayMongoDesk, a_paymongo_desk
from tests.adapters.gateways.served import Stage
from tests.adapters.gateways.telegram_desk import TelegramDesk, a_telegram_desk
from tests.adapters.gateways.xendit_desk import XenditDesk, a_xendit_desk
from tests.builders import Clock, an_asked_checkout

FoundDesk = Desk | CryptoPayDesk
HostedDesk = FoundDesk | PayMongoDesk | XenditDesk
AnyDesk = HostedDesk | TelegramDesk
SigningDesk = PayMongoDesk | CryptoPayDesk
"""The very bytes are signed."""

HONOUR_KEYS = ["memory", "yookassa", "telegram_stars", "telegram_payments"]
HOSTED = ["memory", "yookassa", "paymongo", "xendit", "cryptopay"]
ALL = [*HONOUR_KEYS, "paymongo", "xendit", "cryptopay"]
UNSIGNED = [*HONOUR_KEYS, "xendit"]
"""A secret or the sender's address is all the proof of a webhook."""


@asynccontextmanager
async def a_desk(name: str, stage: Stage, now: Clock) -> AsyncIterator[AnyDesk]:
    if name == "memory":
        yield MemoryDesk(MemoryGateway(now=now))
    elif name == "yookassa":
        async with a_yookassa_desk(stage, now) as yookassa:
            yield yookassa
    elif name == "paymongo":
        async with a_paymongo_desk(stage, now) as paymongo:
            yield paymongo
    elif name == "xendit":
        async with a_xendit_desk(stage, now) as xendit:
            yield xendit
    elif name == "cryptopay":
        async with a_cryptopay_desk(stage, now) as cryptopay:
            yield cryptopay
    else:
        async with a_telegram_desk(stage, now, name) as telegram:
            yield telegram


def asked(desk: AnyDesk, **fields: object) -> Checkout:
    """A checkout for 29 900 minor units of a currency that this gateway takes."""
    return an_asked_checkout(**{"amount": Money.of(29900, currency_of(desk))} | fields)


def currency_of(desk: AnyDesk) -> str:
    return next(code for code in ("RUB", "XTR", "PHP") if code in desk.gateway.abilities.currencies)


async def learned(desk: AnyDesk, payment_id: PaymentId) -> PaymentFacts | None:
    """As settling learns it: what a notice proves by itself, else what the provider says."""
    notice = desk.gateway.read_webhook(desk.webhook(payment_id))
    return desk.gateway.proven(notice) or await desk.gateway.find_payment(payment_id)
