"""Escrows: what is set aside goes to one of the two, once, and the fee to the business."""

import pytest

from core.domain import ledger
from core.domain.audit import Deed
from core.domain.cause import KeyUsedOtherwise
from core.domain.customer import CustomerBlocked, CustomerId, CustomerNotFound
from core.domain.errors import BillingError
from core.domain.escrow import (
    EscrowNotFound,
    EscrowNotUsable,
    EscrowPartNotFound,
    EscrowPartNotReady,
    EscrowSide,
    EscrowWithOneself,
    NothingDisputed,
    NotYourMove,
    PartStatus,
)
from core.domain.item import EscrowId
from core.domain.money import Money
from core.domain.money_terms import NotOffered
from core.domain.refund import RefundNotPossible
from core.ports.notifier import NewsKind
from core.ports.unit_of_work import Store
from core.use_cases.escrows import PayeeNotServed
from tests.builders import YOOKASSA, rub
from tests.contracts.units import seen
from tests.escrows import BUFFER, DEED, DOWN, REST, Trade, offer_escrow
from tests.world import World


@pytest.fixture
async def trade(store: Store) -> Trade:
    return await Trade.begins(store)


async def test_what_is_opened_is_seen_by_both_and_by_nobody_else(trade: Trade) -> None:
    escrow = await trade.opens(rub(1000), rub(300))
    stranger = await trade.world.customer("telegram:1003")
    show = trade.world.billing.show_escrows

    for side in (trade.payer, trade.payee):
        assert await show.one(side, escrow.id) == escrow
        assert await show.page(side, limit=9) == [escrow]
    for asked in (show.one(stranger, escrow.id), show.one(trade.payer, EscrowId("esc_nowhere"))):
        with pytest.raises(EscrowNotFound):
            await asked
    assert await show.page(stranger, limit=9) == []
    with pytest.raises(EscrowNotFound):
        await show.page(stranger, limit=9, after=escrow.id)
    assert await trade.states(escrow) == ["unfunded", "unfunded"]
    assert [one.name for one in await seen(trade.world.store, lambda v: v.history(escrow.id))] == [
        "escrow.opened"
    ]


async def test_the_terms_are_those_of_the_day_it_was_opened(trade: Trade) -> None:
    escrow = await trade.funded()
    await offer_escrow(trade.world, fee_basis_points=9000)

    await trade.approves(escrow)
    await trade.world.time_passes(hours=48)

    assert await trade.kept() == 1_650


@pytest.mark.parametrize(
    ("total", "down_payment"),
    [
        (rub(1000), rub(0)),
        (rub(1000), rub(-1)),
        (rub(1000), Money.of(100_001, "RUB")),
        (rub(1000), Money.of(300, "XTR")),
        (Money.of(1000, "EUR"), Money.of(300, "EUR")),
    ],
)
async def test_what_makes_no_escrow_is_not_opened(
    trade: Trade, total: Money, down_payment: Money
) -> None:
    with pytest.raises(EscrowNotUsable):
        await trade.opens(total, down_payment)

    assert await trade.world.billing.show_escrows.page(trade.payer, limit=9) == []


async def test_whom_nobody_can_pay_is_said(trade: Trade) -> None:
    with pytest.raises(EscrowWithOneself):
        await trade.opens(rub(2), rub(1), payee=trade.payer)
    with pytest.raises(CustomerNotFound):
        await trade.opens(rub(2), rub(1), payee=CustomerId("cus_nobody00"))
    await trade.world.billing.block_customer(trade.payee, deed=Deed("ann", "fraud"))
    with pytest.raises(PayeeNotServed):
        await trade.opens(rub(2), rub(1))
    with pytest.raises(CustomerBlocked):
        await trade.opens(rub(2), rub(1), payer=trade.payee, payee=trade.payer)


async def test_a_business_without_escrow_opens_none(world: World) -> None:
    anna, boris = [await world.customer(f"telegram:100{n}") for n in (1, 2)]

    with pytest.raises(NotOffered):
        await Trade(world, anna, boris).opens(rub(2), rub(1))


