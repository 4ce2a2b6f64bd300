"""What follows from which event: one table."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from core.domain.customer import CustomerId
from core.domain.event import Event, Job
from core.ports.notifier import NewsKind

SETTLE_PAYMENT: Final = "settle_payment"
WATCH_CHECKOUT: Final = "watch_checkout"
EXPIRE_PURCHASE: Final = "expire_purchase"
EXPIRE_HOLD: Final = "expire_hold"
RELEASE_ESCROW: Final = "release_escrow"
TEND_SUBSCRIPTION: Final = "end_period"  # So named since the first jobs.
CHARGE_RENEWAL: Final = "charge_renewal"
MATCH_RENEWAL: Final = "match_renewal"
HEAR_RENEWAL: Final = "hear_renewal"
TELL_CUSTOMER: Final = "tell_customer"
PAY_WAITING: Final = "pay_waiting"
BOOK_REFUNDS: Final = "book_refunds"
WATCH_REFUND: Final = "watch_refund"
SEND_WITHDRAWAL: Final = "send_withdrawal"
ASK_PAYOUT: Final = "ask_payout"
CLEAN_METHOD: Final = "clean_method"
RECONCILE: Final = "reconcile"
TEND_REWARD: Final = "tend_reward"
MAKE_ACCESS: Final = "make_access"
REMIND: Final = "remind"
ERASE_CUSTOMER: Final = "erase_customer"
SEND_BROADCAST: Final = "send_broadcast"


def _ask_by(job: str, name: str = "payment_id") -> Callable[[Event], Job]:
    """The gateway is asked about what a stored notice is about."""

    def ask(event: Event) -> Job:
        asked = {"gateway": str(event.facts["gateway"]), name: str(event.facts["about"])}
        return Job(job, {**asked, "inbox_id": event.subject}, event.at, dedupe=event.subject)

    return ask


def _ask_for_all_refunds(event: Event) -> Job:
    payload = {name: str(event.facts[name]) for name in ("gateway", "payment_id")}
    return Job(BOOK_REFUNDS, payload, event.at, dedupe=f"{event.name} {event.subject}")


def _send_it(event: Event) -> Job:
    payload = {"withdrawal_id": event.subject}
    return Job(SEND_WITHDRAWAL, payload, event.at, dedupe=event.subject)


def _pay_what_waits(event: Event) -> Job:
    payload = {"customer_id": event.subject, "cause": str(event.facts["cause"])}
    return Job(PAY_WAITING, payload, event.at, dedupe=f"{event.subject} {event.facts['cause']}")


def _charge_the_renewal(event: Event) -> Job:
    payload = {
        "customer_id": str(event.customer_id),
        "purchase_id": event.subject,
        "method_id": str(event.facts["method_id"]),
        "try": str(event.facts["try"]),
    }
    return Job(CHARGE_RENEWAL, payload, event.at, dedupe=f"{event.subject} {event.facts['try']}")


def _erase_the_customer(event: Event) -> Job:
    stops = {name: str(event.facts[name]) for name in ("gateway", "charge_id") if event.facts}
    payload = {"customer_id": event.subject, **stops}
    return Job(ERASE_CUSTOMER, payload, event.at, dedupe=event.subject)


def _tend_the_reward(event: Event) -> Job:
    payload = {"purchase_id": event.subject}
    return Job(TEND_REWARD, payload, event.at, dedupe=event.subject)


def _tell_of_the_reward(kind: NewsKind) -> Callable[[Event], Job]:
    return lambda event: _tell(event, kind, event.subject, reward_of=event.subject)


def _match_the_renewal(event: Event) -> Job:
    payload = {
        "customer_id": str(event.customer_id),
        "gateway": str(event.facts["gateway"]),
        "charge_id": event.subject,
    }
    return Job(MATCH_RENEWAL, payload, event.at, dedupe=event.subject)


def _hear_of_the_renewal(event: Event) -> Job:
    payload = {name: str(event.facts[name]) for name in ("gateway", "payment_id", "goes_on")}
    return Job(HEAR_RENEWAL, payload, event.at, dedupe=event.subject)


def _tell_of_the_renewal(event: Event) -> Job:
    about = f"{event.subject} {event.facts['try']}"
    return _tell(event, NewsKind.NOT_RENEWED, about, purchase_id=event.subject)


def _tell_of_the_purchase(kind: NewsKind) -> Callable[[Event], Job]:
    return lambda event: _tell(event, kind, str(event.subject), purchase_id=event.subject)


def _tell_of_the_refusal(event: Event) -> Job:
    about = f"{event.facts['gateway']} {event.facts['payment_id']}"
    return _tell(event, NewsKind.REFUSED, about, purchase_id=event.subject)


def _tell_of_the_money(event: Event) -> Job:
    kind, entry_id = NewsKind(str(event.facts["why"])), str(event.facts["entry_id"])
    return _tell(event, kind, entry_id, purchase_id=event.subject, entry_id=entry_id)


def _tell_of_the_refund(event: Event) -> Job:
    entry_id = str(event.facts["entry_id"])
    return _tell(event, NewsKind.REFUNDED, entry_id, purchase_id=event.subject, entry_id=entry_id)


def _tell_of_the_end(event: Event) -> Job:
    plan = str(event.facts["plan"])
    return _tell(event, NewsKind.ENDED, f"{event.subject} {event.facts['period_end']}", plan=plan)


def _tell_of_the_gift(event: Event) -> Job:
    told = {name: str(event.facts[name]) for name in ("plan", "days")}
    return _tell(event, NewsKind.GIVEN, event.subject, **told)


def _remind_bought(event: Event) -> Job | None:
    return _remind(event) if "plan" in event.facts else None


def _remind(event: Event) -> Job:
    """What is paid for, or tried, has another end now."""
    payload = {"customer_id": str(event.customer_id)}
    return Job(REMIND, payload, event.at, dedupe=event.customer_id)


def _tell_what_is_due(event: Event) -> Job:
    told = {name: str(event.facts[name]) for name in ("plan", "until")}
    about = f"{event.subject} {told['until']} {event.facts['days']}"
    return _tell(event, NewsKind(str(event.facts["kind"])), about, **told)


def _tell_of_the_price(event: Event) -> Job:
    plan = str(event.facts["plan"])
    about = f"{event.subject} {plan} {event.at.isoformat()}"
    return _tell(event, NewsKind.PRICE_CHANGES, about, plan=plan)


def _tell_of_the_quota(kind: NewsKind) -> Callable[[Event], Job]:
    def tell(event: Event) -> Job:
        feature, until = str(event.facts["feature"]), str(event.facts["resets_at"])
        about = f"{event.subject} {feature} {event.facts['window_start']}"
        return _tell(event, kind, about, feature=feature, until=until)

    return tell


def _tell_that_it_renews_no_more(event: Event) -> Job:
    plan = str(event.facts["plan"])
    return _tell(event, NewsKind.RENEWS_NO_MORE, f"{plan} {event.at.isoformat()}", plan=plan)


def access_of(customer_id: CustomerId) -> str:
    """One job at a time waits to make somebody's access, whatever made it necessary."""
    return f"access {customer_id}"


