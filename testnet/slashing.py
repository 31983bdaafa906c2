"""Three operators cheat, one after another, and lose stake: ``testnet/slashing.sh``.

Each cheats in its own way (see ``tests/doubles/actor.py``): one signs two values for one slot, one votes
without running the model, one claims another output than the model's. The other nodes find it out, report
it, and have it punished after the veto window; nothing here helps them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testnet.layout import Layout, claim, write_whole
from testnet.network import Network, NetworkFailed
from testnet.startup import bring_up

NODES = 4
DOUBLE = "tests.doubles.actor"
PATIENCE = 1800.0  # seconds for each demonstration
FOUND_OUT = 4.0  # seconds after a task in which other nodes find an offence in it, if there is one
REPORTED = 120.0  # seconds until one of them has reported it
PARAMETERS = """# Short windows, so that it does not take a day.
maximum_window = 3600
longest_pause = 60
report_window = 60
veto_window = 15
block_seconds = 1
epoch_blocks = 600
withdrawal_delay = 86400
"""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One way to cheat, and what it costs."""

    node: int
    cheat: str  # what the double is told
    offence: str  # what the chain calls it
    percent: int
    story: str


DEMONSTRATIONS = (
    Demonstration(1, "lazy", "lazy-vote", 10, "votes without running the model"),
    Demonstration(2, "wrong", "wrong-output", 1, "claims another output than the model's"),
    Demonstration(3, "equivocate", "equivocation", 100, "signs two values for one slot"),
)


def main() -> int:
    """Command line of the demonstrations."""
    parser = argparse.ArgumentParser(prog="testnet/slashing.sh", description="Three operators lose stake.")
    parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="p2pavs-slashing-") as directory:
        return demonstrate(Path(directory) / "net")


def demonstrate(directory: Path) -> int:
    """Start a network, have three operators cheat, print what they lose; 0 if all lost what they should."""
    layout = Layout(directory.resolve())
    state, lock = claim(layout)
    parameters = layout.directory / "parameters.toml"
    parameters.write_text(PARAMETERS)
    doubles = {each.node: DOUBLE for each in DEMONSTRATIONS}
    network = Network(layout, state, doubles, parameters=parameters)
    with lock:
        try:
            print(f"starting a network of {NODES} nodes, {len(doubles)} of which will cheat", flush=True)
            bring_up(network, NODES)
            failed = [each.offence for each in DEMONSTRATIONS if not _run(network, each)]
            print("\n$ p2pavs evidence list", flush=True)
            print(network.command("evidence", "list"), flush=True)
        finally:
            network.stop()
    print(f"not punished: {', '.join(failed)}" if failed else "each lost what its offence costs")
    return 1 if failed else 0


def _run(network: Network, each: Demonstration) -> bool:
    address = _address(network, each.node)
    before = _stake(network, address)
    print(f"\nnode {each.node} ({address}) {each.story}; its stake: {before / 10**18:g} ETH", flush=True)
    deadline = time.monotonic() + PATIENCE
    punished = None
    asked = 0
    # Not every task gives it the occasion: to claim a wrong output it must be the proposer.
    while punished is None and time.monotonic() < deadline:
        asked += 1
        _ask_while_it_cheats(network, each, f"Question {each.node}.{asked}?")
        punished = _punishment(network, each, address, deadline)
    if punished is None:
        print(f"  nothing happened within {PATIENCE:.0f} s and {asked} tasks", flush=True)
        return False
    after = _stake(network, address)
    lost = 100 * (before - after) / before
    bounty = int(punished["bountyWei"]) / 10**18
    print(f"  {punished['offence']} in task {punished['firstTask']}, {asked} asked", flush=True)
    print(f"  lost {lost:g}%: {before / 10**18:g} -> {after / 10**18:g} ETH", flush=True)
    print(f"  reported by {punished['reporter']} for {bounty:g} ETH", flush=True)
    return punished["offence"] == each.offence and before - after == before * each.percent // 100


def _known(network: Network) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(network.command("evidence", "list", "--json"))
    return found


def _ask_while_it_cheats(network: Network, each: Demonstration, question: str) -> None:
    """One task, so that there is one offence and one penalty."""
    script = network.layout.data(each.node) / "act.json"
    write_whole(script, json.dumps({"cheat": each.cheat}))
    try:
        network.command("request", "--wait", "--deadline", "300", "--", question, timeout=600)
    finally:
        script.unlink(missing_ok=True)


def _punishment(
    network: Network, each: Demonstration, address: str, deadline: float
) -> dict[str, Any] | None:
    """What the chain says of an operator's penalty, once it has one; None where no offence was found."""
    asked = time.monotonic()
    while (now := time.monotonic()) < deadline:
        known = _known(network)
        held, cases, punished = (
            [one for one in known[kind] if one["operator"] == address]
            for kind in ("held", "cases", "punished")
        )
        if punished:
            found: dict[str, Any] = punished[0]
            return found
        # A divergence report is held too, and nobody reports that.
        found_out = any(one["offence"] == each.offence for one in held)
        if not cases and now > asked + (REPORTED if found_out else FOUND_OUT):
            return None
        time.sleep(1)
    return None


def _address(network: Network, index: int) -> str:
    options = ["--keys", str(network.keys(network.layout.operator(index)))]
    return str(json.loads(network.command("operator", "status", *options, "--json"))["address"])


def _stake(network: Network, address: str) -> int:
    said = network.command("operator", "status", "--address", address, "--json")
    return int(json.loads(said)["stakeWei"])


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except NetworkFailed as error:
        raise SystemExit(f"slashing: {error}") from None
