"""Two members compute the same bits for 200 random requests; ``python -m tests.honest_runs`` does more."""

from __future__ import annotations

import trio

from inference.model import demo_model
from tests import honest_runs


async def test_honest_members_never_disagree() -> None:
    with trio.fail_after(1800):
        async with honest_runs.members(demo_model()) as (generator, checker):
            tally = await honest_runs.runs(generator, checker, 200, seed=7)
    assert tally.mismatches == []
    assert tally.runs == 200
    assert tally.tokens > 1000
