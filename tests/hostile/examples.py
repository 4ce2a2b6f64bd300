"""
A valid request for every operation that is declared, and the ids that strangers try in it.

A new operation is covered by itself, as long as its parameters and fields are known here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import httpx
from pydantic import BaseModel

from adapters.http.app import operations
from adapters.http.customer_routes import API_KEY, SESSION
from adapters.http.operations import Operation
from adapters.http.tokens import api_key_hash
from adapters.http.ware_requests import WareRequest
from core.domain.credentials import Scope
from core.domain.promo_code import PercentOff
from core.domain.referral_program import code_of
from core.use_cases.promo_codes import WantedCode
from tests.adapters.http.api import KEY, PEPPER, ROOT, Api
from tests.hostile.things import ANN, opens_everything, things_of

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
    """
    Anna and Boris, signed in, each with a purchase not yet paid, money, and things in all the states
    that an operation asks for (`special`, by its name and the parameter); Anna with units held; keys.
    """

    api: Api
    sessions: Mapping[str, str]
    keys: Mapping[str, str]
    ids: Mapping[str, Ids]
    texts: Mapping[str, object]
    special: Mapping[tuple[str, str], Ids] = field(default_factory=dict)
    boris_texts: Mapping[str, object] = field(default_factory=dict)
    special_texts: Mapping[tuple[str, str], object] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)

    def ids_of(self, operation: Operation, name: str) -> Ids:
        assert name in self.ids, (
            f"{operation.method} {operation.path}: teach `ids` of {__name__} about {name!r}"
        )
        return self.special.get((_plain_name(operation), name), self.ids[name])

    def path(self, operation: Operation, **chosen: str) -> str:
        """With Anna's own ids, but for those that are chosen: `purchase_id="others"`."""
        path = operation.path
        for name in {} if operation.params is None else operation.params.model_fields:
            ids = self.ids_of(operation, name)
            path = path.replace(f"{{{name}}}", getattr(ids, chosen.get(name, "own")))
        return path

    def body(self, operation: Operation, *, of_boris: bool = False) -> dict[str, object] | None:
        """The required fields alone."""
        if operation.body is None:
            return None
        texts = {**self.texts, **(self.boris_texts if of_boris else {})}
        return self._filled(operation, operation.body, texts)

    def query(self, operation: Operation) -> list[tuple[str, str]]:
        """The required fields alone."""
        if operation.query is None:
            return []
        return [
            (name, str(value))
            for name, value in self._filled(operation, operation.query, self.texts).items()
        ]

    def _filled(
        self, operation: Operation, model: type[BaseModel], texts: Mapping[str, object]
    ) -> dict[str, object]:
        schema = model.model_json_schema()
        if issubclass(
            model, WareRequest
        ):  # Either of two is required, which a schema does not say.
            return {"plan": texts["plan"]}
        filled: dict[str, object] = {}
        for name in schema.get("required", []):
            inner = model.model_fields[name].annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                filled[name] = self._filled(operation, inner, texts)
                continue
            assert name in texts, (
                f"{operation.method} {operation.path}: teach `texts` of {__name__} about {name!r}"
            )
            filled[name] = self.special_texts.get((_plain_name(operation), name), texts[name])
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
            of_boris = token == self.sessions["boris"]
            content = json.dumps(self.body(operation, of_boris=of_boris)).encode()
        return await self.api.client.request(
            operation.method,
            path or self.path(operation),
            content=content,
            headers=headers,
            params=[*(one for one in self.query(operation) if one[0] not in dict(query)), *query],
        )


