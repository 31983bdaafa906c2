"""The backends against each other, what each refuses, and how blst is called."""

from __future__ import annotations

import _ctypes
import random
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from consensus import bls, vrf
from consensus.bls import BlsScheme
from consensus.bls_backends import arkworks, blst, choice, encoding, reference
from consensus.bls_backends.protocol import CURVE_ORDER, Backend
from consensus.signing import SignatureCheck
from tests.unit.consensus import hostile
from tests.unit.consensus.factory import Coefficients, key, secret

MESSAGE = hostile.MESSAGE
BACKENDS = {"blst": blst.load(), "arkworks": arkworks.load(), "py-ecc": reference.load()}
FAST = [BACKENDS["blst"], BACKENDS["arkworks"]]
DST = bls.DST_SIGNATURE

every_backend = pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
fast_backends = pytest.mark.parametrize("backend", FAST, ids=["blst", "arkworks"])


# --- what each refuses ------------------------------------------------------------------------------------


@every_backend
@pytest.mark.parametrize("data", hostile.MALFORMED_KEYS, ids=lambda data: data.hex()[:12])
def test_malformed_keys(backend: Backend, data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        backend.decode_g1(data)


@every_backend
@pytest.mark.parametrize("data", hostile.MALFORMED_SIGNATURES, ids=lambda data: data.hex()[:12])
def test_malformed_signatures(backend: Backend, data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        backend.decode_g2(data)


def test_blst_sees_canonical_encodings_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(group: object, data: bytes) -> bytes:
        raise AssertionError(f"the library was asked about {data.hex()}")

    monkeypatch.setattr(blst._Group, "decode", reached)
    backend = BACKENDS["blst"]
    kinds = (
        (backend.decode_g1, encoding.check_g1_form, hostile.MALFORMED_KEYS),
        (backend.decode_g2, encoding.check_g2_form, hostile.MALFORMED_SIGNATURES),
    )
    for decode, check_form, malformed in kinds:
        without_form = [data for data in malformed if not accepted(check_form, data)]
        assert len(without_form) > 12
        assert not any(accepted(decode, data) for data in without_form)


@every_backend
def test_the_scheme_refuses_whatever_is_no_key_and_no_signature(backend: Backend) -> None:
    scheme = BlsScheme(backend)
    for data in hostile.NO_KEYS:
        with pytest.raises(bls.BlsError, match="not a public key"):
            scheme.check_key(data)
        assert not scheme.verify(data, MESSAGE, hostile.SIGNATURE)
        assert scheme.find_bad([SignatureCheck((data,), MESSAGE, hostile.SIGNATURE)], bytes) == (0,)
    for data in hostile.NO_SIGNATURES:
        with pytest.raises(bls.BlsError, match="not a signature"):
            scheme.check_signature(data)
        assert not scheme.verify(hostile.KEY, MESSAGE, data)
        assert scheme.find_bad([SignatureCheck((hostile.KEY,), MESSAGE, data)], bytes) == (0,)
    assert not scheme.verify(encoding.INFINITY_G1, MESSAGE, encoding.INFINITY_G2)


@every_backend
def test_one_form_of_infinity_decodes(backend: Backend) -> None:
    assert backend.is_infinity_g1(backend.decode_g1(encoding.INFINITY_G1))
    assert backend.is_infinity_g2(backend.decode_g2(encoding.INFINITY_G2))
    assert backend.encode_g1(backend.sum_g1([])) == encoding.INFINITY_G1
    assert backend.encode_g2(backend.sum_g2([])) == encoding.INFINITY_G2


def accepted(decode: Callable[[bytes], object], data: bytes) -> bool:
    try:
        decode(data)
    except ValueError:
        return False
    return True


def test_the_backends_take_the_same_of_random_bytes_and_of_changed_points() -> None:
    rng = random.Random(3)
    taken = 0
    for turn in range(60):
        for name, size in (("decode_g1", 48), ("decode_g2", 96)):
            data = bytearray(rng.randbytes(size))
            data[0] = rng.choice((0x80, 0xA0)) | data[0] & 0x0F
            if turn % 2:
                point = key(turn % 5) if size == 48 else hostile.SIGNATURE
                data = bytearray(point)
                data[rng.randrange(size)] ^= 1 << rng.randrange(8)
            if turn % 10 == 0:
                data = bytearray(key(turn) if size == 48 else bls.sign(secret(turn), MESSAGE))
                data[0] ^= 0x20  # the negative of a point: another point
            verdicts = {accepted(getattr(backend, name), bytes(data)) for backend in BACKENDS.values()}
            assert len(verdicts) == 1, bytes(data).hex()
            taken += verdicts == {True}
    assert 12 <= taken < 60


# --- the same arithmetic ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 64, 200])
def test_hashing_to_the_curve(size: int) -> None:
    message = bytes(range(size))
    for dst in (DST, bls.DST_POSSESSION, vrf.DST_VRF, b"x", b"y" * 255):
        hashed = {backend.encode_g2(backend.hash_to_g2(message, dst)) for backend in FAST}
        if dst in (DST, b"y" * 255):
            slow = BACKENDS["py-ecc"]
            hashed.add(slow.encode_g2(slow.hash_to_g2(message, dst)))
        assert len(hashed) == 1


def test_keys_and_products() -> None:
    rng = random.Random(4)
    scalars = [1, 2, CURVE_ORDER - 1, 2**64, 2**254 + 1] + [rng.randrange(1, CURVE_ORDER) for _ in range(3)]
    for scalar in scalars:
        keys, products = set(), set()
        for backend in BACKENDS.values():
            keys.add(backend.encode_g1(backend.public_key(scalar)))
            point = backend.decode_g2(hostile.SIGNATURE)
            products.add(backend.encode_g2(backend.multiply_g2(point, scalar)))
        assert (len(keys), len(products)) == (1, 1), scalar


@every_backend
def test_nothing_times_a_point(backend: Backend) -> None:
    assert backend.encode_g1(backend.public_key(0)) == encoding.INFINITY_G1
    point = backend.decode_g2(hostile.SIGNATURE)
    assert backend.encode_g2(backend.multiply_g2(point, 0)) == encoding.INFINITY_G2
    nothing = backend.decode_g2(encoding.INFINITY_G2)
    assert backend.encode_g2(backend.multiply_g2(nothing, 7)) == encoding.INFINITY_G2


def sums(backend: Backend, keys: list[bytes], signatures: list[bytes], scalars: list[int]) -> list[bytes]:
    in_g1 = [backend.decode_g1(each) for each in keys]
    in_g2 = [backend.decode_g2(each) for each in signatures]
    return [
        backend.encode_g1(backend.sum_g1(in_g1)),
        backend.encode_g2(backend.sum_g2(in_g2)),
        backend.encode_g1(backend.weigh_g1(in_g1, scalars)),
        backend.encode_g2(backend.weigh_g2(in_g2, scalars)),
    ]


def negated(compressed: bytes) -> bytes:
    return bytes([compressed[0] ^ 0x20]) + compressed[1:]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 16, 33, 64, 200])
