"""A dApp's side: choose a model, pay for a task, watch it. Needs an RPC endpoint and no node.

``light_client.Client`` is the face of this for programs.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
import httpx

from consensus.types import MAX_INPUT_BYTES, Mode
from p2pavs import strict_json
from p2pavs.chain import reader
from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ChainError, TransactionRefused, format_ether
from p2pavs.chain.events import TaskRequested
from p2pavs.chain.poster import Sender
from p2pavs.chain.reader import (
    PostedTask,
    no_such_task,
    offer,
    read_result,
    read_task,
)
from p2pavs.chain.receipts import Receipt, canonical_receipt
from p2pavs.chain.records import InferenceParams, InferenceRequest, ModelEntry, TaskResult, TaskStatus
from p2pavs.errors import P2pavsError
from p2pavs.exit_codes import ExitCode

MAX_CHOICES, MAX_CHOICE_BYTES = 64, 256
MAX_STOPS, MAX_STOP_BYTES = 8, 64
MAX_SCHEMA_BYTES = 4_096
MINING_SECONDS = 15
"""The gateway measures the time to the deadline when the request is mined, which is later than now."""
MISSING_SECONDS = 30.0
"""A task that the chain does not know for so long is none; a reorganisation may hide one for a while."""
UNSEEN_SECONDS = 120.0
"""A request that was paid is looked for so long, where an outage or a reorganisation hides its task."""
UNSEEN_PAUSE = 0.5  # seconds
MAX_NODE_ANSWER = 1_000_000
NODE_SECONDS = 10.0  # for a whole answer, however slowly it trickles in


class BadRequest(P2pavsError):
    """The request cannot be posted as it is. Nothing was sent or paid."""

    exit_code = ExitCode.USAGE


class FeeTooHigh(P2pavsError):
    """The request may cost more than its sender would pay. Nothing was sent or paid."""

    exit_code = ExitCode.USAGE


class RequestUnseen(P2pavsError):
    """The request was mined, and so was paid, and its task cannot be read.

    It is no ``ChainError``: whoever asks again after one of those pays once.
    """

    def __init__(self, transaction_hash: bytes, why: str) -> None:
        super().__init__(
            f"the request was paid in transaction 0x{transaction_hash.hex()}, "
            f"and its task cannot be read: {why}",
            "Asking again would pay again. Look for the transaction first: where it is on the chain, "
            "its task is worked on, and its event TaskRequested has the number.",
        )


class NotServed(P2pavsError):
    """The model is registered and no reachable operator serves it. Nothing was sent or paid."""


class NodeUnreachable(P2pavsError):
    """A node's API does not answer."""

    exit_code = ExitCode.UNREACHABLE


@dataclass(frozen=True, slots=True)
class Posted:
    """A task that is on the chain."""

    task: PostedTask
    fee: int  # wei
    receipt: Receipt

    @property
    def id(self) -> int:
        """The task's number."""
        return self.task.requested.id


async def choose_model(chain: Chain, wanted: str | None) -> ModelEntry:
    """The newest version of this name, or the model of this id; without one, the only active name."""
    registered = await reader.list_models(chain)
    models = await reader.requestable_models(chain, registered)
    names = ", ".join(f"{model.name} (0x{model.id.hex()[:8]}…)" for model in models) or "none"
    if wanted is None:
        if len({(model.maker, model.name) for model in models}) == 1:
            return models[-1]
        raise BadRequest(
            f"this deployment has {len(models)} active models: {names}", "Name one of them with --model."
        )
    newest_model(registered, wanted)  # whose a name is does not depend on which models are active
    if (found := newest_model(models, wanted)) is None:
        raise BadRequest(f"no active model is called {wanted}", f"Active models: {names}.")
    return found


