"""From a task to this operator's own result: the model worker's answer in the protocol's words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from consensus import types
from consensus.hashing import keccak256
from consensus.signing import trace_commit
from consensus.types import Result, ResultStatus
from inference.errors import RequestError
from inference.request import FinishReason, Generation, Progress, Request, rejection
from inference.worker import Guide, ModelWorker
from p2pavs.chain.events import TaskRequested

log = structlog.get_logger()

OnProgress = Callable[[Progress], None]
"""Called with each further chunk of the answer."""


@dataclass(frozen=True, slots=True)
class Execution:
    """What this operator computed: the result to vote on, its bytes, the secret behind its votes."""

    result: Result
    output: bytes
    trace_secret: bytes
    tokens: tuple[int, ...] = ()
    chunk_digests: tuple[bytes, ...] = ()
    logits_digests: tuple[bytes, ...] = ()
    """One for each token. They give the trace secret away, so nobody gets them before the decision."""
    prompt_tokens: int = 0
    """How many tokens the model read before its answer; 0 for a request it does not take."""


class Executor(Protocol):
    """Runs the model a task names."""

    async def execute(
        self, task: TaskRequested, progress: OnProgress, guide: Guide | None = None
    ) -> Execution:
        """Compute the task's result; with ``guide`` by following its draft.

        Raises ``InferenceError`` where that is impossible.
        """
        ...


def execution_of(generation: Generation, runtime_profile: bytes) -> Execution:
    """Put a generation into the protocol's form."""
    result = Result(
        status=ResultStatus(generation.status),
        output_hash=keccak256(generation.output),
        output_length=len(generation.output),
        token_count=len(generation.token_ids),
        finish_reason=types.FinishReason(generation.finish_reason),
        trace_root=generation.trace_root,
        trace_commit=trace_commit(generation.trace_secret),
        runtime_profile=runtime_profile,
    )
    return Execution(
        result,
        generation.output,
        generation.trace_secret,
        generation.token_ids,
        generation.chunk_digests,
        generation.logits_digests,
        generation.prompt_tokens,
    )


class WorkerExecutor:
    """Executes tasks in the worker subprocess of one model."""

    def __init__(self, worker: ModelWorker, runtime_profile: bytes) -> None:
        self._worker = worker
        self._profile = runtime_profile

    async def execute(
        self, task: TaskRequested, progress: OnProgress, guide: Guide | None = None
    ) -> Execution:
        """Run the task's request in the worker."""
        params = task.params
        try:
            request = Request(
                input=task.input,
                max_tokens=params.max_tokens,
                temperature_milli=params.temperature_milli,
                top_k=params.top_k,
                top_p_micro=params.top_p_micro,
                min_p_micro=params.min_p_micro,
                repetition_penalty_milli=params.repetition_penalty_milli,
                seed=params.seed,
                stop=params.stop,
                choices=params.choices,
                json_schema=params.json_schema,
                task_seed=task.header.task_seed,
            )
            generation = await self._worker.generate(request, progress=progress, guide=guide)
        except RequestError as error:
            # The same on every machine, so it is a result: the requester hears of it before the deadline.
            log.info("request_rejected", task=task.id, reason=str(error))
            generation = rejection(FinishReason.BAD_REQUEST)
        return execution_of(generation, self._profile)
