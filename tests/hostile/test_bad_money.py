"""
What bad input gets, where money moves: one row for each thing that is wrong, at each door where it
can enter. Every refusal has its status and code, says what would be right, and moves nothing.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from string import Template

import pytest
import pytest_asyncio

from adapters.http.limits import RateLimits
from adapters.http.tokens import api_key_hash
from adapters.persistence.memory import MemoryStore
from core.domain.credentials import Scope
from core.domain.customer import CustomerId
from core.domain.item import EscrowPart
from core.domain.money import Money
from core.domain.money_terms import DepositTerms
from core.domain.payout import PayoutAccount
from core.use_cases.buying import WALLET
from core.use_cases.checkouts import Terms
from core.use_cases.consequences import consequences
from tests.adapters.http.api import KEY, PEPPER, Api, an_api
from tests.builders import rub
from tests.hostile.served import everything_in
from tests.hostile.things import ANN, MARKET, things_of
from tests.market import adds, proves
from tests.world import RETURN, World

DOWN = EscrowPart.DOWN_PAYMENT
MOST = 10**15
OPERATOR = "bh_test_key_of_olga"
BOUNDS = ((rub(1), rub(100_000)), (Money.of(50, "XTR"), Money.of(10_000, "XTR")),
          (Money.of(1_000_000, "USDT"), Money.of(500_000_000, "USDT")))  # fmt: skip


class Uncounted(RateLimits):
    """Whoever tries all of this would be told to wait."""

    async def hit(self, *_: object) -> None:
        return

    async def hit_once(self, *_: object, **__: object) -> None:
        return


@dataclass(frozen=True)
class Row:
    """
    `who` sends `body` to `path` and hears `code`; None: that it is so already. A `$name` in either
    is one of the market's things.
    """

    what: str
    path: str
    body: Mapping[str, object]
    status: int
    code: str | None
    who: str = "anna"

    def __str__(self) -> str:
        return f"{self.path} {self.who}: {self.what}".replace("$", "")


def money(minor: object, currency: str = "RUB") -> dict[str, object]:
    return {"amount_minor": minor, "currency": currency}


def deposits() -> Iterator[Row]:
    for what, amount, code in (
        ("nothing", money(0), "deposit_not_taken"),
        ("less than nothing", money(-1), "deposit_not_taken"),
        ("one less than the least", money(99), "deposit_not_taken"),
        ("one more than the most", money(10_000_001), "deposit_not_taken"),
        ("roubles for kopecks", money(50), "deposit_not_taken"),
        ("stars with two decimals", money(100_01, "XTR"), "deposit_not_taken"),
        ("USDT with two decimals", money(20_00, "USDT"), "deposit_not_taken"),
        ("USDT with nine decimals", money(20 * 10**9, "USDT"), "deposit_not_taken"),
        ("another currency", money(500_00, "PHP"), "deposit_not_taken"),
        ("no currency of ours", money(500_00, "ABC"), "unknown_currency"),
        ("small letters", money(500_00, "rub"), "fields_not_valid"),
        ("all that can be counted", money(MOST), "deposit_not_taken"),
        ("one more than can be counted", money(MOST + 1), "fields_not_valid"),
    ):
        yield Row(what, "wallet/deposits/", {"amount": amount}, 422, code)
    from_itself = {"amount": money(500_00), "gateway": "wallet"}
    yield Row("from the wallet", "wallet/deposits/", from_itself, 422, "gateway_not_found")


def withdrawals() -> Iterator[Row]:
    for what, amount, status, code in (
        ("nothing", money(0), 422, "withdrawal_not_taken"),
        ("less than nothing", money(-1), 422, "withdrawal_not_taken"),
        ("one less than the least", money(999), 422, "withdrawal_not_taken"),
        ("another currency", money(50_00, "PHP"), 422, "withdrawal_not_taken"),
        ("stars, which have no decimals", money(50_00, "XTR"), 422, "withdrawal_not_taken"),
        ("no currency of ours", money(50_00, "ABC"), 422, "unknown_currency"),
        ("one more than there is", money("$all_and_one"), 402, "wallet_too_low"),
        ("all that can be counted", money(MOST), 402, "wallet_too_low"),
        ("one more than can be counted", money(MOST + 1), 422, "fields_not_valid"),
    ):
        body = {"amount": amount, "payment_method": "$proven"}
        yield Row(what, "wallet/withdrawals/", body, status, code)
    for what, method, status, code in (
        ("another's method", "$boris_proven", 404, "payment_method_not_found"),
        ("no method", "pm_99999999", 404, "payment_method_not_found"),
        ("an unverified method", "$unproven", 409, "payment_method_not_verified"),
        ("a removed method", "$removed", 409, "payment_method_removed"),
    ):
        body = {"amount": money(50_00), "payment_method": method}
        yield Row(what, "wallet/withdrawals/", body, status, code)
    indebted = {"amount": money(MOST), "payment_method": "$carol_proven"}
    yield Row("more than can be missing", "wallet/withdrawals/", indebted, 422,
              "amount_not_usable", "carol")  # fmt: skip


def agreements() -> Iterator[Row]:
    for what, total, down, code in (
        ("nothing", money(0), money(0), "escrow_not_usable"),
        ("nothing down", money(300), money(0), "escrow_not_usable"),
        ("less than nothing down", money(300), money(-1), "escrow_not_usable"),
        ("less than nothing", money(-300), money(-300), "escrow_not_usable"),
        ("one more than the total down", money(300), money(301), "escrow_not_usable"),
        ("two currencies", money(300), money(100, "XTR"), "escrow_not_usable"),
        ("two exponents", money(300_00), money(300, "USDT"), "escrow_not_usable"),
        ("another currency", money(300, "EUR"), money(300, "EUR"), "escrow_not_usable"),
        ("no currency of ours", money(300), money(300, "ABC"), "unknown_currency"),
        ("one more than can be counted", money(MOST + 1), money(1), "fields_not_valid"),
    ):
        body = {"payee": "telegram:1003", "title": "A kitchen", "total": total}
        yield Row(what, "escrows/", body | {"down_payment": down}, 422, code)
    body = {"title": "A kitchen", "total": money(300), "down_payment": money(300)}
    with_oneself = {"payee": "telegram:1001"}
    yield Row("with oneself", "escrows/", body | with_oneself, 422, "escrow_with_oneself")


def escrow_moves() -> Iterator[Row]:
    part = {"part": "down_payment"}
    from_wallet = part | {"source": "wallet"}
    not_ready, not_yours = (409, "escrow_part_not_ready"), (409, "not_your_move")
    nowhere = (404, "escrow_not_found")
    for verb, body in (
        ("fund", from_wallet), ("release", part), ("refund", part), ("dispute", part)
    ):  # fmt: skip
        for what, escrow in (("another's", "$boris_funded"), ("none", "esc_99999999")):
            yield Row(what, f"escrows/{escrow}/{verb}/", body, *nowhere)
        rest = {**body, "part": "remainder"}
        side = "clara" if verb == "refund" else "anna"
        gone = (404, "escrow_part_not_found")
        yield Row("a part there is not", f"escrows/$funded/{verb}/", rest, *gone, who=side)
    for verb, what, escrow, answer in (
        ("fund", "twice", "$funded", not_ready),
        ("fund", "after it went back", "$refunded", not_ready),
        ("fund", "what one is to be paid", "$earned", not_yours),
        ("release", "not funded", "$agreed", not_ready),
        ("release", "in dispute", "$disputed", not_ready),
        ("release", "after a refund", "$refunded", not_ready),
        ("release", "what one is to be paid", "$earned", not_yours),
        ("release", "twice", "$released", (200, None)),
        ("refund", "what one pays", "$funded", not_yours),
        ("dispute", "not funded", "$agreed", not_ready),
        ("dispute", "after a release", "$released", not_ready),
        ("dispute", "after a refund", "$refunded", not_ready),
        ("dispute", "what one is to be paid", "$earned", not_yours),
        ("dispute", "twice", "$disputed", (200, None)),
    ):
        body = from_wallet if verb == "fund" else part
        yield Row(what, f"escrows/{escrow}/{verb}/", body, *answer)
    for what, escrow, answer in (
        ("not funded", "$agreed", not_ready),
        ("in dispute", "$disputed", not_ready),
        ("after a release", "$released", not_ready),
        ("twice", "$refunded", (200, None)),
    ):
        yield Row(what, f"escrows/{escrow}/refund/", part, *answer, who="clara")
    for what, escrow, answer in (
        ("nothing in dispute", "$funded", (409, "nothing_disputed")),
        ("after a release", "$released", (409, "nothing_disputed")),
        ("after a refund", "$refunded", (409, "nothing_disputed")),
        ("none", "esc_99999999", nowhere),
    ):
        body = {"to": "payee", "reason": "looked at it"}
        yield Row(what, f"operator/escrows/{escrow}/resolve/", body, *answer, who="olga")


def refunds() -> Iterator[Row]:
    for what, amount, status, code in (
        ("nothing", money(0), 409, "refund_too_large"),
        ("less than nothing", money(-1), 409, "refund_too_large"),
        ("one more than was paid", None, 409, "refund_too_large"),
        ("all that can be counted", money(MOST), 409, "refund_too_large"),
        ("another currency", money(200, "PHP"), 422, "currency_mismatch"),
        ("another exponent", money(200, "XTR"), 422, "currency_mismatch"),
        ("no currency of ours", money(200, "ABC"), 422, "unknown_currency"),
        ("one more than can be counted", money(MOST + 1), 422, "fields_not_valid"),
    ):
        for paid in ("$paid", "$paid_from_wallet"):
            path = f"operator/purchases/{paid}/refund/"
            asked = amount or money(f"{paid}_and_one")
            body = {"amount": asked, "reason": "looked at it"}
            yield Row(what, path, body, status, code, "olga")
    for what, purchase, status, code in (
        ("never paid", "$open", 409, "nothing_to_refund"),
        ("given back before", "$given_back", 409, "refund_too_large"),
        ("given back into the wallet before", "$given_back_to_wallet", 409, "nothing_to_refund"),
        ("set aside in an escrow", "$share", 409, "refund_not_possible"),
        ("none", "pur_99999999", 404, "purchase_not_found"),
    ):
        path = f"operator/purchases/{purchase}/refund/"
        yield Row(what, path, {"reason": "looked at it"}, status, code, "olga")


def adjustments() -> Iterator[Row]:
    for what, fields, code in (
        ("nothing", {"amount": money(0)}, "adjustment_not_usable"),
        ("another currency", {"amount": money(1, "TON")}, "adjustment_not_usable"),
        ("no currency of ours", {"amount": money(1, "ABC")}, "unknown_currency"),
        ("another account", {"amount": money(1), "account": "escrow"}, "fields_not_valid"),
        ("a sum over what can be counted", {"amount": money(MOST)}, "amount_not_usable"),
        ("one more than can be counted", {"amount": money(MOST + 1)}, "fields_not_valid"),
        ("one more than can be taken", {"amount": money(-MOST - 1)}, "fields_not_valid"),
    ):
        path, body = "operator/customers/telegram:1001/adjust/", {"reason": "looked at it"}
        yield Row(what, path, body | fields, 422, code, "olga")
    body = {"amount": money(-2), "reason": "looked at it"}
    yield Row("a debt over what can be counted", "operator/customers/telegram:1004/adjust/", body,
              422, "amount_not_usable", "olga")  # fmt: skip


def purchases() -> Iterator[Row]:
    plan = {"plan": "PRO_MONTHLY"}
    for what, body, status, code in (
        ("a price of one's own", plan | {"amount": money(1)}, 422, "fields_not_valid"),
        ("a period of one's own", plan | {"days": 3650}, 422, "fields_not_valid"),
        ("what has no price", {"plan": "FREE"}, 409, "plan_not_for_sale"),
        ("what is not sold", {"plan": "GOLD"}, 404, "plan_not_found"),
        ("no gateway", plan | {"gateway": "nobody"}, 422, "gateway_not_found"),
    ):
        yield Row(what, "purchases/", body, status, code)
    for verb, body in (("checkouts", {}), ("checkouts", {"gateway": "wallet"}), ("cancel", {})):
        for what, purchase, status, code in (
            ("another's", "$boris_open", 404, "purchase_not_found"),
            ("none", "pur_99999999", 404, "purchase_not_found"),
            ("paid", "$paid", 409, "purchase_not_pending"),
            ("given back", "$given_back", 409, "purchase_not_pending"),
        ):
            said = f"{what} {body.get('gateway', '')}".strip()
            yield Row(said, f"purchases/{purchase}/{verb}/", body, status, code)
    method = {"type": "gcash", "account_number": "09171234567", "holder_name": "JUAN DELA CRUZ"}
    method |= {"billing": {"name": "Juan", "email": "juan@example.com", "phone": "+639171234567"}}
    for what, more in (("a price of one's own", {"amount": money(0)}), ("proven", {"token": "t"})):
        yield Row(what, "payment-methods/", method | more, 422, "fields_not_valid")


def decisions() -> Iterator[Row]:
    for verb, what, withdrawal, status, code in (
        ("approve", "ended", "$done", 200, None),
        ("approve", "none", "wd_99999999", 404, "withdrawal_not_found"),
        ("reject", "ended", "$done", 409, "withdrawal_moved"),
        ("reject", "none", "wd_99999999", 404, "withdrawal_not_found"),
        ("mark-done", "sent by a gateway", "$sent", 409, "withdrawal_sent_by_gateway"),
        ("mark-done", "not approved", "$waiting", 409, "withdrawal_sent_by_gateway"),
        ("mark-done", "none", "wd_99999999", 404, "withdrawal_not_found"),
    ):
        path = f"operator/withdrawals/{withdrawal}/{verb}/"
        yield Row(what, path, {"reason": "looked at it"}, status, code, "olga")


ROWS = [
    *deposits(), *withdrawals(), *agreements(), *escrow_moves(), *refunds(), *adjustments(),
    *purchases(), *decisions(),
]  # fmt: skip

SAYS = {
    "adjustment_not_usable": ("gives or takes more than nothing", "account amount"),
    "amount_not_usable": ("at most 10^15", "amount"),
    "currency_mismatch": ("name both in one", "one other"),
    "deposit_not_taken": ("from `least` to `most`", "amount least most"),
    "escrow_not_found": ("No such escrow", "escrow_id"),
    "escrow_not_usable": ("no more than the total", "total down_payment"),
    "escrow_part_not_found": ("all of it is the down payment", "part"),
    "escrow_part_not_ready": ("told here", "part_status"),
    "escrow_with_oneself": ("two customers", ""),
    "fields_not_valid": ("not in its form", "errors"),
    "gateway_not_found": ("switched on", "gateway"),
    "not_your_move": ("the other side", "decides"),
    "nothing_disputed": ("waits for a decision", "escrow_id"),
    "nothing_to_refund": ("never paid, or all of it went back", "purchase_id"),
    "payment_method_not_found": ("No such payment method", "method_id"),
    "payment_method_not_verified": ("pay the small sum of its check", "method_id"),
    "payment_method_removed": ("add it again", "method_id"),
    "plan_not_for_sale": ("no price", "plan"),
    "plan_not_found": ("no such plan", "plan"),
    "purchase_not_found": ("No such purchase", "purchase_id"),
    "purchase_not_pending": ("start a new one", "purchase_id"),
    "refund_not_possible": ("end its part first", "gateway reason"),
    "refund_too_large": ("more than nothing, and no more than `left`", "left"),
    "unknown_currency": ("one of the catalog's", "currency"),
    "wallet_too_low": ("deposit what is missing", "missing"),
    "withdrawal_moved": ("any more", "withdrawal_status"),
    "withdrawal_not_found": ("No such withdrawal", "withdrawal_id"),
    "withdrawal_not_taken": ("from `least` on", "amount least"),
    "withdrawal_sent_by_gateway": ("will say what became of it", "withdrawal_id"),
}
"""What each refusal says of what would be right, and the facts it tells with that."""


REFS = {
    name: f"telegram:{number}"
    for number, name in enumerate(("anna", "boris", "clara", "carol"), start=1001)
}


@dataclass
class Market:
    """Everything in it has a name, and everybody a way in."""

    api: Api
    names: Mapping[str, object]
    sessions: Mapping[str, str]
    keys: Iterator[int] = field(default_factory=count)

    def doors(self, row: Row) -> Iterator[tuple[str, str]]:
        """The path and the credentials of each: a session, and the business's own backend."""
        path = Template(row.path).substitute(self.names)
        if row.who == "olga":
            yield path, OPERATOR
        else:
            yield path, self.sessions[row.who]
            yield f"customers/{REFS[row.who]}/{path}", KEY

    def filled(self, body: object) -> object:
        if isinstance(body, Mapping):
            return {name: self.filled(value) for name, value in body.items()}
        named = isinstance(body, str) and body.startswith("$")
        return self.names[body[1:]] if named else body

    def kept(self) -> dict[str, object]:
        """All but the keys that were used up."""
        found = everything_in(self.api.world)
        del found["claims"]
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market() -> AsyncIterator[Market]:
    """One for all the rows: none of them moves anything."""
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world, limits=Uncounted(world.clock)) as api:
        key_hash = api_key_hash(OPERATOR, PEPPER)
        await world.billing.put_key("olga", key_hash, frozenset({Scope.OPERATOR}))
        names = await everything_for_sale(world)
        sessions = {name: await api.session(int(ref[9:])) for name, ref in REFS.items()}
        yield Market(api, names, sessions)


