"""What the commands about promo codes do."""

import typer

from core.domain.audit import Deed
from core.domain.promo_code import DaysOf, PercentOff, PromoCode, UnitsOf
from core.use_cases.promo_codes import WantedCode
from entrypoints.operator_commands import once
from entrypoints.process import ready
from entrypoints.settings import Settings

CODES_SHOWN = 100


async def create_code(settings: Settings, wanted: WantedCode, deed: Deed) -> int:
    async with ready(settings) as parts:
        cause = once("create_promo_code")
        code = await parts.billing.create_promo_code(wanted, deed=deed, cause=cause)
    typer.echo(_line(code))
    return 0


async def list_codes(settings: Settings) -> int:
    async with ready(settings) as parts:
        codes = await parts.billing.show_promo_codes.page(limit=CODES_SHOWN)
    for code in codes:
        typer.echo(_line(code))
    if not codes:
        typer.echo("there are no promo codes")
    return 0


async def show_code(settings: Settings, name: str) -> int:
    async with ready(settings) as parts:
        typer.echo(_line(await parts.billing.show_promo_codes.one(name)))
    return 0


async def stop_code(settings: Settings, name: str, deed: Deed) -> int:
    async with ready(settings) as parts:
        typer.echo(_line(await parts.billing.stop_promo_code(name, deed=deed)))
    return 0


def _line(code: PromoCode) -> str:
    match code.gives:
        case PercentOff(percent, plans):
            gives = f"{percent} % off {', '.join(plans) or 'any plan'}"
        case DaysOf(plan, days):
            gives = f"{days} days of {plan}"
        case UnitsOf(feature, units):
            gives = f"{units} of {feature}"
    used = f"used {code.used}" if code.limit is None else f"used {code.used} of {code.limit}"
    rules = [gives, used]
    if code.only_new:
        rules.append("new customers only")
    if code.until is not None:
        rules.append(f"until {code.until:%Y-%m-%d %H:%M} UTC")
    if code.stopped_at is not None:
        rules.append(f"stopped {code.stopped_at:%Y-%m-%d %H:%M} UTC")
    return f"{code.name}  {'; '.join(rules)}"
