"""Whether a node is alive, and whether it can do its work now: ``/health`` and ``/ready``."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from p2pavs.node import Node

BEHIND: Final = 5
"""Blocks that a node may be behind its endpoint and still count as following the chain."""

STALE: Final = 300.0
"""Seconds without a new block after which the endpoint no longer follows the chain, whatever it says."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that a node needs for its work."""

    name: str
    met: bool
    detail: str


def conditions(node: Node, now: float | None = None) -> list[Condition]:
    """Everything that must hold for the node to be able to work. ``now`` is in unix seconds."""
    return [
        _chain(node, time.time() if now is None else now),
        _peers(node),
        _models(node),
        _keys(node),
        _disk(node),
        _registration(node),
    ]


def _chain(node: Node, now: float) -> Condition:
    follower, desk = node.follower, node.desk
    if follower is None or desk is None or follower.head is None or desk.head == 0:
        return Condition("chain", False, "the chain is not followed yet")
    if follower.last_error is not None:
        return Condition("chain", False, follower.last_error.message)
    behind = max(follower.behind or 0, follower.head - desk.head)
    if behind > BEHIND:
        return Condition("chain", False, f"{behind} blocks behind the endpoint")
    if now - desk.head_time > STALE:
        return Condition("chain", False, f"block {desk.head} is {now - desk.head_time:.0f} s old")
    return Condition("chain", True, f"block {desk.head}")


def _peers(node: Node) -> Condition:
    connected = node.network.connected()
    alone = not any(
        record.active for peer, record in node.book.records.items() if peer != node.network.peer_id
    )
    if not connected and not alone:
        return Condition("peers", False, "no peer is connected")
    return Condition("peers", True, f"{len(connected)} connected" if connected else "the only operator")


def _models(node: Node) -> Condition:
    if not node.executors:
        return Condition("models", False, "no model is served")
    cold = [worker.manifest.name for worker in node.workers if worker.pid is None]
    if cold:
        return Condition("models", False, f"the worker of {', '.join(cold)} does not run")
    return Condition("models", True, f"{len(node.executors)} served")


def _keys(node: Node) -> Condition:
    record, held = node.book.records.get(node.network.peer_id), node.signing_keys
    if node.signer_error is not None:
        return Condition("keys", False, node.signer_error)
    if record is not None and record.consensus_key not in held:
        return Condition("keys", False, "the registered consensus key is not here")
    return Condition("keys", bool(held), f"{len(held)} consensus key{'s' if len(held) != 1 else ''} open")


def _disk(node: Node) -> Condition:
    failure = node.directory.database.failure
    return Condition("disk", failure is None, "written" if failure is None else failure.message)


def _registration(node: Node) -> Condition:
    record = node.book.records.get(node.network.peer_id)
    if record is None:
        return Condition(
            "registration", False, "the registry was not read yet, or this peer is of no operator with stake"
        )
    if not record.active:
        return Condition(
            "registration", False, "the operator has left: it works until its last epoch is over"
        )
    return Condition("registration", True, "active")
