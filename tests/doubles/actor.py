"""A node that does what the file ``act.json`` in its data directory says: dies at a given instant, or cheats.

``python -m tests.doubles.actor node ...`` takes the place of ``p2pavs node ...``. Without the file it is an
honest node. The file is read at each step:

    {"die": "proposal"}      before its next proposal of round 0 leaves (it is signed and on disk)
    {"die": "prevote"}       after its next prevote was published
    {"die": "precommit"}     before its next precommit leaves (it is signed and on disk)
    {"die": "inference"}     when it begins to compute
    {"die": "posting"}       when it is about to post its next certificate
    {"cheat": "wrong"}       certifies, if it can, another output than the model's
    {"cheat": "lazy"}        computes nothing: copies the proposal and invents a work tag
    {"cheat": "edit"}        edits a token of each chunk that it publishes in verify mode
    {"cheat": "flip"}        computes one token's logits wrongly, and says so to whoever asks
    {"cheat": "equivocate"}  says two things in one round: sends a second precommit, for another value

    {"slow": 5}              takes five times as long to compute

"die" happens once: the file is removed first.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from consensus.hashing import keccak256
from consensus.messages import Message, OutputChunk, Proposal, Vote
from consensus.signing import statement
from consensus.types import InstanceId, Kind, ValueId
from inference.errors import InferenceError
from p2pavs.cli import node as node_command
from p2pavs.cli.main import run
from p2pavs.execution import Execution, Executor, OnProgress
from p2pavs.node_config import Parts
from p2pavs.open_task import DeskParts
from p2pavs.task_desk import TaskDesk
from tests.doubles.forgery import forged

if TYPE_CHECKING:
    from inference.worker import Guide
    from p2pavs.chain.contracts import Call
    from p2pavs.chain.events import TaskRequested
    from p2pavs.chain.poster import Sender
    from p2pavs.chain.receipts import Receipt
    from p2pavs.routing import Router

LIE = b"moonboy"


class Script:
    """The orders in ``act.json``."""

    def __init__(self, data: Path) -> None:
        self._path = data / "act.json"

    @property
    def cheat(self) -> str | None:
        """How to cheat now."""
        found = self._read().get("cheat")
        return found if isinstance(found, str) else None

    @property
    def slow(self) -> float:
        """How many times as long the model takes."""
        found = self._read().get("slow")
        return float(found) if isinstance(found, int | float) else 1.0

    def die_at(self, instant: str) -> None:
        """End this process, as kill -9 does, if now is the time."""
        if self._read().get("die") == instant:
            with suppress(FileNotFoundError):  # taken back since it was read: too late
                self._path.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def _read(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        return content


class ActingSender:
    """Sends for the real sender, unless the script says that its node dies now."""

    def __init__(self, sender: Sender, script: Script) -> None:
        self._sender = sender
        self._script = script

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sender, name)

    async def send(self, call: Call) -> Receipt:
        """Die or send."""
        if call.what.endswith("submitCertificate"):
            self._script.die_at("posting")
        return await self._sender.send(call)


class ActingExecutor:
    """The real model, with another answer where the script says so."""

    def __init__(self, executor: Executor, script: Script) -> None:
        self._executor = executor
        self._script = script

    async def execute(
        self, task: TaskRequested, progress: OnProgress, guide: Guide | None = None
    ) -> Execution:
        """Compute honestly, then perhaps lie about the output."""
        self._script.die_at("inference")
        began = trio.current_time()
        honest = await self._executor.execute(task, progress, guide)
        await trio.sleep((self._script.slow - 1) * (trio.current_time() - began))
        if self._script.cheat == "flip":
            logits = (sha256(b"a flipped bit").digest(), *honest.logits_digests[1:])
            return forged(honest, honest.tokens, logits, honest.output)
        if self._script.cheat != "wrong":
            return honest
        lie = replace(honest.result, output_hash=keccak256(LIE), output_length=len(LIE))
        return Execution(lie, LIE, honest.trace_secret)


class Overheard:
    """The proposals of each task, as they come."""

    def __init__(self) -> None:
        self._found: dict[int, Proposal] = {}
        self._news = trio.Event()

    def add(self, proposal: Proposal) -> None:
        """Keep a proposal."""
        self._found[proposal.instance.task_id] = proposal
        self._news.set()
        self._news = trio.Event()

    async def wait(self, task_id: int) -> Proposal:
        """The newest proposal of a task, as soon as there is one."""
        while (found := self._found.get(task_id)) is None:
            await self._news.wait()
        return found


class Eavesdropper:
    """Passes messages on to a member and keeps the proposals."""

    def __init__(self, receiver: Any, overheard: Overheard) -> None:
        self._receiver = receiver
        self._overheard = overheard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._receiver, name)

    def deliver(self, message: Message, peer: str) -> None:
        """Keep a proposal, pass on everything."""
        if isinstance(message, Proposal):
            self._overheard.add(message)
        self._receiver.deliver(message, peer)


class ActingRouter:
    """The real router, with an ear at each member's door."""

    def __init__(self, router: Router, overheard: Overheard) -> None:
        self._router = router
        self._overheard = overheard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._router, name)

    def add(self, instance: InstanceId, receiver: Any) -> None:
        """Put the ear in between."""
        self._router.add(instance, Eavesdropper(receiver, self._overheard))


