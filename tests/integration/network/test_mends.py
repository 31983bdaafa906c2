"""Each mend against the defect it cures: the same program with stock libp2p and with the mended one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from p2pavs.network import mends
from p2pavs.network.mends import LIBP2P_VERSION, WrongLibp2pVersion, apply_all, check_version
from tests.integration.network import scenarios

ROOT = Path(__file__).parents[3]

# scenario: what stock libp2p does, what the mended one does
EXPECTED: dict[str, tuple[Any, Any]] = {
    "garbage_protobuf": ("dead", "alive"),
    "undecodable_key": ("dead", "alive"),
    "negotiation_not_utf8": ("dead", "alive"),
    "negotiation_line_of_16_mib": ("reads on", "reset"),
    "handler_raises": ("dead", "alive"),
    "validator_raises": ("dead", "alive"),
    "stream_before_service": ("dead", "alive"),
    "heartbeat_fails_once": ("dead", "alive"),
    "many_tasks_of_one_task": ("dead", "alive"),
    "inbound_connections_in_a_life": (10, 15),
    "opportunistic_grafts": (2, 0),
    "control_messages": (
        [["topic 0"], ["topic 0", "topic 1"], ["topic 0", "topic 1", "topic 2"]],
        [["topic 0"], ["topic 1"], ["topic 2"]],
    ),
    "publishing_before_the_mesh": (0, 4),
    "burst_of_200": (32, 200),
    "negotiation_times_out_once": ("unknown", "registered"),
    "subscribed_while_registering": ("unheard", "announced"),
    "two_registrations_at_once": (2, 1),
    "old_stream_dies_late": ("forgotten", "remembered"),
    "silent_peer": ("connected", "noticed"),
    "dial_after_failed_dial": ("negative cache", "connected"),
    "known_and_not_wanted": ("connected", "left alone"),
    "streams_of_one_peer": (100, 64),
    "reset_with_unread_data": (1, 0),
    "more_than_the_window": ("kept", "closed"),
    "a_peer_without_gossip_in_the_log": ("lines", "silent"),
}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, Any]]:
    """Run both programs at the same time: most of their time is waiting."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = {
        mode: subprocess.Popen(
            [sys.executable, "-m", scenarios.__name__, mode],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
        )
        for mode in ("stock", "mended")
    }
    results: dict[str, dict[str, Any]] = {}
    for mode, process in running.items():
        try:
            output, _ = process.communicate(timeout=600)
        finally:
            process.kill()
        lines = [json.loads(line) for line in output.splitlines() if line.startswith(b'{"name"')]
        results[mode] = {line["name"]: line["outcome"] for line in lines}
    return results


@pytest.mark.parametrize("name", EXPECTED)
def test_defect_is_there_without_the_mend(name: str, outcomes: dict[str, dict[str, Any]]) -> None:
    assert outcomes["stock"].get(name) == EXPECTED[name][0]


@pytest.mark.parametrize("name", EXPECTED)
def test_defect_is_gone_with_the_mend(name: str, outcomes: dict[str, dict[str, Any]]) -> None:
    assert outcomes["mended"].get(name) == EXPECTED[name][1]


def test_every_scenario_has_an_expectation() -> None:
    assert set(scenarios.SCENARIOS) == set(EXPECTED)


@pytest.mark.parametrize("installed", ["0.8.0", "0.8.2", "0.8.1.post1", None])
def test_another_version_of_libp2p_is_refused(installed: str | None) -> None:
    with pytest.raises(WrongLibp2pVersion, match=f"pip install libp2p=={LIBP2P_VERSION}"):
        check_version(installed)


def test_nothing_is_applied_to_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[str] = []
    monkeypatch.setattr(mends, "_installed_version", lambda: "0.9.0")
    monkeypatch.setattr(mends, "MENDS", (("another", lambda: applied.append("another")),))
    with pytest.raises(WrongLibp2pVersion):
        apply_all()
    assert applied == []


def test_mends_are_applied_once() -> None:
    from libp2p.pubsub.pubsub import Pubsub

    apply_all()
    before = dict(vars(Pubsub))
    apply_all()
    assert dict(vars(Pubsub)) == before
