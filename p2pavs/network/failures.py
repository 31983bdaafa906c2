"""Turning an exception of the library into a few words."""

from __future__ import annotations

from p2pavs.network.errors import NetworkError


def only_named_error(group: BaseExceptionGroup[BaseException]) -> NetworkError | None:
    """Return the named error inside what nurseries made of it; None when there is something else as well."""
    named, other = group.split(NetworkError)
    if named is None or other is not None:
        return None
    error: BaseException = named
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, NetworkError) else None


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
