"""What people use a node with: OpenAI's package, Python, the explorer in a browser, JavaScript."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import trio

from p2pavs import SyncClient, verify_file
from p2pavs.certificate_file import CertificateFile
from p2pavs.openai_api.config import hash_key, new_key
from testnet.network import free_port
from tests.e2e.browser import CHROMIUM, open_page
from tests.e2e.harness import DEADLINE, MANY, Testnet

pytestmark = pytest.mark.e2e

NODES = 4
ROOT = Path(__file__).resolve().parents[2]
VERIFIER = ROOT / "p2pavs" / "api" / "static" / "verify.mjs"
INSTRUCTION = "Sort this DAO proposal into one of these kinds: treasury, parameter, membership, other."
QUESTION = [
    {"role": "system", "content": INSTRUCTION},
    {"role": "user", "content": "Proposal: raise the swap fee from 0.25% to 0.3%"},
]


@dataclass
class World:
    net: Testnet
    url: str
    key: str

    def light(self) -> SyncClient:
        return SyncClient(self.net.network.state.rpc, self.net.network.layout.deployment)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("e2e") / "net"
    payer, file = directory / "payer", directory / "openai.toml"
    options = {0: ["--openai", str(file)]}
    with Testnet.start(directory, NODES, options=options, running=False) as net:
        net.network.fund([net.network.new_keys(payer)])
        key, listen = new_key(), f"127.0.0.1:{free_port()}"  # not the chain's: that is in use by now
        file.write_text(
            f'listen = "{listen}"\nkeys = "payer/keys"\npassword_file = "payer/password"\n'
            f'[[key]]\nname = "test"\nsha256 = "{hash_key(key)}"\nether_per_day = "1"\n'
        )
        net.start_nodes()
        yield World(net, f"http://{listen}/v1", key)


def run_node(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["node", "--input-type=module", "-e", program, "--", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


VERIFY = f"""
import {{ readFileSync }} from "node:fs";
import {{ verifyCertificate }} from "{VERIFIER.as_uri()}";
const [file, checkpoint] = process.argv.slice(-2).map((path) => readFileSync(path, "utf8"));
try {{
  console.log(JSON.stringify(verifyCertificate(file, checkpoint)));
}} catch (error) {{
  console.log(JSON.stringify(error.message));
}}
"""


def test_openai_whole_and_streamed(world: World) -> None:
    with openai.OpenAI(base_url=world.url, api_key=world.key, timeout=900) as client:
        assert [model.id for model in client.models.list()] == ["demo"]
        choices = {"p2pavs": {"choices": ["treasury", "parameter", "membership", "other"]}}
        once = {"Idempotency-Key": "first-question"}
        answers: list[Any] = [
            client.chat.completions.create(
                model="demo", messages=QUESTION, max_tokens=16, extra_body=choices, extra_headers=once
            )
            for _ in range(2)
        ]
        answer, again = answers
        assert answer.choices[0].message.content == again.choices[0].message.content == "parameter"
        assert answer.p2pavs["task"] == again.p2pavs["task"]
        # The node computes every task of the whole operator set, so it knows the prompt's length; not of one
        # that the others certified long before it was done.
        usage, counted = answer.usage, 1
        while usage is None and counted < MANY:
            counted += 1
            usage = client.chat.completions.create(
                model="demo", messages=QUESTION, max_tokens=16, extra_body=choices
            ).usage
        assert usage is not None
        assert usage.completion_tokens == answer.p2pavs["completionTokens"]
        assert 20 < usage.prompt_tokens < 100
        for _ in range(MANY):  # until the node is not later with a part than the others with all
            said = client.chat.completions.create(
                model="demo",
                messages=[{"role": "user", "content": "What is p2pavs?"}],
                max_tokens=100,
                stream=True,
                extra_body={"p2pavs": {"mode": "verify"}},
            )
            long: Any = list(said)
            counted += 1
            text = "".join(part.choices[0].delta.content or "" for part in long)
            certified = CertificateFile.parse(json.dumps(long[-1].p2pavs["certificate"]))
            assert text == certified.commit.output.decode(errors="replace")
            # 47 tokens: the first 32 came before the end.
            if [part.choices[0].finish_reason for part in long] == [None, None, "stop"]:
                break
        else:
            pytest.fail(f"no part came before the end in {MANY} tasks")
        parts: Any = list(
            client.chat.completions.create(
                model="demo", messages=QUESTION, max_tokens=16, stream=True, extra_body=choices
            )
        )
        assert "".join(part.choices[0].delta.content or "" for part in parts) == "parameter"
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="demo", messages=QUESTION, n=2)
        # Longer than the model's context: the committee certifies that it cannot be taken.
        with pytest.raises(openai.BadRequestError, match="certified that") as rejected:
            client.completions.create(model="demo", prompt="word " * 3000, max_tokens=16)
        assert rejected.value.code == "rejected_by_model"
    with httpx.Client(timeout=60) as http:
        page = http.get(world.net.network.state.apis[0] + "/metrics").text
    # Besides: the repeated one, and the stream of the first question.
    assert f'p2pavs_openai_requests_total{{code="ok",key="test"}} {counted + 2}.0' in page
    assert 'p2pavs_openai_repeated_total{key="test"} 1.0' in page
    task = answer.p2pavs["task"]
    world.net.wait_certified(task)
    with world.light() as light:
        proved = light.verify(task)
        checkpoint = light.checkpoint(proved.certificate.operator_set.epoch)
    carried = verify_file(json.dumps(answer.p2pavs["certificate"]), checkpoint)
    assert carried.output == proved.output == b"parameter"


def test_the_javascript_verifier_agrees(world: World, tmp_path: Path) -> None:
    choices = ("transfer", "swap", "sandwich")
    asked = world.net.request("swap 5 ETH for USDC", choices=choices, wait=True, options=DEADLINE)
    task = asked["task"]
    file, checkpoint = tmp_path / "certificate.json", tmp_path / "checkpoint.json"
    world.net.command("certificate", "export", str(task), "--out", str(file))
    with world.light() as light:
        answer = light.verify(task)
    epoch = answer.certificate.operator_set.epoch
    world.net.command("certificate", "checkpoint", str(epoch), "--out", str(checkpoint))
    verified = world.net.command("certificate", "verify", str(file), "--checkpoint", str(checkpoint))
    assert "checked against the checkpoint" in verified
    done = run_node(VERIFY, str(file), str(checkpoint))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["task"], said["output"]) == (str(task), answer.text)
    assert said["signedWeight"] == str(answer.signed_weight)
    checkpoint.write_text(checkpoint.read_text().replace('"epoch": ', '"epoch": 1'))
    refused = run_node(VERIFY, str(file), str(checkpoint))
    assert json.loads(refused.stdout) == f"it is of the epoch {epoch}, the checkpoint of 1{epoch}"


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt install chromium")
def test_the_explorer_verifies_in_a_browser(world: World, tmp_path: Path) -> None:
    task = world.net.request("Who decides?", options=["--max-tokens", "8", *DEADLINE], wait=True)["task"]

    operators = [world.net.api(index, "/status")["operator"] for index in range(NODES)]

    async def look() -> None:
        async with open_page(world.net.network.state.apis[1] + "/", tmp_path / "profile") as page:
            await page.wait_for(f"!!document.querySelector('[data-task=\"{task}\"]')")
            await page.wait_for(f"document.querySelectorAll('#map g').length === {NODES}")
            # As somebody without a mouse does it.
            await page.value(f"document.querySelector('[data-task=\"{task}\"]').focus()")
            await page.command("Input.dispatchKeyEvent", type="keyDown", key="Enter", text="\r")
            await page.wait_for(
                "document.getElementById('proof').textContent.includes('verified in this browser')"
            )
            for said in (f"Task {task}", *operators):
                await page.wait_for(f"document.body.textContent.includes({json.dumps(said)})")
            await page.wait_for("document.getElementById('connection').textContent === 'live'")
            assert page.complaints == []
            # An address names a task, whether or not the page has seen it.
            assert await page.value("location.hash") == f"#task-{task}"
            await page.value("location.hash = '#task-999999999'")
            await page.wait_for("document.getElementById('proof').textContent.includes('has no certificate')")
            assert await page.value("document.getElementById('detail-title').textContent") == "Task 999999999"
            await page.value(f"location.hash = '#task-{task}'")
            await page.wait_for(
                "document.getElementById('proof').textContent.includes('verified in this browser')"
            )
            page.complaints.clear()  # the 404
            shots = os.environ.get("P2PAVS_SCREENSHOTS")
            if shots:
                await page.screenshot(Path(shots) / "explorer.png")
            # The node goes away, and comes back.
            world.net.kill(1)
            await page.wait_for("document.getElementById('connection').className === 'lost'")
            if shots:
                await page.screenshot(Path(shots) / "explorer-lost.png")

    trio.run(look)
    world.net.restart(1)
