"""One attempt at one task: own output in, rounds, decision out. All as inputs and effects.

``Instance.apply`` is deterministic and does no IO: the host logs an input, applies it and carries the
effects out in order. A restarted host replays its log and is where it was. Nothing that a verified message
can say makes ``apply`` raise.

Rules beyond the algorithm (protocol, sections 5 and 7):

- A member enters round 0 with its own result, or when the execution deadline passed. A decision needs no
  entry: a quorum of precommits or a ``Commit`` ends the instance at any time. An observer enters round 0
  at once, follows the rounds and signs nothing.
- A member prevotes a value only if its own result has exactly this id. Without an own result it answers no
  proposal: its result may come before the propose timeout, whereas a nil prevote could not be taken back
  and would cost the round where its weight is needed. Others wait no longer for it than that timeout.
- Lines 36 and 49 need no own result: more than a third of the weight, hence an honest member, computed
  the value.
- A prevote for the own value must carry the work tag that its sender would have computed. Who sends
  another one did not run the model: none of its single votes count for a value. Not counting is like
  losing a message, hence safe.
- An own vote counts when it comes back from the host, signed, and not before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from consensus import bls
from consensus.assembly import Assembler
from consensus.committee import Committee
from consensus.driver import Driver, DriverOutput, Offer, RoundStarted, Validity
from consensus.effects import (
    Decided,
    Effect,
    EnteredRound,
    ExecutionTimeout,
    Input,
    OwnResult,
    Publish,
    RebroadcastDue,
    Received,
    SetTimer,
    SignDivergence,
    SignProposal,
    SignVote,
    TimerFired,
)
from consensus.messages import Commit, Message, Proposal, RoundCertificate, Vote, VoteGroup
from consensus.offence_keeper import OffenceKeeper
from consensus.proposal_keeper import ProposalKeeper
from consensus.round_state import CastVote, Decide, Propose, ScheduleTimeout
from consensus.signing import SignatureScheme, value_id
from consensus.status import RoundTally, Status
from consensus.types import MAX_ROUND, NIL, NO_ROUND, Kind, Scope, ValueId
from consensus.vote_keeper import VOTE_KINDS, Added, ThresholdKind, VoteKeeper

STATUS_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class RebroadcastPolicy:
    """How much is said again, besides what ``RebroadcastDue`` asks for."""

    polka_on_lock: bool = True
    """Publish proposal and polka on locking, so that a hidden lock cannot block the others."""
    commits_per_member: int = 3
    """How often a vote that shows its sender has not decided is answered with the commit."""
    polka_on_quorum: bool = False
    """Publish a polka that votes make here, whatever the own step: they came here first (``collecting``)."""
    commit_on_decision: bool = False
    """Publish what was decided by counting: others may not have the votes."""


class Instance:
    """The member ``own`` (an operator index, or None for an observer) of one committee. Not thread-safe."""

    def __init__(
        self,
        committee: Committee,
        scope: Scope,
        own: int | None,
        policy: RebroadcastPolicy | None = None,
        scheme: SignatureScheme = bls.SCHEME,
    ) -> None:
        """Start empty. ``scheme`` aggregates the signatures of verified votes."""
        self._committee = committee
        self._scope = scope
        self._own = own
        self._policy = policy or RebroadcastPolicy()
        self._votes = VoteKeeper(committee)
        self._proposals = ProposalKeeper(self._matters)
        self._offences = OffenceKeeper(committee, scope, self._votes)
        self._assembler = Assembler(scope.instance, committee, self._votes, scheme)
        self._driver = Driver(self._votes, self)
        self._proposers: dict[int, int] = {}
        self._result: OwnResult | None = None
        self._own_value: ValueId = NIL
        self._commit: Commit | None = None
        self._commit_value: ValueId = NIL
        self._entry: tuple[Message, ...] = ()  # what justified entering the current round
        self._polka: RoundCertificate | None = None  # for the valid value
        self._asked: dict[SignProposal | SignVote, None] = {}  # in the current round
        self._diverged = False
        self._answered: dict[int, int] = {}
        self._effects: list[Effect] = []

    # --- the host's side --------------------------------------------------------------------------------

    @property
    def decided(self) -> Commit | None:
        """The decision, once there is one."""
        return self._commit

    def fullest(self) -> Commit | None:
        """The decision with every precommit for it that has arrived since, where that is more."""
        commit = self._commit
        if commit is None:
            return None
        result, value = commit.certificate.result, self._commit_value
        more = self._assembler.decision(commit.certificate.round, value, result)
        if more is None or len(more.signers) <= len(commit.certificate.signers):
            return commit
        return Commit(more, commit.output)

    def precommits(self, round_: int, value: ValueId) -> tuple[Vote, ...]:
        """The precommits for a value that count, ascending by sender."""
        return self._votes.votes_for(Kind.PRECOMMIT, round_, value)

    @property
    def round(self) -> int:
        """The current round, -1 before the first."""
        return self._driver.state.round

    def awaits(self, vote: Vote) -> bool:
        """Whether what a vote is for has not come about: its value's polka, or the decision."""
        if self._commit is not None:
            return False
        return vote.kind is Kind.PRECOMMIT or not self._votes.has_polka(vote.round, vote.value_id)

    @property
    def divided(self) -> bool:
        """Whether so much weight is for nil in round 0 that no value will have a polka there."""
        return self._committee.weak_quorum(dict(self._votes.weights(Kind.PREVOTE, 0)).get(NIL, 0))

    def apply(self, event: Input) -> tuple[Effect, ...]:
        """Take an input and return what to do about it, in order."""
        self._effects = []
        if self._own is None and not self._driver.started:
            self._carry(self._driver.start())
        match event:
            case OwnResult():
                self._on_own_result(event)
            case ExecutionTimeout():
                self._carry(self._driver.start())
            case TimerFired(step, round_):
                self._carry(self._driver.timeout(step, round_))
            case RebroadcastDue():
                self._rebroadcast()
            case Received(verified):
                self._on_message(verified.message)
            case _:
                assert_never(event)
        self._report_divergence()
        return tuple(self._effects)

    def status(self) -> Status:
        """Return a snapshot for the operator's eyes."""
        state = self._driver.state
        known = sorted({*self._votes.rounds, *(held.proposal.round for held in self._proposals.all())})
        return Status(
            instance=self._scope.instance,
            round=state.round,
            step=state.step,
            own_value=None if self._own_value == NIL else self._own_value,
            locked_value=None if state.locked_value == NIL else state.locked_value,
            locked_round=state.locked_round,
            valid_value=None if state.valid_value == NIL else state.valid_value,
            valid_round=state.valid_round,
            decided_value=None if self._commit is None else self._commit_value,
            decided_round=NO_ROUND if self._commit is None else self._commit.certificate.round,
            total_weight=self._committee.total_weight,
            rounds=tuple(self._tally(round_) for round_ in known[-STATUS_ROUNDS:]),
            excluded=self._votes.excluded,
            equivocators=self._offences.equivocators,
        )

    def messages(self) -> tuple[Message, ...]:
        """Return what a peer that catches up needs: only the commit once decided.

        Otherwise: the polka and proposal of the valid value, what justifies the current round, and the
        proposals and votes of this round and the one before (at most 4 votes a member).
        """
        if self._commit is not None:
            return (self._commit,)
        found: list[Message] = [*self._entry, *self._lock_messages()]
        for round_ in range(max(self.round - 1, 0), max(self.round, 0) + 1):
            found += [held.proposal for held in self._proposals.in_round(round_)]
            for kind in VOTE_KINDS:
                found += self._votes.votes(kind, round_)
        return tuple(dict.fromkeys(found))

    # --- what the driver asks ---------------------------------------------------------------------------

    def is_proposer(self, round_: int) -> bool:
        """Whether this member proposes in a round."""
        return self._own is not None and 0 <= round_ <= MAX_ROUND and self._proposer(round_) == self._own

    def own_value(self) -> ValueId:
        """Return the id of the own result, ``NIL`` while there is none."""
        return self._own_value

    def validity(self, value: ValueId) -> Validity:
        """Compare a value with the own result."""
        if self._own is None or self._own_value == NIL:
            return Validity.UNKNOWN
        return Validity.VALID if value == self._own_value else Validity.INVALID

    def offer(self, round_: int) -> Offer | None:
        """Return the first proposal of a round."""
        held = self._proposals.first(round_)
        return None if held is None else held.offer

    def knows(self, value: ValueId) -> bool:
        """Whether the result behind a value is held."""
        return self._proposals.result(value) is not None

    # --- inputs -----------------------------------------------------------------------------------------

    def _on_own_result(self, event: OwnResult) -> None:
        if self._result is not None:
            return  # the first one was acted upon
        self._result = event
        self._own_value = value_id(event.result)
        self._proposals.learn(self._own_value, event.result, event.output)
        for vote in tuple(self._votes.all_votes()):
            self._judge_tag(vote)
        self._carry(self._driver.start())

    def _on_message(self, message: Proposal | Vote | RoundCertificate | Commit) -> None:
        match message:
            case Proposal():
                self._on_proposal(message)
            case Vote():
                self._on_vote(message)
            case RoundCertificate():
                if message.instance == self._scope.instance:
                    self._votes.add_certificate(message, self.round)
                    self._show(*self._votes.votes(message.kind, message.round))
                    self._carry(self._driver.run())
            case Commit():
                self._on_commit(message)
            case _:
                assert_never(message)

    def _on_proposal(self, proposal: Proposal) -> None:
        if proposal.instance != self._scope.instance or not 0 <= proposal.round <= MAX_ROUND:
            return
        if not NO_ROUND <= proposal.pol_round < proposal.round:
            return
        if proposal.sender != self._proposer(proposal.round):
            return
        value = value_id(proposal.result)
        conflict = self._proposals.add(proposal, value, self.round)
        if conflict is not None:
            self._effects.append(self._offences.equivocation(*conflict))
        self._judge_value(proposal, value)
        self._carry(self._driver.run())

    def _on_vote(self, vote: Vote) -> None:
        if vote.instance != self._scope.instance or vote.sender not in self._committee:
            return
        if vote.kind not in VOTE_KINDS or (vote.kind is Kind.PREVOTE and _lacks_tag(vote)):
            return
        self._judge_tag(vote)
        added = self._votes.add(vote, self.round)
        if added.conflict is not None:
            self._effects.append(self._offences.equivocation(*added.conflict))
        if vote.kind is Kind.PREVOTE:
            self._judge_value(vote, vote.value_id)
        self._show(vote)
        self._collect(added)
        self._answer(vote)
        self._carry(self._driver.run())

    def _on_commit(self, commit: Commit) -> None:
        certificate = commit.certificate
        if self._commit is not None or certificate.instance != self._scope.instance:
            return
        value = value_id(certificate.result)
        self._proposals.learn(value, certificate.result, commit.output)
        self._commit, self._commit_value = commit, value
        group = VoteGroup(value, certificate.signers, certificate.signature)
        precommits = RoundCertificate(certificate.instance, Kind.PRECOMMIT, certificate.round, (group,))
        self._votes.add_certificate(precommits, self.round)
        self._show(*self._votes.votes(Kind.PRECOMMIT, certificate.round))
        self._carry(self._driver.decide(certificate.round, value))

    def _rebroadcast(self) -> None:
        if self._own is None:
            return
        if self._commit is not None:
            self._publish(self._commit)
            return
        self._publish_lock(*self._entry)
        for asked in self._asked:
            signed = self._signed(asked)
            # What did not come back may have been lost with a crash: the guard re-releases it.
            self._effects.append(asked if signed is None else Publish(signed))

    # --- what the driver wants --------------------------------------------------------------------------

    def _carry(self, outputs: tuple[DriverOutput, ...]) -> None:
        for output in outputs:
            match output:
                case RoundStarted(round_):
                    self._on_round_started(round_)
                case Propose(round_, value, pol_round):
                    held = self._proposals.result(value)
                    if held is not None:
                        self._ask(SignProposal(round_, pol_round, *held))
                case CastVote(kind, round_, value):
                    self._ask(SignVote(kind, round_, value))
                    if kind is Kind.PRECOMMIT and value != NIL and self._policy.polka_on_lock:
                        self._publish_lock()
                case ScheduleTimeout(step, round_):
                    if self._own is not None:
                        self._effects.append(SetTimer(step, round_))
                case Decide(round_, value):
                    self._on_decided(round_, value)
                case _:
                    assert_never(output)

    def _on_round_started(self, round_: int) -> None:
        self._asked = {}
        self._effects.append(EnteredRound(round_, self._proposer(round_)))
        self._entry = self._assembler.entry(round_) if round_ > 0 else ()
        self._publish(*self._entry)

    def _on_decided(self, round_: int, value: ValueId) -> None:
        if self._commit is None:
            held = self._proposals.result(value)
            certificate = None if held is None else self._assembler.decision(round_, value, held[0])
            if held is None or certificate is None:
                return  # cannot be: line 49 fires for a known value with a quorum
            self._commit, self._commit_value = Commit(certificate, held[1]), value
            if self._policy.commit_on_decision:
                self._publish(self._commit)
        self._effects.append(Decided(self._commit.certificate, self._commit.output))
        for offered in self._proposals.all():
            self._judge_value(offered.proposal, offered.value)
        for vote in self._votes.all_votes():
            if vote.kind is Kind.PREVOTE:
                self._judge_value(vote, vote.value_id)

    def _ask(self, effect: SignProposal | SignVote) -> None:
        if self._own is not None:
            self._asked[effect] = None
            self._effects.append(effect)

    def _publish(self, *messages: Message) -> None:
        if self._own is not None:
            self._effects += [Publish(message) for message in dict.fromkeys(messages)]

    def _collect(self, added: Added) -> None:
        """Say which polka the votes that came here first have made, whatever the own step."""
        if not self._policy.polka_on_quorum or self._commit is not None:
            return
        for reached in added.thresholds:
            polka = None
            if reached.kind is ThresholdKind.POLKA_VALUE:
                polka = self._assembler.polka(reached.round, reached.value)
            if polka is not None:
                self._publish(polka)

    # --- offences ---------------------------------------------------------------------------------------

    def _show(self, *votes: Vote) -> None:
        """Say those votes that prove an offence to whoever holds the other half."""
        self._publish(*self._offences.contradicted(votes))

    def _judge_tag(self, vote: Vote) -> None:
        if self._result is None:
            return
        found = self._offences.false_tag(vote, self._result, self._own_value)
        if found is not None:
            self._effects.append(found)

    def _judge_value(self, message: Proposal | Vote, value: ValueId) -> None:
        if self._commit is None:
            return
        found = self._offences.wrong(message, value, self._commit.certificate, self._commit_value)
        if found is not None:
            self._effects.append(found)

    def _report_divergence(self) -> None:
        """Ask, once, for a report that the own result is not the proposed or the decided one."""
        if self._own is None or self._result is None or self._diverged:
            return
        offer = self.offer(self.round)
        proposed = self._commit_value if self._commit is not None else NIL if offer is None else offer.value
        if proposed not in (NIL, self._own_value):
            self._diverged = True
            self._effects.append(SignDivergence(self._result.result))

    # --- small parts ------------------------------------------------------------------------------------

    def _answer(self, vote: Vote) -> None:
        """Send the commit where a vote of a later round shows that its sender has not decided."""
        if self._commit is None or vote.round <= self._commit.certificate.round or vote.sender == self._own:
            return
        answered = self._answered.get(vote.sender, 0)
        if answered < self._policy.commits_per_member:
            self._answered[vote.sender] = answered + 1
            self._publish(self._commit)

    def _lock_messages(self) -> tuple[Message, ...]:
        """Return the proposal and polka of the valid value, by which others can lock or prevote it."""
        state = self._driver.state
        if state.valid_value == NIL:
            return ()
        proposal = self._proposals.find(state.valid_round, state.valid_value)
        return tuple(message for message in (proposal, self._lock_polka()) if message is not None)

    def _lock_polka(self) -> RoundCertificate | None:
        """Return the polka of the valid value. Remembers nothing: ``messages`` is asked at any time.

        What it remembered would show in later effects, and a replay, in which nobody asks, would differ.
        """
        state = self._driver.state
        if self._polka is not None and self._polka.round == state.valid_round:
            return self._polka
        return self._assembler.polka(state.valid_round, state.valid_value) or self._polka

    def _publish_lock(self, *before: Message) -> None:
        if self._driver.state.valid_value != NIL:
            self._polka = self._lock_polka()
        self._publish(*before, *self._lock_messages())

    def _signed(self, asked: SignProposal | SignVote) -> Proposal | Vote | None:
        """Return the own message in the slot of a request, if it came back (maybe from an earlier life)."""
        if isinstance(asked, SignVote):
            return None if self._own is None else self._votes.vote_of(asked.kind, asked.round, self._own)
        held = self._proposals.first(asked.round)
        return None if held is None else held.proposal

    def _matters(self, round_: int, value: ValueId) -> bool:
        return self._votes.has_polka(round_, value) or (round_, value) in self._votes.decidable()

    def _proposer(self, round_: int) -> int:
        if round_ not in self._proposers:
            self._proposers[round_] = self._committee.proposer(round_)
        return self._proposers[round_]

    def _tally(self, round_: int) -> RoundTally:
        return RoundTally(
            round=round_,
            proposer=self._proposer(round_),
            proposed=tuple(held.value for held in self._proposals.in_round(round_)),
            prevotes=self._votes.weights(Kind.PREVOTE, round_),
            precommits=self._votes.weights(Kind.PRECOMMIT, round_),
        )


def _lacks_tag(vote: Vote) -> bool:
    return vote.value_id != NIL and vote.work is None
