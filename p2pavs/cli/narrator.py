"""Turns the events of several nodes into one story, each thing told once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from p2pavs.cli.output import printable

NAME = 10  # characters of an address that are shown
LONGEST_LINE = 500


class Narrator:
    """Takes events in any order and from any node. What nodes say is shown, never trusted."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told: set[tuple[Any, ...]] = set()
        self._weights: dict[tuple[str, int], int] = {}
        self._members = 0
        self._total = 0
        self.certified = trio.Event()

    def tell(self, event: dict[str, Any]) -> None:
        """Tell an event if it is news."""
        try:
            line = self._line(event)
        except (KeyError, TypeError, ValueError, ArithmeticError):
            return  # an event of another version
        if line is not None:
            self._say(printable(line[:LONGEST_LINE]))

    def _news(self, *key: Any) -> bool:
        if key in self._told or len(self._told) > 10_000:
            return False
        self._told.add(key)
        return True

    def _line(self, event: dict[str, Any]) -> str | None:
        match event["event"]:
            case "queued" if self._news("queued"):
                return f"queued       {int(event['before']):,} other tasks come first"
            case "committee":
                return self._committee(event)
            case "inference" if event["generated"] is True and self._news("chunk", event["chunk"]):
                return f"chunk        {event['chunk']} generated, {tokens(event['tokens'])}"
            case "chunk_refused" if self._news("chunk_refused", event["operator"]):
                return f"refused      chunks of {name(event['operator'])}: {event['reason']}"
            case "inference_done" if self._news("inference", event["node"]):
                done = sum(1 for key in self._told if key[0] == "inference")
                return (
                    f"inference    {done} of {self._members} done, {tokens(event['tokens'])}, "
                    f"result {short(event['value'])}"
                )
            case "round" if event["round"] > 0 and self._news("round", event["round"]):
                return f"round {event['round']}      proposer {name(event['proposer'])}"
            case "proposal" if self._news("proposal", event["round"], event["operator"]):
                return (
                    f"proposal     round {event['round']} by {name(event['operator'])}: "
                    f"{short(event['value'])}"
                )
            case "prevote" | "precommit" as kind if self._news(kind, event["round"], event["operator"]):
                return self._vote(kind, event)
            case "divergence" if self._news("divergence", event["operator"]):
                return f"divergence   {name(event['operator'])} computed something else"
            case "diverged" if self._news("diverged", event["operator"]):
                profile = "another runtime profile" if event["profilesDiffer"] else "the same runtime profile"
                return f"diverged     {name(event['operator'])}: {event['detail']}, {profile}"
            case "proposal_refused" if self._news("refused", event["round"], event["operator"]):
                return f"refused      proposal of {name(event['operator'])}: {event['reason']}"
            case "evidence" if self._news("evidence", event["offence"], event["operator"]):
                return f"evidence     {event['offence']} by {name(event['operator'])}"
            case "certificate" if self._news("certificate"):
                return (
                    f"certificate  round {event['round']}, {len(event['signers'])} of {self._members} signed "
                    f"({percent(event['weight'], event['total'])})"
                )
            case "posting" if self._news("posting", event["rank"]):
                return f"posting      by the poster of rank {event['rank']}"
            case "certified":
                self.certified.set()
        return None

    def _committee(self, event: dict[str, Any]) -> str | None:
        if not self._news("committee"):
            return None
        self._members, self._total = len(event["members"]), int(event["total"])
        shares = ", ".join(
            f"{name(m['operator'])} {percent(m['weight'], self._total)}" for m in event["members"][:16]
        )
        more = "" if self._members <= 16 else f" and {self._members - 16} more"
        return f"committee    {self._members} members of epoch {event['epoch']}: {shares}{more}"

    def _vote(self, kind: str, event: dict[str, Any]) -> str:
        value = event["value"]
        what = "nil" if value is None else short(value)
        key = (f"{kind} {what}", event["round"])
        self._weights[key] = self._weights.get(key, 0) + int(event["weight"])
        return (
            f"{kind:<12} round {event['round']} by {name(event['operator'])}: {what}, "
            f"now {percent(self._weights[key], self._total)}"
        )


def name(operator: str) -> str:
    """The beginning of an address."""
    return operator[:NAME]


def short(value: str) -> str:
    """The beginning of a hash."""
    return value[:8]


def percent(part: int, whole: int) -> str:
    """A share in percent."""
    return f"{100 * int(part) / int(whole):.0f}%" if whole else "?"


def tokens(number: int) -> str:
    """How many tokens."""
    return f"{number:,} token{'' if number == 1 else 's'}"