def test_sums_of_random_points(count: int) -> None:
    rng = random.Random(count)
    keys = [key(rng.randrange(64)) for _ in range(count)]
    signatures = [bls.sign(secret(rng.randrange(64)), MESSAGE) for _ in range(count)]
    scalars = [rng.randrange(1, 2**64) for _ in range(count)]
    expected = sums(FAST[0], keys, signatures, scalars)
    assert sums(FAST[1], keys, signatures, scalars) == expected
    if count <= 5:
        assert sums(BACKENDS["py-ecc"], keys, signatures, scalars) == expected


@every_backend
@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_sums_of_special_points(backend: Backend, count: int) -> None:
    same = [key(0)] * count, [hostile.SIGNATURE] * count
    for scalar in (1, 2**64, 2**64 - 1, CURVE_ORDER - 1):
        weighed = sums(backend, *same, [scalar] * count)
        product = count * scalar % CURVE_ORDER
        fast = FAST[0]
        assert weighed[2] == fast.encode_g1(fast.public_key(secret(0).scalar() * product % CURVE_ORDER))
        assert weighed[3] == fast.encode_g2(fast.multiply_g2(fast.decode_g2(hostile.SIGNATURE), product))
        if backend is BACKENDS["py-ecc"]:
            break
    with_nothing = sums(
        backend,
        [encoding.INFINITY_G1, key(1), encoding.INFINITY_G1],
        [encoding.INFINITY_G2, hostile.SIGNATURE, encoding.INFINITY_G2],
        [5, 1, 0],
    )
    assert with_nothing == [key(1), hostile.SIGNATURE] * 2
    cancelled = sums(
        backend, [key(1), negated(key(1))], [hostile.SIGNATURE, negated(hostile.SIGNATURE)], [7, 7]
    )
    assert cancelled == [encoding.INFINITY_G1, encoding.INFINITY_G2] * 2
    assert sums(backend, [key(1)], [hostile.SIGNATURE], [0])[2:] == cancelled[2:]


