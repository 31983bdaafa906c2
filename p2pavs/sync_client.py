"""The Python API for programs without an event loop: ``Client``, call by call.

with SyncClient("http://127.0.0.1:8545", "deployment.json") as client:
answer = client.verify(12)
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, Unpack

from p2pavs.answer import Answer
from p2pavs.checkpoint import Checkpoint
from p2pavs.light_client import Client, NotOpen
from p2pavs.request_options import RequestOptions

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from p2pavs.certificate_file import CertificateFile
    from p2pavs.chain.deployment import Deployment
    from p2pavs.chain.receipts import Receipt
    from p2pavs.chain.records import ModelEntry
    from p2pavs.client import Posted
    from p2pavs.payer import Payer

P = ParamSpec("P")
T = TypeVar("T")


class SyncClient:
    """``Client`` with methods that block. Its event loop runs in a thread of its own while it is open."""

    def __init__(
        self,
        rpc: str,
        deployment: Deployment | Path | str,
        *,
        payer: Payer | None = None,
        nodes: Sequence[str] = (),
    ) -> None:
        """See ``Client``."""
        self._client = Client(rpc, deployment, payer=payer, nodes=nodes)
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None

    def __enter__(self) -> Self:
        """See ``Client``."""
        from anyio.from_thread import start_blocking_portal

        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal("trio"))
            stack.enter_context(self._portal.wrap_async_context_manager(self._client))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> bool | None:
        """See ``Client``."""
        self._portal = None
        return self._stack.__exit__(*exception)

    def models(self) -> tuple[ModelEntry, ...]:
        """See ``Client.models``."""
        return self._run(self._client.models)

    def request(self, prompt: str | bytes, **options: Unpack[RequestOptions]) -> Posted:
        """See ``Client.request``."""
        return self._run(self._client.request, prompt, **options)

    def ask(self, prompt: str | bytes, **options: Unpack[RequestOptions]) -> Answer:
        """See ``Client.ask``."""
        return self._run(self._client.ask, prompt, **options)

    def wait(self, task: int) -> Answer:
        """See ``Client.wait``."""
        return self._run(self._client.wait, task)

    @contextmanager
    def watch(self, task: int) -> Iterator[Iterator[dict[str, Any]]]:
        """See ``Client.watch``; without ``async``."""
        portal = self._opened()
        with portal.wrap_async_context_manager(self._client.watch(task)) as events:

            async def following() -> dict[str, Any] | None:
                return await anext(events, None)

            # Ends at the first None; an event is never one.
            yield iter(lambda: portal.call(following), None)

    def certificate(self, task: int) -> CertificateFile:
        """See ``Client.certificate``."""
        return self._run(self._client.certificate, task)

    def verify(self, task: int) -> Answer:
        """See ``Client.verify``."""
        return self._run(self._client.verify, task)

    def question(self, task: int) -> bytes:
        """See ``Client.question``."""
        return self._run(self._client.question, task)

    def checkpoint(self, epoch: int | None = None) -> Checkpoint:
        """See ``Client.checkpoint``."""
        return self._run(self._client.checkpoint, epoch)

    def refund(self, task: int) -> Receipt:
        """See ``Client.refund``."""
        return self._run(self._client.refund, task)

    def _run(self, method: Callable[P, Coroutine[Any, Any, T]], *arguments: P.args, **options: P.kwargs) -> T:
        done: T = self._opened().call(partial(method, *arguments, **options))
        return done

    def _opened(self) -> BlockingPortal:
        if self._portal is None:
            raise NotOpen("the client is not open", "Use it inside: with SyncClient(...) as client.")
        return self._portal
