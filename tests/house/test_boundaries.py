"""Rules of what code may reach for: libraries, clocks, chance, floats, loose dicts, SQL text."""

import ast
import re
import sys

import pytest

from tests.house.sources import MIGRATIONS, Source, dotted, sources

ASKED_FOR = frozenset({"random", "secrets", "uuid", "uuid_utils"})
"""Modules of chance: ids and keys are given to whoever needs them."""

CLOCKS = re.compile(
    r"(^|\.)(datetime\.(now|utcnow|today)|date\.today"
    r"|time\.(time|time_ns|monotonic|monotonic_ns|perf_counter|sleep)"
    r"|os\.(urandom|environ|getenv)|asyncio\.wait_for)$"
)
HIDDEN_CLOCKS = frozenset({"utcnow", "urandom", "environ", "getenv", "wait_for", "uuid4", "uuid7"})

LOOSE_DICTS = (
    "adapters/persistence/sql/",
    "sandbox/",
    *("translate.py", "bodies.py"),
)
SECRET = re.compile(r"(^|_)(sign|signature|hash|token|secret|digest|mac)(_|$|s$)")
MAY_COMPARE: dict[str, str] = {}
"""Comparisons that reveal nothing, each with its reason: `path: source` to why."""


def test_the_core_is_standard_library_only():
    foreign = [
        source.at(node)
        for source in sources("core")
        for name, node in source.imports()
        if name.split(".")[0] not in {*sys.stdlib_module_names, "core"}
    ]

    assert not foreign


@pytest.mark.parametrize("folder", ["core", "adapters"])
def test_time_and_chance_are_asked_for(folder):
    taken = []
    for source in sources(folder):
        taken += [
            source.at(node) for name, node in source.imports() if name.split(".")[0] in ASKED_FOR
        ]
        taken += [
            source.at(node)
            for name, node in source.imports()
            if CLOCKS.search(name) or name.split(".")[-1] in HIDDEN_CLOCKS
        ]
        taken += [
            source.at(node) for node in source.nodes(ast.Attribute) if CLOCKS.search(dotted(node))
        ]

    assert not taken


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ("datetime.now(UTC)", True),
        ("datetime.datetime.now()", True),
        ("dt = date.today", True),
        ("time.monotonic()", True),
        ("await asyncio.wait_for(x, 1)", True),
        ("os.environ['A']", True),
        ("loop.time()", False),
        ("self._now()", False),
        ("event.datetime.year", False),
    ],
)
def test_a_clock_is_known_by_its_name(code, is_found):
    source = Source("x.py", code)

    found = [CLOCKS.search(dotted(node)) for node in source.nodes(ast.Attribute)]

    assert any(found) is is_found


def test_the_core_has_no_floats():
    floats = []
    for source in sources("core"):
        floats += [
            source.at(node)
            for node in source.nodes(ast.Constant)
            if isinstance(node.value, float | complex)
        ]
        floats += [source.at(node) for node in source.nodes(ast.Name) if node.id == "float"]
        floats += [
            source.at(node)
            for node in source.nodes(ast.BinOp, ast.AugAssign)
            if isinstance(node.op, ast.Div)
        ]
        floats += [
            source.at(node)
            for name, node in source.imports()
            if name.split(".")[0] in {"decimal", "fractions", "math"}
        ]

    assert not floats


def test_loose_dicts_stay_at_the_edges():
    loose = [
        source.at(node)
        for source in sources("core", "adapters", "entrypoints", "simulation")
        if not source.path.startswith(LOOSE_DICTS) and not source.path.endswith(LOOSE_DICTS)
        for node in source.nodes(ast.Subscript)
        if ast.unparse(node) in {"dict[str, Any]", "Mapping[str, Any]", "dict[str, typing.Any]"}
    ]

    assert not loose


def test_secrets_are_compared_in_constant_time():
    compared = [
        source.at(node)
        for source in sources("core", "adapters", "entrypoints")
        for node in source.nodes(ast.Compare)
        if is_a_secret_compared(node) and f"{source.path}: {ast.unparse(node)}" not in MAY_COMPARE
    ]

    assert not compared


def is_a_secret_compared(node: ast.Compare) -> bool:
    if not any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
        return False
    sides = (node.left, *node.comparators)
    # Whether a secret is there at all may be asked: against a constant nothing leaks.
    if any(isinstance(side, ast.Constant) for side in sides):
        return False
    return any(SECRET.search(last_name(side)) for side in sides)


def last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Call):
        return last_name(node.func)
    if isinstance(node, ast.Subscript):
        key = node.slice
        told = key.value if isinstance(key, ast.Constant) else last_name(node.value)
        return str(told).lower()
    if isinstance(node, ast.Attribute):
        return f"{last_name(node.value)}_{node.attr}".lower()
    return node.id.lower() if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ("key.key_hash == given", True),
        ("expected != digest.hexdigest()", True),
        ("headers['X-Token'.lower()] == token", True),
        ("body['signature'] == expected", True),
        ("token == ''", False),
        ("token is None", False),
        ("design == other", False),
        ("hmac.compare_digest(token, other)", False),
    ],
)
def test_a_compared_secret_is_known_by_its_name(code, is_found):
    found = [is_a_secret_compared(node) for node in Source("x.py", code).nodes(ast.Compare)]

    assert any(found) is is_found


def test_sql_is_never_put_together_from_text():
    built = [
        source.at(node)
        for source in sources("core", "adapters", "entrypoints", "bench")
        if not source.path.startswith(MIGRATIONS)
        for node in source.nodes(ast.Call)
        if is_sql_built(node)
    ]

    assert not built


def is_sql_built(node: ast.Call) -> bool:
    if dotted(node.func).split(".")[-1] not in {"text", "exec_driver_sql", "execute", "DDL"}:
        return False
    return any(isinstance(part, ast.JoinedStr) or is_glued(part) for part in node.args[:1])


def is_glued(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr in {"format", "join"}
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod)


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ("sa.text(f'SELECT {x}')", True),
        ("connection.exec_driver_sql('SELECT ' + x)", True),
        ("text('SELECT %s' % x)", True),
        ("text('SELECT {}'.format(x))", True),
        ("text('SELECT :x')", False),
        ("execute(select(table).where(table.c.id == id_))", False),
    ],
)
def test_sql_from_text_is_known_by_its_shape(code, is_found):
    found = [is_sql_built(node) for node in Source("x.py", code).nodes(ast.Call)]

    assert any(found) is is_found
