from __future__ import annotations

import copy
import json
import os
import pickle
import stat
import warnings
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from consensus import bls
from p2pavs import keystore
from p2pavs.errors import P2pavsError, UsageError
from p2pavs.keystore import DamagedKeys, KeysExist, NoKeys, Secret, WrongPassword, eip2335, files, web3_v3

PASSWORD = "correct horse"


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, keystore.Identity]:
    directory = tmp_path / "keys"
    return directory, keystore.create(directory, PASSWORD, insecure_fast_kdf=True)


def test_what_was_made_is_loaded_again(made: tuple[Path, keystore.Identity]) -> None:
    directory, identity = made
    loaded = keystore.load(directory, PASSWORD)
    assert loaded == identity
    assert loaded.public == keystore.load_public(directory)
    assert keystore.load_account(directory, PASSWORD).address == identity.account().address


def test_the_public_part_follows_from_the_secrets(made: tuple[Path, keystore.Identity]) -> None:
    _, identity = made
    assert identity.consensus_secret is not None and identity.account_secret is not None
    secret = bls.SecretKey(identity.consensus_secret.reveal())
    assert identity.public.consensus_key == bls.public_key(secret)
    expected = Account.from_key(identity.account_secret.reveal()).address
    assert "0x" + identity.address.hex() == expected.lower()


def test_the_peer_id_is_the_one_libp2p_uses(made: tuple[Path, keystore.Identity]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # importing libp2p uses what its dependencies deprecate
        from libp2p.crypto.ed25519 import create_new_key_pair
        from libp2p.peer.id import ID

    _, identity = made
    expected = ID.from_pubkey(create_new_key_pair(identity.peer_seed.reveal()).public_key)
    assert identity.public.peer_id == expected.to_base58()
    assert identity.public.peer_id_bytes == expected.to_bytes()


def test_an_account_can_be_brought_along(tmp_path: Path) -> None:
    secret = Secret(bytes(31) + b"\x07")
    identity = keystore.create(tmp_path / "keys", PASSWORD, secret, insecure_fast_kdf=True)
    assert identity.account().address == Account.from_key(secret.reveal()).address
    stored = json.loads((tmp_path / "keys/account.json").read_text())
    assert Account.decrypt(stored, PASSWORD) == secret.reveal()  # any wallet opens the file


@pytest.mark.parametrize("bad", [bytes(32), b"\xff" * 32, b"\x01" * 31])
def test_an_impossible_account_key_is_refused(tmp_path: Path, bad: bytes) -> None:
    with pytest.raises(UsageError, match="secp256k1"):
        keystore.create(tmp_path / "keys", PASSWORD, Secret(bad), insecure_fast_kdf=True)
    assert not list(tmp_path.iterdir())


def test_only_the_owner_can_read(made: tuple[Path, keystore.Identity]) -> None:
    directory, _ = made
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}


def test_no_secret_is_readable_in_the_files(made: tuple[Path, keystore.Identity]) -> None:
    directory, identity = made
    everything = b"".join(path.read_bytes() for path in directory.iterdir())
    for secret in (identity.account_secret, identity.consensus_secret, identity.peer_seed):
        assert secret.reveal().hex().encode() not in everything.lower()
    assert PASSWORD.encode() not in everything


def test_only_the_account_file_names_an_address(made: tuple[Path, keystore.Identity]) -> None:
    directory, identity = made
    named = [name for name in os.listdir(directory) if '"address"' in (directory / name).read_text()]
    assert sorted(named) == ["account.json", "identity.json"]
    assert json.loads((directory / "account.json").read_text())["address"] == identity.address.hex()


def test_strong_files_take_much_memory_to_guess(tmp_path: Path) -> None:
    keystore.create(tmp_path / "keys", PASSWORD)
    parameters = json.loads((tmp_path / "keys/peer.json").read_text())["crypto"]["kdfparams"]
    assert parameters["n"] * parameters["r"] * 128 >= 128 * 1024 * 1024
    keystore.load(tmp_path / "keys", PASSWORD)


def test_keys_are_never_overwritten(made: tuple[Path, keystore.Identity]) -> None:
    directory, identity = made
    with pytest.raises(KeysExist, match="never overwritten"):
        keystore.create(directory, PASSWORD, insecure_fast_kdf=True)
    assert keystore.load(directory, PASSWORD) == identity


def test_an_empty_password_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="empty"):
        keystore.create(tmp_path / "keys", "", insecure_fast_kdf=True)


@pytest.mark.parametrize("failing", ["account.json", "identity.json"])
def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    real = os.open

    def no_space(path: Any, *args: Any, **kwargs: Any) -> int:
        if str(path).endswith(failing):
            raise OSError(28, "No space left on device")
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", no_space)
    with pytest.raises(P2pavsError, match="No space left"):
        keystore.create(tmp_path / "keys", PASSWORD, insecure_fast_kdf=True)
    assert not list(tmp_path.iterdir())


