"""What signatures cost a node: ``python -m tests.bench.bls``. One table, every backend in one run.

Times are of the processor, not of the clock, in the calling thread: other programs disturb them little. Each
is the median of several runs. Keys are decoded before (a node keeps them), signatures anew in each run.
The reference is far too slow for batches, so it does the first rows only.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from consensus import bls
from consensus.bls import BlsScheme
from consensus.bls_backends import arkworks, blst, reference
from consensus.bls_backends.protocol import Backend
from consensus.messages import Vote
from consensus.signing import SignatureCheck, statement, value_id
from consensus.types import Kind
from consensus.verification import Invalid, MessageVerifier
from p2pavs.bench.part import run, say
from p2pavs.bench.result import Cell, Chart, Result, shown
from tests.unit.consensus import factory

MEMBERS = 64
TARGET_MS = 100
MESSAGE = b"\x42" * 32


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what a scheme is asked to do, untimed preparation excluded."""

    title: str
    work: Callable[[BlsScheme], object]
    slow_too: bool = False
    """Whether the reference does it as well."""
    batch: int = 0
    """How many votes are checked together, where that is what the row is about."""
    metric: str = ""
    """What the specification calls it."""


def same_message(count: int) -> list[SignatureCheck]:
    """``count`` signatures of one message."""
    return [
        SignatureCheck((factory.key(i),), MESSAGE, bls.sign(factory.secret(i), MESSAGE)) for i in range(count)
    ]


def distinct_messages(count: int) -> list[SignatureCheck]:
    """``count`` signatures, each of its own message, as work tags are."""
    tags = [i.to_bytes(32, "big") for i in range(count)]
    return [
        SignatureCheck((factory.key(i),), tag, bls.sign(factory.secret(i), tag)) for i, tag in enumerate(tags)
    ]


def all_hold(checks: Sequence[SignatureCheck], scheme: BlsScheme) -> None:
    """Check a batch that is right."""
    if scheme.find_bad(checks, os.urandom):
        raise RuntimeError("a right signature was refused")


def one_by_one(checks: Sequence[SignatureCheck], scheme: BlsScheme) -> None:
    """Check the same without batches."""
    for check in checks:
        all_hold([check], scheme)


class Waves:
    """The votes of one round of 64 members, and one member's work on them."""

    def __init__(self, bad: int = 0, batch: int = MEMBERS) -> None:
        """``bad`` members sign rubbish in both waves; ``batch`` votes are checked at a time."""
        self.committee = factory.committee([1] * MEMBERS)
        self.scope = factory.scope(self.committee)
        self.batch = batch
        self.bad = frozenset(random.Random(bad).sample(range(MEMBERS), bad))
        self.prevotes = [self._vote(sender, Kind.PREVOTE) for sender in range(MEMBERS)]
        self.precommits = [self._vote(sender, Kind.PRECOMMIT) for sender in range(MEMBERS)]
        random.Random(1).shuffle(self.prevotes)
        random.Random(2).shuffle(self.precommits)
        good = [vote for vote in self.precommits if vote.sender not in self.bad]
        self.keys = [self.committee.member(vote.sender).key for vote in good]
        self.signatures = [vote.signature for vote in good]
        self.statement = statement(self.scope, Kind.PRECOMMIT, 0, value_id(factory.result()))

    def _vote(self, sender: int, kind: Kind) -> Vote:
        right = factory.vote(self.committee, sender, kind)
        if sender not in self.bad:
            return right
        # A signature that decodes, of something else; every other prevote is wrong in its work tag only.
        rubbish = bls.sign(factory.secret(sender), b"rubbish")
        if right.work is not None and sender % 2:
            work = type(right.work)(right.work.tag, rubbish)
            return Vote(right.instance, kind, 0, right.value_id, sender, right.signature, work)
        return Vote(right.instance, kind, 0, right.value_id, sender, rubbish, right.work)

    def check(self, votes: Sequence[Vote], scheme: BlsScheme) -> None:
        """Check votes as a member does, and that exactly the wrong ones are refused."""
        verifier = MessageVerifier(self.scope, self.committee, os.urandom, scheme)
        refused = set()
        for at in range(0, len(votes), self.batch):
            some = votes[at : at + self.batch]
            outcomes = zip(some, verifier.verify_many(some), strict=True)
            refused |= {vote.sender for vote, outcome in outcomes if isinstance(outcome, Invalid)}
        if refused != self.bad:
            raise RuntimeError(f"refused {sorted(refused)}, wrong were {sorted(self.bad)}")

    def task(self, scheme: BlsScheme) -> None:
        """Both waves, the certificate made of the second, and a certificate checked."""
        self.check(self.prevotes, scheme)
        self.check(self.precommits, scheme)
        joined = scheme.aggregate(self.signatures)
        if not scheme.fast_aggregate_verify(self.keys, self.statement, joined):
            raise RuntimeError("the certificate does not hold")


