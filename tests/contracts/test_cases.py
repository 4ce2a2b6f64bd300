"""Cases on every store: told whole, page by page, closed once with a reason."""

from dataclasses import replace
from datetime import timedelta

from tests.builders import NOON, a_case
from tests.contracts.units import seen, written


async def test_an_open_case_comes_back_whole(shop):
    case = a_case(closed_at=None, reason=None)
    nobodys = replace(case, id="cas_2", cause="another", customer_id=None, facts={})

    await written(shop, lambda uow: uow.open_case(case))
    await written(shop, lambda uow: uow.open_case(nobodys))

    cases = await seen(shop, lambda view: view.open_cases(limit=9))
    assert sorted(cases, key=lambda found: found.id) == [case, nobodys]


async def test_open_cases_are_read_page_by_page_the_oldest_first(shop):
    moments = (2, 0, 1, 1, 3)
    cases = [
        a_case(
            id=f"cas_{n}",
            cause=f"cause {n}",
            opened_at=NOON + timedelta(hours=hours),
            closed_at=None,
            reason=None,
        )
        for n, hours in enumerate(moments)
    ]
    for case in cases:
        await written(shop, lambda uow: uow.open_case(case))  # noqa: B023
    in_order = [cases[n] for n in (1, 2, 3, 0, 4)]
    assert await seen(shop, lambda view: view.open_cases(limit=9)) == in_order

    first = await seen(shop, lambda view: view.open_cases(limit=2))
    await written(shop, lambda uow: uow.close_case(first[-1].cause, reason="done", at=NOON))
    last = await seen(shop, lambda view: view.find_case(first[-1].cause))

    assert last == replace(first[-1], closed_at=NOON, reason="done")
    rest = await seen(shop, lambda view: view.open_cases(limit=9, after=last))
    assert first + rest == in_order
    assert await seen(shop, lambda view: view.find_case("another")) is None


async def test_a_case_is_closed_once_with_its_reason(shop):
    case = a_case(closed_at=None, reason=None)
    await written(shop, lambda uow: uow.open_case(case))

    ends = [
        await written(shop, lambda uow: uow.close_case(cause, reason="done", at=NOON))  # noqa: B023
        for cause in ("another", case.cause, case.cause)
    ]

    assert ends == [False, True, False]
    assert await seen(shop, lambda view: view.open_cases(limit=9)) == []
    assert await written(shop, lambda uow: uow.open_case(case)) is False
