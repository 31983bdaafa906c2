"""Repairs of py-libp2p 0.8.1, applied to its classes before the first host is made.

Each module holds one defect: what happens without the mend is in its docstring, the mend itself is one small
function named `apply`. They are written against the source of one exact version, so any other is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Final

from p2pavs.network.mends import (
    auto_connect,
    blame,
    cheap_frames,
    cheap_locks,
    cheap_messages,
    cheap_records,
    cheap_rpc,
    cheap_tasks,
    dial_ban,
    dial_delay,
    early_stream,
    first_reads,
    flow_control,
    inbound_slots,
    keepalive,
    mesh,
    negotiation,
    quiet,
    registration,
    silent_loss,
    stream_count,
    survival,
    window_updates,
)
from p2pavs.network.mends.patching import applied, mark_applied

LIBP2P_VERSION: Final = "0.8.1"

MENDS: Final[tuple[tuple[str, Callable[[], None]], ...]] = (
    ("cheap_messages", cheap_messages.apply),
    ("survival", survival.apply),
    ("negotiation", negotiation.apply),
    ("early_stream", early_stream.apply),
    ("inbound_slots", inbound_slots.apply),
    ("mesh", mesh.apply),
    ("silent_loss", silent_loss.apply),
    ("registration", registration.apply),
    ("keepalive", keepalive.apply),
    ("dial_ban", dial_ban.apply),
    ("dial_delay", dial_delay.apply),
    ("auto_connect", auto_connect.apply),
    ("stream_count", stream_count.apply),
    ("flow_control", flow_control.apply),
    ("window_updates", window_updates.apply),
    ("first_reads", first_reads.apply),
    ("blame", blame.apply),
    ("cheap_frames", cheap_frames.apply),
    ("cheap_locks", cheap_locks.apply),
    ("cheap_records", cheap_records.apply),
    ("cheap_rpc", cheap_rpc.apply),
    ("cheap_tasks", cheap_tasks.apply),
    ("quiet", quiet.apply),
)


class WrongLibp2pVersion(RuntimeError):
    """The installed libp2p is not the one that the mends were written against."""


def apply_all() -> None:
    """Apply every mend, once per process; later calls do nothing.

    Raises:
        WrongLibp2pVersion: libp2p is missing or has another version; the message says which one to install.

    """
    check_version(_installed_version())
    for name, apply in MENDS:
        if not applied(name):
            apply()
            mark_applied(name)


def check_version(installed: str | None) -> None:
    """Refuse any libp2p but the exact version whose source the mends were written against."""
    if installed != LIBP2P_VERSION:
        found = "is not installed" if installed is None else f"is {installed}"
        raise WrongLibp2pVersion(
            f"libp2p {found}, but this node repairs the source of exactly {LIBP2P_VERSION}; "
            f"install it with: pip install libp2p=={LIBP2P_VERSION}"
        )


def _installed_version() -> str | None:
    try:
        return metadata.version("libp2p")
    except metadata.PackageNotFoundError:
        return None
