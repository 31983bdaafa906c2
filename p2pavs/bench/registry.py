"""Which benchmarks there are: what each asks, what it compares with, how long it takes.

Each is a program of its own: what one leaves behind in its process (patches, caches, memory) does not
touch the next one, and a crash ends one of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark. The durations are minutes on two idle cores: what to expect, not a promise."""

    name: str
    title: str
    question: str
    compared: str
    module: str
    minutes: float
    quick_minutes: float
    repeated: bool = False
    """Whether it measures the same several times and gives the median: those that do not give the spread of
    many tasks of one run, or what is the same each time."""

    @property
    def needs_clone(self) -> bool:
        """Whether it needs a clone of the repository."""
        return self.module.startswith("tests.")


BENCHMARKS = (
    Benchmark(
        "price",
        "Price of trust",
        "What does a certified answer cost beside an answer that nobody vouches for?",
        "llama.cpp called directly, with the same file, prompt, number of tokens and threads",
        "tests.bench.price",
        5,
        2,
        repeated=True,
    ),
    Benchmark(
        "overhead",
        "Overhead of consensus",
        "What do agreement and gossip take for each task as the committee grows?",
        "the goals: 0.5, 1, 2 s (p50) with 4, 16, 32 nodes from the last needed output to the certificate",
        "tests.bench.overhead",
        14,
        2,
    ),
    Benchmark(
        "startup",
        "Start and memory",
        "How long until a node works, and what does it hold?",
        "the goals: 3 s and 150 MB without a model; Python that imports nothing",
        "tests.bench.startup",
        2,
        1,
        repeated=True,
    ),
    Benchmark(
        "throughput",
        "Throughput",
        "How many tasks are certified in a second, and what happens with more than that?",
        "the same network with 1 to 64 tasks in flight, and the model worker alone",
        "tests.bench.throughput",
        8,
        2,
        repeated=True,
    ),
    Benchmark(
        "chain",
        "Gas",
        "What do the contracts cost?",
        "k-of-n ECDSA signatures checked by a small contract on the same chain; published figures of others",
        "tests.bench.chain",
        0.5,
        0.5,
    ),
    Benchmark(
        "slashing",
        "Gas of slashing",
        "What does it cost to prove an offence?",
        "one transaction beside the other",
        "tests.bench.slashing_gas",
        0.3,
        0.3,
    ),
    Benchmark(
        "crypto",
        "BLS signatures",
        "What do signatures cost a node, and which backend and batch is best?",
        "blst, arkworks and py-ecc on the same signatures",
        "tests.bench.bls",
        1,
        0.3,
        repeated=True,
    ),
    Benchmark(
        "simulation",
        "Simulation",
        "What happens with 100 to 10,000 nodes, and does the simulator predict what real nodes do?",
        "real networks of 4 to 32 nodes, where the benchmark 'overhead' measured them",
        "p2pavs.bench.simulation",
        6,
        0.5,
    ),
    Benchmark(
        "simulator",
        "Speed of the simulator",
        "How fast is the simulator, and where does its time go?",
        "small and large committees, honest and not",
        "tests.sim.bench",
        1.5,
        0.3,
    ),
    Benchmark(
        "verify",
        "Verify mode",
        "What does checking another member's answer save?",
        "replicate mode: every member generates",
        "tests.bench.verify_mode",
        4,
        0.5,
        repeated=True,
    ),
    Benchmark(
        "latency",
        "Verify mode: behind the last token",
        "How far behind the last token is a certificate in verify mode?",
        "the moment at which the generating node had its result",
        "tests.bench.verify_latency",
        3.5,
        1,
    ),
    Benchmark(
        "engine",
        "Engine",
        "What do tokens cost, alone and several requests at once?",
        "one request at a time; checking beside generating",
        "tests.bench.engine",
        3,
        0.5,
        repeated=True,
    ),
    Benchmark(
        "sampling",
        "Sampling",
        "What does drawing one token cost?",
        "greedy sampling",
        "tests.bench.sampling",
        1,
        0.2,
        repeated=True,
    ),
    Benchmark(
        "memory",
        "Memory of a worker",
        "Is the estimate that a worker makes before it loads a model right?",
        "the peak of resident memory after answers in every slot",
        "tests.bench.memory",
        3,
        0.2,
    ),
    Benchmark(
        "catch-up",
        "Catching up",
        "How fast does a node fetch what it missed?",
        "the same number of blocks worked through by its desk",
        "tests.bench.catch_up",
        0.5,
        0.2,
        repeated=True,
    ),
    Benchmark(
        "joining",
        "A new node",
        "How soon is a new node of use?",
        "the steps beside each other: ready, connected, heard",
        "tests.bench.joining",
        3,
        1.5,
        repeated=True,
    ),
    Benchmark(
        "gossip",
        "Gossip mesh",
        "What does the degree of the mesh cost and give?",
        "degrees 4, 6 and 8",
        "tests.bench.gossip",
        3,
        0.5,
    ),
    Benchmark(
        "faults",
        "Faults of the specification",
        "What do a network's tasks wait for, and what is lost, while one of four members fails?",
        "the same network without a fault",
        "tests.bench.faults",
        6,
        1.5,
    ),
    Benchmark(
        "endurance",
        "Endurance",
        "What grows while a network works?",
        "the second third of the run",
        "tests.bench.endurance",
        16,
        2,
    ),
)
"""In the order in which they are run: 'simulation' compares with what 'overhead' found."""

NAMES = tuple(one.name for one in BENCHMARKS)
BY_NAME = {one.name: one for one in BENCHMARKS}
