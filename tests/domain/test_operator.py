"""Roles and what each may do, the whole table; and for how long a draft listens."""

from datetime import timedelta

from core.domain.customer import identity
from core.domain.operator import DRAFT_LIFE, Draft, Right, Role, may
from tests.builders import NOON

ALLOWED = {
    # Who may, by right: owner, manager, support.
    Right.CUSTOMERS: "oms",
    Right.CASES: "oms",
    Right.NOTICES: "oms",
    Right.ACCESS: "oms",
    Right.FIGURES: "om",
    Right.REFERRALS: "om",
    Right.BLOCK: "om",
    Right.DAYS: "om",
    Right.WALLET: "om",
    Right.REFUND: "om",
    Right.WITHDRAWALS: "om",
    Right.SWITCHES: "om",
    Right.BROADCAST: "om",
    Right.ROLES: "o",
}


def test_every_role_may_do_exactly_this():
    assert set(ALLOWED) == set(Right)
    for right, letters in ALLOWED.items():
        assert "".join(role[0] for role in Role if may(role, right)) == letters, right


def test_who_has_no_role_may_nothing():
    assert not any(may(None, right) for right in Right)


def test_a_message_that_comes_again_finds_the_draft_as_it_was():
    asked = Draft("dft_1", identity("telegram:1"), "cash", "cus_1", NOON)
    first = asked.answered("amount", "500_RUB", at=NOON, message="7")
    second = first.answered("reason", "paid twice", at=NOON, message="8")

    assert first.before("7") == asked
    assert first.before("8") == first
    assert second.before("8").answers == {"amount": "500_RUB"}
    assert asked.answered("plan", "", at=NOON).before("7").answers == {"plan": ""}


def test_a_draft_listens_for_a_while_and_until_it_is_done():
    draft = Draft("dft_1", identity("telegram:1"), "refund", "pur_1", NOON)

    assert draft.listens(NOON)
    assert draft.listens(NOON + DRAFT_LIFE - timedelta(microseconds=1))
    assert not draft.listens(NOON + DRAFT_LIFE)
