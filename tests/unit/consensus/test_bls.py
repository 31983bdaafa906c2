"""The signature scheme: what it accepts, what it refuses, and both backends against each other."""

from __future__ import annotations

import pickle

import pytest

from consensus import bls, signing, vrf
from consensus.bls_backends import arkworks, blst, encoding
from consensus.bls_backends.protocol import CURVE_ORDER
from consensus.signing import SignatureCheck
from tests.unit.consensus.factory import Coefficients, address, key, secret
from tests.unit.consensus.hostile import NO_KEYS, NO_SIGNATURES

MESSAGE = b"\x42" * 32
KEYS = [key(i) for i in range(5)]
SIGNATURES = [bls.sign(secret(i), MESSAGE) for i in range(5)]


def negated(compressed: bytes) -> bytes:
    return bytes([compressed[0] ^ 0x20]) + compressed[1:]


@pytest.mark.parametrize("scalar", [0, CURVE_ORDER, CURVE_ORDER + 1, 2**256 - 1])
def test_secrets_outside_the_field_are_refused(scalar: int) -> None:
    with pytest.raises(bls.BlsError, match="zero or not below"):
        bls.SecretKey(scalar.to_bytes(32, "big"))


def test_a_secret_does_not_show_itself() -> None:
    made = bls.SecretKey((12345).to_bytes(32, "big"))
    assert "12345" not in repr(made) + str(made)
    with pytest.raises(TypeError):
        pickle.dumps(made)


@pytest.mark.parametrize("data", NO_KEYS, ids=lambda data: data.hex()[:12])
def test_bad_keys_are_refused_everywhere(data: bytes) -> None:
    for use in (bls.check_key, bls.key_xy, bls.public_key_to_evm):
        with pytest.raises(bls.BlsError, match="not a public key"):
            use(data)
    assert not bls.verify(data, MESSAGE, SIGNATURES[0])
    assert not bls.fast_aggregate_verify([KEYS[0], data], MESSAGE, SIGNATURES[0])
    assert not bls.aggregate_verify([data], [MESSAGE], SIGNATURES[0])
    assert bls.batch_verify_same_message([KEYS[0], data], MESSAGE, SIGNATURES[:2], Coefficients()) == (1,)


@pytest.mark.parametrize("data", NO_SIGNATURES, ids=lambda data: data.hex()[:12])
def test_bad_signatures_are_refused_everywhere(data: bytes) -> None:
    for use in (bls.check_signature, bls.signature_to_evm, vrf.output, lambda s: bls.aggregate([s])):
        with pytest.raises(bls.BlsError, match="not a signature"):
            use(data)
    assert not bls.verify(KEYS[0], MESSAGE, data)
    assert not bls.aggregate_verify(KEYS[:1], [MESSAGE], data)
    assert bls.batch_verify_same_message(KEYS[:2], MESSAGE, [data, SIGNATURES[1]], Coefficients()) == (0,)


def test_signatures_hold_for_their_key_and_message_only() -> None:
    assert bls.verify(KEYS[0], MESSAGE, SIGNATURES[0])
    assert not bls.verify(KEYS[1], MESSAGE, SIGNATURES[0])
    assert not bls.verify(KEYS[0], MESSAGE + b"\0", SIGNATURES[0])
    assert not bls.verify(KEYS[0], MESSAGE, negated(SIGNATURES[0]))


def test_aggregates() -> None:
    joined = bls.aggregate(SIGNATURES)
    assert bls.fast_aggregate_verify(KEYS, MESSAGE, joined)
    assert not bls.fast_aggregate_verify(KEYS[:4], MESSAGE, joined)
    assert not bls.fast_aggregate_verify([], MESSAGE, joined)
    messages = [bytes([i]) * 32 for i in range(3)]
    several = bls.aggregate([bls.sign(secret(i), message) for i, message in enumerate(messages)])
    assert bls.aggregate_verify(KEYS[:3], messages, several)
    assert not bls.aggregate_verify(KEYS[:3], messages[::-1], several)
    assert not bls.aggregate_verify(KEYS[:3], messages[:2], several)
    with pytest.raises(bls.BlsError, match="no signatures"):
        bls.aggregate([])


