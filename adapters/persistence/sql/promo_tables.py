"""The tables of promo codes: the codes, who used them, and who guessed."""

from typing import Final

from sqlalchemy import Index, text

from adapters.persistence.sql.shapes import (
    check,
    key,
    moment,
    refers,
    table,
    together,
    whole,
    words,
    yes_no,
)
from core.domain.promo_code import PERCENT_MAX

promo_code: Final = table(
    "promo_code",
    words("name"),
    whole("percent", null=True),
    whole("days", null=True),
    whole("units", null=True),
    words("feature", null=True),
    words("plans"),
    whole("max_uses", null=True),
    moment("until", null=True),
    yes_no("only_new"),
    whole("used"),
    moment("created_at"),
    moment("stopped_at", null=True),
    key("name"),
    check(
        "gives",
        "(percent IS NOT NULL AND days IS NULL AND units IS NULL)"
        " OR (percent IS NULL AND days IS NOT NULL AND units IS NULL)"
        " OR (percent IS NULL AND days IS NULL AND units IS NOT NULL)",
    ),
    together("units_whole", "units", "feature"),
    check("percent", f"percent BETWEEN 1 AND {PERCENT_MAX}"),
    check("used", "used >= 0 AND (max_uses IS NULL OR used <= max_uses)"),
    Index(None, "created_at", "name"),
)

_discount_waits: Final = text("percent IS NOT NULL AND purchase_id IS NULL")

redemption: Final = table(
    "redemption",
    words("customer_id"),
    words("code"),
    moment("at"),
    whole("percent", null=True),
    words("plans"),
    words("purchase_id", null=True),
    whole("version"),
    key("customer_id", "code"),
    refers("customer_id", "customer.id"),
    refers("code", "promo_code.name"),
    refers("purchase_id", "purchase.id"),
    check("percent", f"percent BETWEEN 1 AND {PERCENT_MAX}"),
    check("used", "purchase_id IS NULL OR percent IS NOT NULL"),
    Index(
        "uq_redemption_waiting",
        "customer_id",
        unique=True,
        postgresql_where=_discount_waits,
        sqlite_where=_discount_waits,
    ),
)

wrong_codes: Final = table(
    "wrong_codes",
    words("customer_id"),
    moment("since"),
    whole("count"),
    key("customer_id"),
    refers("customer_id", "customer.id"),
)