@every_backend
def test_pairings(backend: Backend) -> None:
    hashed = backend.hash_to_g2(MESSAGE, DST)
    minus = backend.negative_generator()
    one, two = backend.public_key(3), backend.public_key(5)
    joined = backend.multiply_g2(hashed, 8)
    assert backend.pairings_cancel([minus, one, two], [joined, hashed, hashed])
    assert not backend.pairings_cancel([minus, one], [joined, hashed])
    assert not backend.pairings_cancel([minus], [joined])
    nothing_g1, nothing_g2 = backend.sum_g1([]), backend.sum_g2([])
    assert backend.pairings_cancel([], [])
    assert backend.pairings_cancel([nothing_g1, one], [hashed, nothing_g2])
    assert not backend.pairings_cancel([nothing_g1, one], [hashed, hashed])
    with pytest.raises(ValueError, match=r"."):
        backend.pairings_cancel([minus, one], [joined])


@fast_backends
def test_pairings_of_many(backend: Backend) -> None:
    # More than blst handles in one go.
    count = 70
    hashes = [backend.hash_to_g2(bytes([i]), DST) for i in range(count)]
    keys = [backend.public_key(i + 2) for i in range(count)]
    joined = backend.sum_g2([backend.multiply_g2(h, i + 2) for i, h in enumerate(hashes)])
    minus = backend.negative_generator()
    assert backend.pairings_cancel([minus, *keys], [joined, *hashes])
    assert not backend.pairings_cancel([minus, *keys], [joined, *hashes[::-1]])


@every_backend
def test_the_scheme_gives_the_same(backend: Backend) -> None:
    scheme = BlsScheme(backend)
    assert scheme.public_key(secret(0)) == hostile.KEY
    assert scheme.sign(secret(0), MESSAGE) == hostile.SIGNATURE
    assert scheme.sign(secret(0), MESSAGE, vrf.DST_VRF) == vrf.prove(secret(0), MESSAGE)
    keys = [key(0), key(1)]
    signatures = [hostile.SIGNATURE, bls.sign(secret(1), MESSAGE)]
    pair = scheme.aggregate(signatures)
    assert pair == bls.aggregate(signatures)
    assert scheme.fast_aggregate_verify(keys, MESSAGE, pair)
    assert scheme.batch_verify_same_message(keys, MESSAGE, signatures, Coefficients()) == ()
    # Swapped, their sum still holds; under coefficients it does not.
    assert scheme.batch_verify_same_message(keys, MESSAGE, signatures[::-1], Coefficients()) == (0, 1)


@fast_backends
@pytest.mark.parametrize("seed", range(6))
def test_the_bad_ones_of_a_large_batch(backend: Backend, seed: int) -> None:
    rng = random.Random(seed)
    checks, bad = [], []
    for position in range(rng.choice((16, 64, 128))):
        who, message = rng.randrange(64), rng.choice((MESSAGE, b"other" * 4, bytes([position]) * 32))
        wrong = rng.random() < (0, 0.02, 0.1, 0.35, 1, 0.5)[seed]
        if wrong:
            bad.append(position)
        signature = bls.sign(secret(who), message + b"!" * wrong)
        checks.append(SignatureCheck((key(who),), message, signature))
    assert BlsScheme(backend).find_bad(checks, Coefficients()) == tuple(bad)


