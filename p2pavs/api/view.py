"""The node as its API shows it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from consensus.committee import OperatorSet
from consensus.messages import Commit
from consensus.signing import value_id
from p2pavs import __version__
from p2pavs.accusation import SUBMITTED, NoProof, accuse
from p2pavs.announcement import Announcement
from p2pavs.api.node_metrics import node_metrics, worker_labels
from p2pavs.certificate_file import CertificateFile
from p2pavs.chain.errors import ChainError
from p2pavs.chain.reader import read_operator_set, read_task
from p2pavs.drafts import Drafts
from p2pavs.journal import Journal, Json
from p2pavs.metrics import render_metrics
from p2pavs.readiness import Condition, conditions
from p2pavs.storage.evidence import StoredEvidence
from p2pavs.task_facts import TaskFacts

if TYPE_CHECKING:
    from inference.worker import ModelWorker
    from p2pavs.node import Node


class View:
    """Read-only answers about one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._facts = TaskFacts(node.chain)
        self.journal: Journal = node.journal
        self.drafts: Drafts = node.drafts

    def status(self) -> dict[str, Json]:
        """The node at a glance."""
        node, network = self._node, self._node.network
        follower, desk = node.follower, node.desk
        error = None if follower is None else follower.last_error
        failure = node.directory.database.failure
        return {
            "version": __version__,
            "operator": node.operator_name,
            "peerId": network.peer_id,
            "addresses": list(network.addresses),
            "uptime": round(time.time() - node.started_at, 1),
            "bootstrapError": network.bootstrap_error(),
            "chain": {
                "id": node.config.deployment.chain_id,
                "gateway": "0x" + node.config.deployment.domain.gateway.hex(),
                "head": 0 if desk is None else desk.head,
                "behind": None if follower is None else follower.behind,
                "error": None if error is None else error.message,
                "epoch": node.book.epoch,
                "balanceWei": str(node.balance),
            },
            "signer": node.signers.status(),
            "storageError": None if failure is None else failure.message,
            "models": ["0x" + model.hex() for model in node.executors],
            "inference": [_worker_json(worker) for worker in node.workers],
            "peers": self._peers(),
            "tasks": self.tasks(),
            "divergences": [
                {"task": one.task_id, **one.fields()} for one in reversed(node.divergences.recent())
            ],
        }

    def _peers(self) -> list[Json]:
        peers: list[Json] = []
        for info in self._node.network.peers():
            if not info.connected:
                continue
            registered = self._node.book.accounts.get(info.peer_id)
            said = None if info.record is None else Announcement.from_bytes(info.record.payload)
            bound = said is not None and registered == said.operator
            peers.append(
                {
                    "peerId": info.peer_id,
                    "operator": None if registered is None else "0x" + registered.hex(),
                    "models": ["0x" + model.hex() for model in said.models]
                    if said is not None and bound
                    else [],
                }
            )
        return peers

    def tasks(self) -> list[dict[str, Json]]:
        """The tasks whose events are remembered, newest last."""
        desk = self._node.desk
        shown: list[dict[str, Json]] = []
        for task_id in self.journal.tasks():
            events = self.journal.events(task_id)
            kinds = [event.kind for event in events]
            open_task = None if desk is None else desk.tasks.get(task_id)
            member = None if open_task is None else open_task.member
            shown.append(
                {
                    "id": task_id,
                    "state": _state(kinds),
                    "round": None if member is None else member.round,
                    "lastEvent": kinds[-1] if kinds else None,
                }
            )
        return shown

    async def certificate(self, task_id: int) -> dict[str, Json] | None:
        """The certificate this node aggregated or received."""
        commit = await self.commit(task_id)
        if commit is None:
            return None
        certificate = commit.certificate
        return {
            "task": task_id,
            "attempt": certificate.instance.attempt,
            "round": certificate.round,
            "value": "0x" + value_id(certificate.result).hex(),
            "signers": list(certificate.signers),
            "signature": "0x" + certificate.signature.hex(),
            "output": "0x" + commit.output.hex(),
        }

    async def certificate_file(self, task_id: int) -> str | None:
        """The text of the certificate file of a task. Raises ``ChainError``."""
        commit = await self.commit(task_id)
        if commit is None:
            return None
        header = (await read_task(self._node.chain, task_id)).requested.header
        operators = await self.operator_set(header.epoch)
        return CertificateFile.for_task(
            self._node.config.deployment.domain, header, operators, commit
        ).to_json()

    def operators(self) -> list[dict[str, Json]]:
        """All operators that ever registered, as the chain had them when it was last asked."""
        connected = {info.peer_id for info in self._node.network.peers() if info.connected}
        own = self._node.network.peer_id
        return [
            {
                "operator": "0x" + record.account.hex(),
                "peerId": peer_id,
                "stakeWei": str(record.stake),
                "active": record.active,
                "keyBlock": record.key_block,
                "connected": peer_id in connected or peer_id == own,
                "self": peer_id == own,
            }
            for peer_id, record in self._node.book.records.items()
        ]

    async def commit(self, task_id: int) -> Commit | None:
        """The certificate this node aggregated or received, with its output."""
        return await self._node.certificates.get(task_id)

    async def operator_set(self, epoch: int) -> OperatorSet:
        """The operators of an epoch. Raises ``ChainError``."""
        desk = self._node.desk
        if desk is None:
            return await read_operator_set(self._node.chain, epoch)
        return await desk.operator_set(epoch)

    def served(self) -> frozenset[bytes]:
        """The models that this node or a connected operator serves."""
        found = set(self._node.executors)
        for info in self._node.network.peers():
            if info.connected and info.record is not None:
                said = Announcement.from_bytes(info.record.payload)
                if said is not None and self._node.book.accounts.get(info.peer_id) == said.operator:
                    found.update(said.models)
        return frozenset(found)

    async def evidence(self) -> list[dict[str, Json]]:
        """Stored evidence of misbehaviour, as encoded messages."""
        if self._node.desk is not None:
            self._facts.renew(self._node.desk.head)
        return [
            {
                "id": one.id,
                "task": one.instance.task_id,
                "attempt": one.instance.attempt,
                "committeeRoot": "0x" + one.committee_root.hex(),
                "offence": one.offence,
                "operator": "0x" + one.operator.hex(),
                "first": one.first.hex(),
                "second": one.second.hex(),
                "state": one.state.value,
                "report": await self._report(one),
            }
            for one in await self._node.evidence.all()
        ]

    async def _report(self, stored: StoredEvidence) -> Json:
        """What the contracts would be sent; None where it is nothing for them, or not yet."""
        if stored.offence not in SUBMITTED:
            return None
        try:
            found = await accuse(self._node.chain, self._node.certificates, stored, self._facts)
        except (NoProof, ChainError):
            return None
        return None if found is None else {"verifier": found.verifier, "data": "0x" + found.data.hex()}

    def metrics(self) -> bytes:
        """Counters and gauges in the Prometheus text format."""
        page = render_metrics(node_metrics(self._node))
        openai = self._node.config.openai
        return page if openai is None else page + openai.metrics.page()

    def health(self) -> dict[str, Json]:
        """That the process answers, and how late its event loop is (seconds)."""
        return {"alive": True, "loopLag": round(self._node.lag.last, 4)}

    def ready(self) -> list[Condition]:
        """What the node needs for its work, and whether it holds."""
        return conditions(self._node)


def _worker_json(worker: ModelWorker) -> dict[str, Json]:
    stats = worker.stats()
    return {
        **worker_labels(worker),
        "computing": stats.computing,
        "waiting": stats.waiting,
        "tokensPerSecond": round(stats.tokens_per_second, 1),
        "restarts": stats.restarts,
        "memoryBytes": stats.memory,
    }


def _state(kinds: list[str]) -> str:
    """Where a task stands after its events: what the chain said last counts, then the own certificate."""
    settled: str | None = None
    own = False
    for kind in kinds:
        match kind:
            case "task":
                settled, own = None, False
            case "certified" | "refunded" | "expired":
                settled = kind
            case "settlement_undone":
                settled = None
            case "task_undone":
                settled = "undone"
            case "certificate":
                own = True
    return settled or ("certificate" if own else "open")
