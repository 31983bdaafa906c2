"""Command line: see ``testnet/perturb.py --help``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from tests.faults.generate import generate
from tests.faults.manifest import Manifest, ManifestError, load
from tests.faults.namespaces import IN_HUB, enter_hub, way_in
from tests.faults.run import run_manifest


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is kept of a run."""

    name: str
    tasks: int
    certified: int
    problems: list[str]
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run manifests one after another; 0 if everything held in all of them."""
    parser = argparse.ArgumentParser(
        prog="testnet/perturb.py",
        description="Disturb test networks on purpose, and judge what became of it.",
    )
    parser.add_argument("manifests", nargs="*", type=Path, metavar="MANIFEST", help="TOML files")
    parser.add_argument("--generate", type=int, default=0, metavar="N", help="N manifests made from --seed")
    parser.add_argument("--seed", type=int, default=1, help="of the first one; the next has the next seed")
    parser.add_argument("--nodes", type=int, default=4, help="of generated ones (default 4)")
    parser.add_argument("--tasks", type=int, default=8, help="of generated ones (default 8)")
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="write verdicts there, and leave out manifests that have one: a long run in pieces",
    )
    parser.add_argument(
        "--cut",
        choices=("auto", "namespaces", "firewall"),
        default="auto",
        help="how nodes are disconnected: network namespaces, or a firewall in the nodes where those are "
        "not allowed (default: what this machine allows)",
    )
    parser.add_argument("--show", action="store_true", help="print the manifests and do nothing")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave keys, data and logs there")
    arguments = sys.argv[1:] if arguments is None else arguments
    given = parser.parse_args(arguments)
    try:
        manifests = [load(path) for path in given.manifests]
    except ManifestError as error:
        print(error, file=sys.stderr)
        return 2
    seeds = range(given.seed, given.seed + given.generate)
    manifests += [generate(seed, nodes=given.nodes, tasks=given.tasks) for seed in seeds]
    if not manifests:
        parser.error("name a manifest, or give --generate N")
    if given.show:
        for one in manifests:
            print(f"# {one.name}\n{one.to_toml()}")
        return 0
    namespaces = _enter_namespace(given.cut, arguments)
    print(f"nodes are disconnected by {'network namespaces' if namespaces else 'a firewall in the nodes'}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    known = _read(given.results)
    verdicts = []
    for one in manifests:
        if one.name not in known:
            known[one.name] = _run(one, given.keep, namespaces=namespaces)
            if given.results is not None:
                with given.results.open("a") as file:
                    file.write(json.dumps(asdict(known[one.name])) + "\n")
        verdicts.append(known[one.name])
    asked = sum(one.tasks for one in verdicts)
    certified = sum(one.certified for one in verdicts)
    sound = sum(not one.problems for one in verdicts)
    print(f"\n{certified} of {asked} tasks certified; {sound} of {len(verdicts)} manifests without a problem")
    for verdict in verdicts:
        for problem in verdict.problems:
            print(f"  {verdict.name}: {problem}")
    return 0 if sound == len(verdicts) else 1


def _enter_namespace(cut: str, arguments: Sequence[str]) -> bool:
    """Whether there are network namespaces to be used; begins the command anew in one, the first time."""
    if IN_HUB in os.environ:
        return True
    options = None if cut == "firewall" else way_in()
    if options is not None:
        enter_hub(options, "tests.faults", arguments)
    elif cut == "namespaces":
        raise SystemExit(
            "network namespaces are not allowed here, or iproute2 is missing. Try: --cut firewall"
        )
    return False


def _read(path: Path | None) -> dict[str, Verdict]:
    """The verdicts of a file of earlier pieces, by manifest."""
    if path is None or not path.exists():
        return {}
    found = [Verdict(**json.loads(line)) for line in path.read_text().splitlines()]
    return {one.name: one for one in found}


def _run(manifest: Manifest, keep: Path | None, *, namespaces: bool) -> Verdict:
    print(f"\n== {manifest.name}: {manifest.nodes} nodes, {manifest.tasks} tasks", flush=True)
    with tempfile.TemporaryDirectory(prefix="p2pavs-perturb-") as temporary:
        directory = Path(temporary) / "net" if keep is None else keep.resolve() / manifest.name
        outcome = run_manifest(
            manifest, directory, lambda line: print(line, flush=True), namespaces=namespaces
        )
    print(f"  {outcome.certified} of {manifest.tasks} tasks certified, {outcome.seconds:.0f} s")
    for problem in outcome.problems:
        print(f"  PROBLEM: {problem}", flush=True)
    return Verdict(manifest.name, manifest.tasks, outcome.certified, outcome.problems, outcome.seconds)


if __name__ == "__main__":
    sys.exit(main())
