"""One process: what is opened when it starts, and closed when it ends."""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog
from dependency_injector import providers
from limits import RateLimitItemPerMinute
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from adapters.catalog_file import catalog_from_file
from adapters.http.app import Health, web_app
from adapters.http.client_address import TrustedProxies
from adapters.http.edge import Edge
from adapters.http.limits import (
    OPENINGS_BY_CUSTOMER,
    OPENINGS_REPEATED,
    RECHECKS_BY_CUSTOMER,
    RateLimits,
    shared_storage,
)
from adapters.http.return_urls import ReturnUrls, origin_of
from adapters.http.tokens import AccessTokens, new_api_key
from adapters.jobs.pump import Pump
from adapters.jobs.work import ASIDE, work_of
from adapters.metrics import Metrics
from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.store import SqlStore, open_store
from adapters.telegram.mailing import Mailing
from adapters.telegram.notifier import TelegramNotifier
from adapters.telegram.ways_in import open_bot
from adapters.webhooks import WebhookSender, is_public, is_public_or_this_machine
from core.domain.cause import Cause
from core.domain.customer import CustomerId
from core.domain.errors import Refused, Unavailable
from core.domain.event import ALONE
from core.ports.payment_gateway import Gateways
from core.ports.unit_of_work import Now
from core.use_cases.announcements import announcing
from core.use_cases.billing import Billing
from core.use_cases.consequences import consequences
from entrypoints.bot import BotAtWork, bot_at_work
from entrypoints.container import Container, utc_now
from entrypoints.gateways import open_gateways
from entrypoints.health import OfProcess, health_of
from entrypoints.provisioners import Provisioner, open_provisioner
from entrypoints.settings import (
    DEVELOPMENT_DATA_KEY,
    Settings,
)
from sandbox.app import Sandbox, sandbox_app
from sandbox.clock import SandboxClock

STOP_SECONDS_MAX: Final = 10

log = structlog.get_logger()