class LazyExecutor:
    """The real model, but for who is lazy: then what another member proposes, and no proof of work."""

    def __init__(self, executor: Executor, script: Script, overheard: Overheard) -> None:
        self._executor = executor
        self._script = script
        self._overheard = overheard

    async def execute(
        self, task: TaskRequested, progress: OnProgress, guide: Guide | None = None
    ) -> Execution:
        """Compute, or copy."""
        if self._script.cheat != "lazy":
            return await self._executor.execute(task, progress, guide)
        with trio.move_on_after(60):
            heard = await self._overheard.wait(task.id)
            return Execution(heard.result, heard.output, os.urandom(32))
        raise InferenceError("nobody proposed anything to copy")


class LazyExecutors(Mapping[bytes, Executor]):
    """The node's executors, which may grow while it runs."""

    def __init__(self, executors: Mapping[bytes, Executor], script: Script, overheard: Overheard) -> None:
        self._executors = executors
        self._script = script
        self._overheard = overheard

    def __getitem__(self, model_id: bytes) -> Executor:
        return LazyExecutor(self._executors[model_id], self._script, self._overheard)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._executors)

    def __len__(self) -> int:
        return len(self._executors)


class ActingDesk(TaskDesk):
    """A desk whose members follow the script."""

    def __init__(self, script: Script, parts: DeskParts, nursery: trio.Nursery) -> None:
        self._script = script
        overheard = Overheard()
        sender: Any = ActingSender(parts.sender, script)
        router: Any = ActingRouter(parts.router, overheard)
        executors = LazyExecutors(parts.executors, script, overheard)
        publish = partial(self._act_and_publish, parts)
        super().__init__(
            replace(parts, sender=sender, router=router, publish=publish, executors=executors), nursery
        )

    async def _act_and_publish(self, parts: DeskParts, message: Message) -> None:
        if isinstance(message, Proposal) and message.round == 0:
            self._script.die_at("proposal")
        if isinstance(message, Vote) and message.kind is Kind.PRECOMMIT:
            self._script.die_at("precommit")
        if isinstance(message, OutputChunk) and self._script.cheat == "edit":
            message = replace(message, tokens=(message.tokens[0] ^ 1, *message.tokens[1:]))
        await parts.publish(message)
        if (
            isinstance(message, Vote)
            and message.kind is Kind.PRECOMMIT
            and self._script.cheat == "equivocate"
        ):
            await parts.publish(await self._contradict(parts, message))
        if isinstance(message, Vote) and message.kind is Kind.PREVOTE:
            await trio.sleep(0.3)  # so that it is on the wire and not only in a queue
            self._script.die_at("prevote")

    async def _contradict(self, parts: DeskParts, vote: Vote) -> Vote:
        """Another value for the same slot, signed past the guard that would refuse it."""
        task = self.tasks[vote.instance.task_id]
        if task.member is None:
            raise RuntimeError("who votes is a member")
        value = ValueId(keccak256(b"the other story"))
        message = statement(task.member.scope, vote.kind, vote.round, value)
        return replace(vote, value_id=value, signature=parts.guard._signer.sign(message))


def main() -> None:
    """Run the command line with a node that acts."""
    honest = node_command.run_node

    def run_node(config: Any, timeout: float) -> None:
        script = Script(config.data)
        parts = Parts(
            executor=lambda executor: ActingExecutor(executor, script), desk=partial(ActingDesk, script)
        )
        honest(config, timeout, parts)

    node_command.run_node = run_node  # type: ignore[assignment]
    run()


if __name__ == "__main__":
    main()
