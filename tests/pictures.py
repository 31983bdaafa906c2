"""Make the README's pictures from a real run: the live view of testnet/up.sh, and the explorer.

    python -m tests.pictures [--out docs/pictures]

It starts a test network of four nodes in .testnet as testnet/up.sh does on a terminal, writes the view's last
frame as up.svg, asks some more questions, and takes explorer.png in headless Chromium.
"""

from __future__ import annotations

import argparse
import io
import re
import tempfile
import time
from pathlib import Path

import trio
from rich.console import Console
from rich.terminal_theme import MONOKAI

from testnet.layout import Layout, claim
from testnet.live import Live
from testnet.network import Network
from testnet.picture import MOST_WIDTH, draw
from testnet.startup import bring_up
from testnet.testnet import DEFAULT_DIRECTORY, DEMO_CHOICES, DEMO_PROMPT, next_steps
from tests.e2e.browser import CHROMIUM, open_page

NODES = 4
HEIGHT = 60
MOST_BYTES = 300_000
QUESTIONS = (
    ("How risky is this proposal? set the timelock to zero", ("--choices", "low,medium,high")),
    ("swap 5 ETH for USDC on Uniswap", ("--choices", "transfer,swap,sandwich", "--committee", "7")),
    ("What is a DAO?", ("--max-tokens", "40", "--mode", "verify")),
)
_FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Make the README's pictures from a real run.")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    out: Path = parser.parse_args().out
    if CHROMIUM is None:
        parser.error("there is no Chromium: apt install chromium")
    out.mkdir(parents=True, exist_ok=True)
    layout = Layout(Path(DEFAULT_DIRECTORY).resolve())  # so that the commands in the picture are a user's
    state, lock = claim(layout)
    # The view wants a terminal; nobody looks at this one.
    view = Live(layout, Console(file=io.StringIO(), force_terminal=True, width=MOST_WIDTH, height=HEIGHT))
    network = Network(layout, state, report=view)
    with lock:
        try:
            started = time.monotonic()
            with view.showing(network, NODES):
                bring_up(network, NODES)
                view.ask(network, DEMO_PROMPT, DEMO_CHOICES)
                view.certified(time.monotonic() - started, next_steps(network))
            _told(out / "up.svg", svg(view))
            for prompt, options in QUESTIONS:
                network.command("request", *options, "--", prompt)
            trio.run(shoot, state.apis[1] + "/", len(QUESTIONS) + 1, out / "explorer.png")
            _told(out / "explorer.png", None)
        finally:
            network.stop()
    return 0


def svg(view: Live) -> str:
    """The last frame, with no font to be fetched from elsewhere."""
    console = Console(file=io.StringIO(), record=True, force_terminal=True, width=MOST_WIDTH, height=HEIGHT)
    console.print("$ testnet/up.sh", style="bold")
    console.print(draw(view.scene, MOST_WIDTH, HEIGHT, time.time()))
    return _FONTS.sub("", console.export_svg(title="testnet/up.sh", theme=MONOKAI))


async def shoot(url: str, tasks: int, path: Path) -> None:
    """The explorer with a certificate verified in the browser."""
    with tempfile.TemporaryDirectory() as profile:
        async with open_page(url, Path(profile), size="1280,1000") as page:
            await page.wait_for(f"document.querySelectorAll('[data-task]').length >= {tasks}")
            await page.wait_for(f"document.querySelectorAll('#map g').length === {NODES}")
            await page.value("document.querySelector('[data-task=\"1\"]').click()")
            await page.wait_for(
                "document.getElementById('proof').textContent.includes('verified in this browser')"
            )
            await trio.sleep(2)  # the rings on the map have spread
            bottom = (
                "document.getElementById('detail-title').closest('section').getBoundingClientRect().bottom"
            )
            height = float(await page.value(bottom + " + scrollY")) + 10
            await page.screenshot(path, {"x": 0, "y": 0, "width": 1265, "height": height, "scale": 1})
            assert page.complaints == []


def _told(path: Path, text: str | None) -> None:
    if text is not None:
        path.write_text(text)
    size = path.stat().st_size
    print(f"{path}: {size:,} bytes")
    assert size < MOST_BYTES, f"{path} is larger than {MOST_BYTES} bytes"


if __name__ == "__main__":
    raise SystemExit(main())
