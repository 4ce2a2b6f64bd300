"""The admin's home: how the business stands today, and the way to everything else."""

from collections.abc import Sequence
from typing import Final

from adapters.telegram.admin.doors import how_it_stands
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.texts import Texts
from adapters.telegram.visits import Visit
from core.domain.operator import Right
from core.ports.operators import Sold

BUTTONS: Final[Sequence[tuple[str, str, Right]]] = (
    ("button.find", "afind", Right.CUSTOMERS),
    ("button.cases", "acases", Right.CASES),
    ("button.withdrawals", "awithdrawals", Right.WITHDRAWALS),
    ("button.doors", "adoors", Right.NOTICES),
    ("button.broadcasts", "abroadcasts", Right.BROADCAST),
    ("button.roles", "aroles", Right.ROLES),
    ("button.refresh", "admin", Right.CUSTOMERS),
)
"""Key of the label, verb, and who sees it; two stand side by side."""


async def home(visit: Visit, _: Sequence[str] = ()) -> Screen:
    assert visit.role is not None, "nobody else comes here"
    figures, zone = await visit.billing.show_figures()
    # The business's own clock: what is counted today is today there.
    texts = Texts(visit.texts.language, zone)
    lines = [
        texts("admin.title", role=texts.label(f"role.{visit.role}")),
        texts("admin.as_of", at=visit.now),
        *await how_it_stands(visit),
        "",
    ]
    if visit.may(Right.FIGURES):
        lines.append(texts("admin.customers", new=figures.new))
        lines.append(texts("admin.plans", active=figures.active, trials=figures.trials))
        lines += _sold(texts, "today", figures.sold)
        lines += _sold(texts, "month", figures.sold_since_month)
        lines.append("")
    waits = {
        "admin.withdrawals": figures.withdrawals,
        "admin.cases": figures.cases,
        "admin.notices": figures.failed_notices,
    }
    told = [texts(key, number=number) for key, number in waits.items() if number]
    lines += told or [texts("admin.nothing_waits")]
    shown = [
        Button(texts.label(key), press=press(verb))
        for key, verb, right in BUTTONS
        if visit.may(right)
    ]
    return Screen("\n".join(lines), [shown[at : at + 2] for at in range(0, len(shown), 2)])


def _sold(texts: Texts, span: str, sold: Sequence[Sold]) -> list[str]:
    if not sold:
        return [texts(f"admin.sold.{span}.none")]
    return [texts(f"admin.sold.{span}", number=one.count, amount=one.amount) for one in sold]
