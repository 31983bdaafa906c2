"""What verify mode saves: ``python -m tests.bench.verify_mode [--model FILE | --shape qwen2-0.5b]``.

Processor time of the model workers of a committee of 7: replicate is 7 times what one worker takes to
generate an answer; verify is what the worker takes that generates, and 6 times what one takes that follows
it, chunk by chunk as they come, with the node's own code between them. Processor time, because other
programs on the machine hardly touch it. The nodes' own work (gossip, signatures) is not in it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import trio

from consensus.messages import Message, OutputChunk
from consensus.types import InstanceId
from inference.model import demo_model
from inference.request import Generation, Progress, Request
from inference.trace import CHUNK_TOKENS
from inference.worker import Guide, ModelWorker
from p2pavs.bench.part import median, run, say
from p2pavs.bench.result import Result
from p2pavs.execution import Execution, execution_of
from p2pavs.relay import Patience, Relay
from p2pavs.streaming import Stream
from tests.bench.processes import processor_seconds

MEMBERS = 7
HERE = InstanceId(1, 0)
LEADER, FOLLOWER = 0, 1
LARGER, LARGER_PROMPT = "qwen2-0.5b", 48  # what is measured beside the demo model, once; bytes are its tokens


def spent_by(worker: ModelWorker) -> float:
    """Processor seconds of a worker so far."""
    assert worker.pid is not None
    return processor_seconds(worker.pid)


@dataclass
class Seat:
    """One member's execution, and what it cost."""

    index: int
    worker: ModelWorker
    request: Request
    other: Seat | None = None
    stream: Stream | None = None
    cost: float = 0.0
    after: float = 0.0  # processor seconds behind the leader's last token
    ended: float = 0.0
    answer: Generation | None = None

    def open(self) -> None:
        relay = Relay(HERE, range(MEMBERS), self.index, Patience(600, 600), trio.current_time())
        self.stream = Stream(relay, self.request.max_tokens, self.say, str, lambda kind, **fields: None)

    async def say(self, message: Message) -> None:
        assert isinstance(message, OutputChunk)
        if self.other is not None and self.other.stream is not None:
            self.other.stream.hear(message)
        await trio.lowlevel.checkpoint()

    async def run(self) -> None:
        assert self.stream is not None
        begin = spent_by(self.worker)
        await self.stream.run(self._compute)
        self.ended = time.perf_counter()
        self.cost = spent_by(self.worker) - begin
        if self.index == LEADER and self.other is not None:
            self.other.after = spent_by(self.other.worker)
        elif self.after:
            self.after = spent_by(self.worker) - self.after

    async def _compute(self, progress: object, guide: Guide | None = None) -> Execution:
        def tell(one: Progress) -> None:
            progress(one)  # type: ignore[operator]

        self.answer = await self.worker.generate(self.request, tell, guide=guide)
        return execution_of(self.answer, bytes(32))


