"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check ended. Only a failure makes the command fail."""

    OK = "ok"
    WARN = "warn"
    """It works now, or for now."""
    FAIL = "fail"
    """A node could not work like this, or would risk its stake."""
    SKIP = "skip"
    """Not looked at; the detail says what is missing for that."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at, what was found, and what to do where that is not good."""

    name: str
    status: Status
    detail: str
    remedy: str = ""


def ok(name: str, detail: str) -> Check:
    """Return a check that found nothing wrong."""
    return Check(name, Status.OK, detail)


def warn(name: str, detail: str, remedy: str) -> Check:
    """Return a check that found what may become a failure."""
    return Check(name, Status.WARN, detail, remedy)


def fail(name: str, detail: str, remedy: str) -> Check:
    """Return a check that found a failure."""
    return Check(name, Status.FAIL, detail, remedy)


def skip(name: str, detail: str) -> Check:
    """Return a check that was not made."""
    return Check(name, Status.SKIP, detail)
