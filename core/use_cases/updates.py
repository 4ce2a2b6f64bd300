"""Updates of a chat: acted on once, and never lost because something of ours broke."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from core.domain.case import Case, CaseKind
from core.domain.cause import Cause
from core.domain.errors import BillingError, Unavailable
from core.domain.payment import InboxItem, InboxStatus, Notice, NoticeKind
from core.domain.plan import GatewayName
from core.ports.unit_of_work import Now, Store

TELEGRAM: Final = GatewayName("telegram")
KEPT_FOR: Final = timedelta(days=7)
"""How long it is remembered that an update was acted on; Telegram sends it again for a day."""


@dataclass(frozen=True, slots=True)
class ChatUpdate:
    """`kind` is Telegram's word; `body` is JSON of what a replay needs, without names or texts."""

    id: int
    kind: str
    body: str


class HandleUpdate:
    """
    Act on an update that is not about money, once.

    What it makes us write is caused by the update's own id, so a repeat after a death half-way
    decides nothing anew. Whoever sent it may be answered when this returns: either it was acted
    on, or it is kept as failed, so that no bug of ours can stop a chat for a day.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, update: ChatUpdate, act: Callable[[Cause], Awaitable[None]]) -> None:
        """
        `act` does what the update asks for; refusals that the customer is told of are its own. It
        completes the cause, which has no fingerprint yet: what it causes is kept for ever, and
        whose update this is shall be said there by our id alone.

        Raises:
            Unavailable: from `act`, or of the store. Nothing was decided; have it sent again.
        """
        item_id = f"inb_{TELEGRAM}_{update.id}"
        async with self._store.read() as view:
            known = await view.inbox.find(item_id)
        if known is not None:
            return
        notice = Notice(TELEGRAM, NoticeKind.OTHER, update.kind, str(update.id), None, False, "")
        item = InboxItem(item_id, notice, received_at=self._now())
        try:
            await act(Cause(TELEGRAM, str(update.id), ""))
            item = item.done("acted on", at=self._now())
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - `act` has told it; here it waits for a person.
            why = error.code if isinstance(error, BillingError) else type(error).__name__
            item = replace(item, notice=replace(notice, body=update.body))
            item = item.failed(why, at=self._now())
        async with self._store.write() as uow:
            await uow.inbox.take(item)
            if item.status is InboxStatus.FAILED:
                await uow.open_case(_for_a_person(item, self._now()))
            await uow.commit()


def _for_a_person(failed: InboxItem, at: datetime) -> Case:
    """One for what went wrong, each day that it does, however many customers it meets."""
    cause = f"update {failed.notice.event} {failed.result} {at:%Y-%m-%d}"
    facts = {"item": failed.id, "error": failed.result or ""}
    return Case(f"case {cause}", CaseKind.POISON, cause, at, facts)