# --- blst through ctypes ----------------------------------------------------------------------------------


def test_blst_refuses_points_of_the_wrong_size() -> None:
    # Such bytes would make it read beyond their end.
    backend = blst.load()
    in_g1, in_g2 = backend.public_key(1), backend.hash_to_g2(b"", DST)
    for bad_g1 in (b"", in_g1[:-1], in_g1 + b"\0", key(0)):
        for call in (
            lambda bad: backend.encode_g1(bad),
            lambda bad: backend.sum_g1([in_g1, bad]),
            lambda bad: backend.weigh_g1([in_g1, bad], [1, 1]),
            lambda bad: backend.weigh_g1([bad], [1]),
            lambda bad: backend.pairings_cancel([in_g1, bad], [in_g2, in_g2]),
        ):
            with pytest.raises(ValueError, match=r"a point has 96 bytes|points of the wrong group"):
                call(bad_g1)
    for bad_g2 in (b"", in_g2[:-1], in_g2 + b"\0", in_g1):
        for call in (
            lambda bad: backend.encode_g2(bad),
            lambda bad: backend.multiply_g2(bad, 5),
            lambda bad: backend.sum_g2([bad]),
            lambda bad: backend.weigh_g2([bad, in_g2], [1, 1]),
            lambda bad: backend.pairings_cancel([in_g1], [bad]),
        ):
            with pytest.raises(ValueError, match=r"a point has 192 bytes|points of the wrong group"):
                call(bad_g2)


@pytest.mark.parametrize("scalar", [-1, CURVE_ORDER, 2**256, 2**300])
def test_blst_refuses_scalars_outside_the_field(scalar: int) -> None:
    backend = blst.load()
    point = backend.hash_to_g2(b"", DST)
    for call in (
        lambda: backend.public_key(scalar),
        lambda: backend.multiply_g2(point, scalar),
        lambda: backend.weigh_g2([point], [scalar]),
        lambda: backend.weigh_g2([point, point], [1, scalar]),
    ):
        with pytest.raises(ValueError, match="of the field"):
            call()


def test_blst_wants_a_scalar_for_each_point() -> None:
    backend = blst.load()
    with pytest.raises(ValueError, match=r"zip"):
        backend.weigh_g1([backend.public_key(1)], [1, 2])


def test_blst_leaves_what_it_is_given_unchanged() -> None:
    backend = blst.load()
    points = [backend.public_key(i + 1) for i in range(9)]
    copies = [bytes(bytearray(point)) for point in points]
    backend.sum_g1(points)
    backend.weigh_g1(points, range(1, 10))
    backend.encode_g1(points[0])
    assert points == copies


def test_many_threads_may_use_one_scheme() -> None:
    scheme = BlsScheme(blst.load())
    checks = [SignatureCheck((key(i),), MESSAGE, bls.sign(secret(i % 15), MESSAGE)) for i in range(16)]
    found: list[tuple[int, ...]] = []

    def work() -> None:
        for _ in range(10):
            found.append(scheme.find_bad(checks, Coefficients()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(15,)] * 40


def test_another_release_of_the_package_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blst, "version", lambda package: "2.9.0")
    with pytest.raises(ImportError, match=r"ckzg 2\.9\.0 is installed, 2\.1\.8"):
        blst.load()


def test_a_library_without_blst_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import ckzg

    not_a_library = tmp_path / "ckzg.so"
    not_a_library.write_bytes(b"no library")
    for path in (not_a_library, _ctypes.__file__):
        monkeypatch.setattr(ckzg, "__file__", str(path))
        with pytest.raises(ImportError, match="does not offer blst on this machine"):
            blst.load()


def test_other_sizes_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(blst._SIZES, "blst_p2_sizeof", 287)
    with pytest.raises(ImportError, match="blst_p2_sizeof is 288 bytes in this build of ckzg, not 287"):
        blst.load()


def test_the_pin_is_one() -> None:
    pinned = f"{blst.PACKAGE}=={blst.PINNED}"
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert pinned in project["project"]["dependencies"]
    assert pinned == choice.FASTEST_PACKAGE
