"""Why things are as they are: the chain of causes of a customer, a purchase or an entry, as facts."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter

from core.domain import ledger
from core.domain.audit import AuditLine
from core.domain.case import Case
from core.domain.charge import Charge, ChargeKey
from core.domain.checkout import Checkout
from core.domain.customer import CustomerId, Identity
from core.domain.errors import NotFound
from core.domain.escrow import EscrowNotFound
from core.domain.event import Event
from core.domain.item import EscrowId, EscrowShare, PackItem, PlanItem
from core.domain.ledger import Entry, EntryId, Line, Posting
from core.domain.money import Money
from core.domain.payment import InboxItem, PaymentId
from core.domain.plan import GatewayName
from core.domain.purchase import PAID, Purchase, PurchaseId
from core.domain.referral_program import Reward
from core.domain.refund import Refund
from core.domain.subscription import Standing
from core.domain.withdrawal import WithdrawalId, WithdrawalNotFound
from core.ports.unit_of_work import Now, Store, View

PAGE = 100
LATEST = 20
"""How many events, purchases and lines of an account are told of; what came before is older."""

TRACED = 3

_MOMENTS = {"period_end", "until", "from", "grace_until", "resets_at"}
"""Facts of events that are moments."""

Fact = str | int | Money | datetime | tuple[Posting | Line | str, ...] | None


@dataclass(frozen=True, slots=True)
class Link:
    """
    One thing in a chain of causes. `what` is the name of an event or of a kind of thing; `at` is
    when it came about, None: it is so at present. Facts are told without language.
    """

    at: datetime | None
    what: str
    facts: Mapping[str, Fact]


@dataclass(eq=False)
class NothingToExplain(NotFound):
    """
    There is nothing of this name. Understood are: customer telegram:123, external:abc or cus_…;
    purchase pur_…; and an entry by its whole id in one pair of quotes, such as
    'charge yookassa 2d8f…', 'purchase pur_…', 'refund ref_… ended', 'reward pur_…',
    'adjustment adj_…', 'escrow esc_… down_payment ended', 'withdrawal wd_…'.
    """

    name: str


class Explain:
    """Tell what led to something and what it led to, the oldest first. Nothing is changed."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def customer(self, ref: Identity | CustomerId) -> list[Link]:
        """
        Raises:
            NothingToExplain
        """
        async with self._store.read() as view:
            id_ = (await view.customers.ids([ref])).get(ref)
            if id_ is None:
                raise NothingToExplain(str(ref))
            standing = (await view.subscriptions.standings([id_]))[id_]
            purchases = await view.purchases.page(id_, limit=PAGE)
            links = [await _who(view, id_, "customer", standing.customer.created_at)]
            links += [_event(one) for one in (await view.history(id_))[-LATEST:]]
            links += [_agreed(one) for one in purchases[:LATEST]]
            links += await _referral(view, id_)
            links += [_case(it) async for it in _open_cases(view) if it.customer_id == id_]
            links += [_deed(line) async for line in _deeds(view, [id_])]
            links += _subscription(standing, purchases, self._now())
            links += await _balances(view, id_)
            links += await _jobs(view, [id_])
        return _in_order(links)

    async def purchase(self, purchase_id: PurchaseId) -> list[Link]:
        """
        Raises:
            NothingToExplain
        """
        async with self._store.read() as view:
            purchase = await view.purchases.find(purchase_id)
            if purchase is None:
                raise NothingToExplain(purchase_id[:64])
            checkouts = await view.checkouts.of_purchases([purchase_id])
            charges = await view.charges.of_purchase(purchase_id)
            refunds = await view.refunds.of_purchase(purchase_id)
            notices = await _notices(view, checkouts, charges)
            entries = await view.ledger.of_purchase(purchase_id)
            entries += [it for one in charges if (it := await _fee(view, one)) is not None]
            payments = {it.payment_id for it in checkouts} | {it.payment_id for it in charges}
            ids = [purchase_id, *(it for it in payments if it), *(one.id for one in refunds)]
            causes = {*ids, *(it.id for it in notices), *(it.id for it in entries)}
            links = [_agreed(purchase)]
            links.append(await _who(view, purchase.customer_id, "purchase.by", purchase.created_at))
            links += [_checkout(one) for one in checkouts]
            links += [_notice(one) for one in notices]
            links += [_deed(line) async for line in _deeds(view, causes)]
            links += [_charge(one) for one in charges]
            links += [_refund(one) for one in refunds]
            links += [_entry(one) for one in entries]
            links += [_event(one) for one in await view.history(purchase_id)]
            links += [_case(it) async for it in _open_cases(view) if _is_about(it, causes)]
            links.append(_state(purchase))
            links += await _reward_of(view, purchase)
            links += await _jobs(view, [*ids, *(it.id for it in notices)])
        return _in_order(links)

    async def entry(self, entry_id: EntryId) -> list[Link]:
        """
        Raises:
            NothingToExplain
        """
        async with self._store.read() as view:
            entry = await view.ledger.find(entry_id)
            if entry is None:
                raise NothingToExplain(entry_id[:200])
            cause, purchase_id = entry.id, entry.purchase_id
            links: list[Link] = []
            for prefix in ("fee ", "reversal of ", "repay "):
                if cause.startswith(prefix):
                    cause = EntryId(cause.removeprefix(prefix))
                    former = await view.ledger.find(cause)
                    if former is not None:
                        links.append(_entry(former))
                        purchase_id = purchase_id or former.purchase_id
            links += await _causes(view, cause, purchase_id)
            links.append(_entry(entry))
            owners = {owner for it in entry.postings if (owner := _owner(it.account))}
            links += [await _who(view, one, "entry.of", None) for one in sorted(owners)]
            subjects = {
                *owners,
                *cause.split(),
                *([purchase_id] if purchase_id else []),
            }
            async for line in _deeds(view, subjects):
                # A customer's lines are of much else too; what was done later is no cause.
                told = {line.facts.get("entry"), line.facts.get("reversed")}
                is_of_cause = line.subject not in owners and line.at <= entry.at
                if is_of_cause or not told.isdisjoint({entry.id, cause}):
                    links.append(_deed(line))
            causes = {entry.id, cause}
            links += [_case(it) async for it in _open_cases(view) if _is_about(it, causes)]
        return _in_order(links)


