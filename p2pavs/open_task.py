"""A task that a node watches, and what its members work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

import trio

from consensus.committee import Committee
from consensus.messages import Message
from consensus.signing import Randomness
from consensus.types import InstanceId
from p2pavs.catch_up import CatchUp
from p2pavs.chain.contracts import Chain
from p2pavs.chain.events import TaskRequested
from p2pavs.chain.poster import Sender
from p2pavs.chain.records import TaskHeader
from p2pavs.committee_topics import CommitteeTopics
from p2pavs.divergence import DivergenceBook
from p2pavs.doppelganger import DoppelgangerWatch
from p2pavs.evidence_book import EvidenceBook
from p2pavs.execution import Execution, Executor
from p2pavs.journal import Journal
from p2pavs.member import Member
from p2pavs.routing import Blame, Router
from p2pavs.settings import NodeSettings
from p2pavs.storage import SignGuard
from p2pavs.storage.database import Database
from p2pavs.supplement import Attendance
from p2pavs.task_post import ChainView
from p2pavs.traces import Traces
from p2pavs.turns import Turn
from p2pavs.vetting import Check


@dataclass(frozen=True, slots=True)
class DeskParts:
    """What the desk works with."""

    chain: Chain
    sender: Sender
    operator: bytes  # own account, 20 bytes
    database: Database
    guard: SignGuard
    evidence: EvidenceBook
    journal: Journal
    router: Router
    catch_up: CatchUp
    topics: CommitteeTopics
    publish: Callable[[Message], Awaitable[None]]
    author_of: Callable[[str], bytes | None]
    """Tells which operator (20 bytes) a peer is."""
    peer_of: Callable[[bytes], str | None]
    """Tells an operator's peer id."""
    traces: Traces
    divergences: DivergenceBook
    check: Check
    """Checks the signatures of messages."""
    blame: Blame
    certified: Callable[[TaskHeader], None]
    """Told of each task that the chain holds a certificate of, for good."""
    reorganised: Callable[[], None]
    """Told that a block was undone: honest peers may sign for what was in it a while longer."""
    executors: Mapping[bytes, Executor]  # by model id
    settings: NodeSettings
    randomness: Randomness
    peers_of: Callable[[Committee], Collection[str]]
    """The peer ids of a committee's members."""
    attendance: Attendance = field(default_factory=Attendance)
    doppelganger: DoppelgangerWatch | None = None
    """Told of what peers say that we signed."""


@dataclass(slots=True)
class OpenTask:
    """A task this node watches."""

    event: TaskRequested
    block_number: int
    block_hash: bytes
    view: ChainView = field(default_factory=ChainView)
    settled_number: int = 0
    """The block that settled it: with a certificate, a refund, or the first one after the deadline."""
    settled_hash: bytes = b""
    extended: int = 0
    """The deadline that pauses of the gateway made of the header's, unix seconds; 0: none was seen to."""
    attempt: int = 0
    scope: trio.CancelScope | None = None
    turn: Turn | None = None
    """Its place among the tasks of this node; None where it does not wait for one."""
    member: Member | None = None
    execution: Execution | None = None
    """What was computed in an earlier attempt: a later one has the same answer."""

    @property
    def deadline(self) -> int:
        """Until when it can be certified, as far as is known, unix seconds."""
        return max(self.event.header.deadline, self.extended)

    @property
    def decided(self) -> bool:
        """Whether its committee has decided, as far as this node took part."""
        return self.member is not None and self.member.decided

    @property
    def instance(self) -> InstanceId:
        """The attempt that this node works on."""
        return InstanceId(self.event.id, self.attempt)