def test_a_directory_that_appears_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = files.sync_directory

    def somebody_else_is_faster(directory: Path) -> None:
        (tmp_path / "keys").mkdir(exist_ok=True)
        (tmp_path / "keys/other").write_text("kept")
        real(directory)

    monkeypatch.setattr(files, "sync_directory", somebody_else_is_faster)
    with pytest.raises(KeysExist):
        keystore.create(tmp_path / "keys", PASSWORD, insecure_fast_kdf=True)
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]
    assert os.listdir(tmp_path / "keys") == ["other"]


def test_a_wrong_password_names_the_file(made: tuple[Path, keystore.Identity]) -> None:
    directory, _ = made
    with pytest.raises(WrongPassword, match=r"account\.json") as caught:
        keystore.load(directory, "guess-7")
    assert "--password-file" in caught.value.remedy
    assert "guess-7" not in str(caught.value)


@pytest.mark.parametrize("name", ["account.json", "consensus.json", "peer.json", "identity.json"])
def test_a_missing_file_is_named(made: tuple[Path, keystore.Identity], name: str) -> None:
    directory, _ = made
    (directory / name).unlink()
    with pytest.raises(NoKeys, match=name):
        keystore.load(directory, PASSWORD)


@pytest.mark.parametrize("name", ["account.json", "consensus.json", "peer.json", "identity.json"])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b"{}", b"[" * 5000, b'{"a":' + b" " * keystore.MAX_FILE_BYTES + b"1}"],
)
def test_a_damaged_file_is_named(made: tuple[Path, keystore.Identity], name: str, content: bytes) -> None:
    directory, _ = made
    (directory / name).write_bytes(content)
    with pytest.raises(DamagedKeys, match=name):
        keystore.load(directory, PASSWORD)


def _change(path: Path, *keys: str, value: Any) -> None:
    content = json.loads(path.read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("version",), 4),
        (("crypto", "cipher"), "aes-256-cbc"),
        (("crypto", "kdf"), "md5"),
        (("crypto", "mac"), "00"),
        (("crypto", "mac"), 5),
        (("crypto", "ciphertext"), "zz" * 32),
        (("crypto", "cipherparams"), None),
        (("crypto", "kdfparams", "n"), 2**40),
        (("crypto", "kdfparams", "n"), 3),
        (("crypto", "kdfparams", "n"), -2),
        (("crypto", "kdfparams", "n"), "16"),
        (("crypto", "kdfparams", "p"), 10**6),
        (("crypto", "kdfparams", "dklen"), 10**9),
        (("crypto", "kdfparams", "salt"), None),
    ],
)
def test_a_key_file_that_would_do_harm_is_refused(
    made: tuple[Path, keystore.Identity], keys: tuple[str, ...], value: Any
) -> None:
    directory, _ = made
    _change(directory / "account.json", *keys, value=value)
    with pytest.raises(DamagedKeys, match=r"account\.json"):
        keystore.load(directory, PASSWORD)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("version",), 5),
        (("crypto",), []),
        (("crypto", "cipher", "function"), "aes-256-cbc"),
        (("crypto", "cipher", "message"), "00"),
        (("crypto", "cipher", "params"), None),
        (("crypto", "checksum", "function"), "md5"),
        (("crypto", "checksum", "message"), "00"),
        (("crypto", "kdf", "function"), "md5"),
        (("crypto", "kdf", "params", "n"), 2**40),
        (("crypto", "kdf", "params", "n"), True),
        (("crypto", "kdf", "params", "n"), "16"),
        (("crypto", "kdf", "params", "p"), 10**6),
        (("crypto", "kdf", "params", "dklen"), 10**9),
        (("crypto", "kdf", "params", "salt"), 7),
    ],
)
def test_a_bls_keystore_that_would_do_harm_is_refused(
    made: tuple[Path, keystore.Identity], keys: tuple[str, ...], value: Any
) -> None:
    directory, _ = made
    _change(directory / "consensus.json", *keys, value=value)
    with pytest.raises(DamagedKeys, match=r"consensus\.json"):
        keystore.load(directory, PASSWORD)


def test_the_consensus_key_is_an_eip_2335_keystore(made: tuple[Path, keystore.Identity]) -> None:
    directory, identity = made
    stored = json.loads((directory / "consensus.json").read_text())
    assert stored["version"] == 4
    assert bytes.fromhex(stored["pubkey"]) == identity.public.consensus_key
    assert eip2335.unseal(stored, PASSWORD, directory) == identity.consensus_secret


def test_a_directory_of_earlier_versions_still_opens(made: tuple[Path, keystore.Identity]) -> None:
    """They sealed the consensus key as an account's key file."""
    directory, identity = made
    assert identity.consensus_secret is not None
    old = web3_v3.seal(identity.consensus_secret, PASSWORD, keystore.FAST_SCRYPT_N)
    (directory / "consensus.json").write_text(json.dumps(old))
    assert keystore.load(directory, PASSWORD) == identity


