"""The endpoint as a part of a node: its account, its ledger, its server."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import trio

from p2pavs.api.serving import serve_app
from p2pavs.chain.contracts import Chain
from p2pavs.errors import P2pavsError
from p2pavs.openai_api.app import create_app
from p2pavs.openai_api.config import EndpointConfig
from p2pavs.openai_api.ledger import Ledger
from p2pavs.openai_api.metrics import EndpointMetrics
from p2pavs.openai_api.service import NodeSide, Service
from p2pavs.payer import Payer
from p2pavs.supervised import supervised

if TYPE_CHECKING:
    from trio_typing import TaskStatus

LEDGER_FILE = "openai.sqlite"

log = structlog.get_logger()


class SameAccount(P2pavsError):
    """The endpoint would pay with the operator's own account."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a node needs to serve the endpoint."""

    config: EndpointConfig
    payer: Payer
    metrics: EndpointMetrics = field(default_factory=EndpointMetrics)

    def check(self, operator: bytes) -> None:
        """Raise ``SameAccount`` where the operator's account (20 bytes) would pay."""
        if self.payer.address == operator:
            raise SameAccount(
                "the OpenAI endpoint would pay with the operator's own account",
                "Make another account for it with 'p2pavs keys new', and fund that.",
            )

    async def run(
        self,
        chain: Chain,
        node: NodeSide,
        data: Path,
        *,
        task_status: TaskStatus[str] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled; reports the URL.

        Raises ``ApiAddressInUse``, ``AccountInUse``, ``LedgerError``.
        """
        with Ledger(data / LEDGER_FILE) as ledger:
            async with self.payer.open_sender(chain.rpc) as sender, trio.open_nursery() as nursery:
                service = Service(chain, sender, ledger, node, self.config, self.metrics)
                app = create_app(service)
                remedy = "Choose another address with 'listen' in the endpoint's configuration."
                url: str = await nursery.start(serve_app, app, self.config.listen, remedy)
                nursery.start_soon(supervised, service.run, "settling of OpenAI requests")
                log.info("openai_ready", url=url + "/v1", account="0x" + self.payer.address.hex())
                task_status.started(url)
