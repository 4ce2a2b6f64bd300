"""
A valid request for every operation that is declared, and the ids that strangers try in it.

A new operation is covered by itself, as long as its parameters and fields are known here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
from pydantic import BaseModel

from adapters.http.app import operations
from adapters.http.customer_routes import API_KEY, SESSION
from adapters.http.operations import Operation
from adapters.http.tokens import api_key_hash
from core.domain.credentials import Scope
from tests.adapters.http.api import KEY, PEPPER, ROOT, Api

REVOKED_KEY = "bh_revoked_key_of_the_host"
IDEMPOTENCY_KEY = "Idempotency-Key"


@dataclass(frozen=True)
class Ids:
    """
    What may stand for a parameter of a path. `own` and `others` are Anna's and Boris's; they are
    the same where the thing belongs to nobody.
    """

    own: str
    others: str
    unknown: str
    malformed: str

    @property
    def is_owned(self) -> bool:
        return self.own != self.others


@dataclass
class Scene:
    """Anna and Boris, signed in, each with a purchase not yet paid, Anna with units held; and keys."""

    api: Api
    sessions: Mapping[str, str]
    keys: Mapping[str, str]
    ids: Mapping[str, Ids]
    texts: Mapping[str, object]
    numbers: Iterator[int] = field(default_factory=count)

    def path(self, operation: Operation, **chosen: str) -> str:
        """With Anna's own ids, but for those that are chosen: `purchase_id="others"`."""
        path = operation.path
        for name in {} if operation.params is None else operation.params.model_fields:
            assert name in self.ids, (
                f"{operation.method} {operation.path}: teach `ids` of {__name__} about {name!r}"
            )
            path = path.replace(f"{{{name}}}", getattr(self.ids[name], chosen.get(name, "own")))
        return path

    def body(self, operation: Operation) -> dict[str, object] | None:
        """The required fields alone."""
        return None if operation.body is None else self._filled(operation, operation.body)

    def _filled(self, operation: Operation, model: type[BaseModel]) -> dict[str, object]:
        schema = model.model_json_schema()
        filled: dict[str, object] = {}
        for name in schema.get("required", []):
            inner = model.model_fields[name].annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                filled[name] = self._filled(operation, inner)
                continue
            assert name in self.texts, (
                f"{operation.method} {operation.path}: teach `texts` of {__name__} about {name!r}"
            )
            filled[name] = self.texts[name]
        return filled

    def credentials(self, operation: Operation) -> str | None:
        """Those of whoever may do it: Anna herself, or the host's backend."""
        if SESSION in operation.security:
            return self.sessions["anna"]
        return self.keys["host"] if API_KEY in operation.security else None

    async def sends(
        self,
        operation: Operation,
        *,
        token: str | None,
        path: str | None = None,
        raw: bytes | None = None,
        key: str | None = "a-key",
        query: Sequence[tuple[str, str]] = (),
    ) -> httpx.Response:
        """`raw` stands for the body; `key` is sent only where the operation takes one."""
        # Each comes from an address of its own, so that no limit hides what we look for.
        n = next(self.numbers)
        headers = {"X-Forwarded-For": f"198.18.{n >> 8 & 255}.{n & 255}"}
        headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if takes_a_key(operation) and key is not None:
            headers[IDEMPOTENCY_KEY] = key
        content = raw
        if raw is None and operation.body is not None:
            content = json.dumps(self.body(operation)).encode()
        return await self.api.client.request(
            operation.method,
            path or self.path(operation),
            content=content,
            headers=headers,
            params=list(query),
        )


async def a_scene(api: Api) -> Scene:
    sessions = {"anna": await api.session(1001), "boris": await api.session(1002)}
    sessions["revoked"] = await api.session(1001, age_seconds=60)
    assert (await api.call("POST", "auth/logout/", token=sessions["revoked"])).status_code == 204
    keys = {"host": KEY, "revoked": REVOKED_KEY}
    await _put_key(api, "revoked", REVOKED_KEY, frozenset(Scope))
    await api.world.billing.revoke_key("revoked")
    for scope in Scope:
        keys[scope.value] = f"bh_only_{scope.value}"
        await _put_key(api, scope.value, keys[scope.value], frozenset({scope}))
    bought = {}
    for name in ("anna", "boris"):
        answer = await api.call(
            "POST", "purchases/", {"plan": "PRO_MONTHLY"}, token=sessions[name], key="scene"
        )
        assert answer.status_code == 201, answer.text
        bought[name] = answer.json()["id"]
    held = await api.host(
        "POST", "customers/telegram:1001/usage/photo_ai/holds/", {"request_id": "scene"}
    )
    hold_id = held.json()["hold_id"]
    ids = {
        "hold_id": Ids(hold_id, hold_id, "hld_99999999", "hld_'--"),  # The host's, as its key is.
        "ref": Ids("telegram:1001", "telegram:1002", "telegram:1003", "telegram:0"),
        "purchase_id": Ids(bought["anna"], bought["boris"], "pur_99999999", "pur_'--"),
        "feature": Ids("photo_ai", "photo_ai", "nothing", "Photo"),
        "gateway": Ids("yookassa", "yookassa", "nowhere", "Yoo-Kassa"),
    }
    texts = {
        "plan": "PRO_MONTHLY",
        "request_id": "a-request",
        "init_data": api.init_data(1001, age_seconds=1),
    }
    return Scene(api, sessions, keys, ids, texts)


async def _put_key(api: Api, name: str, key: str, scopes: frozenset[Scope]) -> None:
    await api.world.billing.put_key(name, api_key_hash(key, PEPPER), scopes)


def takes_a_key(operation: Operation) -> bool:
    if operation.headers is None:
        return False
    aliases = {one.alias for one in operation.headers.model_fields.values()}
    return IDEMPOTENCY_KEY in aliases


def fields_of(operation: Operation) -> Mapping[str, Mapping[str, Any]]:
    """The body's own fields by name, each with its JSON Schema."""
    if operation.body is None:
        return {}
    return dict(operation.body.model_json_schema()["properties"])


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path.removeprefix(ROOT)}"


OPERATIONS = operations()
WITH_BODY = [one for one in OPERATIONS if one.body is not None]
WITH_KEY = [one for one in OPERATIONS if takes_a_key(one)]
