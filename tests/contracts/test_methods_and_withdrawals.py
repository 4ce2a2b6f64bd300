"""What a store promises of payment methods and withdrawals."""

from datetime import timedelta

import pytest

from core.domain.charge import ChargeKey
from core.domain.item import PaymentMethodId
from core.domain.money import CURRENCIES, Money
from core.domain.payment import PayoutId, RefundId
from core.domain.payment_method import PaymentMethodNotFound
from core.domain.plan import GatewayName
from core.domain.refund import OurRefundId
from core.domain.withdrawal import QUEUE, WithdrawalId, WithdrawalNotFound, WithdrawalStatus
from core.ports.unit_of_work import SavedMeanwhile, Store
from tests.builders import ANNA, BORIS, NOON, YOOKASSA, a_purchase, rub
from tests.contracts.units import seen, written
from tests.money_builders import (
    a_charge,
    a_method,
    a_refund,
    a_requested_withdrawal,
    a_withdrawal,
    an_unproven_method,
)

RUB = CURRENCIES["RUB"]
HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)


@pytest.fixture
async def market(shop: Store) -> Store:
    """Anna and Boris have a method each."""
    await written(shop, lambda uow: uow.methods.add(a_method()))
    bens = a_method(id=PaymentMethodId("pm_00000002"), customer_id=BORIS)
    await written(shop, lambda uow: uow.methods.add(bens))
    return shop


def numbered(number: int, **fields: object):
    bens = {"method_id": "pm_00000002"} if fields.get("customer_id") == BORIS else {}
    return a_requested_withdrawal(id=WithdrawalId(f"wd_{number:08d}"), **bens | fields)


async def given(store: Store, *withdrawals) -> None:
    for one in withdrawals:
        await written(store, lambda uow, one=one: uow.withdrawals.add(one))


async def test_what_is_not_there_is_not_found(market: Store) -> None:
    with pytest.raises(PaymentMethodNotFound):
        await seen(market, lambda view: view.methods.get(PaymentMethodId("pm_none")))
    with pytest.raises(WithdrawalNotFound):
        await seen(market, lambda view: view.withdrawals.get(WithdrawalId("wd_none")))


async def test_whoever_saves_something_older_is_told_so(market: Store) -> None:
    await given(market, a_requested_withdrawal())
    sent = a_requested_withdrawal().becomes_sent(at=NOON)
    await written(market, lambda uow: uow.withdrawals.save(sent))
    removed = a_method().becomes_removed(at=NOON)
    await written(market, lambda uow: uow.methods.save(removed))

    with pytest.raises(SavedMeanwhile):
        await written(market, lambda uow: uow.withdrawals.save(sent))
    with pytest.raises(SavedMeanwhile):
        await written(market, lambda uow: uow.methods.save(removed))


async def test_a_customers_methods_are_told_in_the_order_they_were_added(market: Store) -> None:
    later = an_unproven_method(
        id=PaymentMethodId("pm_00000000"), created_at=NOON + timedelta(seconds=1)
    )
    await written(market, lambda uow: uow.methods.add(later))

    found = await seen(market, lambda view: view.methods.of_customer(ANNA))

    assert found == [a_method(), later]


async def test_a_payout_is_of_one_withdrawal(market: Store) -> None:
    named = {"payout_id": PayoutId("po-1")}
    await given(market, numbered(1, **named), numbered(2, gateway=GatewayName("other"), **named))
    await given(market, numbered(3))

    with pytest.raises(SavedMeanwhile):
        await written(market, lambda uow: uow.withdrawals.save(numbered(3, **named)))

    async def finds(gateway: GatewayName, payout_id: str) -> str | None:
        found = await seen(
            market, lambda view: view.withdrawals.find_by_payout(gateway, PayoutId(payout_id))
        )
        return None if found is None else found.id

    assert await finds(YOOKASSA, "po-1") == "wd_00000001"
    assert await finds(GatewayName("other"), "po-1") == "wd_00000002"
    assert await finds(YOOKASSA, "po-2") is None


async def test_withdrawals_come_in_pages_the_newest_first(market: Store) -> None:
    old = [numbered(number) for number in (1, 2, 3)]  # At the same moment.
    new = numbered(4, requested_at=NOON + HOUR)
    await given(market, old[1], new, old[0], old[2], numbered(5, customer_id=BORIS))

    async def page(after: str | None) -> list[str]:
        last = None if after is None else WithdrawalId(after)
        found = await seen(market, lambda view: view.withdrawals.page(ANNA, limit=2, after=last))
        return [one.id for one in found]

    assert await page(None) == ["wd_00000004", "wd_00000003"]
    assert await page("wd_00000003") == ["wd_00000002", "wd_00000001"]
    assert await page("wd_00000001") == []


