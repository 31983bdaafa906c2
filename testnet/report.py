"""How a start is told: the steps, the first task, what to do next. testnet.lines and testnet.live do it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from testnet.steps import elapsed

if TYPE_CHECKING:
    from testnet.network import Network


class Report(Protocol):
    """Takes each step of a start, twice."""

    def begin(self, title: str) -> None:
        """A step begins."""

    def done(self, title: str, said: str, seconds: float) -> None:
        """A step has ended well, after so many seconds."""


class Face(Report, Protocol):
    """All that a person sees of `up`."""

    def showing(self, network: Network, nodes: int) -> AbstractContextManager[None]:
        """Show what happens in the block."""
        ...

    def ask(self, network: Network, prompt: str, choices: str | None) -> None:
        """Ask a first question and verify its certificate. Raises NetworkFailed."""

    def certified(self, seconds: float, hints: list[tuple[str, str]]) -> None:
        """The first certificate is there after so many seconds; these commands are next."""

    def follow(self, network: Network, nodes: int) -> None:
        """Show the network until its chain ends."""


class Steps:
    """A line for each step when it is done."""

    def begin(self, title: str) -> None:
        """Say nothing yet."""

    def done(self, title: str, said: str, seconds: float) -> None:
        """Print the line."""
        print(f"  {title + ':':<20}{said} ({elapsed(seconds)})", flush=True)
