"""web3.py under trio: ``AsyncWeb3(TrioProvider(url))``.

The node itself talks to the chain through ``p2pavs.chain.rpc``, which this wraps: the same size caps,
time limits, retries and errors.
"""

from __future__ import annotations

from typing import Any, cast

from web3.providers.async_base import AsyncBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from p2pavs.chain.errors import NotDeployed, RpcError, RpcUnreachable, WrongChain
from p2pavs.chain.rpc import Rpc

__all__ = ["NotDeployed", "RpcUnreachable", "TrioProvider", "WrongChain"]


class TrioProvider(AsyncBaseProvider):
    """A web3.py provider that works under trio. Close it with ``aclose``.

    ``wait_for_transaction_receipt`` of web3.py needs asyncio: use ``p2pavs.chain.receipts.wait_receipt``.
    """

    # Off-chain look-ups (EIP-3668) let a contract make this process fetch any address.
    global_ccip_read_enabled = False

    def __init__(self, url: str, *, timeout: float = 10.0, retries: int = 3) -> None:
        super().__init__()
        self.rpc = Rpc(url, timeout=timeout, retries=retries)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.rpc.aclose()

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Send one request. Raises ``RpcUnreachable`` or ``RpcBadAnswer``; an error answer is returned."""
        return cast("RPCResponse", await self.rpc.exchange(method, params))

    async def is_connected(self, show_traceback: bool = False) -> bool:
        """Whether the endpoint answers."""
        try:
            await self.rpc.chain_id()
        except RpcError:
            if show_traceback:
                raise
            return False
        return True
