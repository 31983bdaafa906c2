"""Planted bugs, each a change to the source that must be noticed: ``python -m tests.sim.mutations``.

A mutation is applied to a copy of the packages, and the seeds are run there in a process of their own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SEEDS = 1000


class MutationError(Exception):
    """The source is not what the mutation expects: bring it up to date."""


@dataclass(frozen=True)
class Mutation:
    """Replace ``old`` by ``new`` in one file, and expect a violation of one of these kinds."""

    name: str
    file: str
    old: str
    new: str
    adversary: str  # the one that is meant to find it first
    kinds: tuple[str, ...]
    tests: str = ""  # these are to fail instead: for what the simulator models and does not run

    def apply(self, root: Path) -> None:
        path = root / self.file
        source = path.read_text()
        if source.count(self.old) != 1:
            raise MutationError(
                f"{self.name}: {self.old!r} occurs {source.count(self.old)} times in {self.file}"
            )
        path.write_text(source.replace(self.old, self.new))


MUTATIONS = (
    Mutation(
        "the lock rule is skipped",
        "consensus/round_state.py",
        "unlocked = state.locked_round == NO_ROUND or state.locked_value == value  # line 23",
        "unlocked = True",
        "equivocate",
        ("agreement", "accountability"),
    ),
    Mutation(
        "a claimed polka is believed",
        "consensus/driver.py",
        "if self._votes.has_polka(offer.pol_round, offer.value):",
        "if offer.pol_round >= 0:",
        "split_proposal",
        ("agreement", "accountability"),
    ),
    Mutation(
        "a polka of the round before locks",
        "consensus/driver.py",
        "for value in votes.polkas(state.round):  # line 36",
        "for value in votes.polkas(state.round) or votes.polkas(state.round - 1):",
        "equivocate",
        ("agreement", "accountability", "termination"),
    ),
    Mutation(
        "a vote counts twice",
        "consensus/vote_keeper.py",
        "if first is not None:\n            if first.value_id",
        "if first is not None and first.value_id != vote.value_id:\n            if first.value_id",
        "withhold",
        ("agreement", "accountability", "validity", "termination"),
    ),
    Mutation(
        "both votes of an equivocator count",
        "consensus/vote_keeper.py",
        "            tally.conflicts[vote.sender] = vote\n            return Added(conflict=(first, vote))",
        "            tally.conflicts[vote.sender] = vote\n"
        "            tally.weights[vote.value_id] = tally.weights.get(vote.value_id, 0) + weight\n"
        "            return Added(conflict=(first, vote))",
        "equivocate",
        ("agreement", "accountability", "validity", "termination"),
    ),
    Mutation(
        "quorum off by one",
        "consensus/committee.py",
        "return 3 * weight > 2 * self.total_weight",
        "return 3 * (weight + 1) > 2 * self.total_weight",
        "equivocate",
        ("agreement", "accountability", "validity"),
    ),
    Mutation(
        "signatures are not checked",
        "consensus/verification.py",
        "found.reasons[found.owners[position]] = ",
        "found.reasons[-1 - found.owners[position]] = ",
        "spam",
        ("equivocation", "evidence", "validity", "agreement"),
    ),
    Mutation(
        "an invalid proposal gets no nil",
        "consensus/round_state.py",
        "return _prevote(state, value if valid and unlocked else NIL)  # lines 24, 26",
        "return _prevote(state, value if unlocked else NIL)",
        "wrong_output",
        ("validity",),
    ),
    Mutation(
        "one vote is enough to skip rounds",
        "consensus/vote_keeper.py",
        "if round_ > current_round and self._electorate.weak_quorum(held.voters_weight)\n        ]",
        "if round_ > current_round and held.voters_weight\n        ]",
        "spam",
        ("termination",),
    ),
    Mutation(
        "the valid value is forgotten",
        "consensus/round_state.py",
        "    if state.valid_value != NIL:\n",
        "    if state.valid_value != state.valid_value:\n",
        "absent",
        ("termination",),
    ),
    Mutation(
        "the lock is not remembered",
        "consensus/round_state.py",
        "                locked_value=value,  # line 38\n"
        "                locked_round=state.round,  # line 39\n",
        "",
        "equivocate",
        ("agreement", "accountability"),
    ),
    Mutation(
        "a nil prevote is taken for a wrong output",
        "consensus/offence_keeper.py",
        "if value in (NIL, certified)",
        "if value in (certified,)",
        "deny",
        ("evidence",),
    ),
    Mutation(
        "work tags are compared with the own one",
        "consensus/offence_keeper.py",
        "operator = self._committee.member(vote.sender).operator",
        "operator = self._committee.members[0].operator",
        "repeat",
        ("evidence",),
    ),
    Mutation(
        "votes of two rounds make an equivocation",
        "consensus/vote_keeper.py",
        "tally = held.tally(vote.kind)\n        first =",
        "tally = self._rounds[min(self._rounds)].tally(vote.kind)\n        first =",
        "deny",
        ("evidence", "termination"),
    ),
    Mutation(
        "nothing is said again",
        "consensus/instance.py",
        "    def _rebroadcast(self) -> None:\n        if self._own is None:",
        "    def _rebroadcast(self) -> None:\n        if True:",
        "absent",
        ("termination",),
    ),
    Mutation(
        "what peers ask for shows in later effects",
        "consensus/instance.py",
        "        return self._assembler.polka(state.valid_round, state.valid_value) or self._polka\n",
        "        self._polka = self._assembler.polka(state.valid_round, state.valid_value) or self._polka\n"
        "        return self._polka\n",
        "",
        (),
        "tests/sim/test_simulation.py::test_asking_an_instance_for_its_messages_leaves_no_trace",
    ),
    Mutation(
        "nobody shows a vote that a certificate contradicts",
        "consensus/offence_keeper.py",
        "if v not in self._shown and",
        "if v in self._shown and",
        "",
        (),
        "tests/unit/consensus/test_instance.py",
    ),
    Mutation(
        "nobody gives up waiting for collectors",
        "p2pavs/sim/host.py",
        "if left == 1 or self.instance.divided:",
        "if self.instance.divided:",
        "",
        (),
        "tests/sim/test_simulation.py",
    ),
    Mutation(
        "effects come before the log",
        "p2pavs/sim/host.py",
        "            self.disk.log.append(event)\n            self.point(Point.LOG_DONE)\n"
        "            effects = self.instance.apply(event)\n            self.trail.append(effects)\n",
        "            effects = self.instance.apply(event)\n"
        "            for effect in effects:\n                self.carry_out(effect)\n"
        "            self.disk.log.append(event)\n"
        "            self.trail.append(effects)\n            effects = ()\n",
        "equivocate",
        ("equivocation",),
    ),
    Mutation(
        "a signature leaves before the guard has it",
        "p2pavs/sim/host.py",
        "            self.disk.guard[kind, round_] = held\n",
        "",
        "equivocate",
        ("equivocation",),
    ),
    Mutation(
        "a node's commits are not synced",
        "p2pavs/storage/database.py",
        '= ("NORMAL", "FULL")',
        '= ("NORMAL", "NORMAL")',
        "",
        (),
        "tests/unit/node/test_database.py",
    ),
    Mutation(
        "a signature waits for the disk only if all that is committed with it does",
        "p2pavs/storage/database.py",
        "synced = any(job.synced for job in jobs)",
        "synced = all(job.synced for job in jobs)",
        "",
        (),
        "tests/unit/node/test_database.py",
    ),
    Mutation(
        "a node's sign guard keeps nothing",
        "p2pavs/storage/sign_guard.py",
        'connection.execute("INSERT INTO signatures VALUES (?,?,?,?,?,?,?)", (*key, message, signature))',
        "del key, message",
        "",
        (),
        "tests/unit/node/test_sign_guard.py",
    ),
)


def copy_of_the_packages(target: Path) -> None:
    for package in ("consensus", "p2pavs", "tests/sim"):
        ignore = shutil.ignore_patterns("contracts", "network", "chain", "api")
        shutil.copytree(ROOT / package, target / package, ignore=ignore)
    (target / "tests" / "__init__.py").write_text("")


def _unit_tests(root: Path, tests: str) -> tuple[bool, str]:
    """Run unit tests of the node in the copy; returns whether some failed."""
    shutil.copytree(ROOT / "tests/unit", root / "tests/unit")
    shutil.copy(ROOT / "pyproject.toml", root)
    done = _run([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", tests], root)
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    return done.returncode == 1 and bool(failed), failed[0] if failed else done.stdout + done.stderr


def _run(command: list[str], root: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def hunt(mutation: Mutation, seeds: int = SEEDS, everywhere: bool = False) -> tuple[bool, str]:
    """Plant a bug and look for it; returns whether it showed as expected, and what was printed."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        copy_of_the_packages(root)
        mutation.apply(root)
        if mutation.tests:
            return _unit_tests(root, mutation.tests)
        command = [sys.executable, "-m", "tests.sim.seeds", "--stop", "--seeds", str(seeds)]
        if not everywhere:
            command += ["--adversary", mutation.adversary]
        done = _run(command, root)
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    caught = done.returncode == 1 and any(f": {kind}: " in line for line in failed for kind in mutation.kinds)
    return caught, (failed[0] if failed else done.stdout + done.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--everywhere", action="store_true", help="run all adversaries")
    parser.add_argument("names", nargs="*", help="only mutations whose name contains one of these")
    given = parser.parse_args()
    missed = 0
    for mutation in MUTATIONS:
        if given.names and not any(name in mutation.name for name in given.names):
            continue
        caught, said = hunt(mutation, given.seeds, given.everywhere)
        missed += not caught
        print(f"{'caught' if caught else 'MISSED':7} {mutation.name:45} {said.strip()[:180]}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
