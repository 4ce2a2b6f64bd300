"""The gateway without money keeps the port's promises of saved methods, payouts and lists."""

from dataclasses import replace

import pytest

from adapters.gateways.memory import MemoryGateway
from core.domain.checkout import Checkout, CheckoutId
from core.domain.item import PaymentMethodId
from core.domain.payment import OutgoingStatus, PaymentId, PaymentStatus, PayoutId
from core.domain.payout import PayoutAccount, PayoutOrder
from core.ports.payment_gateway import CheckoutDeclined, GatewayUnavailable, PayoutDeclined
from core.ports.unit_of_work import unit_is_open
from tests.builders import NOON, Clock, an_asked_checkout, rub

ORDER = PayoutOrder("wd_1", rub(400), PayoutAccount("gcash", "0917", "J"), "Withdrawal", NOON)


@pytest.fixture
def gateway(now: Clock) -> MemoryGateway:
    return MemoryGateway(now=now)


async def saved(gateway: MemoryGateway) -> str:
    """A token, as paying a checkout gives it that has the method saved."""
    checkout = an_asked_checkout(id=CheckoutId("chk_check"), saves_method=True)
    opened = await gateway.open_checkout(checkout)
    gateway.pay(opened.payment_id)
    facts = await gateway.find_payment(opened.payment_id)
    assert facts is not None
    assert facts.token is not None
    return facts.token


def a_charge(id_: str = "chk_charge", **fields: object) -> Checkout:
    method = PaymentMethodId("pm_1")
    return an_asked_checkout(id=CheckoutId(id_), method_id=method, **fields)


async def test_only_what_is_to_be_saved_and_is_paid_gives_a_token(gateway: MemoryGateway) -> None:
    plain = await gateway.open_checkout(an_asked_checkout())
    gateway.pay(plain.payment_id)
    saving = await gateway.open_checkout(a_charge(saves_method=True, id_="chk_2"))

    for payment_id in (plain.payment_id, saving.payment_id):
        facts = await gateway.find_payment(payment_id)
        assert facts is not None
        assert facts.token is None


async def test_a_token_is_charged_once_for_one_key(gateway: MemoryGateway) -> None:
    token = await saved(gateway)

    first, again = [await gateway.charge_saved(a_charge(), token) for _ in range(2)]

    assert (first.status, first.paid) == (PaymentStatus.PAID, rub(299))
    assert first == again == await gateway.find_checkout(a_charge())
    assert len(gateway.payments) == 2


async def test_what_became_of_the_charge_does_not_change_the_request(
    gateway: MemoryGateway,
) -> None:
    token = await saved(gateway)
    gateway.act_then_fail(1)
    with pytest.raises(GatewayUnavailable):
        await gateway.charge_saved(a_charge(), token)

    again = await gateway.charge_saved(a_charge().becomes_unknown(at=NOON), token)

    assert again == await gateway.find_checkout(a_charge())
    assert len(gateway.payments) == 2


async def test_one_key_for_two_charges_charges_nothing_new(gateway: MemoryGateway) -> None:
    token = await saved(gateway)
    await gateway.charge_saved(a_charge(), token)

    for charge, with_token in ((a_charge(amount=rub(300)), token), (a_charge(), "another")):
        with pytest.raises(GatewayUnavailable):
            await gateway.charge_saved(charge, with_token)

    assert len(gateway.payments) == 2


async def test_a_token_that_was_never_given_or_was_taken_back_is_declined_for_ever(
    gateway: MemoryGateway,
) -> None:
    token = await saved(gateway)
    for _ in range(2):
        with pytest.raises(CheckoutDeclined):
            await gateway.charge_saved(a_charge("chk_guess"), "a guess")
    gateway.revoke(token)
    for _ in range(2):
        with pytest.raises(CheckoutDeclined):
            await gateway.charge_saved(a_charge(), token)

    assert len(gateway.payments) == 1


async def test_a_refusal_by_the_bank_is_an_answer(gateway: MemoryGateway) -> None:
    token = await saved(gateway)
    gateway.refuse_charges(1)

    refused, paid = [await gateway.charge_saved(a_charge(id_), token) for id_ in ("chk_1", "chk_2")]

    assert (refused.status, refused.was_refused) == (PaymentStatus.CANCELED, True)
    assert paid.status is PaymentStatus.PAID


async def test_a_payout_is_made_once_for_one_key_and_found_by_it(gateway: MemoryGateway) -> None:
    assert await gateway.find_payout(ORDER, None) is None
    gateway.act_then_fail(1)
    with pytest.raises(GatewayUnavailable):
        await gateway.pay_out(ORDER)

    again = await gateway.pay_out(ORDER)

    assert (again.status, again.amount, again.our_id) == (
        OutgoingStatus.PENDING,
        rub(400),
        ORDER.id,
    )
    assert again == await gateway.find_payout(ORDER, None)
    assert again == await gateway.find_payout(ORDER, again.payout_id)
    assert await gateway.find_payout(ORDER, PayoutId("po-404")) is None
    assert len(gateway.payouts) == 1
    with pytest.raises(GatewayUnavailable):
        await gateway.pay_out(replace(ORDER, amount=rub(401)))


async def test_a_payout_that_is_refused_was_not_made(gateway: MemoryGateway) -> None:
    gateway.refuse_refunds(1)

    with pytest.raises(PayoutDeclined):
        await gateway.pay_out(ORDER)

    assert await gateway.find_payout(ORDER, None) is None


async def test_all_that_happened_since_is_listed(gateway: MemoryGateway, now: Clock) -> None:
    token = await saved(gateway)
    now.advance(hours=1)
    since = now()
    charged = await gateway.charge_saved(a_charge(), token)
    given_back = gateway.refund_at_dashboard(charged.payment_id, rub(99))
    sent = await gateway.pay_out(ORDER)

    assert [one async for one in gateway.since(since)] == [charged, given_back, sent]
    assert len([one async for one in gateway.since(NOON)]) == 4
    now.advance(hours=1)
    assert [one async for one in gateway.since(now())] == []
    gateway.unavailable(1)
    with pytest.raises(GatewayUnavailable):
        assert [one async for one in gateway.since(NOON)]


async def test_nothing_is_asked_inside_a_unit_of_work(gateway: MemoryGateway) -> None:
    token = unit_is_open.set(True)
    try:
        for ask in (
            gateway.charge_saved(a_charge(), "token"),
            gateway.pay_out(ORDER),
            gateway.find_payout(ORDER, None),
            gateway.find_payment(PaymentId("x")),
        ):
            with pytest.raises(AssertionError):
                await ask
    finally:
        unit_is_open.reset(token)
