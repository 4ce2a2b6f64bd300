"""Settings: `BILLHOOK_*` environment variables, checked together, all problems at once."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import httpx
from cryptography.fernet import Fernet
from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from adapters.http.client_address import TrustedProxies
from adapters.http.return_urls import ReturnUrls
from adapters.http.tokens import SIGNING_KEY_LENGTH_MIN
from adapters.standard_webhooks import SECRET_BYTES_MIN, is_signing_secret
from core.domain.customer import Identity, IdentityKind, IdentityNotReadable, identity
from core.use_cases.announcements import ANNOUNCED
from sandbox.app import DEMO_WEBHOOK_SECRET

PREFIX: Final = "BILLHOOK_"
WEBHOOK_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{16,256}", re.ASCII)
SECRETS: Final[Mapping[str, tuple[str, ...]]] = {
    "yookassa": ("shop_id", "secret_key"),
    "paymongo": ("secret_key", "webhook_secret"),
    "xendit": ("secret_key", "callback_token"),
    "cryptopay": ("token",),
    "telegram_payments": ("provider_token",),
    "telegram_stars": (),
}
"""The gateways there are, and what each needs of the mode in force: `<GATEWAY>_<WHAT>_<MODE>`."""

# Good enough for a machine that nobody else reaches; a production start refuses them.
DEVELOPMENT_SIGNING_KEY: Final = "development-signing-key-not-for-production"
DEVELOPMENT_DATA_KEY: Final = "ZGV2ZWxvcG1lbnQtZGF0YS1rZXktbm90LWZvci1wcm8="
DEVELOPMENT_BOT_TOKEN: Final = "100500:development-bot-token"  # noqa: S105


class SettingsNotUsable(Exception):
    """The settings cannot be used; `problems` names each with what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _listed(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Mode = Literal["test", "live"]
Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


class Settings(BaseSettings):
    """One field per variable; the variable is `BILLHOOK_` and the field's name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", frozen=True, extra="ignore"
    )

    env: Literal["development", "staging", "production"] = "development"
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    public_url: str | None = None
    data_dir: Path = Path(".data")
    database_url: SecretStr | None = None
    catalog: Path = Path("catalogs/fitness.toml")
    gateways: Listed = ()

    yookassa_mode: Mode = "test"
    yookassa_shop_id_test: str | None = None
    yookassa_secret_key_test: SecretStr | None = None
    yookassa_shop_id_live: str | None = None
    yookassa_secret_key_live: SecretStr | None = None
    yookassa_recurring: bool = False
    yookassa_agent_id: str | None = None
    yookassa_agent_secret_key: SecretStr | None = None
    yookassa_api_url: str | None = None
    yookassa_networks: Listed = ()

    paymongo_mode: Mode = "test"
    paymongo_secret_key_test: SecretStr | None = None
    paymongo_webhook_secret_test: SecretStr | None = None
    paymongo_secret_key_live: SecretStr | None = None
    paymongo_webhook_secret_live: SecretStr | None = None
    paymongo_wallet_number: SecretStr | None = None
    paymongo_wallet_name: str | None = None
    paymongo_api_url: str | None = None

    xendit_mode: Mode = "test"
    xendit_secret_key_test: SecretStr | None = None
    xendit_callback_token_test: SecretStr | None = None
    xendit_secret_key_live: SecretStr | None = None
    xendit_callback_token_live: SecretStr | None = None
    xendit_business_id: str | None = None
    xendit_api_url: str | None = None

    cryptopay_mode: Mode = "test"
    cryptopay_token_test: SecretStr | None = None
    cryptopay_token_live: SecretStr | None = None
    cryptopay_assets: Listed = ()
    cryptopay_api_url: str | None = None

    telegram_token: SecretStr | None = None
    telegram_webhook_secret: SecretStr | None = None
    telegram_api_url: str | None = None
    telegram_payments_mode: Mode = "test"
    telegram_payments_provider_token_test: SecretStr | None = None
    telegram_payments_provider_token_live: SecretStr | None = None
    mini_app_url: str | None = None
    owner: str | None = None
    provisioner: Literal["none", "http", "remnawave"] | None = None
    panel_url: str | None = None
    panel_token: SecretStr | None = None
    panel_secret: SecretStr | None = None
    panel_private: bool = False
    signing_key: SecretStr | None = None  # Several, newest first; see `signing_keys`.
    data_key: SecretStr | None = None
    dev_api_key: SecretStr | None = None

    webhook_url: str | None = None  # Empty: nobody is told, not even the sandbox.
    webhook_secret: SecretStr | None = None  # Several, while they change.
    webhook_events: Listed = ()

    trusted_proxies: Listed = ()
    return_origins: Listed = ()
    return_url: str | None = None
    allowed_hosts: Listed = ()
    redis_url: SecretStr | None = None
    redis_prefix: str = Field("billhook", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    api_key_limit_per_minute: int | None = Field(None, ge=1)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    metrics_port: int | None = Field(None, ge=1, le=65535)

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        TrustedProxies.parsed(value)
        return value

    @field_validator("gateways")
    @classmethod
    def _gateways_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in SECRETS]
        if unknown:
            known = ", ".join(SECRETS)
            raise ValueError(f"no such gateway: {', '.join(unknown)} (known: {known})")
        return value

    @field_validator("webhook_events")
    @classmethod
    def _events_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in ANNOUNCED]
        if unknown:
            known = ", ".join(ANNOUNCED)
            raise ValueError(f"no such event: {', '.join(unknown)} (known: {known})")
        return value

    @field_validator("owner")
    @classmethod
    def _owner_is_of_telegram(cls, value: str | None) -> str | None:
        if value:
            try:
                named = identity(value)
            except IdentityNotReadable:
                named = None
            if named is None or named.kind is not IdentityKind.TELEGRAM:
                raise ValueError("a Telegram user's number, such as telegram:123456")
        return value

    @field_validator("telegram_webhook_secret")
    @classmethod
    def _secret_is_of_telegrams_form(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not WEBHOOK_SECRET.fullmatch(value.get_secret_value()):
            raise ValueError("16 to 256 of the characters A-Z a-z 0-9 _ -")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_url_is_one(cls, value: SecretStr | None) -> SecretStr | None:
        url = "" if value is None else value.get_secret_value()
        if url and not url.startswith(("redis://", "rediss://")):
            raise ValueError("Valkey and Redis are both named redis://… or, with TLS, rediss://…")
        return value

    @field_validator("data_key")
    @classmethod
    def _data_key_is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        for key in [] if value is None else value.get_secret_value().split(","):
            try:
                Fernet(key.strip())
            except ValueError:
                raise ValueError(
                    "not a key: make one with `billhook keys data` (several, newest first,"
                    " are separated by commas)"
                ) from None
        return value

    @model_validator(mode="after")
    def _complete_for_its_environment(self) -> Self:
        problems = [
            *self._secret_problems(),
            *self._gateway_problems(),
            *self._payout_problems(),
            *self._panel_problems(),
            *self._webhook_problems(),
            *self._sandbox_problems(),
        ]
        try:
            ReturnUrls(self.return_origins_or_own, self.return_url_or_own)
        except ValueError as error:
            problems.append(f"RETURN_ORIGINS, RETURN_URL: {error}")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _secret_problems(self) -> list[str]:
        if self.is_development:
            return []
        needed = {
            "DATABASE_URL": self.database_url,
            "SIGNING_KEY": self.signing_key,
            "DATA_KEY": self.data_key,
            "TELEGRAM_TOKEN": self.telegram_token,
            "RETURN_URL": self.return_url,
        }
        problems = [f"{name} is needed outside development" for name, v in needed.items() if not v]
        if self.telegram_webhook_secret and not (self.public_url or "").startswith("https://"):
            problems.append(
                "TELEGRAM_WEBHOOK_SECRET needs PUBLIC_URL with https, which Telegram can reach;"
                " without both, run `billhook bot`"
            )
        if min(map(len, self.signing_keys)) < SIGNING_KEY_LENGTH_MIN:
            problems.append(f"SIGNING_KEY needs {SIGNING_KEY_LENGTH_MIN} characters at least")
        if self.signing_key and DEVELOPMENT_SIGNING_KEY in self.signing_keys:
            problems.append("SIGNING_KEY is the one of development")
        if DEVELOPMENT_DATA_KEY in (self.secret("data_key") or ""):
            problems.append("DATA_KEY is the one of development")
        if self.secret("telegram_token") == DEVELOPMENT_BOT_TOKEN:
            problems.append("TELEGRAM_TOKEN is the one of development")
        return problems

    def _gateway_problems(self) -> list[str]:
        """Of each that is switched on: its secrets, its mode, and that nothing stands in for it."""
        problems = []
        for name, needed in SECRETS.items():
            mode, upper = self.mode_of(name), name.upper()
            if mode == "live" and self.env != "production":
                problems.append(f"{upper}_MODE=live is for BILLHOOK_ENV=production alone")
            if self.is_development or name not in self.switched_on:
                continue
            if self.secrets_of(name) is None:
                wanted = " and ".join(f"{upper}_{one.upper()}_{mode.upper()}" for one in needed)
                verb = "is" if len(needed) == 1 else "are"
                problems.append(f"{wanted} {verb} needed, or take {name} out of GATEWAYS")
            if self.env == "production" and mode == "test" and needed:
                problems.append(
                    f"{upper}_MODE=test takes money that costs nothing: not in production"
                )
            if self.env == "production" and self.api_url_of(name) is not None:
                problems.append(f"{upper}_API_URL points away from the provider: not in production")
        return problems

    def _payout_problems(self) -> list[str]:
        """A key of the other mode is told by its beginning."""
        key = self.secret("yookassa_agent_secret_key") or ""
        problems = []
        if bool(self.yookassa_agent_id) != bool(key):
            problems.append("YOOKASSA_AGENT_ID and YOOKASSA_AGENT_SECRET_KEY go together")
        if key.startswith("test_" if self.yookassa_mode == "live" else "live_"):
            problems.append("YOOKASSA_AGENT_SECRET_KEY is not of YOOKASSA_MODE")
        return problems

    def _panel_problems(self) -> list[str]:
        needed = {"http": "panel_secret", "remnawave": "panel_token"}.get(
            self.provisioner or "none"
        )
        if needed is None:
            return []
        url, problems = self.panel_url or "", []
        if not url.startswith(("https://", "http://")):
            problems.append(f"PANEL_URL is needed for PROVISIONER={self.provisioner}: https://…")
        if self.env == "production" and url.startswith("http://") and not self.panel_private:
            problems.append(
                "PANEL_URL without https is for a private network alone: say so by"
                " PANEL_PRIVATE=true"
            )
        secret = self.secret(needed) or ""
        if not secret:
            problems.append(f"{needed.upper()} is needed for PROVISIONER={self.provisioner}")
        elif needed == "panel_secret" and not is_signing_secret(secret):
            problems.append("PANEL_SECRET is whsec_ and 24 bytes or more in base64")
        return problems

    def _webhook_problems(self) -> list[str]:
        if not self.webhook_url:
            return []
        problems = []
        schemes = {"https", "http"} if self.is_development else {"https"}
        try:
            url = httpx.URL(self.webhook_url)
        except httpx.InvalidURL:
            url = httpx.URL("")
        if url.scheme not in schemes or not url.host or url.userinfo or url.fragment:
            problems.append("WEBHOOK_URL is not an https address without user and fragment")
        secrets = self.webhook_secrets
        if not secrets:
            problems.append("WEBHOOK_SECRET is needed with WEBHOOK_URL: `billhook webhooks secret`")
        if not all(map(is_signing_secret, secrets)):
            problems.append(
                f"WEBHOOK_SECRET is whsec_ and the base64 of {SECRET_BYTES_MIN} bytes or more:"
                " `billhook webhooks secret`"
            )
        if not self.is_development and DEMO_WEBHOOK_SECRET in secrets:
            problems.append("WEBHOOK_SECRET is the one of development")
        return problems

    def _sandbox_problems(self) -> list[str]:
        if self.env != "production":
            return []
        problems = []
        if self.telegram_api_url is not None:
            problems.append("TELEGRAM_API_URL points away from Telegram: not in production")
        if self.dev_api_key is not None:
            problems.append("DEV_API_KEY is for development alone: use `billhook keys create`")
        return problems

    @property
    def is_development(self) -> bool:
        return self.env == "development"

    @property
    def switched_on(self) -> tuple[str, ...]:
        """In the operator's order; in development every one that there is, unless it is said."""
        return self.gateways or (tuple(SECRETS) if self.is_development else ("yookassa",))

    def mode_of(self, gateway: str) -> str:
        return str(getattr(self, f"{gateway}_mode", "live" if self.env == "production" else "test"))

    def secrets_of(self, gateway: str) -> tuple[str, ...] | None:
        """What the gateway needs of the mode in force; None: it is not all there."""
        mode = self.mode_of(gateway)
        found = [self.secret(f"{gateway}_{one}_{mode}") for one in SECRETS[gateway]]
        return tuple(filter(None, found)) if all(found) else None

    @property
    def yookassa_agent(self) -> tuple[str, str] | None:
        """Id and key of the gateway of payouts; None: there is none, and nothing is paid out."""
        key = self.secret("yookassa_agent_secret_key")
        return (self.yookassa_agent_id, key) if self.yookassa_agent_id and key else None

    def api_url_of(self, gateway: str) -> str | None:
        """Where the operator says that its API is; None: where the provider's is."""
        url: str | None = getattr(self, f"{gateway}_api_url", None)
        return url

    def doubles(self, gateway: str) -> bool:
        """Whether the sandbox stands in for it: in development, for whatever is not named."""
        if gateway == "telegram_stars":
            return self.doubles_telegram
        return (
            self.is_development
            and self.secrets_of(gateway) is None
            and self.api_url_of(gateway) is None
        )

    @property
    def doubles_panel(self) -> bool:
        return self.is_development and self.provisioner is None

    @property
    def uses_sandbox(self) -> bool:
        return (
            self.doubles_telegram or self.doubles_panel or any(map(self.doubles, self.switched_on))
        )

    @property
    def doubles_telegram(self) -> bool:
        return self.is_development and not self.telegram_token and not self.telegram_api_url

    @property
    def owner_identity(self) -> Identity | None:
        return identity(self.owner) if self.owner else None

    @property
    def bot_token(self) -> str:
        return self.secret("telegram_token") or DEVELOPMENT_BOT_TOKEN

    @property
    def bot_api_url(self) -> str | None:
        """None: Telegram's own."""
        double = f"{self.own_origin}/sandbox/telegram" if self.doubles_telegram else None
        return self.telegram_api_url or double

    @property
    def app_url(self) -> str | None:
        """Where the Mini App is; the sample one of the sandbox, if it stands in."""
        double = f"{self.base_url}/sandbox/app/" if self.doubles_telegram else None
        return self.mini_app_url or double

    @property
    def signing_keys(self) -> tuple[str, ...]:
        """The first signs; the others are still believed."""
        named = self.secret("signing_key") or DEVELOPMENT_SIGNING_KEY
        return tuple(key.strip() for key in named.split(","))

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """All of them sign."""
        named = self.secret("webhook_secret") or ""
        return tuple(one.strip() for one in named.split(",") if one.strip())

    @property
    def webhook_target(self) -> tuple[str, tuple[str, ...]] | None:
        """Where the business's own system is told, and signed with what; None: nowhere."""
        if self.webhook_url:
            return self.webhook_url, self.webhook_secrets
        if self.webhook_url is None and self.uses_sandbox:
            return f"http://127.0.0.1:{self.port}/sandbox/webhooks", (DEMO_WEBHOOK_SECRET,)
        return None

    @property
    def base_url(self) -> str:
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def database(self) -> str:
        """The database's address: PostgreSQL where one is named, else one file in `data_dir`."""
        named = self.secret("database_url")
        return named or f"sqlite:///{self.data_dir / 'billhook.db'}"

    @property
    def shares_work(self) -> bool:
        """Whether several processes may work jobs off: on SQLite one does."""
        return self.database.startswith("postgresql")

    @property
    def return_url_or_own(self) -> str:
        return self.return_url or f"{self.own_origin}/sandbox/"

    @property
    def return_origins_or_own(self) -> tuple[str, ...]:
        return self.return_origins or ((self.own_origin,) if self.is_development else ())

    @property
    def own_origin(self) -> str:
        # A server that listens everywhere is reached from this machine by its loopback address.
        if self.public_url is None and self.host not in {"127.0.0.1", "localhost"}:
            return f"http://127.0.0.1:{self.port}"
        return self.base_url

    def secret(self, name: str) -> str | None:
        value: SecretStr | str | None = getattr(self, name)
        return (value.get_secret_value() if isinstance(value, SecretStr) else value) or None


def read_settings(**overrides: object) -> Settings:
    """
    From the environment; an override that is not None wins (the command line's).

    Raises:
        SettingsNotUsable
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        said = [line for e in error.errors() for line in _said(e["loc"], e["msg"])]
        raise SettingsNotUsable(said) from None


def _said(where: tuple[int | str, ...], message: str) -> list[str]:
    said = message.removeprefix("Value error, ")
    if not where:  # From the settings as a whole, which tells all of its problems at once.
        return [f"{PREFIX}{part}" for part in said.split("; ")]
    return [f"{PREFIX}{str(where[0]).upper()}: {said}"]


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """`BILLHOOK_*` variables that nothing reads: typing mistakes, or retired ones."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    test_only = f"{PREFIX}TEST_"
    return sorted(
        name
        for name in environ
        if name.startswith(PREFIX) and name not in known and not name.startswith(test_only)
    )
