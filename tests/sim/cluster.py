"""A committee in virtual time: real instances, a lossy seeded network, hosts that crash and replay.

Deterministic: the same ``Setting`` gives the same run. ``Cluster.run`` checks after every step what must
never fail, and at the end that everyone alive decided.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from consensus.certificate import verify_certificate
from consensus.effects import (
    Decided,
    Effect,
    Equivocation,
    ExecutionTimeout,
    FalseWorkTag,
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
    Verified,
    WrongOutput,
)
from consensus.instance import Instance
from consensus.messages import Commit, DivergenceReport, Message, Proposal, RoundCertificate, Vote
from consensus.signing import proposal_id, value_id
from consensus.timeouts import TimeoutConfig
from consensus.types import Kind, ValueId
from consensus.verification import Invalid, MessageVerifier
from tests.sim.world import INSTANCE, SCHEME, World, own_result

RIGHT, WRONG = b"right", b"wrong"
TIMEOUTS = TimeoutConfig(
    propose_ms=300, propose_delta_ms=100, prevote_ms=100, prevote_delta_ms=50, precommit_ms=100,
    precommit_delta_ms=50,
)  # fmt: skip
REBROADCAST_MS = 400


class Violation(AssertionError):
    """An invariant does not hold."""


@dataclass(frozen=True)
class Setting:
    """One run. Times are virtual milliseconds."""

    weights: tuple[int, ...] = (1, 1, 1, 1)
    seed: int = 0
    dead: frozenset[int] = frozenset()
    outputs: dict[int, bytes | None] = field(
        default_factory=dict
    )  # own outputs that are not RIGHT; None: none
    ready_ms: int = 200  # own results are ready within this time
    slow: dict[int, int] = field(default_factory=dict)  # member -> when its own result is ready instead
    execution_ms: int = 1_000_000  # the execution deadline
    latency_ms: tuple[int, int] = (5, 60)
    loss: float = 0.0
    stable_ms: int = 0  # from here on nothing is lost
    crashes: dict[int, tuple[int, ...]] = field(default_factory=dict)  # member -> times
    crash_after_prevotes: bool = False  # everyone, once, when its prevote of round 0 came back
    down_ms: int = 150
    forget: int = 0  # inputs at the end of the log that a crash loses
    limit_ms: int = 120_000


class Node:
    """An honest host: log first, sign guard, then the network. Subclasses misbehave."""

    honest = True

    def __init__(self, cluster: Cluster, index: int) -> None:
        self.cluster, self.index, self.world = cluster, index, cluster.world
        self.log: list[Input] = []
        self.trail: list[tuple[Effect, ...]] = []
        self.guard: dict[tuple[Kind, int], bytes] = {}
        self.signed: dict[tuple[Kind, int], Message] = {}
        self.refused = 0
        self.alive = True
        self.life = 0
        self.instance = self._new_instance()

    def _new_instance(self) -> Instance:
        return Instance(self.world.committee, self.world.scope, self.index, scheme=SCHEME)

    @property
    def decided(self) -> Commit | None:
        return self.instance.decided

    def feed(self, event: Input) -> None:
        """Log, apply, carry out."""
        if not self.alive:
            return
        self.log.append(event)
        effects = self.instance.apply(event)
        self.trail.append(effects)
        for effect in effects:
            self.carry_out(effect)

    def crash(self) -> None:
        """Lose everything but the log and the guard, and come back later."""
        if not self.alive:
            return
        self.alive, self.life = False, self.life + 1
        self.cluster.at(self.cluster.setting.down_ms, self.restart)

    def restart(self) -> None:
        """Replay the log. Signing again and setting timers again is safe; the rest was said before."""
        self.alive = True
        keep = len(self.log) - self.cluster.setting.forget
        self.log, self.trail = self.log[: max(keep, 0)], self.trail[: max(keep, 0)]
        self.instance = self._new_instance()
        replayed = [self.instance.apply(event) for event in self.log]
        if replayed != self.trail:
            raise Violation(f"member {self.index}: a replay gave other effects")
        for effects in replayed:
            for effect in effects:
                if not isinstance(effect, Publish | Decided | Equivocation | FalseWorkTag | WrongOutput):
                    self.carry_out(effect)
        if not any(isinstance(event, OwnResult) for event in self.log):
            self.cluster.schedule_result(self)  # the computation did not survive
        self.cluster.tick(self)

    # --- effects ------------------------------------------------------------------------------------

    def carry_out(self, effect: Effect) -> None:
        match effect:
            case SignProposal(round_, pol_round, result, output):
                value = proposal_id(value_id(result), pol_round)
                if self.release(Kind.PROPOSAL, round_, value):
                    signature = self.world.sign(self.index, Kind.PROPOSAL, round_, value)
                    message = Proposal(INSTANCE, round_, pol_round, result, output, self.index, signature)
                    self.signed[Kind.PROPOSAL, round_] = message
                self.say(self.signed[Kind.PROPOSAL, round_])
            case SignVote(kind, round_, value_id_):
                if self.release(kind, round_, value_id_):
                    self.signed[kind, round_] = self.make_vote(kind, round_, value_id_)
                self.say(self.signed[kind, round_])
            case SignDivergence(own):
                signature = self.world.sign(self.index, Kind.OUTPUT, 0, value_id(own))
                self.say(DivergenceReport(INSTANCE, own, -1, self.index, signature))
            case Publish(message):
                self.cluster.broadcast(self.index, message)
            case SetTimer(step, round_):
                life = self.life
                self.cluster.at(
                    TIMEOUTS.duration(step, round_), lambda: self.fire(life, TimerFired(step, round_))
                )
            case _:
                self.cluster.note(self, effect)

    def make_vote(self, kind: Kind, round_: int, value: ValueId) -> Vote:
        own = self.own_output()
        secret = b"" if own is None else own_result(own).trace_secret
        return self.world.vote(kind, round_, value, self.index, secret)

    def own_output(self) -> bytes | None:
        return self.cluster.setting.outputs.get(self.index, RIGHT)

    def release(self, kind: Kind, round_: int, value: bytes) -> bool:
        """The sign guard, which outlives crashes. Where it refuses, what it released before is said again."""
        held = self.guard.setdefault((kind, round_), value)
        if held != value:
            self.refused += 1
            if not self.cluster.setting.forget:
                raise Violation(f"member {self.index} asked for two {kind.name} in round {round_}")
        return held == value

    def fire(self, life: int, event: Input) -> None:
        if life == self.life:
            self.feed(event)

    def say(self, message: Message) -> None:
        """Publish what was just signed and take it as everybody else does."""
        self.cluster.broadcast(self.index, message)
        self.cluster.deliver_soon(self.index, self.index, message)


Make: TypeAlias = Callable[["Cluster", int], Node]


class Cluster:
    """All members, the network between them and the clock."""

    def __init__(self, setting: Setting, makers: dict[int, Make] | None = None) -> None:
        self.setting = setting
        self.world = World(setting.weights, setting.seed)
        self.random = random.Random(setting.seed)
        self.now = 0
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._verifier = MessageVerifier(self.world.scope, self.world.committee, bytes, SCHEME)
        self._checked: dict[Message, Received | None] = {}
        self.said: dict[tuple[int, Kind, int], bytes] = {}
        self.notes: Counter[type] = Counter()
        self.evidence: list[tuple[int, Effect]] = []
        self.reports: list[DivergenceReport] = []
        self.commits: dict[int, Decided] = {}
        self.crashed: set[int] = set()
        members = range(len(setting.weights))
        self.nodes = {
            index: (makers or {}).get(index, Node)(self, index)
            for index in members
            if index not in setting.dead
        }

    # --- time and network -----------------------------------------------------------------------------

    def at(self, delay: int, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self.now + delay, self._count, action))

    def schedule_result(self, node: Node) -> None:
        """Give a host its own result when it is ready, and the execution deadline."""
        life, output = node.life, node.own_output()
        ready = self.setting.slow.get(node.index)
        if output is not None:
            delay = self.random.randint(0, self.setting.ready_ms) if ready is None else ready
            self.at(delay, lambda: node.fire(life, own_result(output)))
        self.at(self.setting.execution_ms, lambda: node.fire(life, ExecutionTimeout()))

    def tick(self, node: Node) -> None:
        """Rebroadcast regularly; everyone at another phase."""
        life = node.life

        def due() -> None:
            if life == node.life:
                node.feed(RebroadcastDue())
                self.at(REBROADCAST_MS, due)

        self.at(self.random.randint(1, REBROADCAST_MS), due)

    def broadcast(self, sender: int, message: Message) -> None:
        for receiver in self.nodes:
            if receiver != sender and not self.lost():
                self.send(sender, receiver, message)

    def lost(self) -> bool:
        if self.setting.stable_ms and self.now >= self.setting.stable_ms:
            return False
        return self.setting.loss > 0 and self.random.random() < self.setting.loss

    def send(self, sender: int, receiver: int, message: Message) -> None:
        delay = self.random.randint(*self.setting.latency_ms)
        self.at(delay, lambda: self.deliver(sender, receiver, message))

    def deliver_soon(self, sender: int, receiver: int, message: Message) -> None:
        self.at(0, lambda: self.deliver(sender, receiver, message))

    def deliver(self, sender: int, receiver: int, message: Message) -> None:
        """Verify a message, as each host does (once for all of them), and feed it."""
        if isinstance(message, DivergenceReport):
            self.reports.append(message)
            return
        if message not in self._checked:
            self._checked[message] = self._verify(sender, message)
        received, node = self._checked[message], self.nodes[receiver]
        if received is None or not node.alive:
            return
        node.feed(received)
        mine = isinstance(message, Vote) and message.sender == receiver
        if mine and self.setting.crash_after_prevotes and receiver not in self.crashed:
            self.crashed.add(receiver)
            node.crash()

    def _verify(self, sender: int, message: Proposal | Vote | RoundCertificate | Commit) -> Received | None:
        outcome = self._verifier.verify(message)
        if isinstance(outcome, Invalid):
            if self.nodes[sender].honest:
                raise Violation(f"honest member {sender} sent {message}: {outcome.reason}")
            return None
        match message:
            case Proposal():
                self._remember(message)
                return Received(Verified(message))
            case Vote():
                self._remember(message)
                return Received(Verified(message))
            case RoundCertificate():
                return Received(Verified(message))
            case Commit():
                return Received(Verified(message))

    def _remember(self, message: Proposal | Vote) -> None:
        """No honest member ever signs two statements for one slot, whatever it went through."""
        kind = Kind.PROPOSAL if isinstance(message, Proposal) else message.kind
        if isinstance(message, Proposal):
            value = proposal_id(value_id(message.result), message.pol_round)
        else:
            value = message.value_id
        first = self.said.setdefault((message.sender, kind, message.round), value)
        if first != value and self.nodes[message.sender].honest:
            raise Violation(
                f"honest member {message.sender} equivocated: {kind.name} in round {message.round}"
            )

    # --- what happened --------------------------------------------------------------------------------

    def note(self, node: Node, effect: Effect) -> None:
        self.notes[type(effect)] += 1
        if isinstance(effect, Decided):
            self._check_decision(node, effect)
        elif isinstance(effect, Equivocation | FalseWorkTag | WrongOutput):
            self.evidence.append((node.index, effect))
            guilty = _accused(effect)
            wrong = isinstance(effect, WrongOutput) and self.nodes[guilty].own_output() != RIGHT
            if self.nodes[guilty].honest and not wrong:
                raise Violation(f"honest member {guilty} is accused: {effect}")

    def _check_decision(self, node: Node, decided: Decided) -> None:
        verify_certificate(decided.certificate, self.world.scope, self.world.committee, SCHEME)
        decision = value_id(decided.certificate.result)
        for other, theirs in self.commits.items():
            if value_id(theirs.certificate.result) != decision:
                raise Violation(f"members {other} and {node.index} decided differently")
        honest = [member.own_output() for member in self.nodes.values() if member.honest]
        if decided.output not in honest:
            raise Violation(f"{decided.output!r} was decided and is no honest member's own")
        self.commits[node.index] = decided

    def undecided(self) -> Sequence[int]:
        return [index for index, node in self.nodes.items() if node.honest and node.decided is None]

    def run(self) -> Cluster:
        """Run until every honest host has decided; raises ``Violation``."""
        for node in self.nodes.values():
            self.schedule_result(node)
            self.tick(node)
            for time in self.setting.crashes.get(node.index, ()):
                self.at(time, node.crash)
        while self.undecided():
            if not self._queue or self._queue[0][0] > self.setting.limit_ms:
                states = {index: node.instance.status() for index, node in self.nodes.items()}
                raise Violation(
                    f"{self.undecided()} did not decide in {self.now} ms: {self.setting}\n{states}"
                )
            self.step()
        return self

    def settle(self, duration: int) -> Cluster:
        """Run on for a while after the decision."""
        end = self.now + duration
        while self._queue and self._queue[0][0] <= end:
            self.step()
        return self

    def step(self) -> None:
        self.now, _, action = heapq.heappop(self._queue)
        action()


def _accused(effect: Equivocation | FalseWorkTag | WrongOutput) -> int:
    match effect:
        case Equivocation(first, _):
            return first.sender
        case FalseWorkTag(vote, _):
            return vote.sender
        case WrongOutput(message, _):
            return message.sender