def _in_order(links: Iterable[Link]) -> list[Link]:
    """By time, what is of the present last; of one moment as they were gathered: causes first."""
    links = list(links)
    dated = [(link.at, link) for link in links if link.at is not None]
    dated.sort(key=itemgetter(0))
    return [link for _, link in dated] + [link for link in links if link.at is None]


async def _who(view: View, customer_id: CustomerId, what: str, at: datetime | None) -> Link:
    customer = await view.customers.get(customer_id)
    identities = tuple(str(one) for one in customer.identities)
    facts: dict[str, Fact] = {"customer_id": customer_id, "identities": identities}
    return Link(at, what, {**facts, "blocked_at": customer.blocked_at})


def _owner(account: ledger.Account) -> CustomerId | None:
    return CustomerId(account.partition(":")[2]) if ledger.is_of_a_customer(account) else None


def _event(event: Event) -> Link:
    facts: dict[str, Fact] = {**event.facts}
    if "amount_minor" in facts:
        amount_minor, code = int(event.facts["amount_minor"]), str(event.facts["currency"])
        facts["amount"] = Money.of(amount_minor, code)
    for name in _MOMENTS & facts.keys():
        facts[name] = datetime.fromisoformat(str(facts[name]))
    return Link(event.at, event.name, facts)


def _agreed(purchase: Purchase) -> Link:
    reduction = purchase.reduction
    item: dict[str, Fact] = {"item": purchase.item.key.partition(" ")[0]}
    match purchase.item:
        case PlanItem(plan):
            item |= {"plan": plan.code, "number": plan.number}
        case PackItem(terms):
            item |= {"pack": terms.code, "feature": terms.feature, "units": terms.units}
        case EscrowShare(escrow_id, part):
            item |= {"escrow_id": escrow_id, "part": part.value}
        case _:
            pass
    facts: dict[str, Fact] = {
        "purchase_id": purchase.id,
        "amount": purchase.amount,
        "full": None if reduction is None else reduction.full,
        "promo_code": None if reduction is None else reduction.code,
        "status": purchase.status.value,
        "paid_from": "wallet" if purchase.from_wallet else None,
        **item,
    }
    return Link(purchase.created_at, "purchase.agreed", facts)


def _state(purchase: Purchase) -> Link:
    remark = purchase.remark
    facts: dict[str, Fact] = {
        "status": purchase.status.value,
        "ended_at": purchase.ended_at,
        "expires_at": purchase.due_at,
        "refunded": purchase.refunded,
        "remark": None if remark is None else remark.code.value,
        "received": None if remark is None else remark.received,
    }
    return Link(None, "purchase.present", facts)


def _checkout(checkout: Checkout) -> Link:
    facts: dict[str, Fact] = {
        "checkout_id": checkout.id,
        "gateway": checkout.gateway,
        "amount": checkout.amount,
        "status": checkout.status.value,
        "payment_id": checkout.payment_id,
        "method_id": checkout.method_id,
        "looks_at": checkout.due_at,
    }
    return Link(checkout.asked_at, "checkout", facts)


