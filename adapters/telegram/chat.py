"""The bot's side of every private chat: an update comes in, something is done, a screen is drawn."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

import structlog
from telegram import Bot, CallbackQuery, ChatMemberUpdated, Message, MessageEntity, Update, User
from telegram.constants import ChatType
from telegram.error import TelegramError

from adapters.locales.translations import guessed
from adapters.telegram import (
    buying,
    home,
    inviting,
    leaving,
    orders,
    promos,
    support,
    wallet,
    zones,
)
from adapters.telegram.admin import verbs as admin
from adapters.telegram.drawing import acknowledge, redraw, seem_busy, send
from adapters.telegram.paying import (
    answer_pre_checkout,
    gateway_told_of,
    kept_of,
    proven_update,
)
from adapters.telegram.screens import Screen, pressed
from adapters.telegram.sums import looks_like_a_sum
from adapters.telegram.texts import Texts
from adapters.telegram.visits import Action, Surroundings, Visit, names_of
from core.domain.cause import Cause, StillRunning, StoreBusy
from core.domain.customer import CustomerId, CustomerNotFound, Identity, IdentityKind
from core.domain.errors import BillingError, NotFound, Unavailable
from core.domain.plan import GatewayName
from core.domain.referral_program import Door, Invitation, code_in
from core.ports.notifier import CustomerUnreachable
from core.ports.payment_gateway import WebhookNotReadable
from core.use_cases.updates import ChatUpdate

ALLOWED_UPDATES: Final = (
    "message",
    "callback_query",
    "my_chat_member",
    "pre_checkout_query",
    "subscription",
)
"""Without the last but one, every payment in a chat would fail after ten seconds."""

PRESSED: Final[Mapping[str, tuple[Action, int]]] = {
    # The verb of a button, what it does, and how many words come with it.
    "home": (home.home, 0),
    "status": (home.status, 0),
    "settings": (home.settings, 0),
    "languages": (home.settings, 0),  # As older messages say it.
    "reminders": (home.reminders, 1),
    "letters": (home.letters, 1),
    "language": (home.language, 1),
    "zone": (zones.zone, 0),
    "zoneto": (zones.change, 1),
    "erase": (leaving.erase, 0),
    "eraseme": (leaving.erase_me, 0),
    "help": (home.help_, 0),
    "paysupport": (support.paysupport, 0),
    "terms": (support.terms, 0),
    "privacy": (support.privacy, 0),
    "renewal": (home.renewal, 1),
    "trial": (home.trial, 0),
    "plans": (buying.plans, 0),
    "plan": (buying.plan, 1),
    "confirm": (buying.confirm, 1),
    "way": (buying.way, 2),
    "buy": (buying.buy, 2),
    "order": (orders.order, 1),
    "check": (orders.check, 1),
    "cancel": (orders.cancel, 1),
    "wallet": (wallet.wallet, 0),
    "deposit": (wallet.deposit, 0),
    "sums": (wallet.sums, 1),
    "ways": (wallet.ways, 1),
    "put": (wallet.put, 2),
    "history": (wallet.history, 2),
    "invite": (inviting.invite, 0),
    "promo": (promos.ask, 0),
}
COMMANDS: Final[Mapping[str, Action]] = {
    "start": home.home,
    "plans": buying.plans,
    "status": home.status,
    "wallet": wallet.wallet,
    "history": wallet.newest,
    "invite": inviting.invite,
    "promo": promos.ask,
    "settings": home.settings,
    "language": home.settings,
    "help": home.help_,
    "paysupport": support.paysupport,
    "terms": support.terms,
    "privacy": support.privacy,
}
HIDDEN_COMMANDS: Final = frozenset({"wallet", "history", "invite", "promo", "language"})
"""They work, and are not in Telegram's menu: not every business has a use for them, or others lead there."""

_CONTACT: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}", re.ASCII)
_LINK: Final = re.compile(r"(?:r_[A-Za-z0-9-]{1,40}(?:__|$))?(?:([poc])_([A-Za-z0-9_-]{1,60}))?")

log: Final = structlog.get_logger(__name__)