async def test_one_key_opens_one_escrow_and_never_another(trade: Trade) -> None:
    cause = trade.world.cause("k")
    first = await trade.opens(rub(1000), rub(300), cause=cause)
    await trade.gives(trade.payer, rub(300))
    await trade.funds(first)

    again = await trade.opens(rub(1000), rub(300), cause=cause)

    assert (again.id, again.parts) == (first.id, first.parts), "as it was answered"
    with pytest.raises(KeyUsedOtherwise):
        await trade.opens(rub(1), rub(1), cause=trade.world.cause("k", "another request"))
    assert len(await trade.world.billing.show_escrows.page(trade.payer, limit=9)) == 1


async def test_the_wallet_pays_a_part_into_the_escrow_account(trade: Trade) -> None:
    await trade.gives(trade.payer, rub(1000))
    escrow = await trade.opens(rub(1000), rub(300))

    started = await trade.funds(escrow)

    assert started.purchase.status == "paid"
    assert started.purchase.amount == rub(300)
    assert await trade.states(escrow) == ["funded", "unfunded"]
    assert (await trade.cash(trade.payer), await trade.set_aside()) == (70_000, 30_000)
    assert await trade.cash(trade.payee) == 0
    entry = await seen(
        trade.world.store, lambda view: view.ledger.find(f"purchase {started.purchase.id}")
    )
    assert [(one.account, one.amount) for one in entry.postings] == [
        (f"cash:{trade.payer}", rub(-300)),
        (f"escrow:{trade.payer}", rub(300)),
    ]


async def test_a_gateway_pays_a_part_and_the_money_goes_through_the_wallet(trade: Trade) -> None:
    escrow = await trade.opens(rub(1000), rub(300))
    started = await trade.funds(escrow, source="yookassa")
    assert await trade.states(escrow) == ["unfunded", "unfunded"]

    payment = trade.world.pays(started)
    for _ in range(3):
        await trade.world.hears(payment)

    assert await trade.states(escrow) == ["funded", "unfunded"]
    assert (await trade.cash(trade.payer), await trade.set_aside()) == (0, 30_000)
    assert started.checkout is not None
    assert started.checkout.description == "Сделка"


async def test_what_lies_in_an_escrow_is_refunded_only_after_its_part_has_ended(
    trade: Trade,
) -> None:
    escrow = await trade.opens(rub(1000), rub(300))
    started = await trade.funds(escrow, source="yookassa")
    await trade.world.pays_and_is_heard(started)

    with pytest.raises(RefundNotPossible) as refused:
        await trade.world.refunds(started)
    assert refused.value.reason == "set_aside_in_escrow"
    assert (await trade.cash(trade.payer), await trade.set_aside()) == (0, 30_000)
    assert await trade.world.books(ledger.receivable(trade.payer)) == 0

    await trade.gives_back(escrow)
    await trade.world.refunds(started)

    assert (await trade.cash(trade.payer), await trade.set_aside()) == (0, 0)
    assert await trade.world.books(ledger.receivable(trade.payer)) == 0
    assert await trade.world.books(ledger.clearing(YOOKASSA)) == 0


async def test_bonus_is_never_spent_in_an_escrow(trade: Trade) -> None:
    await trade.gives(trade.payer, rub(1000), account="bonus")
    await trade.gives(trade.payer, Money.of(29_999, "RUB"))
    escrow = await trade.opens(rub(1000), rub(300))

    with pytest.raises(BillingError) as refused:
        await trade.funds(escrow)

    assert refused.value.code == "wallet_too_low"
    assert refused.value.facts["missing"] == Money.of(1, "RUB")
    assert await trade.states(escrow) == ["unfunded", "unfunded"]
    # The purchase waits for cash, and is paid as soon as there is enough.
    await trade.gives(trade.payer, Money.of(1, "RUB"))
    await trade.world.sweeps()
    assert await trade.states(escrow) == ["funded", "unfunded"]
    account = await trade.world.me(trade.payer)
    assert [money for money in account.bonus if money.is_positive] == [rub(1000)]


async def test_a_payer_with_a_debt_repays_it_first(trade: Trade) -> None:
    await trade.gives(trade.payer, rub(-800))  # Nothing is there: it is owed.
    await trade.gives(trade.payer, rub(1000))
    escrow = await trade.opens(rub(1000), rub(300))

    with pytest.raises(BillingError) as refused:
        await trade.funds(escrow)

    assert refused.value.facts["missing"] == rub(100)
    assert (await trade.cash(trade.payer), await trade.set_aside()) == (20_000, 0)


