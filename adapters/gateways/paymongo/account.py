"""Which account we are at PayMongo."""

from dataclasses import dataclass, field

from core.domain.errors import Invalid


@dataclass(eq=False)
class PaymongoKeyOfOtherMode(Invalid):
    """The PayMongo secret key is of the other mode: a live key in test mode, or the reverse."""

    mode: str


@dataclass(frozen=True, slots=True)
class PayMongoAccount:
    """
    `webhook_secret` is that of the webhook (`whsk_…`), one for each mode. `wallet_number` and
    `wallet_name` are the account that payouts leave from; empty: none are made.

    Raises:
        PaymongoKeyOfOtherMode
    """

    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    live: bool
    wallet_number: str = field(default="", repr=False)
    wallet_name: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.secret_key.startswith("sk_test_" if self.live else "sk_live_"):
            raise PaymongoKeyOfOtherMode("live" if self.live else "test")
