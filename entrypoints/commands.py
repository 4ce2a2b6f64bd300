"""What the commands do."""

import asyncio
import contextlib
import secrets
import signal
from datetime import timedelta
from socket import AF_INET, AF_INET6, create_server, socket
from typing import Final

import typer
import uvicorn
from starlette.types import ASGIApp
from telegram.error import InvalidToken, TelegramError

from adapters.catalog_file import catalog_from_file
from adapters.http.client_address import TrustedProxies
from adapters.http.connections import ConnectionLimits
from adapters.http.tokens import api_key_hash, new_api_key
from adapters.persistence.sql.books import check_books
from adapters.persistence.sql.migrate import migrate
from adapters.telegram.ways_in import open_bot
from core.domain.case import Case, CaseKind
from core.domain.credentials import Scope, UnknownScope
from core.domain.errors import BillingError
from core.domain.payment import PaymentId
from core.ports.access_provisioner import AccessRefused, AccessUnavailable
from core.ports.unit_of_work import CatalogMissing
from core.use_cases.catalogs import CatalogDiff
from core.use_cases.checkouts import STARS
from entrypoints.bot import WEBHOOK_PATH
from entrypoints.container import utc_now
from entrypoints.process import (
    Opened,
    application,
    bot_of,
    development_key,
    not_ready,
    opened,
    rate_limits,
    ready,
    worker,
)
from entrypoints.settings import Settings, SettingsNotUsable
from entrypoints.webhook_commands import webhook_problems

DEVELOPMENT_KEY_NAME: Final = "development"
BACKEND_SCOPES: Final = frozenset({Scope.CUSTOMERS, Scope.PURCHASES, Scope.USAGE})
CLOCK_SKEW_MAX: Final = timedelta(seconds=5)
WORKER_SILENT_MAX: Final = timedelta(seconds=5)


def require_free_port(settings: Settings) -> None:
    """
    Before anything is done to the database: what runs there already may be of another catalog.

    Raises:
        SettingsNotUsable
    """
    family = AF_INET6 if ":" in settings.host else AF_INET
    try:
        create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        said = str(error.strerror).partition(" (while")[0].lower()
        why = f"nobody can listen at {where} ({said})"
        remedy = "stop what does, or take another port: --port 8001, `make run PORT=8001`"
        raise SettingsNotUsable([f"BILLHOOK_PORT: {why}; {remedy}"]) from error


def migrate_database(settings: Settings) -> str:
    return migrate(settings.database)


def prepare(settings: Settings) -> None:
    """Before `run` serves: migrate, apply the catalog and, in development, put the API key."""
    migrate_database(settings)

    async def first_things() -> None:
        async with opened(settings) as parts:
            diff = await parts.billing.apply_catalog(catalog_from_file(settings.catalog))
            if not diff.is_empty:
                typer.echo(f"catalog {settings.catalog}: {_told(diff)}")
            if settings.is_development:
                hashed = api_key_hash(development_key(settings), settings.signing_keys[0])
                await parts.billing.put_key(DEVELOPMENT_KEY_NAME, hashed, frozenset(Scope))

    asyncio.run(first_things())


def welcome(settings: Settings) -> str:
    """What a newcomer needs to go on."""
    url = settings.base_url
    lines = ["Billhook is running (stop with Ctrl-C).", ""]
    if settings.doubles_telegram:
        lines += [
            f"  Open this first        {url}/sandbox/telegram/",
            "                         press Start, buy a plan, then +31 days; the money is not real",
        ]
    else:
        lines.append("  Write /start to your bot.")
    lines.append("")
    if settings.uses_sandbox:
        lines.append(f"  Payments and time      {url}/sandbox/")
    lines += [
        f"  API, to read and try   {url}/docs",
        f"  Health                 {url}/health/status",
    ]
    if settings.is_development:
        lines += [
            "",
            "For the README's examples:",
            f"  export URL={url}/api/v1/billing",
            f"  export KEY={development_key(settings)}",
        ]
    return "\n".join(lines) + "\n"


def serve(settings: Settings, *, whole: bool) -> None:
    """One web process until it is told to stop. The whole is welcomed once it answers."""
    app = application(settings, whole=whole)
    config = server_config(app, settings, connection_limits(settings))
    with contextlib.suppress(KeyboardInterrupt):
        _Server(config, welcome(settings) if whole else None).run()


class _Server(uvicorn.Server):
    """Says something once it listens: who goes on from there is not turned away."""

    def __init__(self, config: uvicorn.Config, says: str | None) -> None:
        super().__init__(config)
        self._says = says

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started and self._says is not None:
            typer.echo(self._says)


def connection_limits(settings: Settings) -> ConnectionLimits:
    """
    The proxies named in the settings, and this machine, speak for many: were they counted as one
    peer, a forgotten setting would turn a shop's customers away.
    """
    uncounted = TrustedProxies.parsed([*settings.trusted_proxies, "127.0.0.0/8", "::1", "unix"])
    return ConnectionLimits(uncounted, new_request_id=lambda: secrets.token_hex(16))


