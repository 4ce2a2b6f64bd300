"""What gives access outside, made from the settings: the real one, or its double."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from adapters.provisioning.memory import NoProvisioner
from adapters.provisioning.own_system import OwnSystem
from adapters.provisioning.remnawave import Remnawave
from core.ports.access_provisioner import AccessProvisioner
from core.ports.unit_of_work import Now
from entrypoints.settings import Settings
from sandbox.app import DEMO_PANEL


class Provisioner(AccessProvisioner, Protocol):
    async def close(self) -> None: ...

    async def is_there(self) -> None:
        """
        Raises:
            AccessUnavailable, AccessRefused
        """
        ...


@asynccontextmanager
async def open_provisioner(settings: Settings, now: Now) -> AsyncIterator[Provisioner]:
    provisioner = _provisioner(settings, now)
    try:
        yield provisioner
    finally:
        await provisioner.close()


def _provisioner(settings: Settings, now: Now) -> Provisioner:
    if settings.doubles_panel:
        return Remnawave(f"{settings.own_origin}/sandbox/panel", DEMO_PANEL[0])
    url = settings.panel_url or ""
    match settings.provisioner:
        case "remnawave":
            return Remnawave(url, settings.secret("panel_token") or "")
        case "http":
            return OwnSystem(url, settings.secret("panel_secret") or "", now=now)
        case _:
            return NoProvisioner()