def test_what_cancels_out_is_refused() -> None:
    with pytest.raises(bls.BlsError, match="cancel out"):
        bls.aggregate([SIGNATURES[0], negated(SIGNATURES[0])])
    # A key and its negative sum to infinity, under which the infinity signature would hold for anything.
    keys = (KEYS[0], negated(KEYS[0]))
    with pytest.raises(bls.BlsError, match="keys cancel out"):
        bls.SCHEME._join_keys(keys)
    assert not bls.fast_aggregate_verify(keys, MESSAGE, SIGNATURES[0])
    assert bls.find_bad([SignatureCheck(keys, MESSAGE, SIGNATURES[0])], Coefficients()) == (0,)


def test_a_batch_finds_swapped_signatures_that_an_aggregate_hides() -> None:
    swapped = [SIGNATURES[1], SIGNATURES[0], *SIGNATURES[2:]]
    assert bls.fast_aggregate_verify(KEYS, MESSAGE, bls.aggregate(swapped))
    assert bls.batch_verify_same_message(KEYS, MESSAGE, swapped, Coefficients()) == (0, 1)
    assert bls.batch_verify_same_message(KEYS, MESSAGE, SIGNATURES, Coefficients()) == ()


def test_a_batch_of_different_messages_and_aggregates() -> None:
    other = b"\x43" * 32
    checks = [
        SignatureCheck((KEYS[0],), MESSAGE, SIGNATURES[0]),
        SignatureCheck(tuple(KEYS[1:4]), MESSAGE, bls.aggregate(SIGNATURES[1:4])),
        SignatureCheck((KEYS[1],), other, bls.sign(secret(1), other)),
        SignatureCheck((KEYS[0],), MESSAGE, SIGNATURES[0]),
    ]
    rng = Coefficients()
    assert bls.find_bad(checks, rng) == ()
    assert rng.calls == len(checks)
    wrong = SignatureCheck((KEYS[2],), other, SIGNATURES[2])
    assert bls.find_bad([checks[0], wrong, *checks[1:], wrong], rng) == (1, 5)
    assert bls.find_bad([], rng) == ()


class Counting:
    """blst, counting the products of pairings it is asked for and how many pairings each has."""

    def __init__(self) -> None:
        self._real = blst.load()
        self.sizes: list[int] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def pairings_cancel(self, left: list[object], right: list[object]) -> bool:
        self.sizes.append(len(left))
        return self._real.pairings_cancel(left, right)


def test_a_batch_that_holds_costs_one_product_of_pairings() -> None:
    backend = Counting()
    scheme = bls.BlsScheme(backend)
    assert scheme.batch_verify_same_message(KEYS, MESSAGE, SIGNATURES, Coefficients()) == ()
    assert backend.sizes == [2]
    tags = [SignatureCheck((KEYS[i],), bytes([i]) * 32, bls.sign(secret(i), bytes([i]) * 32)) for i in (0, 1)]
    assert scheme.find_bad([*tags, SignatureCheck((KEYS[2],), MESSAGE, SIGNATURES[2])], Coefficients()) == ()
    assert backend.sizes == [2, 4]


@pytest.mark.parametrize("position", [0, 1, 31, 32, 62, 63])
def test_one_bad_vote_in_64_costs_no_64_checks(position: int) -> None:
    backend = Counting()
    scheme = bls.BlsScheme(backend)
    keys, signatures = [KEYS[0]] * 64, [SIGNATURES[0]] * 64
    signatures[position] = SIGNATURES[1]
    found = scheme.batch_verify_same_message(keys, MESSAGE, signatures, Coefficients())
    assert found == (position,)
    assert len(backend.sizes) <= 20


