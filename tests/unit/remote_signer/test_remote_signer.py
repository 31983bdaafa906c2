"""Node and signer over real TLS: what is signed, what is refused, and what happens when one is gone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from eth_account import Account

from consensus import bls, vrf
from consensus.hashing import keccak256
from consensus.signing import statement
from consensus.types import Domain, InstanceId, Kind, Scope
from p2pavs import keystore
from p2pavs.errors import UsageError
from p2pavs.keystore import KeystoreError
from p2pavs.remote_signer import wire
from p2pavs.remote_signer.client import (
    RemoteAccount,
    RemoteConsensusKey,
    RemoteSigner,
    RemoteSignerFailed,
    keys_now,
)
from p2pavs.remote_signer.link import SignerLink, check_url
from p2pavs.remote_signer.policy import Policy
from p2pavs.remote_signer.server import ServerFiles, SignerService, serve_signer
from p2pavs.signers import Signers
from p2pavs.storage import (
    ConflictingSignature,
    Database,
    DataDirectory,
    ForeignData,
    SignerUnavailable,
    SignGuard,
    Slot,
)
from tests.unit.remote_signer.certificates import Authority

DOMAIN = Domain(31337, b"\x11" * 20)
CONTRACT = b"\x22" * 20
SLOT = Slot(Scope(DOMAIN, InstanceId(7, 0), keccak256(b"root")), Kind.PREVOTE, 0)
YES, NO = keccak256(b"yes"), keccak256(b"no")
FIELDS: dict[str, Any] = {
    "type": 2, "chainId": 31337, "nonce": 3, "gas": 100_000, "maxFeePerGas": 10**9,
    "maxPriorityFeePerGas": 1, "value": 0, "to": CONTRACT, "data": b"\x01\x02",
}  # fmt: skip


@dataclass
class Setting:
    """A running signer, and what a node has of it."""

    identity: keystore.Identity
    link: SignerLink
    signer: RemoteSigner
    authority: Authority
    data: Path
    scope: trio.CancelScope

    @property
    def key(self) -> RemoteConsensusKey:
        return RemoteConsensusKey(self.signer, self.identity.public.consensus_key)


@pytest.fixture
async def setting(tmp_path: Path) -> AsyncIterator[Setting]:
    identity = keystore.create(tmp_path / "keys", "pw", insecure_fast_kdf=True)
    authority = Authority(tmp_path, "authority")
    server, client = authority.issue("signer"), authority.issue("node")
    files = ServerFiles(server.certificate, server.key, authority.path)
    data = tmp_path / "signer-data"
    with DataDirectory(data) as directory:
        service = SignerService(identity, DOMAIN, Policy(31337, {CONTRACT}), directory)
        scope = trio.CancelScope()

        async def serve(task_status: trio.TaskStatus[str]) -> None:
            with scope:
                await serve_signer(service, "127.0.0.1:0", files, task_status=task_status)

        async with trio.open_nursery() as nursery:
            url = str(await nursery.start(serve))
            assert url.startswith("https://")
            link = SignerLink(url, authority.path, client.certificate, client.key)
            async with RemoteSigner(link).connected() as signer:
                yield Setting(identity, link, signer, authority, data, scope)
            nursery.cancel_scope.cancel()


async def test_a_statement_is_signed_once(setting: Setting) -> None:
    signature = await setting.key.sign_slot(SLOT, YES)
    message = statement(SLOT.scope, SLOT.kind, SLOT.round, YES)
    assert bls.fast_aggregate_verify([setting.identity.public.consensus_key], message, signature)
    assert await setting.key.sign_slot(SLOT, YES) == signature
    with pytest.raises(ConflictingSignature, match="second prevote"):
        await setting.key.sign_slot(SLOT, NO)
    state = await setting.signer.read_state()
    assert (state["signed"], state["refused"]) == (2, 1)


async def test_calls_are_counted_by_kind_and_outcome(setting: Setting) -> None:
    calls = setting.signer.calls
    await setting.key.sign_slot(SLOT, YES)
    with pytest.raises(ConflictingSignature):
        await setting.key.sign_slot(SLOT, NO)
    await setting.signer.read_state()
    assert dict(calls.counts) == {
        ("statement", "answered"): 1,
        ("statement", "refused"): 1,
        ("state", "answered"): 1,
    }
    assert calls.seconds.buckets()[-1] == ("+Inf", 3.0) and calls.seconds.sum > 0


async def test_a_node_with_an_empty_guard_cannot_make_the_signer_sign_twice(
    setting: Setting, tmp_path: Path
) -> None:
    """Two nodes, or one whose data directory was lost: the signer's own guard stands."""
    first, second = (Database(tmp_path / name) for name in ("first.sqlite", "second.sqlite"))
    signature = await SignGuard(first, setting.key).sign(SLOT, YES)
    with pytest.raises(ConflictingSignature):
        await SignGuard(second, setting.key).sign(SLOT, NO)
    # What it asked for is on its disk; the signer's answer is not forgotten either.
    assert await SignGuard(first, setting.key).sign(SLOT, YES) == signature
    assert (await setting.signer.read_state())["signed"] == 1, "the node's guard kept the signature"
    for database in (first, second):
        database.close()


