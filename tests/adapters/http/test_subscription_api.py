"""The running subscription over HTTP: what is told before and after each decision."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from adapters.persistence.memory import MemoryStore
from core.domain.customer import identity
from core.domain.period import Period, PeriodUnit
from core.use_cases.consequences import consequences
from tests.adapters.http.api import Api, an_api
from tests.stars import StarsShop
from tests.world import World

SUBSCRIPTION = "customers/telegram:1001/subscription/"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world) as client:
        yield client


async def test_renewal_is_agreed_canceled_resumed_and_given_up(api: Api) -> None:
    anna = (await api.world.billing.register_customer(identity("telegram:1001"))).id
    early = await api.host("POST", f"{SUBSCRIPTION}cancel/")
    assert (early.status_code, early.json()["code"]) == (409, "nothing_to_renew")
    await api.world.pays_and_is_heard(await api.world.buys(anna))

    on = (await api.host("PATCH", SUBSCRIPTION, {"auto_renew": True})).json()
    canceled = (await api.host("POST", f"{SUBSCRIPTION}cancel/")).json()
    resumed = (await api.host("POST", f"{SUBSCRIPTION}resume/")).json()
    off = (await api.host("PATCH", SUBSCRIPTION, {"auto_renew": False})).json()

    assert (on["auto_renew"], on["renews_from"]) == (True, "wallet")
    assert on["renews_at"] < on["current_period_end"]
    assert (canceled["cancel_at_period_end"], canceled["renews_at"]) == (True, None)
    assert resumed == on
    assert (off["auto_renew"], off["renews_from"], off["renews_at"]) == (False, None, None)
    unknown = await api.host("PATCH", SUBSCRIPTION, {"auto_renew": True, "source": "pm_99999999"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "payment_method_not_found")


async def test_a_trial_is_begun_once_and_told(api: Api) -> None:
    await api.world.billing.register_customer(identity("telegram:1001"))
    none = await api.host("POST", f"{SUBSCRIPTION}trial/")
    assert (none.status_code, none.json()["code"]) == (409, "trial_not_offered")
    wanted = api.world.wanted()
    trial = Period(3, PeriodUnit.DAY)
    plans = [replace(plan, trial=trial if plan.prices else None) for plan in wanted.plans[:2]]
    await api.world.billing.apply_catalog(replace(wanted, plans=tuple(plans)))

    begun = (await api.host("POST", f"{SUBSCRIPTION}trial/")).json()
    again = (await api.host("POST", f"{SUBSCRIPTION}trial/")).json()

    assert (begun["plan"], begun["status"]) == ("PRO_MONTHLY", "trialing")
    assert again == begun
    await api.world.time_passes(days=3)
    late = await api.host("POST", f"{SUBSCRIPTION}trial/")
    assert (late.status_code, late.json()["code"]) == (409, "trial_taken")


async def test_what_telegram_renews_is_named_after_it_and_stopped_as_any() -> None:
    shop = await StarsShop(MemoryStore(consequences)).opens()
    async with an_api(shop.world) as api:
        await shop.room.says("/start")
        told = await api.host(
            "POST", "customers/telegram:1001/purchases/preview/", {"plan": "PRO_MONTHLY"}
        )
        assert told.json()["subscribes"] is True
        first = await shop.subscribes()
        on = (await api.host("GET", "customers/telegram:1001/")).json()["subscription"]

        off = (await api.host("PATCH", SUBSCRIPTION, {"auto_renew": False})).json()
        await shop.settles()

    assert (on["auto_renew"], on["renews_from"]) == (True, "telegram_stars")
    assert on["renews_at"] is None, "Telegram knows when"
    assert (off["auto_renew"], off["cancel_at_period_end"]) == (False, True)
    assert not shop.renews_there(first)
