"""What clients send to buy a plan or a pack, or to see what that would do."""

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from adapters.http.bodies import GatewayText, ReturnUrl, WareCodeText
from adapters.http.operations import Closed
from core.domain.item import PackItem, PlanItem, Ware


def _only(named: str, other: str) -> JsonDict:
    return {
        "required": [named],
        "properties": {named: {"type": "string"}, other: {"type": "null"}},
    }


class WareRequest(Closed):
    """Either a plan or a pack."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [_only("plan", "pack"), _only("pack", "plan")]}
    )

    plan: WareCodeText | None = None
    pack: WareCodeText | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "WareRequest":
        if (self.plan is None) == (self.pack is None):
            raise ValueError("name either a plan or a pack")
        return self

    @property
    def ware(self) -> tuple[str, type[Ware]]:
        if self.pack is not None:
            return self.pack, PackItem
        assert self.plan is not None, "one of them is named"
        return self.plan, PlanItem


class PurchaseRequest(WareRequest):
    gateway: GatewayText | None = None
    preview_id: Annotated[str, Field(pattern=r"^pre_[0-9a-f]{32}$")] | None = None
    return_url: ReturnUrl | None = None


class PreviewRequest(WareRequest):
    gateway: GatewayText | None = None
