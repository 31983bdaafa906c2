"""What a member needs from its node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field

from consensus.messages import Commit, Message
from p2pavs.divergence import DivergenceBook
from p2pavs.evidence_book import EvidenceBook
from p2pavs.execution import Execution
from p2pavs.journal import Journal
from p2pavs.network import Offence
from p2pavs.scrutiny import Compare, nobody
from p2pavs.settings import NodeSettings
from p2pavs.storage import CertificateStore, InputLog, KeyGuard, SignGuard
from p2pavs.streaming import Stream
from p2pavs.vetting import Check, check_alone


@dataclass(frozen=True, slots=True)
class MemberPorts:
    """What a member needs from its node."""

    guard: SignGuard | KeyGuard
    inputs: InputLog
    certificates: CertificateStore
    evidence: EvidenceBook
    journal: Journal
    settings: NodeSettings
    publish: Callable[[Message], Awaitable[None]]
    """Sends a message to the committee's topic."""
    tell: Callable[[Message, Collection[bytes]], Awaitable[bool]]
    """Sends a message to some operators (20 bytes each); False where none of them is connected."""
    has_room: Callable[[], bool]
    """Whether a repetition may be published, or other tasks need the room for what is new."""
    catch_up: Callable[[], Awaitable[Sequence[tuple[Message, str]]]]
    """Asks peers for what they know of this instance; each message with the peer it came from."""
    execute: Callable[[], Awaitable[Execution | None]]
    """Computes the own result, or None where this operator cannot."""
    execution_limit: float
    """Seconds from now after which the member takes part without an own result."""
    decided: Callable[[Commit], Awaitable[None]]
    """Takes over a certificate: posts it when it is this operator's turn."""
    author_of: Callable[[str], bytes | None] = lambda peer: None
    """Tells which operator (20 bytes) a peer is."""
    peer_of: Callable[[bytes], str | None] = lambda operator: None
    """Tells an operator's peer id."""
    stream: Stream | None = None
    """The part of the execution that members share, where the task asks for that."""
    compare: Compare = nobody
    """Asks an operator where its result parts from the own one."""
    divergences: DivergenceBook = field(default_factory=DivergenceBook)
    check: Check = check_alone
    """Checks the signatures of messages."""
    blame: Callable[[str, Offence], None] = lambda peer, offence: None
    """Told which peer sent a message whose signatures do not hold."""
