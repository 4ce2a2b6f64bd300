"""The source files of the house, parsed once: what the tests of its rules look at."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PRODUCT: Final = (
    "core",
    "adapters",
    "entrypoints",
    "sandbox",
    "simulation",
    "billhook_client",
    "bench",
)
MIGRATIONS: Final = "adapters/persistence/sql/migrations/"


@dataclass(frozen=True)
class Source:
    """`path` is from the root, with slashes: `core/domain/money.py`."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def nodes(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        return (node for node in ast.walk(self.tree) if isinstance(node, kinds))

    def at(self, node: ast.AST) -> str:
        """Where and what, for whoever reads the failure: `core/x.py:12: x = 1`."""
        line = getattr(node, "lineno", 1)
        return f"{self.path}:{line}: {self.text.splitlines()[line - 1].strip()}"

    def imports(self) -> Iterator[tuple[str, ast.AST]]:
        """Every module named by an import; for `from a import b` both `a` and `a.b`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                origin = self._origin(node)
                yield origin, node
                yield from ((f"{origin}.{alias.name}", node) for alias in node.names)

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        folders = self.path.split("/")[: -node.level]
        return ".".join([*folders, *(node.module or "").split(".")]).rstrip(".")


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Every Python file below these folders, in order."""
    found = []
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            path = file.relative_to(ROOT).as_posix()
            found.append(Source(path, file.read_text(encoding="utf-8")))
    return tuple(found)


def dotted(node: ast.AST) -> str:
    """`datetime.now` for the expression of that spelling; nothing for what is not a plain chain."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""
