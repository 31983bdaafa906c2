"""JSON from outside, with a bound on nesting.

``json.loads`` recurses in C. It stops at Python's recursion limit, but py_ecc (which eth_account imports)
raises that limit to 100,000, and then a few kilobytes of ``[[[[`` overflow the stack and kill the process.
"""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 64

# A string (to the end of the text where it is not closed), or a bracket.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z|\\\Z)|[\[{]|[\]}]', re.DOTALL)


class TooDeep(ValueError):
    """The text nests deeper than anything we expect."""


def loads(data: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Decode UTF-8 JSON. Raises ``ValueError`` on anything else, and on more than ``max_depth`` levels."""
    if data.count(b"[") + data.count(b"{") > max_depth:
        _check_depth(data, max_depth)
    return json.loads(data.decode())


def _check_depth(data: bytes, max_depth: int) -> None:
    depth = 0
    for token in _TOKEN.finditer(data):
        first = data[token.start()]
        if first in b"[{":
            depth += 1
            if depth > max_depth:
                raise TooDeep(f"it nests deeper than {max_depth} levels")
        elif first in b"]}":
            depth -= 1
