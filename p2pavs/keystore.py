"""An operator's key directory: three encrypted secrets and the public facts about them.

``account.json`` (secp256k1: transactions), ``consensus.json`` (BLS12-381: votes) and ``peer.json`` (Ed25519:
the network identity) are Web3 v3 key files of 32 bytes each under one password. ``identity.json`` is public.
Consensus keys that take the place of the first one lie beside it in ``consensus-*.json``.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import shutil
import stat
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from p2pavs import strict_json
from p2pavs.errors import P2pavsError, UsageError
from p2pavs.exit_codes import ExitCode

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from consensus.bls import SecretKey

SECRET_BYTES = 32
STRONG_SCRYPT_N = 2**17
"""With r = 8: 128 MiB and about half a second per file and guess."""
FAST_SCRYPT_N = 2**4
"""For test networks, whose keys protect nothing."""
MAX_FILE_BYTES = 16 * 1024
_MAX_SCRYPT_BYTES = 1 << 30
_MAX_PBKDF2_ROUNDS = 10_000_000
_SECRET_FILES = ("account.json", "consensus.json", "peer.json")
_FURTHER_PATTERN = "consensus-*.json"
_NEXT_PEER_FILE = "next-peer.json"
_ED25519_PROTOBUF = bytes.fromhex("08011220")  # key type Ed25519, then 32 bytes of key
_IDENTITY_MULTIHASH = b"\x00"
_SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class Secret:
    """Bytes that never print themselves. ``reveal`` is the only way to them."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def reveal(self) -> bytes:
        """Return the secret bytes."""
        return self._data

    def __repr__(self) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._data, other._data)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


class WrongPassword(P2pavsError):
    """The password does not open a key file."""

    exit_code = ExitCode.KEYS

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The password does not open {path}.",
            "Give the password the keys were made with (--password-file or $P2PAVS_PASSWORD). A password "
            "file's last line break does not count, other white space does.",
        )


class NoKeys(P2pavsError):
    """There is no key directory, or a file of it is missing."""

    exit_code = ExitCode.KEYS

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"There is no {path}.", "Check --keys, or make a key directory with p2pavs keys new."
        )


class KeysExist(P2pavsError):
    """Keys are never overwritten."""

    exit_code = ExitCode.KEYS

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} exists already, and keys are never overwritten.", "Choose another directory."
        )


class DamagedKeys(P2pavsError):
    """A key file is not what it should be."""

    exit_code = ExitCode.KEYS

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"The key file {path} cannot be used: {what}.", "Restore the whole key directory from its backup."
        )


@dataclass(frozen=True, slots=True)
class PublicIdentity:
    """What everyone may know of an operator."""

    address: bytes  # account, 20 bytes
    consensus_key: bytes  # 48 bytes compressed
    peer_id: str  # base58

    @property
    def peer_id_bytes(self) -> bytes:
        """The peer id as registered on the chain: a multihash."""
        return peer_id_bytes(self.peer_id)


@dataclass(frozen=True, slots=True)
class Identity:
    """An operator's keys, opened."""

    public: PublicIdentity
    account_secret: Secret
    consensus_secret: Secret
    peer_seed: Secret
    further_consensus_secrets: tuple[Secret, ...] = ()
    """Of keys that were made to take the first one's place (``add_consensus_key``)."""

    def consensus_keys(self) -> dict[bytes, SecretKey]:
        """Return all consensus keys: the secret by its public key (48 bytes)."""
        from consensus import bls

        secrets = (self.consensus_secret, *self.further_consensus_secrets)
        return {bls.public_key(key): key for key in (bls.SecretKey(secret.reveal()) for secret in secrets)}

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        return self.public.address

    def account(self) -> LocalAccount:
        """Return the account as a signer of transactions."""
        return account_of(self.account_secret)