async def test_a_charge_pays_its_own_part_whatever_its_payer_owes(trade: Trade) -> None:
    await trade.gives(trade.payer, rub(-800))
    escrow = await trade.opens(rub(1000), rub(300))

    await trade.world.pays_and_is_heard(await trade.funds(escrow, source="yookassa"))

    assert await trade.states(escrow) == ["funded", "unfunded"]
    assert (await trade.cash(trade.payer), await trade.set_aside()) == (0, 30_000)
    assert await trade.world.books(ledger.receivable(trade.payer)) == 800_00


async def test_a_payee_with_a_debt_repays_it_from_what_is_released(trade: Trade) -> None:
    await trade.gives(trade.payee, rub(-100))
    escrow = await trade.funded()
    await trade.approves(escrow)

    await trade.world.time_passes(hours=48)

    assert await trade.cash(trade.payee) == 28_350 - 10_000


async def test_a_part_is_funded_once_by_its_payer_in_order(trade: Trade) -> None:
    await trade.gives(trade.payer, rub(2000))
    await trade.gives(trade.payee, rub(2000))
    escrow = await trade.opens(rub(1000), rub(300))
    stranger = await trade.world.customer("telegram:1003")

    with pytest.raises(EscrowPartNotReady):
        await trade.funds(escrow, REST)
    with pytest.raises(NotYourMove):
        await trade.funds(escrow, who=trade.payee)
    with pytest.raises(EscrowNotFound):
        await trade.funds(escrow, who=stranger)
    await trade.funds(escrow)
    with pytest.raises(EscrowPartNotReady) as twice:
        await trade.funds(escrow)
    assert twice.value.part_status == "funded"
    await trade.funds(escrow, REST)
    whole = await trade.opens(rub(1000), rub(1000))
    with pytest.raises(EscrowPartNotFound):
        await trade.funds(whole, REST)
    assert await trade.set_aside() == 100_000


async def test_a_blocked_payee_is_paid_nothing_new_and_keeps_what_was_agreed(
    trade: Trade,
) -> None:
    await trade.gives(trade.payer, rub(1000))
    escrow = await trade.opens(rub(1000), rub(300))
    await trade.funds(escrow)
    at_gateway = await trade.funds(escrow, REST, source="yookassa")
    await trade.world.billing.block_customer(trade.payee, deed=Deed("ann", "complaints"))

    with pytest.raises(PayeeNotServed):
        await trade.funds(escrow, REST)
    await trade.world.hears(trade.world.pays(at_gateway))
    await trade.approves(escrow)
    await trade.world.time_passes(hours=48)

    assert await trade.states(escrow) == ["released", "funded"]
    assert await trade.cash(trade.payee) == 28_350


async def test_a_late_payment_for_a_part_that_was_funded_meanwhile_stays_in_the_wallet(
    trade: Trade,
) -> None:
    escrow = await trade.opens(rub(1000), rub(300))
    late = await trade.funds(escrow, source="yookassa")
    await trade.world.time_passes(hours=25)
    await trade.gives(trade.payer, rub(300))
    await trade.funds(escrow)

    assert late.checkout is not None
    payment = trade.world.gateway.pay_again(late.checkout.payment_id)
    await trade.world.hears(payment)

    told = (await trade.world.purchase(trade.payer, late.purchase.id)).purchase
    assert (told.status, told.remark.code) == ("expired", "second")
    assert (await trade.cash(trade.payer), await trade.set_aside()) == (30_000, 30_000)
    assert trade.world.notifier.told[-1].kind is NewsKind.SECOND


async def test_what_waits_for_money_is_given_up_where_the_down_payment_went_back(
    trade: Trade,
) -> None:
    await trade.gives(trade.payer, rub(300))
    escrow = await trade.opens(rub(1000), rub(300))
    await trade.funds(escrow)
    with pytest.raises(BillingError) as refused:
        await trade.funds(escrow, REST)
    waiting = refused.value.facts["purchase_id"]

    await trade.gives_back(escrow)
    await trade.gives(trade.payer, rub(1000))
    await trade.world.sweeps()

    assert (await trade.world.purchase(trade.payer, waiting)).purchase.status == "canceled"
    assert (await trade.cash(trade.payer), await trade.set_aside()) == (130_000, 0)


