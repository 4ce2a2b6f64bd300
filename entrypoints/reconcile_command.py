"""`billhook reconcile`: what comparing with a gateway came to, for people or as JSON."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time

import typer

from core.domain.money import Money
from core.domain.plan import GatewayName
from core.domain.reconciliation import Found, Reconciliation, Total, Verdict
from entrypoints.process import ready
from entrypoints.settings import Settings


def moment(text: str) -> datetime:
    """
    A day begins at midnight UTC; a time names its offset.

    Raises:
        typer.BadParameter
    """
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        pass
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise typer.BadParameter(
            f"{text!r} is neither a day such as 2026-11-01 nor a time such as 2026-11-01T08:00:00Z"
        )
    return read.astimezone(UTC)


async def reconcile(
    settings: Settings, gateway: str, since: datetime, *, as_json: bool = False
) -> int:
    """0 where books and gateway agree, if need be after healing; else 1."""
    async with ready(settings) as parts:
        if since > parts.now():
            raise typer.BadParameter("--since is in the future")
        done = await parts.billing.reconcile(GatewayName(gateway), since)
    typer.echo(json.dumps(_as_json(done), indent=2) if as_json else "\n".join(_told(done)))
    return 0 if done.agrees else 1


def _told(done: Reconciliation) -> Iterator[str]:
    since, until = (f"{at:%Y-%m-%d %H:%M}" for at in (done.since, done.until))
    yield f"{done.gateway}, {since} to {until} UTC"
    yield ", ".join(f"{found}: {count}" for found, count in done.counts.items() if count) or "empty"
    for total in done.totals:
        difference = f"  DIFFERENCE {total.difference}" if total.difference.amount_minor else ""
        yield (
            f"  {_counted(total)}: gateway {_grouped(total.there)},"
            f" books {_grouped(total.here)}{difference}"
        )
    for one in done.healed:
        yield f"healed: {_of(one)}"
    for one in done.cases:
        here = "nothing" if one.here.amount is None else _grouped(one.here.amount)
        there = "nothing" if one.there.amount is None else _grouped(one.there.amount)
        yield f"case: {_of(one)}: {one.found}, gateway {there}, books {here}"
    if done.agrees:
        sums = "".join(f", {_counted(one)} {_grouped(one.there)}" for one in done.totals)
        yield f"books and gateway agree{sums and ':' + sums[1:]}"
    else:
        yield "books and gateway do not agree: see `billhook cases list`"


def _of(one: Verdict) -> str:
    ours = "" if one.ours is None else f" ({one.ours})"
    return f"{one.kind} {one.id}{ours}, {one.said} there"


def _counted(total: Total) -> str:
    return f"{total.count} {total.kind}{'s' if total.count != 1 else ''}"


def _grouped(money: Money) -> str:
    """`5,000.00 PHP`."""
    whole, dot, rest = money.decimal_text().partition(".")
    return f"{int(whole):,}{dot}{rest} {money.currency}" if whole != "-0" else str(money)


def _as_json(done: Reconciliation) -> dict[str, object]:
    return {
        "gateway": done.gateway,
        "since": done.since.isoformat(),
        "until": done.until.isoformat(),
        "agrees": done.agrees,
        "counts": {found.value: done.counts[found] for found in Found},
        "totals": [
            {
                "kind": one.kind,
                "count": one.count,
                "currency": one.there.currency.code,
                "gateway_minor": one.there.amount_minor,
                "books_minor": one.here.amount_minor,
                "difference_minor": one.difference.amount_minor,
            }
            for one in done.totals
        ],
        "healed": [_thing(one) for one in done.healed],
        "cases": [_thing(one) for one in done.cases],
    }


def _thing(one: Verdict) -> dict[str, object]:
    sides = {"gateway": one.there, "books": one.here}
    sums = {
        name: None if moved.amount is None else str(moved.amount) for name, moved in sides.items()
    }
    named = {"kind": one.kind, "id": one.id, "ours": one.ours, "found": one.found}
    return {**named, "status_there": one.said, **sums}
