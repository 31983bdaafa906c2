"""A page in headless Chromium, driven over its DevTools protocol."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_LISTENING = re.compile(rb"DevTools listening on ws://(\S+?)/")
START_SECONDS = 240.0


class Page:
    """One page. What goes wrong on it is in ``complaints``."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self.complaints: list[str] = []
        self._socket = socket
        self._number = 0

    async def command(self, method: str, **parameters: Any) -> Any:
        """Give one command and return its result."""
        self._number += 1
        await self._socket.send_message(
            json.dumps({"id": self._number, "method": method, "params": parameters})
        )
        while True:
            message = json.loads(await self._socket.get_message())
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            if message.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(message["params"])[:500])
            elif message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.complaints.append(message["params"]["entry"]["text"])

    async def value(self, expression: str) -> Any:
        """What a JavaScript expression gives."""
        found = await self.command("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    async def wait_for(self, expression: str, seconds: float = 300) -> Any:
        """Wait until an expression is true on the page."""
        with trio.fail_after(seconds):
            while True:
                found = await self.value(expression)
                if found:
                    return found
                await trio.sleep(0.2)

    async def screenshot(self, path: Path, clip: dict[str, float] | None = None) -> None:
        """Write the page as PNG, or the part of it that DevTools calls a clip."""
        part = {} if clip is None else {"clip": clip}
        found = await self.command("Page.captureScreenshot", captureBeyondViewport=True, **part)
        path.write_bytes(base64.b64decode(found["data"]))


@asynccontextmanager
async def open_page(url: str, profile: Path, *, size: str = "1280,1400") -> AsyncIterator[Page]:
    """Open a URL in a browser of its own."""
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    command += [f"--user-data-dir={profile}", f"--window-size={size}", "about:blank"]
    process = await trio.lowlevel.open_process(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    try:
        assert process.stderr is not None
        said = b""
        with trio.fail_after(START_SECONDS):
            while (found := _LISTENING.search(said)) is None:
                piece = await process.stderr.receive_some()
                assert piece, said
                said += piece
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_drain, process.stderr)
            host = found[1].decode()
            async with httpx.AsyncClient(timeout=START_SECONDS) as http:
                tab = (await http.put(f"http://{host}/json/new")).json()
            async with open_websocket_url(tab["webSocketDebuggerUrl"], max_message_size=1 << 26) as socket:
                page = Page(socket)
                for domain in ("Runtime", "Log", "Page"):
                    await page.command(f"{domain}.enable")
                await page.command("Page.navigate", url=url)
                yield page
            nursery.cancel_scope.cancel()
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            if process.stderr is not None:
                await process.stderr.aclose()


async def _drain(stream: Any) -> None:
    """Read on, so that the browser is never held up by what it logs."""
    async for _ in stream:
        pass
