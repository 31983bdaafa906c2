"""The command line against a chain, in this process: what users type, what they read."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from eth_account import Account

from consensus import bls
from consensus.committee import Member
from consensus.evidence import Evidence, Offence, SignedStatement
from consensus.signing import statement
from consensus.types import InstanceId, Kind, Scope
from inference.model import demo_model
from p2pavs import keystore
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.evidence import encode_evidence
from p2pavs.chain.pending import SqlitePendingStore
from p2pavs.cli import settings
from p2pavs.cli.main import root
from tests.integration.anvil import DEV_KEYS, Anvil
from tests.integration.chain.network import CHAIN_ID, ETH

PASSWORD = "open-sesame-5"


class Shell:
    """A user with a directory and a chain."""

    def __init__(self, directory: Path, anvil: Anvil) -> None:
        self.directory = directory
        self.anvil = anvil
        self.environment = {
            "P2PAVS_RPC": anvil.url,
            "P2PAVS_DEPLOYMENT": str(directory / "deployment.json"),
            "P2PAVS_PASSWORD": PASSWORD,
            "P2PAVS_MODELS": str(directory / "models"),
        }
        self.key_file = directory / "dev.key"
        self.key_file.write_text("0x" + DEV_KEYS[0] + "\n")

    def run(self, *arguments: str, status: int = 0, **environment: str | None) -> str:
        done = CliRunner(env=self.environment | environment).invoke(root, arguments)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == status, done.output
        for secret in (PASSWORD, *DEV_KEYS):
            assert secret not in done.output
        return done.output if status else done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))

    def json_in(self, environment: dict[str, str], *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json", **environment))

    def keys(self, name: str) -> Path:
        return self.directory / name

    def new_keys(self, *names: str) -> list[str]:
        made = [
            self.json("keys", "new", "--keys", str(self.keys(name)), "--insecure-fast-kdf") for name in names
        ]
        return [entry["address"] for entry in made]

    def deploy(self, *options: str) -> Any:
        return self.json(
            "deploy",
            "--key-file",
            str(self.key_file),
            "--out",
            self.environment["P2PAVS_DEPLOYMENT"],
            *options,
        )

    def fund(self, *addresses: str, amount: str = "100") -> Any:
        recipients = [part for address in addresses for part in ("--to", address)]
        return self.json("account", "fund", "--key-file", str(self.key_file), *recipients, "--amount", amount)


@pytest.fixture
def shell(anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    for name in ("KEYS", "CONFIG", "PASSWORD_FILE"):
        monkeypatch.delenv(f"P2PAVS_{name}", raising=False)
    settings.config.cache_clear()
    yield Shell(tmp_path, anvil)
    settings.config.cache_clear()


def test_from_nothing_to_an_open_epoch(shell: Shell) -> None:
    deployed = shell.deploy("--epoch-blocks", "3", "--minimum-stake", "2")
    assert set(deployed["implementations"]) == {"TaskGateway"}
    assert len(deployed["gas"]) == len(deployed["contracts"]) + 1
    assert max(deployed["gas"].values()) < 6_000_000
    assert Deployment.load(shell.directory / "deployment.json").chain_id == CHAIN_ID
    assert "none is open yet" in shell.run("epoch", "status")

    names = ["a", "b", "c", "d"]
    addresses = shell.new_keys(*names)
    assert len(shell.fund(*addresses)["payments"]) == 4
    assert shell.json("account", "balance", "--address", addresses[0])["balanceWei"] == str(100 * ETH)
    for name in names:
        said = shell.json("operator", "register", "--keys", str(shell.keys(name)), "--stake", "32")
        assert (said["changed"], said["stakeWei"]) == (True, str(32 * ETH))
    assert shell.json("operator", "register", "--keys", str(shell.keys("a")))["changed"] is False
    listed = shell.json("operator", "status", "--all")["operators"]
    assert [entry["address"] for entry in listed] == addresses

    advanced = shell.json("epoch", "advance", "--key-file", str(shell.key_file))
    assert (advanced["epoch"], advanced["operators"]) == (1, 4)
    assert advanced["totalStakeWei"] == str(128 * ETH)
    status = shell.json("operator", "status", "--keys", str(shell.keys("b")))
    assert (status["registered"], status["epoch"], status["index"]) == (True, 1, 1)
    said_text = shell.run("operator", "status", "--address", addresses[1])
    assert "operator 1 of the set of epoch 1" in said_text

    shell.anvil.mine(5)
    frozen = shell.json("epoch", "freeze", "--keys", str(shell.keys("a")))
    assert (frozen["epoch"], frozen["nextFrozen"]) == (1, True)
    assert "makes its seed until block" in shell.run("epoch", "status")
    leader = frozen["leader"]
    other, own = ("a", names[addresses.index(leader)]) if leader != addresses[0] else ("b", "a")
    assert leader in shell.run("epoch", "open", "--keys", str(shell.keys(other)), status=1)
    assert shell.json("epoch", "open", "--keys", str(shell.keys(own)))["epoch"] == 2


def test_an_operator_leaves_and_takes_its_stake_along(shell: Shell) -> None:
    shell.deploy()
    shell.fund(*shell.new_keys("a"))
    keys = ["--keys", str(shell.keys("a"))]
    assert "until it is registered" in shell.run("operator", "stake", *keys, "--amount", "1wei")
    assert "an operator needs 1 ETH" in shell.run("operator", "register", *keys)
    assert "from the next epoch on" in shell.run("operator", "stake", *keys, "--amount", "1")
    staked = shell.json("operator", "stake", *keys, "--amount", "0.499999999999999999")
    assert staked["stakeWei"] == str(3 * ETH // 2)
    assert "nothing to withdraw" in shell.run("operator", "withdraw", *keys, status=1)
    left = shell.json("operator", "exit", *keys)
    assert left["leavingWei"] == str(3 * ETH // 2)
    assert "can be withdrawn from" in shell.run("operator", "withdraw", *keys, status=4)
    shell.anvil.rpc("evm_increaseTime", 15 * 86_400)
    shell.anvil.mine()
    assert shell.json("operator", "withdraw", *keys)["stakeWei"] == str(3 * ETH // 2)
    status = shell.json("operator", "status", *keys)
    assert (status["active"], status["stakeWei"], status["leavingWei"]) == (False, "0", "0")
    assert int(status["balanceWei"]) > 99 * ETH


def test_a_key_is_rotated_and_a_peer_id_changed(shell: Shell) -> None:
    (shell.directory / "parameters.toml").write_text("key_delay = 100\n")
    shell.deploy("--config", str(shell.directory / "parameters.toml"))
    shell.fund(*shell.new_keys("a"))
    keys = ["--keys", str(shell.keys("a"))]
    first = shell.json("operator", "register", *keys, "--stake", "2")
    begun = shell.json("operator", "rotate-key", *keys)
    assert begun["changed"] and begun["consensusKey"] == first["consensusKey"] != begun["nextKey"]
    again = shell.json("operator", "rotate-key", *keys)
    assert (again["changed"], again["nextKey"]) == (False, begun["nextKey"])
    assert "next key    counts from" in shell.run("operator", "status", *keys)

    moved = shell.json("operator", "change-peer-id", *keys)
    assert moved["peerId"] == shell.json("keys", "show", "--verify", *keys)["peerId"]
    shell.anvil.rpc("evm_increaseTime", 101)
    shell.anvil.mine()
    status = shell.json("operator", "status", *keys)
    assert (status["consensusKey"], status["nextKey"]) == (begun["nextKey"], None)
    assert shell.json("operator", "register", *keys)["changed"] is False, "these are its keys"
    assert shell.json("epoch", "advance", *keys)["operators"] == 1
    assert shell.json("operator", "rotate-key", *keys)["nextKey"] not in (None, begun["nextKey"])


def test_parameters_that_do_not_fit_are_refused_before_anything_is_sent(shell: Shell) -> None:
    path = shell.directory / "parameters.toml"
    arguments = ["deploy", "--key-file", str(shell.key_file), "--out", str(shell.directory / "d.json")]
    for text, complaint in (
        ("veto_window = 9999999", "withdrawal delay must be longer"),
        ("veto = 1", "unknown entry 'veto'"),
        ("veto_window = -1", "whole number"),
        ("veto_window", "not TOML"),
        ("epoch_blocks = 0", "epoch_blocks must be 1 to"),
        ("block_seconds = 0", "block_seconds must be 1 to"),
        ("key_delay = 4294967296", "key_delay must be 0 to 4,294,967,295"),
        ('reveal_blocks = "18446744073709551616"', "reveal_blocks must be"),
        ("absent_window = 65536", "absent_window must be"),
        ("bounty_bps = 5001", "bounty_bps must be"),
    ):
        path.write_text(text + "\n")
        assert complaint in shell.run(*arguments, "--config", str(path), status=2)
    for text, complaint in (  # what the contracts' constructors say
        ("reveal_blocks = 1", "at least 2 blocks"),
        ("absent_tasks = 101", "no rule"),
        ("minimum_window = 0", "not accepted"),
        ("minimum_window = 90000", "not accepted"),
        ("minimum_base_fee = 7", "at least 8 wei"),
        ("target_units = 4294967295", "fee market"),
        ("longest_pause = 2592001\nwithdrawal_delay = 9999999", "shorter longest_pause"),
    ):
        path.write_text(text + "\n")
        assert complaint in shell.run(*arguments, "--config", str(path), status=4)
    assert not (shell.directory / "d.json").exists()
    sender = Account.from_key(DEV_KEYS[0]).address
    assert shell.anvil.rpc("eth_getTransactionCount", sender, "pending") == "0x0"


def test_a_network_without_offences(shell: Shell) -> None:
    shell.deploy()
    account = ["--key-file", str(shell.key_file)]
    assert "No offence is known" in shell.run("evidence", "list")
    assert shell.json("evidence", "list") == {"held": [], "cases": [], "punished": []}
    assert "nothing to report" in shell.run("evidence", "submit", *account)
    assert "There is no case 1" in shell.run("evidence", "veto", "1", *account, status=4)


@contextmanager
def said_by_a_node(directory: Path) -> Iterator[tuple[str, Callable[[list[Any]], object]]]:
    """Serve what a node is made to hold as evidence: its address, and what sets it."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    directory.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        held = directory / "evidence"
        yield f"http://127.0.0.1:{server.server_port}", lambda content: held.write_text(json.dumps(content))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_what_a_node_says_of_offences_is_not_believed(shell: Shell) -> None:
    """What proves nothing is refused by name, and keeps nothing else from being reported."""
    shell.deploy()
    deployment = Deployment.load(shell.directory / "deployment.json")
    shell.fund(*shell.new_keys("a"))
    keys = ["--keys", str(shell.keys("a"))]
    operator = shell.json("operator", "register", *keys, "--stake", "2")["address"]
    [(key, secret)] = keystore.load(shell.keys("a"), PASSWORD).consensus_keys().items()
    scope = Scope(deployment.domain, InstanceId(7, 0), bytes(32))
    member = Member(0, bytes.fromhex(operator[2:]), key, 1)
    values = b"\1" * 32, b"\2" * 32
    signatures = [bls.sign(secret, statement(scope, Kind.PREVOTE, 0, value)) for value in values]
    votes = [SignedStatement(Kind.PREVOTE, 0, *one) for one in zip(values, signatures, strict=True)]
    proof = encode_evidence(Evidence(Offence.EQUIVOCATION, scope, member, tuple(votes))).data

    def told(task: object, data: bytes, verifier: str = "EquivocationVerifier", who: str = operator) -> Any:
        report = {"verifier": verifier, "data": "0x" + data.hex()}
        return {"task": task, "offence": "equivocation", "operator": who, "state": "open", "report": report}

    with said_by_a_node(shell.directory / "node") as (node, says):
        says([told(6, proof[:-32] + bytes(32)), told(7, proof)])
        submit = ["evidence", "submit", "--key-file", str(shell.key_file), "--node", node]
        said = shell.run(*submit, status=4)
        assert "refused: equivocation in task 6" in said and "reported: equivocation in task 7" in said
        (punished,) = shell.json("evidence", "list", "--node", node)["punished"]
        assert (punished["firstTask"], punished["takenWei"]) == (7, str(2 * ETH))
        for nonsense in (
            told(2**256, proof), told(-1, proof), told("7", proof), told(7, proof, who="0x12"), 5, {},
        ):  # fmt: skip
            says([nonsense])
            assert "another version" in shell.run(*submit, status=1)
        says([told(8, proof, verifier="TaskGateway2")])
        assert "cannot be read" in shell.run(*submit, status=2)
    too_large = str(2**256)
    for command in (["evidence", "veto"], ["task", "refund"]):
        assert "not in the range" in shell.run(*command, too_large, *submit[2:4], status=2)


