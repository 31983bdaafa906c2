"""What users see when something is wrong: one sentence that says what, one that says what to do."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from p2pavs.exit_codes import ExitCode

E = TypeVar("E", bound=Exception)


class P2pavsError(Exception):
    """A failure with a cause the user can act on.

    ``message`` says what is wrong in one sentence, ``remedy`` says what to do about it. Neither ever holds a
    secret. The command line prints both and exits with ``exit_code``.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.FAILURE

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class UsageError(P2pavsError):
    """The command was called with arguments that cannot be meant."""

    exit_code = ExitCode.USAGE


def only_error(group: BaseExceptionGroup[BaseException], kind: type[E]) -> E | None:
    """Return the first error of a kind in what task groups made of it; None where it holds others as well."""
    ours, others = group.split(kind)
    if ours is None or others is not None:
        return None
    found: BaseException = ours
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found if isinstance(found, kind) else None
