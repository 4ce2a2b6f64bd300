"""Which account we are at Xendit."""

from dataclasses import dataclass, field

from core.domain.errors import Invalid


@dataclass(eq=False)
class XenditKeyOfOtherMode(Invalid):
    """The Xendit secret key is of the other mode: a live key in test mode, or the reverse."""

    mode: str


@dataclass(frozen=True, slots=True)
class XenditAccount:
    """
    `callback_token` is the verification token of webhooks, another one in each mode. With a
    `business_id`, what names another one is foreign.

    Raises:
        XenditKeyOfOtherMode
    """

    secret_key: str = field(repr=False)
    callback_token: str = field(repr=False)
    live: bool
    business_id: str = ""

    def __post_init__(self) -> None:
        if self.secret_key.startswith("xnd_development_" if self.live else "xnd_production_"):
            raise XenditKeyOfOtherMode("live" if self.live else "test")
