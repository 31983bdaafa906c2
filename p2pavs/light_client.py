"""The Python API: ask, watch and verify from a program, under trio and asyncio.

    from p2pavs import Client, Payer

    async with Client("http://127.0.0.1:8545", "deployment.json", payer=Payer.from_keys(...)) as client:
        answer = await client.ask("swap 5 ETH for USDC", choices=["transfer", "swap"])

The RPC endpoint is trusted for what the chain says. Certificates are checked here: committee, quorum and
signature. Nodes, if any are given, are asked for progress only.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from p2pavs.answer import Answer
from p2pavs.checkpoint import Checkpoint
from p2pavs.errors import P2pavsError, only_error
from p2pavs.exit_codes import ExitCode
from p2pavs.request_options import RequestOptions, to_params

# What takes long to import is imported when a client is opened: a program's start should not pay for it.
if TYPE_CHECKING:
    from p2pavs.certificate_file import CertificateFile
    from p2pavs.chain.contracts import Chain
    from p2pavs.chain.deployment import Deployment
    from p2pavs.chain.poster import Sender
    from p2pavs.chain.receipts import Receipt
    from p2pavs.chain.records import ModelEntry, TaskResult
    from p2pavs.client import NodeApi, Posted
    from p2pavs.payer import Payer

T = TypeVar("T")

DEFAULT_DEADLINE = 120  # seconds
WATCH_BUFFER = 256  # events


class NotOpen(P2pavsError):
    """The client is used outside its ``async with``."""


class NoPayer(P2pavsError):
    """Something has to be paid for and the client has no account."""


class NotCertified(P2pavsError):
    """The task's deadline passed without a certificate."""

    exit_code = ExitCode.NOT_CERTIFIED


