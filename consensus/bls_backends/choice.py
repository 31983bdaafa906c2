"""Choose the backend: the fast one where it is there and passes the self-test, else the reference, aloud."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from consensus.bls_backends.protocol import Backend

FAST_PACKAGE = "py-arkworks-bls12381"

_DST = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
_SECRET = 0x263DBD792F5B1BE47ED85F8938C0F29586AF0D3AC7B977F21C278FE1462040E3
_MESSAGE = b"\x56" * 32
_KEY = bytes.fromhex(
    "a491d1b0ecd9bb917989f0e74f0dea0422eac4a873e5e2644f368dffb9a6e20fd6e10c1b77654d067c0618f6e5a7f79a"
)
_SIGNATURE = bytes.fromhex(
    "882730e5d03f6b42c3abc26d3372625034e1d871b65a8a6b900a56dae22da98abbe1b68f85e49fe7652a55ec3d0591c2"
    "0767677e33e5cbb1207315c41a9ac03be39c2e7668edc043d6cb1d9fd93033caa8a1c5b0e84bedaeb6c64972503a43eb"
)
_REFUSED_KEYS = (
    b"\xe0" + bytes(47),  # infinity with a sign
    b"\xc0" + bytes(46) + b"\x01",  # infinity with a coordinate
    b"\x40" + bytes(47),  # infinity, not marked as compressed
    b"\x9a" + b"\xff" * 47,  # coordinate above the modulus
    b"\x80" + bytes(46) + b"\x01",  # x = 1 is on no point of the curve
    b"\x80" + bytes(46) + b"\x04",  # a point of the curve outside the subgroup
)


class SelfTestError(RuntimeError):
    """A backend gives a wrong answer to a known question."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The backend in use, and what to do about it if it is not the fast one."""

    backend: Backend
    advice: str | None


def self_test(backend: Backend) -> None:
    """Raise ``SelfTestError`` unless the backend signs, verifies and refuses as it must (about 4 ms)."""
    hashed = backend.hash_to_g2(_MESSAGE, _DST)
    if backend.encode_g1(backend.public_key(_SECRET)) != _KEY:
        raise SelfTestError(f"{backend.name}: wrong public key")
    if backend.encode_g2(backend.multiply_g2(hashed, _SECRET)) != _SIGNATURE:
        raise SelfTestError(f"{backend.name}: wrong signature")
    key, signature = backend.decode_g1(_KEY), backend.decode_g2(_SIGNATURE)
    if not backend.pairings_cancel([backend.negative_generator(), key], [signature, hashed]):
        raise SelfTestError(f"{backend.name}: refuses a right signature")
    if backend.pairings_cancel([backend.negative_generator(), key], [hashed, signature]):
        raise SelfTestError(f"{backend.name}: accepts a wrong signature")
    for data in _REFUSED_KEYS:
        try:
            backend.decode_g1(data)
        except ValueError:
            continue
        raise SelfTestError(f"{backend.name}: accepts {data.hex()} as a point")


def _fast() -> Backend:
    from consensus.bls_backends import arkworks

    return arkworks.load()


def _reference() -> Backend:
    from consensus.bls_backends import reference

    return reference.load()


@cache
def choose_backend() -> Choice:
    """Return the fast backend, or the reference together with what to do about it."""
    try:
        backend = _fast()
        self_test(backend)
    except (ImportError, SelfTestError) as error:
        slow = _reference()
        self_test(slow)
        advice = (
            f"signatures are checked by {slow.name}, about 200 times too slow for a node, because the fast "
            f"backend cannot be used ({error}); run: pip install --force-reinstall {FAST_PACKAGE}"
        )
        return Choice(slow, advice)
    return Choice(backend, None)