class Chat:
    """
    Both ways in, the webhook and the polling, end here. One screen message is edited in place;
    whatever a button says is authorised and looked up anew.
    """

    def __init__(self, bot: Bot, around: Surroundings) -> None:
        self._bot = bot
        self._around = around

    async def hear(self, told: Mapping[str, object]) -> None:
        """
        As `take_in`, of an update as Telegram sends it. One about money is stored; whoever is
        about to pay is answered. One that cannot be read is kept as failed: refused, it would wait
        for a day in front of all that comes from its chat.

        Raises:
            WebhookNotReadable: it has no number, so it is no update.
            Unavailable
        """
        number = told.get("update_id")
        if type(number) is not int:
            raise WebhookNotReadable
        gateway = gateway_told_of(told)
        if gateway is not None:
            return await self._take_in_money(number, gateway, told)
        try:
            update = Update.de_json(dict(told), self._bot)
        except Exception as error:  # noqa: BLE001 - Whatever the library says of what it cannot read.
            return await self._keep_unread(number, error)
        if update.pre_checkout_query is not None:
            return await answer_pre_checkout(self._bot, self._around, update.pre_checkout_query)
        return await self.take_in(update)

    async def _take_in_money(
        self, number: int, gateway: GatewayName, told: Mapping[str, object]
    ) -> None:
        """Read by the gateway and not by the library, whose mistakes shall cost nobody's money."""
        try:
            update = proven_update(told, self._around.secret)
            await self._around.billing.take_in_webhook(gateway, update)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - Whatever it is, the money is somebody's.
            await self._keep_unread(number, error, body=kept_of(told))

    async def take_in(self, update: Update) -> None:
        """
        Act on one update. When this returns, Telegram may forget it.

        Raises:
            Unavailable: Telegram is to send it again. What was decided is not decided anew.
        """
        try:
            about = _about(update)
        except Exception as error:  # noqa: BLE001 - As in `hear`.
            return await self._keep_unread(update.update_id, error)
        if about is None:  # A group, another bot, a kind that we never asked for.
            return None
        kind, words = about
        body = json.dumps({"kind": kind, **words}, sort_keys=True)
        return await self._around.billing.handle_update(
            ChatUpdate(update.update_id, kind, body), partial(self._act, update)
        )

    async def _keep_unread(self, number: int, error: Exception, *, body: str = "") -> None:
        async def fail(_: Cause) -> None:
            raise error

        log.error("an update cannot be read", update=number, error=type(error).__name__)
        await self._around.billing.handle_update(ChatUpdate(number, "unread", body), fail)

    async def _act(self, update: Update, cause: Cause) -> None:
        try:
            await self._answer(update, cause)
        except Unavailable:
            raise
        except Exception as error:
            log.exception("update failed", update=cause.key, error=type(error).__name__)
            raise

    async def _answer(self, update: Update, cause: Cause) -> None:
        if update.my_chat_member is not None:
            await self._note_reach(update.my_chat_member)
            return
        user = update.effective_user
        assert user is not None, "what is ours comes from somebody"
        query = update.callback_query
        if query is not None:
            await acknowledge(self._bot, query.id)
        visit = await self._visit(user, cause, update)
        try:
            await self._draw(user.id, query, await self._screen(visit, update))
        except CustomerUnreachable:
            await self._around.billing.mark_reach(visit.customer.id, is_reachable=False)
        except Unavailable:
            raise
        except Exception:
            with suppress(BillingError, TelegramError):
                await send(self._bot, user.id, Screen(visit.texts("sorry", number=cause.key)))
            raise

    async def _screen(self, visit: Visit, update: Update) -> Screen:
        """A refusal is a screen too."""
        if visit.customer.is_leaving:
            return leaving.leaving_screen(visit)
        if visit.customer.blocked_at is not None:
            return await home.blocked(visit)
        try:
            if update.callback_query is not None:
                return await _pressed(visit, update.callback_query)
            assert update.message is not None, "what is ours is one of the two"
            return await _said(visit, update.message)
        except StillRunning as error:  # A copy of this update is being worked on.
            raise StoreBusy(error.retry_after_seconds) from error
        except Unavailable:
            raise
        except BillingError as refused:
            log.info("refused in the chat", code=refused.code, customer=visit.customer.id)
            rows = [[visit.button("plans", "plans"), visit.button("home", "home")]]
            return Screen(visit.texts.error(refused), rows)

    async def _visit(self, user: User, cause: Cause, update: Update) -> Visit:
        """The first contact registers; the language is guessed then, and never again."""
        who = Identity(IdentityKind.TELEGRAM, str(user.id))
        customer = await self._around.billing.register_customer(
            who,
            first_language=guessed(user.language_code),
            invitation=_invitation(update.message),
            names=names_of(user),
        )
        if customer.unreachable_since is not None:
            await self._around.billing.mark_reach(customer.id, is_reachable=True)
        return Visit(
            self._around,
            customer,
            Texts.of(customer),
            replace(cause, fingerprint=_fingerprint(customer.id, update)),
            self._around.now(),
            who,
            seem_busy=partial(seem_busy, self._bot, user.id),
        )

    async def _draw(self, chat_id: int, query: CallbackQuery | None, screen: Screen) -> None:
        said = None if query is None else pressed(query.data or "")
        if query is None or query.message is None or (said is not None and said.on_news):
            await send(self._bot, chat_id, screen)
        else:
            await redraw(self._bot, chat_id, query.message.message_id, screen)

    async def _note_reach(self, change: ChatMemberUpdated) -> None:
        billing = self._around.billing
        try:
            customer_id = await billing.find_customer(
                Identity(IdentityKind.TELEGRAM, str(change.from_user.id))
            )
        except CustomerNotFound:  # Stopped a bot that was never started.
            return
        is_member = change.new_chat_member.status == change.new_chat_member.MEMBER
        await billing.mark_reach(customer_id, is_reachable=is_member)


