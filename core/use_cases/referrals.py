"""Referrals: come in by a code, reward who brought one, take the reward back, show what came of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from core.domain import ledger
from core.domain.audit import Deed, line_of
from core.domain.customer import Customer, CustomerId, CustomerNotFound
from core.domain.event import Event, Job
from core.domain.ledger import Account, Entry
from core.domain.money import Money
from core.domain.money_terms import MoneyTerms, NotOffered
from core.domain.period import WindowKind, local_window
from core.domain.purchase import Purchase, PurchaseId
from core.domain.referral_program import (
    Door,
    Invitation,
    Referral,
    ReferralCodeNotFound,
    ReferralFigures,
    ReferralStatus,
    ReferralTerms,
    ReferredAlready,
    ReferrerNotOlder,
    Reward,
    RewardLevel,
    RewardStatus,
    TooLateToJoin,
    brought,
    code_of,
    is_rewarded,
    referrer_from_code,
)
from core.domain.switch import SwitchName
from core.ports.unit_of_work import Now, Store, UnitOfWork
from core.use_cases.consequences import TEND_REWARD
from core.use_cases.rests import in_wallet_again
from core.use_cases.wallet import credited, purse_of

SWITCHED_OFF_WAIT: Final = timedelta(minutes=15)
"""What cannot be decided while rewards are switched off is looked at again after this long."""


class JoinReferral:
    """
    A customer who is known already was brought by whoever has this code: once and for ever, the
    first code counts. The same code again changes nothing.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(
        self, customer_id: CustomerId, invitation: Invitation, *, deed: Deed | None = None
    ) -> Referral:
        """
        `deed`: by an operator, who may do it late, and after a purchase; what was bought before
        earns nothing.

        Raises:
            ReferralCodeNotFound, NotOffered
            OwnReferralCode, ReferrerNotOlder, TooLateToJoin, ReferredAlready
            OwnAffair: an operator attaches themselves, or somebody to themselves.
        """
        assert (deed is not None) == (invitation.door is Door.OPERATOR)
        async with self._store.write() as uow:
            at = self._now()
            customer = await uow.customers.lock(customer_id)
            if deed is not None:
                customer.require_another(deed.actor)
            referrer = await _whose(uow, invitation.code)
            if deed is not None:
                referrer.require_another(deed.actor)
            known = await uow.referrals.find(customer_id)
            if known is not None:
                if known.referrer_id == referrer.id:
                    return known
                raise ReferredAlready
            terms = (await uow.catalogs.current()).money.referral
            _require_offered(terms)
            referral = brought(customer, referrer, terms, invitation.door, at=at)
            if deed is None and await uow.purchases.has_paid(customer_id):
                raise TooLateToJoin
            await _add(uow, referral)
            if deed is not None:
                told = {"referrer_id": referrer.id}
                await uow.audit(line_of(deed, "referral.attach", customer_id, at=at, **told))
            await uow.commit()
        return referral


async def join_at_first_contact(
    uow: UnitOfWork, customer: Customer, invitation: Invitation, terms: ReferralTerms
) -> None:
    """In the unit that registers the customer. A code that does not count stops nobody from coming."""
    if not terms.is_offered:
        return
    try:
        referrer = await _whose(uow, invitation.code)
        referral = brought(customer, referrer, terms, invitation.door, at=customer.created_at)
    except (
        ReferralCodeNotFound,
        ReferrerNotOlder,
    ):  # By another clock the referrer may come later.
        return
    await _add(uow, referral)


def _require_offered(terms: ReferralTerms) -> None:
    if not terms.is_offered:
        raise NotOffered("referrals")


async def _whose(uow: UnitOfWork, code: str) -> Customer:
    referrer = await uow.customers.find(referrer_from_code(code))
    if referrer is None:
        raise ReferralCodeNotFound(code[:64])
    return referrer


async def _add(uow: UnitOfWork, referral: Referral) -> None:
    await uow.referrals.add(referral)
    whose, told = referral.customer_id, {"referrer_id": referral.referrer_id}
    registered = Event("referral.registered", whose, referral.at, whose, told)
    await uow.record(registered)


async def tried(uow: UnitOfWork, customer_id: CustomerId, *, at: datetime) -> Referral | None:
    """The customer tried or paid; who brought this one. In the customer's own unit."""
    referral = await uow.referrals.find(customer_id)
    if referral is not None:
        await _moved(uow, referral, ReferralStatus.ACTIVATED, at=at)
    return referral