def rows() -> list[Row]:
    """Everything that is measured."""
    alone = same_message(1)[0]
    found = [
        Row("sign", lambda scheme: scheme.sign(factory.secret(0), MESSAGE), slow_too=True, metric="sign_ms"),
        Row(
            "verify",
            lambda s: s.verify(alone.keys[0], alone.message, alone.signature),
            slow_too=True,
            metric="verify_ms",
        ),
    ]
    for count in (16, 64, 128):
        checks = same_message(count)
        title = f"{count} signatures of one message"
        found.append(Row(title, partial(all_hold, checks), slow_too=count == 16))
        if count == MEMBERS:
            found.append(Row("    the same one by one", partial(one_by_one, checks)))
    found.append(Row(f"{MEMBERS} work tags (a message each)", partial(all_hold, distinct_messages(MEMBERS))))
    for bad in (0, 1, 21):
        waves = Waves(bad)
        some = f", {bad} bad" if bad else ""
        found += [
            Row(f"{MEMBERS} precommits{some}", partial(waves.check, waves.precommits)),
            Row(f"{MEMBERS} prevotes with work tags{some}", partial(waves.check, waves.prevotes)),
            Row(f"a task of {MEMBERS} members{some}", waves.task, metric="" if bad else "task_ms"),
        ]
    found += [
        Row(
            f"a task of {MEMBERS} members, votes checked {batch} at a time", Waves(0, batch).task, batch=batch
        )
        for batch in (64, 16, 8, 4, 2, 1)
    ]
    return found


def median_ms(row: Row, backend: Backend, runs: int, keys: Sequence[bytes]) -> float:
    """Return the median processor time of a row in milliseconds."""
    times = []
    for _ in range(runs):
        scheme = BlsScheme(backend)  # with no signature decoded yet
        for key in keys:
            scheme.check_key(key)
        begin = time.thread_time()
        row.work(scheme)
        times.append(time.thread_time() - begin)
    return 1000 * statistics.median(times)


def measure(options: argparse.Namespace) -> Result:
    """Every row with every backend that is fast enough for it."""
    fast, second, slow = blst.load(), arkworks.load(), reference.load()
    every_key = [factory.key(i) for i in range(128)]
    table: list[tuple[Cell, ...]] = []
    batches: dict[str, list[tuple[float, float]]] = {"blst": [], "arkworks": []}
    result = Result()
    for row in rows():
        say(row.title.strip())
        ours = median_ms(row, fast, options.repeats, every_key)
        theirs = median_ms(row, second, options.repeats, every_key)
        reference_ms = median_ms(row, slow, 1, every_key[:16]) if row.slow_too else None
        ratio = None if reference_ms is None else reference_ms / ours
        table.append((row.title.strip(), ours, theirs, theirs / ours, reference_ms, ratio))
        if row.batch:
            batches["blst"].append((row.batch, ours / 64))
            batches["arkworks"].append((row.batch, theirs / 64))
        if row.metric:
            for name, value in (("blst", ours), ("arkworks", theirs)):
                result.measured("signatures", {row.metric: value}, backend=name, members=MEMBERS)
    result.table(
        ("ms of processor time", "blst", "arkworks", "ratio", "py-ecc", "ratio"),
        table,
        f"median of {options.repeats}, of the calling thread; py-ecc does the first rows only, once",
    )
    whole = next(row[1] for row in table if row[0] == f"a task of {MEMBERS} members")
    result.notes.append(
        f"A task of {MEMBERS} members takes {shown(whole)} ms with blst; the target is {TARGET_MS} ms. "
        f"Backends: {fast.name}; {second.name}; {slow.name}."
    )
    lines = {name: tuple(sorted(points)) for name, points in batches.items()}
    result.charts.append(
        Chart(
            f"A task of {MEMBERS} members: votes checked together", "batch", "ms a member", lines, log_x=True
        )
    )
    return result


if __name__ == "__main__":
    sys.exit(run(measure, repeats=9, quick_repeats=2, description=__doc__))
