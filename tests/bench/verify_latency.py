"""How far behind the last token a certificate is: ``python -m tests.bench.verify_latency [--tasks 8]``.

Whole networks on this machine, every node its own process, tasks in verify mode with long answers: of the
demo model with four nodes, and of a model of 0.5 B parameters with random weights with three. All times are
seconds behind the moment at which the node that generates had its result: when more than two thirds of the
nodes had checked the answer, and when the first node and the middle one had the certificate. What lies
between is consensus. "Left" are the tokens that these two thirds had not checked yet at that moment: of the
node that had checked least. What a chunk takes is the processor time of the workers that check, for each
chunk of 32 tokens, the reading of the prompt included.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.trace import CHUNK_TOKENS
from p2pavs.bench.part import median, run, say
from p2pavs.bench.result import Result
from tests.bench.processes import node_pids, processor_seconds
from tests.bench.verify_mode import LARGER, random_model
from tests.e2e.harness import Testnet
from tests.faults.measure import children

HOT = ["--mode", "verify", "--temperature", "10", "--deadline", "300"]
CONTEXT = 512  # tokens, of a model with random weights
NODES, TASKS, TOKENS = 4, 8, 300
LARGER_NODES, LARGER_TASKS = 3, 4  # what two cores can compute at the same time


@dataclass(frozen=True, slots=True)
class Behind:
    """Of one task: tokens, and seconds behind the last of them."""

    leader: int
    tokens: int
    left: int
    checked: float
    first: float
    middle: float


def behind(net: Testnet, task: int, tokens: int) -> Behind | None:
    """Read the nodes' events. None if another than the first in rank had to generate, or several did."""
    ranks, done, certified = [], {}, []
    steps: dict[int, list[dict[str, Any]]] = {}
    leader = -1
    for index in range(net.nodes):
        events = net.api(index, f"/tasks/{task}/events")
        at = {event["event"]: event["at"] for event in events}
        found = [event["rank"] for event in events if event["event"] == "generating"]
        ranks += found
        leader = index if found else leader
        steps[index] = [event for event in events if event["event"] == "inference"]
        if "inference_done" in at:
            done[index] = at["inference_done"]
        if "certificate" in at:
            certified.append(at["certificate"])
    if ranks != [0] or leader not in done or len(done) < net.nodes or len(certified) < net.nodes:
        return None
    last = done[leader]
    quorum = sorted(done, key=lambda index: done[index])[: 2 * net.nodes // 3 + 1]  # all have the same stake
    ready = [sum(s["tokens"] for s in steps[i] if s["at"] <= last) for i in quorum if done[i] > last]
    left = tokens - min(ready, default=tokens)
    needed = max(done[index] for index in quorum)
    middle = median(certified)
    return Behind(leader, tokens, left, max(0.0, needed - last), min(certified) - last, middle - last)


@contextmanager
def network(directory: Path, nodes: int, shape: str | None) -> Iterator[tuple[Testnet, list[str]]]:
    """A running network that serves the model, and the options that name it in a request."""
    if shape is None:
        with Testnet.start(directory / "net", nodes) as net:
            yield net, []
        return
    model = random_model(shape, directory, "--context", str(CONTEXT))
    options = {index: ["--model", str(model)] for index in range(nodes)}
    with Testnet.start(directory / "net", nodes, options=options, running=False) as net:
        layout = net.network.layout
        chain = ["--rpc", net.network.state.rpc, "--deployment", str(layout.deployment)]
        key = ["--key-file", str(layout.deployer_key)]
        net.command("model", "register", "--file", str(model), *key, *chain)
        net.start_nodes()
        yield net, ["--model", shape]


def chunk_seconds(one: Behind, spent: list[float]) -> list[float]:
    """Processor seconds that each follower's worker took for a chunk; ``spent``: by all workers, by node."""
    chunks = -(-one.tokens // CHUNK_TOKENS)
    return [seconds / chunks for node, seconds in enumerate(spent) if node != one.leader]


def worker_seconds(net: Testnet) -> list[float]:
    """Processor seconds of each node's worker so far."""
    return [sum(map(processor_seconds, children(pid))) for pid in node_pids(net)]


def one_network(result: Result, shape: str | None, nodes: int, tasks: int, tokens: int) -> None:
    """Add the table of one network, in which one task comes after the other."""
    found: list[Behind] = []
    chunks: list[float] = []
    say(f"a test network of {nodes} nodes begins")
    with (
        tempfile.TemporaryDirectory(prefix="p2pavs-verify-") as directory,
        network(Path(directory), nodes, shape) as (net, named),
    ):
        for number in range(tasks):
            say(f"task {number + 1} of {tasks}")
            asked = ["--seed", str(number), "--max-tokens", str(tokens), *HOT, *named]
            before = worker_seconds(net)
            answer = net.request("Once the proposal", wait=True, options=asked)
            one = behind(net, answer["task"], answer["tokens"])
            if one is None:
                continue
            found.append(one)
            spent = [after - earlier for after, earlier in zip(worker_seconds(net), before, strict=True)]
            chunks += chunk_seconds(one, spent)
            say(f"{one}")
    if not found:
        raise RuntimeError("in no task one node alone generated, and all events were there")
    lines = (
        ("tokens of the answer", [float(o.tokens) for o in found]),
        ("tokens left to check, of two thirds of the nodes", [float(o.left) for o in found]),
        ("two thirds have checked, s", [o.checked for o in found]),
        ("first certificate, s", [o.first for o in found]),
        ("half the nodes have the certificate, s", [o.middle for o in found]),
        ("checking a chunk, CPU s of a worker", chunks),
    )
    name = shape or "demo model"
    result.table(
        ("behind the generating node's last token", "median", "most"),
        [(name, median(values), max(values)) for name, values in lines],
        f"{name}, {nodes} nodes, {len(found)} tasks",
    )
    if skipped := tasks - len(found):
        result.notes.append(
            f"{name}: {skipped} tasks are left out: more than one node generated, or an event is missing."
        )


def measure(options: argparse.Namespace) -> Result:
    """One network as the options say; without them those of the demo model and of a larger one."""
    result = Result()
    tokens = options.tokens
    tasks = options.tasks or (2 if options.quick else TASKS)
    one_network(result, options.shape, options.nodes or NODES, tasks, tokens)
    if not (options.quick or options.shape or options.nodes):
        say(f"a model of the shape {LARGER} is made")
        one_network(result, LARGER, LARGER_NODES, options.tasks or LARGER_TASKS, tokens)
    return result


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", type=int, help=f"only one network, of so many nodes ({NODES})")
    parser.add_argument("--tasks", type=int, help=f"({TASKS}, larger model {LARGER_TASKS}; --quick: 2)")
    parser.add_argument("--tokens", type=int, default=TOKENS)
    parser.add_argument("--shape", help="only a model of this shape with random weights, as qwen2-0.5b")


if __name__ == "__main__":
    sys.exit(run(measure, repeats=None, add_options=add_options, description=__doc__))
