"""The HTTP API: what it says, and what it does with bad questions."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from p2pavs.api.app import create_app
from p2pavs.api.pages import FILES
from p2pavs.api.view import _state
from p2pavs.journal import EVENTS_PER_TASK, TASKS_KEPT, Journal, Json
from p2pavs.metrics import counter, gauge, render_metrics
from p2pavs.readiness import Condition
from p2pavs.storage import StorageError


class NodeDouble:
    """A node that knows of task 3."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.broken = False
        self.peers = True
        self.asked: list[int] = []

    def status(self) -> dict[str, Json]:
        return {"operator": "0xaa", "peers": []}

    def tasks(self) -> list[dict[str, Json]]:
        return [{"id": 3, "state": "open"}]

    async def certificate(self, task_id: int) -> dict[str, Json] | None:
        await trio.lowlevel.checkpoint()
        self.asked.append(task_id)
        if self.broken:
            raise StorageError("the disk is gone", "Look for it.")
        return {"task": 3, "round": 0} if task_id == 3 else None

    def operators(self) -> list[dict[str, Json]]:
        return [{"operator": "0xaa", "stakeWei": "1"}]

    async def certificate_file(self, task_id: int) -> str | None:
        await trio.lowlevel.checkpoint()
        return '{"format": "x"}' if task_id == 3 else None

    async def evidence(self) -> list[dict[str, Json]]:
        await trio.lowlevel.checkpoint()
        if self.broken:
            raise StorageError("the disk is gone", "Look for it.")
        return [{"task": 3, "offence": "equivocation"}]

    def metrics(self) -> bytes:
        return render_metrics([gauge("chain_head", "The head.", 7), counter("refused", "Refused.", 2)])

    def health(self) -> dict[str, Json]:
        return {"alive": True, "loopLag": 0.0}

    def ready(self) -> list[Condition]:
        return [Condition("chain", True, "block 7"), Condition("peers", self.peers, "one")]


@pytest.fixture
def node() -> NodeDouble:
    return NodeDouble()


@asynccontextmanager
async def client(node: NodeDouble) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(node))
    async with httpx.AsyncClient(transport=transport, base_url="http://node") as made:
        yield made


async def test_what_it_shows(node: NodeDouble) -> None:
    node.journal.add(3, "task", block=10)
    async with client(node) as http:
        assert (await http.get("/status")).json() == {"operator": "0xaa", "peers": []}
        assert (await http.get("/tasks")).json() == [{"id": 3, "state": "open"}]
        (event,) = (await http.get("/tasks/3/events")).json()
        assert event | {"at": 0} == {"seq": 1, "at": 0, "task": 3, "event": "task", "block": 10}
        assert (await http.get("/tasks/3/certificate")).json() == {"task": 3, "round": 0}
        assert (await http.get("/evidence")).json() == [{"task": 3, "offence": "equivocation"}]
        metrics = await http.get("/metrics")
        assert metrics.headers["content-type"].startswith("text/plain")
        assert "p2pavs_chain_head 7.0" in metrics.text
        assert "p2pavs_refused_total 2.0" in metrics.text


async def test_the_explorer_is_served(node: NodeDouble) -> None:
    async with client(node) as http:
        page = await http.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        named = {"/" + path for path in re.findall(r'(?:src|href)="(static/[^"]+)"', page.text)}
        assert named == {"/static/explorer.css", "/static/explorer.js"}
        for path in {path for path in FILES if path != "/"} | named:
            file = await http.get(path)
            assert file.status_code == 200
            tagged = {"if-none-match": file.headers["etag"]}
            assert (await http.get(path, headers=tagged)).status_code == 304
        assert (await http.get("/operators")).json() == [{"operator": "0xaa", "stakeWei": "1"}]
        assert (await http.get("/tasks/3/certificate/file")).json() == {"format": "x"}
        assert (await http.get("/tasks/4/certificate/file")).status_code == 404


async def test_events_of_all_tasks(node: NodeDouble) -> None:
    for number in range(300):
        node.journal.add(number, "task")
    async with client(node) as http:
        found = (await http.get("/events")).json()
        assert [event["seq"] for event in found] == list(range(101, 301))  # the newest, oldest first
        assert (await http.get("/events?after=300")).json() == []
        waited: list[Any] = []

        async def wait() -> None:
            waited.extend((await http.get("/events?after=300&wait=20")).json())

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await wait_all_tasks_blocked()
                node.journal.add(7, "late")
        assert [event["event"] for event in waited] == ["late"]


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/static/", "/static/../app.py", "/tasks/3", "/tasks/x/events", "/tasks/-1/certificate"],
)
async def test_what_is_not_there(node: NodeDouble, path: str) -> None:
    async with client(node) as http:
        assert (await http.get(path, follow_redirects=True)).status_code == 404


