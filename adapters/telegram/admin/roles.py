"""Who may do what here: an owner gives roles, and takes them."""

from collections.abc import Sequence

from adapters.telegram.admin.deeds import NOTHING
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.visits import Visit
from core.domain.customer import IdentityKind
from core.domain.operator import Role


async def roles(visit: Visit, _: Sequence[str] = ()) -> Screen:
    texts = visit.texts
    lines, rows = [texts("admin.roles"), ""], []
    for one in await visit.billing.list_roles():
        role = texts.label(f"role.{one.role}")
        if one.since is None:
            lines.append(texts("admin.roles.by_setting", who=one.identity, role=role))
            continue
        facts = {"who": one.identity, "role": role, "at": one.since, "by": one.by}
        lines.append(texts("admin.roles.line", **facts))
        if one.identity.kind is IdentityKind.TELEGRAM:
            word = f"{one.identity.kind}_{one.identity.value}"
            label = texts.label("button.deed_revoke", who=one.identity)
            rows.append([Button(label, press=press("adeed", "revoke", word))])
    give = [
        Button(
            texts.label("button.deed_grant", role=texts.label(f"role.{role}")),
            press=press("adeed", role.value, NOTHING),
        )
        for role in Role
    ]
    return Screen(
        "\n".join(lines), [*([one] for one in give), *rows, [visit.button("to_desk", "admin")]]
    )
