"""Who is missing from too many certificates: read from the chain alone."""

from __future__ import annotations

from dataclasses import dataclass

from consensus.committee import Committee
from p2pavs.chain import reader
from p2pavs.chain.contracts import Chain
from p2pavs.chain.evidence import ChainEvidence, encode_absence
from p2pavs.chain.records import TaskHeader, TaskStatus


@dataclass(frozen=True, slots=True)
class _Missed:
    """A certificate that nobody can be added to any more, and who of its committee is not in it."""

    header: TaskHeader
    absent: tuple[tuple[bytes, int], ...]  # operator, and its index in the set of the task's epoch


async def read_rule(chain: Chain) -> tuple[int, int]:
    """Return from how many tasks, of how many in a row, one must be missing to be punished."""
    least = int(await chain.read_one("AbsenceVerifier", "least"))
    return least, int(await chain.read_one("AbsenceVerifier", "window"))


class AbsenceWatch:
    """Reads each task once: when its supplement window is over."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._seen: dict[int, _Missed | None] = {}  # None: settled, and not one that counts
        self._rule: tuple[int, int] | None = None
        self._supplement_window = 0

    async def find(self) -> list[ChainEvidence]:
        """Return evidence against all who are absent by the contract's rule. Raises ``ChainError``."""
        if self._rule is None:
            window = await self._chain.read_one("TaskGateway", "supplementWindow")
            self._supplement_window, self._rule = int(window), await read_rule(self._chain)
        least, window = self._rule
        newest = int(await self._chain.read_one("TaskGateway", "taskCount"))
        latest = await self._chain.rpc.block("latest")
        now = 0 if latest is None else latest.timestamp
        first = max(1, newest - window + 1)
        self._seen = {number: seen for number, seen in self._seen.items() if number >= first}
        missed: dict[bytes, list[tuple[TaskHeader, int]]] = {}
        for number in range(first, newest + 1):
            seen = await self._read(number, now)
            if seen is None:
                continue
            for operator, index in seen.absent:
                missed.setdefault(operator, []).append((seen.header, index))
        return [encode_absence(operator, tasks) for operator, tasks in missed.items() if len(tasks) >= least]

    async def _read(self, number: int, now: int) -> _Missed | None:
        if number in self._seen:
            return self._seen[number]
        result = await reader.read_result(self._chain, number)
        certified = result.status is TaskStatus.CERTIFIED
        if result.status is TaskStatus.REQUESTED:
            return None
        if certified and now < result.finalized_at + self._supplement_window:
            return None  # who was left out can still be added
        seen = None
        if certified and not await self._chain.read_one("TaskGateway", "wasPaused", number):
            seen = await self._missed(number)
        self._seen[number] = seen
        return seen

    async def _missed(self, number: int) -> _Missed:
        header = (await reader.read_task(self._chain, number)).requested.header
        operators = await reader.read_operator_set(self._chain, header.epoch)
        attempt = int(await self._chain.read_one("TaskGateway", "attemptOf", number))
        signers = int(await self._chain.read_one("TaskGateway", "signersOf", number))
        committee = Committee.select(operators, header.hash, header.task_seed, attempt, header.committee_size)
        absent = tuple(
            (member.operator, member.index)
            for member in committee.members
            if not committee.bitmap_and_hints([member.index])[0] & signers
        )
        return _Missed(header, absent)