def test_the_contracts_are_offered_to_their_owner(shell: Shell) -> None:
    owner = "0x" + "11" * 20
    said = shell.run(
        "deploy",
        "--key-file",
        str(shell.key_file),
        "--out",
        str(shell.directory / "d.json"),
        "--owner",
        owner,
    )
    assert f"TaskGateway is offered to {owner}" in said
    assert "TaskGateway (implementation)" in said
    assert "--stake eigenlayer" in shell.run(
        "deploy", "--key-file", str(shell.key_file), "--out", str(shell.directory / "e.json"),
        "--allocation-manager", owner, status=2,
    )  # fmt: skip


def test_the_demo_model_is_registered_once(shell: Shell) -> None:
    shell.deploy()
    assert "No model" in shell.run("model", "list")
    options = ["--file", "demo", "--key-file", str(shell.key_file), "--price-per-task", "1gwei"]
    first = shell.json("model", "register", *options)
    again = shell.json("model", "register", *options)
    assert (first["changed"], again["changed"]) == (True, False)
    assert first | {"changed": False} == again
    (listed,) = shell.json("model", "list")["models"]
    assert (listed["modelId"], listed["pricePerTaskWei"]) == (first["modelId"], str(10**9))
    assert first["modelId"] in shell.run("model", "list")
    missing = shell.run("model", "register", "--file", "/none.gguf", *options[2:], status=1)
    assert "cannot read /none.gguf" in missing