async def everything_for_sale(world: World) -> Mapping[str, object]:
    terms = replace(MARKET, deposit=DepositTerms(bounds=BOUNDS))
    await world.billing.apply_catalog(replace(world.wanted(), money=terms))
    anna, boris, clara, carol = [await world.customer(ref) for ref in REFS.values()]
    names: dict[str, object] = dict(await things_of(world, anna, clara))
    others = await things_of(world, boris, clara)
    names |= {f"boris_{name}": id_ for name, id_ in others.items()}
    names |= await escrows_that_ended(world, anna, clara)
    names |= await what_was_paid(world, anna)
    names["boris_open"] = (await world.buys(boris)).purchase.id
    names["unproven"] = (await adds(world, anna, account("unproven")))[0].id
    names["removed"] = (await proves(world, anna, account("removed"))).id
    await world.billing.remove_payment_method(anna, names["removed"])
    names["carol_proven"] = (await proves(world, carol, account("carol"))).id
    owed = Money.of(1 - MOST, "RUB")
    await world.billing.adjust_wallet(carol, owed, account="cash", deed=ANN, cause=world.cause())
    for name in ("done", "sent"):
        asked = await world.billing.request_withdrawal(
            anna, rub(100), names["proven"], cause=world.cause()
        )
        await world.pump.drain()
        if name == "done":
            world.gateway.finish_payouts()
            await world.time_passes(minutes=10)
        names[name] = asked.id
    return names | {"all_and_one": (await world.cash(anna))["RUB"] + 1}