def server_config(app: ASGIApp, settings: Settings, limits: ConnectionLimits) -> uvicorn.Config:
    """
    The client's address is judged by our own rule, so uvicorn must not rewrite it from headers
    that anybody may send; and what strangers do wrong is told to them, not to the log.
    """
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=limits.protocol,  # type: ignore[arg-type]
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=10,
    )


async def work_off(settings: Settings) -> int:
    """The job pump as a process of its own."""
    async with ready(settings) as parts:
        told_to_stop = _told_to_stop()
        with parts.metrics.served(settings.metrics_port):
            async with worker(parts) as working:
                await _until_told_or_ended(told_to_stop, working)
    return 0


async def answer_chats(settings: Settings) -> int:
    """The bot as a process of its own, asking for updates."""
    if settings.telegram_webhook_secret is not None:
        typer.echo(
            "BILLHOOK_TELEGRAM_WEBHOOK_SECRET is set, so `billhook web` hears of updates:"
            " take it out to have them asked for",
            err=True,
        )
        return 1
    async with ready(settings) as parts:
        told_to_stop = _told_to_stop()
        async with (
            rate_limits(settings, parts.now) as limits,
            bot_of(parts, limits, polls=True) as bot,
        ):
            assert bot.task is not None, "without a webhook's secret it asks"
            await _until_told_or_ended(told_to_stop, bot.task)
    return 0


