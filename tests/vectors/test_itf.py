"""The Tendermint traces of malachite's Quint model against our state machine, vote keeper and driver."""

from __future__ import annotations

from pathlib import Path

import pytest

from consensus import round_state
from consensus.round_state import RoundState
from consensus.types import Step
from tests.vectors.itf import main, replay
from tests.vectors.itf_model import Difference, read
from tests.vectors.report import vectors_folder

FOLDER = vectors_folder() / "malachite-itf"
PATHS = sorted(FOLDER.iterdir()) if FOLDER.is_dir() else []
needs_vectors = pytest.mark.skipif(
    not PATHS, reason=f"no traces in {FOLDER}: set P2PAVS_VECTORS to the folder that holds malachite-itf"
)


@needs_vectors
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_every_trace_replays(path: Path) -> None:
    compared = sum(replay(trace).compared for _, trace in read(path))
    assert compared > 0


@needs_vectors
def test_all_three_kinds_of_trace_are_there() -> None:
    names = {name for path in PATHS for name, _ in read(path)}
    assert sum(name.startswith("random/") for name in names) == 150
    assert sum(name.startswith("multi/") for name in names) == 9
    assert any("votekeeperTest" in name for name in names)


@needs_vectors
def test_a_wrong_state_machine_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that precommits a polka without locking passes for a while, but not 150 random walks."""
    right = round_state.apply

    def forgets_lock(
        state: RoundState, info: round_state.Info, event: round_state.RoundInput
    ) -> round_state.Transition:
        after, outputs = right(state, info, event)
        if after.step is Step.PRECOMMIT and state.step is Step.PREVOTE:
            after = RoundState(after.round, after.step, state.locked_value, state.locked_round)
        return after, outputs

    monkeypatch.setattr(round_state, "apply", forgets_lock)
    with pytest.raises(Difference):
        for path in PATHS:
            for _, trace in read(path):
                replay(trace)


def test_a_run_that_replays_nothing_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main([str(tmp_path)]) == 2
    assert main([str(tmp_path / "missing.itf.json")]) == 2
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "other.itf.json").write_text('{"vars": ["weather"], "states": []}')
    assert main([str(tmp_path)]) == 1
    assert "no known kind of trace" in capsys.readouterr().out
