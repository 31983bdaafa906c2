"""Choose the backend: blst, else arkworks, else the reference; the latter two aloud.

Each is used only if it is there and passes the self-test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from consensus.bls_backends.protocol import Backend

FASTEST_PACKAGE = "ckzg==2.1.8"
SECOND_PACKAGE = "py-arkworks-bls12381"

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
_KEY_WEIGHED = bytes.fromhex(
    "a1dcbcd119c0b34012fb4b1ff6108a0f251362c9d01fca3cd4cbc43d3d99505f61dab27f20224908f06d414eca636ac1"
)
_SIGNATURE_WEIGHED = bytes.fromhex(
    "b9e8b3eef5901bb4e76ecaae5e391eb00c859f4c334ec089fc5de38b356fbb49c210a868ccc3755c9261ce9e1b3415bf"
    "00f7c7b43898a9810747d2da72f93c9a6ce69a8f676b559b869e309a587f36d76251d8069620cc67097e178b992eed21"
)
_REFUSED_KEYS = (
    b"\xe0" + bytes(47),  # infinity with a sign
    b"\xc0" + bytes(46) + b"\x01",  # infinity with a coordinate
    b"\x40" + bytes(47),  # infinity, not marked as compressed
    b"\x9a" + b"\xff" * 47,  # coordinate above the modulus
    b"\x80" + bytes(46) + b"\x01",  # x = 1 is on no point of the curve
    b"\x80" + bytes(46) + b"\x04",  # a point of the curve outside the subgroup
)
_REFUSED_SIGNATURES = (
    b"\xe0" + bytes(95),
    b"\xc0" + bytes(94) + b"\x01",
    b"\x40" + bytes(95),
    b"\x9a" + b"\xff" * 95,
    b"\x80" + bytes(94) + b"\x01",  # x = 1 is on no point of the curve
    b"\x80" + bytes(94) + b"\x02",  # a point of the curve outside the subgroup
)


class SelfTestError(RuntimeError):
    """A backend gives a wrong answer to a known question."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The backend in use, and what to do about it if it is not the fastest one."""

    backend: Backend
    advice: str | None


def self_test(backend: Backend) -> None:
    """Raise ``SelfTestError`` unless the backend signs, verifies and refuses as it must (2 to 5 ms)."""
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
    # 3 + 5 + 2^64 - 9 times one point is its 2^64 - 1st multiple: sums under weights as batches use them.
    weights = (3, 5, 2**64 - 9)
    if backend.encode_g1(backend.weigh_g1([key] * 3, weights)) != _KEY_WEIGHED:
        raise SelfTestError(f"{backend.name}: wrong sum of keys")
    if backend.encode_g2(backend.weigh_g2([signature] * 3, weights)) != _SIGNATURE_WEIGHED:
        raise SelfTestError(f"{backend.name}: wrong sum of signatures")
    _test_refusals(backend)


def _test_refusals(backend: Backend) -> None:
    decoders = ((backend.decode_g1, _REFUSED_KEYS), (backend.decode_g2, _REFUSED_SIGNATURES))
    for decode, refused in decoders:
        for data in refused:
            try:
                decode(data)
            except ValueError:
                continue
            raise SelfTestError(f"{backend.name}: accepts {data.hex()} as a point")


def _blst() -> Backend:
    from consensus.bls_backends import blst

    return blst.load()


def _arkworks() -> Backend:
    from consensus.bls_backends import arkworks

    return arkworks.load()


def _reference() -> Backend:
    from consensus.bls_backends import reference

    return reference.load()


def _tested(load: Callable[[], Backend]) -> Backend:
    backend = load()
    self_test(backend)
    return backend


@cache
def choose_backend() -> Choice:
    """Return the fastest backend that works, with advice where it is not the one a node should have."""
    try:
        return Choice(_tested(_blst), None)
    except (ImportError, SelfTestError) as error:
        fastest = f"the fastest backend cannot be used ({error})"
    remedy = f"pip install --force-reinstall {FASTEST_PACKAGE}"
    try:
        second = _tested(_arkworks)
    except (ImportError, SelfTestError) as error:
        slow = _tested(_reference)
        advice = (
            f"signatures are checked by {slow.name}, several hundred times too slow for a node, because "
            f"{fastest}, nor the second ({error}); run: {remedy} {SECOND_PACKAGE}"
        )
        return Choice(slow, advice)
    advice = (
        f"signatures are checked by {second.name}, which takes two to three times as long, because "
        f"{fastest}; run: {remedy}"
    )
    return Choice(second, advice)
