"""The clock, the queue and the members: runs one instance from its ``Setting`` to the end."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, TypeVar

from consensus.collecting import Collectors
from consensus.committee import Committee, Member
from consensus.hashing import keccak256
from consensus.messages import DivergenceReport, Message, Proposal, Vote
from consensus.types import Domain, InstanceId, Result, Scope, ValueId
from consensus.verification import Invalid, MessageVerifier
from consensus.wire import WireError, encode_message
from p2pavs.sim.adversaries import KINDS
from p2pavs.sim.answers import RIGHT, WRONG, own_result, value_of
from p2pavs.sim.host import Host
from p2pavs.sim.invariants import Invariants, Violation
from p2pavs.sim.network import Network
from p2pavs.sim.parcel import Parcel, received
from p2pavs.sim.setting import Faults, Setting
from p2pavs.sim.signatures import KeyedKeyring, Keyring
from p2pavs.sim.trace import Trace

DOMAIN = Domain(31337, b"\x11" * 20)

A = TypeVar("A")


@lru_cache(maxsize=1024)
def name_of(operator: int) -> bytes:
    """Name a member's keys."""
    return b"operator %d" % operator


@lru_cache(maxsize=1024)
def _address(operator: int) -> bytes:
    return keccak256(name_of(operator))[:20]


