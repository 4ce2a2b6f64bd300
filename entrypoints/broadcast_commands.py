"""What an operator does about broadcasts."""

from typing import Final

import typer

from core.domain.audit import Deed
from core.domain.broadcast import Broadcast, BroadcastId, BroadcastMove, Draft
from entrypoints.operator_commands import once
from entrypoints.process import ready
from entrypoints.settings import Settings

SHOWN: Final = 50


async def create(settings: Settings, draft: Draft, deed: Deed) -> int:
    async with ready(settings) as parts:
        cause = once("create_broadcast")
        made = await parts.billing.create_broadcast(draft, deed=deed, cause=cause)
    typer.echo(f"{made.id} is written: `billhook broadcast preview {made.id}`, then `start`")
    return 0


async def preview(settings: Settings, broadcast_id: BroadcastId) -> int:
    async with ready(settings) as parts:
        one = await parts.billing.show_broadcasts.one(broadcast_id)
        found = await parts.billing.show_broadcasts.preview(broadcast_id)
    for language, number in found.by_language.items():
        typer.echo(f"{number:>8}  {language}")
    typer.echo(f"{found.total:>8}  in all; {found.declined} more asked for no such messages")
    for language in found.by_language or one.draft.texts:
        typer.echo(f"\n--- {language}\n{one.draft.text_for(language)}")
    leads = one.draft.plan or one.draft.url
    if leads is not None:
        typer.echo(f"\n[ {leads} ]")
    return 0


async def move(
    settings: Settings, broadcast_id: BroadcastId, wanted: BroadcastMove, deed: Deed
) -> int:
    async with ready(settings) as parts:
        moved = await parts.billing.move_broadcast(broadcast_id, wanted, deed=deed)
    typer.echo(_told(moved))
    return 0


async def list_broadcasts(settings: Settings) -> int:
    async with ready(settings) as parts:
        found = await parts.billing.show_broadcasts.page(limit=SHOWN)
    for one in found:
        typer.echo(_told(one))
    if not found:
        typer.echo("there is nothing")
    return 0


async def show(settings: Settings, broadcast_id: BroadcastId) -> int:
    async with ready(settings) as parts:
        one = await parts.billing.show_broadcasts.one(broadcast_id)
    typer.echo(_told(one))
    return 0


def _told(one: Broadcast) -> str:
    said = f"{one.id}  {one.created_at:%Y-%m-%d %H:%M} UTC  {one.status}"
    if one.started_at is None:
        return said
    counts = f"sent {one.sent}, unreachable {one.unreachable}, failed {one.failed}"
    return f"{said}  {counts}, unsure {one.unsure}, about {one.left} left of {one.expected}"
