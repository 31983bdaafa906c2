"""Turning an exception of the library into a few words."""

from __future__ import annotations


def root_cause(error: BaseException) -> str:
    """Return the innermost cause: its text, or its class where it has none."""
    seen = set()
    while id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        elif error.__cause__ is not None:
            error = error.__cause__
    text = " ".join(str(error).split())
    return (text or type(error).__name__)[:200]
