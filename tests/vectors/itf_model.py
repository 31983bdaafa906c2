"""The words of malachite's Quint model and ours: reading ITF JSON and translating what both have."""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consensus import round_state as rs
from consensus.hashing import keccak256
from consensus.messages import Vote
from consensus.types import NIL, InstanceId, Kind, Step, ValueId


class Difference(AssertionError):
    """The trace and our code disagree."""


@dataclass(frozen=True)
class Tagged:
    """A variant of the model's sum types."""

    tag: str
    value: Any = None


def decode(value: Any) -> Any:
    """Turn ITF JSON into Python: ints, tuples, dicts, lists for sets, ``Tagged``."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "#bigint" in value:
        return int(value["#bigint"])
    if "#tup" in value:
        return tuple(decode(item) for item in value["#tup"])
    if "#set" in value:
        return [decode(item) for item in value["#set"]]
    if "#map" in value:
        return {decode(key): decode(item) for key, item in value["#map"]}
    if value.keys() == {"tag", "value"}:
        return Tagged(value["tag"], decode(value["value"]))
    return {key: decode(item) for key, item in value.items() if key != "#meta"}


def read(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the traces of a file, archive or folder (and those in it) with their names, in order of name."""
    if path.is_dir():
        for child in sorted(path.iterdir()):
            if child.is_dir() or child.name.endswith((".itf.json", ".tar.gz")):
                yield from read(child)
    elif path.name.endswith(".tar.gz"):
        with tarfile.open(path) as archive:
            for member in sorted(archive.getmembers(), key=lambda member: member.name):
                content = archive.extractfile(member) if member.name.endswith(".itf.json") else None
                if content is not None:
                    yield member.name, json.load(io.TextIOWrapper(content, "utf-8"))
    else:
        yield path.name, json.loads(path.read_text("utf-8"))


def value_of(name: Any) -> ValueId:
    """Name a value of the model by 32 bytes. Values come as ``Val(name)``, ``Nil`` or the bare name."""
    if isinstance(name, Tagged):
        return NIL if name.tag == "Nil" else value_of(name.value)
    return ValueId(keccak256(str(name).encode()))


STEPS = {
    "NoStep": Step.UNSTARTED,
    "UnstartedStep": Step.UNSTARTED,
    "ProposeStep": Step.PROPOSE,
    "PrevoteStep": Step.PREVOTE,
    "PrecommitStep": Step.PRECOMMIT,
    "CommitStep": Step.COMMIT,
}
TIMERS = {
    "ProposeTimeout": Step.PROPOSE,
    "PrevoteTimeout": Step.PREVOTE,
    "PrecommitTimeout": Step.PRECOMMIT,
}
KINDS = {"Prevote": Kind.PREVOTE, "Precommit": Kind.PRECOMMIT}


def state_of(model: dict[str, Any]) -> rs.RoundState:
    """Read the model's ``ConsensusState``."""
    return rs.RoundState(
        round=model["round"],
        step=STEPS[model["step"].tag],
        locked_value=value_of(model["lockedValue"]),
        locked_round=model["lockedRound"],
        valid_value=value_of(model["validValue"]),
        valid_round=model["validRound"],
    )


def outputs_of(output: Tagged, state: rs.RoundState) -> tuple[rs.RoundOutput, ...]:
    """Translate one output of the model; ``state`` is its state afterwards."""
    value = output.value
    match output.tag:
        case "NoConsensusOutput" | "ErrorOutput":
            return ()
        case "ProposalOutput":
            return (rs.Propose(value["round"], value_of(value["proposal"]), value["validRound"]),)
        case "GetValueAndScheduleTimeoutOutput":
            return (rs.ScheduleTimeout(TIMERS[value[2].tag], value[1]),)
        case "VoteOutput":
            kind = KINDS[value["voteType"].tag]
            return (rs.CastVote(kind, value["round"], value_of(value["valueId"])),)
        case "TimeoutOutput":
            return (rs.ScheduleTimeout(TIMERS[value[1].tag], value[0]),)
        case "SkipRoundOutput":
            return (rs.StartRound(value),)
        case "DecidedOutput":
            return (rs.Decide(value[0], value_of(value[1])),)
        case _:
            raise Difference(f"unknown output {output}")


@dataclass
class Report:
    """What a replay compared, and which deviations it accepted how often."""

    compared: int = 0
    accepted: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Voters:
    """The model's validator set: names become indexes in order of name."""

    names: tuple[str, ...]
    weights: tuple[int, ...]

    @classmethod
    def of(cls, validators: dict[str, int]) -> Voters:
        """Read a ``ValidatorSet``."""
        names = tuple(sorted(validators))
        return cls(names, tuple(validators[name] for name in names))

    def weight_of(self, index: int) -> int:
        return self.weights[index] if 0 <= index < len(self.weights) else 0

    def quorum(self, weight: int) -> bool:
        return 3 * weight > 2 * sum(self.weights)

    def weak_quorum(self, weight: int) -> bool:
        return 3 * weight > sum(self.weights)

    def vote(self, model: dict[str, Any]) -> Vote:
        """Read a ``Vote``."""
        return Vote(
            instance=InstanceId(model["height"], 0),
            kind=KINDS[model["voteType"].tag],
            round=model["round"],
            value_id=value_of(model["valueId"]),
            sender=self.names.index(model["srcAddress"]),
            signature=b"",
        )
