"""JSON from outside, read in one way: what is let in can be copied, kept and told again."""

import json
from typing import Final

DEPTH_MAX: Final = 100
"""What is deeper is nobody's order, and would run the stack out wherever it is copied."""


def read_json(text: bytes | str) -> object:
    """Raises: ValueError (no JSON, half a surrogate pair, a number without end, too deep)."""
    try:
        found: object = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    level, depth = [found], 0
    while level:
        depth += 1
        if depth > DEPTH_MAX:
            raise ValueError("nested too deep")
        level = [inner for one in level for inner in _inside(one)]
    json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    return found


def parsed(body: bytes) -> object:
    """An empty object for no body at all, None for what cannot be read."""
    if not body:
        return {}
    try:
        return read_json(body)
    except ValueError:
        return None


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