async def test_the_nodes_guard_asks_for_one_statement_only(setting: Setting, tmp_path: Path) -> None:
    database = Database(tmp_path / "node.sqlite")
    guard = SignGuard(database, setting.key)
    setting.scope.cancel()  # the signer is gone
    with pytest.raises(SignerUnavailable) as gone:
        await guard.sign(SLOT, YES)
    assert "does not answer" in gone.value.message
    assert setting.signer.error is not None
    calls = setting.signer.calls
    assert dict(calls.counts) == {("statement", "failed"): 1} and calls.seconds.sum == 0
    # The statement is on disk, though no signature is: another one is refused without asking anybody.
    with pytest.raises(ConflictingSignature):
        await guard.sign(SLOT, NO)
    assert not await guard.has_signature(8, bytes(96))
    database.close()


async def test_beacon_proofs(setting: Setting) -> None:
    message = keccak256(b"beacon")
    proof = await setting.key.prove(message)
    assert vrf.verify(setting.identity.public.consensus_key, message, proof) is not None


async def test_transactions_of_the_deployment(setting: Setting) -> None:
    account = RemoteAccount(setting.signer, setting.identity.address)
    signed = await account.sign_transaction(FIELDS)
    assert Account.recover_transaction(signed.raw_transaction) == account.address
    assert signed.hash == keccak256(signed.raw_transaction)
    local = setting.identity.account().sign_transaction(FIELDS)
    assert signed.raw_transaction == bytes(local.raw_transaction)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"to": b"\x33" * 20}, "none of the deployment"),
        ({"value": 1}, "max-value"),
        ({"chainId": 1}, "for chain 1"),
        ({"maxFeePerGas": 10**13}, "above the signer's limit"),
        ({"gas": 10**9}, "above the signer's limit"),
        ({"to": None}, "deployments"),
        ({"nonce": 2**70}, "out of range"),
    ],
)
async def test_transactions_that_a_node_has_no_business_with(
    setting: Setting, changes: dict[str, Any], why: str
) -> None:
    account = RemoteAccount(setting.signer, setting.identity.address)
    with pytest.raises(RemoteSignerFailed, match=why):
        await account.sign_transaction({**FIELDS, **changes})


async def test_statements_of_another_network_or_key_are_refused(setting: Setting) -> None:
    other = replace(SLOT, scope=replace(SLOT.scope, domain=Domain(1, DOMAIN.gateway)))
    with pytest.raises(SignerUnavailable, match="another chain"):
        await setting.key.sign_slot(other, YES)
    stranger = RemoteConsensusKey(setting.signer, bytes(48))
    with pytest.raises(SignerUnavailable, match="not here"):
        await stranger.sign_slot(SLOT, YES)


async def test_a_signer_of_another_operator_is_noticed(setting: Setting) -> None:
    keys = await setting.signer.consensus_keys(setting.identity.address, 31337, DOMAIN.gateway)
    assert keys == (setting.identity.public.consensus_key,)
    assert await trio.to_thread.run_sync(keys_now, setting.link) == keys
    for wrong in ((b"\x44" * 20, 31337, DOMAIN.gateway), (setting.identity.address, 1, DOMAIN.gateway)):
        with pytest.raises(KeystoreError, match="not for this one"):
            await setting.signer.consensus_keys(*wrong)


