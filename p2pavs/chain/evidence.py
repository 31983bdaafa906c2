"""Evidence in the form in which the contracts check it."""

from __future__ import annotations

from dataclasses import dataclass

from consensus import bls
from consensus.evidence import Evidence, Offence
from consensus.signing import value_id
from consensus.types import Kind
from p2pavs.chain.certificates import ChainCertificate
from p2pavs.chain.contracts import interface
from p2pavs.chain.records import AbiTuple, TaskHeader
from p2pavs.contracts import EVIDENCE_VERIFIERS


@dataclass(frozen=True, slots=True)
class Certified:
    """What evidence is held against: a task and its certificate."""

    header: TaskHeader
    certificate: ChainCertificate


@dataclass(frozen=True, slots=True)
class ChainEvidence:
    """Evidence that a contract can check."""

    verifier: str  # name of the contract
    operator: bytes  # the accused's account
    first_task: int
    data: bytes  # what its ``check`` takes


def encode_evidence(evidence: Evidence, certified: Certified | None = None) -> ChainEvidence:
    """Encode the evidence of signed statements.

    ``certified`` is the task's certificate, of which only an equivocation is independent. Raises
    ``ValueError`` where it is needed and missing, ``bls.BlsError`` where a signature is no point.
    """
    key = bls.public_key_to_evm(evidence.accused.key)
    signature = bls.signature_to_evm(bls.aggregate([signed.signature for signed in evidence.statements]))
    first = evidence.statements[0]
    if evidence.offence is Offence.EQUIVOCATION:
        scope, second = evidence.scope, evidence.statements[1]
        where = (scope.instance.task_id, scope.instance.attempt, scope.committee_root)
        struct: AbiTuple = (where, int(first.kind), first.round, first.value, second.value, key, signature)
        return _encoded("equivocation", evidence, struct)
    if certified is None:
        raise ValueError("this offence is one only against the task's certificate")
    against = (certified.header.to_abi(), certified.certificate.to_abi())
    if evidence.offence is Offence.WRONG_OUTPUT:
        claimed = first.value if evidence.opening is None else evidence.opening.value_id
        struct = (*against, int(first.kind), first.round, claimed, key, signature)
        return _encoded("wrong-output", evidence, struct)
    tag = next(signed.value for signed in evidence.statements if signed.kind is Kind.WORK_TAG)
    struct = (*against, first.round, tag, evidence.trace_secret, key, signature)
    return _encoded("lazy-vote", evidence, struct)


def encode_absence(operator: bytes, missed: list[tuple[TaskHeader, int]]) -> ChainEvidence:
    """Encode that an operator is missing from the certificates of tasks, ascending by id.

    Each comes with the operator's index in the set of its epoch.
    """
    struct = (operator, [header.to_abi() for header, _ in missed], [index for _, index in missed])
    verifier = EVIDENCE_VERIFIERS["absence"]
    data = interface(verifier).encode("checkDecoded", struct)[4:]
    return ChainEvidence(verifier, operator, missed[0][0].id, data)


def proves_against(evidence: Evidence, certified: Certified) -> bool:
    """Whether an offence that needs a certificate is one against this certificate."""
    value = value_id(certified.certificate.result)
    if evidence.offence is Offence.WRONG_OUTPUT:
        claimed = evidence.statements[0].value if evidence.opening is None else evidence.opening.value_id
        return claimed != value
    return evidence.statements[0].value == value


def _encoded(offence: str, evidence: Evidence, struct: AbiTuple) -> ChainEvidence:
    verifier = EVIDENCE_VERIFIERS[offence]
    data = interface(verifier).encode("checkDecoded", struct)[4:]
    return ChainEvidence(verifier, evidence.accused.operator, evidence.scope.instance.task_id, data)
