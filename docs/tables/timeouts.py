"""What the default timeouts cost on slow networks: ``python docs/tables/timeouts.py`` prints the table.

Each row is ``p2pavs sim`` with the protocol's own code in virtual time: 7 members, 100 tasks, results ready
within one second, one-way delays of a log-normal distribution around the median given.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

MEDIANS = (20, 60, 200, 500, 1000, 2000, 4000)  # ms, one way
CASES = {"all honest": (), "2 of 7 down": ("--crash", "2")}


def simulate(median: int, options: tuple[str, ...]) -> dict[str, Any]:
    """What the simulator says of one row."""
    command = [sys.executable, "-m", "p2pavs", "sim", "--json", "--nodes", "7", "--tasks", "100"]
    command += ["--latency", f"lognormal:{median}", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def main() -> None:
    """Print the table."""
    print(
        "| median delay, ms | members | decided | rounds p50, p99, max | last member decided, s: p50, p99 |"
    )
    print("|---|---|---|---|---|")
    for name, options in CASES.items():
        for median in MEDIANS:
            report = simulate(median, options)
            rounds, last = report["rounds"], report["latencyMs"]["lastMember"]
            print(
                f"| {median:,} | {name} | {report['decided']} of {report['tasks']} "
                f"| {rounds['p50']}, {rounds['p99']}, {rounds['max']} "
                f"| {last['p50'] / 1000:.1f}, {last['p99'] / 1000:.1f} |"
            )


if __name__ == "__main__":
    main()
