"""An honest member's process: log first, then the sign guard, then the network.

It does what ``p2pavs.member`` does, one step at a time and without waiting.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from consensus.collecting import LOOKS
from consensus.driver import Validity
from consensus.effects import (
    Effect,
    EnteredRound,
    ExecutionTimeout,
    Input,
    OwnResult,
    Publish,
    RebroadcastDue,
    SetTimer,
    SignDivergence,
    SignProposal,
    SignVote,
    TimerFired,
)
from consensus.gossip_rules import Ignore, Reject, Running, Seen, check, read
from consensus.instance import Instance
from consensus.messages import DivergenceReport, Message, Proposal, Vote, WorkTag
from consensus.signing import proposal_id, statement, value_id, work_tag
from consensus.types import NIL, Kind, ValueId
from p2pavs.sim.answers import own_result
from p2pavs.sim.invariants import Violation
from p2pavs.sim.parcel import Parcel
from p2pavs.sim.setting import Point

if TYPE_CHECKING:
    from p2pavs.sim.engine import Simulation

Slot: TypeAlias = tuple[Kind, int]


class Struck(Exception):
    """The process dies here."""


class OpenInstance(Instance):
    """Takes every value for valid, as plain Tendermint may: all safety rests on locks and quorums."""

    def validity(self, value: ValueId) -> Validity:
        """Refuse nothing, once there is an own result."""
        known = super().validity(value)
        return known if known is Validity.UNKNOWN else Validity.VALID


@dataclass(slots=True)
class Disk:
    """What survives a crash."""

    log: list[Input] = field(default_factory=list)
    guard: dict[Slot, tuple[bytes, bytes]] = field(default_factory=dict)  # value and its signature


@dataclass(slots=True)
class Traffic:
    """What a member put on the network and got from it; copies count."""

    sent: int = 0
    sent_bytes: int = 0
    received: int = 0
    received_bytes: int = 0


class Host:
    """One process of a member. Subclasses misbehave."""

    honest: ClassVar[bool] = True
    processes: ClassVar[int] = 1

    def __init__(self, simulation: Simulation, node: int, member: int) -> None:
        self.simulation = simulation
        self.node = node
        self.member = member
        self.disk = Disk()
        self.traffic = Traffic()
        self.trail: list[tuple[Effect, ...]] = []
        self.refused = 0
        self.alive = True
        self.life = 0
        self.random = random.Random(simulation.setting.seed * 1009 + node)  # noqa: S311 - a simulation
        self._clock = simulation.setting.skew.get(member, 1.0)
        self._reset()

    def _reset(self) -> None:
        """Forget what lives in memory only."""
        made = self.simulation
        of = OpenInstance if made.setting.any_value else Instance
        policy = made.collectors.policy(self.member)
        self.instance = of(made.committee, made.scope, self.member, policy, made.keyring.scheme)
        self._seen = Seen()
        self._heard: set[Parcel] = set()
        self._running = Running(made.committee, -1)

    @property
    def own_output(self) -> bytes | None:
        """What this member's model says."""
        return self.simulation.setting.output_of(self.member)

    # --- life -------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start computing and the timers that every process has."""
        simulation, setting = self.simulation, self.simulation.setting
        if not any(isinstance(event, OwnResult) for event in self.disk.log):
            output, ready = self.own_output, setting.slow.get(self.member)
            if output is not None:
                delay = self.random.randint(0, setting.ready_ms) if ready is None else ready
                simulation.at(delay, self._fire, (self.life, own_result(output)))
            simulation.at(setting.execution_ms, self._fire, (self.life, ExecutionTimeout()))
        simulation.at(self.random.randint(1, setting.rebroadcast_ms), self._repeat, self.life)

    def crash(self, down_ms: int | None = None) -> None:
        """Lose everything but the disk; come back later."""
        if not self.alive:
            return
        self.alive, self.life = False, self.life + 1
        setting = self.simulation.setting
        if setting.forget:
            keep = max(len(self.disk.log) - setting.forget, 0)
            del self.disk.log[keep:], self.trail[keep:]
        self.simulation.at(setting.down_ms if down_ms is None else down_ms, self._restart, None)

    def _restart(self, _: None) -> None:
        """Replay the log and carry out again what may not have been; what was published is repeated later."""
        self.alive = True
        self._reset()
        replayed = [self.instance.apply(event) for event in self.disk.log]
        if replayed[: len(self.trail)] != self.trail:
            raise Violation("replay", f"member {self.member}: replaying its log gave other effects")
        self.trail = replayed
        self.begin()
        try:
            for effects in replayed:
                for effect in effects:
                    if not isinstance(effect, Publish):
                        self.carry_out(effect)
        except Struck:
            self.crash()

    def point(self, point: Point) -> None:
        """Pass a point at which a process can die."""
        faults = self.simulation.faults
        if faults is not None and self.honest and faults.strikes(self.member, point):
            raise Struck

    # --- inputs -----------------------------------------------------------------------------------------

    def feed(self, event: Input) -> None:
        """Log an input, apply it, carry out the effects."""
        try:
            self.point(Point.LOG_LOST)
            self.disk.log.append(event)
            self.point(Point.LOG_DONE)
            effects = self.instance.apply(event)
            self.trail.append(effects)
            if self.simulation.trace is not None:
                self.simulation.trace.step(self.simulation.now, self.node, self.member, event, effects)
            for effect in effects:
                self.carry_out(effect)
        except Struck:
            self.crash()

    def deliver(self, parcel: Parcel) -> None:
        """Take a message from the network: gossip rules, signatures, log, core."""
        if not self.alive:
            return
        self.traffic.received += 1
        self.traffic.received_bytes += len(parcel.data)
        if parcel in self._heard:
            return
        round_ = self.instance.round
        if self._running.round != round_:
            self._running = Running(self.simulation.committee, round_)
        try:
            message = read(parcel.data) if parcel.message is None else parcel.message
            check(message, self._running, False, self._seen)
        except Ignore:
            return
        except Reject as reason:
            self._blame(parcel, str(reason))
            return
        if parcel.reason is not None:
            self._blame(parcel, parcel.reason)
            return
        self._heard.add(parcel)
        self._seen.remember(message, self.simulation.committee)
        if parcel.received is not None:
            self.feed(parcel.received)

    def _blame(self, parcel: Parcel, reason: str) -> None:
        if parcel.by_honest:
            raise Violation("validity", f"an honest member said {parcel.message}: {reason}")

    def _fire(self, alarm: tuple[int, Input]) -> None:
        life, event = alarm
        if self.alive and life == self.life:
            self.feed(event)

    def _repeat(self, life: int) -> None:
        """Repeat the last words and ask somebody for what was missed; less often after the decision."""
        if not self.alive or life != self.life:
            return
        self._seen = Seen()
        self._heard.clear()
        self.feed(RebroadcastDue())
        if not self.alive:
            return
        decided = self.instance.decided is not None
        if not decided and self.simulation.setting.catch_up:
            self.simulation.ask(self)
        pause = self.simulation.setting.rebroadcast_ms * (2 if decided else 1)
        self.simulation.at(pause, self._repeat, self.life)

    def answer(self) -> tuple[Message, ...]:
        """Give a peer that asks what it may have missed."""
        return self.instance.messages() if self.alive else ()

    # --- effects ----------------------------------------------------------------------------------------

    def carry_out(self, effect: Effect) -> None:
        """Do what the core asked for."""
        match effect:
            case SignProposal() | SignVote() | SignDivergence():
                self.point(Point.GUARD_LOST)
                signed = self.signed(effect)
                self.point(Point.GUARD_DONE)
                if signed is not None:
                    self.say(signed)
                    self.point(Point.SENT)
            case Publish(message):
                self.point(Point.PUBLISH_LOST)
                self.simulation.broadcast(self, message)
            case SetTimer(step, round_):
                duration = self.simulation.setting.timeouts.duration(step, round_)
                delay = max(1, int(duration * self._clock))
                self.simulation.at(delay, self._fire, (self.life, TimerFired(step, round_)))
                self.point(Point.EFFECT_DONE)
            case EnteredRound():
                pass
            case _:
                self.simulation.invariants.note(self, effect)
                self.point(Point.EFFECT_DONE)

    def signed(
        self, effect: SignProposal | SignVote | SignDivergence
    ) -> Proposal | Vote | DivergenceReport | None:
        """Sign what the core asks for, if the guard lets it out."""
        instance = self.simulation.scope.instance
        match effect:
            case SignProposal(round_, pol_round, result, output):
                signature = self.guarded(Kind.PROPOSAL, round_, proposal_id(value_id(result), pol_round))
                if signature is None:
                    return None
                return Proposal(instance, round_, pol_round, result, output, self.member, signature)
            case SignVote(kind, round_, value):
                return self._vote(kind, round_, value)
            case SignDivergence(own):
                signature = self.guarded(Kind.OUTPUT, 0, value_id(own))
                return (
                    None if signature is None else DivergenceReport(instance, own, -1, self.member, signature)
                )

    def _vote(self, kind: Kind, round_: int, value: ValueId) -> Vote | None:
        work = None
        if kind is Kind.PREVOTE and value != NIL:
            secret = self.simulation.invariants.secret_to_prevote(self, value)
            work = self.work(secret)
            if work is None:
                return None
        signature = self.guarded(kind, round_, value)
        if signature is None:
            return None
        return Vote(self.simulation.scope.instance, kind, round_, value, self.member, signature, work)

    def work(self, secret: bytes) -> WorkTag | None:
        """Make the tag that proves the computation, if the guard lets it out."""
        made = self.simulation
        tag = work_tag(made.scope.domain, made.scope.instance, made.address(self.member), secret)
        # Where every value is valid a member tags the values of others too: those tags are not guarded.
        open_ = made.setting.any_value
        signature = self.sign(Kind.WORK_TAG, 0, tag) if open_ else self.guarded(Kind.WORK_TAG, 0, tag)
        return None if signature is None else WorkTag(tag, signature)

    def guarded(self, kind: Kind, round_: int, value: bytes) -> bytes | None:
        """Sign once per slot: the same value again gives the same signature, another one gives None."""
        held = self.disk.guard.get((kind, round_))
        if held is None:
            held = (value, self.sign(kind, round_, value))
            self.disk.guard[kind, round_] = held
        if held[0] == value:
            return held[1]
        self.refused += 1
        if self.honest and not self.simulation.setting.forget:
            raise Violation(
                "equivocation",
                f"the core of member {self.member} asked for two {kind.name} in round {round_}",
            )
        return None

    def sign(self, kind: Kind, round_: int, value: bytes) -> bytes:
        """Sign with the own key, whatever was signed before."""
        return self.simulation.sign(self.member, statement(self.simulation.scope, kind, round_, value))

    def say(self, message: Proposal | Vote | DivergenceReport) -> None:
        """Publish what was just signed and take it as everybody else does."""
        made = self.simulation
        parcel, first = made.parcel(self, message), made.collectors.first_to_hear(message)
        if isinstance(message, Vote) and first:
            made.spread(self, parcel, [host for host in made.hosts if host.member in first])
            self._look_later((self.life, message, LOOKS))
        else:
            made.spread(self, parcel, made.hosts)
        self.take_own(parcel)

    def _look_later(self, word: tuple[int, Vote, int]) -> None:
        self.simulation.at(max(1, self.simulation.setting.patience_ms // LOOKS), self._look, word)

    def _look(self, word: tuple[int, Vote, int]) -> None:
        """Say a vote to everybody where the collectors make nothing of it."""
        life, vote, left = word
        if not self.alive or life != self.life or not self.instance.awaits(vote):
            return
        if left == 1 or self.instance.divided:
            self.simulation.broadcast(self, vote)
        else:
            self._look_later((life, vote, left - 1))

    def take_own(self, parcel: Parcel) -> None:
        """Feed an own message back, as soon as this step is over."""
        if parcel.received is not None:
            self.simulation.at(0, self._fire, (self.life, parcel.received))