async def escrows_that_ended(world: World, anna: CustomerId, clara: CustomerId) -> dict[str, str]:
    """And one that has not, whose part was paid for at a gateway."""
    names: dict[str, str] = {}
    for name, source in (("released", WALLET), ("refunded", WALLET), ("set aside", "yookassa")):
        agreed = await world.billing.open_escrow(
            anna, clara, "A kitchen", total=rub(300), down_payment=rub(300), cause=world.cause()
        )
        share = await world.billing.fund_escrow(
            anna, agreed.id, DOWN, Terms(RETURN, source), cause=world.cause()
        )
        names[name] = agreed.id
    await world.pays_and_is_heard(share)
    await world.billing.release_part(anna, names["released"], DOWN, cause=world.cause())
    await world.billing.refund_part(clara, names["refunded"], DOWN, cause=world.cause())
    await world.time_passes(days=3)
    return names | {"share": share.purchase.id}


async def what_was_paid(world: World, anna: CustomerId) -> dict[str, object]:
    names: dict[str, object] = {"paid_and_one": 200_01, "paid_from_wallet_and_one": 299_01}
    for name in ("given_back", "given_back_to_wallet", "paid_from_wallet", "open"):
        if name == "given_back":
            started = await world.deposits(anna, rub(150))
        else:
            started = await world.billing.start_purchase(
                anna,
                "PRO_YEARLY" if name == "open" else "PRO_MONTHLY",
                return_url=RETURN,
                cause=world.cause(),
                gateway=None if name == "open" else WALLET,
            )
        if name.startswith("given_back"):
            await world.refunds(started)
        names[name] = started.purchase.id
    return names


