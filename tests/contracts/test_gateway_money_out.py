"""Money that goes back, goes out, or is charged again: each once, whoever the provider is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence

import pytest
import pytest_asyncio

from core.domain.checkout import CheckoutId
from core.domain.money import Money
from core.domain.payment import (
    OutgoingStatus,
    PaymentFacts,
    PaymentStatus,
    PayoutFacts,
    RefundFacts,
)
from core.domain.payout import PayoutOrder
from core.domain.refund import Refund
from core.ports.payment_gateway import (
    CheckoutDeclined,
    GatewayUnavailable,
    PayoutNotFindable,
    RefundDeclined,
    Refunding,
)
from tests.adapters.gateways.cryptopay_desk import CryptoPayDesk
from tests.adapters.gateways.desks import Desk, MemoryDesk
from tests.adapters.gateways.paymongo_desk import PayMongoDesk
from tests.adapters.gateways.served import Stage, a_stage
from tests.adapters.gateways.telegram_desk import TelegramDesk
from tests.adapters.gateways.xendit_desk import XenditDesk
from tests.builders import NOON, Clock
from tests.contracts.gateways import ALL, AnyDesk, a_desk, asked, currency_of, learned
from tests.money_builders import an_asked_refund

pytestmark = pytest.mark.asyncio(loop_scope="module")

IN_PARTS = ["memory", "yookassa", "paymongo", "xendit"]
REFUNDING = [*IN_PARTS, "telegram_stars"]
FINDING_PAYOUTS = ["memory", "yookassa", "xendit", "cryptopay"]
DISPUTED = ["memory", "paymongo"]
PAYING_OUT = [*FINDING_PAYOUTS, "paymongo"]
CHARGING = ["memory", "yookassa"]
SUBSCRIBING = ["telegram_stars"]
"""One alone: tried where its calls are."""
LISTING = ["memory", "yookassa", "paymongo", "xendit", "cryptopay", "telegram_stars"]

DisputedDesk = MemoryDesk | PayMongoDesk
RefundingDesk = Desk | PayMongoDesk | XenditDesk | TelegramDesk
PayingDesk = Desk | PayMongoDesk | XenditDesk | CryptoPayDesk

AT_ONCE = 5


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module", params=ALL)
async def desk(request: pytest.FixtureRequest, stage: Stage, now: Clock) -> AsyncIterator[AnyDesk]:
    async with a_desk(request.param, stage, now) as desk:
        if isinstance(desk, CryptoPayDesk):
            for coin in ("USDT", "TON"):
                desk.rules.top_up(coin, "1000000")
        yield desk


def of(names: Sequence[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("desk", names, indirect=True)


async def bought(desk: AnyDesk, number: int = 1, **fields: object) -> PaymentFacts:
    """Opened and paid, as it is learned of."""
    checkout = asked(desk, id=CheckoutId(f"chk_{number}"), **fields)
    opened = await desk.gateway.open_checkout(checkout)
    desk.pay(opened.payment_id)
    facts = await learned(desk, opened.payment_id)
    assert facts is not None
    assert facts.paid == checkout.amount
    return facts


def a_refund(facts: PaymentFacts, amount: Money | None = None, number: int = 1) -> Refund:
    """All of it, unless told."""
    assert facts.paid is not None
    return an_asked_refund(
        id=f"rfd_{number}",
        gateway=facts.gateway,
        payment_id=facts.payment_id,
        charge_id=facts.charge_id,
        amount=facts.paid if amount is None else amount,
        paid=facts.paid,
    )


def a_part(desk: AnyDesk, minor: int) -> Money:
    return Money.of(minor, currency_of(desk))


def an_order(desk: PayingDesk, amount: Money | None = None, number: int = 1) -> PayoutOrder:
    """The smallest sum that it sends, unless told."""
    least = next(iter(desk.gateway.abilities.payouts.values()))[0]
    return PayoutOrder(
        f"wd_{number}",
        least if amount is None else amount,
        desk.payee,
        f"Withdrawal wd_{number}",
        NOON,
    )


async def at_once(*asks: Awaitable[object]) -> list[object]:
    """What was answered; some of those who come together may have to ask again."""
    told = await asyncio.gather(*asks, return_exceptions=True)
    for one in told:
        assert not isinstance(one, BaseException) or isinstance(one, GatewayUnavailable), one
    answers = [one for one in told if not isinstance(one, BaseException)]
    assert answers
    return answers


@pytest.mark.parametrize("name", ALL)
async def test_whatever_a_gateway_declares_is_tried_here(
    name: str, stage: Stage, now: Clock
) -> None:
    async with a_desk(name, stage, now) as desk:
        can = desk.gateway.abilities

    declared = (
        can.refunding is not Refunding.NONE,
        can.refunding is Refunding.PARTS,
        bool(can.payouts),
        can.charges_saved,
        can.subscribes,
        can.lists,
    )

    lists = (REFUNDING, IN_PARTS, PAYING_OUT, CHARGING, SUBSCRIBING, LISTING)
    assert declared == tuple(name in names for names in lists)


async def test_amounts_are_exact_in_every_currency(desk: AnyDesk) -> None:
    number = 0
    for lowest, highest in desk.gateway.abilities.bounds.values():
        one = Money(1, lowest.currency)
        for price in (lowest, lowest + one, highest - one, highest):
            number += 1
            await bought(desk, number, amount=price)  # It compares what was paid with the price.
    assert number


# Refunds.


@of(IN_PARTS)
async def test_refunds_are_exact_and_each_is_its_own(desk: RefundingDesk) -> None:
    facts = await bought(desk)
    parts = [a_part(desk, minor) for minor in (1_00, 1_01, 99_99)]

    for number, part in enumerate(parts):
        told = await desk.gateway.refund(a_refund(facts, part, number))
        assert (told.amount, told.our_id) == (part, f"rfd_{number}")

    found = await desk.gateway.find_refunds(facts.payment_id)
    assert {one.our_id: one.amount for one in found} == {
        f"rfd_{number}": part for number, part in enumerate(parts)
    }


@of(REFUNDING)
async def test_a_refund_asked_twice_is_one(desk: RefundingDesk) -> None:
    facts = await bought(desk)

    first = await desk.gateway.refund(a_refund(facts))
    again = await desk.gateway.refund(a_refund(facts))

    assert first.refund_id == again.refund_id
    assert first.amount == facts.paid
    [found] = await desk.gateway.find_refunds(facts.payment_id)
    assert (found.refund_id, found.amount) == (first.refund_id, facts.paid)


@of(REFUNDING)
async def test_a_refund_whose_answer_was_lost_is_found_and_made_once(desk: RefundingDesk) -> None:
    facts = await bought(desk)
    desk.lose_answers(1)
    with pytest.raises(GatewayUnavailable):
        await desk.gateway.refund(a_refund(facts))

    [found] = await desk.gateway.find_refunds(facts.payment_id)
    again = await desk.gateway.refund(a_refund(facts))

    assert (found.refund_id, found.amount) == (again.refund_id, facts.paid)
    assert len(await desk.gateway.find_refunds(facts.payment_id)) == 1


@of(REFUNDING)
async def test_refunds_of_one_key_at_once_are_one(desk: RefundingDesk) -> None:
    facts = await bought(desk)

    told = await at_once(*(desk.gateway.refund(a_refund(facts)) for _ in range(AT_ONCE)))

    [found] = await desk.gateway.find_refunds(facts.payment_id)
    assert {one.refund_id for one in told if isinstance(one, RefundFacts)} == {found.refund_id}


@of(REFUNDING)
async def test_more_than_was_paid_is_not_given_back(desk: RefundingDesk) -> None:
    facts = await bought(desk)
    assert facts.paid is not None

    with pytest.raises(RefundDeclined) as declined:
        await desk.gateway.refund(a_refund(facts, facts.paid + Money(1, facts.paid.currency)))

    assert declined.value.reason
    assert await desk.gateway.find_refunds(facts.payment_id) == []


@of(IN_PARTS)
async def test_more_than_is_left_is_not_given_back(desk: RefundingDesk) -> None:
    facts = await bought(desk)
    first = a_refund(facts, a_part(desk, 1_01))
    await desk.gateway.refund(first)

    with pytest.raises(RefundDeclined):
        await desk.gateway.refund(a_refund(facts, a_part(desk, 299_00 - 1_00), 2))

    assert len(await desk.gateway.find_refunds(facts.payment_id)) == 1
    assert await desk.gateway.refund(a_refund(facts, a_part(desk, 299_00 - 1_01), 3))


@of(REFUNDING)
async def test_a_refund_of_the_dashboard_is_listed(desk: RefundingDesk) -> None:
    facts = await bought(desk)
    assert facts.paid is not None

    desk.refund_there(facts.payment_id, facts.paid)

    [found] = await desk.gateway.find_refunds(facts.payment_id)
    assert (found.amount, found.our_id, found.status) == (facts.paid, None, OutgoingStatus.DONE)


@of(REFUNDING)
async def test_what_was_not_given_back_has_no_refunds(desk: RefundingDesk) -> None:
    facts = await bought(desk)

    assert await desk.gateway.find_refunds(facts.payment_id) == []


# Disputes.


@of(DISPUTED)
async def test_a_disputed_payment_is_told_when_it_is_asked_for(desk: DisputedDesk) -> None:
    facts = await bought(desk)
    told = desk.gateway.dispute_in(desk.gateway.read_webhook(desk.dispute_there(facts.payment_id)))

    [found] = await desk.gateway.find_refunds(facts.payment_id)

    assert (found.is_chargeback, found.status) == (True, OutgoingStatus.PENDING)
    assert found.amount == facts.paid
    assert told is not None
    assert (told.refund_id, told.status, told.amount) == (
        found.refund_id,
        OutgoingStatus.PENDING,
        facts.paid,
    )


@of(DISPUTED)
@pytest.mark.parametrize("lost", [True, False])
async def test_how_a_dispute_ended_its_notice_tells(desk: DisputedDesk, lost: bool) -> None:
    facts = await bought(desk)
    desk.dispute_there(facts.payment_id)

    ended = desk.gateway.read_webhook(desk.end_dispute(facts.payment_id, lost=lost))
    told = desk.gateway.dispute_in(ended)

    [found] = await desk.gateway.find_refunds(ended.payment_id)
    assert told is not None
    assert told.status is (OutgoingStatus.DONE if lost else OutgoingStatus.FAILED)
    assert (told.refund_id, told.amount, told.is_chargeback) == (
        found.refund_id,
        facts.paid,
        True,
    )


@pytest.mark.parametrize("desk", ALL, indirect=True)
async def test_what_is_of_no_dispute_tells_of_none(desk: AnyDesk) -> None:
    facts = await bought(desk)

    notice = desk.gateway.read_webhook(desk.webhook(facts.payment_id))

    assert desk.gateway.dispute_in(notice) is None


# Payouts.


@of(PAYING_OUT)
async def test_payouts_are_exact_in_every_currency(desk: PayingDesk) -> None:
    number = 0
    for lowest, _ in desk.gateway.abilities.payouts.values():
        for amount in (lowest, lowest + Money(1, lowest.currency)):
            number += 1
            assert desk.gateway.abilities.sends(amount, desk.payee.kind)

            sent = await desk.gateway.pay_out(an_order(desk, amount, number))
            found = await desk.gateway.find_payout(an_order(desk, amount, number), sent.payout_id)

            assert found is not None
            assert sent.amount == found.amount == amount
            assert sent.our_id == f"wd_{number}"
    assert desk.payouts_made() == number


@of(PAYING_OUT)
async def test_a_payout_asked_twice_is_one(desk: PayingDesk) -> None:
    first = await desk.gateway.pay_out(an_order(desk))
    again = await desk.gateway.pay_out(an_order(desk))

    assert first.payout_id == again.payout_id
    assert desk.payouts_made() == 1


@of(PAYING_OUT)
async def test_payouts_of_one_key_at_once_are_one(desk: PayingDesk) -> None:
    told = await at_once(*(desk.gateway.pay_out(an_order(desk)) for _ in range(AT_ONCE)))

    assert len({one.payout_id for one in told if isinstance(one, PayoutFacts)}) == 1
    assert desk.payouts_made() == 1


@of(PAYING_OUT)
async def test_a_payout_whose_answer_was_lost_is_not_sent_again(desk: PayingDesk) -> None:
    desk.lose_answers(1)
    with pytest.raises(GatewayUnavailable):
        await desk.gateway.pay_out(an_order(desk))
    assert desk.payouts_made() == 1

    again = await desk.gateway.pay_out(an_order(desk))

    assert again.our_id == "wd_1"
    assert desk.payouts_made() == 1


@of(FINDING_PAYOUTS)
async def test_a_payout_without_an_answer_is_found_by_our_key_days_later(
    desk: PayingDesk, now: Clock
) -> None:
    await desk.gateway.pay_out(an_order(desk, number=7))
    desk.lose_answers(1)
    with pytest.raises(GatewayUnavailable):
        await desk.gateway.pay_out(an_order(desk))
    now.advance(days=4)

    found = await desk.gateway.find_payout(an_order(desk), None)

    assert found is not None
    assert (found.our_id, found.amount) == ("wd_1", an_order(desk).amount)
    assert await desk.gateway.find_payout(an_order(desk, number=8), None) is None


@of(["paymongo"])
async def test_where_our_key_finds_nothing_it_stays_unknown(desk: PayingDesk) -> None:
    desk.lose_answers(1)
    with pytest.raises(GatewayUnavailable):
        await desk.gateway.pay_out(an_order(desk))

    with pytest.raises(PayoutNotFindable):
        await desk.gateway.find_payout(an_order(desk), None)


# Charges of saved methods.


async def saved(desk: Desk) -> str:
    facts = await bought(desk, saves_method=True)
    assert facts.token is not None
    return facts.token


@of(CHARGING)
async def test_only_what_was_to_be_saved_gives_a_token(desk: Desk) -> None:
    assert (await bought(desk)).token is None
    assert (await bought(desk, 2, saves_method=True)).token is not None


@of(CHARGING)
async def test_a_saved_method_is_charged_exactly_and_once(desk: Desk) -> None:
    token = await saved(desk)
    checkout = asked(desk, id=CheckoutId("chk_7"), amount=a_part(desk, 990_01))

    first = await desk.gateway.charge_saved(checkout, token)
    again = await desk.gateway.charge_saved(checkout, token)

    assert (first.status, first.paid) == (PaymentStatus.PAID, checkout.amount)
    assert (first.checkout_id, first.charge_id) == ("chk_7", again.charge_id)
    assert await desk.gateway.find_payment(first.payment_id) == first
    assert desk.opened() == 2


@of(CHARGING)
async def test_a_charge_whose_answer_was_lost_is_found_and_made_once(desk: Desk) -> None:
    token, checkout = await saved(desk), asked(desk, id=CheckoutId("chk_7"))
    desk.lose_answers(1)
    with pytest.raises(GatewayUnavailable):
        await desk.gateway.charge_saved(checkout, token)

    found = await desk.gateway.find_checkout(checkout)

    assert found is not None
    assert found.paid == checkout.amount
    assert (await desk.gateway.charge_saved(checkout, token)).charge_id == found.charge_id
    assert desk.opened() == 2


@of(CHARGING)
async def test_charges_of_one_key_at_once_are_one(desk: Desk) -> None:
    token, checkout = await saved(desk), asked(desk, id=CheckoutId("chk_7"))

    told = await at_once(*(desk.gateway.charge_saved(checkout, token) for _ in range(AT_ONCE)))

    assert len({one.charge_id for one in told if isinstance(one, PaymentFacts)}) == 1
    assert desk.opened() == 2


@of(CHARGING)
async def test_a_charge_that_the_bank_refuses_is_a_canceled_payment(desk: Desk) -> None:
    token = await saved(desk)
    desk.refuse_charge()

    facts = await desk.gateway.charge_saved(asked(desk, id=CheckoutId("chk_7")), token)

    assert (facts.status, facts.was_refused, facts.paid) == (PaymentStatus.CANCELED, True, None)


@of(CHARGING)
async def test_a_payer_who_revoked_it_is_not_charged(desk: Desk) -> None:
    token = await saved(desk)
    desk.revoke(token)

    for one in (token, "2d8f0001-000f-5000-8000-18db351245c7"):
        with pytest.raises(CheckoutDeclined):
            await desk.gateway.charge_saved(asked(desk, id=CheckoutId(f"chk_{one[-4:]}")), one)


# What happened since.


@of(LISTING)
async def test_everything_that_was_made_since_is_listed_across_pages(
    desk: AnyDesk, now: Clock
) -> None:
    """More than a page of most providers; Crypto Pay's of a thousand are turned in its own tests."""
    older = await bought(desk, 999, asked_at=now())
    now.advance(hours=1)
    since = now()
    made = []
    for number in range(103):
        made.append(await bought(desk, number, asked_at=now()))
        now.advance(seconds=1)
    if desk.gateway.abilities.refunding is not Refunding.NONE:
        await desk.gateway.refund(a_refund(made[5]))
    if desk.gateway.abilities.payouts and not isinstance(desk, PayMongoDesk):
        await desk.gateway.pay_out(an_order(desk))

    listed = [one async for one in desk.gateway.since(since)]

    charges = [one.charge_id for one in listed if isinstance(one, PaymentFacts)]
    assert sorted(charges) == sorted(one.charge_id for one in made)
    assert older.charge_id not in charges
    refunds = [one.amount for one in listed if isinstance(one, RefundFacts)]
    can_refund = desk.gateway.abilities.refunding is not Refunding.NONE
    assert refunds == [made[5].paid] * can_refund
    payouts = [one.our_id for one in listed if isinstance(one, PayoutFacts)]
    is_listed = bool(desk.gateway.abilities.payouts) and not isinstance(desk, PayMongoDesk)
    assert payouts == ["wd_1"] * is_listed
