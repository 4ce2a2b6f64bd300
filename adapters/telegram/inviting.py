"""Bringing friends: one's own link, what it earned, and coming in by somebody else's."""

from collections.abc import Sequence
from urllib.parse import urlencode

from adapters.telegram.screens import Button, Screen
from adapters.telegram.visits import Visit
from core.domain.errors import BillingError, Unavailable
from core.domain.money_terms import NotOffered
from core.domain.referral_program import Invitation
from core.use_cases.referrals import ReferralPage


async def invite(visit: Visit, _: Sequence[str] = ()) -> Screen:
    page = await visit.billing.show_referrals(visit.customer.id)
    texts, bot = visit.texts, visit.around.bot_address()
    lines = [
        texts("invite.text", percent=page.percent),
        texts("invite.waits", days=texts.count("span.days", page.terms.hold.days)),
    ]
    above = page.next_level
    if above is not None:
        lines.append(texts("invite.next", percent=above.percent, since=above.since))
    lines += ["", f"<code>{page.code if bot is None else _link(page, bot)}</code>", ""]
    lines.append(texts("invite.came", came=page.figures.came, paying=page.figures.paying))
    lines += [texts("invite.earned", amount=one) for one in page.figures.earned]
    lines += [texts("invite.waiting", amount=one) for one in page.figures.waiting]
    share = [] if bot is None else [_share(visit, page, bot)]
    back = [visit.button("refresh", "invite"), visit.button("back", "home")]
    return Screen("\n".join(lines), [share, back])


def _link(page: ReferralPage, bot: str) -> str:
    return f"{bot}?start={page.start_parameter}"


def _share(visit: Visit, page: ReferralPage, bot: str) -> Button:
    """Telegram's own way to choose whom to send a link to."""
    words = urlencode({"url": _link(page, bot), "text": visit.texts.label("invite.share_text")})
    return Button(visit.texts.label("button.share"), url=f"https://t.me/share/url?{words}")


async def came_by(visit: Visit, invitation: Invitation) -> str | None:
    """What is to be said to whoever came by a code; None: nothing."""
    try:
        await visit.billing.join_referral(visit.customer.id, invitation)
    except NotOffered:
        return None
    except Unavailable:
        raise
    except BillingError as refused:
        return visit.texts.error(refused)
    return visit.texts("invite.joined")
