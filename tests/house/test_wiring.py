"""The wiring is whole: everything that Billing names is built, and nothing else is."""

from dataclasses import fields

import pytest
from dependency_injector import providers

from adapters.memory_notifier import MemoryNotifier, MemoryWebhooks
from core.domain.customer import identity
from core.ports.payment_gateway import Gateways
from core.use_cases.billing import Billing
from entrypoints.container import Container

GIVEN = {"store", "gateways", "notifier", "provisioner", "webhooks", "owner", "now", "new_id"}


@pytest.fixture
def container():
    # Constructors only keep what they are given; a store that is nothing proves it.
    given = {
        "store": object(),
        "gateways": Gateways(),
        "notifier": MemoryNotifier(),
        "webhooks": MemoryWebhooks(),
        "owner": identity("telegram:1"),
    }
    return Container(**{name: providers.Object(it) for name, it in given.items()})


@pytest.mark.parametrize("name", sorted(Container.providers))
async def test_every_provider_builds(container, name):
    assert container.providers[name]() is not None


async def test_billing_is_wired(container):
    billing = container.billing()
    named = {field.name: field.type for field in fields(Billing)}

    assert set(named) == set(container.providers) - GIVEN - {"billing"}
    for name, kind in named.items():
        assert type(getattr(billing, name)) is kind


async def test_asks_for_quota_meet_in_one_place(container):
    assert container.billing().consume_quota is container.billing().consume_quota