def _about(update: Update) -> tuple[str, dict[str, object]] | None:
    """
    Its kind, and what of it may be kept: who and what was pressed or commanded, neither names
    nor texts. None for what is not ours to answer.
    """
    message, query, change = update.message, update.callback_query, update.my_chat_member
    user = update.effective_user
    if user is None or user.is_bot:
        return None
    chat = update.effective_chat
    if chat is None or chat.type != ChatType.PRIVATE:
        return None
    if query is not None:
        return "callback_query", {"user": user.id, "data": (query.data or "")[:64]}
    if message is not None:
        command, payload = _command(message)
        command = command if command in COMMANDS else ""
        payload = payload if _LINK.fullmatch(payload) else ""
        return "message", {"user": user.id, "command": command, "payload": payload}
    if change is not None:
        return "my_chat_member", {"user": user.id, "status": change.new_chat_member.status}
    return None


def _fingerprint(customer_id: CustomerId, update: Update) -> str:
    """Of whose update it is and what it asks for. Of a Telegram number it would tell the number."""
    _, words = _about(update) or ("", {})
    asked = json.dumps({**words, "user": customer_id}, sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()


async def _pressed(visit: Visit, query: CallbackQuery) -> Screen:
    found = pressed(query.data or "")
    if found is not None and (screen := await admin.pressed(visit, found)) is not None:
        return screen
    act, words_wanted = (None, 0) if found is None else PRESSED.get(found.verb, (None, 0))
    if found is None or act is None or len(found.words) != words_wanted:
        # An older version's, or a forgery.
        return (await home.home(visit)).after(visit.texts("screen.old"))
    return await act(visit, found.words)


async def _said(visit: Visit, message: Message) -> Screen:
    command, payload = _command(message)
    if command == "start":
        return await _started(visit, message, payload)
    if command == "promo":
        return await promos.redeem(visit, [payload])
    if command in COMMANDS:
        return await COMMANDS[command](visit, [])
    text = (message.text or "").strip()
    told = admin.commanded(visit, payload) if command == "admin" else admin.heard(visit, text)
    return await told or await _typed(visit, text)


async def _typed(visit: Visit, text: str) -> Screen:
    """No command: a contact, a promo code, a sum, or something that is none of them."""
    if _CONTACT.fullmatch(text):
        [identity, *_] = visit.customer.identities
        await visit.billing.register_customer(identity, receipt_contact=text)
        return (await buying.plans(visit)).after(visit.texts("contact.kept", contact=text))
    if promos.looks_like_a_code(text):
        return await promos.redeem(visit, [text])
    screen = await wallet.typed(visit, text) if looks_like_a_sum(text) else None
    return screen or (await home.home(visit)).after(visit.texts("hint"))


async def _started(visit: Visit, message: Message, payload: str) -> Screen:
    """`/start`, with where a link leads to: a plan, one's own order, or what a code gives."""
    invitation = _invitation(message)
    if invitation is not None:
        told = await inviting.came_by(visit, invitation)
        screen = await _led(visit, message, payload)
        return screen if told is None else screen.after(told)
    return await _led(visit, message, payload)


async def _led(visit: Visit, message: Message, payload: str) -> Screen:
    name = "" if message.from_user is None else message.from_user.first_name
    greeted = replace(visit, name=name)
    found = _LINK.fullmatch(payload)
    if found is not None and found[1] is None:
        return await home.home(greeted)
    if found is not None:
        leads: dict[str, Action] = {"p": buying.plan, "o": orders.order, "c": promos.redeem}
        try:
            return await leads[found[1]](visit, [found[2]])
        except NotFound:
            pass
    return (await home.home(greeted)).after(visit.texts("link.over"))


def _invitation(message: Message | None) -> Invitation | None:
    command, payload = ("", "") if message is None else _command(message)
    code = code_in(payload) if command == "start" else None
    return None if code is None else Invitation(code, Door.BOT)


def _command(message: Message) -> tuple[str, str]:
    """`/start@name payload` as ("start", "payload"); empty where it is no command."""
    entities: Sequence[MessageEntity] = message.entities
    if not message.text or not entities:
        return "", ""
    first = entities[0]
    if first.type != MessageEntity.BOT_COMMAND or first.offset != 0:
        return "", ""
    command = message.parse_entity(first)[1:].partition("@")[0].lower()
    return command, message.text[first.length :].strip()
