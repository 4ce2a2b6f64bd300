"""What a person on duty does by hand: cases, notices, gateways; each with a reason, for ever."""

from dataclasses import dataclass

from core.domain.audit import AuditLine, Deed, line_of
from core.domain.case import Case
from core.domain.errors import NotFound, Refused
from core.domain.event import Event
from core.domain.payment import InboxItem, InboxStatus
from core.ports.payment_gateway import GatewayNotFound, Gateways
from core.ports.unit_of_work import Now, Store
from core.use_cases.webhooks import ASKED_ABOUT


@dataclass(eq=False)
class CaseNotFound(NotFound):
    """There is no such case, or it is closed."""

    cause: str


@dataclass(eq=False)
class NoticeNotFound(NotFound):
    """No such notice."""

    inbox_id: str


@dataclass(eq=False)
class NoticeNotReplayable(Refused):
    """Nothing follows from this notice: it was handled, or is of no kind that is acted on."""

    inbox_id: str
    notice_status: str


@dataclass(eq=False)
class BreakersNotFound(NotFound):
    """No gateway of this name is switched on, so nothing stands between it and us."""

    gateway: str


class ListCases:
    """What waits for a person, the oldest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, *, limit: int, after: str | None = None) -> list[Case]:
        """
        `after`: the cause of a case, which may have been closed since; only those that follow it.

        Raises:
            CaseNotFound
        """
        async with self._store.read() as view:
            last = None if after is None else await view.find_case(after)
            if after is not None and last is None:
                raise CaseNotFound(after[:200])
            return await view.open_cases(limit=limit, after=last)


class CloseCase:
    """Somebody has seen to it, and says how."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, cause: str, *, deed: Deed) -> None:
        """
        Raises:
            CaseNotFound: also for one that is closed.
        """
        async with self._store.write() as uow:
            at = self._now()
            if not await uow.close_case(cause, reason=deed.reason.strip(), at=at):
                raise CaseNotFound(cause[:200])
            await uow.audit(line_of(deed, "case.close", cause, at=at))
            await uow.commit()


class ReplayNotice:
    """
    Have the gateway asked once more about a notice that was given up, or that got stuck: the job
    that was parked with it makes way for a new one. Its case is a person's to close.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, inbox_id: str, *, deed: Deed) -> InboxItem:
        """
        Raises:
            NoticeNotFound, NoticeNotReplayable
        """
        async with self._store.write() as uow:
            at = self._now()
            item = await uow.inbox.find(inbox_id)
            if item is None:
                raise NoticeNotFound(inbox_id[:64])
            notice, name = item.notice, ASKED_ABOUT.get(item.notice.kind)
            about = notice.payment_id or notice.payout_id
            if name is None or about is None or item.status is InboxStatus.DONE:
                raise NoticeNotReplayable(item.id, item.status)
            item = item.received_again()
            await uow.inbox.save(item)
            await uow.jobs.drop_parked(item.id)
            told = {"gateway": notice.gateway, "about": about}
            await uow.record(Event(name, item.id, at, facts=told))
            await uow.audit(line_of(deed, "notice.replay", item.id, at=at))
            await uow.commit()
        return item


class ResetBreakers:
    """
    A gateway that was down is well again, says a person: what is sent to it is sent at once. That
    is of this process; the others find it out by themselves.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now

    async def __call__(self, name: str, *, deed: Deed) -> None:
        """
        Raises:
            BreakersNotFound
        """
        try:
            gateway = self._gateways.get(name)
        except GatewayNotFound:
            raise BreakersNotFound(name[:64]) from None
        async with self._store.write() as uow:
            await uow.audit(line_of(deed, "breakers.reset", gateway.name, at=self._now()))
            await uow.commit()
        gateway.trust_again()


class ShowAudit:
    """The audit trail, the oldest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(
        self, *, limit: int, after: int = 0, subject: str | None = None
    ) -> list[tuple[int, AuditLine, str]]:
        """Each line with its number and its seal, from after that number."""
        async with self._store.read() as view:
            return await view.audit_trail(limit=limit, after=after, subject=subject)