def test_a_model_goes_from_a_file_to_the_chain_and_to_another_machine(shell: Shell) -> None:
    shell.deploy()
    file = shell.directory / "tiny.gguf"
    file.write_bytes((demo_model().with_name("micro.gguf")).read_bytes())
    assert "There is no model" in shell.run("model", "list", "--local")
    options = ["--name", "tiny", "--context", "128", "--template", "Q: {input} A:"]
    added = shell.json("model", "add", str(file), *options)
    assert (added["changed"], added["architecture"], added["contextTokens"]) == (True, "llama", 128)
    assert not file.with_suffix(".json").exists()
    assert shell.json("model", "add", str(file), *options)["changed"] is False
    assert added["hash"][:16] in shell.run("model", "list", "--local")
    assert shell.json("model", "verify", "tiny")["valid"] is True

    key = ["--key-file", str(shell.key_file)]
    registered = shell.json("model", "register", "--file", "tiny", *key)
    (listed,) = shell.json("model", "list")["models"]
    assert (listed["modelId"], listed["here"]) == (registered["modelId"], True)
    assert shell.json("model", "publish", "tiny", *key)["changed"] is False  # registering did it

    elsewhere = {"P2PAVS_MODELS": str(shell.directory / "elsewhere")}
    assert shell.json_in(elsewhere, "model", "list")["models"][0]["here"] is False
    same = shell.json_in(elsewhere, "model", "add", str(file), "--registered", "tiny")
    assert (same["hash"], same["changed"]) == (added["hash"], True)
    file.write_bytes(demo_model().read_bytes())
    refused = shell.run("model", "add", str(file), "--registered", "tiny", status=1, **elsewhere)
    assert "SHA-256" in refused

    assert "called 'nobody'" in shell.run("model", "remove", "nobody", "--yes", status=1)
    assert shell.json("model", "remove", "tiny", "--yes")["removed"] is True
    assert shell.json("model", "list", "--local")["models"] == []


