"""What readers see: the customer's page in one go, catalogs old and new, credentials."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.catalog import Catalog
from core.domain.credentials import Session, SessionId
from core.domain.customer import CustomerId, Identity, IdentityKind
from core.domain.ledger import bonus, cash, clearing, transfer
from core.domain.plan import PlanCode, PlanVersion, PlanVersionId
from core.domain.switch import Switch
from core.domain.usage_quota import UsageKey, UsageQuota
from core.ports.unit_of_work import SavedMeanwhile, Store
from tests.builders import (
    ANNA,
    BORIS,
    NOON,
    PHOTO_AI,
    YOOKASSA,
    a_catalog,
    a_customer,
    a_live_session,
    a_pending_purchase,
    a_plan_version,
    a_subscription,
    an_api_key,
    another_customer,
    rub,
)
from tests.contracts.units import let_others_go_on, seen, written


async def test_the_customers_page_is_read_in_one_go(shop):
    today = UsageKey(ANNA, PHOTO_AI, NOON)
    yesterday = UsageKey(ANNA, PHOTO_AI, NOON - timedelta(days=1))
    foreign = UsageKey(BORIS, PHOTO_AI, NOON)
    async with shop.write() as uow:
        await uow.subscriptions.save(a_subscription())
        await uow.usage.lock([today, yesterday, foreign])
        await uow.usage.give(today.of_packs, 50)
        await uow.usage.save(
            [
                UsageQuota(today, NOON, 3, used=2),
                UsageQuota(yesterday, NOON, 3, used=3),
                UsageQuota(foreign, NOON, 3, used=1),
            ]
        )
        for number, account in enumerate([cash(ANNA), bonus(ANNA), cash(BORIS)], start=1):
            await uow.ledger.post(
                transfer(
                    f"e{number}",
                    "charge",
                    rub(number),
                    debit=clearing(YOOKASSA),
                    credit=account,
                    at=NOON,
                )
            )
        await uow.commit()

    async with shop.read() as view:
        overview = await view.overview(ANNA)
        standings = await view.subscriptions.standings([ANNA])

    assert overview.standing == standings[ANNA]
    assert overview.standing.customer == a_customer()
    assert overview.standing.subscription == replace(a_subscription(), version=1)
    assert overview.standing.catalog == a_catalog()
    assert (overview.used[today], overview.used[today.of_packs]) == (2, 50)
    assert {key.customer_id for key in overview.used} == {ANNA}
    assert overview.balances == {
        (cash(ANNA), rub(1).currency): rub(1),
        (bonus(ANNA), rub(1).currency): rub(2),
    }


async def test_the_page_of_a_fresh_customer_is_empty_and_whole(shop):
    overview = await seen(shop, lambda view: view.overview(BORIS))

    assert overview.standing.customer == another_customer()
    assert overview.standing.subscription.period is None
    assert (overview.used, overview.balances) == ({}, {})


def dearer() -> Catalog:
    """The next revision: PRO_MONTHLY costs more, the rest is as it was, FREE comes last."""
    pro = a_plan_version(id=PlanVersionId("plv_pro_monthly_2"), number=2, prices=(rub(399),))
    plans: Mapping[PlanCode, PlanVersion] = {
        **{code: plan for code, plan in a_catalog().plans.items() if code == "PRO_YEARLY"},
        pro.code: pro,
        PlanCode("FREE"): a_catalog().default,
    }
    return Catalog(2, "Asia/Yekaterinburg", PlanCode("FREE"), plans)


async def test_a_new_catalog_is_in_force_for_everybody_at_once(shop):
    await written(shop, lambda uow: uow.catalogs.apply(dearer()))

    async with shop.read() as view:
        catalog = await view.catalogs.current()
        standings = await view.subscriptions.standings([ANNA, BORIS])
    assert catalog == dearer()
    assert list(catalog.plans) == list(dearer().plans)
    assert [standing.catalog for standing in standings.values()] == [dearer(), dearer()]


async def test_what_was_sold_keeps_the_plan_version_that_was_agreed_on(shop):
    await written(shop, lambda uow: uow.purchases.add(a_pending_purchase()))
    await written(shop, lambda uow: uow.subscriptions.save(a_subscription()))

    await written(shop, lambda uow: uow.catalogs.apply(dearer()))

    async with shop.read() as view:
        purchase = await view.purchases.get(a_pending_purchase().id)
        subscription = await view.subscriptions.get(ANNA)
    assert purchase.plan == a_plan_version()
    assert subscription.period.plan == a_plan_version()


@pytest.mark.parametrize("revision", [0, 1, 3])
async def test_a_catalog_that_does_not_follow_the_one_in_force_is_refused(shop, revision):
    with pytest.raises(SavedMeanwhile):
        await written(shop, lambda uow: uow.catalogs.apply(a_catalog(revision=revision)))

    assert await seen(shop, lambda view: view.catalogs.current()) == a_catalog()


async def test_of_two_catalogs_applied_at_once_one_is_told_to_repeat(shop):
    async def apply(zone: str) -> str:
        try:
            async with shop.write() as uow:
                await uow.catalogs.current()
                await let_others_go_on()
                await uow.catalogs.apply(replace(dearer(), zone=zone))
                await let_others_go_on()
                await uow.commit()
        except SavedMeanwhile:
            return "repeat"
        return zone

    answers = await asyncio.gather(apply("Europe/Moscow"), apply("Asia/Omsk"))

    catalog = await seen(shop, lambda view: view.catalogs.current())
    assert sorted(answers) == sorted([catalog.zone, "repeat"])


async def sessions(store: Store, *ids: str) -> list[Session | None]:
    async with store.read() as view:
        return [await view.credentials.find_session(SessionId(id_)) for id_ in ids]


async def test_sessions_are_revoked_one_by_one(shop):
    one, two = a_live_session(), a_live_session(id=SessionId("ses_2"))
    await written(shop, lambda uow: uow.credentials.add_session(one))
    await written(shop, lambda uow: uow.credentials.add_session(two))

    ended = one.signed_out(at=NOON)
    await written(shop, lambda uow: uow.credentials.save_session(ended))

    kept = replace(ended, version=1)
    assert await sessions(shop, one.id, two.id, "ses_404") == [kept, two, None]


async def test_sessions_are_found_by_what_they_were_opened_with(shop):
    one, two, other, bare = (
        a_live_session(id=SessionId(f"ses_{n}"), proof=proof)
        for n, proof in enumerate(("p", "p", "q", None))
    )
    for session in (one, two, other, bare):
        await written(shop, lambda uow, it=session: uow.credentials.add_session(it))

    async with shop.read() as view:
        found = await view.credentials.sessions_of("p")
        assert sorted(session.id for session in found) == ["ses_0", "ses_1"]
        assert await view.credentials.sessions_of("z") == []


async def test_a_key_replaces_the_one_of_its_name(shop):
    key, other = an_api_key(), an_api_key(name="bot", key_hash="h2", revoked_at=None)
    renewed = an_api_key(key_hash="h3", revoked_at=None)
    for it in (key, other, renewed):
        await written(shop, lambda uow, it=it: uow.credentials.put_key(it))

    async with shop.read() as view:
        assert await view.credentials.list_keys() == [renewed, other]
        assert await view.credentials.find_keys({"h3", key.key_hash}) == {"h3": renewed}


async def test_many_references_are_resolved_at_once(shop: Store) -> None:
    nobody = Identity(IdentityKind.EXTERNAL, "nobody")
    own = a_customer().identities
    async with shop.read() as view:
        found = await view.customers.ids({ANNA, BORIS, CustomerId("cus_404"), nobody, *own})
    assert found == {ANNA: ANNA, BORIS: BORIS, own[0]: ANNA, own[1]: ANNA}


async def test_a_switch_comes_back_as_it_was_turned_last(shop: Store) -> None:
    sales, gateway = Switch("sales", False, NOON, "boris"), Switch("gateway:x", False, NOON, "olga")
    again = replace(sales, is_on=True, changed_at=NOON + timedelta(minutes=1), by="olga")
    for it in (sales, gateway, again):
        await written(shop, lambda uow, it=it: uow.switches.put(it))  # type: ignore[misc]

    async with shop.read() as view:
        assert await view.switches.turned() == [gateway, again]
        assert await view.switches.off() == {"gateway:x"}
    async with shop.write() as uow:
        assert await uow.switches.off() == {"gateway:x"}
