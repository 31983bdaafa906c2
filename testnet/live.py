"""A start, and the network after it, as a picture that moves. Only on a terminal."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live as Screen

from testnet.layout import Layout
from testnet.lines import FIRST_TASK
from testnet.network import Network, NetworkFailed, node_name
from testnet.picture import LEAST_WIDTH, draw, room_for_hints
from testnet.picture import hints as draw_hints
from testnet.scene import Node, Scene, Story
from testnet.startup import peer_count

PERIOD = 0.4  # seconds between looks at the nodes
FRAMES = 5  # a second
CERTIFIED_SECONDS = 180.0
_LONGEST_ANSWER = 300  # characters


def can_draw() -> bool:
    """Whether standard output is a terminal that takes the picture."""
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        return False
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return utf8 and Console().width >= LEAST_WIDTH


class Live:
    """A Face, see testnet.report. A thread looks at the nodes; all that it learns goes into the scene."""

    def __init__(self, layout: Layout, console: Console | None = None) -> None:
        self.console = console or Console()
        self.scene = Scene(str(layout.directory))
        self._mutex = threading.Lock()
        self._over = threading.Event()
        self._seen: dict[tuple[int, int], int] = {}  # the last event known, by node and task

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the scene as it is now."""
        with self._mutex:
            yield draw(self.scene, console.width, console.height, time.time())

    def begin(self, title: str) -> None:
        """See Report."""
        with self._mutex:
            self.scene.begin(title)

    def done(self, title: str, said: str, seconds: float) -> None:
        """See Report."""
        with self._mutex:
            self.scene.done(title, said, seconds)

    @contextmanager
    def showing(self, network: Network, nodes: int) -> Iterator[None]:
        """See Face."""
        watcher = threading.Thread(target=self._watch, args=(network, nodes), daemon=True)
        with Screen(self, console=self.console, refresh_per_second=FRAMES, vertical_overflow="ellipsis"):
            watcher.start()
            try:
                yield
            finally:
                self._over.set()
                watcher.join(2 * PERIOD)

    def ask(self, network: Network, prompt: str, choices: str | None) -> None:
        """Ask through the command line and let the nodes tell what happens. Raises NetworkFailed."""
        with self._mutex:
            self.scene.story = story = Story(int(FIRST_TASK), _printable(prompt), _printable(choices or ""))
        options = ["--choices", choices] if choices else []
        said = network.command("request", "--no-wait", "--json", *options, "--", prompt).splitlines()
        posted = json.loads(said[-1])
        with self._mutex:
            story.fee, story.request_gas = _ether(int(posted["feeWei"])), int(posted["requestGas"])
        deadline = time.monotonic() + CERTIFIED_SECONDS
        while story.certified_at is None:
            if story.ended or time.monotonic() > deadline:
                raise NetworkFailed(
                    f"task {story.task} was not certified ({story.ended or 'no answer yet'})."
                )
            for index in range(len(self.scene.nodes)):
                if not network.running(node_name(index)):
                    raise NetworkFailed(network.obituary(index))
            time.sleep(0.1)
        checked = json.loads(network.command("certificate", "verify", FIRST_TASK, "--json"))
        with self._mutex:
            story.answer, story.verified = _printable(checked["output"]), bool(checked["verified"])

    def certified(self, seconds: float, hints: list[tuple[str, str]]) -> None:
        """See Face."""
        with self._mutex:
            self.scene.first_after = seconds
            self.scene.hints = [*hints, ("", "Ctrl-C stops everything that was started.")]
        if not room_for_hints(self.scene, self.console.height):
            self.console.print(draw_hints(self.scene))  # above the picture, and scrolls away

    def follow(self, network: Network, nodes: int) -> None:
        """Show the network until its chain ends."""
        mourned: set[int] = set()
        while network.running("anvil"):
            for index in range(nodes):
                if network.running(node_name(index)):
                    mourned.discard(index)
                elif index not in mourned:
                    mourned.add(index)
                    log = network.layout.log(node_name(index))
                    with self._mutex:
                        self.scene.notes.append(f"{node_name(index)} ended by itself: {log}")
            time.sleep(PERIOD)
        with self._mutex:
            self.scene.notes.append("the chain has ended, and with it this network")

    # -- looking --------------------------------------------------------------------------------------

    def _watch(self, network: Network, nodes: int) -> None:
        while not self._over.wait(PERIOD):
            for index in range(nodes):
                self._look(network, index)
            self._read_answer(network)

    def _look(self, network: Network, index: int) -> None:
        """Take the status of one node, and what is new of the task that is shown."""
        started = node_name(index) in network.state.processes
        status = _ask(network, index, "/status") if index in network.state.apis else None
        with self._mutex:
            if started:
                node = self.scene.nodes.setdefault(index, Node())
                node.running = network.running(node_name(index))
            if not isinstance(status, dict):
                return
            try:
                self._take(index, status)
            except (KeyError, TypeError, ValueError):
                return  # of another version
            story = self.scene.story
        if story is None:
            return
        after = self._seen.get((index, story.task), 0)
        events = _ask(network, index, f"/tasks/{story.task}/events?after={after}")
        with self._mutex:
            for event in events if isinstance(events, list) else []:
                story.tell(event, self.scene.nodes[index].operator)
                self._seen[index, story.task] = int(event["seq"])

    def _take(self, index: int, status: Mapping[str, Any]) -> None:
        scene, node = self.scene, self.scene.nodes[index]
        node.operator, node.peers = str(status["operator"]), peer_count(dict(status))
        scene.epoch, scene.head = int(status["chain"]["epoch"]), int(status["chain"]["head"])
        scene.tasks = dict(Counter(str(task["state"]) for task in status["tasks"]))
        newest = max((int(task["id"]) for task in status["tasks"]), default=0)
        if newest > (0 if scene.story is None else scene.story.task):
            scene.story = Story(newest)

    def _read_answer(self, network: Network) -> None:
        """The answer of a task that somebody else asked: as a node has it, not verified here."""
        story = self.scene.story
        if story is None or story.answer is not None or story.certified_at is None:
            return
        if self.scene.first_after is None:
            return  # the first task's answer comes from the command that verifies it
        for index in network.state.apis:
            found = _ask(network, index, f"/tasks/{story.task}/certificate")
            if isinstance(found, dict):
                output = bytes.fromhex(str(found["output"]).removeprefix("0x"))
                with self._mutex:
                    story.answer = _printable(output.decode(errors="replace"))
                return


def _ask(network: Network, index: int, path: str) -> Any:
    try:
        return network.api(index, path)
    except (OSError, ValueError, KeyError, HTTPException):
        return None  # not ready, or it has just ended


def _printable(text: str) -> str:
    """Text of a model or a person, harmless for a terminal and not too long."""
    short = text if len(text) <= _LONGEST_ANSWER else text[:_LONGEST_ANSWER] + "..."
    return "".join(c if c.isprintable() else " " for c in short)


def _ether(wei: int) -> str:
    return f"{wei / 10**18:.6f}".rstrip("0").rstrip(".") + " ETH"
