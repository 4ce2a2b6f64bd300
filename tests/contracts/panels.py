"""Every provisioner that there is, with what its outside gives and the troubles that it has."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from starlette.applications import Starlette

from adapters.provisioning.memory import MemoryProvisioner
from adapters.provisioning.own_system import OwnSystem
from adapters.provisioning.remnawave import Remnawave
from core.domain.access import NO_ACCESS, Access
from core.domain.customer import Customer
from core.ports.access_provisioner import AccessProvisioner
from sandbox.panel.app import PanelDouble
from sandbox.panel.rules import PanelRules
from tests.adapters.gateways.served import Stage
from tests.builders import Clock

TOKEN = "panel-token-EXAMPLE"
SECRET = "whsec_c2l4dGVlbiBieXRlcyBhbmQgYSBmZXcgbW9yZQ=="
SQUADS = ("vpn", "fast")
ALL = ["memory", "http", "remnawave"]


@dataclass
class MemoryPanel:
    provisioner: MemoryProvisioner

    def access(self, customer: Customer) -> Access:
        return self.provisioner.given.get(customer.id, NO_ACCESS)

    def down(self) -> None:
        self.provisioner.down(1)

    def lose_answer(self) -> None:
        self.provisioner.act_then_fail()

    def acts_twice(self) -> None:
        """What it does twice is the same as once."""


@dataclass
class ServedPanel:
    provisioner: AccessProvisioner
    rules: PanelRules
    now: Clock

    def access(self, customer: Customer) -> Access:
        found = [
            Access(tuple(grants), until)
            for who, grants, until in self.rules.access(self.now())
            if who == customer.id
        ]
        return found[0] if found else NO_ACCESS

    def down(self) -> None:
        self.rules.faults.plan("down", 1)

    def lose_answer(self) -> None:
        self.rules.faults.plan("timeout_after_acting", 1)

    def acts_twice(self) -> None:
        self.rules.faults.plan("duplicate", 1)


@asynccontextmanager
async def a_panel(name: str, stage: Stage, now: Clock) -> AsyncIterator[MemoryPanel | ServedPanel]:
    if name == "memory":
        yield MemoryPanel(MemoryProvisioner())
        return
    rules = PanelRules(token=TOKEN, secret=SECRET, link_url=f"{stage.url}/sub/", squads=SQUADS)
    stage.app = Starlette(routes=PanelDouble(rules, now=now, slow_seconds=1.0).routes)
    url, timeout = f"{stage.url}/panel", httpx.Timeout(0.5)
    provisioner = (
        OwnSystem(url, SECRET, now=now, timeout=timeout)
        if name == "http"
        else Remnawave(url, TOKEN, timeout=timeout)
    )
    yield ServedPanel(provisioner, rules, now)
    await provisioner.close()