def question(number: int, length: int, tokens: int) -> Request:
    """A prompt of so many bytes; hot, so that the answer is as long as it may be."""
    text = f"Question {number}: the delegates asked what the proposal would cost and who would pay for it. "
    return Request(
        (text * (length // len(text) + 1)).encode()[:length],
        tokens,
        temperature_milli=40_000,
        seed=number,
        task_seed=sha256(b"bench").digest(),
    )


async def alone(worker: ModelWorker, request: Request) -> tuple[float, Generation]:
    """Processor seconds of generating by itself."""
    begin = spent_by(worker)
    answer = await worker.generate(request)
    return spent_by(worker) - begin, answer


async def one_model(
    model: Path, length: int, tokens: int, repeats: int, threads: int, result: Result
) -> None:
    """Add the table of one model."""
    replicate, leads, follows, afters, lags, lengths = [], [], [], [], [], []
    async with (
        ModelWorker.open(model, threads=threads) as one,
        ModelWorker.open(model, threads=threads) as two,
        ModelWorker.open(model, threads=threads) as three,
    ):
        for worker in (one, two, three):
            await worker.generate(question(repeats, length, 8))
        for number in range(repeats):
            say(f"run {number + 1} of {repeats}")
            # One worker for each part, as a prompt that a worker has read before costs it nothing.
            request = question(number, length, tokens)
            cost, answer = await alone(three, request)
            replicate.append(cost)
            lengths.append(answer.token_count)
            leader, follower = Seat(LEADER, one, request), Seat(FOLLOWER, two, request)
            leader.other, follower.other = follower, leader
            leader.open()
            follower.open()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follower.run)
                nursery.start_soon(leader.run)
            assert leader.answer is not None and follower.answer is not None
            assert answer.trace_secret == leader.answer.trace_secret == follower.answer.trace_secret
            leads.append(leader.cost)
            follows.append(follower.cost)
            afters.append(max(0.0, follower.after))
            lags.append(follower.ended - leader.ended)
    whole = MEMBERS * median(replicate)
    verify = median(leads) + (MEMBERS - 1) * median(follows)
    chunk = median(follows) / -(-median(lengths) // CHUNK_TOKENS)
    result.table(
        ("", "CPU s", ""),
        [
            ("generating alone", median(replicate), ""),
            ("generating for others", median(leads), ""),
            ("following", median(follows), f"{median(follows) / median(leads):.2f} of generating"),
            (f"committee of {MEMBERS}, replicate", whole, ""),
            (f"committee of {MEMBERS}, verify", verify, f"{verify / whole:.2f} of replicate"),
            ("following, for each chunk", chunk, ""),
            ("behind the leader's last token", median(afters), f"{median(lags):.3f} s on the clock"),
        ],
        f"{model.name}: {answer.prompt_tokens} tokens of prompt, {median(lengths):.0f} of answer, "
        f"{threads} thread(s), median of {repeats}",
    )
    result.measured(
        "verify_mode",
        {"replicate_cpu_s": whole, "verify_cpu_s": verify, "verify_share": verify / whole},
        members=MEMBERS,
        model=model.stem,
        threads=threads,
        prompt_tokens=answer.prompt_tokens,
        answer_tokens=round(median(lengths)),
    )


def random_model(shape: str, directory: Path, *options: str) -> Path:
    """A model with random weights and its manifest; ``options`` are of ``inference.golden``."""
    path = directory / f"{shape}.gguf"
    golden = ["--prompt", "a golden prompt", "--template", "Q: {input} A:", *options]
    for command in (
        ["-m", "inference.random_model", str(path), "--shape", shape],
        ["-m", "inference.golden", str(path), *golden],
    ):
        subprocess.run([sys.executable, *command], check=True)
    return path


def measure(options: argparse.Namespace) -> Result:
    """Measure a given model, or one with random weights; else the demo model, and beside it a larger one."""
    result = Result()
    tokens = options.tokens or (64 if options.quick else 256)
    with tempfile.TemporaryDirectory() as directory:

        def add(model: Path, prompt: int, repeats: int, threads: int) -> None:
            trio.run(one_model, model, prompt, tokens, repeats, threads, result)

        if options.shape:
            model = random_model(options.shape, Path(directory))
        else:
            model = options.model or demo_model()
        add(model, options.prompt, options.repeats, options.threads)
        if not (options.shape or options.model or options.quick):
            say(f"a model of the shape {LARGER} is made")
            model = random_model(LARGER, Path(directory))
            for threads in (1, 2):
                add(model, LARGER_PROMPT, 1, threads)
    return result


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", type=Path, help="measure this model (default: the demo model, and one of 0.5 B)"
    )
    parser.add_argument("--shape", help="make a model of this shape with random weights, and measure that")
    parser.add_argument(
        "--prompt",
        type=int,
        default=192,
        help="bytes of the question (192: some 60 tokens of the demo model; for --shape a byte is a token)",
    )
    parser.add_argument("--tokens", type=int, help="of the answer (256)")
    parser.add_argument("--threads", type=int, default=1, help="of each worker")


if __name__ == "__main__":
    sys.exit(run(measure, repeats=5, add_options=add_options, description=__doc__))