def _make_access_bought(event: Event) -> Job | None:
    return _make_access(event) if "access" in event.facts else None


def _make_access(event: Event) -> Job:
    customer_id = CustomerId(str(event.customer_id))
    payload = {"customer_id": customer_id}
    return Job(MAKE_ACCESS, payload, event.at, dedupe=access_of(customer_id))


def _tell_of_the_access(kind: NewsKind) -> Callable[[Event], Job]:
    return lambda event: _tell(event, kind, f"{event.subject} {event.at.isoformat()}")


def _tell_of_the_part(kind: NewsKind) -> Callable[[Event], Job]:
    def tell(event: Event) -> Job:
        part, to = str(event.facts["part"]), event
        if kind is not NewsKind.ESCROW_REFUNDED:  # Which the payee did, or a person.
            to = replace(event, customer_id=CustomerId(str(event.facts["payee_id"])))
        return _tell(to, kind, f"{event.subject} {part}", escrow_id=event.subject, part=part)

    return tell


def _tell_of_the_withdrawal(kind: NewsKind) -> Callable[[Event], Job]:
    return lambda event: _tell(event, kind, event.subject, withdrawal_id=event.subject)


def _tell(event: Event, kind: NewsKind, about: str, **ids: str) -> Job:
    """`about` makes it this news and no other, whenever it is told."""
    news_id = f"{kind} {about}"
    payload = {"news_id": news_id, "kind": kind.value, "customer_id": str(event.customer_id)}
    return Job(TELL_CUSTOMER, {**payload, **ids}, event.at, dedupe=news_id)


