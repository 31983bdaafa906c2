"""What must hold after every step, whatever happens: each breach is a ``Violation``.

- agreement: no two honest members decide different results;
- validity: a decision is certified and, where values are checked, is some honest member's own result; an
  honest member prevotes nothing but its own; nothing it says is refused by the gossip rules;
- no equivocation: no honest member signs two statements for one slot, through any crashes;
- evidence: each piece stands by itself (``consensus.evidence``) and never accuses an honest member;
- accountability: a fork yields evidence against more than a third of the weight;
- replay: a log gives the same effects again;
- termination: with less than a third of the weight faulty, every honest member decides in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consensus.certificate import CertificateError, verify_certificate
from consensus.effects import Decided, Effect, Equivocation, FalseWorkTag, Received, WrongOutput
from consensus.evidence import (
    Evidence,
    EvidenceError,
    Offence,
    check_evidence,
    equivocation_evidence,
    false_work_tag_evidence,
    statements_of,
    wrong_output_evidence,
)
from consensus.messages import Certificate, DivergenceReport, Proposal, Vote
from consensus.signing import value_id
from consensus.types import NIL, Kind, ValueId
from p2pavs.sim.answers import own_result, value_of

if TYPE_CHECKING:
    from p2pavs.sim.engine import Simulation
    from p2pavs.sim.host import Host


class Violation(Exception):
    """An invariant does not hold. ``kind`` names it."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Fork:
    """Two certificates of different results."""

    first: Certificate
    second: Certificate