@dataclass(eq=False)
class DatabaseOfAnotherVersion(Refused):
    """The database is at another version's revision: run `billhook migrate`, or the version it is at."""

    revision: str | None
    expected: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A store that is open and everything that works on it."""

    settings: Settings
    store: SqlStore
    gateways: Gateways
    provisioner: Provisioner
    billing: Billing
    webhooks: WebhookSender
    now: Now
    updates_proof: str = field(repr=False)
    """What this process knows an update of Telegram's by: the webhook's secret, or one of its own."""
    metrics: Metrics = field(default_factory=Metrics)


@asynccontextmanager
async def opened(settings: Settings, *, now: Now = utc_now) -> AsyncIterator[Opened]:
    """The database must be at our revision before anything but a look is done with it."""
    key = DataKey((settings.secret("data_key") or DEVELOPMENT_DATA_KEY).split(","))
    async with AsyncExitStack() as stack:
        webhooks = _webhooks(settings, now)
        stack.push_async_callback(webhooks.close)
        follow = announcing(consequences, webhooks.wants)
        store = open_store(settings.database, consequences=follow, data_key=key)
        stack.push_async_callback(store.close)
        proof = settings.secret("telegram_webhook_secret") or secrets.token_hex(32)
        gateways = await stack.enter_async_context(open_gateways(settings, now, proof))
        provisioner = await stack.enter_async_context(open_provisioner(settings, now))
        bulk = await stack.enter_async_context(open_bot(settings.bot_token, settings.bot_api_url))
        crowd = await stack.enter_async_context(open_bot(settings.bot_token, settings.bot_api_url))
        mailing = Mailing(crowd, now)
        notifier = TelegramNotifier(bulk, now, settings.app_url, mailing=mailing)
        container = Container(
            store=providers.Object(store),
            gateways=gateways,
            notifier=providers.Object(notifier),
            provisioner=providers.Object(provisioner),
            webhooks=providers.Object(webhooks),
            owner=providers.Object(settings.owner_identity),
            now=providers.Object(now),
        )
        billing = container.billing()
        yield Opened(settings, store, gateways, provisioner, billing, webhooks, now, proof)


@asynccontextmanager
async def ready(settings: Settings) -> AsyncIterator[Opened]:
    """
    For what works on the database at once, as commands do.

    Raises:
        DatabaseOfAnotherVersion
    """
    async with opened(settings) as parts:
        present, expected = await parts.store.revision()
        if present != expected:
            raise DatabaseOfAnotherVersion(present, expected)
        yield parts


def _webhooks(settings: Settings, now: Now) -> WebhookSender:
    url, secrets = settings.webhook_target or (None, ())
    return WebhookSender(
        url,
        secrets,
        now,
        may_call=is_public_or_this_machine if settings.is_development else is_public,
        events=settings.webhook_events,
    )


async def not_ready(store: SqlStore) -> list[str]:
    """Why this process should not be given work; empty when it may."""
    present, expected = await store.revision()
    if present == expected:
        return []
    return [
        f"the database is at revision {present}, not {expected}: run `billhook migrate`, or the version it is at"
    ]


def application(settings: Settings, *, whole: bool) -> ASGIApp:
    """
    The web application of one process; `whole` with the job pump and the bot, and in development
    with the sandbox, whose clock is then everybody's.
    """
    sandbox = _sandbox(settings)
    clock = utc_now if sandbox is None else sandbox[1].now

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[tuple[Edge, Health]]:
        async with AsyncExitStack() as stack:
            if sandbox is not None:
                await stack.enter_async_context(sandbox[0].running())
            parts = await stack.enter_async_context(opened(settings, now=clock))
            for reason in await not_ready(parts.store):
                log.error("not ready", reason=reason)
            working = await stack.enter_async_context(worker(parts)) if whole else None
            limits = await stack.enter_async_context(rate_limits(settings, clock))
            bot = await stack.enter_async_context(bot_of(parts, limits, polls=whole))
            yield _edge(parts, limits, bot), _health(parts, working, limits, bot)

    return web_app(
        lifespan,
        new_request_id=lambda: secrets.token_hex(16),
        hosts=settings.allowed_hosts,
        origins=return_urls(settings).origins,
        more=[]
        if sandbox is None
        else [Mount("/sandbox", sandbox[0].app), Route("/", _to_sandbox)],
        show_docs=True,
    )


async def _to_sandbox(_request: Request) -> RedirectResponse:
    """Whoever opens the bare address in a browser is shown around."""
    return RedirectResponse("/sandbox/")


def _sandbox(settings: Settings) -> tuple[Sandbox, SandboxClock] | None:
    if not settings.uses_sandbox:
        return None
    state = settings.data_dir / "sandbox"
    clock = SandboxClock(state / "clock.json")
    sandbox = sandbox_app(
        base_url=settings.base_url,
        webhooks_url=f"{settings.base_url}/api/v1/billing/webhooks",
        clock=clock,
        state_dir=state,
        bot_token=settings.bot_token,
        api_key=lambda: development_key(settings),
        squads=_grants(settings),
    )
    return sandbox, clock


def _grants(settings: Settings) -> tuple[str, ...]:
    """All that the catalog's plans give outside, so that the panel's double has it to give."""
    if not settings.catalog.exists():
        return ()
    plans = catalog_from_file(settings.catalog).plans
    return tuple(dict.fromkeys(grant for terms in plans for grant in terms.grants))


def development_key(settings: Settings) -> str:
    """The key that `run` prints: preset, or made once and kept beside the database."""
    preset = settings.secret("dev_api_key")
    if preset:
        return preset
    kept = settings.data_dir / "development_api_key"
    if not kept.exists():
        kept.write_text(new_api_key(secrets.token_bytes))
        kept.chmod(0o600)
    return kept.read_text().strip()


def bot_of(
    parts: Opened, limits: RateLimits, *, polls: bool
) -> AbstractAsyncContextManager[BotAtWork]:
    """The bot of this process, as long as it is entered."""

    async def may_check_out(customer_id: CustomerId, cause: Cause) -> None:
        await limits.hit_once(
            OPENINGS_BY_CUSTOMER,
            customer_id,
            f"{cause.scope} {cause.key}",
            again=OPENINGS_REPEATED,
        )

    async def may_recheck(customer_id: CustomerId, cause: Cause) -> None:
        await limits.hit_once(
            RECHECKS_BY_CUSTOMER,
            customer_id,
            f"{cause.scope} {cause.key}",
            again=OPENINGS_REPEATED,
        )

    return bot_at_work(
        parts.settings,
        parts.store,
        parts.billing,
        parts.now,
        may_check_out,
        may_recheck=may_recheck,
        proof=parts.updates_proof,
        polls=polls,
    )


@asynccontextmanager
async def rate_limits(settings: Settings, now: Now) -> AsyncIterator[RateLimits]:
    """Shared with the other processes where the operator names a store, else of this one."""
    url = settings.secret("redis_url")
    if url is None:
        yield RateLimits(now)
        return
    async with shared_storage(url, settings.redis_prefix) as storage:
        yield RateLimits(utc_now, storage)


def return_urls(settings: Settings) -> ReturnUrls:
    return ReturnUrls(settings.return_origins_or_own, settings.return_url_or_own)


def _edge(parts: Opened, limits: RateLimits, bot: BotAtWork) -> Edge:
    settings = parts.settings
    per_minute = settings.api_key_limit_per_minute
    key_limit = None if per_minute is None else RateLimitItemPerMinute(per_minute, namespace="key")
    return Edge(
        billing=parts.billing,
        now=parts.now,
        tokens=AccessTokens(*settings.signing_keys, now=parts.now, audience=settings.env),
        limits=limits,
        own_limits=RateLimits(parts.now),
        return_urls=return_urls(settings),
        own_origin=origin_of(settings.own_origin),
        proxies=TrustedProxies.parsed(settings.trusted_proxies),
        bot_token=settings.bot_token,
        updates=bot.door,
        key_peppers=settings.signing_keys,
        key_limit=key_limit,
    )


def _health(
    parts: Opened,
    working: "asyncio.Task[None] | None",
    limits: RateLimits,
    bot: BotAtWork,
) -> Health:
    async def limits_told() -> tuple[str, bool]:
        if parts.settings.secret("redis_url") is None:
            return "in this process", False
        is_away = await limits.is_away()
        return "away: signing in and buying are refused" if is_away else "shared", is_away

    process = OfProcess(
        outdated=lambda: not_ready(parts.store),
        workers=parts.store.workers,
        works=lambda: None if working is None else not working.done(),
        listens=lambda: not bot.is_silent,
        limits=limits_told,
        way_in=bot.way_in,
    )
    show_state = parts.billing.show_system_state
    return health_of(process, show_state, parts.gateways, parts.now, parts.metrics)


@asynccontextmanager
async def worker(parts: Opened) -> AsyncIterator[asyncio.Task[None]]:
    """The job pump, as a task beside the web; stopped in order, between two jobs."""
    stop = asyncio.Event()
    task = asyncio.create_task(work(parts, stop))
    try:
        yield task
    finally:
        stop.set()
        try:
            async with asyncio.timeout(STOP_SECONDS_MAX):
                await asyncio.shield(task)
        except TimeoutError:  # The database is away; whatever was taken is taken up at the start.
            task.cancel()
            await asyncio.wait([task])


def _worker_name() -> str:
    """Of this process alone, and short enough for PostgreSQL to show."""
    return f"worker {socket.gethostname()[:24]} {os.getpid()} {secrets.token_hex(3)}"


async def work(parts: Opened, stop: asyncio.Event, *, again_after: float = 2.0) -> None:
    """
    Work off jobs until told to stop, beside as many others as there are on PostgreSQL. Where the
    database does not answer, or on SQLite another process works, try again after so many seconds: a
    process without a worker settles nothing.
    """
    billing = parts.billing

    async def sweep() -> int:
        found = await billing.sweep() + await billing.start_reconciling()
        for case in await billing.watch_bounds():
            log.error("stopped by itself", case=case.cause, why=case.facts["why"])
        return found

    pump = Pump(
        parts.store,
        work_of(billing),
        parts.now,
        aside=ASIDE,
        name=_worker_name() if parts.settings.shares_work else ALONE,
        sweep=sweep,
        on_ended=parts.metrics.iteration_ended,
    )
    told = ""
    while not stop.is_set():
        try:
            await pump.run(stop)
        except Unavailable as error:
            if told != error.code:
                told = error.code
                log.warning("jobs are not worked off here; trying again", why=told)
            try:
                async with asyncio.timeout(again_after):
                    await stop.wait()
            except TimeoutError:
                continue
