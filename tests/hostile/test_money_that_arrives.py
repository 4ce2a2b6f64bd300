"""Money that arrives under a wrong name, or where there is no room for it: whose it is, and its end."""

from collections.abc import Mapping

import pytest

from adapters.persistence.memory import MemoryStore
from core.domain.customer import CustomerId
from core.domain.item import EscrowPart
from core.domain.money import AMOUNT_MINOR_MAX, Money
from core.domain.purchase import PurchaseStatus
from core.use_cases.checkouts import Started
from core.use_cases.consequences import consequences
from tests.builders import rub
from tests.escrows import Trade
from tests.hostile.things import ANN
from tests.world import World

PENDING, PAID = PurchaseStatus.PENDING, PurchaseStatus.PAID
FULL = Money(AMOUNT_MINOR_MAX, rub(0).currency)
STRANGE = ("pur_99999999", "pur_'--", "", "x" * 5000, "../pur_00000001", "\u202epur")


@pytest.fixture
async def world() -> World:
    return await World(MemoryStore(consequences)).opens()


Named = Mapping[str, str]
"""`checkout` and `purchase`, each of `anna`, `boris`, or a text of the forger's own."""


async def both_buy(world: World) -> Mapping[str, Started]:
    return {
        name: await world.buys(await world.customer(ref))
        for name, ref in (("anna", "telegram:1001"), ("boris", "telegram:1002"))
    }


def ids(started: Mapping[str, Started], named: Named) -> dict[str, str]:
    of = {
        name: {"checkout": one.checkout.id, "purchase": one.purchase.id}
        for name, one in started.items()
    }
    return {kind: of[who][kind] if who in of else who for kind, who in named.items()}


async def statuses(world: World, started: Mapping[str, Started]) -> list[PurchaseStatus]:
    found = [
        await world.purchase(one.purchase.customer_id, one.purchase.id) for one in started.values()
    ]
    return [one.purchase.status for one in found]


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"checkout": "boris", "purchase": "boris"},
        {"purchase": "boris"},
        {"checkout": "boris"},
        *({"checkout": text, "purchase": text} for text in STRANGE),
    ],
    ids=lambda named: str(named)[:60],
)
async def test_a_payment_that_we_opened_is_whose_it_was_opened_for_whatever_it_names(
    world: World, named: Named
) -> None:
    started = await both_buy(world)
    payment_id = world.pays(started["anna"])
    world.gateway.tamper(payment_id, **ids(started, named))

    await world.hears(payment_id)

    assert await statuses(world, started) == [PAID, PENDING]
    assert await world.cases() == []


@pytest.mark.parametrize(
    ("named", "ends"),
    [
        ({"checkout": "anna", "purchase": "boris"}, [PAID, PENDING]),
        ({"checkout": "anna"}, [PAID, PENDING]),
        ({"purchase": "boris"}, [PENDING, PAID]),
        *(({"checkout": text, "purchase": text}, [PENDING, PENDING]) for text in STRANGE),
    ],
    ids=lambda one: str(one)[:60],
)
async def test_a_payment_that_we_did_not_open_is_whose_our_ids_say_or_nobodys(
    world: World, named: Named, ends: list[PurchaseStatus]
) -> None:
    """Our checkout first: it is the one thing that only its own payment was told."""
    started = await both_buy(world)
    stray = world.gateway.pay_again(started["anna"].checkout.payment_id)
    world.gateway.tamper(stray, **ids(started, named))

    await world.hears(stray)

    assert await statuses(world, started) == ends
    is_nobodys = PAID not in ends
    assert await world.cases() == ["suspense"] * is_nobodys
    assert await world.books("suspense:yookassa") == 299_00 * is_nobodys


async def is_filled(world: World, who: CustomerId) -> None:
    await world.billing.adjust_wallet(who, FULL, account="cash", deed=ANN, cause=world.cause())


async def is_tried_until_given_up(world: World) -> None:
    for _ in range(10):
        await world.time_passes(seconds=10)


async def test_a_charge_that_no_wallet_has_room_for_waits_for_a_person_and_is_booked_then(
    world: World,
) -> None:
    anna = await world.customer()
    started = await world.starts_deposit(anna, rub(100))
    await is_filled(world, anna)

    await world.pays_and_is_heard(started)
    await is_tried_until_given_up(world)

    assert await world.cash(anna) == {"RUB": AMOUNT_MINOR_MAX}
    assert set(await world.cases()) == {"poison"}, "of the notice, and of the watcher"
    await world.billing.adjust_wallet(
        anna, rub(-100), account="cash", deed=ANN, cause=world.cause()
    )
    await world.settles(started.checkout.payment_id)
    assert await world.cash(anna) == {"RUB": AMOUNT_MINOR_MAX}
    assert (await world.purchase(anna, started.purchase.id)).purchase.status is PAID


async def test_a_release_that_no_wallet_has_room_for_waits_for_a_person_and_is_made_then() -> None:
    trade = await Trade.begins(MemoryStore(consequences), fee_basis_points=0)
    world, escrow = trade.world, await trade.funded(rub(300), rub(300))
    await is_filled(world, trade.payee)

    await trade.approves(escrow, EscrowPart.DOWN_PAYMENT)
    await world.time_passes(days=3)
    await is_tried_until_given_up(world)

    assert (await trade.cash(trade.payee), await trade.set_aside()) == (AMOUNT_MINOR_MAX, 300_00)
    assert await world.cases() == ["poison"]
    await trade.gives(trade.payee, rub(-300))
    await world.time_passes(hours=1)
    assert (await trade.cash(trade.payee), await trade.set_aside()) == (AMOUNT_MINOR_MAX, 0)