def account_of(secret: Secret) -> LocalAccount:
    """Return the signer of transactions for an account secret. Raises ``UsageError`` if it is none."""
    from eth_account import Account

    if (
        len(secret.reveal()) != SECRET_BYTES
        or not 0 < int.from_bytes(secret.reveal(), "big") < _SECP256K1_ORDER
    ):
        raise UsageError(
            "The account key is not a valid secp256k1 key.", "Give 32 bytes that are not zero, in hex."
        )
    account: LocalAccount = Account.from_key(secret.reveal())
    return account


def create(
    directory: Path, password: str, account_secret: Secret | None = None, *, insecure_fast_kdf: bool = False
) -> Identity:
    """Make a key directory: all of it or nothing. The account is new unless its secret is given.

    ``insecure_fast_kdf`` makes the password guessable fast: for test networks only. Raises ``KeysExist``,
    ``UsageError`` on an empty password, ``P2pavsError`` where the directory cannot be written.
    """
    from consensus.bls_backends.protocol import CURVE_ORDER

    if not password:
        raise UsageError("The password is empty.", "Choose a password; a test network may use any.")
    if directory.exists():
        raise KeysExist(directory)
    identity = _identity(
        account_secret or Secret(_scalar(_SECP256K1_ORDER)),
        Secret(_scalar(CURVE_ORDER)),
        Secret(_scalar(_SECP256K1_ORDER)),  # any 32 bytes would do for Ed25519, but not for the file format
    )
    work = FAST_SCRYPT_N if insecure_fast_kdf else STRONG_SCRYPT_N
    sealed = (identity.account_secret, identity.consensus_secret, identity.peer_seed)
    files = {name: _seal(secret, password, work) for name, secret in zip(_SECRET_FILES, sealed, strict=True)}
    files["account.json"]["address"] = identity.address.hex()
    files["identity.json"] = _public_json(identity.public)
    try:
        _write_directory(directory, files)
    except FileExistsError:
        raise KeysExist(directory) from None
    except OSError as error:
        raise P2pavsError(
            f"The key directory {directory} cannot be written: {error.strerror}.",
            "Choose a directory that this user can write.",
        ) from None
    return identity


def load(directory: Path, password: str) -> Identity:
    """Open a key directory. Raises ``NoKeys``, ``WrongPassword`` or ``DamagedKeys``."""
    public = load_public(directory)
    opened = [_open(directory / name, password) for name in _SECRET_FILES]
    try:
        identity = _identity(*opened)
    except (ValueError, P2pavsError):
        raise DamagedKeys(directory, "a secret in it is not a valid key") from None
    if identity.public != public:
        raise DamagedKeys(directory / "identity.json", "it does not fit the secret keys beside it")
    further = sorted(directory.glob(_FURTHER_PATTERN))
    return replace(identity, further_consensus_secrets=tuple(_open(path, password) for path in further))


def add_consensus_key(directory: Path, password: str) -> bytes:
    """Make another consensus key beside those there are; returns its public key (48 bytes).

    The file is whole or not there. Raises what ``load`` raises, ``P2pavsError`` where it cannot be written.
    """
    from consensus import bls
    from consensus.bls_backends.protocol import CURVE_ORDER

    load(directory, password)  # not under another password than the rest
    secret = Secret(_scalar(CURVE_ORDER))
    public = bls.public_key(bls.SecretKey(secret.reveal()))
    sealed = _seal(secret, password, _work_of(directory))
    _add_file(directory / _FURTHER_PATTERN.replace("*", public.hex()[:16]), sealed)
    return public


def next_peer_seed(directory: Path, password: str) -> Secret:
    """Return the seed of the peer key that is to take the place of the present one; made if need be.

    ``adopt_peer_seed`` makes it the one.
    """
    load_public(directory)
    path = directory / _NEXT_PEER_FILE
    if not path.exists():
        _add_file(path, _seal(Secret(_scalar(_SECP256K1_ORDER)), password, _work_of(directory)))
    return _open(path, password)


