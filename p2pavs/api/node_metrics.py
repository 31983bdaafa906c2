"""A node's metrics, under the names that docs/monitoring.md lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from prometheus_client.metrics_core import Metric

from consensus.gossip_rules import Reason
from inference.runtime import CANONICAL
from p2pavs import __version__
from p2pavs.metrics import counter, gauge, histogram, worker_metrics
from p2pavs.readiness import conditions
from p2pavs.remote_signer.calls import KINDS
from p2pavs.remote_signer.calls import OUTCOMES as OUTCOMES_OF_CALLS
from p2pavs.tally import OUTCOMES, TIMEOUTS

if TYPE_CHECKING:
    from inference.worker import ModelWorker
    from p2pavs.node import Node

_NETWORK: Final = {
    "messages_in": "Gossiped messages that were accepted and delivered.",
    "messages_out": "Gossiped messages of this node.",
    "bytes_in": "Bytes of gossiped messages received.",
    "bytes_out": "Bytes of gossiped messages sent.",
    "messages_rejected": "Gossiped messages that were not passed on, repeated ones included.",
    "messages_dropped": "Gossiped messages lost because this node was too slow.",
    "validator_errors": "Gossiped messages on which this program failed.",
    "requests_out": "Requests to peers.",
    "requests_failed": "Requests to peers that were not answered.",
    "requests_in": "Requests of peers.",
    "requests_refused": "Requests of peers above a limit.",
    "handler_errors": "Requests of peers that could not be answered.",
    "dials": "Connections that this node tried to open.",
    "dial_failures": "Connections that could not be opened.",
    "records_rejected": "Peer records that were malformed or not signed by their peer.",
    "evictions": "Connections closed to make room.",
    "bans": "Peers that lost their connection for what they did.",
}
"""Of ``NetworkStats``."""


def node_metrics(node: Node) -> Iterator[Metric]:
    """Everything that is counted and measured."""
    yield gauge(
        "build_info",
        "Version and runtime profile.",
        [({"version": __version__, "runtime": CANONICAL.name}, 1)],
    )
    yield gauge(
        "ready",
        "Whether what the node needs for its work holds, by condition.",
        [({"condition": one.name}, float(one.met)) for one in conditions(node)],
    )
    yield histogram(
        "event_loop_lag_seconds", "How late the event loop was, ten times a second.", node.lag.histogram
    )
    yield gauge("storage_failing", "Whether the last write to the disk failed.", _storage_failing(node))
    yield from _chain(node)
    yield from _operator(node)
    yield from _signer(node)
    yield from _tasks(node)
    yield from _network(node)
    yield from worker_metrics([(worker_labels(worker), worker.stats()) for worker in node.workers])


def worker_labels(worker: ModelWorker) -> dict[str, str]:
    """What tells a worker from the others."""
    return {"model": worker.manifest.name, "file": worker.manifest.model_hash.hex()[:16]}


def _chain(node: Node) -> Iterator[Metric]:
    desk, follower = node.desk, node.follower
    yield gauge(
        "chain_head", "The block up to which the chain was followed.", 0 if desk is None else desk.head
    )
    yield gauge(
        "chain_head_timestamp_seconds", "Unix time of that block.", 0 if desk is None else desk.head_time
    )
    yield gauge(
        "chain_behind_blocks",
        "Blocks of the endpoint that are still to be read.",
        0 if follower is None else follower.behind or 0,
    )
    failed = follower is not None and follower.last_error is not None
    yield gauge("chain_unreachable", "Whether the endpoint does not answer as it should.", failed)


def _operator(node: Node) -> Iterator[Metric]:
    record = node.book.records.get(node.network.peer_id)
    yield gauge("balance_wei", "Ether of the account that posts certificates.", node.balance)
    yield gauge("stake_wei", "Stake that counts for the next set.", 0 if record is None else record.stake)
    yield gauge("epoch", "The open epoch.", node.book.epoch)
    yield gauge("in_epoch", "Whether the open epoch's set has this operator.", node.book.in_epoch)
    yield gauge(
        "slashing_risk",
        "What may cost stake, by cause: 1 where it was seen since the start, or holds now.",
        [({"cause": cause}, float(there)) for cause, there in _risks(node).items()],
    )
    refused = 0 if node.desk is None else node.desk.signatures_refused
    yield counter("signatures_refused", "Second statements for one slot that were not signed.", refused)
    yield counter(
        "own_results_diverged", "Results of this node that were not certified.", node.divergences.own
    )
    yield counter(
        "others_diverged", "Results of others that differ from this node's.", node.divergences.others
    )
    yield counter(
        "offences_reported", "Offences that this node reported to the chain.", node.accuser.reported
    )
    yield counter("cases_executed", "Offenders that this node had punished.", node.accuser.executed)


def _signer(node: Node) -> Iterator[Metric]:
    calls = node.signers.calls
    yield counter(
        "signer_calls",
        "Questions to the remote signer, by kind and outcome; 0 where the keys are here.",
        [
            ({"kind": kind, "outcome": outcome}, calls.counts[kind, outcome])
            for kind in KINDS
            for outcome in OUTCOMES_OF_CALLS
        ],
    )
    yield histogram("signer_call_seconds", "How long the remote signer's answers took.", calls.seconds)
    yield gauge(
        "signer_unavailable", "Whether the remote signer does not answer.", node.signer_error is not None
    )


def _risks(node: Node) -> dict[str, bool]:
    record = node.book.records.get(node.network.peer_id)
    held = node.signing_keys
    return {
        "signature_refused": node.desk is not None and node.desk.signatures_refused > 0,
        "own_result_diverged": node.divergences.own > 0,
        "open_case": node.accuser.accused,
        "seats_missed": node.tally.missed_seats > 0,
        "next_key_not_held": record is not None
        and record.next_key is not None
        and record.next_key not in held,
    }


def _tasks(node: Node) -> Iterator[Metric]:
    tally = node.tally
    yield gauge("tasks_open", "Tasks that are watched.", 0 if node.desk is None else len(node.desk.tasks))
    yield gauge(
        "tasks_queued",
        "Tasks that wait until others are decided.",
        0 if node.desk is None else node.desk.queued,
    )
    yield counter(
        "tasks",
        "Tasks that are over, by outcome.",
        [({"outcome": outcome}, tally.outcomes[outcome]) for outcome in OUTCOMES],
    )
    yield counter("rounds", "Rounds entered.", tally.rounds)
    yield counter(
        "rounds_failed", "Rounds that came to nothing, so that another was entered.", tally.failed_rounds
    )
    yield counter(
        "timeouts",
        "Timeouts, by the step that took too long.",
        [({"step": step}, tally.timeouts[step]) for step in TIMEOUTS],
    )
    yield counter("attempts_missed", "Attempts that ended without a decision here.", tally.missed_attempts)
    yield counter("seats", "Certified tasks on whose committee this operator was.", tally.seats)
    yield counter("seats_missed", "Those whose certificate lacks its signature.", tally.missed_seats)
    yield counter("certificates_posted", "Certificates that this node posted.", tally.posted)
    yield gauge(
        "certificates_missing",
        "Certificates of settled tasks that this node does not have.",
        0 if node.sync is None else node.sync.missing,
    )
    yield histogram(
        "decision_seconds", "From a task's block, as this node saw it, to its certificate.", tally.decisions
    )
    yield histogram(
        "verification_cpu_seconds",
        "Processor time of checking the signatures of a batch of messages.",
        tally.verifications,
    )


def _network(node: Node) -> Iterator[Metric]:
    stats = node.network.stats()
    numbers = asdict(stats)
    yield gauge("network_peers_connected", "Peers that are connected.", stats.peers_connected)
    yield gauge("network_peers_known", "Peers whose addresses are known.", stats.peers_known)
    for name, text in _NETWORK.items():
        yield counter(f"network_{name}", text, numbers[name])
    yield counter(
        "network_offences",
        "What peers did that no honest one does, by kind.",
        [({"kind": kind}, count) for kind, count in stats.offences.items()],
    )
    verdicts = node.router.verdicts
    known = [("accept", "")] + [(verdict, reason) for reason, verdict in _VERDICTS.items()]
    yield counter(
        "gossip_validated",
        "Gossiped messages of operators, by verdict and reason.",
        [({"verdict": verdict, "reason": reason}, verdicts[verdict, reason]) for verdict, reason in known],
    )
    yield counter(
        "gossip_strangers", "Gossiped messages of peers that are no operators.", node.book.strangers
    )
    yield counter(
        "early_messages_dropped",
        "Messages for tasks that this node had not seen, beyond what it keeps.",
        node.router.early_dropped,
    )


_IGNORED: Final = {
    Reason.UNKNOWN_KIND,
    Reason.OVER,
    Reason.NOT_YET_KNOWN,
    Reason.NO_NEWS,
    Reason.TOO_FAR_AHEAD,
    Reason.UNKNOWN_AUTHOR,
}
_VERDICTS: Final = {reason.value: "ignore" if reason in _IGNORED else "reject" for reason in Reason}


def _storage_failing(node: Node) -> bool:
    return node.directory.database.failure is not None
