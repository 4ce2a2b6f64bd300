"""A shop with deposits, checks of payment methods and withdrawals, in a word each."""

from dataclasses import replace

from core.domain import ledger
from core.domain.audit import Deed
from core.domain.customer import CustomerId
from core.domain.money import Money
from core.domain.money_terms import (
    Brake,
    DepositTerms,
    MoneyTerms,
    VerificationTerms,
    WithdrawalTerms,
)
from core.domain.payment_method import (
    Billing,
    PaymentMethod,
)
from core.domain.payout import PayoutAccount
from core.domain.withdrawal import (
    Withdrawal,
    WithdrawalStatus,
)
from core.use_cases.checkouts import Started, Terms
from tests.builders import YOOKASSA, rub
from tests.world import RETURN, World

ACCOUNT = PayoutAccount("gcash", "09171234567", "JUAN DELA CRUZ")
BILLING = Billing("Juan Dela Cruz", "juan@example.com", "+639171234567")
ANN = Deed("ann", "looked at it")
CLEARING = ledger.clearing(YOOKASSA)


async def opens_market(world: World) -> World:
    """Deposits, checks for a rouble, withdrawals with brakes at 500, 900 and 2000."""
    bounds = ((rub(1), rub(100_000)),)
    brake = Brake(rub(500), rub(900), rub(2000))
    terms = MoneyTerms(
        DepositTerms(bounds=bounds),
        VerificationTerms((rub(1),)),
        withdrawal=WithdrawalTerms((rub(10),), (brake,)),
    )
    await world.billing.apply_catalog(replace(world.wanted(), money=terms))
    return world


async def adds(
    world: World, who: CustomerId, account: PayoutAccount = ACCOUNT, cause: object = None
) -> tuple[PaymentMethod, Started]:
    return await world.billing.add_payment_method(
        who, account, BILLING, Terms(RETURN), cause=cause or world.cause()
    )


async def proves(world: World, who: CustomerId, account: PayoutAccount = ACCOUNT) -> PaymentMethod:
    method, started = await adds(world, who, account)
    await world.pays_and_is_heard(started)
    [*_, proven] = await world.billing.list_payment_methods(who)
    assert proven.id == method.id
    return proven


async def withdraws(
    world: World, who: CustomerId, method: PaymentMethod, amount: Money, cause: object = None
) -> Withdrawal:
    asked = await world.billing.request_withdrawal(
        who, amount, method.id, cause=cause or world.cause()
    )
    await world.pump.drain()
    return asked


async def status(world: World, who: CustomerId, withdrawal: Withdrawal) -> WithdrawalStatus:
    return (await world.billing.show_withdrawals.one(who, withdrawal.id)).status


async def held(world: World, who: CustomerId) -> int:
    return await world.books(ledger.hold(who))
