"""Updates about money: the payer is answered at once, and what was paid is stored before we answer."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

import structlog
from telegram import Bot, PreCheckoutQuery

from adapters.locales.translations import guessed
from adapters.telegram.drawing import answer_payer
from adapters.telegram.texts import Texts
from adapters.telegram.visits import Surroundings
from core.domain.customer import Identity, IdentityKind
from core.domain.payment import PaymentId
from core.domain.plan import GatewayName
from core.ports.payment_gateway import Webhook
from core.use_cases.pre_checkout import AboutToPay, gateway_of

PROOF: Final = "x-telegram-bot-api-secret-token"
DECISION_SECONDS: Final = 4.0
"""Telegram waits for ten, and the answer has to get there."""

PAYMENTS: Final = ("successful_payment", "refunded_payment")
SUBSCRIPTION: Final = "subscription"
"""Only Stars renew. The library does not know this kind of update yet (Bot API 10.2)."""
KEPT: Final = (
    "currency",
    "total_amount",
    "invoice_payload",
    "telegram_payment_charge_id",
    "provider_payment_charge_id",
    "state",
)

log: Final = structlog.get_logger(__name__)


def gateway_told_of(told: Mapping[str, Any]) -> GatewayName | None:
    """Of an update about money, as Telegram sends it; None: it is about something else."""
    content = _content(told)
    if content is None:
        return None
    return gateway_of(str(content.get("currency", "XTR")))


def waits_for_nobody(told: Mapping[str, Any]) -> bool:
    """Whether it is not to stand in the queue of what its sender wrote and pressed before."""
    return "pre_checkout_query" in told or _content(told) is not None


def proven_update(told: Mapping[str, Any], secret: str) -> Webhook:
    """
    As Telegram's webhook would bring it. Whichever way it came, whoever hands it on has seen to
    it that it is Telegram's: by its proof, or by having asked Telegram for it.
    """
    return Webhook(None, {PROOF: secret}, json.dumps(told).encode())


def kept_of(told: Mapping[str, Any]) -> str:
    """What a person needs of an update about money that no gateway of ours takes: no names."""
    content = _content(told) or {}
    kept = {name: content[name] for name in KEPT if isinstance(content.get(name), str | int)}
    return json.dumps(kept, sort_keys=True)


async def answer_pre_checkout(bot: Bot, around: Surroundings, query: PreCheckoutQuery) -> None:
    """
    Say whether the payment is welcome; where we cannot tell in time, it is not.

    Raises:
        NotifierUnavailable: Telegram may not have heard; have it ask again.
    """
    language = guessed(query.from_user.language_code)
    why: str | None = "busy"
    try:
        asked = AboutToPay(
            PaymentId(query.invoice_payload),
            Identity(IdentityKind.TELEGRAM, str(query.from_user.id)),
            query.currency,
            query.total_amount,
        )
        async with asyncio.timeout(DECISION_SECONDS):
            verdict = await around.billing.allow_payment(asked)
        language = verdict.language or language
        why = verdict.refusal
    except (
        Exception
    ) as error:  # Nobody has paid yet, so whatever it is may cost a sale and no more.
        log.exception("a payment was refused unread", error=type(error).__name__)
    if why is not None:
        log.info("a payment is not welcome", why=str(why), payment_id=query.invoice_payload)
    refusal = None if why is None else Texts(language, "UTC").label(f"refusal.{why}")
    await answer_payer(bot, query.id, refusal)


def _content(told: Mapping[str, Any]) -> Mapping[str, Any] | None:
    message = told.get("message")
    places = [message.get(name) for name in PAYMENTS] if isinstance(message, Mapping) else []
    for content in (*places, told.get(SUBSCRIPTION)):
        if isinstance(content, Mapping):
            return content
    return None
