"""A store with a shop in it: the fitness app's catalog, Anna and Boris on the free plan."""

import pytest

from core.ports.unit_of_work import Store
from tests.builders import BORIS, a_catalog, a_customer, a_free_subscription, another_customer


@pytest.fixture
async def shop(store: Store) -> Store:
    async with store.write() as uow:
        await uow.catalogs.apply(a_catalog())
        await uow.customers.add(a_customer())
        await uow.subscriptions.add(a_free_subscription())
        await uow.customers.add(another_customer())
        await uow.subscriptions.add(a_free_subscription(BORIS))
        await uow.commit()
    return store
