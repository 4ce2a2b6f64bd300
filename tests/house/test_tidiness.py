"""Rules of size, names and leftovers, kept by a machine so that reviews can be about sense."""

import ast
import io
import re
import tokenize

import pytest

from tests.house.sources import MIGRATIONS, PRODUCT, Source, sources

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
BANNED_WORD = re.compile(
    "(util|helper|base|manager|service|mapper|handler)s?|common|impl|misc|dtos?"
)
LEFTOVER = re.compile(r"\b(FIXME|TODO|XXX|HACK)\b")
MAY_PRINT = ("bench/", "entrypoints/cli.py")
ONLY_FOR_TESTS = {
    "adapters/gateways/memory.py": "the second adapter of its port: the use cases are tested on it",
    "adapters/memory_notifier.py": "the second adapter of its port: the use cases are tested on it",
}
ENTRY_FILES = ("__init__.py", "__main__.py", "cli.py", "conftest.py")
ALL = (*PRODUCT, "tests")

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def is_vague(name: str) -> bool:
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)
    return any(BANNED_WORD.fullmatch(word.lower()) for word in words)


def test_files_fit_on_a_few_screens():
    long = [
        f"{source.path}: {lines} lines"
        for source in sources(*ALL)
        if (lines := len(source.text.splitlines())) > FILE_LINES_MAX
    ]

    assert not long, "\n".join(long)


def test_functions_fit_on_a_screen():
    long = [
        source.at(node)
        for source in sources(*PRODUCT)
        if not source.path.startswith(MIGRATIONS)
        for node in source.nodes(*FUNCTIONS)
        if node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]

    assert not long, "\n".join(long)


def test_names_say_what_a_file_or_a_class_is_for():
    vague = [
        source.path
        for source in sources(*ALL)
        for part in source.path.removesuffix(".py").split("/")
        if is_vague(part)
    ]
    vague += [
        source.at(node)
        for source in sources(*ALL)
        for node in source.nodes(ast.ClassDef)
        if is_vague(node.name)
    ]

    assert not vague, "\n".join(vague)


@pytest.mark.parametrize(
    ("name", "banned"),
    [
        ("string_utils", True),
        ("RequestHandler", True),
        ("SQLMapper", True),
        ("PurchaseDTO", True),
        ("database", False),
        ("commonwealth", False),
        ("baseline", False),
    ],
)
def test_a_vague_word_is_found_as_a_word_of_its_own(name, banned):
    assert is_vague(name) is banned


def test_no_work_is_left_over_in_comments():
    left = [
        f"{source.path}:{token.start[0]}: {token.string}"
        for source in sources(*ALL)
        for token in tokenize.generate_tokens(io.StringIO(source.text).readline)
        if token.type == tokenize.COMMENT and LEFTOVER.search(token.string)
    ]

    assert not left, "\n".join(left)


def test_nothing_prints_or_stops_in_the_middle():
    found = [
        source.at(node)
        for source in sources(*ALL)
        for node in source.nodes(ast.Call)
        if isinstance(node.func, ast.Name)
        and node.func.id in {"print", "breakpoint"}
        and not (node.func.id == "print" and source.path.startswith(MAY_PRINT))
    ]

    assert not found, "\n".join(found)


def test_every_file_is_used_by_another():
    # Tests are no users of the product: what only they import is left over from something.
    unused = []
    for folders in (PRODUCT, ("tests",)):
        used = {name for source in sources(*folders) for name, _ in source.imports()}
        unused += [
            source.path
            for source in sources(*folders)
            if source.module not in used
            and not is_entered(source)
            and source.path not in ONLY_FOR_TESTS
        ]

    assert not unused, "\n".join(unused)


def is_entered(source: Source) -> bool:
    """Whether something other than an import begins here."""
    name = source.path.split("/")[-1]
    return (
        name in ENTRY_FILES
        or '__name__ == "__main__"' in source.text
        or name.startswith(("test_", "bench_"))
        or source.path.startswith(MIGRATIONS)
    )


def test_every_file_says_in_a_sentence_what_it_is():
    silent = [
        source.path
        for source in sources(*ALL)
        if source.tree.body and not source.path.startswith(MIGRATIONS) and not opens_well(source)
    ]

    assert not silent, "\n".join(silent)


def opens_well(source: Source) -> bool:
    told = ast.get_docstring(source.tree)
    return told is not None and told.split("\n\n")[0].rstrip().endswith((".", "…"))


def test_no_mocks():
    found = []
    for source in sources("tests"):
        found += [
            source.at(node)
            for name, node in source.imports()
            if name.split(".")[0] == "mock" or name.startswith(("unittest.mock", "pytest_mock"))
        ]
        found += [
            source.at(node)
            for node in source.nodes(ast.Attribute)
            if isinstance(node.value, ast.Name)
            and (node.value.id, node.attr)
            in {("monkeypatch", "setattr"), ("monkeypatch", "setitem")}
        ]
        found += [source.at(node) for node in source.nodes(ast.arg) if node.arg == "mocker"]

    assert not found, "\n".join(found)