async def test_the_payers_word_waits_for_the_buffer_and_then_the_payee_has_it(
    trade: Trade,
) -> None:
    escrow = await trade.funded()

    approved = await trade.approves(escrow)
    assert approved.part(DOWN).releasing_at == trade.world.clock() + BUFFER
    await trade.world.time_passes(hours=47, minutes=59, seconds=59)
    assert (await trade.states(escrow), await trade.cash(trade.payee)) == (["funded", "funded"], 0)
    await trade.world.time_passes(seconds=1)

    assert await trade.states(escrow) == ["released", "funded"]
    assert await trade.cash(trade.payee) == 28_350
    assert (await trade.kept(), await trade.set_aside()) == (1_650, 70_000)
    assert [one.name for one in await seen(trade.world.store, lambda v: v.history(escrow.id))] == [
        "escrow.opened",
        "escrow.funded",
        "escrow.funded",
        "escrow.approved",
        "escrow.released",
    ]


async def test_giving_the_word_again_neither_prolongs_nor_pays_twice(trade: Trade) -> None:
    escrow = await trade.funded()
    first = await trade.approves(escrow)
    await trade.world.time_passes(hours=40)

    again = await trade.approves(escrow)
    await trade.world.time_passes(hours=8)
    last = await trade.approves(escrow)
    for _ in range(2):
        await trade.world.billing.release_due(escrow.id)

    assert again.part(DOWN) == first.part(DOWN)
    assert last.part(DOWN).status is PartStatus.RELEASED
    assert await trade.cash(trade.payee) == 28_350


async def test_before_any_sweep_a_part_is_shown_as_time_has_made_it(trade: Trade) -> None:
    escrow = await trade.funded()
    await trade.approves(escrow)
    trade.world.clock.advance(BUFFER)

    assert await trade.states(escrow) == ["released", "funded"]
    assert await trade.cash(trade.payee) == 0
    with pytest.raises(EscrowPartNotReady):
        await trade.disputes(escrow)
    # It was written down before it was told.
    assert await trade.cash(trade.payee) == 28_350


async def test_the_payee_gives_back_and_nobody_else_does(trade: Trade) -> None:
    escrow = await trade.funded()
    stranger = await trade.world.customer("telegram:1003")
    await trade.approves(escrow)

    with pytest.raises(NotYourMove) as refused:
        await trade.gives_back(escrow, who=trade.payer)
    assert refused.value.decides == "payee"
    with pytest.raises(EscrowNotFound):
        await trade.gives_back(escrow, who=stranger)
    await trade.gives_back(escrow)
    await trade.gives_back(escrow)
    await trade.world.time_passes(days=9)

    assert await trade.states(escrow) == ["refunded", "funded"]
    assert (await trade.cash(trade.payer), await trade.cash(trade.payee)) == (30_000, 0)
    assert await trade.kept() == 0
    with pytest.raises(EscrowPartNotReady):
        await trade.approves(escrow)


async def test_only_the_payer_gives_the_word_or_disputes(trade: Trade) -> None:
    escrow = await trade.funded()
    stranger = await trade.world.customer("telegram:1003")

    for act in (trade.approves, trade.disputes):
        with pytest.raises(NotYourMove):
            await act(escrow, who=trade.payee)
        with pytest.raises(EscrowNotFound):
            await act(escrow, who=stranger)
    assert await trade.states(escrow) == ["funded", "funded"]


