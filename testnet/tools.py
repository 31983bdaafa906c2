"""Where the development tools of testnet/npm are: the anvil chain, forge for the contracts' tests."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

NPM_DIRECTORY = Path(__file__).resolve().parent / "npm"

_PROCESSORS = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class ToolMissing(Exception):
    """A tool is not installed; the message says how to get it."""


def anvil_binary(npm_directory: Path = NPM_DIRECTORY) -> Path:
    """Path of the anvil program installed by `npm ci`. Raises ToolMissing."""
    return _binary("anvil", npm_directory)


def forge_binary(npm_directory: Path = NPM_DIRECTORY) -> Path:
    """Path of the forge program installed by `npm ci`. Raises ToolMissing."""
    return _binary("forge", npm_directory)


def _binary(tool: str, npm_directory: Path) -> Path:
    """The program in the platform's package.

    The tool's own launcher is a Node program around this file, and depends on a script that npm does
    not run after an installation; the program of the platform's package needs neither.
    """
    processor = _PROCESSORS.get(platform.machine().lower())
    if processor is None or sys.platform not in ("linux", "darwin"):
        raise ToolMissing(f"{tool} has no build for {sys.platform} on {platform.machine()}.")
    package = f"{tool}-{sys.platform}-{processor}"
    binary = npm_directory / "node_modules" / "@foundry-rs" / package / "bin" / tool
    if not binary.is_file():
        raise ToolMissing(f"{tool} is not installed ({binary} is not there). Run: testnet/setup.sh")
    return binary
