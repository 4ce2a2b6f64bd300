"""The tables of operators in the chat: their roles, and what each has begun."""

from typing import Final

from adapters.persistence.sql.shapes import json_, key, moment, one_of, table, words, yes_no
from core.domain.customer import IdentityKind
from core.domain.operator import Role

operator_role: Final = table(
    "operator_role",
    words("kind"),
    words("value"),
    words("role"),
    moment("since"),
    words("by"),
    key("kind", "value"),
    one_of("kind", IdentityKind),
    one_of("role", Role),
)

operator_draft: Final = table(
    "operator_draft",
    words("kind"),
    words("value"),
    words("id"),
    words("deed"),
    words("about"),
    moment("at"),
    json_("answers"),
    yes_no("is_done"),
    key("kind", "value"),
    one_of("kind", IdentityKind),
)
