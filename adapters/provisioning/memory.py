"""A provisioner without an outside: it keeps what it was ordered, for tests and the simulation."""

import asyncio
from collections import Counter
from typing import Final

from core.domain.access import NO_ACCESS, Access
from core.domain.customer import Customer, CustomerId
from core.ports.access_provisioner import AccessRefused, AccessUnavailable, Applied
from core.ports.unit_of_work import unit_is_open


class MemoryProvisioner:
    """`given` is what each customer has; `orders` counts them, whatever became of them."""

    def __init__(self) -> None:
        self.given: Final[dict[CustomerId, Access]] = {}
        self.orders: Final = Counter[CustomerId]()
        self._down = self._lost = self._refused = 0

    async def apply(
        self,
        customer: Customer,
        due: Access,
        *,
        revision: int,  # noqa: ARG002 - Here no order overtakes another.
    ) -> Applied:
        assert not unit_is_open.get(), "no panel is called inside a unit of work"
        await asyncio.sleep(0)  # Others run meanwhile, as during any call over a network.
        self.orders[customer.id] += 1
        if self._down > 0:
            self._down -= 1
            raise AccessUnavailable
        if self._refused > 0:
            self._refused -= 1
            raise AccessRefused("no such grant")
        if due == NO_ACCESS:
            self.given.pop(customer.id, None)
        else:
            self.given[customer.id] = due
        if self._lost > 0:
            self._lost -= 1
            raise AccessUnavailable
        return Applied(f"https://panel.example.com/{customer.id}" if due.grants else None)

    # Trouble to come.

    def down(self, next_n: int) -> None:
        """The next orders are not heard."""
        self._down = next_n

    def act_then_fail(self, next_n: int = 1) -> None:
        """The next orders are done, and we do not hear of it."""
        self._lost = next_n

    def refuse(self, next_n: int = 1) -> None:
        self._refused = next_n


class NoProvisioner:
    """Nothing of ours is made outside: the business reads from us what a plan grants."""

    async def close(self) -> None: ...

    async def is_there(self) -> None: ...

    async def apply(
        self,
        customer: Customer,  # noqa: ARG002 - As the port calls them.
        due: Access,  # noqa: ARG002
        *,
        revision: int,  # noqa: ARG002
    ) -> Applied:
        return Applied()
