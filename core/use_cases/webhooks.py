"""Webhooks: prove, store, and only then answer; the question to the gateway follows in a job."""

from typing import Final

from core.domain.event import Event
from core.domain.payment import InboxItem, InboxStatus, NoticeKind
from core.ports.payment_gateway import Gateways, Webhook
from core.ports.unit_of_work import NewId, Now, Store

ASKED_ABOUT: Final = {
    NoticeKind.PAYMENT: "notice.taken",
    NoticeKind.REFUND: "refund_notice.taken",
    NoticeKind.PAYOUT: "payout_notice.taken",
}
"""What is recorded of a notice that the gateway is asked about."""


class TakeInWebhook:
    """
    Make a proven notice durable, and have the gateway asked about it.

    The inbox deduplicates storage, never effect: a repeat of a notice that is settled is only
    counted, a repeat of one that is not has the gateway asked again.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now, new_id: NewId) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now
        self._new_id = new_id

    async def __call__(self, gateway: str, webhook: Webhook) -> InboxItem:
        """
        Returns once it is stored: only then may the sender hear 200.

        Raises:
            GatewayNotFound
            SenderNotListed, WebhookNotTrusted, WebhookNotReadable: nothing was stored.
        """
        known = self._gateways.get(gateway)
        notice = known.read_webhook(webhook)
        now = self._now()
        fresh = InboxItem(self._new_id("inb"), notice, received_at=now)
        async with self._store.write() as uow:
            item = await uow.inbox.take(fresh)
            if item.id != fresh.id:
                item = item.received_again()
            elif notice.kind not in ASKED_ABOUT:
                item = item.done(notice.kind.value, at=now)
                if (renewal := known.renewal_in(notice)) is not None:
                    said = {"payment_id": renewal.payment_id, "goes_on": str(renewal.goes_on)}
                    said["gateway"] = notice.gateway
                    await uow.record(Event("gateway_renewal.told", item.id, now, facts=said))
            if item != fresh:
                await uow.inbox.save(item)
            about = notice.payment_id or notice.payout_id
            if item.status is InboxStatus.STORED and about is not None:
                told = {"gateway": notice.gateway, "about": about}
                await uow.record(Event(ASKED_ABOUT[notice.kind], item.id, now, facts=told))
            await uow.commit()
        return item