async def _until_told_or_ended(told_to_stop: asyncio.Event, work: "asyncio.Task[None]") -> None:
    """A process that has lost its work is to end: then it is started again."""
    told = asyncio.create_task(told_to_stop.wait())
    await asyncio.wait({told, work}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()


def _told_to_stop() -> asyncio.Event:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    return told


def check_catalog(settings: Settings) -> None:
    wanted = catalog_from_file(settings.catalog)
    typer.echo(f"{settings.catalog}: {len(wanted.plans)} plans, default {wanted.default_plan}")


async def change_catalog(settings: Settings, *, dry: bool) -> int:
    wanted = catalog_from_file(settings.catalog)
    async with ready(settings) as parts:
        change = parts.billing.diff_catalog if dry else parts.billing.apply_catalog
        diff = await change(wanted)
    typer.echo(_told(diff) if not diff.is_empty else "nothing to change")
    return 0


def _told(diff: CatalogDiff) -> str:
    parts = [
        f"{word} {', '.join(codes)}"
        for word, codes in (
            ("new:", diff.added),
            ("changed (a new version):", diff.changed),
            ("no longer on offer:", diff.removed),
        )
        if codes
    ]
    if diff.settings_changed and not parts:
        parts.append("zone, default plan or order changed")
    return "; ".join(parts)


async def create_key(settings: Settings, name: str, scopes: list[str]) -> int:
    wanted = frozenset(_scope(text) for text in scopes) or BACKEND_SCOPES
    key = new_api_key(secrets.token_bytes)
    async with ready(settings) as parts:
        await parts.billing.put_key(name, api_key_hash(key, settings.signing_keys[0]), wanted)
    typer.echo(f"{key}\nShown this once: keep it where your backend reads it.")
    return 0


async def list_keys(settings: Settings) -> int:
    async with ready(settings) as parts:
        for key in await parts.billing.list_keys():
            state = "live" if key.revoked_at is None else f"revoked {key.revoked_at:%Y-%m-%d}"
            typer.echo(f"{key.name}  {','.join(sorted(key.scopes))}  {state}")
    return 0


async def revoke_key(settings: Settings, name: str) -> int:
    async with ready(settings) as parts:
        await parts.billing.revoke_key(name)
    typer.echo(f"{name} is refused from now on")
    return 0


async def check_the_books(settings: Settings) -> int:
    async with ready(settings) as parts:
        findings = await check_books(parts.store)
    typer.echo("\n".join(findings) if findings else "the books hold")
    return 1 if findings else 0


async def examine(settings: Settings) -> int:
    """Every check says what it found; the exit code is the number of things to mend."""
    problems = 0
    async with opened(settings) as parts:
        for name, found in [
            ("settings", []),  # Unusable ones never get this far.
            ("proxies", _proxies(settings)),
            ("database revision", await not_ready(parts.store)),
            ("shared limits", await _limits(settings)),
            *await _deeper(parts),
        ]:
            typer.echo(f"{'ok  ' if not found else 'MEND'} {name}")
            for line in found:
                typer.echo(f"     {line}")
            problems += len(found)
    return min(problems, 99)


def _proxies(settings: Settings) -> list[str]:
    if not settings.base_url.startswith("https://") or settings.trusted_proxies:
        return []
    told = (
        "BILLHOOK_PUBLIC_URL is https, so a proxy stands in front, and BILLHOOK_TRUSTED_PROXIES does"
        " not name it: gateways' webhooks are refused, and all callers share the limits of one"
    )
    return [told]


async def _limits(settings: Settings) -> list[str]:
    async with rate_limits(settings, utc_now) as limits:
        is_away = await limits.is_away()
    told = "BILLHOOK_REDIS_URL does not answer: signing in and buying are refused until it does"
    return [told] if is_away else []


async def _deeper(parts: Opened) -> list[tuple[str, list[str]]]:
    if await not_ready(parts.store):
        return []
    skew = abs(await parts.store.clock() - utc_now())
    checks = [
        (
            "clocks",
            [f"the database's clock differs by {skew}: synchronise both"]
            if skew > CLOCK_SKEW_MAX
            else [],
        ),
        ("books and customers", await check_books(parts.store)),
    ]
    async with parts.store.read() as view:
        cases = await view.open_cases(limit=100)
        parked = await view.jobs.parked(limit=100)
        off = [one for one in await view.switches.turned() if not one.is_on]
    checks.append(("cases for a person", [_case_told(one) for one in cases]))
    checks.append(await _workers(parts))
    checks.append(("jobs given up on", [f"{job.job.name}: {error}" for job, error in parked]))
    told = [f"{it.name}, by {it.by}: billhook switch {it.name} on, once it may be" for it in off]
    checks.append(("switches that are off", told))
    checks.append(("what the chat publishes", await _unpublished(parts)))
    if not parts.settings.doubles_panel:
        checks.append(await _panel(parts))
    checks.append(("webhooks to your own system", await webhook_problems(parts)))
    if not parts.settings.doubles("yookassa"):
        checks.append(await _credentials(parts))
    if not parts.settings.doubles_telegram:
        checks.append(await _bot(parts.settings))
    return checks


def _case_told(case: Case) -> str:
    why = f" ({case.facts['why']})" if case.kind is CaseKind.SAFETY else ""
    return f"{case.kind}: {case.cause}{why}"


async def _unpublished(parts: Opened) -> list[str]:
    """Telegram asks it of whoever sells for Stars."""
    if not any(one.name == STARS for one in parts.gateways):
        return []
    try:
        chat = (await parts.billing.show_catalog()).chat
    except CatalogMissing:
        return []
    papers = {"terms": chat.terms, "privacy": chat.privacy, "support": chat.support}
    return [
        f"the catalog names no {name}: under [chat], give {name} = ..., which Telegram wants of"
        " whoever sells for Stars"
        for name, paper in papers.items()
        if not paper
    ]


async def _workers(parts: Opened) -> tuple[str, list[str]]:
    """On PostgreSQL, where they may be several; on SQLite the file has one, or none."""
    heard = await parts.store.workers()
    if not heard:
        nobody = ["nobody works jobs off, so nothing is settled: start `billhook worker`"]
        return "workers", nobody if parts.settings.shares_work else []
    silent = [
        f"{name} was last heard of {ago.total_seconds():.0f} seconds ago: it, or its network, hangs"
        for name, ago in heard.items()
        if ago > WORKER_SILENT_MAX
    ]
    longest = max(heard.values()).total_seconds()
    return f"workers: {len(heard)}, last heard of {longest:.1f} seconds ago", silent


async def _panel(parts: Opened) -> tuple[str, list[str]]:
    try:
        await parts.provisioner.is_there()
    except AccessRefused as error:
        return "access", [f"{error.why}: check BILLHOOK_PANEL_TOKEN"]
    except AccessUnavailable:
        told = "nothing answers at BILLHOOK_PANEL_URL as it should: purchases wait for access"
        return "access", [told]
    return "access", []


async def _credentials(parts: Opened) -> tuple[str, list[str]]:
    """A question about a payment that cannot be: "no such payment" proves that we may ask."""
    wrong = []
    for gateway in parts.gateways:
        try:
            await gateway.find_payment(PaymentId("00000000-0000-0000-0000-000000000000"))
        except BillingError as error:
            wrong.append(f"{gateway.name}: {error}; check shop id, secret key and the network")
    return "gateway credentials", wrong


async def _bot(settings: Settings) -> tuple[str, list[str]]:
    """Whether Telegram knows the token, and what it says of our webhook."""
    wanted = f"{settings.base_url}{WEBHOOK_PATH}" if settings.telegram_webhook_secret else ""
    wrong = []
    async with open_bot(settings.bot_token, settings.bot_api_url) as bot:
        try:
            await bot.get_me()
            info = await bot.get_webhook_info()
        except InvalidToken:
            return "bot", ["Telegram does not know this BILLHOOK_TELEGRAM_TOKEN: copy it again"]
        except TelegramError as error:
            return "bot", [f"Telegram does not answer ({type(error).__name__}): check the network"]
    if info.url != wanted:
        told = info.url or "nowhere"
        wrong.append(f"updates go to {told}: start the process that takes them in, once")
    if info.last_error_message and wanted:
        wrong.append(
            f"Telegram could not reach us, {info.pending_update_count} updates wait:"
            f" {info.last_error_message}"
        )
    return "bot", wrong


def _scope(text: str) -> Scope:
    try:
        return Scope(text)
    except ValueError:
        raise UnknownScope(text[:32]) from None
