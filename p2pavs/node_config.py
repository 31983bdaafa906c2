"""What a node is started with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import trio

from p2pavs.chain.deployment import Deployment
from p2pavs.execution import Executor
from p2pavs.keystore import Identity
from p2pavs.open_task import DeskParts
from p2pavs.openai_api.endpoint import Endpoint
from p2pavs.settings import NodeSettings
from p2pavs.task_desk import TaskDesk


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What a node is started with."""

    identity: Identity
    data: Path
    pending: Path  # unsettled transactions of the account; its lock keeps other processes off the account
    rpc_url: str
    deployment: Deployment
    listen: str  # multiaddr
    api: str  # host:port
    settings: NodeSettings
    models: tuple[Path, ...]
    model_directory: Path | None = None  # looked through again and again for new models
    bootstrap: tuple[str, ...] = ()
    announce: tuple[str, ...] = ()
    mdns: bool = False
    threads: int = 1
    openai: Endpoint | None = None  # off unless the operator sets it up


@dataclass(frozen=True, slots=True)
class Parts:
    """How a node makes the parts that another program may want to put something around."""

    executor: Callable[[Executor], Executor] = field(default=lambda executor: executor)
    desk: Callable[[DeskParts, trio.Nursery], TaskDesk] = TaskDesk
