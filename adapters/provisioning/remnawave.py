"""Remnawave as a provisioner: one user of the panel for each customer (Remnawave's API)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx

from adapters.provisioning.calls import TIMEOUT, Calls, Told, at, link_at
from core.domain.access import Access
from core.domain.customer import Customer
from core.ports.access_provisioner import AccessRefused, AccessUnavailable, Applied

NOT_THERE: Final = httpx.codes.NOT_FOUND
THERE_ALREADY: Final = "A019"
"""The code of its refusal to make a user whose name is taken."""
ROUNDED: Final = timedelta(seconds=1)
"""The panel keeps milliseconds."""


class Remnawave:
    """
    The user's name is our customer's id, which fits its 36 characters, so that a user is found
    again whatever was lost. Grants are names of internal squads. A revoked user is kept, disabled
    and in no squad, so that its link lives again with it: a user whose traffic is used up is not
    disabled by word alone.
    """

    def __init__(self, url: str, token: str, *, timeout: httpx.Timeout = TIMEOUT) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        if url.startswith("http://"):
            # Without a proxy in front it answers nobody who does not say that there is one.
            headers |= {"X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1"}
        self._calls = Calls(url=f"{url.rstrip('/')}/api", headers=headers, timeout=timeout)

    async def close(self) -> None:
        await self._calls.close()

    async def is_there(self) -> None:
        """
        Raises:
            AccessUnavailable, AccessRefused: the token is not taken.
        """
        await self._squads(())

    async def apply(
        self,
        customer: Customer,
        due: Access,
        *,
        revision: int,  # noqa: ARG002 - The panel compares none.
    ) -> Applied:
        if due.until is None:
            return await self._revoked(customer)
        wanted: dict[str, object] = {
            "username": customer.id,
            "status": "ACTIVE",
            "expireAt": _moment(due.until),
            "activeInternalSquads": await self._squads(due.grants),
        }
        told = await self._user("PATCH", wanted)
        if told.status == NOT_THERE:
            told = await self._user("POST", wanted)
        user = _user_in(told, customer)
        if user.get("status") != "ACTIVE" or not _is_near(user.get("expireAt"), due.until):
            raise AccessUnavailable
        return Applied(link_at(user, "subscriptionUrl"))

    async def _revoked(self, customer: Customer) -> Applied:
        gone = {"username": customer.id, "status": "DISABLED", "activeInternalSquads": []}
        told = await self._user("PATCH", gone)
        if told.status != NOT_THERE:
            user = _user_in(told, customer)
            if user.get("status") == "ACTIVE" or user.get("activeInternalSquads"):
                raise AccessUnavailable
        return Applied()

    async def _user(self, method: str, user: Mapping[str, object]) -> Told:
        return await self._calls.call(method, "users", body=json.dumps(user).encode())

    async def _squads(self, names: tuple[str, ...]) -> list[str]:
        """
        Raises:
            AccessRefused: the panel has no squad of such a name.
        """
        told = await self._calls.call("GET", "internal-squads")
        found = at(told.body, "response", "internalSquads")
        if not told.is_yes or not isinstance(found, list):
            raise AccessUnavailable
        by_name = {at(squad, "name"): at(squad, "uuid") for squad in found}
        unknown = [name for name in names if not isinstance(by_name.get(name), str)]
        if unknown:
            raise AccessRefused(f"the panel has no internal squad {unknown[0][:64]!r}")
        return [by_name[name] for name in names]


def _user_in(told: Told, customer: Customer) -> dict[str, object]:
    """
    Raises:
        AccessRefused
        AccessUnavailable: another order is making the same user; or nonsense.
    """
    if not told.is_yes:
        code = at(told.body, "errorCode")
        if code == THERE_ALREADY:
            raise AccessUnavailable
        raise AccessRefused(f"the panel answers {told.status} {str(code)[:16]}")
    user = at(told.body, "response")
    if not isinstance(user, dict) or user.get("username") != customer.id:
        raise AccessUnavailable
    return user


def _moment(at_: datetime) -> str:
    return at_.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_near(told: object, wanted: datetime) -> bool:
    try:
        return abs(datetime.fromisoformat(str(told)) - wanted) < ROUNDED
    except (ValueError, TypeError):  # No time, or one without its zone.
        return False