def adopt_peer_seed(directory: Path, password: str) -> str:
    """Put the next peer key in the place of the one there is; returns the new peer id.

    A crash in between leaves files that ``load`` refuses; running it again mends them.
    """
    public = load_public(directory)
    path = directory / _NEXT_PEER_FILE
    source = path if path.exists() else directory / "peer.json"
    peer_id = peer_id_of(_open(source, password))
    _add_file(directory / "identity.json", _public_json(replace(public, peer_id=peer_id)))
    if path.exists():
        path.rename(directory / "peer.json")
        _sync_directory(directory)
    return peer_id


def load_account(directory: Path, password: str) -> LocalAccount:
    """Open only the account key of a key directory. Raises what ``load`` raises."""
    public = load_public(directory)
    path = directory / "account.json"
    try:
        account = account_of(_open(path, password))
    except UsageError:
        raise DamagedKeys(path, "it holds no valid key") from None
    if bytes.fromhex(account.address[2:]) != public.address:
        raise DamagedKeys(path, "it holds another account than identity.json names")
    return account


def load_public(directory: Path) -> PublicIdentity:
    """Read the public part of a key directory; takes no password. Raises ``NoKeys`` or ``DamagedKeys``."""
    path = directory / "identity.json"
    content = _read_json(path)
    try:
        if set(content) != {"address", "consensusKey", "peerId"}:
            raise ValueError("it should hold address, consensusKey and peerId")
        public = PublicIdentity(
            address=_hex_field(content, "address", 20),
            consensus_key=_hex_field(content, "consensusKey", 48),
            peer_id=str(content["peerId"]),
        )
        if not 32 <= len(public.peer_id) <= 64 or not 32 <= len(public.peer_id_bytes) <= 64:
            raise ValueError("peerId is no peer id")
    except ValueError as error:
        raise DamagedKeys(path, str(error)) from None
    return public


def peer_id_of(seed: Secret) -> str:
    """Return the libp2p peer id (base58) of an Ed25519 seed."""
    # As libp2p.peer.id makes it (a test compares), without the half second that importing libp2p takes.
    import base58
    from nacl.signing import SigningKey

    key = _ED25519_PROTOBUF + bytes(SigningKey(seed.reveal()).verify_key)
    return base58.b58encode(_IDENTITY_MULTIHASH + bytes([len(key)]) + key).decode()


def peer_id_bytes(peer_id: str) -> bytes:
    """Return the multihash that a peer id (base58) writes."""
    import base58

    return bytes(base58.b58decode(peer_id))


def _identity(account_secret: Secret, consensus_secret: Secret, peer_seed: Secret) -> Identity:
    from consensus import bls

    public = PublicIdentity(
        address=bytes.fromhex(account_of(account_secret).address[2:]),
        consensus_key=bls.public_key(bls.SecretKey(consensus_secret.reveal())),
        peer_id=peer_id_of(peer_seed),
    )
    return Identity(public, account_secret, consensus_secret, peer_seed)


def _scalar(order: int) -> bytes:
    return (secrets.randbelow(order - 1) + 1).to_bytes(SECRET_BYTES, "big")


def _public_json(public: PublicIdentity) -> dict[str, Any]:
    from eth_utils.address import to_checksum_address

    return {
        "address": to_checksum_address(public.address),
        "consensusKey": "0x" + public.consensus_key.hex(),
        "peerId": public.peer_id,
    }


def _seal(secret: Secret, password: str, work: int) -> dict[str, Any]:
    from eth_keyfile.keyfile import create_keyfile_json

    sealed = create_keyfile_json(secret.reveal(), password.encode(), kdf="scrypt", iterations=work)
    # The format's address is that of a secp256k1 account, which only one of the three secrets is.
    del sealed["address"]
    return sealed


def _open(path: Path, password: str) -> Secret:
    from eth_keyfile.keyfile import decode_keyfile_json

    content = _read_json(path)
    try:
        _check_key_file(content)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedKeys(path, _reason(error)) from None
    try:
        data = decode_keyfile_json(content, password.encode())
    except ValueError as error:
        if "MAC" in str(error):
            raise WrongPassword(path) from None
        raise DamagedKeys(path, "it cannot be decrypted") from None
    if len(data) != SECRET_BYTES:
        raise DamagedKeys(path, f"it holds {len(data)} bytes instead of {SECRET_BYTES}")
    return Secret(bytes(data))