@pytest.mark.parametrize("number", ["9" * 19, "9" * 5000, "٣", "3.0", "0x3", "+3", "3 "])
async def test_a_task_has_a_number_of_reasonable_size(node: NodeDouble, number: str) -> None:
    async with client(node) as http:
        for what in ("events", "certificate"):
            assert (await http.get(f"/tasks/{number}/{what}")).status_code == 404
    assert node.asked == []


async def test_unknown_tasks(node: NodeDouble) -> None:
    async with client(node) as http:
        assert (await http.get("/tasks/999999999999999999/events")).json() == []
        answer = await http.get("/tasks/4/certificate")
        assert answer.status_code == 404 and "no certificate" in answer.json()["error"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_it_changes_nothing(node: NodeDouble, method: str) -> None:
    async with client(node) as http:
        assert (await http.request(method, "/tasks")).status_code == 405


async def test_events_after_a_number(node: NodeDouble) -> None:
    for kind in ("one", "two", "three"):
        node.journal.add(3, kind)
    async with client(node) as http:

        async def kinds(after: str) -> list[str]:
            return [e["event"] for e in (await http.get(f"/tasks/3/events?after={after}")).json()]

        assert await kinds("0") == ["one", "two", "three"]
        assert await kinds("2") == ["three"]
        assert await kinds("3") == []
        for nonsense in ("", "x", "-1", "nan", "inf", "1e400", "9" * 5000):
            assert await kinds(nonsense) == ["one", "two", "three"]


async def test_a_long_poll_answers_with_the_first_event(node: NodeDouble, autojump_clock: MockClock) -> None:
    found: list[Any] = []
    async with client(node) as http:

        async def poll() -> None:
            found.append((await http.get("/tasks/3/events?wait=20")).json())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(poll)
            await wait_all_tasks_blocked()
            node.journal.add(4, "of another task")
            await wait_all_tasks_blocked()
            assert found == []
            node.journal.add(3, "news")
    assert [event["event"] for event in found[0]] == ["news"]


@pytest.mark.parametrize(("wait", "seconds"), [("5", 5), ("1e9", 30), ("0", 0), ("nan", 0), ("-3", 0)])
async def test_a_long_poll_ends(
    node: NodeDouble, autojump_clock: MockClock, wait: str, seconds: float
) -> None:
    async with client(node) as http:
        start = trio.current_time()
        assert (await http.get(f"/tasks/3/events?wait={wait}")).json() == []
        assert trio.current_time() - start == pytest.approx(seconds, abs=0.5)


async def test_a_broken_disk_is_said_and_not_a_crash(node: NodeDouble) -> None:
    node.broken = True
    async with client(node) as http:
        for path in ("/evidence", "/tasks/3/certificate"):
            answer = await http.get(path)
            assert answer.status_code == 503
            assert answer.json() == {"error": "the disk is gone Look for it."}
        assert (await http.get("/status")).status_code == 200


def test_the_journal_is_bounded() -> None:
    journal = Journal()
    for number in range(EVENTS_PER_TASK + 10):
        journal.add(1, "event", number=number)
    assert len(journal.events(1)) == EVENTS_PER_TASK
    assert journal.events(1)[0].fields == {"number": 10}
    for task in range(2, TASKS_KEPT + 2):
        journal.add(task, "event")
    assert journal.tasks() == list(range(2, TASKS_KEPT + 2))
    assert journal.events(1) == []


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        ([], "open"),
        (["task", "committee"], "open"),
        (["task", "certificate"], "certificate"),
        (["task", "certificate", "posting", "certified"], "certified"),
        (["task", "certified", "certificate"], "certified"),
        (["task", "certificate", "certified", "settlement_undone"], "certificate"),
        (["task", "certified", "settlement_undone"], "open"),
        (["task", "certified", "settlement_undone", "certified"], "certified"),
        (["task", "certificate", "task_undone"], "undone"),
        (["task", "certificate", "task_undone", "task"], "open"),
        (["task", "expired"], "expired"),
        (["task", "expired", "refunded"], "refunded"),
    ],
)
def test_the_state_of_a_task_is_what_the_chain_said_last(kinds: list[str], state: str) -> None:
    assert _state(kinds) == state


async def test_it_is_alive_whatever_it_is_ready_for(node: NodeDouble) -> None:
    node.peers = False
    async with client(node) as http:
        health, ready = await http.get("/health"), await http.get("/ready")
        assert (health.status_code, health.json()["alive"]) == (200, True)
        assert ready.status_code == 503 and ready.json() == {
            "ready": False,
            "conditions": {
                "chain": {"met": True, "detail": "block 7"},
                "peers": {"met": False, "detail": "one"},
            },
        }
        node.peers = True
        assert (await http.get("/ready")).status_code == 200
