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

SQL_ROWS = "adapters/persistence/sql/"
LOOSE_DICTS = ("translate.py", "bodies.py")
SECRET = re.compile(r"(^|_)(sign|signature|hash|token|secret|digest|mac)(_|$|s$)")
MAY_COMPARE = {
    "keys.c.key_hash == key_hash": "an index finds the row; the hash is keyed, so no guess is near",
    "self.secret('signing_key') == DEVELOPMENT_SIGNING_KEY": "at the start, with a published key",
    "self.secret('telegram_token') == DEVELOPMENT_BOT_TOKEN": "at the start, with a published token",
}
MAY_BUILD = {
    "f'SELECT * FROM ({rule}) r LIMIT {FINDINGS_MAX}'": "the rules are constants of the module",
    "f'PRAGMA {setting}'": "the settings are constants of the loop; SQLite binds nothing here",
}
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")


def test_the_core_is_standard_library_only():
    foreign = [
        source.at(node)
        for source in sources("core")
        for name, node in source.imports()
        if name.split(".")[0] not in {*sys.stdlib_module_names, "core"}
    ]

    assert not foreign, "\n".join(foreign)


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

    assert not taken, "\n".join(taken)


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

    assert not floats, "\n".join(floats)


def test_loose_dicts_stay_at_the_edges():
    loose = [
        source.at(node)
        for source in sources("core", "adapters", "entrypoints")
        if not source.path.startswith(SQL_ROWS) and not source.path.endswith(LOOSE_DICTS)
        for node in source.nodes(ast.Subscript)
        if ast.unparse(node) == "dict[str, Any]"
    ]

    assert not loose, "\n".join(loose)


def test_secrets_are_compared_in_constant_time():
    compared = [
        source.at(node)
        for source in sources("core", "adapters", "entrypoints")
        for node in source.nodes(ast.Compare)
        if is_a_secret_compared(node) and ast.unparse(node) not in MAY_COMPARE
    ]

    assert not compared, "\n".join(compared)


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
        if is_sql_built(node) and ast.unparse(node.args[0]) not in MAY_BUILD
    ]

    assert not built, "\n".join(built)


def is_sql_built(node: ast.Call) -> bool:
    """Whether its first argument is text put together from anything but constants."""
    name = dotted(node.func).split(".")[-1]
    if name not in {"text", "exec_driver_sql", "execute", "DDL"} or not node.args:
        return False
    sql = node.args[0]
    if isinstance(sql, ast.JoinedStr):
        put_in = [part.value for part in sql.values if isinstance(part, ast.FormattedValue)]
        return not all(CONSTANT.fullmatch(dotted(part)) for part in put_in)
    if isinstance(sql, ast.Call) and isinstance(sql.func, ast.Attribute):
        # `SQL("…").format()` of the driver quotes what it is given; that of a string does not.
        return sql.func.attr in {"format", "join"} and not isinstance(sql.func.value, ast.Call)
    return isinstance(sql, ast.BinOp) and isinstance(sql.op, ast.Add | ast.Mod)


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ("sa.text(f'SELECT {x}')", True),
        ("connection.exec_driver_sql('SELECT ' + x)", True),
        ("text('SELECT %s' % x)", True),
        ("text('SELECT {}'.format(x))", True),
        ("text('SELECT :x')", False),
        ("text(f'SELECT {LIMIT}')", False),
        ("execute(sql.SQL('DROP DATABASE {}').format(name))", False),
        ("execute(select(table).where(table.c.id == id_))", False),
    ],
)
def test_sql_from_text_is_known_by_its_shape(code, is_found):
    found = [is_sql_built(node) for node in Source("x.py", code).nodes(ast.Call)]

    assert any(found) is is_found