def newest_model(models: Sequence[ModelEntry], wanted: str) -> ModelEntry | None:
    """The newest version of this name, or the model of this id; ``models`` are oldest first.

    Raises ``BadRequest`` for a name that several makers use. Anybody may register any file under any name, at
    a price of his own.
    """
    found = [model for model in models if wanted in (model.name, "0x" + model.id.hex())]
    newest = {model.maker: model for model in found}
    if len(newest) > 1:
        ids = [f"0x{one.id.hex()} by 0x{one.maker.hex()}" for one in newest.values()][:3]
        raise BadRequest(
            f"{len(newest)} makers have a model called {wanted}: {', '.join(ids)}{', …' * (len(newest) > 3)}",
            "Give the id of the one you mean.",
        )
    return found[-1] if found else None


def check_request(prompt: bytes, params: InferenceParams) -> None:
    """Refuse what the gateway or the nodes would refuse, before anything is paid."""
    if not prompt:
        raise BadRequest("the prompt is empty", "Give a text to answer.")
    if len(prompt) > MAX_INPUT_BYTES:
        raise BadRequest(
            f"the prompt has {len(prompt)} bytes, the limit is {MAX_INPUT_BYTES}",
            "Shorten it or split the task.",
        )
    try:
        prompt.decode()
    except UnicodeDecodeError:
        raise BadRequest("the prompt is not UTF-8 text", "Models read text: encode other data.") from None
    for name, texts, most, size in (
        ("choices", params.choices, MAX_CHOICES, MAX_CHOICE_BYTES),
        ("stop strings", params.stop, MAX_STOPS, MAX_STOP_BYTES),
    ):
        if len(texts) > most or any(not 0 < _byte_length(text) <= size for text in texts):
            raise BadRequest(
                f"at most {most} {name} of 1 to {size} bytes are allowed", "Use fewer or shorter ones."
            )
    if not 1 <= params.max_tokens <= 4096:
        raise BadRequest(f"max tokens is {params.max_tokens}", "Choose a number from 1 to 4096.")
    for name, share in (("top-p", params.top_p_micro), ("min-p", params.min_p_micro)):
        if not 0 <= share <= 1_000_000:
            raise BadRequest(f"{name} is not a probability", "Choose a number from 0 to 1.")
    penalty = params.repetition_penalty_milli
    if penalty != 0 and not 1_000 <= penalty <= 10_000:
        raise BadRequest(
            f"the repetition penalty is {penalty / 1000:g}", "Choose a number from 1 to 10, or 0 for none."
        )
    for name, value, bits in (
        ("temperature", params.temperature_milli, 32),
        ("top-k", params.top_k, 32),
        ("seed", params.seed, 64),
    ):
        if not 0 <= value < 1 << bits:
            raise BadRequest(f"the {name} is {value}", f"Choose a number that {bits} bits hold.")
    if params.json_schema:
        _check_schema(params)


def _check_schema(params: InferenceParams) -> None:
    from inference.errors import RequestError  # only here: a client that verifies needs no model
    from inference.json_schema import grammar_of

    if params.choices:
        raise BadRequest("choices and a JSON schema exclude each other", "Give one of them.")
    if not 0 < _byte_length(params.json_schema) <= MAX_SCHEMA_BYTES:
        raise BadRequest(
            f"the JSON schema is not a text of at most {MAX_SCHEMA_BYTES} bytes",
            "Make it shorter: leave out descriptions and blanks.",
        )
    try:
        grammar_of(params.json_schema)
    except RequestError as error:
        raise BadRequest(str(error), "docs/dapps.md lists what a schema may hold.") from None


