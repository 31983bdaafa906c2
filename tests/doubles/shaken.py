"""A node whose connections and clock obey a file: a firewall and a wrong clock without a kernel's help.

``python -m tests.doubles.shaken node ...`` is ``p2pavs node ...``. The file ``faults.json`` in its data
directory may hold ``{"blocked": [PEER, ...], "skew": SECONDS}``. It is read four times a second; what it does
not hold is no fault.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from p2pavs.__main__ import main as run
from p2pavs.network.conduct import Conduct
from p2pavs.network.connections import Connections

PERIOD = 0.25


class Faults:
    """What the file says now."""

    def __init__(self, path: Path) -> None:
        self.blocked: frozenset[str] = frozenset()
        self.skew = 0.0
        self._path = path

    def watch(self) -> None:
        """Read the file again and again."""
        while True:
            try:
                content: dict[str, Any] = json.loads(self._path.read_text())
            except (OSError, ValueError):
                content = {}
            self.blocked = frozenset(content.get("blocked", ()))
            self.skew = float(content.get("skew", 0))
            time.sleep(PERIOD)


def obey() -> None:
    """Make network and clock of this process obey the file."""
    data = Path(sys.argv[sys.argv.index("--data") + 1])
    faults = Faults(data / "faults.json")
    threading.Thread(target=faults.watch, daemon=True).start()
    _block(faults)
    _skew(faults)


def _block(faults: Faults) -> None:
    banned, reconcile = Conduct.banned, Connections.reconcile

    def blocked(self: Conduct, peer: str) -> bool:
        return peer in faults.blocked or banned(self, peer)

    def disconnect_blocked(self: Connections) -> None:
        reconcile(self)
        if self.peers & faults.blocked:
            self._crowded.set()

    Conduct.banned = blocked  # type: ignore[method-assign]
    Connections.reconcile = disconnect_blocked  # type: ignore[method-assign]


def _skew(faults: Faults) -> None:
    seconds, nanoseconds = time.time, time.time_ns
    time.time = lambda: seconds() + faults.skew
    time.time_ns = lambda: nanoseconds() + int(faults.skew * 1e9)


if __name__ == "__main__":
    obey()
    run()
