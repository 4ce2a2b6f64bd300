"""News: tell customers what happened, each thing once."""

from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Final

from core.domain.cause import Cause, Claim, claim
from core.domain.customer import CustomerId
from core.domain.event import Event, Job
from core.domain.item import Deposit, EscrowId, EscrowPart
from core.domain.ledger import EntryId
from core.domain.money import Money
from core.domain.plan import Feature, FeatureNotFound, PlanCode
from core.domain.purchase import Purchase, PurchaseId, PurchaseStatus
from core.domain.referral_program import RewardStatus
from core.domain.reminder import has_another_price, renewal_offer
from core.domain.subscription import Activation, PaidPeriod, Standing
from core.domain.usage_quota import QuotaLine, UsageQuota
from core.domain.withdrawal import WithdrawalId
from core.ports.notifier import (
    CustomerUnreachable,
    News,
    NewsKind,
    Notifier,
    NotifierUnavailable,
)
from core.ports.unit_of_work import Now, Store, View
from core.use_cases.consequences import TELL_CUSTOMER
from core.use_cases.wallet import purse_of

PATIENCE: Final = timedelta(hours=24)
"""How long telling is tried. A screen tells the same, and no person could do more about it."""

REMINDERS: Final = frozenset(
    {
        NewsKind.ENDS_SOON,
        NewsKind.RENEWS_SOON,
        NewsKind.COME_BACK,
        NewsKind.QUOTA_LOW,
        NewsKind.QUOTA_USED_UP,
    }
)
"""What a customer may ask us not to tell."""

CAN_WAIT: Final = REMINDERS | {NewsKind.ENDED, NewsKind.PRICE_CHANGES, NewsKind.GIVEN}
"""What is told in no quiet hours. Whatever is about money comes at once."""


@dataclass(frozen=True, slots=True)
class NewsRef:
    """What a job keeps of news: ids alone. The rest is read when it is told."""

    id: str
    kind: NewsKind
    customer_id: CustomerId
    purchase_id: PurchaseId | None = None
    entry_id: EntryId | None = None
    plan: PlanCode | None = None
    escrow_id: EscrowId | None = None
    part: EscrowPart | None = None
    withdrawal_id: WithdrawalId | None = None
    reward_of: PurchaseId | None = None
    feature: Feature | None = None
    until: datetime | None = None
    days: int | None = None

    @property
    def payload(self) -> dict[str, str]:
        """As a job keeps it."""
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        if self.until is not None:
            told["until"] = self.until.isoformat()
        told["news_id"] = told.pop("id")
        return {name: str(value) for name, value in told.items() if value is not None}


class TellCustomer:
    """
    Tell it once: what was told is never told again. A death between telling and writing that
    down tells it a second time, since a receipt that comes twice is better than none.
    What has been overtaken meanwhile is not told, what can wait is not told in quiet hours, and what
    cannot be told for a day is given up.
    """

    def __init__(self, store: Store, notifier: Notifier, now: Now) -> None:
        self._store = store
        self._notifier = notifier
        self._now = now

    async def __call__(self, ref: NewsRef) -> None:
        """
        Raises:
            NotifierUnavailable: try again, not before the time it says.
        """
        cause = Cause("news", ref.id, ref.customer_id)
        async with self._store.read() as view:
            news = await self._news(view, ref)
        customer = news.standing.customer
        if customer.unreachable_since is not None or not self._notifier.reaches(news.standing):
            return
        if _is_overtaken(news):
            return
        awake_at = news.standing.catalog.chat.reminders.awake_at(news.at, customer.zone)
        if ref.kind in CAN_WAIT and awake_at > news.at:
            await self._wait(ref, awake_at)
            return
        taken = await self._claimed(cause)
        if taken.answer is not None:
            return
        try:
            await self._notifier.tell(news)
        except CustomerUnreachable:
            await mark_reach(self._store, customer.id, self._now, is_reachable=False)
        except NotifierUnavailable:
            if self._now() < taken.leased_until + PATIENCE:
                raise
            await self._answer(cause, "given up")
        else:
            await self._answer(cause, "told")

    async def _wait(self, ref: NewsRef, until: datetime) -> None:
        async with self._store.write() as uow:
            await uow.jobs.enqueue(Job(TELL_CUSTOMER, ref.payload, until, dedupe=ref.id))
            await uow.commit()

    async def _claimed(self, cause: Cause) -> Claim:
        """Claimed at the first try, so that whoever comes later sees since when, and the end."""
        async with self._store.write() as uow:
            taken = await uow.claims.take(claim(cause, cause.key, at=self._now()))
            await uow.commit()
        return taken

    async def _answer(self, cause: Cause, answer: str) -> None:
        async with self._store.write() as uow:
            taken = await uow.claims.find(cause)
            if taken is not None and taken.answer is None:
                await uow.claims.save(taken.answered(answer))
                await uow.commit()

    async def _news(self, view: View, ref: NewsRef) -> News:
        standing = (await view.subscriptions.standings([ref.customer_id]))[ref.customer_id]
        purchase = None if ref.purchase_id is None else await view.purchases.get(ref.purchase_id)
        plan = None if ref.plan is None else standing.catalog.plans.get(ref.plan)
        at = self._now()
        return News(
            ref.id,
            ref.kind,
            standing,
            at,
            purchase,
            await _received(view, ref),
            plan,
            await _in_wallet(view, purchase),
            None if ref.escrow_id is None else (await view.escrows.get(ref.escrow_id)).title,
            None if ref.reward_of is None else await view.rewards.find(ref.reward_of),
            await _link(view, ref),
            ref.until,
            None if ref.feature is None else await _quota(view, standing, ref.feature, at),
            await _charge(view, ref, standing, at),
            ref.days,
        )


