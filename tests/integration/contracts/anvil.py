"""A development chain for one test session."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from p2pavs.contracts.compile import NODE_MODULES

BLOCK_GAS = 60_000_000


def missing_tools() -> str | None:
    """Why these tests cannot run here, or None."""
    if not any(NODE_MODULES.glob("@foundry-rs/anvil-*/bin/anvil*")) or not (NODE_MODULES / "solc").is_dir():
        return f"anvil and solc are not in {NODE_MODULES}: run `npm ci` in {NODE_MODULES.parent}"
    return None


@contextmanager
def anvil(*arguments: str) -> Iterator[str]:
    """Run a chain on a free port and give its URL. Gas costs nothing, and any address can send."""
    [binary, *_] = sorted(NODE_MODULES.glob("@foundry-rs/anvil-*/bin/anvil*"))
    free_gas = ["--base-fee", "0", "--gas-price", "0", "--disable-min-priority-fee"]
    chain = ["--port", "0", "--accounts", "1", "--auto-impersonate", "--gas-limit", str(BLOCK_GAS)]
    process = subprocess.Popen(
        [str(binary), *chain, *free_gas, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output = process.stdout
    assert output is not None
    # It goes on writing, and must not stop on a full pipe.
    drain = threading.Thread(target=lambda: [None for _ in output], daemon=True)
    said = []
    try:
        for line in output:
            said.append(line)
            if line.startswith("Listening on "):
                break
        else:
            raise RuntimeError("anvil did not start:\n" + "".join(said))
        drain.start()
        yield "http://" + said[-1].removeprefix("Listening on ").strip()
    finally:
        process.terminate()
        process.wait()
        if drain.ident is not None:
            drain.join()
        output.close()
