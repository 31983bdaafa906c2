"""Replacing attributes of another library's classes, in one place."""

from __future__ import annotations

from typing import Any

import libp2p

_MARK = "_p2pavs_mends"


def replace(owner: Any, name: str, new: Any) -> Any:
    """Set `owner.name` to `new` and return the old value; a missing name is an error and no silent no-op."""
    old = getattr(owner, name)
    setattr(owner, name, new)
    return old


def applied(name: str) -> bool:
    """Tell whether the mend is in place; kept on libp2p itself, so that a reload of ours cannot forget."""
    return name in getattr(libp2p, _MARK, frozenset())


def mark_applied(name: str) -> None:
    """Remember that the mend is in place."""
    setattr(libp2p, _MARK, getattr(libp2p, _MARK, frozenset()) | {name})
