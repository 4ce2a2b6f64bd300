"""Switches over HTTP: what is off, and turning it."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request

from adapters.http.edge import edge_of, key_of
from adapters.http.operations import Operation
from adapters.http.operator_routes import ReasonRequest, operator_of, operator_operation
from core.domain.credentials import Scope
from core.domain.switch import Switch
from core.use_cases.switches import SwitchNotFound


class SwitchPath(BaseModel):
    name: Annotated[str, Field(pattern=r"^[a-z_]{1,32}(:[a-z_]{1,32})?$")]


class SwitchRequest(ReasonRequest):
    on: bool


class SwitchBody(BaseModel):
    """`changed_at` and `by` are null where nobody ever turned it."""

    name: str
    on: bool
    changed_at: AwareDatetime | None
    by: str | None


class SwitchesBody(BaseModel):
    items: list[SwitchBody]


def _body_from_switch(switch: Switch) -> SwitchBody:
    return SwitchBody(name=switch.name, on=switch.is_on, changed_at=switch.changed_at, by=switch.by)


async def list_switches(request: Request) -> SwitchesBody:
    await key_of(request, Scope.OPERATOR)
    switches = await edge_of(request).billing.list_switches()
    return SwitchesBody(items=[_body_from_switch(one) for one in switches])


async def turn_switch(request: Request, params: SwitchPath, body: SwitchRequest) -> SwitchBody:
    call, deed = await operator_of(request, body.reason)
    turned = await call.billing.turn_switch(params.name, is_on=body.on, deed=deed)
    return _body_from_switch(turned)


def switch_operations() -> list[Operation]:
    return [
        operator_operation("GET", "/switches/", list_switches, "What can be turned off, and what is",
                           SwitchesBody),
        operator_operation("POST", "/switches/{name}/", turn_switch,
                           "Turn something off for a while, or on again", SwitchBody,
                           SwitchNotFound, params=SwitchPath, body=SwitchRequest),
    ]  # fmt: skip
