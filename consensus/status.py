"""What an operator sees of an instance."""

from __future__ import annotations

from dataclasses import dataclass

from consensus.types import InstanceId, Step, ValueId


@dataclass(frozen=True, slots=True)
class RoundTally:
    """One round: who proposed what, and how much weight voted for what (``NIL`` is a vote for nil)."""

    round: int
    proposer: int
    proposed: tuple[ValueId, ...]  # more than one: the proposer equivocated
    prevotes: tuple[tuple[ValueId, int], ...]
    precommits: tuple[tuple[ValueId, int], ...]


@dataclass(frozen=True, slots=True)
class Status:
    """A snapshot. Rounds are -1 where there is none, values None."""

    instance: InstanceId
    round: int
    step: Step
    own_value: ValueId | None
    locked_value: ValueId | None
    locked_round: int
    valid_value: ValueId | None
    valid_round: int
    decided_value: ValueId | None
    decided_round: int
    total_weight: int
    rounds: tuple[RoundTally, ...]  # ascending, the last few of which anything is known
    excluded: tuple[int, ...]  # members whose votes count for no value: their work tags were false
    equivocators: tuple[int, ...]
