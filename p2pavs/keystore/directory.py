"""An operator's key directory: three encrypted secrets and the public facts about them.

``account.json`` (secp256k1: transactions) is a Web3 v3 key file, ``consensus.json`` (BLS12-381: votes) an
EIP-2335 keystore, ``peer.json`` (Ed25519: the network identity) a Web3 v3 key file, all under one password.
``identity.json`` is public. Consensus keys that take the place of the first one lie beside it in
``consensus-*.json``. Directories made by versions before have a Web3 v3 file for the consensus key too: the
file's version says what it is. ``signer.json``, in place of account and consensus key, says which remote
signer has them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from p2pavs.errors import P2pavsError, UsageError
from p2pavs.keystore import eip2335, web3_v3
from p2pavs.keystore.errors import DamagedKeys, KeysAreRemote, KeysExist
from p2pavs.keystore.files import Json, hex_field, read_json, write_directory, write_file
from p2pavs.keystore.identity import (
    Identity,
    PublicIdentity,
    account_of,
    consensus_key_of,
    identity_of,
    peer_id_of,
)
from p2pavs.keystore.secret import SECP256K1_ORDER, SECRET_BYTES, Secret, random_scalar

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from p2pavs.keystore.mnemonic import DerivedSecrets
    from p2pavs.remote_signer.link import SignerLink

STRONG_SCRYPT_N = 2**17
"""With r = 8: 128 MiB and about half a second per file and guess."""
FAST_SCRYPT_N = 2**4
"""For test networks, whose keys protect nothing."""
ACCOUNT_FILE, CONSENSUS_FILE, PEER_FILE = "account.json", "consensus.json", "peer.json"
IDENTITY_FILE, SIGNER_FILE = "identity.json", "signer.json"
FURTHER_PATTERN = "consensus-*.json"
_NEXT_PEER_FILE = "next-peer.json"


def create(
    directory: Path,
    password: str,
    account_secret: Secret | None = None,
    *,
    consensus_secret: Secret | None = None,
    derived: DerivedSecrets | None = None,
    insecure_fast_kdf: bool = False,
) -> Identity:
    """Make a key directory: all of it or nothing. What is not given is new; ``derived`` gives all three.

    ``insecure_fast_kdf`` makes the password guessable fast: for test networks only. Raises ``KeysExist``,
    ``UsageError`` on an empty password, ``P2pavsError`` where the directory cannot be written.
    """
    from consensus.bls_backends.protocol import CURVE_ORDER

    check_password(password)
    if directory.exists():
        raise KeysExist(directory)
    if derived is not None:
        identity = identity_of(derived.account, derived.consensus, derived.peer_seed)
    else:
        identity = identity_of(
            account_secret or random_scalar(SECP256K1_ORDER),
            consensus_secret or random_scalar(CURVE_ORDER),
            random_scalar(SECP256K1_ORDER),  # any 32 bytes would do for Ed25519, but not for the file format
        )
    work = FAST_SCRYPT_N if insecure_fast_kdf else STRONG_SCRYPT_N
    write_directory(
        directory, sealed_files(identity, password, work, derived.consensus_path if derived else "")
    )
    return identity


def sealed_files(identity: Identity, password: str, work: int, path: str = "") -> dict[str, Json]:
    """Return the files of a key directory by their names, its secrets sealed."""
    if identity.account_secret is None or identity.consensus_secret is None:
        raise KeysAreRemote("account")
    files = {
        ACCOUNT_FILE: web3_v3.seal(identity.account_secret, password, work, with_address=True),
        CONSENSUS_FILE: _seal_consensus(identity.consensus_secret, password, work, path),
        PEER_FILE: web3_v3.seal(identity.peer_seed, password, work),
        IDENTITY_FILE: identity.public.to_json(),
    }
    for secret in identity.further_consensus_secrets:
        files[_further_file(consensus_key_of(secret))] = _seal_consensus(secret, password, work)
    return files


def check_password(password: str) -> None:
    """Raise ``UsageError`` for an empty one."""
    if not password:
        raise UsageError("The password is empty.", "Choose a password; a test network may use any.")


def load(directory: Path, password: str) -> Identity:
    """Open a key directory. Raises ``NoKeys``, ``WrongPassword`` or ``DamagedKeys``."""
    public = load_public(directory)
    if (remote := load_link(directory)) is not None:
        peer_seed = open_file(directory / PEER_FILE, password)
        if peer_id_of(peer_seed) != public.peer_id:
            raise DamagedKeys(directory / IDENTITY_FILE, "it does not fit the secret key beside it")
        return Identity(public, None, None, peer_seed, remote=remote)
    opened = [open_file(directory / name, password) for name in (ACCOUNT_FILE, CONSENSUS_FILE, PEER_FILE)]
    try:
        identity = identity_of(*opened)
    except (ValueError, P2pavsError):
        raise DamagedKeys(directory, "a secret in it is not a valid key") from None
    if identity.public != public:
        raise DamagedKeys(directory / IDENTITY_FILE, "it does not fit the secret keys beside it")
    further = sorted(directory.glob(FURTHER_PATTERN))
    return replace(identity, further_consensus_secrets=tuple(open_file(path, password) for path in further))


def load_link(directory: Path) -> SignerLink | None:
    """Return where the remote signer of a key directory is; None where it holds its keys itself."""
    path = directory / SIGNER_FILE
    if not path.exists():
        return None
    from p2pavs.remote_signer.link import SignerLink

    try:
        return SignerLink.from_json(read_json(path), directory)
    except ValueError as error:
        raise DamagedKeys(path, str(error)) from None


def open_file(path: Path, password: str) -> Secret:
    """Open one key file of either kind. Raises ``NoKeys``, ``WrongPassword`` or ``DamagedKeys``."""
    content = read_json(path)
    unseal = eip2335.unseal if content.get("version") == eip2335.VERSION else web3_v3.unseal
    secret = unseal(content, password, path)
    if len(secret.reveal()) != SECRET_BYTES:
        raise DamagedKeys(path, f"it holds {len(secret.reveal())} bytes instead of {SECRET_BYTES}")
    return secret


def add_consensus_key(directory: Path, password: str) -> bytes:
    """Make another consensus key beside those there are; returns its public key (48 bytes).

    The file is whole or not there. Raises what ``load`` raises, ``P2pavsError`` where it cannot be written.
    """
    from consensus.bls_backends.protocol import CURVE_ORDER

    load(directory, password).consensus_keys()  # not under another password than the rest, nor remote
    secret = random_scalar(CURVE_ORDER)
    public = consensus_key_of(secret)
    write_file(directory / _further_file(public), _seal_consensus(secret, password, _work_of(directory)))
    return public


def next_peer_seed(directory: Path, password: str) -> Secret:
    """Return the seed of the peer key that is to take the place of the present one; made if need be.

    ``adopt_peer_seed`` makes it the one.
    """
    load_public(directory)
    path = directory / _NEXT_PEER_FILE
    if not path.exists():
        write_file(path, web3_v3.seal(random_scalar(SECP256K1_ORDER), password, _work_of(directory)))
    return open_file(path, password)


def adopt_peer_seed(directory: Path, password: str) -> str:
    """Put the next peer key in the place of the one there is; returns the new peer id.

    A crash in between leaves files that ``load`` refuses; running it again mends them.
    """
    from p2pavs.keystore.files import sync_directory

    public = load_public(directory)
    path = directory / _NEXT_PEER_FILE
    source = path if path.exists() else directory / PEER_FILE
    peer_id = peer_id_of(open_file(source, password))
    write_file(directory / IDENTITY_FILE, replace(public, peer_id=peer_id).to_json())
    if path.exists():
        path.rename(directory / PEER_FILE)
        sync_directory(directory)
    return peer_id


def load_account(directory: Path, password: str) -> LocalAccount:
    """Open only the account key of a key directory. Raises what ``load`` raises, and ``KeysAreRemote``."""
    public = load_public(directory)
    if load_link(directory) is not None:
        raise KeysAreRemote("account")
    path = directory / ACCOUNT_FILE
    try:
        account = account_of(open_file(path, password))
    except UsageError:
        raise DamagedKeys(path, "it holds no valid key") from None
    if bytes.fromhex(account.address[2:]) != public.address:
        raise DamagedKeys(path, "it holds another account than identity.json names")
    return account


def load_public(directory: Path) -> PublicIdentity:
    """Read the public part of a key directory; takes no password. Raises ``NoKeys`` or ``DamagedKeys``."""
    path = directory / IDENTITY_FILE
    try:
        return parse_public(read_json(path))
    except ValueError as error:
        raise DamagedKeys(path, str(error)) from None


def parse_public(content: Json) -> PublicIdentity:
    """Read the content of ``identity.json``. Raises ``ValueError``."""
    if set(content) != {"address", "consensusKey", "peerId"}:
        raise ValueError("it should hold address, consensusKey and peerId")
    public = PublicIdentity(
        address=hex_field(content, "address", 20),
        consensus_key=hex_field(content, "consensusKey", 48),
        peer_id=str(content["peerId"]),
    )
    if not 32 <= len(public.peer_id) <= 64 or not 32 <= len(public.peer_id_bytes) <= 64:
        raise ValueError("peerId is no peer id")
    return public


def _seal_consensus(secret: Secret, password: str, work: int, path: str = "") -> Json:
    return eip2335.seal(secret, password, work, public_key=consensus_key_of(secret), path=path)


def _further_file(public: bytes) -> str:
    return FURTHER_PATTERN.replace("*", public.hex()[:16])


def _work_of(directory: Path) -> int:
    """How hard the files of a directory are to open: a further one is not easier."""
    parameters = read_json(directory / PEER_FILE).get("crypto", {}).get("kdfparams", {})
    work = parameters.get("n", STRONG_SCRYPT_N)
    return work if isinstance(work, int) else STRONG_SCRYPT_N