async def a_scene(api: Api) -> Scene:
    await opens_everything(api.world)
    code = code_of(await api.world.customer("telegram:900"))  # Who brought them both.
    came = {"start_param": f"r_{code}"}
    sessions = {"anna": await api.session(1001, **came), "boris": await api.session(1002, **came)}
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
    for name in (code, "SPRING-20"):  # The one is for whoever takes a code of either kind.
        wanted = WantedCode(PercentOff(20), name)
        await api.world.billing.create_promo_code(wanted, deed=ANN, cause=api.world.cause())
    things = await _things(api)
    ids = {
        "hold_id": Ids(hold_id, hold_id, "hld_99999999", "hld_'--"),  # The host's, as its key is.
        "ref": Ids("telegram:1001", "telegram:1002", "telegram:1009", "telegram:0"),
        "purchase_id": Ids(bought["anna"], bought["boris"], "pur_99999999", "pur_'--"),
        "escrow_id": things.ids("esc_", "agreed"),
        "method_id": things.ids("pm_", "proven"),
        "withdrawal_id": things.operators_ids("wd_", "waiting"),
        "inbox_id": things.operators_ids("inb_", "given up"),
        "delivery_id": replace(things.operators_ids("msg_", "not taken"), unknown=f"msg_{9:032}"),
        "broadcast_id": things.operators_ids("brd_", "written"),
        "feature": Ids("photo_ai", "photo_ai", "nothing", "Photo"),
        "name": Ids("sales", "sales", "nothing", "Sales"),
        "promo_code": Ids("SPRING-20", "SPRING-20", "NO-SUCH", "a_b"),
        "gateway": Ids("yookassa", "yookassa", "nowhere", "Yoo-Kassa"),
    }
    special = {
        ("release_escrow", "escrow_id"): things.ids("esc_", "funded"),
        ("dispute_escrow", "escrow_id"): things.ids("esc_", "funded"),
        ("refund_escrow", "escrow_id"): things.ids("esc_", "earned"),
        ("resolve_escrow", "escrow_id"): things.operators_ids("esc_", "disputed"),
        ("refund_purchase", "purchase_id"): things.operators_ids("pur_", "paid"),
        ("remove_payment_method", "method_id"): things.ids("pm_", "old"),
        ("pause_broadcast", "broadcast_id"): things.operators_ids("brd_", "running"),
        ("resume_broadcast", "broadcast_id"): things.operators_ids("brd_", "paused"),
        ("mark_withdrawal_done", "withdrawal_id"): things.operators_ids("wd_", "queued"),
        ("show_payout_account", "withdrawal_id"): things.operators_ids("wd_", "queued"),
    }
    texts = {
        "plan": "PRO_MONTHLY",
        "code": code,
        "request_id": "a-request",
        "init_data": api.init_data(1001, age_seconds=1),
        "amount_minor": 20000,
        "entry": things.anna["given"],
        "auto_renew": True,
        "currency": "RUB",
        "payee": "telegram:1003",
        "title": "A kitchen, painted",
        "part": "down_payment",
        "to": "payee",
        "type": "gcash",
        "account_number": "09171234567",
        "holder_name": "JUAN DELA CRUZ",
        "name": "Juan Dela Cruz",
        "email": "juan@example.com",
        "phone": "+639171234567",
        "payment_method": things.anna["proven"],
        "reason": "looked at it",
        "on": True,
        "gives": {"percent": 20},
        "days": 3,
        "texts": {"en": "An offer"},
        "cause": things.anna["case"],
    }
    special_texts = {("grant_days", "plan"): "PRO_YEARLY"}  # It runs at both.
    boris_texts = {"payment_method": things.boris["proven"]}
    return Scene(api, sessions, keys, ids, texts, special, boris_texts, special_texts)


@dataclass(frozen=True)
class _Things:
    """What each of the two has, by the state it is in."""

    anna: Mapping[str, str]
    boris: Mapping[str, str]

    def ids(self, prefix: str, state: str) -> Ids:
        return Ids(self.anna[state], self.boris[state], f"{prefix}99999999", f"{prefix}'--")

    def operators_ids(self, prefix: str, state: str) -> Ids:
        """Whatever is anybody's is the operator's to see to."""
        return Ids(self.anna[state], self.anna[state], f"{prefix}99999999", f"{prefix}'--")


async def _things(api: Api) -> _Things:
    world = api.world
    anna, boris, clara = [await world.customer(f"telegram:{n}") for n in (1001, 1002, 1003)]
    return _Things(await things_of(world, anna, clara), await things_of(world, boris, clara))


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


def _plain_name(operation: Operation) -> str:
    return operation.name.removesuffix("_for_customer")


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path.removeprefix(ROOT)}"


OPERATIONS = operations()
WITH_BODY = [one for one in OPERATIONS if one.body is not None]
WITH_KEY = [one for one in OPERATIONS if takes_a_key(one)]