def _byte_length(text: str) -> int:
    """The length in UTF-8; 0 for what has no such form, which is not allowed either."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return 0


class EventSink(Protocol):
    """Where events go: the sending end of a channel of trio or of a stream of anyio."""

    async def send(self, value: dict[str, Any], /) -> None:
        """Take one event; may wait."""
        ...


class NodeApi:
    """The HTTP API of some nodes, used only to show progress: the answer itself comes from the chain."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._client = httpx.AsyncClient(timeout=5.0, headers={"Accept-Encoding": "identity"})

    async def __aenter__(self) -> NodeApi:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    @property
    def urls(self) -> tuple[str, ...]:
        """The nodes asked."""
        return self._urls

    async def get(self, url: str, path: str, **query: str | int) -> Any:
        """One JSON answer. Raises ``NodeUnreachable``."""
        try:
            with anyio.fail_after(NODE_SECONDS):
                async with self._client.stream("GET", url + path, params=query) as response:
                    body = await _receive(response)
                    response.raise_for_status()
            return strict_json.loads(body)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            raise NodeUnreachable(
                f"the node at {url} does not answer ({type(error).__name__})",
                "Check that the node runs and that the address is its --api address.",
            ) from None

    async def statuses(self) -> dict[str, dict[str, Any] | NodeUnreachable]:
        """The status of every node, or why there is none. What it holds is checked by nobody."""
        found: dict[str, dict[str, Any] | NodeUnreachable] = {}

        async def ask(url: str) -> None:
            try:
                answer = await self.get(url, "/status")
            except NodeUnreachable as error:
                found[url] = error
            else:
                found[url] = answer if isinstance(answer, dict) else _other_version(url)

        async with anyio.create_task_group() as group:
            for url in self._urls:
                group.start_soon(ask, url)
        return {url: found[url] for url in self._urls}

    async def events(self, task_id: int, news: EventSink) -> None:
        """Send the events of a task from all nodes, each as it comes, until cancelled."""

        async def follow(url: str) -> None:
            after = 0
            while True:
                try:
                    found = await self.get(url, f"/tasks/{task_id}/events", after=after, wait=4)
                    events = _events(url, found)
                except NodeUnreachable:
                    await anyio.sleep(1)
                    continue
                for event in events:
                    after = max(after, event["seq"])
                    await news.send(event | {"node": url})
                await anyio.sleep(0.1)  # a node that does not wait must not keep us busy

        async with anyio.create_task_group() as group:
            for url in self._urls:
                group.start_soon(follow, url)


async def _receive(response: httpx.Response) -> bytes:
    """The body as it was sent. Raises ``ValueError`` where it is longer than any answer of a node."""
    body = bytearray()
    # Cancelled, not left: httpx's chain of generators ends cleanly only by an exception from inside.
    with anyio.CancelScope() as reading:
        async for part in response.aiter_raw():
            if len(body) + len(part) > MAX_NODE_ANSWER:
                reading.cancel()
            else:
                body += part
    if reading.cancel_called:
        raise ValueError("the answer is too long")
    return bytes(body)


async def check_served(api: NodeApi, model: ModelEntry) -> None:
    """Refuse before paying when the nodes can be asked and none of them or their peers serves the model."""
    wanted = "0x" + model.id.hex()
    answers = [_served(status) for status in (await api.statuses()).values() if isinstance(status, dict)]
    known = [models for models in answers if models is not None]
    if not known or any(wanted in models for models in known):
        return
    served = sorted(set().union(*known))
    raise NotServed(
        f"no operator that answers serves the model {model.name} ({wanted[:10]}…)",
        f"Choose another with --model; served now: {', '.join(served) or 'none'}. Nothing was paid.",
    )


def _served(status: dict[str, Any]) -> set[str] | None:
    """The models that a node says are served; None for a status of another version."""
    try:
        found = [*status["models"], *(model for peer in status["peers"] for model in peer["models"])]
    except (KeyError, TypeError):
        return None
    return {model for model in found if isinstance(model, str)}


def _events(url: str, found: Any) -> list[dict[str, Any]]:
    if not isinstance(found, list):
        raise _other_version(url)
    for event in found:
        if not isinstance(event, dict) or type(event.get("seq")) is not int:
            raise _other_version(url)
    return found


def _other_version(url: str) -> NodeUnreachable:
    return NodeUnreachable(
        f"what answers at {url} speaks another version", "Check that the address is a node's --api address."
    )


