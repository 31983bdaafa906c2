"""Which files of a directory this process holds open: of all that it has open, some are of earlier tests."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def open_below(directory: Path) -> list[str]:
    """The paths of open files in a directory and below it."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that listed them, and what is closed meanwhile
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return sorted(path for path in found if path.startswith(f"{directory}/"))
