"""Who is missing from too many certificates: read from the chain alone."""

from __future__ import annotations

from dataclasses import dataclass

from p2pavs.chain import reader
from p2pavs.chain.contracts import Chain
from p2pavs.chain.evidence import ChainEvidence, encode_absence
from p2pavs.chain.records import TaskHeader, TaskStatus


@dataclass(frozen=True, slots=True)
class _Seen:
    header: TaskHeader
    operators: tuple[bytes, ...]  # by index


class AbsenceWatch:
    """Reads each task once, when it is settled, and its signers each time: late ones may be added."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._seen: dict[int, _Seen | None] = {}  # None: settled, and not one that counts
        self._sets: dict[int, tuple[bytes, ...]] = {}
        self._rule: tuple[int, int] | None = None

    async def find(self) -> list[ChainEvidence]:
        """Return evidence against all who are absent by the contract's rule. Raises ``ChainError``."""
        least, window = await self._read_rule()
        newest = int(await self._chain.read_one("TaskGateway", "taskCount"))
        first = max(1, newest - window + 1)
        self._seen = {number: seen for number, seen in self._seen.items() if number >= first}
        missed: dict[bytes, list[tuple[TaskHeader, int]]] = {}
        for number in range(first, newest + 1):
            seen = await self._read(number)
            if seen is None:
                continue
            signers = int(await self._chain.read_one("TaskGateway", "signersOf", number))
            for index, operator in enumerate(seen.operators):
                if not signers >> index & 1:
                    missed.setdefault(operator, []).append((seen.header, index))
        return [encode_absence(operator, tasks) for operator, tasks in missed.items() if len(tasks) >= least]

    async def _read_rule(self) -> tuple[int, int]:
        if self._rule is None:
            least = int(await self._chain.read_one("AbsenceVerifier", "least"))
            self._rule = least, int(await self._chain.read_one("AbsenceVerifier", "window"))
        return self._rule

    async def _read(self, number: int) -> _Seen | None:
        if number in self._seen:
            return self._seen[number]
        status = (await reader.read_result(self._chain, number)).status
        if status is TaskStatus.REQUESTED:
            return None
        header = (await reader.read_task(self._chain, number)).requested.header
        seen = None
        if status is TaskStatus.CERTIFIED and header.committee_size == 0:
            seen = _Seen(header, await self._operators(header.epoch))
        self._seen[number] = seen
        return seen

    async def _operators(self, epoch: int) -> tuple[bytes, ...]:
        if epoch not in self._sets:
            found = (await reader.read_operator_set(self._chain, epoch)).operators
            self._sets[epoch] = tuple(one.operator for one in found)
        return self._sets[epoch]