async def test_what_waits_for_a_person_comes_the_oldest_first_and_is_counted(
    market: Store,
) -> None:
    waits = {"due_at": None}
    held = waits | {"status": WithdrawalStatus.HELD}
    by_hand = waits | {"gateway": QUEUE}
    await given(
        market,
        numbered(5, requested_at=NOON - HOUR, customer_id=BORIS, **held),
        numbered(3, **held),
        numbered(2, **by_hand),
        numbered(4, requested_at=NOON + MOMENT, status=WithdrawalStatus.SENT, **waits),
        numbered(6),
        numbered(7, status=WithdrawalStatus.SENT),
        a_withdrawal(),
    )

    async def waiting(**page):
        found = await seen(market, lambda view: view.withdrawals.waiting(**page))
        return [int(one.id[-1]) for one in found]

    assert await waiting(limit=9) == [5, 2, 3, 4]
    assert await waiting(limit=2) == [5, 2]
    third = WithdrawalId("wd_00000002")
    assert await waiting(limit=9, after=third) == [3, 4]
    done = await seen(market, lambda view: view.withdrawals.get(third))
    await written(market, lambda uow: uow.withdrawals.save(done.becomes_done(at=NOON)))
    assert await waiting(limit=1, after=third) == [3], "also after one that waits no more"
    with pytest.raises(WithdrawalNotFound):
        await waiting(limit=9, after=WithdrawalId("wd_none"))
    figures = await seen(market, lambda view: view.figures.told(NOON, day=NOON, month=NOON))
    assert figures.withdrawals == 3


async def test_the_withdrawals_of_a_gateway_since_come_in_pages(market: Store) -> None:
    elsewhere = numbered(5, gateway=GatewayName("xendit"))
    early = numbered(1, requested_at=NOON - MOMENT)
    mine = [numbered(4), numbered(2, customer_id=BORIS), numbered(3, requested_at=NOON + HOUR)]
    await given(market, elsewhere, early, *mine)

    async def page(after: str) -> list[str]:
        of = await seen(
            market,
            lambda view: view.withdrawals.since(YOOKASSA, NOON, limit=2, after=after),
        )
        return [one.id for one in of]

    assert await page("") == ["wd_00000002", "wd_00000003"]
    assert await page("wd_00000003") == ["wd_00000004"]
    assert await page("wd_00000004") == []


async def test_the_charges_and_refunds_of_a_gateway_since_come_in_pages(shop: Store) -> None:
    await written(shop, lambda uow: uow.purchases.add(a_purchase()))
    times = {"d": NOON, "b": NOON + HOUR, "c": NOON, "a": NOON - MOMENT}
    for id_, at in times.items():
        charge = a_charge(key=ChargeKey(YOOKASSA, id_), charged_at=at)
        await written(shop, lambda uow, it=charge: uow.charges.add(it))
        refund = a_refund(
            id=OurRefundId(f"rfd_{id_}"), charge_id=id_, provider_id=RefundId(id_), asked_at=at
        )
        await written(shop, lambda uow, it=refund: uow.refunds.add(it))
    foreign = a_charge(key=ChargeKey(GatewayName("xendit"), "e"), charged_at=NOON)
    await written(shop, lambda uow: uow.charges.add(foreign))

    async def pages(after: str) -> tuple[list[str], list[str]]:
        charges = await seen(
            shop, lambda view: view.charges.since(YOOKASSA, NOON, limit=2, after=after)
        )
        after_refund = after and f"rfd_{after}"
        refunds = await seen(
            shop, lambda view: view.refunds.since(YOOKASSA, NOON, limit=2, after=after_refund)
        )
        return [one.key.charge_id for one in charges], [one.charge_id for one in refunds]

    assert await pages("") == (["b", "c"], ["b", "c"])
    assert await pages("c") == (["d"], ["d"])


async def test_what_was_asked_for_since_is_summed_by_currency_and_by_customer(
    market: Store,
) -> None:
    await given(
        market,
        numbered(1, amount=rub(1)),  # At the moment itself: no longer within.
        numbered(2, amount=rub(2), requested_at=NOON + MOMENT),
        numbered(3, amount=rub(4), status=WithdrawalStatus.HELD, requested_at=NOON + HOUR),
        a_withdrawal(id=WithdrawalId("wd_4"), amount=rub(8), requested_at=NOON + HOUR),
        numbered(5, amount=rub(16), customer_id=BORIS, requested_at=NOON + HOUR),
        numbered(6, amount=Money.of(32, "XTR"), requested_at=NOON + HOUR),
        numbered(
            7,
            amount=rub(64),
            status=WithdrawalStatus.FAILED,
            ended_at=NOON,
            requested_at=NOON + HOUR,
        ),
    )

    async def asked(*of: object) -> Money:
        return await seen(market, lambda view: view.withdrawals.asked_since(NOON, *of))

    assert await asked(RUB) == rub(2 + 4 + 8 + 16)
    assert await asked(RUB, ANNA) == rub(2 + 4 + 8)
    assert await asked(CURRENCIES["XTR"]) == Money.of(32, "XTR")
    assert await asked(CURRENCIES["PHP"]) == Money.of(0, "PHP")


async def test_what_is_due_is_leased_and_what_has_ended_is_never_due(market: Store) -> None:
    await given(
        market,
        numbered(1, due_at=NOON),
        numbered(2, due_at=NOON + HOUR),
        a_withdrawal(id=WithdrawalId("wd_9")),
    )
    await written(
        market,
        lambda uow: uow.methods.add(
            an_unproven_method(id=PaymentMethodId("pm_00000003"), created_at=NOON - 24 * HOUR)
        ),
    )

    async def due() -> tuple[list[str], list[str]]:
        lease = {"until": NOON + HOUR, "limit": 9}
        return (
            await written(market, lambda uow: uow.withdrawals.take_due(NOON, **lease)),
            await written(market, lambda uow: uow.methods.take_due(NOON, **lease)),
        )

    assert await due() == (["wd_00000001"], ["pm_00000003"])
    assert await due() == ([], [])
