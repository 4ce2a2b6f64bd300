"""What an operator does about webhooks to the business's own system."""

from typing import Final

import typer

from core.domain.audit import Deed
from core.domain.case import CaseKind
from core.domain.delivery import Delivery, DeliveryId, DeliveryStatus
from entrypoints.process import Opened, ready
from entrypoints.settings import Settings

SHOWN: Final = 100
PAGE: Final = 100


async def list_deliveries(settings: Settings, status: DeliveryStatus | None) -> int:
    async with ready(settings) as parts:
        found = await parts.billing.show_deliveries(limit=SHOWN, status=status)
    for one in found:
        typer.echo(_told(one))
    if not found:
        typer.echo("there is nothing")
    return 0


def _told(one: Delivery) -> str:
    said = [
        f"{one.created_at:%Y-%m-%d %H:%M}  {one.id}  {one.event}  {one.host}",
        f"{one.status}, {one.attempts} {'try' if one.attempts == 1 else 'tries'}",
    ]
    if one.answer:
        said.append(f"answer: {one.answer}")
    if one.due_at is not None:
        said.append(f"next at {one.due_at:%Y-%m-%d %H:%M:%S}")
    return "  ".join(said)


async def replay_one(settings: Settings, delivery_id: DeliveryId, deed: Deed) -> int:
    async with ready(settings) as parts:
        await parts.billing.replay_delivery(delivery_id, deed=deed)
    typer.echo(f"{delivery_id} is sent again by the next job")
    return 0


async def replay_failed(settings: Settings, deed: Deed) -> int:
    """What was replayed has failed no more, so each round finds others."""
    count = 0
    async with ready(settings) as parts:
        show, replay = parts.billing.show_deliveries, parts.billing.replay_delivery
        while found := await show(limit=PAGE, status=DeliveryStatus.FAILED):
            for one in found:
                await replay(one.id, deed=deed)
            count += len(found)
    typer.echo(f"{count} deliveries are sent again by the next jobs")
    return 0


async def send_test(settings: Settings) -> int:
    async with ready(settings) as parts:
        reply = await parts.billing.try_webhook()
        host = parts.webhooks.host
    typer.echo(f"{host} answered: {reply.said}")
    return 0 if reply.is_yes else 1


async def webhook_problems(parts: Opened) -> list[str]:
    """For the doctor: an address that is refused, a pause, and what nobody tries any more."""
    problems = await parts.webhooks.problems()
    async with parts.store.read() as view:
        paused = await view.open_cases(limit=1, kind=CaseKind.WEBHOOKS)
        failed = await view.deliveries.page(DeliveryStatus.FAILED, limit=PAGE)
    if paused:
        problems.append(f"paused: see to it, then `billhook cases close {paused[0].cause!r}`")
    if failed:
        more = " or more" if len(failed) == PAGE else ""
        problems.append(
            f"{len(failed)}{more} deliveries failed, the last with {failed[0].answer!r}:"
            " `billhook webhooks list --failed`, then `billhook webhooks replay --failed`"
        )
    return problems
