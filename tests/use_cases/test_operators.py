"""What a person does by hand: each deed once, with a reason, in a chain that shows a change."""

from dataclasses import replace

import pytest

from core.domain import ledger
from core.domain.audit import FIRST_SEAL, Deed, ReasonMissing
from core.domain.case import Case, CaseKind
from core.domain.customer import CustomerId
from core.domain.ledger import Entry
from core.domain.money import AMOUNT_MINOR_MAX, AmountNotUsable, Money
from core.domain.money_terms import MoneyTerms
from core.domain.payment import InboxStatus
from core.use_cases.operators import CaseNotFound, NoticeNotReplayable
from core.use_cases.wallet import AdjustmentNotFound, AdjustmentNotUsable, WalletTooLow
from tests.builders import rub
from tests.contracts.units import seen, written
from tests.world import RETURN, World

ANN = Deed("ann", "  looked at it ")


async def adjusts(
    world: World, who: CustomerId, amount: Money, account: str = "cash", key: str | None = None
) -> Entry:
    return await world.billing.adjust_wallet(
        who, amount, account=account, deed=ANN, cause=world.cause(key)
    )


async def opens_case(world: World, cause: str) -> None:
    case = Case(f"case {cause}", CaseKind.MISMATCH, cause, world.clock(), {"n": "1"})
    await written(world.store, lambda uow: uow.open_case(case))


async def test_every_deed_is_a_line_that_seals_the_one_before(world: World) -> None:
    anna = await world.customer()
    await opens_case(world, "charge yookassa 1")

    entry = await adjusts(world, anna, rub(5))
    await world.billing.block_customer(anna, deed=ANN)
    await world.billing.block_customer(anna, deed=ANN)
    await world.billing.unblock_customer(anna, deed=ANN)
    await world.billing.close_case("charge yookassa 1", deed=ANN)

    lines = await world.billing.show_audit(limit=9)
    assert [(line.action, line.subject) for _, line, _ in lines] == [
        ("wallet.adjust", anna),
        ("customer.block", anna),
        ("customer.unblock", anna),
        ("case.close", "charge yookassa 1"),
    ]
    assert {(line.actor, line.reason) for _, line, _ in lines} == {("ann", "looked at it")}
    assert lines[0][1].facts == {"entry": entry.id, "amount_minor": 500, "currency": "RUB"}
    former = FIRST_SEAL
    for _, line, seal in lines:
        assert line.seal(former) == seal
        former = seal


async def test_a_deed_without_a_reason_is_none() -> None:
    for reason in ("", "  ", "ab", " ab ", "x" * 501):
        with pytest.raises(ReasonMissing):
            Deed("ann", reason)


async def test_a_deed_that_fails_leaves_no_line(world: World) -> None:
    anna = await world.customer()
    with pytest.raises(AdjustmentNotUsable):
        await adjusts(world, anna, rub(0))
    with pytest.raises(CaseNotFound):
        await world.billing.close_case("nothing of the kind", deed=ANN)

    assert await world.billing.show_audit(limit=9) == []


async def test_an_adjustment_repeated_is_one_entry_and_one_line(world: World) -> None:
    anna = await world.customer()

    first, second = [await adjusts(world, anna, rub(-5), key="once") for _ in range(2)]

    assert first.id == second.id
    assert await world.books(ledger.receivable(anna)) == 500
    assert len(await world.billing.show_audit(limit=9)) == 1


async def test_bonus_that_is_taken_and_not_there_is_owed_and_repaid_from_a_deposit(
    world: World,
) -> None:
    anna = await world.customer()
    await adjusts(world, anna, rub(10), "bonus")

    await adjusts(world, anna, rub(-30), "bonus")

    assert await world.books(ledger.bonus(anna)) == 0
    assert await world.books(ledger.receivable(anna)) == 2000
    await world.deposits(anna, rub(50))
    assert await world.books(ledger.receivable(anna)) == 0
    assert await world.cash(anna) == {"RUB": 3000}


async def test_an_adjustment_is_reversed_once_by_an_entry_of_its_own(world: World) -> None:
    anna = await world.customer()
    given = await adjusts(world, anna, rub(100))
    await adjusts(world, anna, rub(-30))

    first, again = [await world.billing.reverse_adjustment(given.id, deed=ANN) for _ in range(2)]

    assert first == again
    assert await world.books(ledger.cash(anna)) == 0
    assert await world.books(ledger.receivable(anna)) == 3000
    assert await world.books(ledger.ADJUSTMENTS) == 3000
    last = (await world.billing.show_audit(limit=9))[-1][1]
    assert (last.action, last.subject) == ("wallet.reverse", anna)
    assert last.facts == {"entry": first.id, "reversed": given.id}
    assert len(await world.billing.show_audit(limit=9)) == 3


@pytest.mark.parametrize("account", ["cash", "bonus"])
@pytest.mark.parametrize(
    ("repaid", "cash_after", "bonus_after", "owed_after"),
    # Of thirty taken ten were there; twenty are owed, and of those so many repaid since.
    [(0, 0, 10, 0), (15, 15, 10, 0), (50, 50, 10, 0)],
)
async def test_what_was_taken_and_owed_comes_back_as_it_has_been_paid(
    world: World, account: str, repaid: int, cash_after: int, bonus_after: int, owed_after: int
) -> None:
    anna = await world.customer()
    await adjusts(world, anna, rub(10), account)
    taken = await adjusts(world, anna, rub(-30), account)
    if repaid:
        await world.deposits(anna, rub(repaid))

    await world.billing.reverse_adjustment(taken.id, deed=ANN)

    cash = cash_after + (bonus_after if account == "cash" else 0)
    assert await world.books(ledger.cash(anna)) == cash * 100
    assert await world.books(ledger.bonus(anna)) == (10_00 if account == "bonus" else 0)
    assert await world.books(ledger.receivable(anna)) == owed_after


