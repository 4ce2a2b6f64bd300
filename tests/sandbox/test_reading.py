"""JSON from outside: what a double could not copy, keep or tell again is no JSON to it."""

import pytest

from sandbox.reading import DEPTH_MAX, parsed, read_json

UNREADABLE = {
    "no JSON": b"{",
    "no UTF-8": b"\xff",
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "half a pair as a name": b'{"\\ud800": 1}',
    "no number": b'{"a": NaN}',
    "a number without end": b"[1e999]",
    "one list too deep": b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1),
    "objects too deep": b'{"a":' * DEPTH_MAX + b"1" + b"}" * DEPTH_MAX,
    "deeper than the stack": b"[" * 100_000 + b"]" * 100_000,
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_told_again_is_not_read(body):
    assert parsed(body) is None
    with pytest.raises(ValueError):
        read_json(body)


def test_what_is_deep_but_not_too_deep_is_read():
    assert parsed(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX) is not None


def test_no_body_is_an_empty_object_and_a_text_of_null_is_null():
    assert parsed(b"") == {}
    assert read_json("null") is None