class Client:
    """One deployment, seen through one RPC endpoint. Use it in an ``async with``.

    All methods raise ``P2pavsError`` (with ``message`` and ``remedy``): ``RpcUnreachable`` and other
    ``ChainError`` where the chain cannot be asked, and what they name themselves.
    """

    def __init__(
        self,
        rpc: str,
        deployment: Deployment | Path | str,
        *,
        payer: Payer | None = None,
        nodes: Sequence[str] = (),
    ) -> None:
        """``deployment`` is a deployment file or its content; ``nodes`` are URLs of nodes' APIs."""
        self._rpc_url = rpc
        self._where = deployment
        self._payer = payer
        self._nodes = tuple(nodes)
        self._stack = AsyncExitStack()
        self._chain: Chain | None = None
        self._api: NodeApi | None = None
        self._sender: Sender | None = None

    async def __aenter__(self) -> Self:
        """Connect and check that the contracts are there. Raises ``WrongChain``, ``NotDeployed``.

        Logs of warnings go to stderr, unless the program has configured structlog.
        """
        import structlog

        from p2pavs import log
        from p2pavs.chain.contracts import Chain
        from p2pavs.chain.deployment import Deployment
        from p2pavs.chain.rpc import Rpc
        from p2pavs.client import NodeApi

        if not structlog.is_configured():
            log.quiet()
        where = self._where if isinstance(self._where, Deployment) else Deployment.load(Path(self._where))
        async with AsyncExitStack() as stack:
            rpc = await stack.enter_async_context(Rpc(self._rpc_url))
            self._chain = await Chain.connect(rpc, where)
            self._api = await stack.enter_async_context(NodeApi(self._nodes))
            if self._payer is not None:
                self._sender = await stack.enter_async_context(self._payer.open_sender(rpc))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exception: Any) -> bool | None:
        """Close the connections; transactions that are not mined are taken up by the next client."""
        self._chain = self._api = self._sender = None
        return await self._stack.__aexit__(*exception)

    @property
    def chain(self) -> Chain:
        """The contracts, for what this class has no method for."""
        return _opened(self._chain)

    async def models(self) -> tuple[ModelEntry, ...]:
        """Return the models that can be asked, oldest first."""
        from p2pavs.chain.reader import list_models

        return tuple(model for model in await list_models(self.chain) if model.active)

    async def request(self, prompt: str | bytes, **options: Unpack[RequestOptions]) -> Posted:
        """Pay for a task and return it as soon as it is on the chain.

        Raises ``BadRequest``, ``FeeTooHigh`` and ``NotServed`` (nothing was paid then), ``NoPayer``,
        ``InsufficientFunds``; ``RequestUnseen`` where it was paid and the task cannot be read.
        """
        from consensus.types import Mode
        from p2pavs import client

        text = prompt.encode() if isinstance(prompt, str) else prompt
        params = to_params(options)
        client.check_request(text, params)
        mode = options.get("mode", "replicate")
        if mode not in ("replicate", "verify"):
            raise client.BadRequest(f"there is no mode {mode!r}", "Use replicate or verify.")
        sender = self._paying()
        model = await client.choose_model(self.chain, options.get("model"))
        await client.check_served(_opened(self._api), model)
        return await client.post(
            self.chain,
            sender,
            model,
            text,
            params,
            window=options.get("deadline", DEFAULT_DEADLINE),
            committee_size=options.get("committee", 0),
            mode=Mode[mode.upper()],
            attempts=options.get("attempts"),
            tip=options.get("tip", 0),
            max_fee=options.get("max_fee"),
        )

    async def ask(self, prompt: str | bytes, **options: Unpack[RequestOptions]) -> Answer:
        """Request, wait and verify. Raises what ``request`` and ``wait`` raise."""
        return await self.wait((await self.request(prompt, **options)).id)

    async def wait(self, task: int) -> Answer:
        """Wait until a task is certified on the chain and verify it. Raises ``NotCertified``."""
        from p2pavs.chain.records import TaskStatus

        if (await self._settled(task)).status is not TaskStatus.CERTIFIED:
            raise NotCertified(
                f"task {task} was not certified before its deadline",
                "Take the fee back with Client.refund, or with p2pavs task refund.",
            )
        return await self.verify(task)

    @asynccontextmanager
    async def watch(self, task: int) -> AsyncGenerator[AsyncIterator[dict[str, Any]]]:
        """Give the events of a task as they happen; the last is ``settled``, with the chain's ``status``.

            async with client.watch(task) as events:
                async for event in events: ...

        All but the last come from the nodes and are not verified. A slow reader slows nobody down but itself.
        What the block raises comes out as it is, in no group.
        """
        import anyio

        send, receive = anyio.create_memory_object_stream[dict[str, Any]](WATCH_BUFFER)

        async def until_settled() -> None:
            async with send:
                async with anyio.create_task_group() as listening:
                    listening.start_soon(_opened(self._api).events, task, send)
                    result = await self._settled(task)
                    listening.cancel_scope.cancel()
                await send.send({"event": "settled", "task": task, "status": result.status.name.lower()})

        failure: Exception | None = None
        try:
            async with anyio.create_task_group() as group, receive:
                group.start_soon(until_settled)
                try:
                    yield receive
                except Exception as error:
                    failure = error
                group.cancel_scope.cancel()
        except BaseExceptionGroup as several:
            raise only_error(several, P2pavsError) or several from None
        if failure is not None:
            raise failure

    async def certificate(self, task: int) -> CertificateFile:
        """Return a task's certificate with its operators, as the chain has them. Raises ``NotFound``.

        The operators are checked against the root in the contract; the certificate is not: ``verify`` does.
        """
        from p2pavs.certificate_file import CertificateFile

        return await CertificateFile.read(self.chain, task)

    async def verify(self, task: int) -> Answer:
        """Verify a task's certificate from the chain alone. Raises ``NotFound``, ``BadCertificate``."""
        return Answer.of(await self.certificate(task))

    async def question(self, task: int) -> bytes:
        """Return what a task asks, as it was posted. Raises ``NotFound``."""
        from p2pavs.chain.reader import read_task

        return (await read_task(self.chain, task)).requested.input

    async def checkpoint(self, epoch: int | None = None) -> Checkpoint:
        """Return what is needed to verify an epoch's certificates offline; default: the current epoch."""
        return await Checkpoint.read(self.chain, epoch)

    async def refund(self, task: int) -> Receipt:
        """Credit the fee of an expired task to whoever paid it. Raises ``ContractRevert``, ``NoPayer``."""
        from p2pavs import client

        return await client.refund(self.chain, self._paying(), task)

    async def _settled(self, task: int) -> TaskResult:
        from p2pavs.client import settled

        return await settled(self.chain, task)

    def _paying(self) -> Sender:
        _opened(self._chain)
        if self._sender is None:
            raise NoPayer(
                "this client has no account to pay with", "Give payer=Payer.from_keys(DIRECTORY, PASSWORD)."
            )
        return self._sender


def _opened(part: T | None) -> T:
    if part is None:
        raise NotOpen("the client is not open", "Use it inside: async with Client(...) as client.")
    return part
