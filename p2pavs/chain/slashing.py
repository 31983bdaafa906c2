"""What the slashing manager knows, and the calls that report and punish."""

from __future__ import annotations

from dataclasses import dataclass

from p2pavs.chain.contracts import Call, Chain
from p2pavs.chain.events import CaseOpened
from p2pavs.chain.evidence import ChainEvidence
from p2pavs.contracts import EVIDENCE_VERIFIERS


@dataclass(frozen=True, slots=True)
class Case:
    """An offence that waits out its veto window, or did."""

    id: int
    offence: str  # one of ``EVIDENCE_VERIFIERS``; empty for a verifier that this version does not know
    operator: bytes
    reporter: bytes
    first_task: int
    executable_from: int  # unix seconds
    closed: bool  # punished or vetoed


async def is_booked(chain: Chain, evidence: ChainEvidence) -> bool:
    """Whether the offence was reported before."""
    verifier = chain.address(evidence.verifier)
    arguments = (verifier, evidence.operator, evidence.first_task)
    return bool(await chain.read_one("SlashingManager", "isBooked", *arguments))


async def bounty_of(chain: Chain, account: bytes) -> int:
    """Return what an account earned with reports and did not withdraw, in wei."""
    return int(await chain.read_one("SlashingManager", "balanceOf", account))


def report_call(chain: Chain, evidence: ChainEvidence) -> Call:
    """Return the call that reports an offence."""
    return chain.call("SlashingManager", "report", chain.address(evidence.verifier), evidence.data)


async def case_count(chain: Chain) -> int:
    """Return how many cases were ever opened; they count from 1."""
    return int(await chain.read_one("SlashingManager", "caseCount"))


async def read_case(chain: Chain, number: int) -> Case:
    """Return where a case stands."""
    value = await chain.read("SlashingManager", "caseOf", number)
    names = {chain.address(name): offence for offence, name in EVIDENCE_VERIFIERS.items()}
    return Case(
        id=number,
        offence=names.get(value["verifier"], ""),
        operator=value["operator"],
        reporter=value["reporter"],
        first_task=value["firstTask"],
        executable_from=value["executableFrom"],
        closed=value["closed"],
    )


async def execute_call(chain: Chain, number: int) -> Call | None:
    """Return the call that executes a case, with the evidence that opened it; None where none is found."""
    for logged in await chain.find_events("SlashingManager", "CaseOpened", number.to_bytes(32, "big")):
        if isinstance(logged.event, CaseOpened) and logged.event.id == number:
            return chain.call("SlashingManager", "execute", number, logged.event.evidence)
    return None