async def test_given_bonus_is_taken_back_from_bonus(world: World) -> None:
    anna = await world.customer()
    given = await adjusts(world, anna, rub(10), "bonus")
    await adjusts(world, anna, rub(5))

    await world.billing.reverse_adjustment(given.id, deed=ANN)

    assert await world.books(ledger.bonus(anna)) == 0
    assert await world.cash(anna) == {"RUB": 500}
    assert await world.books(ledger.BONUSES) == 0


async def test_what_a_reversal_gives_back_pays_an_order_that_waits_for_it(world: World) -> None:
    anna = await world.customer()
    await adjusts(world, anna, rub(400))
    taken = await adjusts(world, anna, rub(-400))
    with pytest.raises(WalletTooLow):
        await world.billing.start_purchase(
            anna, "PRO_MONTHLY", gateway="wallet", return_url=RETURN, cause=world.cause()
        )

    await world.billing.reverse_adjustment(taken.id, deed=ANN)
    await world.pump.drain()

    assert (await world.billing.show_account(anna)).standing.subscription.period is not None


async def test_only_adjustments_are_reversed(world: World) -> None:
    anna = await world.customer()
    charge = (await world.deposits(anna, rub(50))).purchase
    given = await adjusts(world, anna, rub(5))
    reversal = await world.billing.reverse_adjustment(given.id, deed=ANN)

    for wrong in (f"purchase {charge.id}", reversal.id, "adjustment adj_404", ""):
        with pytest.raises(AdjustmentNotFound):
            await world.billing.reverse_adjustment(wrong, deed=ANN)

    assert len(await world.billing.show_audit(limit=9)) == 2


async def test_a_currency_that_the_business_does_not_deal_in_is_not_given(world: World) -> None:
    anna = await world.customer()
    for code in ("USDT", "XTR"):
        with pytest.raises(AdjustmentNotUsable):
            await adjusts(world, anna, Money.of(1, code))

    assert await world.billing.show_audit(limit=9) == []


async def test_what_is_left_of_a_currency_that_was_given_up_can_be_taken(world: World) -> None:
    anna = await world.customer()
    stars = Money.of(5, "XTR")
    deposit = replace(world.wanted().money.deposit, bounds=((stars, stars),))
    dealt_in = replace(world.wanted(), money=MoneyTerms(deposit=deposit))
    await world.billing.apply_catalog(dealt_in)
    await adjusts(world, anna, stars)
    await world.billing.apply_catalog(world.wanted())

    await adjusts(world, anna, -stars)

    assert await world.cash(anna) == {}


async def test_more_than_can_be_counted_is_not_given(world: World) -> None:
    anna = await world.customer()
    most = Money.of(AMOUNT_MINOR_MAX, "RUB")
    await adjusts(world, anna, most)

    with pytest.raises(AmountNotUsable):
        await adjusts(world, anna, Money.of(1, "RUB"))

    assert await world.cash(anna) == {"RUB": AMOUNT_MINOR_MAX}
    assert len(await world.billing.show_audit(limit=9)) == 1


async def test_open_cases_are_listed_page_by_page(world: World) -> None:
    causes = [f"charge yookassa {n}" for n in range(3)]
    for cause in causes:
        await opens_case(world, cause)
        world.clock.advance(minutes=1)

    first = await world.billing.list_cases(limit=2)
    await world.billing.close_case(first[-1].cause, deed=ANN)
    rest = await world.billing.list_cases(limit=2, after=first[-1].cause)

    assert [case.cause for case in first + rest] == causes
    closed = await seen(world.store, lambda view: view.find_case(causes[1]))
    assert closed is not None
    assert (closed.closed_at, closed.reason) == (world.clock(), "looked at it")
    with pytest.raises(CaseNotFound):
        await world.billing.list_cases(limit=2, after="nothing of the kind")


async def test_a_replayed_notice_runs_again_and_its_parked_job_is_gone(world: World) -> None:
    anna = await world.customer()
    started = await world.starts_deposit(anna, rub(50))
    payment = world.pays(started)
    webhook = world.gateway.webhook(payment)
    item = await world.billing.take_in_webhook("yookassa", webhook)
    [poison] = await written(
        world.store, lambda uow: uow.jobs.claim(world.clock(), limit=9, only=["settle_payment"])
    )
    await written(world.store, lambda uow: uow.jobs.park(poison, error="a bug, mended since"))
    await world.pump.drain()
    assert await world.cash(anna) == {}

    await world.billing.replay_notice(item.id, deed=ANN)
    await world.pump.drain()

    assert await world.cash(anna) == {"RUB": 5000}
    assert await seen(world.store, lambda view: view.jobs.parked(limit=9)) == []
    done = await seen(world.store, lambda view: view.inbox.find(item.id))
    assert done is not None
    assert done.status is InboxStatus.DONE
    with pytest.raises(NoticeNotReplayable):
        await world.billing.replay_notice(item.id, deed=ANN)
    assert [line.action for _, line, _ in await world.billing.show_audit(limit=9)] == [
        "notice.replay"
    ]
