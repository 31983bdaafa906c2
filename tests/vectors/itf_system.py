"""Replays the model's runs of several processes: each is a ``Driver`` fed the inputs its process took.

The model's driver works in small steps: it remembers that its step changed or that an input is pending
and takes those up later by itself. Ours does all of it at once. So a process is compared when the model's
has nothing pending: its state, and everything it broadcast or decided so far in this height.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from consensus.driver import Driver, DriverOutput, Offer, RoundStarted, Validity
from consensus.messages import RoundCertificate, VoteGroup
from consensus.round_state import CastVote, Decide, Propose, RoundOutput, RoundState
from consensus.types import NIL, InstanceId, Kind, Step, ValueId
from consensus.vote_keeper import VoteKeeper
from tests.vectors.itf_model import TIMERS, Difference, Report, Tagged, Voters, outputs_of, state_of, value_of


@dataclass
class Process:
    """One process at one height: our driver, and what the model's process has said."""

    name: str
    voters: Voters
    keeper: VoteKeeper = field(init=False)
    driver: Driver = field(init=False)
    offers: dict[int, list[Offer]] = field(default_factory=dict)
    invalid: set[ValueId] = field(default_factory=set)
    own: ValueId = NIL
    ours: Counter[RoundOutput] = field(default_factory=Counter)
    model: Counter[RoundOutput] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.keeper = VoteKeeper(self.voters)
        self.driver = Driver(self.keeper, self)

    def is_proposer(self, round_: int) -> bool:
        """``proposer`` of ``driver.qnt``: in turns, the second process first."""
        return self.voters.names[(round_ + 1) % len(self.voters.names)] == self.name

    def own_value(self) -> ValueId:
        """The model asks for a value in each round anew."""
        return self.own

    def validity(self, value: ValueId) -> Validity:
        return Validity.INVALID if value in self.invalid else Validity.VALID

    def offer(self, round_: int) -> Offer | None:
        return next(iter(self.offers.get(round_, [])), None)

    def knows(self, value: ValueId) -> bool:
        return any(offer.value == value for offers in self.offers.values() for offer in offers)

    def take(self, outputs: tuple[DriverOutput, ...]) -> None:
        """Remember what our driver wants said."""
        for output in outputs:
            if isinstance(output, RoundStarted):
                self.own = NIL
            elif isinstance(output, Propose | CastVote | Decide):
                self.ours[output] += 1

    def hear(self, output: Tagged, state: Any) -> None:
        """Remember what the model's driver says."""
        for translated in outputs_of(output, state_of(state)):
            if isinstance(translated, Propose | CastVote | Decide):
                self.model[translated] += 1

    def feed_vote(self, vote: Any) -> None:
        self.keeper.add(self.voters.vote(vote), self.driver.state.round)

    def feed_certificate(self, votes: list[Any]) -> None:
        """Only certificates for a value exist in the model; all their votes are equal but for the sender."""
        ours = [self.voters.vote(vote) for vote in votes]
        signers = tuple(sorted(vote.sender for vote in ours))
        first = ours[0]
        group = VoteGroup(first.value_id, signers, b"")
        certificate = RoundCertificate(InstanceId(0, 0), first.kind, first.round, (group,))
        self.keeper.add_certificate(certificate, self.driver.state.round)

    def feed_proposal(self, proposal: Any) -> None:
        round_ = proposal["round"]
        sender = self.voters.names[(round_ + 1) % len(self.voters.names)]
        if proposal["srcAddress"] != sender:
            return
        value = value_of(proposal["proposal"])
        if proposal["proposal"] == "invalid":  # as ``isValid`` of types.qnt has it
            self.invalid.add(value)
        offers = self.offers.setdefault(round_, [])
        if Offer(value, proposal["validRound"]) not in offers:
            offers.append(Offer(value, proposal["validRound"]))

    def step(self, event: Tagged, before: Any) -> None:
        """Feed one input of the model; what its driver does by itself is nothing to ours."""
        value = event.value
        if not before["es"]["started"]:  # the model takes up all waiting votes when it starts
            height = before["es"]["cs"]["height"]
            for vote in before["incomingVotes"]:
                if vote["height"] == height:
                    self.feed_vote(vote)
            for votes in before["incomingCertificates"]:
                if all(vote["height"] == height for vote in votes):
                    self.feed_certificate(votes)
            # With a decision at hand the model does not enter a round, and ours need not either.
            if event.tag == "PendingDInput" and value.tag == "ProposalAndCommitAndValidCInput":
                self.take(self.driver.run())
            else:
                self.take(self.driver.start())
            return
        match event.tag:
            case "ProposalDInput":
                self.feed_proposal(value)
            case "VoteDInput":
                self.feed_vote(value)
            case "CertificateDInput":
                self.feed_certificate(value)
            case "ProposeValueDInput":
                self.own = value_of(value)
            case "TimeoutDInput":
                self.take(self.driver.timeout(TIMERS[value.tag], before["es"]["cs"]["round"]))
            case "NoDInput" | "StepChangeDInput" | "PendingDInput":
                pass
            case _:
                raise Difference(f"unknown input {event}")
        self.take(self.driver.run())

    def too_late(self, event: Tagged) -> bool:
        """Whether a value comes that was asked for in a step or round which is over."""
        return event.tag == "ProposeValueDInput" and self.driver.state.step is not Step.PROPOSE

    def missed_proposal(self, model: RoundState) -> bool:
        """Whether the model left a proposal unanswered that it holds; then remember ours as said by both."""
        ours, offer = self.driver.state, self.offer(model.round)
        if model.step is not Step.PROPOSE or ours != replace(model, step=Step.PREVOTE) or offer is None:
            return False
        if self.ours - self.model != Counter([CastVote(Kind.PREVOTE, model.round, offer.value)]):
            return False
        self.model = Counter(self.ours)
        return True

    def compare(self, node: Any, where: str, report: Report) -> None:
        """Compare with the model's process if that has nothing left to do by itself."""
        es = node["es"]
        cs = es["cs"]
        asked = (cs["height"], cs["round"]) in node["getValueRequests"]
        if es["pendingStepChange"].tag != "NoStep" or es["pendingInputs"] or not es["started"] or asked:
            return
        report.compared += 1
        model, ours = state_of(cs), self.driver.state
        if self.missed_proposal(model):
            report.accepted["MISSED_PROPOSAL"] += 1
            return
        if model != ours:
            raise Difference(f"{where}: model {model}\n  ours  {ours}")
        if self.model != self.ours:
            more, less = self.ours - self.model, self.model - self.ours
            raise Difference(f"{where}: only ours said {dict(more)}, only the model {dict(less)}")


