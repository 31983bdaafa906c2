from __future__ import annotations

import pytest

from consensus.timeouts import TimeoutConfig
from consensus.types import Step

CONFIG = TimeoutConfig(
    propose_ms=300,
    propose_delta_ms=100,
    prevote_ms=200,
    prevote_delta_ms=50,
    precommit_ms=150,
    precommit_delta_ms=25,
    max_ms=1000,
)


@pytest.mark.parametrize(
    ("step", "first", "third"),
    [(Step.PROPOSE, 300, 500), (Step.PREVOTE, 200, 300), (Step.PRECOMMIT, 150, 200)],
)
def test_each_step_has_its_own_and_it_grows(step: Step, first: int, third: int) -> None:
    assert (CONFIG.duration(step, 0), CONFIG.duration(step, 2)) == (first, third)


def test_it_is_capped() -> None:
    assert CONFIG.duration(Step.PROPOSE, 2**31 - 1) == 1000


@pytest.mark.parametrize("step", [Step.UNSTARTED, Step.COMMIT])
def test_other_steps_have_none(step: Step) -> None:
    with pytest.raises(ValueError, match="has no timer"):
        CONFIG.duration(step, 0)


def test_zero_and_constant_timeouts_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 ms: a timer"):
        TimeoutConfig(prevote_ms=0)
    with pytest.raises(ValueError, match="grow by at least"):
        TimeoutConfig(precommit_delta_ms=0)