class MarkReach:
    """Write down whether the customer's chat takes our messages. Repeats change nothing."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, customer_id: CustomerId, *, is_reachable: bool) -> None:
        await mark_reach(self._store, customer_id, self._now, is_reachable=is_reachable)


async def mark_reach(
    store: Store, customer_id: CustomerId, now: Now, *, is_reachable: bool
) -> None:
    async with store.write() as uow:
        customer = await uow.customers.lock(customer_id)
        if (customer.unreachable_since is None) == is_reachable:
            return
        at = now()
        since = None if is_reachable else at
        await uow.customers.save(replace(customer, unreachable_since=since))
        name = "customer.reachable" if is_reachable else "customer.unreachable"
        await uow.record(Event(name, customer_id, at, customer_id))
        await uow.commit()


async def _received(view: View, ref: NewsRef) -> Money | None:
    """
    What the charge brought into the wallet: the one posting of it that is a credit. Of a part that
    has ended what came to whom this is told, else all of it.
    """
    if ref.withdrawal_id is not None:
        return (await view.withdrawals.get(ref.withdrawal_id)).amount
    if ref.escrow_id is not None and ref.part is not None:
        escrow = await view.escrows.get(ref.escrow_id)
        part = escrow.part(ref.part)
        return escrow.due_to(ref.part)[1] if part.has_ended else part.amount
    entry = None if ref.entry_id is None else await view.ledger.find(ref.entry_id)
    if entry is None:
        return None
    return next(posting.amount for posting in entry.postings if posting.amount.is_positive)


async def _in_wallet(view: View, purchase: Purchase | None) -> Money | None:
    if purchase is None or not (purchase.from_wallet or isinstance(purchase.item, Deposit)):
        return None
    return (await purse_of(view, purchase.customer_id, purchase.amount.currency)).free


async def _link(view: View, ref: NewsRef) -> str | None:
    if ref.kind is not NewsKind.ACCESS_GIVEN:
        return None
    state = await view.access.find(ref.customer_id)
    return None if state is None else state.link


async def _quota(
    view: View, standing: Standing, feature: Feature, at: datetime
) -> UsageQuota | None:
    """None where the catalog does not count it any more."""
    with suppress(FeatureNotFound):
        quota = standing.quota(feature, at)
        return quota.counted(await view.usage.used([quota.key, quota.key.of_packs]))
    return None


async def _charge(view: View, ref: NewsRef, standing: Standing, at: datetime) -> Money | None:
    if ref.kind not in {NewsKind.RENEWS_SOON, NewsKind.PRICE_CHANGES}:
        return None
    reminder = await view.reminders.find(ref.customer_id)
    offer = renewal_offer(standing, None if reminder is None else reminder.notice, at=at)
    return None if offer is None else offer[1]


def _is_overtaken(news: News) -> bool:
    match news.kind:
        case NewsKind.EXPIRED | NewsKind.REFUSED | NewsKind.NOT_RENEWED:
            unpaid = {PurchaseStatus.EXPIRED, PurchaseStatus.PENDING}
            return _status(news.purchase) not in unpaid
        case NewsKind.REWARD_BOOKED | NewsKind.REWARD_EARNED:
            is_booked = news.kind is NewsKind.REWARD_BOOKED
            due = RewardStatus.WAITING if is_booked else RewardStatus.EARNED
            return news.reward is None or news.reward.status is not due
        case NewsKind.PRICE_CHANGES:
            return not has_another_price(news.standing, news.at)
        case NewsKind.ENDED | NewsKind.GIVEN:
            running = news.standing.subscription.at(news.at).period
            return _is_lost(news, running) if news.kind is NewsKind.GIVEN else running is not None
        case NewsKind.ACCESS_DELAYED | NewsKind.ACCESS_GIVEN:
            is_there = news.standing.subscription.at(news.at).activation is Activation.ACTIVE
            return is_there is not (news.kind is NewsKind.ACCESS_GIVEN)
        case _:
            return news.kind in REMINDERS and not _is_to_be_reminded(news)


def _is_lost(news: News, running: PaidPeriod | None) -> bool:
    """Whether the plan of which days were given does not run any more, or serves nobody."""
    is_had = running is not None and news.plan is not None and running.plan.code == news.plan.code
    return not is_had or not news.standing.customer.is_served


def _is_to_be_reminded(news: News) -> bool:
    """
    By the customer's own wish, and since it is still so: the quota as low, the period over, or with
    the same end ahead, for good or to be renewed.
    """
    customer, present = news.standing.customer, news.standing.subscription.at(news.at)
    is_due_to_all = news.kind is NewsKind.RENEWS_SOON and has_another_price(news.standing, news.at)
    wants_none = customer.fewer_reminders and not is_due_to_all
    if wants_none or not customer.is_served:
        return False
    if news.kind in {NewsKind.QUOTA_LOW, NewsKind.QUOTA_USED_UP}:
        line, quota = QuotaLine(news.kind.removeprefix("quota_")), news.quota
        return quota is not None and (quota.resets_at, quota.line) == (news.until, line)
    if news.kind is NewsKind.COME_BACK:
        return present.period is None
    if present.period is None or present.period.end != news.until:
        return False
    will_renew = news.standing.renewal_price(news.at) is not None
    if news.kind is NewsKind.ENDS_SOON:
        return not will_renew
    return will_renew and present.renews is not None and present.renews.purchase_id is None


def _status(purchase: Purchase | None) -> PurchaseStatus | None:
    return None if purchase is None else purchase.status
