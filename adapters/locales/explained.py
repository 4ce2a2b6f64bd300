"""A link of a chain of causes in a sentence, in plain English; facts are as the books have them."""

from datetime import datetime
from string import Formatter
from typing import Final

from core.domain.ledger import Line, Posting
from core.use_cases.explaining import Link

INDENT: Final = 23
"""As wide as a time at the command line, and a little."""

_SENTENCES: Final[dict[str, tuple[str, ...]]] = {
    "customer": (
        "{customer_id} came",
        ", known as {identities}",
        "; not served since {blocked_at}",
    ),
    "customer.registered": ("the customer was registered, with a subscription",),
    "customer.blocked": ("the customer is served no longer: {reason}",),
    "customer.leaving": ("the customer asked to be erased",),
    "customer.erased": ("the customer was erased: nothing of the person is left",),
    "customer.reachable": ("the customer takes messages of the bot again",),
    "customer.unreachable": ("the customer stopped the bot, or it cannot write to them",),
    "customer.unblocked": ("the customer is served again: {reason}",),
    "purchase.by": ("it is bought by {customer_id}", ", known as {identities}"),
    "purchase.agreed": (
        "purchase {purchase_id} was agreed on: {item}",
        " {plan} version {number}",
        " {pack}, {units} of {feature}",
        " {escrow_id}, its {part}",
        ", for {amount}",
        ", down from {full} by the promo code {promo_code}",
        ", to be paid from the {paid_from}",
        " (now {status})",
    ),
    "purchase.started": ("the purchase was started",),
    "purchase.paid": (
        "it was paid with {amount}",
        "; that gave the plan {plan} until {period_end}",
        "; that gave {units} of {feature}",
        "; that proved the payment method {method_id}",
        "; that funded the {part} of {escrow_id}",
    ),
    "purchase.canceled": ("it was canceled",),
    "purchase.expired": ("it expired: nothing had been paid when its time was over",),
    "purchase.refunded": ("{amount} of it went back, by entry '{entry_id}'",),
    "purchase.present": (
        "the purchase is {status}",
        ", paid or ended at {ended_at}",
        ", and waits until {expires_at}",
        "; {refunded} of it was given back",
        "; told to the customer: {remark}, {received} came",
    ),
    "subscription.trial_started": ("the trial began",),
    "units.given": ("{units} of {feature} were given: {left} of packs are there now",),
    "units.taken_back": ("{units} of {feature} were taken back; {used} had been used",),
    "promo_code.redeemed": ("the promo code {code} was used",),
    "subscription.given": ("{days} days of {plan} were given: until {period_end}",),
    "subscription.shortened": (
        "the time that {purchase_id} had added was taken back",
        "; what is left ends at {period_end}",
    ),
    "subscription.ended": ("the plan {plan} ended at {period_end}",),
    "subscription.past_due": ("the period ended and is not renewed yet: it is being tried",),
    "subscription.renewal_changed": ("what it renews from was changed", ": now {source}"),
    "subscription.canceled": ("renewal was canceled",),
    "subscription.resumed": ("renewal was resumed",),
    "access.delayed": ("access outside could not be given yet; it is tried again",),
    "access.given": ("access outside was given, and the customer was told where it is",),
    "access.made": ("access outside is as the plan gives it",),
    "access.overtaken": ("access outside was made, and what it should be had changed meanwhile",),
    "access.asked_again": ("an operator had access outside made again",),
    "renewal.due": ("it was to renew a subscription: {method_id} was charged",),
    "renewal.tried": ("its renewal was taken from the wallet, or its method charged",),
    "renewal.failed": ("the renewal could not be paid, tried at {try}",),
    "renewal.stopped": ("{plan} renews by itself no more",),
    "payment.refused": ("the payment {payment_id} was refused at {gateway}",),
    "payment.left_in_wallet": (
        "{amount} came and did not pay it ({why}): it stays in the wallet, entry '{entry_id}'",
    ),
    "checkout": (
        "checkout {checkout_id} was asked for at {gateway}, for {amount}",
        ", charging the saved method {method_id}",
        "; it is {status}",
        ", payment {payment_id}",
        "; looked at again at {looks_at}",
    ),
    "notice": (
        "notice {inbox_id} came from {gateway}: {event}",
        "; {copies} in all",
        "; it is {status}",
        ", with the result {result}",
    ),
    "charge.settled": (
        "{gateway} took {amount} (charge {charge_id}), which paid the purchase",
        "; its fee is {fee}",
        "; {returning} of it went back or is on its way",
    ),
    "charge.left": (
        "{gateway} took {amount} (charge {charge_id}), which stayed in the wallet",
        "; its fee is {fee}",
        "; {returning} of it went back or is on its way",
    ),
    "charge.suspense": (
        "{gateway} took {amount} (charge {charge_id}), which is nobody's yet",
        "; its fee is {fee}",
    ),
    "entry": ("entry '{entry_id}' was posted ({purpose}):{postings}",),
    "entry.of": ("its money is of {customer_id}", ", known as {identities}"),
    "refund": (
        "refund {refund_id} of {amount} was asked for at {gateway}; it is {status}",
        " since {ended_at}",
        "; asked again at {looks_at}",
    ),
    "chargeback": (
        "the payer's bank took {amount} back at {gateway} ({refund_id}); it is {status}",
    ),
    "referral": ("was brought by {referrer_id}, by the {door}; that is {status}",),
    "referral.figures": (
        "brought {came} customers, {paying} of them paying",
        "; earned {earned}",
        "; {waiting} still wait",
    ),
    "referral.registered": ("came by the code of {referrer_id}",),
    "referral.activated": ("tried or paid for the first time; {referrer_id} had brought them",),
    "referral.earning": ("earned {referrer_id} a reward for the first time",),
    "referral.paid": (
        "somebody brought the buyer: whether that earns a reward is decided by a job",
    ),
    "reward": (
        "the reward for it is {status}: {amount} of {base} for {referrer_id}",
        ", whose paying referral number {count} the buyer is",
        "; why none: {why}",
        "; {taken_back} was taken back",
        "; it waits until {ripe_at}",
    ),
    "reward.booked": ("a reward of {amount} was set aside for the referrer",),
    "reward.refused": ("no reward: {why}",),
    "reward.earned": ("the reward is the referrer's, by entry '{entry_id}'",),
    "reward.taken_back": ("{amount} of the reward was taken back, by entry '{entry_id}'",),
    "reward.none.not_paid": ("no reward: it is not paid",),
    "reward.none.nobody_brought": ("no reward: nobody brought the buyer",),
    "reward.none.from_wallet": ("no reward: it was paid from the wallet, so no money came in",),
    "reward.none.paid_before": ("no reward: it was paid before somebody brought the buyer",),
    "reward.none.not_decided": (
        "no reward: a job is to decide on it yet, or the programme does not reward such a purchase",
    ),
    "case": ("a case waits for a person: {kind}, '{cause}'",),
    "deed": ("{actor} did {action} to {subject}: {reason}",),
    "subscription.by_default": ("on the plan {plan} version {number}: nothing else is paid for",),
    "subscription.by_trial": ("on the plan {plan} version {number} until {end}: it is the trial",),
    "subscription.by_gift": ("on the plan {plan} version {number} until {end}: it was given",),
    "subscription.by_purchase": (
        "on the plan {plan} version {number}, {status} until {end}",
        ", by {purchase_id}",
        "; access outside: {activation}",
    ),
    "renewal.present": (
        "it renews by itself from {source}",
        "; tried next at {next_at}",
        "; access lasts until {grace_until} meanwhile",
        "; being renewed by {purchase_id}",
    ),
    "renewal.canceled": ("it does not renew by itself: that was canceled",),
    "renewal.none": ("it does not renew by itself: that was not asked for",),
    "balance": ("{account} holds {amount}; its last lines:{lines}",),
    "owed": ("owes {amount} ({account}); its last lines:{lines}",),
    "wallet.credited": ("{amount} came into the wallet to stay, by '{cause}'",),
    "job.waiting": ("job {job} waits for {run_at}", "; tried {tries} times"),
    "job.parked": ("job {job} was given up after {tries} tries",),
    "escrow": (
        "escrow {escrow_id} was opened by {payer_id} for {payee_id}",
        "; its {part} of {amount} is {status}",
    ),
    "escrow.funded": ("the {part} was funded", " by {purchase_id}"),
    "escrow.released": ("the {part} was released to the payee",),
    "escrow.refunded": ("the {part} went back to the payer",),
    "escrow.disputed": ("the {part} was disputed",),
    "withdrawal": (
        "withdrawal {withdrawal_id} of {amount} by {gateway} was asked for; it is {status}",
        ", payout {payout_id}",
    ),
}
"""By `Link.what`: pieces of one sentence. A piece that asks for a fact that is not there is left out."""