@pytest.mark.parametrize("bad", [range(0, 64, 3), range(21), range(43, 64), range(64)])
def test_however_many_are_bad_they_are_found_at_little_more_than_a_check_each(bad: range) -> None:
    backend = Counting()
    scheme = bls.BlsScheme(backend)
    signatures = [SIGNATURES[1] if i in bad else SIGNATURES[0] for i in range(64)]
    found = scheme.batch_verify_same_message([KEYS[0]] * 64, MESSAGE, signatures, Coefficients())
    assert found == tuple(bad)
    assert len(backend.sizes) <= 64 + 11


def test_bad_ones_among_different_messages_keep_their_positions() -> None:
    # Interleaved as tagged votes are: the search works on them sorted by message.
    checks = []
    for i in range(12):
        tag = bytes([i]) * 32
        vote = SIGNATURES[0] if i != 7 else SIGNATURES[1]
        checks.append(SignatureCheck((KEYS[0],), MESSAGE, vote))
        checks.append(SignatureCheck((KEYS[0],), tag, bls.sign(secret(0 if i != 3 else 1), tag)))
    checks[20] = SignatureCheck((KEYS[0],), MESSAGE, encoding.INFINITY_G2)
    assert bls.find_bad(checks, Coefficients()) == (7, 14, 20)


def test_the_search_keeps_claims_on_one_message_together() -> None:
    backend = Counting()
    checks = []
    for i in range(16):
        tag = bytes([i]) * 32
        checks.append(SignatureCheck((KEYS[0],), MESSAGE, SIGNATURES[1 if i == 5 else 0]))
        checks.append(SignatureCheck((KEYS[0],), tag, bls.sign(secret(0), tag)))
    assert bls.BlsScheme(backend).find_bad(checks, Coefficients()) == (10,)
    # All 17 messages; then the votes alone, 16, 8, 4 and so on of them, a pairing and the signatures' each.
    assert backend.sizes[:6] == [18, 2, 2, 2, 2, 2]


def test_a_signature_is_decoded_once() -> None:
    backend = blst.load()
    decoded = []

    class Watching:
        def __getattr__(self, name: str) -> object:
            return getattr(backend, name)

        def decode_g2(self, data: bytes) -> object:
            decoded.append(data)
            return backend.decode_g2(data)

    scheme = bls.BlsScheme(Watching())
    assert scheme.batch_verify_same_message(KEYS, MESSAGE, SIGNATURES, Coefficients()) == ()
    assert scheme.aggregate(SIGNATURES) == bls.aggregate(SIGNATURES)
    assert decoded == SIGNATURES
    for _ in range(2):  # what is refused is refused again
        with pytest.raises(bls.BlsError):
            scheme.aggregate([encoding.INFINITY_G2])


def test_zero_randomness_still_weighs_every_signature() -> None:
    # A generator stuck at zero must not make the check vacuous.
    assert bls.batch_verify_same_message(KEYS[:1] * 2, MESSAGE, SIGNATURES[:2], bytes) == (1,)


def test_possession_is_bound_to_chain_registry_and_account() -> None:
    registry, account = address(100), address(0)
    proof = bls.pop_prove(secret(0), 1, registry, account)
    assert bls.pop_verify(KEYS[0], proof, 1, registry, account)
    assert not bls.pop_verify(KEYS[0], proof, 2, registry, account)
    assert not bls.pop_verify(KEYS[0], proof, 1, address(101), account)
    assert not bls.pop_verify(KEYS[0], proof, 1, registry, address(1))
    assert not bls.pop_verify(KEYS[1], proof, 1, registry, account)
    # Its own domain: a vote on the same 32 bytes would prove nothing, and a proof is no vote.
    message = bls.pop_message(KEYS[0], 1, registry, account)
    assert not bls.verify(KEYS[0], message, proof)
    assert not bls.pop_verify(KEYS[0], bls.sign(secret(0), message), 1, registry, account)