def test_a_deployment_is_not_overwritten_by_accident(shell: Shell) -> None:
    first = shell.deploy()
    arguments = ["deploy", "--key-file", str(shell.key_file), "--out", first["file"]]
    assert "--force" in shell.run(*arguments, status=2)
    assert shell.deploy("--force")["contracts"] != first["contracts"]


def test_what_goes_wrong_is_a_sentence(shell: Shell) -> None:
    shell.deploy()
    shell.new_keys("poor")
    keys = ["--keys", str(shell.keys("poor"))]
    said = shell.run("operator", "stake", *keys, "--amount", "1", P2PAVS_PASSWORD="guess", status=5)
    assert "password does not open" in said
    assert "holds 0 ETH" in shell.run("operator", "stake", *keys, "--amount", "1", status=4)
    assert "is not registered" in shell.run("operator", "exit", *keys, status=1)
    nowhere = ["--rpc", "http://127.0.0.1:1"]
    assert "does not answer" in shell.run("epoch", "status", *nowhere, status=3)
    assert "no set to freeze" in shell.run("epoch", "advance", "--key-file", str(shell.key_file), status=4)
    assert "No operator set is frozen" in shell.run(
        "epoch", "open", "--key-file", str(shell.key_file), status=1
    )
    failure = json.loads(shell.run("epoch", "status", *nowhere, "--json", status=3))
    assert failure["error"] == "RpcUnreachable"
    too_much = ["--to", "0x" + "11" * 20, "--amount", "1000000"]
    refused = shell.run("account", "fund", "--key-file", str(shell.key_file), *too_much, status=4)
    assert "may cost up to 1000000 ETH" in refused