@pytest.mark.parametrize(
    ("to", "payer", "payee", "kept"),
    [(EscrowSide.PAYER, 100_000, 0, 0), (EscrowSide.PAYEE, 0, 94_500, 5_500)],
)
async def test_a_dispute_stops_the_release_until_an_operator_decides(
    trade: Trade, to: EscrowSide, payer: int, payee: int, kept: int
) -> None:
    escrow = await trade.funded()
    await trade.approves(escrow)
    for part in (DOWN, REST, DOWN):
        await trade.disputes(escrow, part)
    await trade.world.time_passes(days=30)
    assert await trade.states(escrow) == ["disputed", "disputed"]
    assert await trade.world.cases() == ["dispute", "dispute"]
    for act in (trade.approves, trade.gives_back):
        with pytest.raises(EscrowPartNotReady):
            await act(escrow)

    await trade.world.billing.resolve_escrow(escrow.id, to, deed=DEED, cause=trade.world.cause())

    assert (await trade.cash(trade.payer), await trade.cash(trade.payee)) == (payer, payee)
    assert (await trade.kept(), await trade.set_aside()) == (kept, 0)
    assert await trade.world.cases() == []
    async with trade.world.store.read() as view:
        [(_, line, _)] = await view.audit_trail(limit=9, subject=escrow.id)
    assert (line.actor, line.action, line.reason) == ("olga", "escrow.resolve", DEED.reason)
    assert line.facts == {"to": to.value}


async def test_a_decision_is_made_once_about_what_is_in_dispute(trade: Trade) -> None:
    escrow = await trade.funded()
    resolve, cause = trade.world.billing.resolve_escrow, trade.world.cause("k")
    with pytest.raises(NothingDisputed):
        await resolve(escrow.id, EscrowSide.PAYER, deed=DEED, cause=cause)
    await trade.disputes(escrow)

    first = await resolve(escrow.id, EscrowSide.PAYER, deed=DEED, cause=cause)
    again = await resolve(escrow.id, EscrowSide.PAYER, deed=DEED, cause=cause)

    assert again.parts == first.parts
    assert [part.status for part in first.parts.values()] == ["refunded", "funded"]
    with pytest.raises(KeyUsedOtherwise):
        other = trade.world.cause("k", "to the payee")
        await resolve(escrow.id, EscrowSide.PAYEE, deed=DEED, cause=other)
    with pytest.raises(NothingDisputed):
        deed = Deed("ben", "changed my mind")
        await resolve(escrow.id, EscrowSide.PAYEE, deed=deed, cause=trade.world.cause())
    with pytest.raises(EscrowNotFound):
        nowhere = EscrowId("esc_nowhere")
        await resolve(nowhere, EscrowSide.PAYEE, deed=DEED, cause=trade.world.cause())
    assert (await trade.cash(trade.payer), await trade.cash(trade.payee)) == (30_000, 0)


async def test_a_repeat_under_its_key_hears_the_first_answer_for_ever(trade: Trade) -> None:
    escrow = await trade.funded()
    word, back = trade.world.cause("word"), trade.world.cause("back")
    approved = await trade.approves(escrow, cause=word)
    returned = await trade.gives_back(escrow, REST, cause=back)
    await trade.world.time_passes(days=3)

    assert (await trade.approves(escrow, cause=word)).parts == approved.parts
    assert (await trade.gives_back(escrow, REST, cause=back)).parts == returned.parts
    with pytest.raises(KeyUsedOtherwise):
        await trade.approves(escrow, REST, cause=trade.world.cause("word", "the remainder"))
    assert await trade.states(escrow) == ["released", "refunded"]


@pytest.mark.parametrize(
    ("total", "down_payment", "points", "payee", "kept"),
    [
        (Money.of(7, "XTR"), Money.of(3, "XTR"), 5_000, 4, 3),
        (Money.of(2, "XTR"), Money.of(1, "XTR"), 550, 2, 0),
        (Money.of(37, "RUB"), Money.of(18, "RUB"), 550, 36, 1),
        (Money.of(10**15, "RUB"), Money.of(1, "RUB"), 1, 10**15 - 99_999_999_999, 99_999_999_999),
    ],
)
async def test_what_both_sides_and_the_business_have_is_what_was_paid(
    store: Store, total: Money, down_payment: Money, points: int, payee: int, kept: int
) -> None:
    trade = await Trade.begins(store, fee_basis_points=points)
    escrow = await trade.funded(total, down_payment)
    for part in escrow.parts:
        await trade.approves(escrow, part)

    await trade.world.time_passes(hours=48)

    code = total.currency.code
    assert (await trade.cash(trade.payee, code), await trade.kept(code)) == (payee, kept)
    assert payee + kept == total.amount_minor
    assert (await trade.cash(trade.payer, code), await trade.set_aside()) == (0, 0)