def account(number: str) -> PayoutAccount:
    return PayoutAccount("gcash", f"0917{number}", "JUAN DELA CRUZ")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_what_is_wrong_is_said_and_moves_nothing(market: Market, row: Row) -> None:
    for path, token in market.doors(row):
        before = market.kept()

        answer = await market.api.call(
            "POST", path, market.filled(row.body), token=token, key=f"key-{next(market.keys)}"
        )

        told = answer.json()
        assert (answer.status_code, told.get("code")) == (row.status, row.code), told
        assert market.kept() == before
        if row.code is not None:
            says, facts = SAYS[row.code]
            assert says in told["title"]
            assert told.keys() >= set(facts.split())


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("path", "bounds"),
    [
        ("wallet/deposits/", {"least": 100, "most": 10_000_000}),
        ("wallet/withdrawals/", {"least": 1000}),
    ],
)
async def test_the_bounds_are_told_in_the_currency_that_was_asked_for(
    market: Market, path: str, bounds: Mapping[str, int]
) -> None:
    for code in ("RUB", "PHP"):
        body = {"amount": money(1, code)}
        body |= {"payment_method": market.names["proven"]} if "withdrawals" in path else {}
        answer = await market.api.call(
            "POST", path, body, token=market.sessions["anna"], key=f"key-{next(market.keys)}"
        )

        told = {name: answer.json()[name] for name in bounds}
        here = {name: money(minor) for name, minor in bounds.items()}
        assert told == (here if code == "RUB" else dict.fromkeys(bounds))


def test_no_refusal_is_left_without_a_word_on_what_would_be_right() -> None:
    assert {row.code for row in ROWS} - {None} == SAYS.keys()
