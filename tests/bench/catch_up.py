"""A node that missed many tasks fetches their certificates: ``python -m tests.bench.catch_up``.

Two nodes' networks in one process, real libp2p between them, real signatures, real databases. What the late
node does with each certificate is what a node does: check it against the committee of its task, store it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import trio

from consensus import bls
from consensus.committee import Committee, OperatorSet
from consensus.messages import Certificate, Commit
from consensus.signing import statement, value_id
from consensus.types import InstanceId, Kind, Scope
from p2pavs.bench.part import median, run, say
from p2pavs.bench.result import Result
from p2pavs.certificate_sync import CertificateSync
from p2pavs.chain.records import TaskHeader
from p2pavs.network import Network, NetworkConfig
from p2pavs.storage import CertificateStore, Database
from tests.unit.consensus import factory
from tests.unit.node import chain_double
from tests.unit.node.chain_double import requested
from tests.unit.node.test_task_desk import Office, by_others

TASKS = 1000
MEMBERS = 4


def certified(task_id: int, operators: OperatorSet) -> tuple[Scope, Commit]:
    """A certificate of three of four, with a short output."""
    header = requested(task_id).header
    of = Committee.select(operators, header.hash, header.task_seed, 0, 0)
    scope = Scope(factory.DOMAIN, InstanceId(task_id, 0), of.root)
    result = factory.result()
    message = statement(scope, Kind.PRECOMMIT, 0, value_id(result))
    signature = bls.aggregate([bls.sign(factory.secret(index), message) for index in range(MEMBERS - 1)])
    signers = tuple(range(MEMBERS - 1))
    return scope, Commit(Certificate(scope.instance, 0, result, signers, signature), factory.OUTPUT)


async def fetch(tasks: int, directory: Path) -> float:
    """Seconds from the first question to the last certificate in the database."""
    operators = factory.operator_set((1,) * MEMBERS)

    async def read_header(task_id: int) -> TaskHeader:
        return requested(task_id).header

    async def read_set(epoch: int) -> OperatorSet:
        return operators

    def sync(network: Network, store: CertificateStore) -> CertificateSync:
        return CertificateSync(network, store, factory.DOMAIN, read_header, read_set, os.urandom)

    early, late = Database(directory / "early.sqlite"), Database(directory / "late.sqlite")
    await CertificateStore(early).put_many([certified(one, operators) for one in range(1, tasks + 1)])
    here = NetworkConfig(listen="/ip4/127.0.0.1/tcp/0", key_seed=b"\1" * 32)
    async with Network.open(here) as one:
        there = NetworkConfig(
            listen="/ip4/127.0.0.1/tcp/0", key_seed=b"\2" * 32, bootstrap=(one.addresses[0],)
        )
        async with Network.open(there) as other, trio.open_nursery() as nursery:
            sync(one, CertificateStore(early))
            fetching = sync(other, CertificateStore(late))
            await other.wait_for_peers(1)
            for task_id in range(1, tasks + 1):
                fetching.want(task_id)
            begin = time.perf_counter()
            nursery.start_soon(fetching.run)
            while fetching.missing:  # noqa: ASYNC110 - a number, without an event
                await trio.sleep(0.01)
            took = time.perf_counter() - begin
            nursery.cancel_scope.cancel()
    assert await CertificateStore(late).count() == tasks
    early.close()
    late.close()
    return took


async def follow(tasks: int, directory: Path) -> float:
    """Seconds for a desk to work through so many blocks, each with a request and a certificate."""
    database = Database(directory / "desk.sqlite")
    office = Office(database)
    async with office.open() as desk:
        desk._sets[1] = factory.operator_set(office.stakes)  # there is no chain to read it from
        office.follower.head = 10 * tasks
        begin = time.perf_counter()
        for number in range(1, tasks + 1):
            events = [chain_double.requested(number)]
            older = [by_others(number - 3)] if number > 3 else []
            await office.follower._send.send(chain_double.block(number, *events, *older))
        while desk.head < tasks:  # noqa: ASYNC110 - a number, without an event
            await trio.sleep(0.01)
        took = time.perf_counter() - begin
    database.close()
    return took


def measure(options: argparse.Namespace) -> Result:
    """Both, on fresh databases."""
    tasks = options.tasks or (100 if options.quick else TASKS)
    fetched, followed = [], []
    for number in range(options.repeats):
        say(f"{tasks} certificates, run {number + 1} of {options.repeats}")
        with tempfile.TemporaryDirectory() as directory:
            fetched.append(trio.run(fetch, tasks, Path(directory)))
            followed.append(trio.run(follow, tasks, Path(directory)))
    result = Result()
    rows = [
        ("certificates fetched, checked and stored", median(fetched), 1000 * median(fetched) / tasks),
        (
            "blocks with a request and a certificate worked through",
            median(followed),
            1000 * median(followed) / tasks,
        ),
    ]
    result.table((f"{tasks:,}", "s", "ms each"), rows, f"median of {options.repeats}")
    result.measured("catch_up", {"seconds": median(fetched)}, certificates=tasks, nodes=2)
    return result


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tasks", type=int, help=f"({TASKS})")


if __name__ == "__main__":
    sys.exit(run(measure, add_options=add_options, description=__doc__))
