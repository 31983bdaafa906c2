"""From stored evidence to what the contracts can check."""

from __future__ import annotations

from consensus import bls
from consensus.committee import Committee, Member
from consensus.evidence import Evidence, Offence, Opening, conflict, statements_of
from consensus.messages import Certificate, DivergenceReport, Message, Proposal, Vote
from consensus.signing import value_id
from consensus.types import Scope
from consensus.wire import WireError, decode_message
from p2pavs.chain.certificates import ChainCertificate
from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import NotFound
from p2pavs.chain.evidence import Certified, ChainEvidence, encode_evidence, proves_against
from p2pavs.storage import CertificateStore
from p2pavs.storage.evidence import StoredEvidence
from p2pavs.task_facts import TaskFacts

SUBMITTED = frozenset({"equivocation", "wrong-output", "lazy-vote"})
"""What is reported to the chain. A divergence report is not: a member with a defect should send it."""


class NoProof(Exception):
    """Stored evidence that no contract would take; the text says why."""


async def accuse(
    chain: Chain, certificates: CertificateStore, stored: StoredEvidence, facts: TaskFacts | None = None
) -> ChainEvidence | None:
    """Return the evidence for the chain; None where it has to wait for the task's certificate.

    ``facts`` is what is known of tasks already, for who asks about many pieces of evidence.

    Raises ``NoProof`` where it never will be evidence, ``ChainError`` where the chain cannot be read.
    """
    try:
        evidence = _evidence(chain, stored)
    except (WireError, ValueError) as error:
        raise NoProof(str(error)) from None
    certified = None
    if evidence.offence is not Offence.EQUIVOCATION:
        # The secret behind a work tag must not be published before the decision.
        commit = await certificates.get(stored.instance.task_id, stored.committee_root)
        if commit is None:
            return None
        certified = await _certified(facts or TaskFacts(chain), stored, commit.certificate)
        if certified is None:
            return None
        if not proves_against(evidence, certified):
            raise NoProof("the certified result does not contradict it")
    try:
        return encode_evidence(evidence, certified)
    except bls.BlsError as error:
        raise NoProof(str(error)) from None


def _evidence(chain: Chain, stored: StoredEvidence) -> Evidence:
    scope = Scope(chain.deployment.domain, stored.instance, stored.committee_root)
    accused = Member(0, stored.operator, stored.key, 0)
    first = _signed(decode_message(stored.first))
    match stored.offence:
        case "equivocation":
            found = conflict(first, _signed(decode_message(stored.second)))
            if found is None:
                raise ValueError("the two messages do not contradict each other")
            return Evidence(Offence.EQUIVOCATION, scope, accused, found)
        case "wrong-output":
            opening = None
            if isinstance(first, Proposal):
                opening = Opening(value_id(first.result), first.pol_round)
            return Evidence(Offence.WRONG_OUTPUT, scope, accused, statements_of(first)[:1], opening)
        case "lazy-vote" if isinstance(first, Vote) and first.work is not None and stored.secret:
            signed = statements_of(first)
            return Evidence(Offence.FALSE_WORK_TAG, scope, accused, signed, trace_secret=stored.secret)
        case _:
            raise ValueError(f"{stored.offence} is nothing that a contract punishes as it is stored")


def _signed(message: Message) -> Proposal | Vote | DivergenceReport:
    if isinstance(message, Proposal | Vote | DivergenceReport):
        return message
    raise ValueError("it is no signed message of one member")


async def _certified(facts: TaskFacts, stored: StoredEvidence, certificate: Certificate) -> Certified | None:
    try:
        header, operators = await facts.read(stored.instance.task_id)
    except NotFound:
        return None
    attempt = stored.instance.attempt
    committee = Committee.select(operators, header.hash, header.task_seed, attempt, header.committee_size)
    if committee.root != stored.committee_root:
        raise NoProof("a reorganisation of the chain gave the task another committee")
    bitmap, hints = committee.bitmap_and_hints(certificate.signers)
    return Certified(header, ChainCertificate.build(certificate, bitmap, hints))
