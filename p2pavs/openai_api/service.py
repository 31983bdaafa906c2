"""Turns a request into a paid task, waits for its certificate, and takes fees back that were not earned."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import anyio
import structlog

from consensus.committee import OperatorSet
from consensus.messages import Commit
from consensus.types import Mode
from p2pavs import client
from p2pavs.answer import Answer
from p2pavs.certificate_file import BadCertificate, CertificateFile
from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ChainError, InsufficientFunds, NotFound, RpcError
from p2pavs.chain.poster import Sender
from p2pavs.chain.reader import (
    list_models,
    offer,
    read_result,
    read_task,
    requestable_models,
)
from p2pavs.chain.records import ModelEntry, TaskHeader, TaskStatus
from p2pavs.chain.rewards import withdraw_credit
from p2pavs.drafts import Drafts
from p2pavs.errors import P2pavsError
from p2pavs.journal import Journal
from p2pavs.openai_api.config import ApiKey, EndpointConfig
from p2pavs.openai_api.errors import SERVER, ApiError
from p2pavs.openai_api.ledger import Ledger, Once, OverLimit
from p2pavs.openai_api.limits import Limits
from p2pavs.openai_api.metrics import EndpointMetrics
from p2pavs.request_options import RequestOptions, to_params

LOOK_EVERY = 2.0  # seconds between looks at the chain for a task that is waited for
SETTLE_EVERY = 30.0  # seconds between rounds of taking fees back
PATIENCE = 60  # seconds after a deadline until a task that the chain does not settle is given up
COUNT_SECONDS = 2.0  # that a certified answer waits for the length of its prompt

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Begun:
    """A task that is paid."""

    header: TaskHeader
    repeated: bool = False
    """Whether an earlier request of the same idempotency key paid it."""

    @property
    def task(self) -> int:
        """Its number."""
        return self.header.id


class NodeSide(Protocol):
    """What the endpoint asks of the node it belongs to."""

    journal: Journal
    drafts: Drafts

    async def commit(self, task_id: int) -> Commit | None:
        """The certificate this node has of a task."""
        ...

    async def operator_set(self, epoch: int) -> OperatorSet:
        """The operators of an epoch."""
        ...

    def served(self) -> frozenset[bytes]:
        """The models that this node or a connected operator serves."""
        ...


class Service:
    """One account that pays for the requests of several API keys."""

    def __init__(
        self,
        chain: Chain,
        sender: Sender,
        ledger: Ledger,
        node: NodeSide,
        config: EndpointConfig,
        metrics: EndpointMetrics | None = None,
    ) -> None:
        self.config = config
        self.limits = Limits(config.at_once)
        self.metrics = metrics or EndpointMetrics()
        self.metrics.watch(lambda: self.limits.waiting)
        self._chain = chain
        self._sender = sender
        self._ledger = ledger
        self._node = node
        self._beginning: dict[tuple[str, str], anyio.Event] = {}  # by API key and idempotency key

    async def models(self, key: ApiKey) -> list[ModelEntry]:
        """Return the active models that a key may ask, newest version of each name. Raises ``ApiError``."""
        try:
            entries = await list_models(self._chain)
        except ChainError as error:
            raise _chain_down(error) from None
        makers: dict[str, set[bytes]] = {}
        for entry in entries:
            makers.setdefault(entry.name, set()).add(entry.maker)
        # A name that several makers use is nobody's: such models are asked for by their ids.
        named = [entry for entry in entries if len(makers[entry.name]) == 1]
        newest = {entry.name: entry for entry in named if entry.active and _may_ask(key, entry)}
        return list(newest.values())

    async def limit_headers(self, key: ApiKey) -> dict[str, str]:
        """Return what is left to a key, as headers."""
        return self.limits.headers(key, await self._ledger.spent(key.name))

    async def begin(
        self, key: ApiKey, prompt: bytes, options: RequestOptions, once: Once | None = None
    ) -> Begun:
        """Check everything, pay, and return the task. Raises ``ApiError``; nothing was paid then.

        With ``once``, a request that came before under the same name is not paid again: its task is returned.
        """
        if once is None:
            return Begun(await self._pay(key, prompt, options, None))
        name = (key.name, once.name)
        while (other := self._beginning.get(name)) is not None:
            await other.wait()
        self._beginning[name] = done = anyio.Event()
        try:
            earlier = await self._earlier(key, once)
            if earlier is not None:
                self.metrics.repeated(key.name)
                return Begun(earlier, repeated=True)
            return Begun(await self._pay(key, prompt, options, once))
        finally:
            del self._beginning[name]
            done.set()

    async def _earlier(self, key: ApiKey, once: Once) -> TaskHeader | None:
        found = await self._ledger.earlier(key.name, once.name)
        if found is None:
            return None
        if found.digest != once.digest:
            raise ApiError(
                422,
                "This idempotency key was used for another request in the last 24 hours: take a new one.",
                code="idempotency_key_reused",
            )
        if found.task is None:
            raise ApiError(
                409,
                "The node lost sight of this request while it posted it, so it may be paid or not. To ask "
                "(again), take a new idempotency key.",
                code="idempotency_outcome_unknown",
            )
        try:
            return (await read_task(self._chain, found.task)).requested.header
        except NotFound:
            raise ApiError(
                409,
                f"Task {found.task} of this idempotency key is not on the chain any more: take a new key.",
                code="idempotency_outcome_unknown",
            ) from None
        except ChainError as error:
            raise _chain_down(error) from None

    async def _pay(
        self, key: ApiKey, prompt: bytes, options: RequestOptions, once: Once | None
    ) -> TaskHeader:
        try:
            return await self._post(key, prompt, options, once)
        except client.BadRequest as error:
            raise ApiError(400, f"Refused: {error.message}.", code="invalid_value") from None
        except OverLimit as error:
            raise ApiError(
                429, f"{error.message}.", kind="insufficient_quota", code="insufficient_quota"
            ) from None
        except InsufficientFunds as error:
            log.error("openai_account_empty", error=error.message, remedy=error.remedy)
            raise ApiError(
                503,
                "The account that pays for this node's tasks is empty.",
                kind=SERVER,
                code="account_empty",
            ) from None
        except client.RequestUnseen as error:
            log.error("openai_request_unseen", key=key.name, error=error.message, remedy=error.remedy)
            raise ApiError(
                503,
                "This request was posted, and what became of it cannot be seen now: it may be paid. To ask "
                "(again), take a new idempotency key.",
                kind=SERVER,
                code="idempotency_outcome_unknown",
            ) from None
        except ChainError as error:
            raise _chain_down(error) from None

    async def _post(
        self, key: ApiKey, prompt: bytes, options: RequestOptions, once: Once | None
    ) -> TaskHeader:
        params = to_params(options)
        client.check_request(prompt, params)
        model = await self._model(key, options["model"])
        fee = await offer(self._chain, model.id, params.max_tokens, len(prompt))
        entry = await self._ledger.reserve(key.name, fee, key.wei_per_day, once)
        try:
            posted = await client.post(
                self._chain,
                self._sender,
                model,
                prompt,
                params,
                window=options["deadline"],
                committee_size=options["committee"],
                mode=Mode[options.get("mode", "replicate").upper()],
            )
        except (client.BadRequest, ChainError):
            await self._ledger.release(entry)
            raise
        # Whoever is cancelled before this, or does not see the task, leaves the reservation: the fee may have
        # been paid.
        await self._ledger.paid(entry, posted.id, posted.fee, posted.receipt.cost)
        self.metrics.paid(key.name, posted.fee + posted.receipt.cost)
        log.info("openai_task", task=posted.id, key=key.name, fee=posted.fee)
        return posted.task.requested.header

    async def _model(self, key: ApiKey, wanted: str) -> ModelEntry:
        registered = await list_models(self._chain)
        try:
            client.newest_model(registered, wanted)
        except client.BadRequest as error:
            raise ApiError(400, error.message, code="model_ambiguous", param="model") from None
        found = client.newest_model(await requestable_models(self._chain, registered), wanted)
        if found is None or not _may_ask(key, found):
            raise ApiError(
                404,
                f"The model {wanted[:80]!r} does not exist, or this API key may not ask it.",
                code="model_not_found",
                param="model",
            )
        if found.id not in self._node.served():
            raise ApiError(
                503,
                f"No operator that is connected serves the model {wanted[:80]!r}.",
                kind=SERVER,
                code="model_not_served",
            )
        return found

    async def finish(self, header: TaskHeader) -> Answer:
        """Wait until the node or the chain has the certificate, and verify it. Raises ``ApiError``."""
        while True:
            answer = await self._own(header)
            if answer is None:
                answer = await self._from_chain(header)
            if answer is not None:
                return _accepted(answer)
            with anyio.move_on_after(LOOK_EVERY):
                await self._decided(header.id)

    async def usage(self, answer: Answer) -> dict[str, int] | None:
        """Return OpenAI's count of tokens; None where this node did not compute the task.

        The prompt's tokens are what the model read, its template included. The answer's are certified.
        """
        with anyio.move_on_after(COUNT_SECONDS):
            prompt = await self._node.drafts.prompt_tokens(answer.task)
            if prompt is not None:
                return {
                    "prompt_tokens": prompt,
                    "completion_tokens": answer.tokens,
                    "total_tokens": prompt + answer.tokens,
                }
        return None

    async def draft(self, task: int, known: int) -> bytes:
        """Return the node's own answer so far, once it is longer than ``known`` bytes.

        The node computed it, or checked it by computing; the committee has not certified it yet.
        """
        return await self._node.drafts.longer(task, known)

    async def _decided(self, task_id: int) -> None:
        after = 0
        while True:
            events = await self._node.journal.wait(task_id, after)
            after = events[-1].seq
            if any(event.kind in ("certificate", "certified") for event in events):
                await anyio.sleep(0.1)  # it is stored after it is told
                return

    async def _own(self, header: TaskHeader) -> Answer | None:
        """Return what the node's own certificate proves of this very task, before it is on the chain."""
        commit = await self._node.commit(header.id)
        if commit is None:
            return None
        try:
            operators = await self._node.operator_set(header.epoch)
            domain = self._chain.deployment.domain
            return Answer.of(CertificateFile.for_task(domain, header, operators, commit))
        except (BadCertificate, ChainError):
            return None  # of a task that a reorganisation replaced, or the chain does not answer now

    async def _from_chain(self, header: TaskHeader) -> Answer | None:
        try:
            status = (await read_result(self._chain, header.id)).status
            if status is TaskStatus.CERTIFIED:
                return Answer.of(await CertificateFile.read(self._chain, header.id))
        except (ChainError, BadCertificate):
            return None
        if status in (TaskStatus.EXPIRED, TaskStatus.REFUNDED) or time.time() > header.deadline + PATIENCE:
            raise ApiError(
                504,
                f"Task {header.id} was not certified before its deadline. The fee comes back to the account "
                "that paid it.",
                kind=SERVER,
                code="not_certified",
            )
        return None

    async def run(self) -> None:
        """Settle what was paid, forever: earned fees are booked, the others taken back."""
        while True:
            try:
                for entry, task in await self._ledger.open_tasks():
                    await self._settle(entry, task)
            except P2pavsError as error:  # the chain or the disk: both come back
                log.warning("openai_not_settled", error=error.message)
            await anyio.sleep(SETTLE_EVERY)

    async def _settle(self, entry: int, task: int) -> None:
        status = (await read_result(self._chain, task)).status
        if status is TaskStatus.EXPIRED:
            await client.refund(self._chain, self._sender, task)
            status = TaskStatus.REFUNDED
        if status is TaskStatus.REFUNDED:
            await withdraw_credit(self._chain, self._sender, self._sender.address)
            self.metrics.refunded()
            log.info("openai_refunded", task=task)
        if status in (TaskStatus.REFUNDED, TaskStatus.CERTIFIED):
            await self._ledger.settle(entry, refunded=status is TaskStatus.REFUNDED)


def _accepted(answer: Answer) -> Answer:
    if answer.status == "completed":
        return answer
    raise ApiError(
        400,
        f"The model cannot take this request ({answer.finish_reason}). The committee certified that, so the "
        f"fee is earned: task {answer.task}.",
        code="rejected_by_model",
    )


def _may_ask(key: ApiKey, model: ModelEntry) -> bool:
    return not key.models or any(name in key.models for name in _names(model))


def _names(model: ModelEntry) -> tuple[str, str]:
    return model.name, "0x" + model.id.hex()


def _chain_down(error: ChainError) -> ApiError:
    """Return the refusal. What the error says is for the operator: it may name a private endpoint."""
    log.warning("openai_chain", error=error.message)
    if isinstance(error, RpcError):
        return ApiError(503, "The node's chain does not answer.", kind=SERVER, code="chain", retry=True)
    return ApiError(503, "The chain did not take the task.", kind=SERVER, code="chain")
