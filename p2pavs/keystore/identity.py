"""Who an operator is: its public identity, and its secrets once they are open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from p2pavs.errors import UsageError
from p2pavs.keystore.errors import KeysAreRemote
from p2pavs.keystore.secret import SECP256K1_ORDER, SECRET_BYTES, Secret

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from consensus.bls import SecretKey
    from p2pavs.remote_signer.link import SignerLink

_ED25519_PROTOBUF = bytes.fromhex("08011220")  # key type Ed25519, then 32 bytes of key
_IDENTITY_MULTIHASH = b"\x00"


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

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``identity.json``."""
        from eth_utils.address import to_checksum_address

        return {
            "address": to_checksum_address(self.address),
            "consensusKey": "0x" + self.consensus_key.hex(),
            "peerId": self.peer_id,
        }


@dataclass(frozen=True, slots=True)
class Identity:
    """An operator's keys, opened. ``remote`` holds those of account and consensus in another place."""

    public: PublicIdentity
    account_secret: Secret | None
    consensus_secret: Secret | None
    peer_seed: Secret
    further_consensus_secrets: tuple[Secret, ...] = ()
    """Of keys that were made to take the first one's place (``add_consensus_key``)."""
    remote: SignerLink | None = None

    def consensus_keys(self) -> dict[bytes, SecretKey]:
        """Return all consensus keys: the secret by its public key (48 bytes). Raises ``KeysAreRemote``."""
        from consensus import bls

        if self.consensus_secret is None:
            raise KeysAreRemote("consensus key")
        secrets = (self.consensus_secret, *self.further_consensus_secrets)
        return {bls.public_key(key): key for key in (bls.SecretKey(secret.reveal()) for secret in secrets)}

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        return self.public.address

    def account(self) -> LocalAccount:
        """Return the account as a signer of transactions. Raises ``KeysAreRemote``."""
        if self.account_secret is None:
            raise KeysAreRemote("account")
        return account_of(self.account_secret)


def identity_of(account_secret: Secret, consensus_secret: Secret, peer_seed: Secret) -> Identity:
    """Return the identity that three secrets make. Raises ``ValueError`` or ``UsageError``."""
    public = PublicIdentity(
        address=bytes.fromhex(account_of(account_secret).address[2:]),
        consensus_key=consensus_key_of(consensus_secret),
        peer_id=peer_id_of(peer_seed),
    )
    return Identity(public, account_secret, consensus_secret, peer_seed)


def account_of(secret: Secret) -> LocalAccount:
    """Return the signer of transactions for an account secret. Raises ``UsageError`` if it is none."""
    from eth_account import Account

    number = int.from_bytes(secret.reveal(), "big")
    if len(secret.reveal()) != SECRET_BYTES or not 0 < number < SECP256K1_ORDER:
        raise UsageError(
            "The account key is not a valid secp256k1 key.", "Give 32 bytes that are not zero, in hex."
        )
    account: LocalAccount = Account.from_key(secret.reveal())
    return account


def consensus_key_of(secret: Secret) -> bytes:
    """Return the public key (48 B) of a consensus secret. Raises ``ValueError`` if it is none."""
    from consensus import bls

    return bls.public_key(bls.SecretKey(secret.reveal()))


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