def test_the_evm_form_turns_back() -> None:
    for each, signature in zip(KEYS, SIGNATURES, strict=True):
        for compressed in (each, negated(each)):
            xy = bls.key_xy(compressed)
            assert len(xy) == 96
            evm = bls.public_key_to_evm(compressed)
            assert evm == bytes(16) + xy[:48] + bytes(16) + xy[48:]
            assert bls.public_key_from_evm(evm) == compressed
        for compressed in (signature, negated(signature)):
            evm = bls.signature_to_evm(compressed)
            # The compressed form begins with c1 of x, the EVM form with c0.
            assert len(evm) == 256
            assert evm[64 + 17 : 128] == compressed[1:48]
            assert evm[16:64] == compressed[48:]
            assert bls.signature_from_evm(evm) == compressed


def test_the_evm_form_agrees_with_the_library() -> None:
    library = arkworks.load()
    for i in range(16):
        signature = bls.sign(secret(i), MESSAGE)
        for each in (key(i), negated(key(i))):
            assert bls.key_xy(each) == bytes(library.decode_g1(each).to_xy_bytes_be())
        for each in (signature, negated(signature)):
            evm = bls.signature_to_evm(each)
            without_padding = b"".join(evm[at + 16 : at + 64] for at in range(0, 256, 64))
            assert without_padding == bytes(library.decode_g2(each).to_xy_bytes_be())


def test_the_sign_of_a_real_coordinate_is_that_of_its_real_part() -> None:
    # No known point has such a y; the rule is Zcash's: c1 counts first, c0 where c1 is zero.
    assert encoding._larger_g2((encoding.P - 1, 0))
    assert not encoding._larger_g2((1, 0))
    assert encoding._larger_g2((1, encoding.P - 1))
    assert not encoding._larger_g2((encoding.P - 1, 1))


def test_bad_coordinates_are_refused() -> None:
    good = bls.public_key_to_evm(KEYS[0])
    for bad in (
        b"",
        good[64:] + good[:64],
        good[:-1],
        bytes(128),
        b"\x01" + good[1:],
        good[:-1] + bytes([good[-1] ^ 1]),
    ):
        with pytest.raises(bls.BlsError):
            bls.public_key_from_evm(bad)
    signature = bls.signature_to_evm(SIGNATURES[0])
    swapped = signature[64:128] + signature[:64] + signature[128:]
    for bad in (b"", signature[:-1], bytes(256), b"\x01" + signature[1:], swapped):
        with pytest.raises(bls.BlsError):
            bls.signature_from_evm(bad)
    x = encoding.P + int.from_bytes(good[:64], "big")
    with pytest.raises(bls.BlsError, match="modulus"):
        bls.public_key_from_evm(x.to_bytes(64, "big") + good[64:])


def test_coordinates_outside_the_subgroup_are_refused() -> None:
    # x = 4 is on the curve; its point has the wrong order.
    point = b"\x80" + bytes(46) + b"\x04"
    x, y = encoding.decompress_g1(point)
    assert encoding.compress_g1(x, y) == point
    with pytest.raises(bls.BlsError, match="not a public key"):
        bls.public_key_from_evm(x.to_bytes(64, "big") + y.to_bytes(64, "big"))


def test_square_roots_in_the_extension_field() -> None:
    samples = [(3, 0), (encoding.P - 3, 0), (0, 5), (7, 11), (0, 0), (encoding.P - 1, 2)]
    for value in samples:
        square = encoding._mul2(value, value)
        root = encoding._sqrt2(square)
        assert root is not None
        assert encoding._mul2(root, root) == square
    assert encoding._sqrt2((1, 1)) is None  # its norm, 2, is no square below the modulus


def test_the_real_scheme_is_one() -> None:
    scheme: signing.SignatureScheme = bls.SCHEME
    assert scheme.aggregate(SIGNATURES[:1]) == SIGNATURES[0]