_FOLLOWS: Final[dict[str, tuple[Callable[[Event], Job | None], ...]]] = {
    "notice.taken": (_ask_by(SETTLE_PAYMENT),),
    "customer.leaving": (_erase_the_customer,),
    "refund_notice.taken": (_ask_by(BOOK_REFUNDS),),
    "refund.failed": (_ask_for_all_refunds,),
    "refund.another": (_ask_for_all_refunds,),
    "payout_notice.taken": (_ask_by(ASK_PAYOUT, "payout_id"),),
    "withdrawal.requested": (_send_it,),
    "purchase.paid": (_tell_of_the_purchase(NewsKind.PAID), _make_access_bought, _remind_bought),
    "purchase.expired": (_tell_of_the_purchase(NewsKind.EXPIRED),),
    "wallet.credited": (_pay_what_waits,),
    "payment.refused": (_tell_of_the_refusal,),
    "payment.left_in_wallet": (_tell_of_the_money,),
    "purchase.refunded": (_tell_of_the_refund, _tend_the_reward),
    "referral.paid": (_tend_the_reward,),
    "referral.gave_way": (_tend_the_reward,),
    "reward.booked": (_tell_of_the_reward(NewsKind.REWARD_BOOKED),),
    "reward.earned": (_tell_of_the_reward(NewsKind.REWARD_EARNED),),
    "subscription.ended": (_tell_of_the_end, _make_access),
    "subscription.trial_started": (_make_access, _remind),
    "subscription.given": (_make_access, _remind),
    "gift.made": (_tell_of_the_gift,),
    "subscription.shortened": (_make_access, _remind),
    "subscription.renewal_changed": (_make_access,),
    "subscription.canceled": (_make_access,),
    "subscription.resumed": (_make_access,),
    "renewal.price_told": (_tell_of_the_price,),
    "reminder.due": (_tell_what_is_due,),
    "quota.low": (_tell_of_the_quota(NewsKind.QUOTA_LOW),),
    "quota.used_up": (_tell_of_the_quota(NewsKind.QUOTA_USED_UP),),
    "renewal.waits": (_make_access,),
    "renewal.due": (_charge_the_renewal,),
    "gateway_renewal.moved": (_match_the_renewal,),
    "gateway_renewal.told": (_hear_of_the_renewal,),
    "renewal.failed": (_tell_of_the_renewal,),
    "renewal.stopped": (_tell_that_it_renews_no_more, _make_access),
    "access.asked_again": (_make_access,),
    "access.overtaken": (_make_access,),
    "access.delayed": (_tell_of_the_access(NewsKind.ACCESS_DELAYED),),
    "access.given": (_tell_of_the_access(NewsKind.ACCESS_GIVEN),),
    "escrow.funded": (_tell_of_the_part(NewsKind.ESCROW_FUNDED),),
    "escrow.disputed": (_tell_of_the_part(NewsKind.ESCROW_DISPUTED),),
    "escrow.released": (_tell_of_the_part(NewsKind.ESCROW_RELEASED),),
    "escrow.refunded": (_tell_of_the_part(NewsKind.ESCROW_REFUNDED),),
    "withdrawal.done": (_tell_of_the_withdrawal(NewsKind.WITHDRAWAL_DONE),),
    "withdrawal.failed": (_tell_of_the_withdrawal(NewsKind.WITHDRAWAL_FAILED),),
    "withdrawal.returned": (_tell_of_the_withdrawal(NewsKind.WITHDRAWAL_RETURNED),),
}


def consequences(event: Event) -> Sequence[Job]:
    """The jobs that the unit recording this event enqueues with it."""
    followed = (follow(event) for follow in _FOLLOWS.get(event.name, ()))
    return [job for job in followed if job is not None]
