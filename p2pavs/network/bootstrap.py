"""The first contact: trying the bootstrap addresses, and saying clearly when none answers."""

from __future__ import annotations

from typing import Final

import structlog
import trio

from p2pavs.network.addresses import Address
from p2pavs.network.book import Book
from p2pavs.network.connections import Connections
from p2pavs.network.errors import BootstrapUnreachable

log = structlog.get_logger(__name__)

CHECK_INTERVAL: Final = 1.0  # seconds
PROBE_SECONDS: Final = 3.0
WARN_AGAIN: Final = 60.0


class Bootstrap:
    """Watches the dials to the bootstrap nodes; the dialling itself is discovery's."""

    def __init__(
        self, addresses: tuple[Address, ...], own_id: str, book: Book, connections: Connections
    ) -> None:
        self._addresses = tuple(address for address in addresses if address.peer_id != own_id)
        self._book = book
        self._connections = connections
        self._reached = not self._addresses
        self._problems: dict[str, str] = {}

    def error(self) -> str | None:
        """Why no bootstrap address has answered; None when one has, or when nothing is known yet."""
        self._look()
        if self._reached or not self._problems:
            return None
        return "; ".join(self._problems.values())

    async def wait(self, timeout: float) -> None:
        """Return when we are connected to anybody; see `Network.wait_for_bootstrap`."""
        if not self._addresses:
            return
        with trio.move_on_after(timeout):
            while not self._connections.peers:
                await self._connections.wait_change()
            return
        await self._probe_all()
        reasons = "; ".join(self._problems.values()) or "the connections were not completed in time"
        raise BootstrapUnreachable(
            f"No bootstrap node answered within {timeout:g} s: {reasons}.",
            "Check that one of these nodes runs and that its port is reachable from here.",
        )

    async def run(self) -> None:
        """Until somebody is reached: after a failed dial find out what is wrong, and warn, once a minute."""
        warned: dict[str, float] = {}
        while True:
            await trio.sleep(CHECK_INTERVAL)
            self._look()
            if self._reached:
                return
            for address in self._addresses:
                entry = self._book.entries.get(address.peer_id or "")
                last = warned.get(str(address), -WARN_AGAIN)
                if entry is None or entry.failures == 0 or trio.current_time() - last < WARN_AGAIN:
                    continue
                warned[str(address)] = trio.current_time()
                problem = self._problems[str(address)] = await _probe(address)
                log.warning(
                    "bootstrap node does not answer, trying again",
                    problem=problem,
                    check="does that node run, is its port open, are host, port and peer id right?",
                )

    def _look(self) -> None:
        self._reached = self._reached or any(a.peer_id in self._connections.peers for a in self._addresses)

    async def _probe_all(self) -> None:
        async with trio.open_nursery() as nursery:
            for address in self._addresses:
                nursery.start_soon(self._probe_into, address)

    async def _probe_into(self, address: Address) -> None:
        self._problems[str(address)] = await _probe(address)


async def _probe(address: Address) -> str:
    """Tell a closed port from a wrong peer."""
    try:
        with trio.fail_after(PROBE_SECONDS):
            stream = await trio.open_tcp_stream(address.host, address.port)
            await stream.aclose()
    except trio.TooSlowError:
        return f"{address}: no reply from {address.host} port {address.port}"
    except UnicodeError:
        return f"{address}: {address.host} is no name that can be looked up"
    except OSError as error:
        cause = error.__cause__ if error.__cause__ is not None else error
        text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        return f"{address}: nobody listens ({text})"
    return f"{address}: something listens there, but it does not answer as peer {address.peer_id}"
