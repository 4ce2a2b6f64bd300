"""Money leaves once, comes back once, and waits for people."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain import ledger
from core.domain.cause import KeyUsedOtherwise
from core.domain.customer import OwnAffair
from core.domain.money import Money
from core.domain.money_terms import Braked
from core.domain.payment import OutgoingStatus, PayoutId
from core.domain.payment_method import (
    PaymentMethodNotFound,
    PaymentMethodNotVerified,
    PaymentMethodRemoved,
)
from core.domain.payout import PayoutAccount
from core.domain.withdrawal import (
    QUEUE,
    WithdrawalMoved,
    WithdrawalNotFound,
    WithdrawalNotTaken,
    WithdrawalSentByGateway,
    WithdrawalStatus,
)
from core.ports.notifier import NewsKind
from core.use_cases.wallet import WalletTooLow
from tests.builders import YOOKASSA, rub
from tests.contracts.units import again
from tests.market import (
    ANN,
    CLEARING,
    adds,
    held,
    opens_market,
    proves,
    status,
    withdraws,
)
from tests.world import World


@pytest.fixture
async def market(world: World) -> World:
    return await opens_market(world)


async def test_money_leaves_once_and_the_books_say_so(market: World) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(1000))

    asked = await withdraws(market, anna, method, rub(400))

    assert await market.cash(anna) == {"RUB": 60000}
    assert await held(market, anna) == 40000
    assert await status(market, anna, asked) is WithdrawalStatus.SENT
    market.gateway.finish_payouts(fee=rub(5))
    await market.time_passes(minutes=10)
    assert await status(market, anna, asked) is WithdrawalStatus.DONE
    assert await held(market, anna) == 0
    assert await market.books(CLEARING) == -(100 + 100000) + 40000 + 500
    assert await market.books(ledger.fees(YOOKASSA)) == -500
    assert len(market.gateway.payouts) == 1


@pytest.mark.parametrize(
    ("amount", "refusal"),
    [
        (rub(0), WithdrawalNotTaken),
        (rub(-50), WithdrawalNotTaken),
        (Money.of(999, "RUB"), WithdrawalNotTaken),
        (Money.of(50_001, "RUB"), WalletTooLow),
        (Money.of(10**15, "RUB"), WalletTooLow),
        (Money.of(5000, "PHP"), WithdrawalNotTaken),
    ],
)
async def test_what_cannot_be_withdrawn_is_not(
    market: World, amount: Money, refusal: type[Exception]
) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(500))

    with pytest.raises(refusal):
        await withdraws(market, anna, method, amount)

    assert await market.cash(anna) == {"RUB": 50000}
    assert market.gateway.payouts == {}


async def test_bonus_is_never_withdrawn(market: World) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    await market.billing.adjust_wallet(
        anna, rub(500), account="bonus", deed=ANN, cause=market.cause()
    )

    with pytest.raises(WalletTooLow):
        await withdraws(market, anna, method, rub(10))


async def test_only_a_proven_method_of_ones_own_is_paid_out_to(market: World) -> None:
    anna, ben = await market.customer(), await market.customer("telegram:1002")
    await market.deposits(anna, rub(500))
    bens = await proves(market, ben)
    unproven, _ = await adds(market, anna)
    removed = await proves(market, anna)
    await market.billing.remove_payment_method(anna, removed.id)

    for method, refusal in (
        (bens, PaymentMethodNotFound),
        (unproven, PaymentMethodNotVerified),
        (removed, PaymentMethodRemoved),
    ):
        with pytest.raises(refusal):
            await withdraws(market, anna, method, rub(50))


async def test_what_is_owed_is_repaid_before_anything_leaves(market: World) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    deposit = await market.deposits(anna, rub(300))
    await withdraws(market, anna, method, rub(300))
    await market.refunds(deposit)
    assert await market.books(ledger.receivable(anna)) == 30000
    await market.billing.adjust_wallet(
        anna, rub(310), account="cash", deed=ANN, cause=market.cause()
    )

    with pytest.raises(WalletTooLow) as too_low:
        await withdraws(market, anna, method, rub(20))

    assert too_low.value.missing == rub(10)


async def test_two_withdrawals_at_once_cannot_take_what_only_one_can(market: World) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(300))

    async def one() -> bool:
        try:
            await again(lambda: withdraws(market, anna, method, rub(300)))
        except WalletTooLow:
            return False
        return True

    assert sorted(await asyncio.gather(*(one() for _ in range(5)))) == [False] * 4 + [True]


async def test_the_same_key_is_the_same_withdrawal(market: World) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(1000))
    cause = market.cause("out", "100")

    first, second = [await withdraws(market, anna, method, rub(100), cause) for _ in range(2)]

    assert first.id == second.id
    with pytest.raises(KeyUsedOtherwise):
        await withdraws(market, anna, method, rub(150), market.cause("out", "150"))


@pytest.mark.parametrize("then", [OutgoingStatus.DONE, OutgoingStatus.FAILED])
async def test_a_payout_without_an_answer_is_ended_by_asking_and_sent_once(
    market: World, then: OutgoingStatus
) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(500))
    market.gateway.act_then_fail(1)
    asked = await withdraws(market, anna, method, rub(500))
    assert await status(market, anna, asked) is WithdrawalStatus.SENT

    await market.time_passes(minutes=30)
    market.gateway.finish_payouts(then)
    await market.time_passes(hours=6)

    is_done = then is OutgoingStatus.DONE
    assert await status(market, anna, asked) is WithdrawalStatus(then.value)
    assert await market.cash(anna) == ({} if is_done else {"RUB": 50000})
    assert len(market.gateway.payouts) == 1


async def test_a_payout_that_the_gateway_never_heard_of_goes_under_the_same_key(
    market: World,
) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(500))
    market.gateway.unavailable(1)
    asked = await withdraws(market, anna, method, rub(500))
    assert market.gateway.payouts == {}

    await market.time_passes(minutes=30)

    [sent] = market.gateway.payouts.values()
    assert sent.our_id == asked.id


async def test_a_payout_that_is_refused_gives_the_money_back_once(market: World) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(500))
    market.gateway.refuse_refunds(1)

    asked = await withdraws(market, anna, method, rub(500))
    await market.time_passes(hours=1)

    assert await status(market, anna, asked) is WithdrawalStatus.FAILED
    assert await market.cash(anna) == {"RUB": 50000}
    assert await held(market, anna) == 0


async def test_a_payout_that_comes_back_later_comes_back_once(market: World) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(500))
    asked = await withdraws(market, anna, method, rub(500))
    market.gateway.finish_payouts()
    await market.time_passes(minutes=10)
    assert await status(market, anna, asked) is WithdrawalStatus.DONE
    [payout_id] = market.gateway.payouts

    market.gateway.finish_payouts(OutgoingStatus.RETURNED, reason="account_closed")
    for number in range(3):
        event = f"payout.reversed_{'abc'[number]}"
        webhook = market.gateway.webhook(PayoutId(payout_id), event)
        await market.billing.take_in_webhook("yookassa", webhook)
        await market.pump.drain()

    assert await status(market, anna, asked) is WithdrawalStatus.RETURNED
    assert await market.cash(anna) == {"RUB": 50000}
    assert await market.books(CLEARING) == -(100 + 50000)
    heard = [(one.kind, one.received) for one in market.notifier.told if one.received == rub(500)]
    assert heard == [
        (NewsKind.WITHDRAWAL_DONE, rub(500)),
        (NewsKind.WITHDRAWAL_RETURNED, rub(500)),
    ]


async def test_the_webhook_and_the_sweep_end_it_once_between_them(market: World) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(500))
    asked = await withdraws(market, anna, method, rub(500))
    [payout_id] = market.gateway.payouts
    market.gateway.finish_payouts()

    await asyncio.gather(
        *(again(lambda: market.billing.send_withdrawal(asked.id)) for _ in range(3)),
        *(again(lambda: market.billing.ask_payout(YOOKASSA, payout_id)) for _ in range(3)),
    )

    assert await status(market, anna, asked) is WithdrawalStatus.DONE
    assert await held(market, anna) == 0


async def test_another_amount_than_asked_for_is_for_a_person(market: World) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(500))
    asked = await withdraws(market, anna, method, rub(500))
    [(payout_id, facts)] = market.gateway.payouts.items()
    market.gateway.payouts[payout_id] = replace(facts, amount=rub(400), status=OutgoingStatus.DONE)

    await market.time_passes(minutes=10)

    assert await status(market, anna, asked) is WithdrawalStatus.SENT
    assert await held(market, anna) == 50000
    assert await market.cases() == ["difference"]


# Brakes, and people.


@pytest.mark.parametrize(
    ("before", "amount", "waits"),
    [
        ((), 50000, False),
        ((), 50001, True),
        ((40000,), 50000, False),
        ((40000,), 50001, True),
        ((45000,), 45000, False),
        ((45000,), 45001, True),
    ],
)
async def test_above_a_brake_it_waits_for_a_person(
    market: World, before: tuple[int, ...], amount: int, waits: bool
) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(5000))
    for minor in before:
        await withdraws(market, anna, method, Money.of(minor, "RUB"))

    asked = await withdraws(market, anna, method, Money.of(amount, "RUB"))

    assert (asked.status is WithdrawalStatus.HELD) == waits
    assert await market.cases() == (["withdrawal"] if waits else [])
    assert len(market.gateway.payouts) == len(before) + (0 if waits else 1)


async def test_which_brake_holds_it_is_told_with_whose_it_is(market: World) -> None:
    anna, ben = await market.customer(), await market.customer("telegram:1002")
    methods = {who: await proves(market, who) for who in (anna, ben)}
    for who in methods:
        await market.deposits(who, rub(3000))
    sums = [(anna, 501), (anna, 400), (ben, 500), (ben, 401), (ben, 500)]
    for who, roubles in sums:
        await withdraws(market, who, methods[who], rub(roubles))
        market.clock.advance(minutes=1)

    waiting = await market.billing.show_waiting_withdrawals.page(limit=9)

    told = [(one.customer.id, one.withdrawal.amount, one.braked) for one in waiting]
    assert told == [
        (anna, rub(501), Braked("payout", rub(500))),
        (anna, rub(400), Braked("customer_day", rub(900))),
        (ben, rub(401), Braked("customer_day", rub(900))),
        (ben, rub(500), Braked("customer_day", rub(900))),
    ]
    more = await market.customer("telegram:1003")
    method = await proves(market, more)
    await market.deposits(more, rub(100))
    await withdraws(market, more, method, rub(50))
    *_, newest = await market.billing.show_waiting_withdrawals.page(limit=9)
    assert newest.braked == Braked("hour", rub(2000))


async def test_the_brake_of_the_hour_counts_everybody_and_forgets(market: World) -> None:
    for number in range(4):
        who = await market.customer(f"telegram:{2000 + number}")
        method = await proves(market, who)
        await market.deposits(who, rub(500))
        assert (await withdraws(market, who, method, rub(500))).status is not WithdrawalStatus.HELD
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(500))
    assert (await withdraws(market, anna, method, rub(10))).status is WithdrawalStatus.HELD

    market.clock.advance(timedelta(hours=1))

    assert (await withdraws(market, anna, method, rub(10))).status is not WithdrawalStatus.HELD


async def test_what_was_held_goes_when_it_is_approved_and_once(market: World) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(1000))
    asked = await withdraws(market, anna, method, rub(600))

    await asyncio.gather(
        *(again(lambda: market.billing.approve_withdrawal(asked.id, deed=ANN)) for _ in range(3))
    )
    await market.pump.drain()

    assert len(market.gateway.payouts) == 1
    assert await market.cases() == []
    async with market.store.read() as view:
        trail = await view.audit_trail(limit=9, subject=asked.id)
    assert [line.action for _, line, _ in trail] == ["withdrawal.approve"]


async def test_what_is_rejected_comes_back_and_cannot_be_approved(market: World) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(1000))
    asked = await withdraws(market, anna, method, rub(600))

    for _ in range(2):
        await market.billing.reject_withdrawal(asked.id, deed=ANN)

    assert await market.cash(anna) == {"RUB": 100000}
    with pytest.raises(WithdrawalMoved):
        await market.billing.approve_withdrawal(asked.id, deed=ANN)
    with pytest.raises(WithdrawalNotFound):
        await market.billing.approve_withdrawal("wd_none", deed=ANN)


async def test_what_is_on_its_way_is_ended_by_the_gateway_alone(market: World) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    await market.deposits(anna, rub(500))
    asked = await withdraws(market, anna, method, rub(500))

    for decide in (market.billing.reject_withdrawal, market.billing.mark_withdrawal_done):
        with pytest.raises(WithdrawalSentByGateway):
            await decide(asked.id, deed=ANN)


async def test_an_operator_sees_where_to_send_by_hand_and_leaves_a_line(market: World) -> None:
    anna = await market.customer()
    bank = PayoutAccount("bank_bdo", "001234567890", "JUAN DELA CRUZ")
    method = await proves(market, anna, bank)
    await market.deposits(anna, rub(1000))
    by_hand = await withdraws(market, anna, method, rub(500))
    sent = await withdraws(market, anna, await proves(market, anna), rub(100))
    show = market.billing.show_payout_account

    assert await show(by_hand.id, deed=ANN) == bank

    with pytest.raises(WithdrawalSentByGateway):
        await show(sent.id, deed=ANN)
    with pytest.raises(OwnAffair):
        await show(by_hand.id, deed=replace(ANN, actor="telegram:1001"))
    await market.billing.mark_withdrawal_done(by_hand.id, deed=ANN)
    with pytest.raises(WithdrawalMoved):
        await show(by_hand.id, deed=ANN)
    async with market.store.read() as view:
        trail = await view.audit_trail(limit=9, subject=by_hand.id)
    assert [line.action for _, line, _ in trail] == [
        "withdrawal.show_account",
        "withdrawal.mark_done",
    ]


async def test_where_no_gateway_pays_out_an_operator_does(market: World) -> None:
    anna = await market.customer()
    bank = PayoutAccount("bank_bdo", "001234567890", "JUAN DELA CRUZ")
    method = await proves(market, anna, bank)
    await market.deposits(anna, rub(500))

    asked = await withdraws(market, anna, method, rub(500))
    await market.time_passes(hours=12)

    assert (asked.gateway, asked.status) == (QUEUE, WithdrawalStatus.REQUESTED)
    assert await market.cases() == ["withdrawal"]
    for _ in range(2):
        await market.billing.mark_withdrawal_done(asked.id, deed=ANN)
    assert await status(market, anna, asked) is WithdrawalStatus.DONE
    assert await held(market, anna) == 0
    assert await market.books(ledger.clearing(QUEUE)) == 50000
    assert await market.cases() == []
