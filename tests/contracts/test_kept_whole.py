"""Every aggregate comes back as it was given: fresh, with every field set, and after a save."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from core.domain.access import Access, AccessState
from core.domain.audit import FIRST_SEAL, AuditLine
from core.domain.checkout import CheckoutStatus
from core.domain.credentials import ApiKey, Scope, SessionEnd
from core.domain.customer import Identity, IdentityKind
from core.domain.escrow import Part, PartStatus
from core.domain.item import (
    Deposit,
    EscrowId,
    EscrowPart,
    EscrowShare,
    PackItem,
    PaymentMethodId,
    Verification,
)
from core.domain.money import Money
from core.domain.payment import InboxStatus, NoticeKind, PayoutId
from core.domain.payment_method import MethodStatus
from core.domain.plan import PlanCode
from core.domain.purchase import Meeting, PurchaseStatus, Remark
from core.domain.referral_program import NoReward, ReferralStatus, RewardStatus
from core.domain.refund import RefundStatus
from core.domain.renewal import Renewal
from core.domain.subscription import Activation, SubscriptionStatus
from core.domain.usage_quota import HoldStatus
from core.domain.withdrawal import WithdrawalStatus
from core.ports.unit_of_work import Store, UnitOfWork
from tests.builders import (
    NOON,
    a_catalog,
    a_checkout,
    a_claim,
    a_customer,
    a_free_subscription,
    a_hold,
    a_live_session,
    a_notice,
    a_pack,
    a_pending_purchase,
    a_purchase,
    a_reminder,
    a_session,
    a_subscription,
    an_api_key,
    an_asked_checkout,
    an_event,
    an_inbox_item,
    an_open_hold,
    rub,
)
from tests.contracts.units import seen, written
from tests.escrows import a_fresh_escrow, an_escrow
from tests.money_builders import (
    a_charge,
    a_delivery,
    a_fresh_delivery,
    a_method,
    a_referral,
    a_refund,
    a_requested_withdrawal,
    a_reward,
    a_withdrawal,
    an_asked_refund,
    an_unproven_method,
    no_reward,
)

CUSTOMER = a_customer(id="cus_carol001", identities=(Identity(IdentityKind.TELEGRAM, "1003"),))
OPTIONAL = ("receipt_contact", "unreachable_since", "blocked_at", "name", "username")
SUBSCRIPTION = a_subscription(id="sub_carol001", customer_id=CUSTOMER.id)
PAYOUT_NOTICE = a_notice(
    kind=NoticeKind.PAYOUT, payment_id=None, payout_id=PayoutId("po-1"), claims_paid=False
)
SHARE = EscrowShare(EscrowId("esc_1"), EscrowPart.REMAINDER)
BARE_NOTICE = a_notice(kind=NoticeKind.OTHER, payment_id=None, claims_paid=False)


@dataclass(frozen=True)
class Kept:
    """How one kind of thing goes in and comes out, and three shapes of the same thing."""

    fresh: Any
    full: Any
    other: Any
    add: Callable[[UnitOfWork, Any], Awaitable[Any]]
    save: Callable[[UnitOfWork, Any], Awaitable[None]]
    load: Callable[[Any, Any], Awaitable[Any]]
    counts_versions: bool = True
    in_views: bool = True


def of_a_purchase(**states: Any) -> Kept:
    return Kept(
        add=lambda uow, it: uow.purchases.add(it),
        save=lambda uow, it: uow.purchases.save(it),
        load=lambda reader, it: reader.purchases.get(it.id),
        **states,
    )


KINDS = {
    "customer": Kept(
        fresh=replace(CUSTOMER, **dict.fromkeys(OPTIONAL)),
        full=CUSTOMER,
        other=replace(
            CUSTOMER,
            identities=(Identity(IdentityKind.EXTERNAL, "carol"), *CUSTOMER.identities),
            language="en",
            zone="Asia/Vladivostok",
            receipt_contact="79005556677",
            name="Carol",
            username=None,
        ),
        add=lambda uow, it: uow.customers.add(it),
        save=lambda uow, it: uow.customers.save(it),
        load=lambda reader, it: reader.customers.get(it.id),
    ),
    "purchase": Kept(
        fresh=a_pending_purchase(),
        full=a_purchase(),
        other=a_purchase(
            ended_at=NOON + timedelta(days=2),
            remark=Remark(Meeting.MISMATCH, Money.of(10**15, "USDT")),
        ),
        add=lambda uow, it: uow.purchases.add(it),
        save=lambda uow, it: uow.purchases.save(it),
        load=lambda reader, it: reader.purchases.get(it.id),
    ),
    "purchase of a deposit": of_a_purchase(
        fresh=a_pending_purchase(item=Deposit()),
        full=a_purchase(item=Deposit()),
        other=a_purchase(item=Deposit(), status=PurchaseStatus.REFUNDED, refunded=rub(299)),
    ),
    "purchase of a pack": of_a_purchase(
        fresh=a_pending_purchase(item=PackItem(a_pack())),
        full=a_purchase(item=PackItem(a_pack())),
        other=a_purchase(item=PackItem(a_pack(gateways=(), receipt=None)), refunded=rub(1)),
    ),
    "purchase of a check": of_a_purchase(
        fresh=a_pending_purchase(item=Verification(PaymentMethodId("pm_1"))),
        full=a_purchase(item=Verification(PaymentMethodId("pm_1"))),
        other=a_purchase(item=Verification(PaymentMethodId("pm_1")), refunded=rub(1)),
    ),
    "purchase of a part of an escrow": of_a_purchase(
        fresh=a_pending_purchase(item=SHARE),
        full=a_purchase(item=SHARE),
        other=a_purchase(item=SHARE, refunded=rub(1)),
    ),
    "charge": Kept(
        fresh=a_charge(fee=None, returning=None, details={}),
        full=a_charge(),
        other=a_charge(fee=rub(0), returning=rub(299), details={"asset": "USDT"}),
        add=lambda uow, it: uow.charges.add(it),
        save=lambda uow, it: uow.charges.save(it),
        load=lambda reader, it: reader.charges.find(it.key),
    ),
    "charge of nobody": Kept(
        fresh=a_charge(customer_id=None, purchase_id=None, settled=False, returning=None),
        full=a_charge(customer_id=None, purchase_id=None, settled=False),
        other=a_charge(customer_id=None, purchase_id=None, settled=False, returning=rub(299)),
        add=lambda uow, it: uow.charges.add(it),
        save=lambda uow, it: uow.charges.save(it),
        load=lambda reader, it: reader.charges.find(it.key),
    ),
    "payment method": Kept(
        fresh=an_unproven_method(),
        full=a_method(),
        other=a_method(status=MethodStatus.REMOVED, token=None, ended_at=NOON),
        add=lambda uow, it: uow.methods.add(it),
        save=lambda uow, it: uow.methods.save(it),
        load=lambda reader, it: reader.methods.get(it.id),
    ),
    "withdrawal": Kept(
        fresh=a_requested_withdrawal(),
        full=a_withdrawal(),
        other=a_withdrawal(status=WithdrawalStatus.DONE, reason=None, looked=9),
        add=lambda uow, it: uow.withdrawals.add(it),
        save=lambda uow, it: uow.withdrawals.save(it),
        load=lambda reader, it: reader.withdrawals.get(it.id),
    ),
    "refund": Kept(
        fresh=an_asked_refund(),
        full=a_refund(),
        other=a_refund(status=RefundStatus.FAILED, is_chargeback=False, looked=9),
        add=lambda uow, it: uow.refunds.add(it),
        save=lambda uow, it: uow.refunds.save(it),
        load=lambda reader, it: reader.refunds.get(it.id),
    ),
    "escrow": Kept(
        fresh=a_fresh_escrow(),
        full=an_escrow(),
        other=an_escrow(
            down_payment=Part(rub(300), PartStatus.RELEASED, ended_at=NOON + timedelta(days=2)),
            remainder=Part(rub(700), PartStatus.FUNDED, releasing_at=NOON + timedelta(days=9)),
        ),
        add=lambda uow, it: uow.escrows.add(it),
        save=lambda uow, it: uow.escrows.save(it),
        load=lambda reader, it: reader.escrows.get(it.id),
    ),
    "escrow without a remainder": Kept(
        fresh=a_fresh_escrow(remainder=None, buffer=timedelta(0), fee_basis_points=0),
        full=an_escrow(remainder=None),
        other=an_escrow(remainder=None, down_payment=Part(rub(300), PartStatus.DISPUTED)),
        add=lambda uow, it: uow.escrows.add(it),
        save=lambda uow, it: uow.escrows.save(it),
        load=lambda reader, it: reader.escrows.get(it.id),
    ),
    "inbox item of a payout": Kept(
        fresh=an_inbox_item(notice=PAYOUT_NOTICE, handled_at=None, result=None),
        full=an_inbox_item(notice=PAYOUT_NOTICE),
        other=an_inbox_item(notice=PAYOUT_NOTICE, copies=12),
        add=lambda uow, it: uow.inbox.take(it),
        save=lambda uow, it: uow.inbox.save(it),
        load=lambda reader, it: reader.inbox.find(it.id),
    ),
    "referral": Kept(
        fresh=a_referral(),
        full=a_referral(status=ReferralStatus.ACTIVATED),
        other=a_referral(status=ReferralStatus.EARNING),
        add=lambda uow, it: uow.referrals.add(it),
        save=lambda uow, it: uow.referrals.save(it),
        load=lambda reader, it: reader.referrals.find(it.customer_id),
    ),
    "reward": Kept(
        fresh=a_reward(taken_back=rub(0), status=RewardStatus.WAITING),
        full=a_reward(),
        other=a_reward(ripe_at=NOON, taken_back=rub(7), status=RewardStatus.TAKEN_BACK),
        add=lambda uow, it: uow.rewards.add(it),
        save=lambda uow, it: uow.rewards.save(it),
        load=lambda reader, it: reader.rewards.find(it.purchase_id),
    ),
    "reward of nothing": Kept(
        fresh=no_reward(),
        full=no_reward(why=NoReward.DAY_IS_FULL, in_cash=False),
        other=no_reward(count=9),
        add=lambda uow, it: uow.rewards.add(it),
        save=lambda uow, it: uow.rewards.save(it),
        load=lambda reader, it: reader.rewards.find(it.purchase_id),
    ),
    "checkout": Kept(
        fresh=an_asked_checkout(),
        full=a_checkout(),
        other=a_checkout(
            status=CheckoutStatus.LAPSED,
            looked=9,
            due_at=None,
            saves_method=False,
            method_id=PaymentMethodId("pm_00000001"),
        ),
        add=lambda uow, it: uow.checkouts.add(it),
        save=lambda uow, it: uow.checkouts.save(it),
        load=lambda reader, it: reader.checkouts.get(it.id),
    ),
    "subscription": Kept(
        fresh=a_free_subscription(CUSTOMER.id),
        full=SUBSCRIPTION,
        other=replace(
            SUBSCRIPTION,
            status=SubscriptionStatus.PAST_DUE,
            renewal=Renewal("wallet", None, NOON),
            activation=Activation.FAILED,
            period=replace(
                SUBSCRIPTION.period,
                count=3,
                paid=Money.of(897, "XTR"),
                of_bonus=Money.of(7, "XTR"),
            ),
        ),
        add=lambda uow, it: uow.subscriptions.add(it),
        save=lambda uow, it: uow.subscriptions.save(it),
        load=lambda reader, it: reader.subscriptions.get(it.customer_id),
    ),
    "access": Kept(
        fresh=AccessState(CUSTOMER.id).begun(NOON),
        full=AccessState(
            CUSTOMER.id,
            Access(("vpn", "fast"), NOON + timedelta(days=30)),
            "https://panel.example.com/sub/carol",
            NOON,
            3,
            NOON + timedelta(minutes=1),
        ),
        other=AccessState(CUSTOMER.id, Access(("vpn",), NOON)),
        add=lambda uow, it: uow.access.add(it),
        save=lambda uow, it: uow.access.save(it),
        load=lambda reader, it: reader.access.find(it.customer_id),
    ),
    "reminder": Kept(
        fresh=a_reminder(next_at=None, notice=None),
        full=a_reminder(),
        other=a_reminder(plan=PlanCode("PRO_YEARLY"), ends_at=NOON, passed=NOON),
        add=lambda uow, it: uow.reminders.add(it),
        save=lambda uow, it: uow.reminders.save(it),
        load=lambda reader, it: reader.reminders.find(it.customer_id),
    ),
    "hold": Kept(
        fresh=an_open_hold(id=a_hold().id),
        full=a_hold(),
        other=a_hold(status=HoldStatus.EXPIRED, captured=0, ended_at=a_hold().expires_at),
        add=lambda uow, it: uow.holds.add([it]),
        save=lambda uow, it: uow.holds.save(it),
        load=lambda reader, it: reader.holds.get(it.id),
    ),
    "claim": Kept(
        fresh=a_claim(answer=None),
        full=a_claim(),
        other=a_claim(answer="{}", leased_until=NOON + timedelta(minutes=1)),
        add=lambda uow, it: uow.claims.take(it),
        save=lambda uow, it: uow.claims.save(it),
        load=lambda uow, it: uow.claims.find(it.cause),
        in_views=False,
    ),
    "inbox item": Kept(
        fresh=an_inbox_item(status=InboxStatus.STORED, handled_at=None, result=None),
        full=an_inbox_item(),
        other=an_inbox_item(copies=4, attempts=7, status=InboxStatus.FAILED, result="unreadable"),
        add=lambda uow, it: uow.inbox.take(it),
        save=lambda uow, it: uow.inbox.save(it),
        load=lambda reader, it: reader.inbox.find(it.id),
    ),
    "inbox item that names no payment": Kept(
        fresh=an_inbox_item(notice=BARE_NOTICE, handled_at=None, result=None),
        full=an_inbox_item(notice=BARE_NOTICE),
        other=an_inbox_item(notice=BARE_NOTICE, copies=12),
        add=lambda uow, it: uow.inbox.take(it),
        save=lambda uow, it: uow.inbox.save(it),
        load=lambda reader, it: reader.inbox.find(it.id),
    ),
    "delivery": Kept(
        fresh=a_fresh_delivery(),
        full=a_delivery(),
        other=a_fresh_delivery(host="other.example.com", attempts=3, answer="no answer in time"),
        add=lambda uow, it: uow.deliveries.add(it),
        save=lambda uow, it: uow.deliveries.save(it),
        load=lambda reader, it: reader.deliveries.find(it.id),
    ),
    "session": Kept(
        fresh=a_live_session(may_pay=False, in_telegram=False),
        full=a_session(),
        other=a_session(turn=9, ended_as=SessionEnd.COPIED),
        add=lambda uow, it: uow.credentials.add_session(it),
        save=lambda uow, it: uow.credentials.save_session(it),
        load=lambda reader, it: reader.credentials.find_session(it.id),
    ),
    "api key": Kept(
        fresh=an_api_key(revoked_at=None, scopes=frozenset()),
        full=an_api_key(),
        other=an_api_key(scopes=frozenset(Scope), key_hash="another", revoked_at=None),
        add=lambda uow, it: uow.credentials.put_key(it),
        save=lambda uow, it: uow.credentials.put_key(it),
        load=lambda reader, it: _key(reader, it.key_hash),
        counts_versions=False,
    ),
}


async def _key(reader: Any, key_hash: str) -> ApiKey | None:
    return (await reader.credentials.find_keys({key_hash})).get(key_hash)


@pytest.fixture(params=KINDS)
async def kept(request: pytest.FixtureRequest, shop: Store) -> Kept:
    """One kind, with whatever it belongs to in the store already."""
    if request.param in {"charge", "refund", "checkout", "reward", "reward of nothing"}:
        await written(shop, lambda uow: uow.purchases.add(a_pending_purchase()))
    if request.param == "withdrawal":
        await written(shop, lambda uow: uow.methods.add(a_method()))
    if request.param == "refund":
        await written(shop, lambda uow: uow.charges.add(a_charge()))
    if request.param == "hold":
        await written(shop, lambda uow: uow.usage.lock([a_hold().key]))
    if request.param in {"subscription", "access"}:
        await written(shop, lambda uow: uow.customers.add(CUSTOMER))
    return KINDS[request.param]


async def load(store: Store, kept: Kept, it: Any) -> Any:
    """What a unit finds, having made sure that a view finds the same."""
    found = await written(store, lambda uow: kept.load(uow, it))
    if kept.in_views:
        assert await seen(store, lambda view: kept.load(view, it)) == found
    return found


async def test_what_was_added_comes_back_whole(shop, kept):
    await written(shop, lambda uow: kept.add(uow, kept.full))

    assert await load(shop, kept, kept.full) == kept.full


async def test_what_was_added_with_empty_fields_comes_back_with_empty_fields(shop, kept):
    await written(shop, lambda uow: kept.add(uow, kept.fresh))

    assert await load(shop, kept, kept.fresh) == kept.fresh


@pytest.mark.parametrize(("before", "after"), [("fresh", "full"), ("full", "other")])
async def test_a_save_writes_everything_that_changed(shop, kept, before, after):
    old, new = getattr(kept, before), getattr(kept, after)
    await written(shop, lambda uow: kept.add(uow, old))

    await written(shop, lambda uow: kept.save(uow, new))

    assert await load(shop, kept, new) == (replace(new, version=1) if kept.counts_versions else new)


async def test_the_audit_trail_is_a_chain_in_which_each_line_seals_the_one_before(shop):
    one = AuditLine(NOON, "ann", "purchase.refund", "pur_1", "asked for", {"amount_minor": 5})
    other = AuditLine(NOON, "ben", "customer.block", "cus_1", "a stolen card")

    await asyncio.gather(*(written(shop, lambda uow: uow.audit(one)) for _ in range(5)))
    await written(shop, lambda uow: uow.audit(other))

    trail = await seen(shop, lambda view: view.audit_trail(limit=9))
    assert [line for _, line, _ in trail] == [one] * 5 + [other]
    former = FIRST_SEAL
    for _, line, seal in trail:
        assert seal == line.seal(former)
        former = seal
    [(number, _, _), *_] = trail
    assert await seen(shop, lambda view: view.audit_trail(limit=2, after=number)) == trail[1:3]
    of_anna = await seen(shop, lambda view: view.audit_trail(limit=9, subject="cus_1"))
    assert of_anna == trail[-1:]


async def test_an_event_comes_back_whole(shop):
    event, bare = an_event(), an_event(customer_id=None, facts={}, at=NOON + timedelta(days=1))

    await written(shop, lambda uow: uow.record(event))
    await written(shop, lambda uow: uow.record(bare))

    assert await seen(shop, lambda view: view.history(event.subject)) == [event, bare]


async def test_the_catalog_comes_back_whole_and_in_the_order_of_its_file(shop):
    catalog = await seen(shop, lambda view: view.catalogs.current())

    assert catalog == a_catalog()
    assert list(catalog.plans) == list(a_catalog().plans)
    assert catalog.default == a_catalog().default
