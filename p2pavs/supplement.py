"""A member that the posted certificate left out adds its precommit: so it is paid, and not absent."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import structlog
import trio

from consensus import bls
from consensus.messages import Vote
from p2pavs.absence import read_rule
from p2pavs.chain import certificates
from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ChainError, ContractRevert
from p2pavs.chain.fees import market_fees
from p2pavs.settings import NodeSettings, Supplement
from p2pavs.task_post import TaskPost

GAS = 260_000
"""What adding signers takes, about: one signature check, one slot that is written again."""

CHECK_EVERY = 1.0
CHECK_COMPLETE_EVERY = 3.0
"""The same while the certificate has the own signature: only a reorganisation can change that."""

log = structlog.get_logger()


class Attendance:
    """How often this operator let it go that a certificate lacks it: too often would be an absence."""

    def __init__(self) -> None:
        self._let_go: deque[int] = deque()  # tasks, ascending as far as it matters
        self._rule: tuple[int, int] | None = None

    async def is_at_risk(self, chain: Chain, task: int) -> bool:
        """Whether to let this task go too would be more than a quarter of what is punished."""
        if self._rule is None:
            self._rule = await read_rule(chain)
        least, window = self._rule
        self._let_go = deque(number for number in self._let_go if number > task - window)
        return 4 * (len(self._let_go) + 1) > least

    def let_go(self, task: int) -> None:
        """Note that a certificate stays as it is."""
        self._let_go.append(task)


class Latecomer:
    """Adds the own precommit to a certificate that lacks it, with those of all others it lacks.

    Those left out take turns in the order of the posters, so that usually one transaction is for all. Where
    votes go to collectors they have not heard each other's: each says its own to everybody first.
    """

    def __init__(
        self,
        post: TaskPost,
        settings: NodeSettings,
        precommits: Callable[[int, bytes], tuple[Vote, ...]],
        attendance: Attendance,
        publish: Callable[[Vote], Awaitable[None]] | None = None,
    ) -> None:
        """``publish`` says a precommit that only collectors have heard; None where all hear all."""
        self._post = post
        self._header = post.header
        self._committee = post.committee
        self._own = post.own
        self._view = post.view
        self._chain = post.chain
        self._settings = settings
        self._precommits = precommits
        self._attendance = attendance
        self._publish = publish

    async def run(self) -> None:
        """Watch until the task is over. After a reorganisation it begins anew."""
        done = False
        while self._settings.supplement is not Supplement.NEVER and not self._view.over:
            if self._view.certificate is None:
                done = False
            elif not done and self._own_late() is not None:
                done, self._view.busy = True, True
                await self._tell()
                late = {self._own, *(vote.sender for vote in self._late())}
                order = [index for index in self._committee.poster_order() if index in late]
                await trio.sleep((1 + order.index(self._own)) * self._settings.supplement_delay)
                await self._add()
                self._view.busy = False
            own = self._committee.bitmap_of([self._own]) & self._view.bitmap
            await trio.sleep(CHECK_COMPLETE_EVERY if own else CHECK_EVERY)

    def _late(self) -> tuple[Vote, ...]:
        """The precommits for the certified value, in its round, that the certificate lacks."""
        certificate = self._view.certificate
        if certificate is None or certificate.attempt != self._committee.attempt:
            return ()
        return tuple(
            vote
            for vote in self._precommits(certificate.round, certificate.value_id)
            if self._committee.bitmap_of([vote.sender]) & ~self._view.bitmap
        )

    def _own_late(self) -> Vote | None:
        return next((vote for vote in self._late() if vote.sender == self._own), None)

    async def _tell(self) -> None:
        """Say the own precommit to everybody, and hear the others'."""
        if self._publish is not None and (own := self._own_late()) is not None:
            await self._publish(own)
            await trio.sleep(CHECK_EVERY)

    async def _add(self) -> None:
        certificate, late = self._view.certificate, self._late()
        if certificate is None or self._own_late() is None:
            return  # somebody else did it, or the certificate is gone
        try:
            if not await self._is_wanted():
                self._attendance.let_go(self._header.id)
                self._post.note("left_out", worth=False)
                return
            bitmap, hints = self._committee.supplement_bitmap_and_hints(
                [vote.sender for vote in late], self._view.bitmap
            )
            signature = bls.aggregate([vote.signature for vote in late])
            supplement = certificates.Supplement(
                certificate.round, certificate.value_id, bitmap, hints, bls.signature_to_evm(signature)
            )
            await self._post.send("supplement", supplement.to_abi(), done="supplemented", signers=len(late))
        except ContractRevert as error:
            log.info("supplement_refused", task=self._header.id, error=str(error))
        except ChainError as error:
            log.warning("supplement_failed", task=self._header.id, error=error.message, remedy=error.remedy)

    async def _is_wanted(self) -> bool:
        if self._settings.supplement is Supplement.ALWAYS or await self._is_worth_it():
            return True
        return await self._attendance.is_at_risk(self._chain, self._header.id)

    async def _is_worth_it(self) -> bool:
        """Whether the own share of the reward, all having signed, is more than the transaction costs."""
        weight, total = self._committee.weight_of(self._own), self._committee.total_weight
        fees = await market_fees(self._chain.rpc)
        return self._header.reward * weight // total > GAS * fees.max_fee
