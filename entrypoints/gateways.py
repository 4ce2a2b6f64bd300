"""The gateways of this process, made from its settings: the real ones, or their doubles."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Protocol

from adapters.gateways.breaker import GuardedGateway
from adapters.gateways.cryptopay.account import ASSETS, CryptoPayAccount
from adapters.gateways.cryptopay.gateway import CryptoPayGateway
from adapters.gateways.paymongo.account import PayMongoAccount
from adapters.gateways.paymongo.gateway import API_URL as PAYMONGO_API_URL
from adapters.gateways.paymongo.gateway import PayMongoGateway
from adapters.gateways.telegram.client import API_URL as TELEGRAM_API_URL
from adapters.gateways.telegram.gateway import TelegramPaymentsGateway, TelegramStarsGateway
from adapters.gateways.xendit.account import XenditAccount
from adapters.gateways.xendit.gateway import API_URL as XENDIT_API_URL
from adapters.gateways.xendit.gateway import XenditGateway
from adapters.gateways.yookassa.gateway import API_URL as YOOKASSA_API_URL
from adapters.gateways.yookassa.gateway import YooKassaGateway
from adapters.gateways.yookassa.shop import YOOKASSA_NETWORKS, YooKassaShop
from core.ports.payment_gateway import Gateways, PaymentGateway
from core.ports.unit_of_work import Now
from entrypoints.settings import Settings
from sandbox.app import DEMO, DEMO_AGENT

LOCAL_NETWORKS: Final = ("127.0.0.0/8", "::1/128")


class _Closing(PaymentGateway, Protocol):
    async def close(self) -> None: ...


@asynccontextmanager
async def open_gateways(settings: Settings, now: Now, proof: str) -> AsyncIterator[Gateways]:
    """
    Those that are switched on, in the operator's order, each behind breakers of this process.
    `proof` is of Telegram's updates.
    """
    makers: Mapping[str, Callable[[], _Closing]] = {
        "yookassa": lambda: _yookassa(settings),
        "paymongo": lambda: _paymongo(settings, now),
        "xendit": lambda: _xendit(settings),
        "cryptopay": lambda: _cryptopay(settings),
        "telegram_stars": lambda: _telegram_stars(settings, now, proof),
        "telegram_payments": lambda: _telegram_payments(settings, now, proof),
    }
    async with AsyncExitStack() as stack:
        switched_on = [makers[name]() for name in settings.switched_on]
        for gateway in switched_on:
            stack.push_async_callback(gateway.close)
        yield Gateways(*(GuardedGateway(gateway, now) for gateway in switched_on))


def breakers_told(gateways: Gateways) -> Mapping[str, Mapping[str, Mapping[str, object]]]:
    """How every breaker of this process stands, by gateway and group of operations."""
    return {
        gateway.name: {
            group.value: {
                "state": told.state.value,
                "since": told.since.isoformat(),
                "failures": told.failures,
            }
            for group, breaker in gateway.breakers.items()
            for told in (breaker.told(),)
        }
        for gateway in gateways
        if isinstance(gateway, GuardedGateway)
    }


def _api_url(settings: Settings, gateway: str, path: str, real: str) -> str:
    """`path` is the double's, below the sandbox."""
    if settings.doubles(gateway):
        return f"{settings.base_url}/sandbox/{path}"
    return settings.api_url_of(gateway) or real


def _yookassa(settings: Settings) -> YooKassaGateway:
    shop_id, secret = settings.secrets_of("yookassa") or DEMO["yookassa"]
    networks = settings.yookassa_networks or YOOKASSA_NETWORKS
    if settings.doubles("yookassa"):
        networks = (*networks, *LOCAL_NETWORKS)
    live, agent = settings.yookassa_mode == "live", settings.yookassa_agent
    if settings.doubles("yookassa"):
        agent = DEMO_AGENT
    return YooKassaGateway(
        YooKassaShop(shop_id, secret, live=live),
        payouts=None if agent is None else YooKassaShop(*agent, live=live),
        recurring=settings.yookassa_recurring or settings.doubles("yookassa"),
        api_url=_api_url(settings, "yookassa", "yookassa/v3", YOOKASSA_API_URL),
        networks=networks,
    )


def _paymongo(settings: Settings, now: Now) -> PayMongoGateway:
    secret_key, webhook_secret = settings.secrets_of("paymongo") or DEMO["paymongo"]
    is_double = settings.doubles("paymongo")
    account = PayMongoAccount(
        secret_key,
        webhook_secret,
        live=settings.paymongo_mode == "live",
        wallet_number=settings.secret("paymongo_wallet_number") or ("1" * 12 if is_double else ""),
        wallet_name=settings.paymongo_wallet_name or ("SANDBOX" if is_double else ""),
    )
    api_url = _api_url(settings, "paymongo", "paymongo", PAYMONGO_API_URL)
    return PayMongoGateway(account, now, api_url=api_url)


def _xendit(settings: Settings) -> XenditGateway:
    secret_key, callback_token = settings.secrets_of("xendit") or DEMO["xendit"]
    account = XenditAccount(
        secret_key,
        callback_token,
        live=settings.xendit_mode == "live",
        business_id=settings.xendit_business_id or "",
    )
    return XenditGateway(account, api_url=_api_url(settings, "xendit", "xendit", XENDIT_API_URL))


def _cryptopay(settings: Settings) -> CryptoPayGateway:
    [token] = settings.secrets_of("cryptopay") or DEMO["cryptopay"]
    live, assets = settings.cryptopay_mode == "live", settings.cryptopay_assets or ASSETS
    account = CryptoPayAccount(token, live=live, assets=assets)
    api_url = _api_url(settings, "cryptopay", "cryptopay/api", account.api_url)
    return CryptoPayGateway(account, api_url=api_url)


def _telegram_stars(settings: Settings, now: Now, proof: str) -> TelegramStarsGateway:
    api_url = settings.bot_api_url or TELEGRAM_API_URL
    return TelegramStarsGateway(settings.bot_token, now=now, secret=proof, api_url=api_url)


def _telegram_payments(settings: Settings, now: Now, proof: str) -> TelegramPaymentsGateway:
    [provider_token] = settings.secrets_of("telegram_payments") or DEMO["telegram_payments"]
    return TelegramPaymentsGateway(
        settings.bot_token,
        provider_token,
        live=settings.telegram_payments_mode == "live",
        now=now,
        secret=proof,
        api_url=settings.bot_api_url or TELEGRAM_API_URL,
    )
