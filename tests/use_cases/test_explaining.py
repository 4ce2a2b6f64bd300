"""Why: what led to a purchase, an entry or a customer's present state, and what it led to."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from adapters.locales.explained import sentence
from adapters.persistence.memory import MemoryStore
from core.domain.audit import Deed
from core.domain.customer import CustomerId, identity
from core.domain.escrow import EscrowSide
from core.domain.ledger import EntryId
from core.domain.promo_code import PercentOff
from core.domain.purchase import PurchaseId
from core.domain.referral_program import (
    Door,
    Invitation,
    ReferralTerms,
    RewardLevel,
    code_of,
)
from core.ports.unit_of_work import Store
from core.use_cases.consequences import consequences
from core.use_cases.explaining import Link, NothingToExplain
from core.use_cases.promo_codes import WantedCode
from tests.builders import rub
from tests.escrows import DOWN, Trade
from tests.world import World

ANN = Deed("ann", "looked at it")


async def _brought(world: World) -> tuple[CustomerId, CustomerId]:
    """Anna, and Boris whom she brought; a tenth of what he pays is hers."""
    wanted = world.wanted()
    terms = ReferralTerms(levels=(RewardLevel(1, 1000),))
    await world.billing.apply_catalog(replace(wanted, money=replace(wanted.money, referral=terms)))
    anna = await world.customer("telegram:1")
    world.clock.advance(seconds=1)
    boris = await world.billing.register_customer(
        identity("telegram:2"), language="ru", invitation=Invitation(code_of(anna), Door.BOT)
    )
    return anna, boris.id


def _told(links: Iterable[Link]) -> str:
    return "\n".join(map(sentence, links))


def _names(links: Iterable[Link]) -> list[str]:
    return [link.what for link in links]


async def test_a_paid_purchase_is_told_from_the_agreement_to_the_reward(world: World) -> None:
    anna, boris = await _brought(world)
    started = await world.buys(boris)
    world.clock.advance(seconds=5)
    payment_id = await world.pays_and_is_heard(started)

    links = await world.billing.explain.purchase(started.purchase.id)

    names, told = _names(links), _told(links)
    order = ["purchase.agreed", "checkout", "notice", "charge.settled", "entry", "purchase.paid"]
    assert [name for name in dict.fromkeys(names) if name in order] == order
    assert [link.facts["entry_id"] for link in links if link.what == "entry"] == [
        f"charge yookassa {payment_id}",
        f"purchase {started.purchase.id}",
        f"reward {started.purchase.id}",
    ]
    assert "known as telegram:2\ncheckout" in told
    assert "PRO_MONTHLY version 1, for 299.00 RUB" in told
    assert f"cash:{boris} -299.00 RUB" in told
    assert "that gave the plan PRO_MONTHLY until 2026-" in told
    assert f"is waiting: 29.90 RUB of 299.00 RUB for {anna}" in told
    at = [link.at for link in links if link.at is not None]
    assert at == sorted(at)


async def test_a_refunded_one_is_told_with_who_did_it_and_the_reward_taken_back(
    world: World,
) -> None:
    _, boris = await _brought(world)
    started = await world.buys(boris)
    await world.pays_and_is_heard(started)
    world.clock.advance(hours=1)
    await world.refunds(started)
    await world.sweeps()

    told = _told(await world.billing.explain.purchase(started.purchase.id))

    assert f"ann did purchase.refund to {started.purchase.id}: asked for it" in told
    assert "29.90 RUB of the reward was taken back" in told
    assert "the purchase is refunded, paid or ended at" in told
    assert "of 299.00 RUB was asked for at yookassa; it is done" in told


async def test_a_mismatch_is_told_with_its_open_case(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    payment_id = world.pays(started, rub(100))
    await world.hears(payment_id)
    explain = world.billing.explain

    cause = f"charge yookassa {payment_id}"
    of_purchase = _told(await explain.purchase(started.purchase.id))
    of_entry = _told(await explain.entry(EntryId(cause)))
    of_customer = _told(await explain.customer(anna))

    for told in (of_purchase, of_entry, of_customer):
        assert f"a case waits for a person: mismatch, '{cause}'" in told
    assert "which stayed in the wallet" in of_purchase
    assert "told to the customer: mismatch, 100.00 RUB came" in of_purchase
    assert "no reward: it is not paid" in of_purchase
    assert f"cash:{anna} holds 100.00 RUB" in of_customer
    assert "on the plan FREE version 1: nothing else is paid for" in of_customer
    await world.billing.close_case(cause, deed=ANN)
    closed = _told(await explain.purchase(started.purchase.id))
    assert f"ann did case.close to {cause}" in closed
    assert "a case waits" not in closed


async def test_jobs_that_wait_about_a_purchase_are_told(world: World) -> None:
    started = await world.buys(await world.customer())
    payment_id = world.pays(started)
    await world.billing.take_in_webhook("yookassa", world.gateway.webhook(payment_id))

    told = _told(await world.billing.explain.purchase(started.purchase.id))

    assert "job settle_payment waits for" in told
    assert "the purchase is pending, and waits until" in told


async def test_a_customer_is_told_with_plan_renewal_debt_and_the_last_lines(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.pays_and_is_heard(started)
    adjust = world.billing.adjust_wallet
    await adjust(anna, rub(-50), account="cash", deed=ANN, cause=world.cause())

    links = await world.billing.explain.customer(identity("telegram:1001"))

    told = _told(links)
    assert told.startswith(f"{anna} came, known as telegram:1001\n")
    assert f", by {started.purchase.id}; access outside: none" in told
    assert "it does not renew by itself: that was not asked for" in told
    assert f"owes 50.00 RUB (receivable:{anna})" in told
    assert f"-299.00 RUB, then 0.00 RUB  'purchase {started.purchase.id}'" in told
    assert f"ann did wallet.adjust to {anna}: looked at it" in told


async def test_a_lower_price_and_a_pack_are_told_with_what_they_are() -> None:
    world = await World(MemoryStore(consequences)).opens()
    anna = await world.customer()
    wanted = WantedCode(PercentOff(20), "SPRING")
    await world.billing.create_promo_code(wanted, deed=ANN, cause=world.cause())
    await world.billing.redeem_promo_code(anna, "SPRING", cause=world.cause())
    plan, pack = await world.buys(anna), await world.buys(anna, "PHOTOS_50")
    await world.pays_and_is_heard(pack)
    await world.refunds(pack)

    told = _told(await world.billing.explain.purchase(plan.purchase.id))
    assert "for 239.20 RUB, down from 299.00 RUB by the promo code SPRING" in told
    told = _told(await world.billing.explain.purchase(pack.purchase.id))
    assert "was agreed on: pack PHOTOS_50, 50 of photo_ai, for 299.00 RUB" in told
    assert "50 of photo_ai were given: 50 of packs are there now" in told
    assert "it was paid with 299.00 RUB; that gave 50 of photo_ai" in told
    assert "50 of photo_ai were taken back; 0 had been used" in told


async def test_an_adjustment_and_its_reversal_name_the_person_and_no_other_deed(
    world: World,
) -> None:
    anna = await world.customer()
    given, other = [
        await world.billing.adjust_wallet(
            anna, rub(10), account="bonus", deed=deed, cause=world.cause()
        )
        for deed in (ANN, Deed("ben", "another thing"))
    ]
    undone = await world.billing.reverse_adjustment(given.id, deed=Deed("ann", "by mistake"))

    of_given = _told(await world.billing.explain.entry(given.id))
    of_undone = _told(await world.billing.explain.entry(undone.id))

    assert "wallet.adjust" in of_given
    assert f"bonus:{anna} +10.00 RUB" in of_given
    assert of_undone.index(f"entry '{given.id}'") < of_undone.index(f"entry '{undone.id}'")
    assert "ann did wallet.reverse" in of_undone
    for told in (of_given, of_undone):
        assert "another thing" not in told
        assert other.id not in told


async def test_an_entry_of_an_escrow_names_both_sides_and_who_decided(store: Store) -> None:
    trade = await Trade.begins(store)
    escrow = await trade.funded()
    await trade.disputes(escrow)
    trade.world.clock.advance(hours=1)
    await trade.world.billing.resolve_escrow(
        escrow.id, EscrowSide.PAYEE, deed=ANN, cause=trade.world.cause()
    )

    explain = trade.world.billing.explain
    links = await explain.entry(EntryId(f"escrow {escrow.id} {DOWN} ended"))

    told = _told(links)
    assert _names(links)[-2:] == ["entry.of", "entry.of"]
    assert f"was opened by {trade.payer} for {trade.payee}" in told
    assert "the down_payment was disputed" in told
    assert f"ann did escrow.resolve to {escrow.id}" in told
    assert "known as external:boris" in told
    assert "painted" not in told  # A title may name somebody.


async def test_a_fee_and_a_reward_are_traced_to_their_purchase(world: World) -> None:
    anna, boris = await _brought(world)
    started = await world.buys(boris)
    payment_id = world.pays(started)
    world.gateway.restate(payment_id, rub(299), fee=rub(9))
    await world.hears(payment_id)
    explain = world.billing.explain

    told = _told(await explain.entry(EntryId(f"reward {started.purchase.id}")))
    of_fee = _told(await explain.entry(EntryId(f"fee charge yookassa {payment_id}")))

    assert f"purchase {started.purchase.id} was agreed on" in of_fee
    assert "which paid the purchase; its fee is 9.00 RUB" in of_fee
    assert "fees:yookassa -9.00 RUB" in _told(await explain.purchase(started.purchase.id))
    assert f"purchase {started.purchase.id} was agreed on" in told
    assert f"rewards -29.90 RUB\n{' ' * 23}hold:{anna} +29.90 RUB" in told
    assert "its money is of" in told


async def test_what_is_not_there_is_refused_with_the_forms_understood(world: World) -> None:
    explain = world.billing.explain
    for asked in (
        explain.customer(identity("telegram:404")),
        explain.purchase(PurchaseId("pur_nowhere")),
        explain.entry(EntryId("charge yookassa nowhere")),
    ):
        with pytest.raises(NothingToExplain) as refused:
            await asked
        assert "adjustment adj_" in str(refused.value.__doc__)


async def test_the_same_chain_is_told_in_russian_too(world: World) -> None:
    anna = await world.customer()
    await world.pays_and_is_heard(await world.buys(anna))

    links = await world.billing.explain.customer(anna)
    told = [sentence(link, language="ru") for link in links]

    assert "клиент зарегистрирован, у него есть подписка" in told
    [present] = [one for one in told if one.startswith("тариф PRO_MONTHLY, версия 1, active до ")]
    assert " UTC, по pur_" in present
    assert not [one for one in told if "{" in one or "|" in one]


def test_what_has_no_sentence_is_told_by_its_facts() -> None:
    assert sentence(Link(None, "moon.landed", {"gateway": "x", "why": None})) == (
        "moon.landed gateway=x"
    )
