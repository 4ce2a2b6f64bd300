"""Switches: what an operator turns off and on. Whoever decides reads them in its own unit."""

from dataclasses import dataclass

from core.domain.audit import Deed, line_of
from core.domain.errors import NotFound
from core.domain.switch import Switch, SwitchName, gateway_switch
from core.ports.payment_gateway import Gateways
from core.ports.unit_of_work import Now, Store


@dataclass(eq=False)
class SwitchNotFound(NotFound):
    """There is no such switch; their list has all there are."""

    name: str


class ListSwitches:
    """All of them, those of the gateways last."""

    def __init__(self, store: Store, gateways: Gateways) -> None:
        self._store = store
        self._gateways = gateways

    async def __call__(self) -> list[Switch]:
        async with self._store.read() as view:
            turned = {one.name: one for one in await view.switches.turned()}
        return [turned.get(name, Switch(name)) for name in _names(self._gateways)]


class TurnSwitch:
    """Off or on, for all processes at once: from the next decision that begins after it."""

    def __init__(self, store: Store, gateways: Gateways, now: Now) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now

    async def __call__(self, name: str, *, is_on: bool, deed: Deed) -> Switch:
        """
        Raises:
            SwitchNotFound
        """
        if name not in _names(self._gateways):
            raise SwitchNotFound(name[:64])
        async with self._store.write() as uow:
            at = self._now()
            turned = Switch(name, is_on, at, deed.actor)
            await uow.switches.put(turned)
            action = "switch.on" if is_on else "switch.off"
            await uow.audit(line_of(deed, action, name, at=at))
            await uow.commit()
        return turned


def _names(gateways: Gateways) -> list[str]:
    return [*SwitchName, *(gateway_switch(one.name) for one in gateways)]
