"""What a certified answer costs beside a bare one: ``python -m tests.bench.price [--tokens 128]``.

The same model file, prompts of the same length, the same number of tokens, one thread: llama.cpp called
directly; the canonical runtime in its worker; whole networks of 4 and 7 nodes, in both modes, one task at a
time. Processor time of a network is that of all nodes and workers, less what they take when idle.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import trio

from consensus.types import Mode
from inference.model import ModelFile, demo_model
from inference.request import Request
from inference.worker import ModelWorker
from p2pavs.bench.part import median, run, say
from p2pavs.bench.result import Bars, Cell, Result
from p2pavs.chain.records import InferenceParams
from tests.bench import trace
from tests.bench.processes import Cpu
from tests.bench.requester import Requester
from tests.e2e.harness import Testnet
from tests.faults.measure import cpu_seconds

SIZES = (4, 7)
TEMPERATURE = 40.0  # so hot that most answers go on to their last token
TRIES = 5  # for each answer that is counted: those that end before are not
IDLE_SECONDS = 6.0
PATIENCE = 120.0
SETTLING = 3.0  # seconds after the certificate: nodes still note what the chain says


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one answer: seconds of the clock and of all processors, medians or means as the table says."""

    wall: float
    cpu: float
    computed: float | None = None
    """Seconds from the first beginning of the work to the first certificate, in a network."""


def prompt(number: int) -> str:
    """Some 60 tokens; other words each time, for what a worker has read before costs nothing."""
    text = f"{number}: the delegates asked what the proposal would cost and who would pay for it. "
    return text * 2


def bare(tokens: int, repeats: int) -> Cost:
    """llama.cpp called directly, in a process of its own."""
    # What a worker makes of a prompt, so that both read the same number of tokens.
    template = ModelFile.open(demo_model()).manifest.template
    prompts = [template.replace("{input}", prompt(number)) for number in range(repeats)]
    command = [sys.executable, "-m", "tests.bench.bare_llama", str(demo_model()), "--tokens", str(tokens)]
    command += ["--temperature", str(TEMPERATURE)]
    for text in prompts:
        command += ["--prompt", text]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    runs = json.loads(done.stdout)
    if any(one["tokens"] != tokens for one in runs):
        raise RuntimeError("llama.cpp gave another number of tokens")
    return Cost(median([one["wall"] for one in runs]), median([one["cpu"] for one in runs]))


def question(number: int, tokens: int) -> Request:
    """What a worker is asked."""
    return Request(
        prompt(number).encode(),
        tokens,
        temperature_milli=int(1000 * TEMPERATURE),
        seed=number,
        task_seed=sha256(b"price").digest(),
    )


async def canonical(tokens: int, repeats: int) -> Cost:
    """The canonical runtime in its worker, without a node."""
    walls, cpus = [], []
    async with ModelWorker.open(demo_model(), threads=1) as worker:
        await worker.generate(question(0, tokens))  # the first one warms it up
        for number in range(1, TRIES * repeats):
            assert worker.pid is not None
            spent, begin = cpu_seconds(worker.pid), time.perf_counter()
            answer = await worker.generate(question(number, tokens))
            if len(answer.token_ids) == tokens:
                walls.append(time.perf_counter() - begin)
                cpus.append(cpu_seconds(worker.pid) - spent)
            if len(walls) == repeats:
                break
    return Cost(median(walls), sum(cpus) / len(cpus))  # a mean: the kernel counts in 10 ms


def length(net: Testnet, task: int) -> int:
    """How many tokens a node's answer to a task has."""
    events = net.api(0, f"/tasks/{task}/events")
    return next(int(event["tokens"]) for event in events if event["event"] == "inference_done")


