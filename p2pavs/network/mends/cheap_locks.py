"""Speed: a turn of the event loop for every lock, also for one that nobody holds.

Stock behaviour: a frame takes about ten locks on its way through stream, muxer and socket. To take a lock of
trio is a checkpoint: the task is put aside, the operating system is asked for news, and the task comes back.
And for each frame's body a timer is set, also where the body has arrived with its header.
Mended: a lock that is free is taken at once; who finds it held waits in line as before. Only the one around
the list of streams stays as it is: a packet may hold thousands of frames, and with each of them others have a
turn. They read what a frame brought before the next one, which may be a reset, throws it away.
"""

from __future__ import annotations

from typing import Any

import trio
from libp2p.io.trio import TrioTCPStream
from libp2p.network.stream.net_stream import NetStream
from libp2p.security.secure_session import SecureSession
from libp2p.stream_muxer.yamux import yamux
from libp2p.stream_muxer.yamux.yamux import Yamux, YamuxStream

from p2pavs.network.mends.patching import replace


class QuickLock:
    """For `async with`: first come, first served, and no checkpoint where nobody holds it."""

    def __init__(self) -> None:
        self._lock = trio.Lock()

    async def __aenter__(self) -> None:
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            await self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


class _WriteLock:
    """In the place of a `ReadWriteLock` of which only the writers' part is used."""

    def __init__(self) -> None:
        self._lock = QuickLock()

    def write_lock(self) -> QuickLock:
        return self._lock


def apply() -> None:
    """Take free locks at once; must follow `keepalive`, which replaces the reading of frames."""
    for owner, names in (
        (TrioTCPStream, ("read_lock", "write_lock")),
        (NetStream, ("_state_lock",)),
        (Yamux, ("_write_lock",)),
        (YamuxStream, ("window_lock", "close_lock")),
    ):
        _replace_locks(owner, names)
    _replace_write_lock()
    _set_no_timer_for_what_is_there()


def _replace_locks(owner: Any, names: tuple[str, ...]) -> None:
    original = owner.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        for name in names:
            if not isinstance(getattr(self, name), trio.Lock):
                raise TypeError(f"{owner.__name__}.{name} is not the lock that this mend was written for")
            setattr(self, name, QuickLock())

    replace(owner, "__init__", __init__)


def _replace_write_lock() -> None:
    original = YamuxStream.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.rw_lock = _WriteLock()

    replace(YamuxStream, "__init__", __init__)


def _set_no_timer_for_what_is_there() -> None:
    original = Yamux._read_data_body

    async def read_data_body(self: Any, length: int) -> bytes:
        secured = self.secured_conn
        if isinstance(secured, SecureSession) and secured.high_watermark - secured.low_watermark >= length:
            module: Any = yamux
            body: bytes = await module.read_exactly(secured, length)
            return body
        return await original(self, length)

    replace(Yamux, "_read_data_body", read_data_body)
