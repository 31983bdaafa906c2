"""The poster ladder (protocol, section 8): every member may post, the seed says who waits how long."""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from consensus.messages import Commit
from p2pavs.chain.certificates import ChainCertificate
from p2pavs.chain.errors import ChainError, ContractRevert
from p2pavs.task_post import TaskPost

log = structlog.get_logger()

FINAL_REFUSALS = frozenset(
    {"AlreadyCertified", "DeadlinePassed", "AlreadyRefunded", "HeaderMismatch", "UnknownTask"}
)
"""Answers of the gateway after which posting again is pointless while the block stands.

The last two come where a reorganisation has moved the task and this node has not read the new blocks yet.
"""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds
LOOK_AGAIN = 0.5  # seconds
LOOK_AT_SETTLED = 2.0
"""Seconds between two looks whether a certificate is still on the chain: hardly ever one is not."""
BLOCKS_EACH = 2
"""Blocks that each poster has for itself: on a slow chain the one before may be waiting to be mined."""
PATIENCE = 8
"""Delays after which a turn does not wait for blocks any more: this node may be the one that sees none."""


def certificate_gas(members: int, output_bytes: int, callback_gas: int) -> int:
    """A limit that a certificate does not reach; ``docs/benchmarks.md`` has what certificates take.

    Of what is passed to a callback the caller keeps a 64th.
    """
    return 400_000 + 4_000 * members + 100 * output_bytes + 65 * callback_gas // 64


class PosterLadder:
    """Posts one certificate on this operator's turn: a time and two blocks for each of those before it.

    If a reorganisation takes the certificate out again, the turns begin anew.
    """

    def __init__(
        self,
        post: TaskPost,
        delay: float,
        gather: float = 0.0,
        fullest: Callable[[], Commit | None] = lambda: None,
    ) -> None:
        self._post = post
        self._committee = post.committee
        self._rank = post.committee.poster_order().index(post.own)
        self._view = post.view
        self._delay = delay
        self._gather = gather
        self._fullest = fullest
        self._alone = self._rank == 0  # who posts first need not look for the transactions of others

    async def run(self, commit: Commit) -> None:
        """Post until the chain holds a certificate for good or will not take one any more.

        Before it posts it waits a little for more precommits: who is left out has to pay for being added.
        """
        if len(commit.certificate.signers) < len(self._committee.members):
            await trio.sleep(self._gather)
        view, pause = self._view, FIRST_PAUSE
        turn: tuple[float, int] | None = self._turn()
        while not view.over:
            if view.certified or view.refunded:
                turn = None
                await trio.sleep(LOOK_AT_SETTLED)
                continue
            turn = turn or self._turn()
            if (wait := self._wait(turn)) > 0:
                await trio.sleep(min(wait, LOOK_AGAIN))
                continue
            pause = FIRST_PAUSE if await self._attempt(commit) else min(2 * pause, LONGEST_PAUSE)
            await trio.sleep(pause)

    def _wait(self, turn: tuple[float, int]) -> float:
        """Seconds until the turn comes, if there are no blocks meanwhile; none are left when it is there."""
        moment, block = turn
        if self._view.head < block:
            moment += self._rank * self._delay * (PATIENCE - 1)
        return moment - trio.current_time()

    def _turn(self) -> tuple[float, int]:
        """From which moment, and from which block on, this operator posts if nobody has."""
        return trio.current_time() + self._rank * self._delay, self._view.head + self._rank * BLOCKS_EACH

    async def _attempt(self, commit: Commit) -> bool:
        """Post once; whether it was mined. What keeps it from that may pass: funds, an endpoint, a reorg."""
        commit = self._fullest() or commit
        bitmap, hints = self._committee.bitmap_and_hints(commit.certificate.signers)
        header = self._post.header
        alone, self._alone = self._alone, False
        self._post.note("posting", rank=self._rank)
        try:
            await self._post.send(
                "submitCertificate",
                ChainCertificate.build(commit.certificate, bitmap, hints).to_abi(),
                commit.output,
                gas=certificate_gas(len(self._committee.members), len(commit.output), header.callback_gas),
                trial="latest" if alone else "pending",
                done="posted",
            )
        except ContractRevert as error:
            if error.name not in FINAL_REFUSALS:
                log.error("posting_refused", task=header.id, error=str(error))
            return False
        except ChainError as error:
            log.warning("posting_failed", task=header.id, error=str(error))
            return False
        return True