def replay_system(variables: list[str], states: list[Any]) -> Report:
    """Replay every model in the trace (some runs hold two); raises ``Difference``."""
    report = Report()
    for name in sorted({variable.rpartition("::")[0] for variable in variables}):
        _replay_one(name, [state for state in states if f"{name}::system" in state], report)
    return report


def _replay_one(name: str, states: list[Any], report: Report) -> None:
    processes: dict[tuple[str, int], Process] = {}
    for index in range(1, len(states)):
        previous, current = states[index - 1], states[index]
        hist = current[f"{name}::_hist"]
        actor = hist["validator"]
        for who, node in current[f"{name}::system"].items():
            height = node["es"]["cs"]["height"]
            if (who, height) not in processes:
                processes[who, height] = Process(who, Voters.of(node["es"]["valset"]))
        if actor not in current[f"{name}::system"]:
            continue
        before, after = previous[f"{name}::system"][actor], current[f"{name}::system"][actor]
        if hist == previous[f"{name}::_hist"] and before["es"] == after["es"]:
            continue  # a delivery, or nothing
        height = after["es"]["cs"]["height"]
        if before["es"]["cs"]["height"] != height:
            continue  # the environment moved the process on
        process = processes[actor, height]
        if process.too_late(hist["input"]):
            report.accepted["LATE_VALUE"] += 1
            continue
        process.step(hist["input"], before)
        process.hear(hist["output"], after["es"]["cs"])
        process.compare(after, f"{name} state {index}, {actor}, {hist['input'].tag}", report)
