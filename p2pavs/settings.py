"""The numbers an operator may turn. Defaults fit a network of a few dozen nodes and a model of seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from consensus.timeouts import TimeoutConfig
from p2pavs.relay import Patience

LOW_BALANCE = 10**16
"""wei of an operator's account below which it is warned: some thirty postings at 1 gwei"""


class Supplement(StrEnum):
    """When a member that a certificate left out adds itself."""

    WORTH = "worth"  # its share of the reward is more than the gas
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Times are in seconds unless the name says otherwise."""

    timeouts: TimeoutConfig
    confirmations: int = 1
    """Blocks on top of a task's block before this node works on it."""

    finality_depth: int = 5
    """Blocks on top of a certificate's block before this node stops watching its task."""

    execution_share: float = 0.5
    """Part of the time to a deadline that the own computation may take before the member votes anyway."""

    patience: Patience = field(default_factory=Patience)
    """How long a member that follows another one's answer waits for more of it."""

    rebroadcast_every: float = 2.0
    poster_delay: float = 4.0
    """The poster of rank i may post i times this after it decided."""

    keep_tasks: int = 100_000
    """Of so many of the newest tasks certificates and signatures are kept; a task takes about 3 kB."""

    poster_gather: float = 0.3
    """How long a poster waits for more precommits when some are missing."""

    supplement: Supplement = Supplement.WORTH
    """When a member that a certificate left out adds itself."""

    supplement_delay: float = 6.0
    """The first of those left out adds itself so long after it saw the certificate, each further one as much
    later again."""

    doppelganger_wait: float = 30.0
    """How long a node listens for another one with its keys before it signs anything."""

    poll_every: float = 0.25
    """How often the chain is asked for a new block."""