def sentence(link: Link, *, indent: int = INDENT) -> str:
    """
    What has no sentence of its own is told by its name and its facts. Postings stand on lines of
    their own, so far from the margin.
    """
    told = {
        name: _text(fact, indent) for name, fact in link.facts.items() if fact not in (None, ())
    }
    pieces = _SENTENCES.get(link.what)
    if pieces is None:
        return " ".join([link.what, *(f"{name}={text}" for name, text in told.items())])
    asked = ({name for _, name, _, _ in Formatter().parse(it) if name} for it in pieces)
    return "".join(
        piece.format_map(told)
        for piece, names in zip(pieces, asked, strict=True)
        if names <= told.keys()
    )


def _text(fact: object, indent: int) -> str:
    match fact:
        case datetime():
            return f"{moment_text(fact)} UTC"
        case Posting():
            return f"\n{' ' * indent}{fact.account} {_signed(fact)}"
        case Line():
            posted = f"{moment_text(fact.at)}  {_signed(fact.posting)}, then {fact.balance_after}"
            return f"\n{' ' * indent}{posted}  '{fact.entry_id}'"
        case (Posting() | Line(), *_):
            return "".join(_text(one, indent) for one in fact)
        case tuple():
            return ", ".join(_text(one, indent) for one in fact)
        case _:
            return str(fact)


def _signed(posting: Posting) -> str:
    return f"{'+' if posting.amount.is_positive else ''}{posting.amount}"


def moment_text(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
