"""The beacon: a BLS signature, which is unique, under its own domain tag, makes each epoch's seed."""

from __future__ import annotations

from typing import Final

from consensus import bls
from consensus.hashing import words

DST_VRF: Final = b"P2PAVS_VRF_BLS12381G2_XMD:SHA-256_SSWU_RO_"


def pre_seed(seed: bytes, epoch: int, randomness: bytes) -> bytes:
    """Return what the seed of ``epoch`` is made from, fixed when its set is frozen.

    ``seed`` is the running epoch's, ``randomness`` the freezing block's.
    """
    return words("p2pavs/pre-seed/1", seed, epoch, randomness)


def vrf_input(chain_id: int, manager: bytes, epoch: int, rank: int, pre_seed_: bytes) -> bytes:
    """Return what the leader of a rank signs for an epoch (32 B). ``manager`` is the contract's address."""
    return words("p2pavs/vrf-in/1", chain_id, manager, epoch, rank, pre_seed_)


def prove(secret: bls.SecretKey, message: bytes) -> bytes:
    """Return the proof (96 B) for a 32-byte input."""
    return bls.sign(secret, message, DST_VRF)


def output(proof: bytes) -> bytes:
    """Return the output (32 B) of a proof; raises ``bls.BlsError`` if the proof is no canonical point.

    The bytes are hashed, so another encoding of the same point would be another output: hence the check.
    """
    bls.check_signature(proof)
    return words("p2pavs/vrf-out/1", proof[:32], proof[32:64], proof[64:])


def verify(key: bytes, message: bytes, proof: bytes) -> bytes | None:
    """Return the output of a proof that holds for this key and input, None for any other."""
    return output(proof) if bls.verify(key, message, proof, DST_VRF) else None


def next_seed(pre_seed_: bytes, output_: bytes) -> bytes:
    """Return the seed of the epoch that a leader's output opens."""
    return words("p2pavs/seed/1", pre_seed_, output_)