async def post(
    chain: Chain,
    sender: Sender,
    model: ModelEntry,
    prompt: bytes,
    params: InferenceParams,
    *,
    window: int,
    committee_size: int = 0,
    mode: Mode = Mode.REPLICATE,
    attempts: int | None = None,
    tip: int = 0,
    max_fee: int | None = None,
) -> Posted:
    """Pay for a task with ``window`` seconds to its deadline, ``max_fee`` wei at most, the tip included.

    Without ``attempts`` a drawn committee is replaced once, by another one for the second half of the time.
    Raises named errors; nothing is paid then, but for ``RequestUnseen``.
    """
    check_request(prompt, params)
    if attempts is None:
        attempts = 2 if committee_size else 1
    await _check_window(chain, window, attempts)
    value = tip + await offer(chain, model.id, params.max_tokens, len(prompt))
    if max_fee is not None and value > max_fee:
        raise FeeTooHigh(
            f"the request may cost {format_ether(value)} ETH, more than {format_ether(max_fee)} ETH",
            "Ask later or for fewer tokens, or allow a higher fee. Nothing was paid.",
        )
    latest = await chain.rpc.block("latest")
    now = int(time.time()) if latest is None else max(latest.timestamp, int(time.time()))
    request = InferenceRequest(
        model.id, prompt, params, now + window, mode, committee_size, attempts=attempts, tip=tip
    )
    receipt = await sender.send(chain.call("TaskGateway", "requestInference", request.to_abi(), value=value))
    return await _posted(chain, receipt.transaction_hash)


async def _posted(chain: Chain, transaction: bytes) -> Posted:
    """Read the task of a request that was mined. A reorganisation may take it out, and it is mined again."""
    why = ""
    with anyio.move_on_after(UNSEEN_SECONDS):
        while True:
            try:
                return await _read_posted(chain, transaction)
            except TransactionRefused:
                raise
            except ChainError as error:
                why = error.message
            await anyio.sleep(UNSEEN_PAUSE)
    raise RequestUnseen(transaction, why)


async def _read_posted(chain: Chain, transaction: bytes) -> Posted:
    found = await canonical_receipt(chain.rpc, transaction)
    if found is None:
        raise ChainError("it is not on the chain any more")
    if found.status != 1:
        raise TransactionRefused(
            "a reorganisation took the request out of the chain, and it was refused the second time",
            "Nothing but gas was paid: ask again.",
        )
    for logged in await chain.block_events(found.block_hash):
        event = logged.event
        if isinstance(event, TaskRequested) and logged.transaction_hash == transaction:
            return Posted(await read_task(chain, event.id), event.header.fee, Receipt.of(found))
    raise ChainError("it has no event TaskRequested: does --deployment name the contracts of this network?")


async def _check_window(chain: Chain, window: int, attempts: int) -> None:
    least = attempts * int(await chain.read_one("TaskGateway", "minimumWindow"))
    most = int(await chain.read_one("TaskGateway", "maximumWindow"))
    if not least + MINING_SECONDS <= window <= most:
        raise BadRequest(
            f"a deadline in {window} s is too {'near' if window < least + MINING_SECONDS else 'far'}",
            f"Choose {least + MINING_SECONDS} to {most} seconds with --deadline.",
        )


async def wait_settled(chain: Chain, task_id: int, *, every: float = 0.5) -> AsyncGenerator[TaskResult]:
    """Yield the task's state on the chain again and again until it is settled; the last one is settled.

    Raises ``NotFound`` where the chain does not know the task for ``MISSING_SECONDS``.
    """
    known = anyio.current_time()
    while True:
        try:
            result = await read_result(chain, task_id)
        except ChainError:
            await anyio.sleep(2 * every)
            known = anyio.current_time()
            continue
        if result.status is not TaskStatus.NONE:
            known = anyio.current_time()
        elif anyio.current_time() - known > MISSING_SECONDS:
            raise no_such_task(task_id)
        yield result
        if result.status in (TaskStatus.CERTIFIED, TaskStatus.EXPIRED, TaskStatus.REFUNDED):
            return
        await anyio.sleep(every)


async def settled(chain: Chain, task_id: int) -> TaskResult:
    """Wait until the chain has settled a task, and return how. Raises ``NotFound``."""
    async with aclosing(wait_settled(chain, task_id)) as states:
        async for result in states:
            last = result
    return last


async def refund(chain: Chain, sender: Sender, task_id: int) -> Receipt:
    """Give a requester its fee back after the deadline. Anyone may call it."""
    task = await read_task(chain, task_id)
    return await sender.send(chain.call("TaskGateway", "refund", task.requested.header.to_abi()))
