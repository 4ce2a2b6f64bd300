"""Sweeps: find what time has made due, and hand it out as jobs."""

from datetime import timedelta
from typing import Final

from core.domain.broadcast import RECIPIENTS_KEPT
from core.domain.delivery import DELIVERY_LIFE
from core.domain.event import Job
from core.ports.unit_of_work import Now, Store
from core.use_cases.announcements import DELIVER_WEBHOOK
from core.use_cases.consequences import (
    CLEAN_METHOD,
    EXPIRE_HOLD,
    EXPIRE_PURCHASE,
    MAKE_ACCESS,
    RELEASE_ESCROW,
    REMIND,
    SEND_BROADCAST,
    SEND_WITHDRAWAL,
    TEND_REWARD,
    TEND_SUBSCRIPTION,
    WATCH_CHECKOUT,
    WATCH_REFUND,
    access_of,
)
from core.use_cases.updates import KEPT_FOR

BATCH: Final = 200
LEASE: Final = timedelta(minutes=2)
"""A job that died leaves its subject due again after this long."""


class Sweep:
    """
    One bounded round: up to BATCH of each kind that is due becomes a job and is leased, in one
    unit. Cost follows what is due, not what exists. Returns how many were found.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self) -> int:
        async with self._store.write() as uow:
            now = self._now()
            until = now + LEASE
            found = [
                Job(WATCH_CHECKOUT, {"checkout_id": one}, now, dedupe=one)
                for one in await uow.checkouts.take_due(now, until=until, limit=BATCH)
            ]
            found += [
                Job(EXPIRE_PURCHASE, {"purchase_id": one}, now, dedupe=one)
                for one in await uow.purchases.take_due(now, until=until, limit=BATCH)
            ]
            found += [
                Job(TEND_SUBSCRIPTION, {"customer_id": one}, now, dedupe=one)
                for one in await uow.subscriptions.take_due(now, until=until, limit=BATCH)
            ]
            found += [
                Job(REMIND, {"customer_id": one}, now, dedupe=one)
                for one in await uow.reminders.take_due(now, until=until, limit=BATCH)
            ]
            found += [
                Job(CLEAN_METHOD, {"method_id": one}, now, dedupe=one)
                for one in await uow.methods.take_due(now, until=until, limit=BATCH)
            ]
            found += [
                Job(SEND_WITHDRAWAL, {"withdrawal_id": one}, now, dedupe=one)
                for one in await uow.withdrawals.take_due(now, until=until, limit=BATCH)
            ]
            found += [
                Job(WATCH_REFUND, {"refund_id": one}, now, dedupe=one)
                for one in await uow.refunds.take_due(now, until=until, limit=BATCH)
            ]
            found += [
                Job(EXPIRE_HOLD, {"hold_id": one}, now, dedupe=one)
                for one in await uow.holds.take_due(now, until=until, limit=BATCH)
            ]
            found += [
                Job(RELEASE_ESCROW, {"escrow_id": one}, now, dedupe=one)
                for one in await uow.escrows.take_due(now, until=until, limit=BATCH)
            ]
            found += [
                Job(TEND_REWARD, {"purchase_id": one}, now, dedupe=one)
                for one in await uow.rewards.take_due(now, until=until, limit=BATCH)
            ]
            found += [
                Job(MAKE_ACCESS, {"customer_id": one}, now, dedupe=access_of(one))
                for one in await uow.access.take_due(now, until=until, limit=BATCH)
            ]
            found += [
                Job(DELIVER_WEBHOOK, {"delivery_id": one}, now, dedupe=one)
                for one in await uow.deliveries.take_due(now, until=until, limit=BATCH)
            ]
            found += [
                Job(SEND_BROADCAST, {"broadcast_id": one}, now, dedupe=one)
                for one in await uow.broadcasts.take_due(now, until=until, limit=BATCH)
            ]
            for job in found:
                await uow.jobs.enqueue(job)
            forgotten = await uow.usage.forget_receipts(now, limit=BATCH)
            forgotten += await uow.inbox.forget(now - KEPT_FOR, limit=BATCH)
            forgotten += await uow.holds.forget(now, limit=BATCH)
            forgotten += await uow.deliveries.forget(now - DELIVERY_LIFE, limit=BATCH)
            forgotten += await uow.broadcasts.forget_recipients(now - RECIPIENTS_KEPT, limit=BATCH)
            forgotten += await uow.credentials.forget_sessions(now, limit=BATCH)
            if found or forgotten:
                await uow.commit()
        return len(found)