def _check_key_file(content: dict[str, Any]) -> None:
    """Check the form, and that opening the file takes neither all memory nor all day."""
    crypto = content["crypto"]
    parameters = crypto["kdfparams"]
    if content["version"] != 3 or crypto["cipher"] != "aes-128-ctr":
        raise ValueError("it is no version 3 key file with AES-128-CTR")
    for holder, name, size in (
        (crypto, "ciphertext", SECRET_BYTES),
        (crypto, "mac", 32),
        (crypto["cipherparams"], "iv", 16),
    ):
        _hex_field(holder, name, size)
    _hex_field(parameters, "salt", None)
    if parameters["dklen"] != 32:
        raise ValueError("its derived key has not 32 bytes")
    if crypto["kdf"] == "scrypt":
        n, r, p = (parameters[name] for name in ("n", "r", "p"))
        whole = all(isinstance(value, int) and value > 0 for value in (n, r, p))
        if not whole or n < 2 or n & (n - 1) or 128 * n * r > _MAX_SCRYPT_BYTES or p > 16 or r > 64:
            raise ValueError("its scrypt parameters are invalid or ask for more than 1 GiB")
    elif crypto["kdf"] == "pbkdf2":
        c = parameters["c"]
        if parameters["prf"] != "hmac-sha256" or not isinstance(c, int) or not 0 < c <= _MAX_PBKDF2_ROUNDS:
            raise ValueError("its PBKDF2 parameters are invalid")
    else:
        raise ValueError("its key derivation function is not scrypt or pbkdf2")


def _reason(error: Exception) -> str:
    return str(error) if type(error) is ValueError else "an entry is missing or of the wrong type"


def _hex_field(content: dict[str, Any], name: str, size: int | None) -> bytes:
    value = content[name]
    try:
        data = bytes.fromhex(value.removeprefix("0x"))
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"{name} is not hex") from None
    if size is not None and len(data) != size:
        raise ValueError(f"{name} has {len(data)} bytes instead of {size}")
    return data


def _read_json(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise NoKeys(path) from None
    except OSError as error:
        raise DamagedKeys(path, error.strerror or "it cannot be read") from None
    if len(raw) > MAX_FILE_BYTES:
        raise DamagedKeys(path, f"it is longer than {MAX_FILE_BYTES} bytes")
    try:
        content = strict_json.loads(raw)
    except ValueError:
        raise DamagedKeys(path, "it is not JSON") from None
    if not isinstance(content, dict):
        raise DamagedKeys(path, "it is not a JSON object")
    return content


def _work_of(directory: Path) -> int:
    """How hard the files of a directory are to open: a further one is not easier."""
    parameters = _read_json(directory / "consensus.json").get("crypto", {}).get("kdfparams", {})
    work = parameters.get("n", STRONG_SCRYPT_N)
    return work if isinstance(work, int) else STRONG_SCRYPT_N


def _add_file(path: Path, content: dict[str, Any]) -> None:
    """Write a file of a key directory: whole, or the old one stays."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        with os.fdopen(descriptor, "w") as file:
            file.write(json.dumps(content, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
        _sync_directory(path.parent)
    except OSError as error:
        raise P2pavsError(
            f"The key directory {path.parent} cannot be written: {error.strerror}.",
            "Make it writable for this user.",
        ) from None


def _write_directory(directory: Path, files: dict[str, dict[str, Any]]) -> None:
    """Write into a directory beside it, then rename: a crash leaves no directory or a whole one."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))  # mode 0700
    try:
        for name, content in files.items():
            descriptor = os.open(
                temporary / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR
            )
            with os.fdopen(descriptor, "w") as file:
                file.write(json.dumps(content, indent=2) + "\n")
                file.flush()
                os.fsync(file.fileno())
        _sync_directory(temporary)
        try:
            temporary.rename(directory)
        except OSError:
            if directory.exists():
                raise FileExistsError from None
            raise
        _sync_directory(directory.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