class Simulation:
    """One instance. ``run`` raises ``Violation`` when an invariant breaks; what it saw stays readable."""

    def __init__(
        self,
        setting: Setting,
        keyring: Keyring | None = None,
        faults: Faults | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.setting = setting
        self.keyring = keyring or KeyedKeyring()
        self.faults = faults
        self.trace = trace
        self.now = 0
        self.steps = 0
        self.random = random.Random(setting.seed)  # noqa: S311 - a simulation must be reproducible
        self._operators = setting.operators or tuple(range(len(setting.weights)))
        self.committee = self._committee()
        self.collectors = Collectors(self.committee, setting.many)
        self.scope = Scope(DOMAIN, InstanceId(setting.task, 0), self.committee.root)
        self.members = tuple(range(len(setting.weights)))
        self.honest = frozenset(self.members) - setting.adversaries.keys()
        self.honest_outputs = {setting.output_of(member) for member in self.honest} - {None}
        self.invariants = Invariants(self)
        self.reports: dict[int, DivergenceReport] = {}
        self._queue: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self._count = 0
        self._parcels: dict[Message, Parcel] = {}
        self._outputs: dict[ValueId, bytes] = {}
        self.known_values: tuple[ValueId, ...] = ()
        # A stream of its own: what checking signatures draws must not change the world.
        draws = random.Random(setting.seed).randbytes  # noqa: S311 - a simulation must be reproducible
        self._verifier = MessageVerifier(self.scope, self.committee, draws, self.keyring.scheme)
        self.network = Network(setting.network, self.random)
        self.hosts: list[Host] = list(self._make_hosts())
        self._awaited = {host.member for host in self.hosts if host.honest}
        for output in {RIGHT, WRONG, setting.answer, *setting.outputs.values()} - {None}:
            self.learn(output or b"")

    def _committee(self) -> Committee:
        setting = self.setting
        seed = keccak256(b"seed %d" % setting.seed) if setting.task_seed is None else setting.task_seed
        members = tuple(
            Member(index, _address(operator), self.keyring.public_key(name_of(operator)), weight)
            for index, (operator, weight) in enumerate(zip(self._operators, setting.weights, strict=True))
        )
        return Committee(members, sum(setting.weights), keccak256(seed), (), seed, 0)

    def _make_hosts(self) -> Iterator[Host]:
        node = 0
        for member in self.members:
            if member in self.setting.dead:
                continue
            of = KINDS[self.setting.adversaries[member]] if member in self.setting.adversaries else Host
            for _ in range(of.processes):
                yield of(self, node, member)
                node += 1

    # --- what members know ----------------------------------------------------------------------------------

    def address(self, member: int) -> bytes:
        """Return a member's account."""
        return self.committee.member(member).operator

    def sign(self, member: int, message: bytes) -> bytes:
        """Sign with a member's key; each host calls this for its own member only."""
        return self.keyring.sign(name_of(self._operators[member]), message)

    def learn(self, output: bytes) -> ValueId:
        """Note an output that members may work with, and return its value."""
        value = value_of(output)
        if value not in self._outputs:
            self._outputs[value] = output
            self.known_values = tuple(sorted(self._outputs))
        return value

    def secret_of(self, value: ValueId) -> bytes:
        """Return the trace secret behind a value."""
        return own_result(self._outputs[value]).trace_secret

    def result_of(self, value: ValueId) -> tuple[Result, bytes]:
        """Return the result and the output behind a value."""
        output = self._outputs[value]
        return own_result(output).result, output

    def honest_hosts(self) -> Iterator[Host]:
        """Yield the processes that follow the protocol."""
        return (host for host in self.hosts if host.honest)

    # --- time and network -----------------------------------------------------------------------------------

    def at(self, delay: int, action: Callable[[A], None], argument: A) -> None:
        """Call ``action(argument)`` after some virtual milliseconds; at equal times, in order."""
        self._count += 1
        heapq.heappush(self._queue, (self.now + delay, self._count, action, argument))

    def broadcast(self, sender: Host, message: Message) -> Parcel:
        """Send a message to everybody else."""
        parcel = self.parcel(sender, message)
        self.spread(sender, parcel, self.hosts)
        return parcel

    def spread(self, sender: Host, parcel: Parcel, receivers: list[Host]) -> None:
        """Publish a parcel; the network decides who gets it when."""
        sender.traffic.sent += 1
        sender.traffic.sent_bytes += len(parcel.data)
        if self.setting.network.hush and self._hushed(sender):
            return
        delays, now = self.network.delays, self.now
        for receiver in receivers:
            if receiver is not sender:
                for delay in delays(now, sender.member, receiver.member):
                    self.at(delay, receiver.deliver, parcel)

    def _hushed(self, sender: Host) -> bool:
        stable = self.setting.network.stable_ms
        return sender.instance.decided is not None and (stable is None or self.now < stable)

    def ask(self, asker: Host) -> None:
        """Let a member ask another one for what it missed: a question, an answer, either may be lost."""
        others = [host for host in self.hosts if host is not asker]
        if not others:
            return
        peer = asker.random.choice(others)
        for delay in self.network.delays(self.now, asker.member, peer.member)[:1]:
            self.at(delay, self._answer, (peer, asker))

    def _answer(self, parties: tuple[Host, Host]) -> None:
        peer, asker = parties
        if self.setting.network.hush and self._hushed(peer):
            return
        for delay in self.network.delays(self.now, peer.member, asker.member)[:1]:
            for message in peer.answer():
                self.at(delay, asker.deliver, self.parcel(peer, message))

    def parcel(self, sender: Host, message: Message) -> Parcel:
        """Pack a message: encode it and check its signatures, once."""
        found = self._parcels.get(message)
        if found is None:
            found = self._parcels[message] = self._pack(message, sender.honest)
        elif sender.honest and not found.by_honest:
            found.by_honest = True
        return found

    def _pack(self, message: Message, by_honest: bool) -> Parcel:
        try:
            data = encode_message(message)
        except WireError as error:
            if by_honest:
                raise Violation("validity", f"an honest member said what has no encoding: {error}") from error
            return Parcel(None, b"", reason=str(error))
        outcome = self._verifier.verify(message)
        if isinstance(outcome, Invalid):
            return Parcel(message, data, reason=outcome.reason, by_honest=by_honest)
        if isinstance(message, Proposal | Vote | DivergenceReport):
            self.invariants.said(message)
        if isinstance(message, DivergenceReport):
            self.reports.setdefault(message.sender, message)
        return Parcel(message, data, received(message), by_honest=by_honest)

    # --- running --------------------------------------------------------------------------------------------

    @property
    def decided(self) -> bool:
        """Whether every honest member that is not dead has decided."""
        return len(self.invariants.decisions) >= len(self._awaited)

    @property
    def rounds(self) -> int:
        """How many rounds the decision took; 0 without one."""
        return max((1 + d.certificate.round for d in self.invariants.decisions.values()), default=0)

    def run(self, settle_ms: int = 500) -> Simulation:
        """Run until everyone has decided, and a little on; raises ``Violation``."""
        for host in self.hosts:
            host.begin()
        for outage in self.setting.outages:
            for host in self.hosts:
                if host.member == outage.member:
                    self.at(outage.start_ms, host.crash, outage.end_ms - outage.start_ms)
        while not self.decided:
            if not self._queue or self._queue[0][0] > self.setting.limit_ms:
                self._out_of_time()
                break
            self.step()
        self.settle(settle_ms)
        self.invariants.finish()
        return self

    def settle(self, duration: int) -> None:
        """Run on for a while."""
        end = self.now + duration
        while self._queue and self._queue[0][0] <= end:
            self.step()

    def step(self) -> None:
        """Let the next thing happen."""
        self.now, _, action, argument = heapq.heappop(self._queue)
        self.steps += 1
        action(argument)

    def _out_of_time(self) -> None:
        if not self.setting.within_bound or self.invariants.fork is not None:
            return
        late = sorted(self._awaited - self.invariants.decisions.keys())
        states = [host.instance.status() for host in self.hosts if host.member in late]
        raise Violation("termination", f"{late} did not decide in {self.now} ms; {states}")