def test_other_keys_for_the_same_account_are_refused(shell: Shell) -> None:
    shell.deploy()
    secret = "31" * 32
    (shell.directory / "key").write_text(secret)
    for name in ("a", "b"):
        shell.run(
            "keys", "new", "--keys", str(shell.keys(name)), "--insecure-fast-kdf",
            "--account-key-file", str(shell.directory / "key"),
        )  # fmt: skip
    shell.fund(Account.from_key(bytes.fromhex(secret)).address)
    shell.run("operator", "register", "--keys", str(shell.keys("a")))
    said = shell.run("operator", "register", "--keys", str(shell.keys("b")), status=2)
    assert "other consensus or network keys" in said


def test_an_account_in_use_is_refused(shell: Shell) -> None:
    shell.deploy()
    (address,) = shell.new_keys("a")
    path = shell.keys("a") / "pending.sqlite"
    with SqlitePendingStore(path, chain_id=CHAIN_ID, account=bytes.fromhex(address[2:])):
        said = shell.run("operator", "stake", "--keys", str(shell.keys("a")), "--amount", "1", status=6)
    assert "Another process" in said


def test_a_restarted_chain_is_named(shell: Shell) -> None:
    shell.deploy()
    shell.anvil.kill()
    shell.anvil.launch()
    assert "There is no code at" in shell.run("epoch", "status", status=1)
    shell.anvil.kill()
    shell.anvil.arguments = ["--chain-id", "5"]
    shell.anvil.launch()
    assert "serves chain 5" in shell.run("epoch", "status", status=1)
