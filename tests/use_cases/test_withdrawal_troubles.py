"""What may go wrong on the way out: deaths, silence, contradictions, races. Money leaves once."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from adapters.gateways.memory import MemoryGateway
from core.domain import ledger
from core.domain.customer import CustomerBlocked, CustomerId
from core.domain.money import Money
from core.domain.payment import InboxStatus, OutgoingStatus, PaymentId, PayoutFacts, PayoutId
from core.domain.payment_method import PaymentMethod
from core.domain.payout import PayoutOrder
from core.domain.withdrawal import (
    Withdrawal,
    WithdrawalMoved,
    WithdrawalSentByGateway,
    WithdrawalStatus,
)
from core.ports.payment_gateway import GatewayNotFound, Gateways, PayoutNotFindable
from core.use_cases.withdrawals import AskPayout, SendWithdrawal, learn_payout
from tests.builders import YOOKASSA, rub
from tests.contracts.units import again
from tests.market import ANN, CLEARING, held, opens_market, proves, status, withdraws
from tests.world import World


@pytest.fixture
async def market(world: World) -> World:
    return await opens_market(world)


async def a_rich_customer(
    market: World, ref: str = "telegram:1001"
) -> tuple[CustomerId, PaymentMethod]:
    who = await market.customer(ref)
    method = await proves(market, who)
    await market.deposits(who, rub(500))
    return who, method


async def asks(market: World, who: CustomerId, method: PaymentMethod) -> Withdrawal:
    """Asked for, and nobody has worked off the job that sends it."""
    return await market.billing.request_withdrawal(who, rub(500), method.id, cause=market.cause())


async def loses_its_jobs(market: World) -> None:
    async with market.store.write() as uow:
        for job in await uow.jobs.claim(market.clock(), limit=9):
            await uow.jobs.done(job)
        await uow.commit()


class Deadly(MemoryGateway):
    """Whoever asks it to pay out dies, `acts_first` or not."""

    acts_first = False

    async def pay_out(self, order: PayoutOrder) -> PayoutFacts:
        if self.acts_first:
            await super().pay_out(order)
        raise MemoryError


@pytest.mark.parametrize("acts_first", [False, True])
async def test_a_death_while_the_gateway_is_asked_sends_once(
    market: World, *, acts_first: bool
) -> None:
    anna, method = await a_rich_customer(market)
    asked = await asks(market, anna, method)
    deadly = Deadly("yookassa", now=market.clock)
    deadly.acts_first = acts_first
    deadly.payouts = market.gateway.payouts  # The same provider, and its memory.
    with pytest.raises(MemoryError):
        await SendWithdrawal(market.store, Gateways(deadly), market.clock)(asked.id)
    assert await status(market, anna, asked) is WithdrawalStatus.SENT
    assert len(market.gateway.payouts) == int(acts_first)

    await market.time_passes(minutes=5)
    market.gateway.finish_payouts()
    await market.time_passes(hours=1)

    assert await status(market, anna, asked) is WithdrawalStatus.DONE
    assert [one.our_id for one in market.gateway.payouts.values()] == [asked.id]
    assert (await market.cash(anna), await held(market, anna)) == ({}, 0)


class Forgetful(Deadly):
    """It cannot be asked about a payout of which it never told the id."""

    acts_first = True

    async def find_payout(
        self, order: PayoutOrder, payout_id: PayoutId | None
    ) -> PayoutFacts | None:
        if payout_id is None:
            raise PayoutNotFindable("yookassa")
        return await super().find_payout(order, payout_id)


async def lost_sight_of(market: World) -> tuple[CustomerId, Withdrawal]:
    """It was sent, its answer was lost, and the gateway cannot be asked."""
    anna, method = await a_rich_customer(market)
    asked = await asks(market, anna, method)
    await loses_its_jobs(market)
    forgetful = Forgetful("yookassa", now=market.clock)
    sends = SendWithdrawal(market.store, Gateways(forgetful), market.clock)
    with pytest.raises(MemoryError):
        await sends(asked.id)
    await sends(asked.id)
    notice = AskPayout(market.store, Gateways(forgetful), market.clock)
    await notice(YOOKASSA, PayoutId(asked.id))
    return anna, asked


async def test_what_nobody_can_ask_about_waits_for_a_person_once(market: World) -> None:
    anna, asked = await lost_sight_of(market)

    assert await status(market, anna, asked) is WithdrawalStatus.SENT
    assert await market.cases() == ["withdrawal"]
    await market.time_passes(hours=12)
    assert not market.gateway.payouts, "nothing was sent again"
    assert await held(market, anna) == 50000


@pytest.mark.parametrize("has_left", [True, False])
async def test_a_person_who_looked_ends_what_nobody_can_ask_about(
    market: World, *, has_left: bool
) -> None:
    anna, asked = await lost_sight_of(market)
    billing = market.billing

    for _ in range(2):
        await (billing.mark_withdrawal_done if has_left else billing.reject_withdrawal)(
            asked.id, deed=ANN
        )

    assert await market.cases() == []
    assert await held(market, anna) == 0
    assert await market.cash(anna) == ({} if has_left else {"RUB": 50000})
    with pytest.raises((WithdrawalMoved, WithdrawalSentByGateway)):
        await (billing.reject_withdrawal if has_left else billing.mark_withdrawal_done)(
            asked.id, deed=ANN
        )


async def test_what_is_heard_of_after_all_waits_for_nobody(market: World) -> None:
    anna, asked = await lost_sight_of(market)
    facts = PayoutFacts(
        YOOKASSA, PayoutId("po_1"), OutgoingStatus.DONE, asked.amount, our_id=asked.id
    )

    await learn_payout(market.store, asked.id, facts, market.clock)

    assert await status(market, anna, asked) is WithdrawalStatus.DONE
    assert await market.cases() == []


async def test_a_lost_job_is_found_by_time(market: World) -> None:
    anna, method = await a_rich_customer(market)
    asked = await asks(market, anna, method)
    await loses_its_jobs(market)

    await market.time_passes(minutes=1)

    assert await status(market, anna, asked) is WithdrawalStatus.SENT
    assert len(market.gateway.payouts) == 1


async def test_many_who_send_the_same_send_it_once(market: World) -> None:
    anna, method = await a_rich_customer(market)
    asked = await asks(market, anna, method)

    await asyncio.gather(
        *(again(lambda: market.billing.send_withdrawal(asked.id)) for _ in range(5))
    )

    assert len(market.gateway.payouts) == 1


async def test_a_gateway_that_was_switched_off_leaves_it_unsent(market: World) -> None:
    anna, method = await a_rich_customer(market)
    asked = await asks(market, anna, method)
    others = Gateways(MemoryGateway("other", now=market.clock))

    with pytest.raises(GatewayNotFound):
        await SendWithdrawal(market.store, others, market.clock)(asked.id)

    assert await status(market, anna, asked) is WithdrawalStatus.REQUESTED
    await market.billing.reject_withdrawal(asked.id, deed=ANN)
    assert await market.cash(anna) == {"RUB": 50000}


@pytest.mark.parametrize("word", [OutgoingStatus.UNKNOWN, OutgoingStatus.PENDING])
async def test_a_word_that_is_neither_done_nor_failed_moves_nothing(
    market: World, word: OutgoingStatus
) -> None:
    anna, method = await a_rich_customer(market)
    asked = await withdraws(market, anna, method, rub(500))
    market.gateway.finish_payouts(word)

    for _ in range(5):
        await market.time_passes(hours=6)

    assert await status(market, anna, asked) is WithdrawalStatus.SENT
    assert await held(market, anna) == 50000
    assert len(market.gateway.payouts) == 1


async def test_what_comes_back_before_it_was_known_to_be_done_has_failed(market: World) -> None:
    anna, method = await a_rich_customer(market)
    asked = await withdraws(market, anna, method, rub(500))
    market.gateway.finish_payouts(OutgoingStatus.RETURNED, reason="account_closed")

    await market.time_passes(minutes=10)

    failed = await market.billing.show_withdrawals.one(anna, asked.id)
    assert (failed.status, failed.reason) == (WithdrawalStatus.FAILED, "account_closed")
    assert await market.cash(anna) == {"RUB": 50000}
    assert await market.books(CLEARING) == -(100 + 50000)


async def test_what_comes_back_is_told_by_many_at_once_and_comes_back_once(market: World) -> None:
    anna, method = await a_rich_customer(market)
    asked = await withdraws(market, anna, method, rub(500))
    market.gateway.finish_payouts()
    await market.time_passes(minutes=10)
    [payout_id] = market.gateway.payouts
    market.gateway.finish_payouts(OutgoingStatus.RETURNED)

    await asyncio.gather(
        *(again(lambda: market.billing.ask_payout(YOOKASSA, payout_id)) for _ in range(5))
    )

    assert await status(market, anna, asked) is WithdrawalStatus.RETURNED
    assert await market.cash(anna) == {"RUB": 50000}


async def test_a_notice_ahead_of_the_gateway_is_not_forgotten(market: World) -> None:
    anna, method = await a_rich_customer(market)
    asked = await withdraws(market, anna, method, rub(500))
    market.gateway.finish_payouts()
    await market.time_passes(minutes=10)
    [payout_id] = market.gateway.payouts
    webhook = market.gateway.webhook(PaymentId(payout_id), "payout.reversed")
    await market.billing.take_in_webhook("yookassa", webhook)
    await market.pump.drain()
    assert await status(market, anna, asked) is WithdrawalStatus.DONE

    market.gateway.finish_payouts(OutgoingStatus.RETURNED)
    await market.time_passes(hours=6)

    assert await status(market, anna, asked) is WithdrawalStatus.RETURNED
    assert await market.cash(anna) == {"RUB": 50000}


async def test_what_is_done_is_asked_about_once_after_a_notice_and_then_left_alone(
    market: World,
) -> None:
    anna, method = await a_rich_customer(market)
    asked = await withdraws(market, anna, method, rub(500))
    market.gateway.finish_payouts()
    await market.time_passes(minutes=10)
    [payout_id] = market.gateway.payouts
    await market.billing.ask_payout(YOOKASSA, payout_id)
    market.clock.advance(hours=6)
    market.gateway.unavailable(1)

    for _ in range(3):
        await market.time_passes(hours=6)

    async with market.store.read() as view:
        assert (await view.withdrawals.get(asked.id)).due_at is None
    assert len(market.gateway.payouts) == 1


async def test_what_came_back_may_be_withdrawn_again(market: World) -> None:
    anna, method = await a_rich_customer(market)
    await withdraws(market, anna, method, rub(400))
    market.gateway.finish_payouts(OutgoingStatus.FAILED)
    await market.time_passes(minutes=10)

    second = await withdraws(market, anna, method, rub(500))

    assert second.status is not WithdrawalStatus.HELD, "what failed does not count for the brakes"
    assert len(market.gateway.payouts) == 2


async def test_money_that_left_after_it_was_given_back_is_for_a_person(market: World) -> None:
    anna, method = await a_rich_customer(market)
    asked = await withdraws(market, anna, method, rub(500))
    market.gateway.finish_payouts(OutgoingStatus.FAILED)
    await market.time_passes(minutes=10)
    [payout_id] = market.gateway.payouts
    market.gateway.finish_payouts(OutgoingStatus.DONE)

    for _ in range(3):
        await market.billing.ask_payout(YOOKASSA, payout_id)

    assert await status(market, anna, asked) is WithdrawalStatus.FAILED
    assert await market.cash(anna) == {"RUB": 50000}, "the books do not guess"
    assert await market.cases() == ["difference"]


async def test_a_contradiction_is_looked_at_ever_more_seldom(market: World) -> None:
    anna, method = await a_rich_customer(market)
    asked = await withdraws(market, anna, method, rub(500))
    [(payout_id, facts)] = market.gateway.payouts.items()
    market.gateway.payouts[payout_id] = replace(facts, amount=rub(400))

    for _ in range(12):
        await market.time_passes(hours=1)

    present = await market.billing.show_withdrawals.one(anna, asked.id)
    assert 5 < present.looked < 12


async def test_a_notice_of_nobodys_payout_is_done_with(market: World) -> None:
    webhook = market.gateway.webhook(PaymentId("po-404"), "payout.succeeded")

    item = await market.billing.take_in_webhook("yookassa", webhook)
    await market.pump.drain()

    async with market.store.read() as view:
        found = await view.inbox.find(item.id)
        assert await view.jobs.waiting() == 0
    assert found is not None
    assert (found.status, found.result) == (InboxStatus.DONE, "nobody's payout")


async def test_a_notice_that_overtakes_the_answer_loses_nothing(market: World) -> None:
    anna, method = await a_rich_customer(market)
    market.gateway.act_then_fail(1)
    asked = await withdraws(market, anna, method, rub(500))
    [payout_id] = market.gateway.payouts
    market.gateway.finish_payouts()
    webhook = market.gateway.webhook(PaymentId(payout_id), "payout.succeeded")
    await market.billing.take_in_webhook("yookassa", webhook)
    await market.pump.drain()

    await market.time_passes(minutes=5)

    assert await status(market, anna, asked) is WithdrawalStatus.DONE


async def test_a_notice_while_the_gateway_is_down_is_worked_off_later(market: World) -> None:
    anna, method = await a_rich_customer(market)
    asked = await withdraws(market, anna, method, rub(500))
    [payout_id] = market.gateway.payouts
    market.gateway.finish_payouts()
    market.gateway.unavailable(1)
    webhook = market.gateway.webhook(PaymentId(payout_id), "payout.succeeded")
    await market.billing.take_in_webhook("yookassa", webhook)
    await market.pump.drain()
    assert await status(market, anna, asked) is WithdrawalStatus.SENT

    market.clock.advance(seconds=30)
    await market.pump.drain()

    assert await status(market, anna, asked) is WithdrawalStatus.DONE


async def test_a_fee_of_nothing_is_no_entry_and_one_in_another_currency_is_its_own(
    market: World,
) -> None:
    anna, method = await a_rich_customer(market)
    await withdraws(market, anna, method, rub(200))
    market.gateway.finish_payouts(fee=rub(0))
    await market.time_passes(minutes=10)
    assert await market.books(ledger.fees(YOOKASSA)) == 0
    await withdraws(market, anna, method, rub(200))
    market.gateway.finish_payouts(fee=Money.of(3, "USD"))
    await market.time_passes(minutes=10)

    assert await market.books(ledger.fees(YOOKASSA), "USD") == -3


async def test_of_an_approval_and_a_rejection_at_once_one_counts(market: World) -> None:
    anna, method = await a_rich_customer(market)
    await market.deposits(anna, rub(500))
    asked = await withdraws(market, anna, method, rub(600))

    async def decides(how: str) -> None:
        with suppress(WithdrawalMoved):
            decide = getattr(market.billing, how)
            await again(lambda: decide(asked.id, deed=ANN))

    await asyncio.gather(*(decides(how) for how in ("approve_withdrawal", "reject_withdrawal") * 2))
    await market.pump.drain()

    has_left = len(market.gateway.payouts) == 1
    ended = WithdrawalStatus.SENT if has_left else WithdrawalStatus.FAILED
    assert await status(market, anna, asked) is ended
    assert (await market.cash(anna))["RUB"] == (40000 if has_left else 100000)
    assert await held(market, anna) == (60000 if has_left else 0)


async def test_a_blocked_customer_withdraws_nothing(market: World) -> None:
    anna, method = await a_rich_customer(market)
    await market.billing.block_customer(anna, deed=ANN)

    with pytest.raises(CustomerBlocked):
        await withdraws(market, anna, method, rub(50))


async def test_a_removed_method_still_gets_what_was_on_its_way(market: World) -> None:
    anna, method = await a_rich_customer(market)
    await market.deposits(anna, rub(500))
    asked = await withdraws(market, anna, method, rub(600))
    await market.billing.remove_payment_method(anna, method.id)

    await market.billing.approve_withdrawal(asked.id, deed=ANN)
    await market.pump.drain()

    [payout] = market.gateway.payouts.values()
    assert (payout.our_id, payout.amount) == (asked.id, rub(600))