def _notice(item: InboxItem) -> Link:
    facts: dict[str, Fact] = {
        "inbox_id": item.id,
        "gateway": item.notice.gateway,
        "event": item.notice.event,
        "copies": item.copies,
        "status": item.status.value,
        "result": item.result,
    }
    return Link(item.received_at, "notice", facts)


def _charge(charge: Charge) -> Link:
    facts: dict[str, Fact] = {
        "gateway": charge.key.gateway,
        "charge_id": charge.key.charge_id,
        "payment_id": charge.payment_id,
        "amount": charge.amount,
        "fee": charge.fee,
        "returning": charge.returning,
    }
    fate = "settled" if charge.settled else "left" if charge.customer_id else "suspense"
    return Link(charge.charged_at, f"charge.{fate}", facts)


def _entry(entry: Entry) -> Link:
    facts: dict[str, Fact] = {
        "entry_id": entry.id,
        "purpose": entry.purpose,
        "purchase_id": entry.purchase_id,
        "postings": entry.postings,
    }
    return Link(entry.at, "entry", facts)


def _refund(refund: Refund) -> Link:
    facts: dict[str, Fact] = {
        "refund_id": refund.id,
        "gateway": refund.gateway,
        "amount": refund.amount,
        "status": refund.status.value,
        "ended_at": refund.ended_at,
        "looks_at": refund.due_at,
    }
    return Link(refund.asked_at, "chargeback" if refund.is_chargeback else "refund", facts)


def _case(case: Case) -> Link:
    return Link(case.opened_at, "case", {"kind": case.kind.value, "cause": case.cause})


def _deed(line: AuditLine) -> Link:
    facts: dict[str, Fact] = {"actor": line.actor, "action": line.action, "reason": line.reason}
    return Link(line.at, "deed", {**facts, "subject": line.subject})


def _reward(reward: Reward) -> Link:
    facts: dict[str, Fact] = {
        "referrer_id": reward.referrer_id,
        "amount": reward.amount,
        "base": reward.base,
        "count": reward.count,
        "basis_points": reward.basis_points,
        "taken_back": reward.taken_back if reward.taken_back.is_positive else None,
        "status": reward.status.value,
        "why": None if reward.why is None else reward.why.value,
        "ripe_at": reward.due_at,
    }
    return Link(None, "reward", facts)


async def _reward_of(view: View, purchase: Purchase) -> list[Link]:
    reward = await view.rewards.find(purchase.id)
    if reward is not None:
        return [_reward(reward)]
    referral = await view.referrals.find(purchase.customer_id)
    if purchase.status not in PAID:
        why = "not_paid"
    elif referral is None:
        why = "nobody_brought"
    elif purchase.from_wallet:
        why = "from_wallet"
    elif purchase.ended_at is not None and purchase.ended_at < referral.at:
        why = "paid_before"
    else:
        why = "not_decided"
    return [Link(None, f"reward.none.{why}", {})]


async def _referral(view: View, customer_id: CustomerId) -> list[Link]:
    links = []
    referral = await view.referrals.find(customer_id)
    if referral is not None:
        told: dict[str, Fact] = {
            "referrer_id": referral.referrer_id,
            "door": referral.door.value,
            "status": referral.status.value,
        }
        links.append(Link(referral.at, "referral", told))
    figures = await view.rewards.figures(customer_id)
    if figures.came:
        counts: dict[str, Fact] = {"came": figures.came, "paying": figures.paying}
        sums = {"earned": figures.earned, "waiting": figures.waiting}
        texts = {name: tuple(str(one) for one in money) for name, money in sums.items()}
        links.append(Link(None, "referral.figures", {**counts, **texts}))
    return links


def _subscription(
    standing: Standing, purchases: Iterable[Purchase], now: datetime
) -> Iterable[Link]:
    present = standing.subscription.at(now)
    plan, period = standing.plan(now), present.period
    bought = [it for it in purchases if it.status in PAID and it.plan and it.plan.code == plan.code]
    latest = max(bought, key=lambda it: it.ended_at or it.created_at, default=None)
    is_bought = period is not None and not period.is_free
    facts: dict[str, Fact] = {
        "plan": plan.code,
        "number": plan.number,
        "status": present.status.value,
        "end": None if period is None else period.end,
        "purchase_id": latest.id if is_bought and latest is not None else None,
        "activation": present.activation.value,
    }
    of_nothing = "trial" if present.is_trial else "gift"
    why = "default" if period is None else "purchase" if is_bought else of_nothing
    yield Link(None, f"subscription.by_{why}", facts)
    renewal = present.renewal
    if present.cancel_at_period_end:
        yield Link(None, "renewal.canceled", {})
    elif renewal is not None:
        told: dict[str, Fact] = {"source": renewal.source, "next_at": renewal.next_at}
        told |= {"grace_until": renewal.grace_until, "purchase_id": renewal.purchase_id}
        yield Link(None, "renewal.present", told)
    elif period is not None:
        yield Link(None, "renewal.none", {})


