"""Finding nodes of the same network segment by mDNS, where the operator asks for it.

What is heard there is a hint and no more: anybody on the segment can say anything. An address leads to a
connection in which the peer proves its id, and then to its signed record, as every other address does.

Source: libp2p's mDNS specification (TXT records ``dnsaddr=ADDRESS/p2p/PEER``), under a service name of our
own: the nodes of other libp2p networks are none of ours.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Sequence
from typing import Final

import structlog
import trio
from zeroconf import Error, InterfaceChoice, ServiceBrowser, ServiceInfo, ServiceStateChange, Zeroconf

from p2pavs.network.addresses import MAX_ADDRESSES, Address, is_dialable, parse_address

SERVICE: Final = "_p2pavs._udp.local."
KEY: Final = b"dnsaddr="
NAMES_WAITING: Final = 64
"""Names whose addresses we have yet to ask for; further ones are left out until they are said again."""

LOOKUP_MS: Final = 1000  # a node that stops waits for it
LOOKUP_PAUSE: Final = 0.1  # seconds between two lookups: whatever the segment says, it costs little

log = structlog.get_logger(__name__)


def encode_txt(addresses: Sequence[str]) -> bytes:
    """The TXT record of a node: ``addresses`` end in /p2p/PEER."""
    texts = [KEY + address.encode() for address in addresses[:MAX_ADDRESSES]]
    return b"".join(bytes([len(text)]) + text for text in texts)


def decode_txt(txt: bytes) -> tuple[Address, ...]:
    """The addresses in a TXT record that say who answers there; the rest is left out."""
    found: list[Address] = []
    at = 0
    while at < len(txt) and len(found) < MAX_ADDRESSES:
        text = txt[at + 1 : at + 1 + txt[at]]
        at += 1 + txt[at]
        if not text.startswith(KEY):
            continue
        try:
            address = parse_address(text.removeprefix(KEY).decode("ascii"))
        except ValueError:
            continue
        if address.peer_id is not None and is_dialable(address.transport):
            found.append(address)
    return tuple(found)


class Neighbours:
    """Says on the segment where we are, and hears where others are."""

    def __init__(self, listen: Address, hint: Callable[[Address], None]) -> None:
        self._listen = listen
        self._hint = hint
        self._send, self._names = trio.open_memory_channel[str](NAMES_WAITING)
        self._service = f"{secrets.token_hex(16)}.{SERVICE}"  # says nothing of us by itself
        self._zeroconf: Zeroconf | None = None
        self._said = False

    async def run(self, addresses: Sequence[str]) -> None:
        """Run for ever; a machine without multicast is told so, and does without."""
        try:
            zeroconf = await trio.to_thread.run_sync(self._open)
        except (OSError, Error) as error:
            _tell(error)
            return
        try:
            self._zeroconf = zeroconf
            await self.say(addresses)
            await self._listen_to(zeroconf)
        finally:
            self._zeroconf, self._said = None, False
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(zeroconf.close)  # says goodbye

    async def say(self, addresses: Sequence[str]) -> None:
        """Say these addresses, each with /p2p/ and our peer id, instead of those of before.

        What keeps us from it is told, and we go on listening.
        """
        if (zeroconf := self._zeroconf) is None:
            return
        parsed = [parse_address(address) for address in addresses]
        info = ServiceInfo(
            SERVICE,
            self._service,
            port=parsed[0].port if parsed else self._listen.port,
            properties=encode_txt(addresses),
            server=f"{self._service.split('.')[0]}.local.",
            parsed_addresses=[one.host for one in parsed if one.family in ("ip4", "ip6")],
        )
        change = zeroconf.update_service if self._said else zeroconf.register_service
        try:
            await trio.to_thread.run_sync(change, info)
        except (OSError, Error) as error:
            _tell(error)
        else:
            self._said = True

    def _open(self) -> Zeroconf:
        one = self._listen.family == "ip4" and not self._listen.is_wildcard
        return Zeroconf(interfaces=[self._listen.host] if one else InterfaceChoice.All)

    async def _listen_to(self, zeroconf: Zeroconf) -> None:
        token = trio.lowlevel.current_trio_token()

        def heard(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
            """In zeroconf's own thread."""
            if state_change is not ServiceStateChange.Removed and name != self._service:
                token.run_sync_soon(self._queue, name, idempotent=True)

        browser = ServiceBrowser(zeroconf, SERVICE, handlers=[heard])
        try:
            async for name in self._names:
                try:
                    info = ServiceInfo(SERVICE, name)
                    await trio.to_thread.run_sync(info.request, zeroconf, LOOKUP_MS)
                except (OSError, Error) as error:  # a name that is none, among others
                    log.debug("neighbour not looked up", name=name, error=str(error) or type(error).__name__)
                else:
                    for address in decode_txt(info.text or b""):
                        self._hint(address)
                await trio.sleep(LOOKUP_PAUSE)
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(browser.cancel)

    def _queue(self, name: str) -> None:
        with contextlib.suppress(trio.WouldBlock, trio.BrokenResourceError):
            self._send.send_nowait(name)


def _tell(error: Exception) -> None:
    log.warning(
        "neighbours cannot be found",
        error=str(error) or type(error).__name__,
        remedy="mDNS needs UDP port 5353 and multicast. Leave --mdns out, or give --bootstrap.",
    )
