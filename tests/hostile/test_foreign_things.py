"""Other people's things, for every operation and everybody who may call: they are not there."""

from collections.abc import AsyncIterator, Mapping

import httpx
import pytest

from adapters.http.customer_routes import API_KEY, SESSION
from adapters.http.operations import Operation
from adapters.persistence.memory import MemoryStore
from core.domain.credentials import Scope
from core.use_cases.consequences import consequences
from tests.adapters.http.api import an_api
from tests.hostile.examples import OPERATIONS, WITH_KEY, Scene, a_scene, name_of
from tests.hostile.served import everything_in
from tests.world import World


def names_in(operation: Operation) -> tuple[str, ...]:
    """The parameters of its path."""
    return () if operation.params is None else tuple(operation.params.model_fields)


SECURED = [one for one in OPERATIONS if one.security]
WITH_IDS = [one for one in SECURED if names_in(one)]
NOT_A_CREDENTIAL = ["", "x", "a.b.c", "bh_", "bh_" + "A" * 43, "tma x", "' OR 1=1--", "x" * 5000]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world) as api:
        yield await a_scene(api)


async def refused(scene: Scene, operation: Operation, **asked: str | None) -> httpx.Response:
    """The refusal, which changed nothing."""
    before = everything_in(scene.api.world)
    answer = await scene.sends(operation, **asked)
    assert 400 <= answer.status_code < 500, f"{asked}: {answer.status_code} {answer.text}"
    assert everything_in(scene.api.world) == before, asked
    return answer


def told(answer: httpx.Response, scene: Scene) -> tuple[int, Mapping[str, object]]:
    """All that a stranger learns, but for the id that was asked about."""
    text = answer.text
    for ids in (*scene.ids.values(), *scene.special.values()):
        for one in (ids.own, ids.others, ids.unknown):
            text = text.replace(f'"{one}"', '"the id"')
    return answer.status_code, {"text": text, "type": answer.headers["content-type"]}


def strangers(scene: Scene, operation: Operation) -> Mapping[str, str | None]:
    """Credentials that are not those that this operation takes, or not any more."""
    found: dict[str, str | None] = {
        "nobody": None,
        "revoked key": scene.keys["revoked"],
        **{f"nonsense {text[:10]!r}": text for text in NOT_A_CREDENTIAL},
    }
    if operation.name != "sign_out":  # Signing out again says the same again.
        found["revoked session"] = scene.sessions["revoked"]
    if SESSION not in operation.security:
        found["a session"] = scene.sessions["anna"]
    if API_KEY not in operation.security:
        found["a key"] = scene.keys["host"]
    return found


@pytest.mark.parametrize("operation", SECURED, ids=name_of)
async def test_without_the_right_credentials_nobody_is_let_in(
    scene: Scene, operation: Operation
) -> None:
    for who, token in strangers(scene, operation).items():
        for chosen in ("own", "others", "unknown"):
            path = scene.path(operation, **dict.fromkeys(names_in(operation), chosen))
            answer = await refused(scene, operation, token=token, path=path)
            assert answer.status_code == 401, (who, chosen, answer.text)


@pytest.mark.parametrize(
    "operation", [one for one in SECURED if API_KEY in one.security], ids=name_of
)
async def test_a_key_needs_the_one_scope_and_no_other_will_do(
    scene: Scene, operation: Operation
) -> None:
    answers = {}
    for scope in Scope:
        before = everything_in(scene.api.world)
        answer = await scene.sends(operation, token=scene.keys[scope.value])
        answers[scope.value] = answer.status_code
        if answer.status_code == 403:
            assert everything_in(scene.api.world) == before

    # A session may do what two scopes let a key do, so no single one opens it.
    enough = 0 if operation.name == "open_session_for_customer" else 1
    assert list(answers.values()).count(403) == len(Scope) - enough, answers


@pytest.mark.parametrize("operation", WITH_IDS, ids=name_of)
async def test_others_things_are_as_if_they_were_not_there(
    scene: Scene, operation: Operation
) -> None:
    token = scene.credentials(operation)
    things = [
        name
        for name in names_in(operation)
        if name != "ref" and scene.ids_of(operation, name).is_owned
    ]
    for thing in things:
        named = [{thing: "others"}]
        if "ref" in names_in(operation):
            named.append({"ref": "others"})  # Boris's place, with Anna's thing in it.
        for chosen in named:
            theirs, nobodys = [
                await refused(scene, operation, token=token, path=scene.path(operation, **one))
                for one in (chosen, chosen | {thing: "unknown"})
            ]
            assert told(theirs, scene) == told(nobodys, scene)
            assert theirs.status_code == 404


@pytest.mark.parametrize("operation", WITH_IDS, ids=name_of)
async def test_ids_that_are_none_are_not_found(scene: Scene, operation: Operation) -> None:
    for name in names_in(operation):
        ids = scene.ids_of(operation, name)
        other_types = [other.own for kind, other in scene.ids.items() if kind != name]
        odd = [ids.malformed, *other_types, "%00", "%2e%2e"]
        odd += [
            "x" * 500,
            ids.own + "%0a",
            ids.own.upper() + "X",
            "*",
            "%F0%9F%99%82",
            "'--",
            "{0}",
        ]
        for text in odd:
            path = scene.path(operation).replace(ids.own, text)
            answer = await refused(scene, operation, token=scene.credentials(operation), path=path)
            assert answer.status_code in {404, 422}, (name, text, answer.text)


@pytest.mark.parametrize(
    "operation",
    [one for one in SECURED if one.query and "cursor" in one.query.model_fields],
    ids=name_of,
)
async def test_anothers_cursor_is_no_place_in_ones_own_list(
    scene: Scene, operation: Operation
) -> None:
    token = scene.credentials(operation)
    answers = [
        await refused(scene, operation, token=token, query=[("cursor", cursor)])
        for cursor in (scene.ids["purchase_id"].others, scene.ids["purchase_id"].unknown)
    ]

    assert told(answers[0], scene) == told(answers[1], scene)
    for odd in ("", "x", "pur_'--", "%00", "x" * 500):
        await refused(scene, operation, token=token, query=[("cursor", odd)])
    both = [("cursor", scene.ids["purchase_id"].own), ("cursor", scene.ids["purchase_id"].others)]
    await refused(scene, operation, token=token, query=both)


@pytest.mark.parametrize("operation", WITH_KEY, ids=name_of)
async def test_anothers_idempotency_key_opens_nothing_of_theirs(
    scene: Scene, operation: Operation
) -> None:
    first = await scene.sends(operation, token=scene.credentials(operation), key="shared")
    assert first.status_code < 300, first.text
    if SESSION not in operation.security:
        # Another key of the host may act for the same customer, and has idempotency keys of its own.
        answer = await scene.sends(operation, token=scene.keys["purchases"], key="shared")
        assert answer.status_code < 300 or answer.json()["code"] != "key_used_otherwise"
        return
    boris = scene.sessions["boris"]
    places = dict.fromkeys(names_in(operation), "others")
    theirs = await scene.sends(
        operation, token=boris, key="shared", path=scene.path(operation, **places)
    )
    assert theirs.status_code < 300, theirs.text
    if "id" in first.json():  # A promo code answers all who use it alike.
        assert theirs.json()["id"] != first.json()["id"]
    if places:
        answer = await scene.sends(operation, token=boris, key="shared2")
        assert answer.status_code == 404


def test_every_operation_that_names_a_thing_is_looked_at() -> None:
    unsecured = [name_of(one) for one in OPERATIONS if not one.security and names_in(one)]

    assert unsecured == ["POST /webhooks/{gateway}/"], "who may call this, and what is refused?"
