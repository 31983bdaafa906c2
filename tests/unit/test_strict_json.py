from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pavs.strict_json import TooDeep, loads

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def depth_of(value: Any) -> int:
    children = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if children is None else 1 + max(map(depth_of, children), default=0)


@given(VALUES, st.integers(0, 5))
def test_depth_is_what_it_is(value: Any, limit: int) -> None:
    text = json.dumps(value, ensure_ascii=False).encode()
    if depth_of(value) <= limit:
        assert loads(text, max_depth=limit) == value
    else:
        with pytest.raises(TooDeep):
            loads(text, max_depth=limit)


@given(st.binary(max_size=200) | st.text(alphabet='[]{}"\\,:1 ', max_size=200).map(str.encode))
def test_any_bytes_are_decoded_as_json_does_or_refused(data: bytes) -> None:
    try:
        expected = json.loads(data.decode())
    except (ValueError, RecursionError):
        with pytest.raises(ValueError):
            loads(data, max_depth=3)
    else:
        if depth_of(expected) <= 3:
            assert loads(data, max_depth=3) == expected


@pytest.mark.parametrize(
    "hostile",
    [b"[" * 1_000_000, b'{"a":' * 200_000, b'["]",' * 200_000, b'["\\"]",' * 200_000, b'"' + b"\\" * 999_999],
)
def test_nesting_that_would_kill_the_process_is_refused(hostile: bytes) -> None:
    import py_ecc  # raises the recursion limit, as it does in a node

    assert py_ecc is not None
    with pytest.raises(ValueError):
        loads(hostile)