def test_a_backup_brings_everything_back(made: tuple[Path, keystore.Identity], tmp_path: Path) -> None:
    directory, _ = made
    keystore.add_consensus_key(directory, PASSWORD)
    backup, restored = tmp_path / "backup.json", tmp_path / "restored"
    keystore.write_backup(directory, PASSWORD, backup)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    keystore.restore_backup(backup, PASSWORD, restored)
    assert keystore.load(restored, PASSWORD) == keystore.load(directory, PASSWORD)
    with pytest.raises(KeysExist):
        keystore.restore_backup(backup, PASSWORD, restored)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("format",), "other"),
        (("files", "../evil.json"), {}),
        (("files", "account.json"), 5),
        (("files",), []),
        (("files", "peer.json"), {}),
    ],
)
def test_a_damaged_backup_restores_nothing(
    made: tuple[Path, keystore.Identity], tmp_path: Path, keys: tuple[str, ...], value: Any
) -> None:
    backup, restored = tmp_path / "backup.json", tmp_path / "restored"
    keystore.write_backup(made[0], PASSWORD, backup)
    _change(backup, *keys, value=value)
    with pytest.raises(DamagedKeys):
        keystore.restore_backup(backup, PASSWORD, restored)
    assert not restored.exists()


def test_a_backup_is_not_made_or_restored_under_another_password(
    made: tuple[Path, keystore.Identity], tmp_path: Path
) -> None:
    backup = tmp_path / "backup.json"
    with pytest.raises(WrongPassword):
        keystore.write_backup(made[0], "guess", backup)
    assert not backup.exists()
    keystore.write_backup(made[0], PASSWORD, backup)
    with pytest.raises(WrongPassword):
        keystore.restore_backup(backup, "guess", tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("address", "0x" + "11" * 20),
        ("consensusKey", "0x" + "22" * 48),
        ("peerId", "1" * 52),
        ("peerId", "0OIl"),
    ],
)
def test_an_identity_that_does_not_fit_is_refused(
    made: tuple[Path, keystore.Identity], key: str, value: str
) -> None:
    directory, _ = made
    _change(directory / "identity.json", key, value=value)
    with pytest.raises(DamagedKeys, match=r"identity\.json"):
        keystore.load(directory, PASSWORD)


def test_an_account_of_another_directory_is_refused(
    made: tuple[Path, keystore.Identity], tmp_path: Path
) -> None:
    directory, _ = made
    keystore.create(tmp_path / "other", PASSWORD, insecure_fast_kdf=True)
    (tmp_path / "other/account.json").replace(directory / "account.json")
    with pytest.raises(DamagedKeys):
        keystore.load(directory, PASSWORD)
    with pytest.raises(DamagedKeys, match="another account"):
        keystore.load_account(directory, PASSWORD)


def test_a_secret_does_not_show_itself(made: tuple[Path, keystore.Identity]) -> None:
    _, identity = made
    hidden = [
        secret.reveal() for secret in (identity.account_secret, identity.consensus_secret, identity.peer_seed)
    ]
    shown = f"{identity!r} {identity} {identity.account_secret!r} {identity.account_secret}"
    for data in hidden:
        assert data.hex() not in shown
        assert repr(data) not in shown


def test_a_secret_is_neither_pickled_nor_hashed(made: tuple[Path, keystore.Identity]) -> None:
    secret = made[1].peer_seed
    for copying in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            copying(secret)
    with pytest.raises(TypeError):
        hash(secret)
    assert secret == Secret(secret.reveal())
    assert secret != Secret(bytes(32))


def test_a_further_consensus_key_lies_beside_the_first(tmp_path: Path) -> None:
    directory = tmp_path / "keys"
    first = keystore.create(directory, "pw", insecure_fast_kdf=True)
    assert list(first.consensus_keys()) == [first.public.consensus_key]
    new = keystore.add_consensus_key(directory, "pw")
    both = keystore.load(directory, "pw")
    assert both.public == first.public
    assert set(both.consensus_keys()) == {first.public.consensus_key, new}
    for key, secret in both.consensus_keys().items():
        assert bls.public_key(secret) == key
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in directory.iterdir())
    with pytest.raises(keystore.WrongPassword):
        keystore.add_consensus_key(directory, "guess")


def test_a_peer_key_is_replaced_in_two_steps(tmp_path: Path) -> None:
    directory = tmp_path / "keys"
    first = keystore.create(directory, "pw", insecure_fast_kdf=True)
    seed = keystore.next_peer_seed(directory, "pw")
    assert keystore.next_peer_seed(directory, "pw") == seed, "the chain may have been told of it"
    assert keystore.load(directory, "pw") == first
    peer_id = keystore.adopt_peer_seed(directory, "pw")
    loaded = keystore.load(directory, "pw")
    assert loaded.public.peer_id == peer_id == keystore.peer_id_of(seed) != first.public.peer_id
    assert loaded.public.consensus_key == first.public.consensus_key
    assert keystore.adopt_peer_seed(directory, "pw") == peer_id, "a second time does no harm"
