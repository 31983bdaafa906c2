"""A peer-to-peer node for AI inference that contracts can trust.

For programs that ask and verify: ``Client`` (trio and asyncio), ``SyncClient``, ``Payer``, ``Answer``,
``Checkpoint``, ``verify_file`` and ``P2pavsError``, which all of them raise.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from p2pavs.answer import Answer, verify_file
    from p2pavs.checkpoint import Checkpoint
    from p2pavs.errors import P2pavsError
    from p2pavs.light_client import Client
    from p2pavs.payer import Payer
    from p2pavs.sync_client import SyncClient

    __version__: str

__all__ = [
    "Answer",
    "Checkpoint",
    "Client",
    "P2pavsError",
    "Payer",
    "SyncClient",
    "__version__",
    "verify_file",
]

_HOMES: Final = {
    "Answer": "p2pavs.answer",
    "Checkpoint": "p2pavs.checkpoint",
    "Client": "p2pavs.light_client",
    "P2pavsError": "p2pavs.errors",
    "Payer": "p2pavs.payer",
    "SyncClient": "p2pavs.sync_client",
    "verify_file": "p2pavs.answer",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for, so that importing one part of the package does not load the others."""
    if name == "__version__":
        return _version()
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("p2pavs")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0+source"
