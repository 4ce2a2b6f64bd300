"""Whoever reads the database or the logs learns no account, no name and no token."""

from sqlalchemy import Engine, inspect, text
from structlog.testing import capture_logs

from adapters.persistence.sql.store import SqlStore
from core.domain.payment import OutgoingStatus
from core.ports.payment_gateway import Gateways
from core.use_cases.withdrawals import SendWithdrawal
from tests.adapters.http.api import an_api
from tests.builders import rub
from tests.market import ACCOUNT, BILLING, opens_market, proves, withdraws
from tests.world import World

SECRETS = (
    ACCOUNT.number,
    ACCOUNT.holder_name,
    BILLING.name,
    BILLING.email,
    BILLING.phone,
    "-saved",  # Of every token.
)


def everything(raw: Engine) -> str:
    """All that lies in the database, as text."""
    with raw.connect() as connection:
        names = inspect(connection).get_table_names()
        return "\n".join(
            repr(tuple(row))
            for name in names
            for row in connection.execute(text(f"SELECT * FROM {name}"))
        )


async def test_nothing_of_an_account_lies_open_anywhere(store: SqlStore, raw: Engine) -> None:
    world = await opens_market(await World(store).opens())
    anna = await world.customer("external:anna")
    body = {
        "type": ACCOUNT.kind,
        "account_number": ACCOUNT.number,
        "holder_name": ACCOUNT.holder_name,
        "billing": {"name": BILLING.name, "email": BILLING.email, "phone": BILLING.phone},
    }
    with capture_logs() as logs:
        async with an_api(world) as api:
            told = (
                await api.host("POST", "customers/external:anna/payment-methods/", body, key="k")
            ).json()
        world.gateway.pay(told["purchase"]["payment_id"])
        await world.hears(told["purchase"]["payment_id"])
        [method] = await world.billing.list_payment_methods(anna)
        assert method.token is not None
        await world.deposits(anna, rub(5000))
        # What goes wrong is told, in logs and in cases, and must not tell too much.
        world.gateway.refuse_refunds(1)
        await withdraws(world, anna, method, rub(100))
        world.gateway.act_then_fail(1)
        await withdraws(world, anna, method, rub(100))
        world.gateway.finish_payouts(OutgoingStatus.UNKNOWN)
        world.gateway.unavailable(1)
        await world.time_passes(hours=1)
        held = await withdraws(world, anna, method, rub(600))
        started = await world.buys(anna)
        world.gateway.cancel(started.checkout.payment_id)
        await world.settles(started.checkout.payment_id)
        world.gateway.unavailable(1)
        await world.billing.charge_method(started.purchase.id, method.id, cause=world.cause())
        nowhere = SendWithdrawal(store, Gateways(), world.clock)
        await nowhere(held.id)

    lies = everything(raw)
    assert held.id in lies
    assert [secret for secret in SECRETS if secret in lies] == []
    assert logs
    assert [secret for secret in SECRETS if secret in str(logs)] == []


async def test_what_is_sealed_is_another_text_each_time(store: SqlStore, raw: Engine) -> None:
    world = await opens_market(await World(store).opens())
    for ref in ("telegram:1001", "telegram:1002"):
        await proves(world, await world.customer(ref))

    with raw.connect() as connection:
        accounts = connection.execute(text("SELECT account FROM payment_method")).scalars().all()

    assert len(set(accounts)) == len(accounts) == 2
