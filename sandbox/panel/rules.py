"""
The rules of an access panel: users as Remnawave keeps them (its API at version 3), and the order
book of a business's own system, which is told by signed calls what everybody is to have.
"""

import base64
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from sandbox.faults import PANEL_FAULTS, Faults
from sandbox.gateway_rules import Answer, Call, GatewayRules, Json, NoSuchThing, Refused

USERNAME: Final = re.compile(r"[a-zA-Z0-9_-]{3,36}", re.ASCII)
TOLERANCE_SECONDS: Final = 300


class PanelRules(GatewayRules):
    """A call by hand of whoever holds the token; `link_url` is what links begin with."""

    def __init__(
        self, *, token: str, secret: str, link_url: str, squads: Sequence[str] = (), seed: int = 0
    ) -> None:
        """`secret` is `whsec_…`; `squads` are the names of the internal squads that there are."""
        super().__init__(pauses=(), seed=seed)
        self.faults = Faults(modes=PANEL_FAULTS)
        self.token = token
        self._key = base64.b64decode(secret.removeprefix("whsec_"))
        self._link_url = link_url
        self._squads = {_uuid(name): name for name in ("Default-Squad", *squads)}

    def access(self, at: datetime) -> list[tuple[str, list[str], datetime]]:
        """Who may use what, and until when: of the panel's users, and by the order book."""
        self.age(at)
        users = [
            (one["username"], one["activeInternalSquads"], _read(one["expireAt"]))
            for one in self.all("user")
            if one["status"] == "ACTIVE" and one["activeInternalSquads"]
        ]
        named = [(who, [self._name(one) for one in ids], end) for who, ids, end in users]
        ordered = [
            (one["customer"], one["grants"], _read(one["until"]))
            for one in self.all("order")
            if one["grants"] and _read(one["until"]) > at
        ]
        return named + ordered

    def is_signed(self, headers: Mapping[str, str], body: bytes, at: datetime) -> bool:
        """As Standard Webhooks has it, no older and no newer than five minutes."""
        moment = headers.get("webhook-timestamp", "")
        if not moment.isdecimal() or abs(at.timestamp() - int(moment)) > TOLERANCE_SECONDS:
            return False
        said = f"{headers.get('webhook-id', '')}.{moment}.".encode() + body
        proof = "v1," + base64.b64encode(hmac.digest(self._key, said, "sha256")).decode()
        return hmac.compare_digest(headers.get("webhook-signature", ""), proof)

    def user_of(self, short_uuid: str, at: datetime) -> Json:
        """Whose link this is. Raises: NoSuchThing."""
        self.age(at)
        return self.named("user", short_uuid, reference="shortUuid")

    # The rules of the panel.

    down = Answer(503, {"message": "Service unavailable"})

    def age(self, at: datetime) -> None:
        for user in self.all("user"):
            if user["status"] == "ACTIVE" and _read(user["expireAt"]) <= at:
                self.put("user", user["username"], user | {"status": "EXPIRED"})

    def act(self, call: Call, at: datetime) -> Answer:
        if call.user != self.token:
            raise Refused(401, {"message": "Unauthorized", "statusCode": 401})
        answer = self._act(call, at)
        if call.method != "GET" and self.faults.take("duplicate"):
            self._again(call, at)
        if self.faults.take("nonsense"):
            answer = replace(answer, body={"response": ["so", "what"], "link": 7})
        return answer

    def _act(self, call: Call, at: datetime) -> Answer:
        fields: Json = call.body if isinstance(call.body, dict) else {}
        ways: Mapping[tuple[str, str], Callable[[], Answer]] = {
            ("GET", "/internal-squads"): self._list_squads,
            ("POST", "/users"): lambda: self._create(fields, at),
            ("PATCH", "/users"): lambda: self._update(fields, at),
        }
        way = ways.get((call.method, call.path.rstrip("/")))
        if way is not None:
            return way()
        parts = call.path.strip("/").split("/")
        if call.method == "GET" and parts[:2] == ["users", "by-username"]:
            return Answer(200, {"response": self._shown(self._user(parts[-1]))})
        if call.method == "PUT" and parts[0] == "access":
            return self._order(parts[-1], fields)
        raise Refused(404, {"message": f"Cannot {call.method} {call.path}", "statusCode": 404})

    def _again(self, call: Call, at: datetime) -> None:
        with suppress(Refused):  # What it did the first time is answered.
            self._act(call, at)

    def _list_squads(self) -> Answer:
        squads = [{"uuid": id_, "name": name} for id_, name in self._squads.items()]
        return Answer(200, {"response": {"total": len(squads), "internalSquads": squads}})

    def _create(self, fields: Json, at: datetime) -> Answer:
        name = fields.get("username")
        if not isinstance(name, str) or not USERNAME.fullmatch(name):
            raise _not_valid("username")
        expire_at = _moment(fields, "expireAt")
        if name in self.tables.get("user", {}):
            raise _refused(400, "A019", "User username already exists")
        user = {
            "id": len(self.all("user")) + 1,
            "shortUuid": self.digits()[:16],
            "username": name,
            "status": fields.get("status", "ACTIVE"),
            "expireAt": expire_at,
            "activeInternalSquads": self._known_squads(fields),
            "createdAt": _written(at),
        }
        return Answer(201, {"response": self._shown(self.put("user", name, user))})

    def _update(self, fields: Json, at: datetime) -> Answer:
        user = dict(self._user(str(fields.get("username"))))
        if "expireAt" in fields:
            user["expireAt"] = _moment(fields, "expireAt")
            if _read(user["expireAt"]) <= at:
                raise _not_valid("expireAt")
        status = fields.get("status")
        # Who is EXPIRED or LIMITED is not disabled by word.
        if status == "ACTIVE" or (status == "DISABLED" and user["status"] == "ACTIVE"):
            user["status"] = status
        elif status not in {None, "DISABLED"}:
            raise _not_valid("status")
        if "activeInternalSquads" in fields:
            user["activeInternalSquads"] = self._known_squads(fields)
        return Answer(200, {"response": self._shown(self.put("user", user["username"], user))})

    def _user(self, name: str) -> Json:
        try:
            return self.find("user", name)
        except NoSuchThing:
            raise _refused(404, "A025", "User not found") from None

    def _known_squads(self, fields: Json) -> list[str]:
        named = fields.get("activeInternalSquads", [])
        if not isinstance(named, list) or not all(one in self._squads for one in named):
            raise _not_valid("activeInternalSquads")
        return named

    def _shown(self, user: Json) -> Json:
        squads = [{"uuid": id_, "name": self._name(id_)} for id_ in user["activeInternalSquads"]]
        link = f"{self._link_url}{user['shortUuid']}"
        return user | {"activeInternalSquads": squads, "subscriptionUrl": link}

    def _name(self, squad: str) -> str:
        return self._squads.get(squad, squad)  # It may have been there before a restart.

    def _order(self, customer: str, fields: Json) -> Answer:
        """The newest counts; one that comes late is answered and changes nothing."""
        known = self.tables.get("order", {}).get(customer, {"revision": -1})
        if fields["revision"] >= known["revision"]:
            self.put("order", customer, fields)
        return Answer(200, {"link": f"{self._link_url}{customer}"} if fields["grants"] else {})


def _uuid(name: str) -> str:
    """The same squad after a restart."""
    digits = sha256(name.encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


def _refused(status: int, code: str, message: str) -> Refused:
    return Refused(status, {"message": message, "errorCode": code})


def _not_valid(path: str) -> Refused:
    fault = {"code": "custom", "path": [path], "message": "Invalid input"}
    return Refused(400, {"statusCode": 400, "message": "Validation failed", "errors": [fault]})


def _moment(fields: Json, name: str) -> str:
    try:
        return _written(datetime.fromisoformat(fields[name]).astimezone(UTC))
    except (KeyError, TypeError, ValueError):
        raise _not_valid(name) from None


def _written(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _read(text: Any) -> datetime:
    return datetime.fromisoformat(text)