async def _balances(view: View, customer_id: CustomerId) -> list[Link]:
    balances = await view.ledger.balances(customer_id)
    links = []
    for (account, unit), amount in sorted(balances.items()):
        lines = await view.ledger.lines(account, unit, limit=TRACED)
        facts: dict[str, Fact] = {"account": account, "amount": amount, "lines": tuple(lines)}
        is_owed = account == ledger.receivable(customer_id)
        links.append(Link(None, "owed" if is_owed else "balance", facts))
    return links


async def _jobs(view: View, ids: Collection[str]) -> list[Link]:
    links = []
    for claimed, is_parked in await view.jobs.about(ids):
        job = claimed.job
        told: dict[str, Fact] = {"job": job.name, "run_at": job.run_at, "tries": claimed.attempt}
        links.append(Link(None, "job.parked" if is_parked else "job.waiting", told))
    return links


async def _notices(
    view: View, checkouts: Iterable[Checkout], charges: Iterable[Charge]
) -> list[InboxItem]:
    payments: dict[tuple[GatewayName, PaymentId], None] = {}
    for checkout in checkouts:
        if checkout.payment_id is not None:
            payments[checkout.gateway, checkout.payment_id] = None
    for charge in charges:
        payments[charge.key.gateway, charge.payment_id] = None
    return [it for payment in payments for it in await view.inbox.of_payment(*payment)]


async def _fee(view: View, charge: Charge) -> Entry | None:
    return await view.ledger.find(EntryId(f"fee charge {' '.join(charge.key)}"))


def _is_about(case: Case, ids: Collection[str]) -> bool:
    """The cause is an id after its kind, or an entry's; a case of a payment names it in its facts."""
    return case.cause in ids or not set(ids).isdisjoint(case.facts.values())


async def _open_cases(view: View) -> AsyncIterator[Case]:
    last = None
    while page := await view.open_cases(limit=PAGE, after=last):
        for last in page:
            yield last


async def _deeds(view: View, subjects: Iterable[str]) -> AsyncIterator[AuditLine]:
    for subject in sorted(subjects):
        number = 0
        while page := await view.audit_trail(limit=PAGE, after=number, subject=subject):
            for _, line, _ in page:
                yield line
            number = page[-1][0]


async def _causes(view: View, cause: str, purchase_id: str | None) -> list[Link]:
    """What the id of an entry says it came of; `cause` is that id without its first words."""
    kind, _, rest = cause.partition(" ")
    subject, _, more = rest.partition(" ")
    links: list[Link] = []
    purchase = await view.purchases.find(PurchaseId(purchase_id or subject))
    if purchase is not None:
        links.append(_agreed(purchase))
    match kind:
        case "charge":
            charge = await view.charges.find(ChargeKey(GatewayName(subject), more))
            links += [] if charge is None else [_charge(charge)]
        case "refund" if purchase is not None:
            refunds = await view.refunds.of_purchase(purchase.id)
            links += [_refund(one) for one in refunds if one.id == subject]
        case "reward":
            reward = await view.rewards.find(PurchaseId(subject))
            links += [] if reward is None else [_reward(reward)]
        case "escrow":
            links += await _part(view, EscrowId(subject), more.partition(" ")[0])
        case "withdrawal" | "before":  # What was repaid before a withdrawal, or a purchase.
            links += await _withdrawal(view, WithdrawalId(subject))
        case _:
            pass
    return links


async def _part(view: View, escrow_id: EscrowId, name: str) -> list[Link]:
    try:
        escrow = await view.escrows.get(escrow_id)
    except EscrowNotFound:
        return []
    facts: dict[str, Fact] = {
        "escrow_id": escrow.id,
        "payer_id": escrow.payer_id,
        "payee_id": escrow.payee_id,
        "part": name,
    }
    for which, part in escrow.parts.items():
        if which == name:
            facts |= {"amount": part.amount, "status": part.status.value}
    links = [Link(escrow.opened_at, "escrow", facts)]
    events = await view.history(escrow_id)
    links += [_event(one) for one in events if one.facts.get("part") == name]
    return links


async def _withdrawal(view: View, withdrawal_id: WithdrawalId) -> list[Link]:
    try:
        withdrawal = await view.withdrawals.get(withdrawal_id)
    except WithdrawalNotFound:
        return []
    facts: dict[str, Fact] = {
        "withdrawal_id": withdrawal.id,
        "amount": withdrawal.amount,
        "gateway": withdrawal.gateway,
        "status": withdrawal.status.value,
        "payout_id": withdrawal.payout_id,
    }
    return [Link(withdrawal.requested_at, "withdrawal", facts)]