async def test_who_has_no_certificate_is_not_heard(setting: Setting, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other").issue("stranger")
    stranger = RemoteSigner(replace(setting.link, certificate=other.certificate, key=other.key))
    with pytest.raises(RemoteSignerFailed, match="does not answer"):
        await stranger.read_state()
    bare = __import__("ssl").create_default_context(cafile=str(setting.authority.path))
    async with httpx.AsyncClient(verify=bare) as client:
        with pytest.raises(httpx.HTTPError):
            await client.get(setting.link.url + wire.STATE)
    await setting.signer.read_state()  # it serves on


async def test_a_signer_that_the_node_does_not_know_is_not_asked(setting: Setting, tmp_path: Path) -> None:
    other = Authority(tmp_path, "unknown")
    fooled = RemoteSigner(replace(setting.link, ca=other.path))
    with pytest.raises(RemoteSignerFailed, match="does not answer"):
        await fooled.read_state()


@pytest.mark.parametrize("path", [wire.STATEMENT, wire.BEACON, wire.TRANSACTION])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"{}",
        b'{"key": 5}',
        b"[" * 5000,
        b'{"a": "' + b"x" * wire.MAX_REQUEST + b'"}',
    ],
    ids=["empty", "list", "cut", "binary", "nothing", "wrong", "deep", "large"],
)
async def test_malformed_requests_are_refused(setting: Setting, path: str, body: bytes) -> None:
    async with httpx.AsyncClient(verify=setting.link.tls(), timeout=30) as client:
        answer = await client.post(setting.link.url + path, content=body)
    assert answer.status_code == 400
    assert "cannot be read" in answer.json()["error"]


async def test_the_node_reads_the_signers_state(setting: Setting) -> None:
    remote = keystore.Identity(
        setting.identity.public, None, None, setting.identity.peer_seed, remote=setting.link
    )
    async with Signers.open(remote, DOMAIN) as signers:
        assert set(signers.consensus) == {setting.identity.public.consensus_key}
        status = signers.status()
        assert status is not None and (status["url"], status["error"]) == (setting.link.url, None)
        setting.scope.cancel()
        with pytest.raises(RemoteSignerFailed):
            await signers.remote.read_state()  # type: ignore[union-attr]
        assert "does not answer" in str(signers.status()["error"])  # type: ignore[index]
    with pytest.raises(keystore.KeysAreRemote):
        remote.consensus_keys()


async def test_a_signers_directory_is_bound(setting: Setting, tmp_path: Path) -> None:
    setting.scope.cancel()
    with DataDirectory(tmp_path / "other-data") as directory:
        directory.bind({"chain": "1"})
        with pytest.raises(ForeignData):
            SignerService(setting.identity, DOMAIN, Policy(31337, set()), directory)


def test_a_linked_key_directory_holds_no_other_secret(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from p2pavs.cli.main import root

    made = keystore.create(tmp_path / "keys", "pw", insecure_fast_kdf=True)
    authority = Authority(tmp_path, "authority")
    pem = authority.issue("node")
    command = ["signer", "link", "--keys", str(tmp_path / "keys"), "--out", str(tmp_path / "linked")]
    command += ["--ca", str(authority.path), "--certificate", str(pem.certificate), "--key", str(pem.key)]
    assert CliRunner().invoke(root, [*command, "--url", "http://127.0.0.1:1"]).exit_code == 2
    done = CliRunner().invoke(root, [*command, "--url", "https://127.0.0.1:4010", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["signer"] == "https://127.0.0.1:4010"
    assert sorted(path.name for path in (tmp_path / "linked").iterdir()) == [
        "identity.json", "peer.json", "signer.json",
    ]  # fmt: skip
    loaded = keystore.load(tmp_path / "linked", "pw")
    assert loaded.public == made.public and loaded.account_secret is None and loaded.remote is not None
    with pytest.raises(keystore.KeysAreRemote):
        keystore.load_account(tmp_path / "linked", "pw")


@pytest.mark.parametrize("url", ["http://x:1", "https://", "https://u@x", "https://x/a", "https://x?q", "x"])
def test_urls_of_signers(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        check_url(url)


def test_certificates_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    pem = authority.issue("node")
    (tmp_path / "garbage.pem").write_text("x")
    for link, name in (
        (SignerLink("https://x", tmp_path / "none.pem", pem.certificate, pem.key), "none.pem"),
        (SignerLink("https://x", authority.path, tmp_path / "garbage.pem", pem.key), "garbage.pem"),
        (SignerLink("https://x", authority.path, pem.certificate, tmp_path / "no.key"), "no.key"),
    ):
        with pytest.raises(UsageError, match=name):
            link.tls()