async def paid(uow: UnitOfWork, purchase: Purchase, *, at: datetime) -> None:
    """In the unit that settles a purchase: what a referrer may earn of it follows as a job."""
    if await tried(uow, purchase.customer_id, at=at) is not None and not purchase.from_wallet:
        await uow.record(Event("referral.paid", purchase.id, at, purchase.customer_id))


async def gave_way(uow: UnitOfWork, purchase: Purchase, *, at: datetime) -> None:
    """Some of what it cost is in the wallet again: what a referrer may keep of it is looked at."""
    if not purchase.from_wallet and await uow.referrals.find(purchase.customer_id) is not None:
        await uow.record(Event("referral.gave_way", purchase.id, at, purchase.customer_id))


async def _moved(
    uow: UnitOfWork, referral: Referral, status: ReferralStatus, *, at: datetime
) -> None:
    moved = referral.becomes(status)
    if moved != referral:
        await uow.referrals.save(moved)
        whose, told = referral.customer_id, {"referrer_id": referral.referrer_id}
        await uow.record(Event(f"referral.{status}", whose, at, whose, told))


class TendReward:
    """
    Make the reward for a purchase what it has to be now: decided once, in the referrer's hold
    until its time has come, then in the wallet; and less of it where money of the purchase went
    back, whether it waits or was spent meanwhile (then the rest is owed). What a change of plan put
    into the wallet has gone back where it can be withdrawn from there. What waits for a referrer
    who is erased is the business's again. Repeats change nothing,
    and nothing here touches the purchase or its buyer's money. While rewards are switched off
    nothing is decided and nothing ripens, but both are looked at again; taking back goes on.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, purchase_id: PurchaseId) -> None:
        async with self._store.read() as view:
            purchase = await view.purchases.get(purchase_id)
            referral = await view.referrals.find(purchase.customer_id)
        if referral is None or purchase.from_wallet:
            return
        async with self._store.write() as uow:
            at = self._now()
            referrer = await uow.customers.lock(referral.referrer_id)
            purchase = await uow.purchases.get(purchase_id)
            reward = await uow.rewards.find(purchase_id)
            is_off = SwitchName.REWARDS in await uow.switches.off()
            if reward is None and is_off:
                about, later = {"purchase_id": purchase_id}, at + SWITCHED_OFF_WAIT
                await uow.jobs.enqueue(Job(TEND_REWARD, about, later, dedupe=purchase_id))
            elif reward is None:
                await self._decide(uow, purchase, referrer, at)
            else:
                await self._tend(uow, reward, purchase, referrer, at, is_off=is_off)
            await uow.commit()

    async def _decide(
        self, uow: UnitOfWork, purchase: Purchase, referrer: Customer, at: datetime
    ) -> None:
        referral = await uow.referrals.find(purchase.customer_id)
        assert referral is not None, "a referral is for ever"
        catalog = await uow.catalogs.current()
        unit = purchase.amount.currency
        terms = catalog.money
        can_be_withdrawn = terms.withdrawal.brake(purchase.amount) is not None
        if (
            not terms.referral.is_offered
            or not is_rewarded(purchase.item, can_be_withdrawn=can_be_withdrawn)
            or purchase.ended_at is None
            or purchase.ended_at < referral.at
        ):
            return
        day = local_window(at, WindowKind.DAY, catalog.zone).start
        reward = Reward.decided(
            purchase,
            referrer,
            terms.referral,
            kept=await _kept(uow, purchase, terms),
            others=await uow.rewards.count_paying(referrer.id, but=purchase.customer_id),
            on_that_day=await uow.rewards.sum_since(referrer.id, unit, day),
            at=at,
        )
        await uow.rewards.add(reward)
        told: dict[str, str | int] = {
            "amount_minor": reward.amount.amount_minor,
            "currency": unit.code,
            "count": reward.count,
            "basis_points": reward.basis_points,
        }
        if reward.why is not None:
            told |= {"why": reward.why}
            await uow.record(Event("reward.refused", purchase.id, at, referrer.id, told))
            return
        hold = ledger.hold(referrer.id)
        await _post(uow, reward, "", [(ledger.REWARDS, -reward.amount), (hold, reward.amount)], at)
        await uow.record(Event("reward.booked", purchase.id, at, referrer.id, told))
        await _moved(uow, referral, ReferralStatus.EARNING, at=at)

    async def _tend(
        self,
        uow: UnitOfWork,
        reward: Reward,
        purchase: Purchase,
        referrer: Customer,
        at: datetime,
        *,
        is_off: bool,
    ) -> None:
        excess = reward.excess(await _kept(uow, purchase, (await uow.catalogs.current()).money))
        if referrer.is_leaving and reward.status is RewardStatus.WAITING:
            excess = reward.left  # Nobody could ever spend it.
        if excess.is_positive:
            reward = await self._take_back(uow, reward, excess, at)
        if is_off or reward.due_at is None or reward.due_at > at:
            if excess.is_positive:
                await uow.rewards.save(reward)
            return
        if referrer.blocked_at is not None:
            await uow.rewards.save(reward.put_off(at=at))
            return
        own = ledger.cash(referrer.id) if reward.in_cash else ledger.bonus(referrer.id)
        moves = [(ledger.hold(referrer.id), -reward.left), (own, reward.left)]
        entry = await _post(uow, reward, " ended", moves, at)
        await uow.rewards.save(reward.ripened())
        told: dict[str, str | int] = {
            "entry_id": entry.id,
            "amount_minor": reward.left.amount_minor,
            "currency": reward.left.currency.code,
        }
        await uow.record(Event("reward.earned", reward.purchase_id, at, referrer.id, told))
        await uow.record(credited(referrer.id, reward.left, entry.id, at=at))

    async def _take_back(
        self, uow: UnitOfWork, reward: Reward, excess: Money, at: datetime
    ) -> Reward:
        less = reward.less(excess)
        moves = [(ledger.hold(reward.referrer_id), -excess)]
        suffix = f" taken back {less.taken_back.amount_minor}"
        if reward.status is not RewardStatus.WAITING:
            purse = await purse_of(uow, reward.referrer_id, excess.currency)
            moves = purse.given_up(excess, from_bonus=not reward.in_cash)
        elif less.status is RewardStatus.TAKEN_BACK:
            suffix = " ended"
        entry = await _post(uow, reward, suffix, [*moves, (ledger.REWARDS, excess)], at)
        told: dict[str, str | int] = {
            "entry_id": entry.id,
            "amount_minor": excess.amount_minor,
            "currency": excess.currency.code,
        }
        await uow.record(
            Event("reward.taken_back", reward.purchase_id, at, reward.referrer_id, told)
        )
        return less


async def _kept(uow: UnitOfWork, purchase: Purchase, terms: MoneyTerms) -> Money:
    """What the business has of its price, and the buyer cannot have back by a withdrawal."""
    if terms.withdrawal.brake(purchase.amount) is None:
        return purchase.refundable
    back = await in_wallet_again(uow, purchase)
    return max(purchase.refundable - back, back - back)


async def _post(
    uow: UnitOfWork, reward: Reward, suffix: str, moves: list[tuple[Account, Money]], at: datetime
) -> Entry:
    id_ = f"reward {reward.purchase_id}{suffix}"
    entry = ledger.entry_of(id_, "reward", moves, at=at, purchase_id=reward.purchase_id)
    await uow.ledger.post(entry)
    return entry


@dataclass(frozen=True, slots=True)
class ReferralPage:
    """A referrer's own page. `referral` is how this customer came; None: by nobody's code."""

    code: str
    terms: ReferralTerms
    figures: ReferralFigures
    referral: Referral | None

    @property
    def percent(self) -> str:
        """What the next paying referral earns."""
        return self.terms.level(self.figures.paying + 1).percent

    @property
    def next_level(self) -> RewardLevel | None:
        """The first that is not reached by the next paying referral; None: it is the last."""
        above = (one for one in self.terms.levels if one.since > self.figures.paying + 1)
        return next(above, None)

    @property
    def start_parameter(self) -> str:
        """What a link of theirs starts the bot or the app with; see `code_in`."""
        return f"r_{self.code}"


class ShowReferrals:
    """A customer's code, what it brought so far, and who brought the customer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, customer_id: CustomerId) -> ReferralPage:
        """
        Raises:
            CustomerNotFound, NotOffered
        """
        async with self._store.read() as view:
            standings = await view.subscriptions.standings([customer_id])
            if customer_id not in standings:
                raise CustomerNotFound(customer_id)
            terms = standings[customer_id].catalog.money.referral
            _require_offered(terms)
            figures = await view.rewards.figures(customer_id)
            referral = await view.referrals.find(customer_id)
        return ReferralPage(code_of(customer_id), terms, figures, referral)