async def tasks(net: Testnet, mode: Mode, tokens: int, repeats: int) -> tuple[Cost, list[int]]:
    """One task after the other; and their numbers."""
    params = InferenceParams(max_tokens=tokens, temperature_milli=int(1000 * TEMPERATURE))
    async with Requester.open(net, tokens) as requester:

        async def one(number: int) -> float:
            known = set(requester.tasks)
            await requester.send(prompt(1000 * int(mode) + number).encode(), params, mode=mode)
            if not await requester.wait(lambda: requester.in_flight == 0, PATIENCE):
                raise RuntimeError("a task was not certified")
            (task,) = set(requester.tasks) - known
            return requester.tasks[task].certified - requester.tasks[task].requested

        await one(0)  # the first task meets connections and caches that are cold
        await trio.sleep(SETTLING)
        idle = Cpu.of(net)
        await trio.sleep(IDLE_SECONDS)
        rate = (Cpu.of(net) - idle).members / IDLE_SECONDS
        walls, spent, numbers = [], [], []
        for number in range(1, TRIES * repeats):
            say(f"{net.nodes} members, {mode.name.lower()}, answer {len(numbers) + 1} of {repeats}")
            before, begin = Cpu.of(net), time.monotonic()
            wall = await one(number)
            await trio.sleep(SETTLING)
            cpu = (Cpu.of(net) - before).members - rate * (time.monotonic() - begin)
            task = max(requester.tasks)
            if length(net, task) == tokens:
                walls.append(wall)
                spent.append(cpu)
                numbers.append(task)
            if len(numbers) == repeats:
                break
    computed = [trace.computed_seconds(net, task) for task in numbers]
    return Cost(median(walls), max(0.0, sum(spent) / len(spent)), median(computed)), numbers


def measure(options: argparse.Namespace) -> Result:
    """All rows, the trace of one task of each mode with four members."""
    result = Result()
    tokens, repeats = options.tokens or (32 if options.quick else 128), options.repeats
    sizes = SIZES[:1] if options.quick else SIZES
    say("llama.cpp called directly")
    rows: dict[str, Cost] = {"llama.cpp, called directly": bare(tokens, repeats)}
    say("the canonical runtime")
    rows["canonical runtime, one worker"] = trio.run(canonical, tokens, repeats)
    for nodes in sizes:
        say(f"a test network of {nodes} nodes begins")
        with (
            tempfile.TemporaryDirectory(prefix="p2pavs-price-") as directory,
            Testnet.start(Path(directory) / "net", nodes) as net,
        ):
            for mode in (Mode.REPLICATE, Mode.VERIFY):
                cost, numbers = trio.run(tasks, net, mode, tokens, repeats)
                rows[f"{mode.name.lower()}, {nodes} members"] = cost
                if nodes == SIZES[0]:
                    trace.add(result, net, numbers, mode.name.lower())
    base = rows["llama.cpp, called directly"]
    cells: list[tuple[Cell, ...]] = [
        (name, cost.computed, cost.wall, cost.wall / base.wall, cost.cpu, cost.cpu / base.cpu)
        for name, cost in rows.items()
    ]
    result.table(
        ("", "work and agreement s", "wall s", "times", "CPU s", "times"),
        cells,
        f"demo model, answers of {tokens} tokens, one thread, blocks of 1 s; a network's wall is from the "
        "request's block to the certificate's; CPU: all nodes and workers",
    )
    result.bars.append(
        Bars(
            "Processor time of one answer", "s", ("CPU s",), {name: (one.cpu,) for name, one in rows.items()}
        )
    )
    for name, cost in rows.items():
        mode, _, members = name.partition(", ")
        result.measured(
            "price_of_trust",
            {"wall_s": cost.wall, "cpu_s": cost.cpu, "wall_times": cost.wall / base.wall}
            | {"cpu_times": cost.cpu / base.cpu},
            how=mode,
            members=int(members.split()[0]) if "members" in members else 1,
            model="demo",
            answer_tokens=tokens,
        )
    return result


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tokens", type=int, help="of each answer (128)")


if __name__ == "__main__":
    sys.exit(run(measure, repeats=5, quick_repeats=2, add_options=add_options, description=__doc__))
