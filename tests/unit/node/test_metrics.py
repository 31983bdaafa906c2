"""The metrics page, what it counts, and what makes a node ready."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families
from trio.testing import MockClock

from inference.stats import OUTCOMES, Counts, WorkerStats
from p2pavs import loop_lag
from p2pavs.journal import Journal
from p2pavs.loop_lag import LoopLag
from p2pavs.metrics import counter, gauge, histogram, render_metrics, worker_metrics
from p2pavs.readiness import BEHIND, STALE, conditions
from p2pavs.tally import Histogram, Tally

NOW = 1_000_000.0


def stats(**values: Any) -> WorkerStats:
    given = {
        "computing": 2,
        "waiting": 3,
        "restarts": 4,
        "crashes": 1,
        "hangs": 5,
        "requests": dict.fromkeys(OUTCOMES, 0) | {"answered": 6},
        "counts": Counts(7, 8, 9, 10, 1.5),
        "tokens_per_second": 11.5,
        "memory": 12,
    }
    return WorkerStats(**(given | values))


def lines(page: bytes) -> set[str]:
    return {line for line in page.decode().splitlines() if not line.startswith("#")}


def test_each_worker_has_its_own_line() -> None:
    page = lines(
        render_metrics(
            worker_metrics(
                [
                    ({"model": "a", "file": "01"}, stats()),
                    ({"model": "b", "file": "02"}, stats(computing=0)),
                ]
            )
        )
    )
    at = '{file="01",model="a"}'
    assert page >= {
        f"p2pavs_inference_computing{at} 2.0",
        'p2pavs_inference_computing{file="02",model="b"} 0.0',
        f"p2pavs_inference_waiting{at} 3.0",
        f"p2pavs_inference_restarts_total{at} 4.0",
        'p2pavs_inference_deaths_total{file="01",how="crash",model="a"} 1.0',
        'p2pavs_inference_deaths_total{file="01",how="hang",model="a"} 5.0',
        'p2pavs_inference_requests_total{file="01",model="a",outcome="answered"} 6.0',
        'p2pavs_inference_requests_total{file="01",model="a",outcome="timed_out"} 0.0',
        'p2pavs_inference_tokens_total{file="01",kind="generated",model="a"} 7.0',
        'p2pavs_inference_tokens_total{file="01",kind="reused",model="a"} 10.0',
        f"p2pavs_inference_busy_seconds_total{at} 1.5",
        f"p2pavs_inference_tokens_per_second{at} 11.5",
        f"p2pavs_inference_memory_bytes{at} 12.0",
    }


def test_a_page_is_what_prometheus_reads() -> None:
    found = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 7.0):
        found.add(value)
    page = render_metrics(
        [
            gauge("head", "The head.", 7),
            counter("seen", "Seen.", 2),
            histogram("wait_seconds", "A wait.", found),
        ]
    ).decode()
    families = {family.name: family for family in text_string_to_metric_families(page)}
    assert families["p2pavs_head"].type == "gauge" and families["p2pavs_seen"].type == "counter"
    buckets = {one.labels.get("le", one.name): one.value for one in families["p2pavs_wait_seconds"].samples}
    assert buckets == {
        "1.0": 2,
        "2.0": 3,
        "+Inf": 4,
        "p2pavs_wait_seconds_count": 4,
        "p2pavs_wait_seconds_sum": 10.0,
    }
    assert families["process_resident_memory_bytes"].samples[0].value > 1_000_000


def test_what_the_tasks_events_add_up_to() -> None:
    tally = Tally()
    journal = Journal(tally.hear)
    for task in (1, 2, 3):
        journal.add(task, "task")
    journal.add(1, "round", round=0)
    journal.add(1, "timeout", round=0, step="propose")
    journal.add(1, "round", round=1)
    journal.add(1, "inference_late")
    journal.add(1, "certificate")
    journal.add(1, "certificate")
    journal.add(1, "posted")
    journal.add(1, "task_over", state="certified", signed=True)
    journal.add(2, "task_over", state="certified", signed=False)
    journal.add(3, "attempt_missed", attempt=0)
    journal.add(3, "task_over", state="expired", signed=None)
    assert (tally.rounds, tally.failed_rounds, tally.missed_attempts, tally.posted) == (2, 1, 1, 1)
    assert (tally.seats, tally.missed_seats) == (2, 1)
    assert tally.timeouts == {"propose": 1, "inference": 1}
    assert tally.outcomes == {"certified": 2, "expired": 1}
    assert dict(tally.decisions.buckets())["+Inf"] == 1, "a decision is counted once"


async def test_a_loop_that_is_held_up_is_late(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = trio.current_time
    late = iter((0.0, 0.3, 0.3, 0.3))
    monkeypatch.setattr(loop_lag.trio, "current_time", lambda: now() + next(late, 0.3))
    lag = LoopLag()
    with trio.move_on_after(0.15):
        await lag.run()
    assert dict(lag.histogram.buckets())["0.25"] == 0 and lag.last >= 0.25


# --- readiness --------------------------------------------------------------------------------------------

KEY, PEER = b"\x01" * 48, "own"


@dataclass
class Record:
    active: bool = True
    consensus_key: bytes = KEY


@dataclass
class NodeDouble:
    """What the conditions look at, all well."""

    follower: Any = field(default_factory=lambda: SimpleNamespace(head=7, behind=0, last_error=None))
    desk: Any = field(default_factory=lambda: SimpleNamespace(head=7, head_time=NOW - 2))
    peers: set[str] = field(default_factory=lambda: {"other"})
    records: Any = field(default_factory=lambda: {PEER: Record(), "other": Record()})
    executors: Any = field(default_factory=lambda: {b"model": None})
    pid: int | None = 1
    failure: Any = None
    signing_keys: Any = field(default_factory=lambda: {KEY})
    signer_error: str | None = None

    @property
    def book(self) -> Any:
        return SimpleNamespace(records=self.records)

    @property
    def network(self) -> Any:
        return SimpleNamespace(peer_id=PEER, connected=lambda: self.peers)

    @property
    def workers(self) -> Any:
        return [SimpleNamespace(pid=self.pid, manifest=SimpleNamespace(name="demo"))]

    @property
    def directory(self) -> Any:
        return SimpleNamespace(database=SimpleNamespace(failure=self.failure))


def unmet(node: NodeDouble) -> dict[str, str]:
    return {one.name: one.detail for one in conditions(cast(Any, node), NOW) if not one.met}


def test_a_node_that_is_well_is_ready() -> None:
    assert unmet(NodeDouble()) == {}
    assert unmet(NodeDouble(peers=set(), records={PEER: Record()})) == {}, "the only operator needs no peer"


def broken() -> Iterator[tuple[NodeDouble, str, str]]:
    well = NodeDouble()
    error = SimpleNamespace(message="The endpoint is gone.")
    yield replace(well, follower=None), "chain", "the chain is not followed yet"
    yield replace(well, desk=SimpleNamespace(head=0, head_time=0)), "chain", "the chain is not followed yet"
    unreachable = SimpleNamespace(head=7, behind=0, last_error=error)
    yield replace(well, follower=unreachable), "chain", "The endpoint is gone."
    behind = SimpleNamespace(head=8 + BEHIND, behind=0, last_error=None)
    yield replace(well, follower=behind), "chain", f"{BEHIND + 1} blocks behind the endpoint"
    stale = SimpleNamespace(head=7, head_time=NOW - STALE - 1)
    yield replace(well, desk=stale), "chain", f"block 7 is {STALE + 1:.0f} s old"
    yield replace(well, peers=set()), "peers", "no peer is connected"
    yield replace(well, executors={}), "models", "no model is served"
    yield replace(well, pid=None), "models", "the worker of demo does not run"
    yield replace(well, signing_keys={b"other"}), "keys", "the registered consensus key is not here"
    yield replace(well, signer_error="The signer is gone."), "keys", "The signer is gone."
    yield replace(well, failure=error), "disk", "The endpoint is gone."
    yield (
        replace(well, records={}),
        "registration",
        "the registry was not read yet, or this peer is of no operator with stake",
    )
    yield (
        replace(well, records={PEER: Record(active=False)}),
        "registration",
        "the operator has left: it works until its last epoch is over",
    )


@pytest.mark.parametrize(("node", "name", "detail"), list(broken()))
def test_what_is_missing_is_named(node: NodeDouble, name: str, detail: str) -> None:
    assert unmet(node) == {name: detail}
