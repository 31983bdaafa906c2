"""How long a member waits in each step. Later rounds wait longer, until they are long enough."""

from __future__ import annotations

from dataclasses import dataclass

from consensus.types import Step


@dataclass(frozen=True, slots=True)
class TimeoutConfig:
    """Milliseconds per step, and how many more with each round. ``max_ms`` caps every one of them."""

    propose_ms: int = 3000
    propose_delta_ms: int = 500
    prevote_ms: int = 1000
    prevote_delta_ms: int = 500
    precommit_ms: int = 1000
    precommit_delta_ms: int = 500
    max_ms: int = 60_000

    def __post_init__(self) -> None:
        bases = (self.propose_ms, self.prevote_ms, self.precommit_ms, self.max_ms)
        deltas = (self.propose_delta_ms, self.prevote_delta_ms, self.precommit_delta_ms)
        if min(bases) <= 0:
            raise ValueError("timeouts are at least 1 ms: a timer of 0 ms would end a round before it began")
        if min(deltas) <= 0:
            raise ValueError(
                "timeouts grow by at least 1 ms a round: without growth a slow network never decides"
            )

    def duration(self, step: Step, round_: int) -> int:
        """Return milliseconds for a step that has a timer; raises ``ValueError`` for one that has none."""
        match step:
            case Step.PROPOSE:
                base, delta = self.propose_ms, self.propose_delta_ms
            case Step.PREVOTE:
                base, delta = self.prevote_ms, self.prevote_delta_ms
            case Step.PRECOMMIT:
                base, delta = self.precommit_ms, self.precommit_delta_ms
            case Step.UNSTARTED | Step.COMMIT:
                raise ValueError(f"the step {step.name} has no timer")
        return min(base + delta * max(round_, 0), self.max_ms)
