"""What the live view shows: the steps of the start, the nodes, and the newest task with its phases.

It is filled from what users can ask too: the nodes' `/status` and `/tasks/N/events`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

QUORUM = 2 / 3  # of the weight; more than this


@dataclass(slots=True)
class Step:
    """One step of the start."""

    title: str
    said: str = ""
    seconds: float | None = None  # None while it goes on


@dataclass(slots=True)
class Node:
    """One operator's node, as its status tells it; all empty until it answers."""

    operator: str = ""
    peers: int = 0
    running: bool = False


@dataclass(slots=True)
class Member:
    """What one operator did for the task that is shown."""

    share: float = 0.0  # of the committee's weight
    value: str = ""  # the beginning of the hash of what it computed
    prevoted: bool = False
    precommitted: bool = False
    signed: bool = False


@dataclass(slots=True)
class Story:
    """One task from the question to the answer in the contract."""

    task: int
    question: str = ""
    choices: str = ""
    fee: str = ""
    request_gas: int = 0
    asked_at: float | None = None  # unix seconds, as all times here
    block: int = 0
    epoch: int = 0
    members: dict[str, Member] = field(default_factory=dict)  # by the operator's address
    drawn_at: float | None = None
    computed_at: float | None = None  # when the last of those known was done
    round: int = 0
    proposer: str = ""
    proposed_at: float | None = None
    voted_at: float | None = None  # when both votes had a quorum
    certificate_at: float | None = None
    signed_share: float = 0.0
    answer: str | None = None
    poster: str = ""
    posted_gas: int = 0
    certified_at: float | None = None
    certified_block: int = 0
    ended: str = ""  # "expired" or "refunded", where no certificate came
    verified: bool = False

    def share(self, what: str) -> float:
        """The share of the weight whose members did something: a name of a field of Member."""
        return sum(member.share for member in self.members.values() if getattr(member, what))

    def computed(self) -> int:
        """How many members' results are known."""
        return sum(bool(member.value) for member in self.members.values())

    def tell(self, event: Mapping[str, Any], operator: str) -> None:
        """Take one event of the node of an operator. Events of another version are passed over."""
        try:
            self._take(event, operator)
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            return

    def _take(self, event: Mapping[str, Any], operator: str) -> None:
        at = float(event["at"])
        match event["event"]:
            case "task":
                self.asked_at, self.block = _first(self.asked_at, at), int(event["block"])
            case "committee" if not self.members:
                total = int(event["total"])
                self.members = {
                    str(one["operator"]): Member(int(one["weight"]) / total) for one in event["members"]
                }
                self.epoch, self.drawn_at = int(event["epoch"]), at
            case "inference_done" if operator in self.members:
                self.members[operator].value = str(event["value"])[:8]
                self.computed_at = max(at, self.computed_at or 0)
            case "proposal":
                self._enter(int(event["round"]))
                if int(event["round"]) == self.round:
                    self.proposer = str(event["operator"])
                self.proposed_at = _first(self.proposed_at, at)
            case "prevote" | "precommit" as kind:
                self._vote(kind, event, at)
            case "certificate":
                self.certificate_at = _first(self.certificate_at, at)
                self._signed(event)
            case "posted":
                self.posted_gas = int(event["gas"])
            case "certified":
                self.certified_block, self.poster = int(event["block"]), str(event["poster"])
                self.signed_share = int(event["weight"]) / int(event["total"])
                self.certified_at = _first(self.certified_at, at)
            case "expired" | "refunded" as ended:
                self.ended = ended

    def _enter(self, number: int) -> None:
        """Begin a later round: its votes are counted anew."""
        if number > self.round:
            self.round, self.proposer = number, ""
            for member in self.members.values():
                member.prevoted = member.precommitted = False

    def _vote(self, kind: str, event: Mapping[str, Any], at: float) -> None:
        self._enter(int(event["round"]))
        member = self.members.get(str(event["operator"]))
        if member is None or event["value"] is None or int(event["round"]) < self.round:
            return
        if kind == "prevote":
            member.prevoted = True
        else:
            member.precommitted = True
        if self.voted_at is None and all(self.share(what) > QUORUM for what in ("prevoted", "precommitted")):
            self.voted_at = at

    def _signed(self, event: Mapping[str, Any]) -> None:
        if self.certified_at is None:
            self.signed_share = max(self.signed_share, int(event["weight"]) / int(event["total"]))
        for operator in event["signers"]:
            if str(operator) in self.members:
                self.members[str(operator)].signed = True


@dataclass(slots=True)
class Scene:
    """Everything that the live view shows."""

    directory: str
    steps: list[Step] = field(default_factory=list)
    nodes: dict[int, Node] = field(default_factory=dict)
    epoch: int = 0
    head: int = 0
    tasks: dict[str, int] = field(default_factory=dict)  # how many are in each state
    story: Story | None = None
    first_after: float | None = None  # seconds from the start to the first certificate
    hints: list[tuple[str, str]] = field(default_factory=list)  # what to do next, and the command
    notes: list[str] = field(default_factory=list)  # what went wrong

    # A Report, see testnet.report.

    def begin(self, title: str) -> None:
        """Take the beginning of a step."""
        self.steps.append(Step(title))

    def done(self, title: str, said: str, seconds: float) -> None:
        """Take the end of a step."""
        for step in self.steps:
            if step.title == title:
                step.said, step.seconds = said, seconds


def _first(known: float | None, at: float) -> float:
    return at if known is None else min(known, at)
