"""`billhook explain`: the chain of causes of a customer, a purchase or an entry, in plain English."""

from collections.abc import Iterable

import typer

from adapters.locales.explained import moment_text, sentence
from core.domain.customer import customer_ref
from core.domain.ledger import EntryId
from core.domain.purchase import PurchaseId
from core.use_cases.explaining import Link
from entrypoints.process import ready
from entrypoints.settings import Settings


async def explain_customer(settings: Settings, ref: str) -> int:
    async with ready(settings) as parts:
        return _tell(await parts.billing.explain.customer(customer_ref(ref)))


async def explain_purchase(settings: Settings, purchase_id: str) -> int:
    async with ready(settings) as parts:
        return _tell(await parts.billing.explain.purchase(PurchaseId(purchase_id)))


async def explain_entry(settings: Settings, entry_id: str) -> int:
    async with ready(settings) as parts:
        return _tell(await parts.billing.explain.entry(EntryId(entry_id)))


def _tell(links: Iterable[Link]) -> int:
    for link in links:
        when = "now" if link.at is None else moment_text(link.at)
        typer.echo(f"{when:<19}  {sentence(link)}")
    return 0