class Invariants:
    """Watches one simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._said: dict[tuple[int, Kind, int], bytes] = {}
        self._checked: set[Effect] = set()
        self._false_tags: dict[int, Vote] = {}
        self.evidence: dict[tuple[Offence, int], Evidence] = {}
        self.decisions: dict[int, Decided] = {}
        self.decided_ms: dict[int, int] = {}
        self.fork: Fork | None = None

    # --- while it runs ------------------------------------------------------------------------------------

    def said(self, message: Proposal | Vote | DivergenceReport) -> None:
        """Look at a message whose signatures hold."""
        if message.sender not in self._simulation.honest:
            return
        for signed in statements_of(message):
            if signed.kind is Kind.WORK_TAG and self._simulation.setting.any_value:
                continue
            first = self._said.setdefault((message.sender, signed.kind, signed.round), signed.value)
            if first != signed.value:
                raise Violation(
                    "equivocation",
                    f"honest member {message.sender}: two {signed.kind.name} in round {signed.round}",
                )

    def secret_to_prevote(self, host: Host, value: ValueId) -> bytes:
        """Return the trace secret behind a value that a member is about to prevote, if it may."""
        own = host.own_output
        if own is not None and value == value_of(own):
            return own_result(own).trace_secret
        if host.honest and not self._simulation.setting.any_value:
            raise Violation("validity", f"member {host.member} prevotes what it did not compute")
        return self._simulation.secret_of(value)

    def note(self, host: Host, effect: Effect) -> None:
        """Look at what an instance concluded."""
        if not host.honest:
            return
        if isinstance(effect, Decided):
            self._decided(host, effect)
        elif isinstance(effect, Equivocation | FalseWorkTag | WrongOutput) and effect not in self._checked:
            self._checked.add(effect)
            self._accuse(effect)

    def _decided(self, host: Host, decided: Decided) -> None:
        made, certificate = self._simulation, decided.certificate
        try:
            verify_certificate(certificate, made.scope, made.committee, made.keyring.scheme)
        except CertificateError as error:
            raise Violation(
                "validity", f"member {host.member} decided without a certificate: {error}"
            ) from error
        decision = value_id(certificate.result)
        if decided.output is None or value_of(decided.output) != decision:
            raise Violation("validity", f"member {host.member} decided a result without its output")
        for theirs in self.decisions.values():
            if self.fork is None and value_id(theirs.certificate.result) != decision:
                self.fork = Fork(theirs.certificate, certificate)
        if self.fork is None and not made.setting.any_value and decided.output not in made.honest_outputs:
            raise Violation("validity", f"{decided.output!r} is certified and is no honest member's own")
        self.decisions.setdefault(host.member, decided)
        self.decided_ms.setdefault(host.member, made.now)

    def _accuse(self, effect: Equivocation | FalseWorkTag | WrongOutput) -> None:
        made = self._simulation
        match effect:
            case Equivocation(first, second):
                self._may_accuse(first.sender, effect)
                self._prove(equivocation_evidence, first, second)
            case WrongOutput(message, certificate):
                if made.setting.any_value:
                    return  # there nothing is wrong
                differs = value_of(made.setting.output_of(message.sender) or b"") != value_id(
                    certificate.result
                )
                if self.fork is None and not differs:
                    self._may_accuse(message.sender, effect)
                self._prove(wrong_output_evidence, message, certificate)
            case FalseWorkTag(vote, _):
                self._may_accuse(vote.sender, effect)
                self._false_tags.setdefault(vote.sender, vote)

    def _may_accuse(self, member: int, effect: Effect) -> None:
        if member in self._simulation.honest:
            raise Violation("evidence", f"honest member {member} is accused: {effect}")

    def _prove(self, make: Callable[..., Evidence], first: object, second: object, *rest: object) -> None:
        """Make evidence as a member would, and check it as a stranger would."""
        made = self._simulation
        try:
            evidence = make(first, second, made.scope, made.committee, *rest)
            check_evidence(evidence, made.committee, made.keyring.scheme)
        except EvidenceError as error:
            raise Violation("evidence", f"it does not stand: {error}") from error
        self.evidence.setdefault((evidence.offence, evidence.accused.index), evidence)

    # --- in the end ---------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Close the books: evidence that needs the certificate, and who is to blame for a fork."""
        made = self._simulation
        if self.decisions:
            certificate = next(iter(self.decisions.values())).certificate
            for vote in self._false_tags.values():
                secret = made.secret_of(vote.value_id)
                if vote.value_id == value_id(certificate.result):
                    self._prove(false_work_tag_evidence, vote, certificate, secret)
        if self.fork is not None:
            accused = self._accountable(self.fork)
            weight = sum(map(made.committee.weight_of, accused))
            total = made.committee.total_weight
            kind = "agreement" if made.committee.weak_quorum(weight) else "accountability"
            raise Violation(kind, f"a fork; evidence against {sorted(accused)}, weight {weight} of {total}")

    def _accountable(self, fork: Fork) -> set[int]:
        """Find in what the honest members have logged who equivocated and who claimed two results."""
        claims: dict[tuple[int, Kind, int], Proposal | Vote] = {}
        prevotes: dict[int, Vote] = {}
        guilty: set[int] = set()
        for message in _logged(self._simulation.honest_hosts()):
            kind = Kind.PROPOSAL if isinstance(message, Proposal) else message.kind
            first = claims.setdefault((message.sender, kind, message.round), message)
            if statements_of(first)[0].value != statements_of(message)[0].value:
                self._prove(equivocation_evidence, first, message)
                guilty.add(message.sender)
            if self._simulation.setting.any_value:
                continue  # there a member may claim several results
            if isinstance(message, Vote) and kind is Kind.PREVOTE and message.value_id != NIL:
                earlier = prevotes.setdefault(message.sender, message)
                if earlier.value_id != message.value_id:
                    guilty |= self._claimed_two(earlier, message, fork)
        accused = guilty & self._simulation.honest
        if accused:
            raise Violation("evidence", f"honest members {sorted(accused)} are accused of a fork")
        return guilty

    def _claimed_two(self, one: Vote, other: Vote, fork: Fork) -> set[int]:
        """Prove that who prevoted two values, in whatever rounds, contradicts a certificate."""
        for vote in (one, other):
            for certificate in (fork.first, fork.second):
                if vote.value_id != value_id(certificate.result):
                    self._prove(wrong_output_evidence, vote, certificate)
                    return {vote.sender}
        return set()


def _logged(hosts: Iterable[Host]) -> Iterable[Proposal | Vote]:
    for host in hosts:
        for event in host.disk.log:
            if isinstance(event, Received) and isinstance(event.message.message, Proposal | Vote):
                yield event.message.message
