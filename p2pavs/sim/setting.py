"""All that a simulated instance depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import Protocol

from consensus.collecting import MANY
from consensus.timeouts import TimeoutConfig
from p2pavs.sim.answers import RIGHT
from p2pavs.sim.network import NetworkModel

FAST_TIMEOUTS = TimeoutConfig(
    propose_ms=300, propose_delta_ms=100, prevote_ms=100, prevote_delta_ms=50, precommit_ms=100,
    precommit_delta_ms=50,
)  # fmt: skip


@unique
class Point(IntEnum):
    """Where a member can die: around every write and every message."""

    LOG_LOST = 0
    """An input came and its write was lost."""
    LOG_DONE = 1
    """The input was written, and nothing else happened."""
    GUARD_LOST = 2
    """A signature was made and its write to the sign guard was lost: it never left."""
    GUARD_DONE = 3
    """The signature was written; the message was lost."""
    SENT = 4
    """The message was sent; the member has not taken it itself."""
    PUBLISH_LOST = 5
    """A message that repeats known signatures was not sent."""
    EFFECT_DONE = 6
    """Some other effect (a timer, a report) was carried out; those behind it were not."""


class Faults(Protocol):
    """Decides where members die."""

    def strikes(self, member: int, point: Point) -> bool:
        """Whether this honest member dies here and now. Asked at every point, in a reproducible order."""
        ...


@dataclass(frozen=True, slots=True)
class Outage:
    """A member is down from ``start_ms`` to ``end_ms``, and then restarts from its log."""

    member: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Setting:
    """One instance. Times are virtual milliseconds; members are numbered by their place on the committee."""

    weights: tuple[int, ...] = (1, 1, 1, 1)
    seed: int = 0
    task: int = 1
    task_seed: bytes | None = None
    """Draws the proposers (32 bytes); by default it follows from ``seed``."""
    operators: tuple[int, ...] | None = None
    """The members' places in a larger stake table: names only."""
    adversaries: Mapping[int, str] = field(default_factory=dict)
    """Member -> its kind of misbehaviour (``adversaries.KINDS``)."""
    dead: frozenset[int] = frozenset()
    """Honest members that are never up."""
    outages: tuple[Outage, ...] = ()
    network: NetworkModel = field(default_factory=NetworkModel)
    timeouts: TimeoutConfig = FAST_TIMEOUTS
    rebroadcast_ms: int = 400
    many: int = MANY
    """Up to so many members there are no collectors."""
    patience_ms: int = 150
    """How long a member waits for its collectors."""
    answer: bytes = RIGHT
    outputs: Mapping[int, bytes | None] = field(default_factory=dict)
    """Own outputs that are not ``answer``; None: this member has none."""
    ready_ms: int = 200
    """Own results are ready within this time."""
    slow: Mapping[int, int] = field(default_factory=dict)
    """Member -> when its own result is ready instead."""
    execution_ms: int = 1_000_000
    """The execution deadline."""
    skew: Mapping[int, float] = field(default_factory=dict)
    """Member -> how fast its timers run; 1 is right."""
    down_ms: int = 150
    """How long a member that was struck by a fault stays down."""
    forget: int = 0
    """Inputs at the end of the log that a crash loses: a disk that lied."""
    catch_up: bool = True
    """Whether members ask others for what they missed."""
    any_value: bool = False
    """Whether every value is valid, as in plain Tendermint: then all safety rests on the locks."""
    limit_ms: int = 120_000
    """Who has not decided by then will not."""

    @property
    def faulty_weight(self) -> int:
        """The weight that may not help: dead, misbehaving, without a result, or of another opinion."""
        odd = {
            member
            for member, output in self.outputs.items()
            if output is None or (output != self.answer and not self.any_value)
        }
        return sum(self.weights[member] for member in {*self.adversaries, *self.dead, *odd})

    @property
    def within_bound(self) -> bool:
        """Whether less than a third of the weight is faulty: then the instance must decide.

        A member whose disk forgot is faulty too: what it signed may be lost, and it must not sign otherwise.
        """
        return 3 * self.faulty_weight < sum(self.weights) and not self.forget

    def output_of(self, member: int) -> bytes | None:
        """What this member computes."""
        return self.outputs.get(member, self.answer)
