"""Run the contracts' forge tests: ``python -m tests.forge [options of forge test]``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from testnet.tools import ToolMissing, forge_binary

DIRECTORY = Path(__file__).resolve().parent
REPOSITORY = DIRECTORY.parents[1]


def main() -> None:
    """Become forge, with our configuration and the repository as its root."""
    try:
        binary = forge_binary()
    except ToolMissing as error:
        sys.exit(str(error))
    environment = os.environ | {"FOUNDRY_CONFIG": str(DIRECTORY / "foundry.toml")}
    command = [str(binary), "test", "--root", str(REPOSITORY), *sys.argv[1:]]
    os.execve(binary, command, environment)


if __name__ == "__main__":
    main()
