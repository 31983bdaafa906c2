from __future__ import annotations

import pytest

from consensus import bls
from consensus.messages import Certificate
from consensus.types import InstanceId
from p2pavs.chain.certificates import ChainCertificate
from p2pavs.chain.errors import format_ether, public_url
from p2pavs.chain.fees import Fees
from p2pavs.chain.records import ModelEntry
from tests.unit.chain.test_abi import RESULT

SIGNATURE = bls.sign(bls.SecretKey(bytes(31) + b"\x05"), bytes(32))


def certificate(*signers: int) -> Certificate:
    return Certificate(InstanceId(7, 0), 2, RESULT, signers, SIGNATURE)


def test_a_certificate_of_the_whole_set_goes_both_ways() -> None:
    built = ChainCertificate.build(certificate(0, 2, 200), 1 | 1 << 2 | 1 << 200, b"")
    assert len(built.signature) == 256
    assert built.to_certificate(7, 0) == certificate(0, 2, 200)


def test_signers_of_drawn_seats_come_from_the_hints() -> None:
    hints = b"".join(index.to_bytes(2, "big") for index in (9, 3, 9)) + bytes(2 * 48)
    built = ChainCertificate.build(certificate(3, 9), 0b10101, hints)
    assert built.to_certificate(7, 5) == certificate(3, 9)


def test_a_signature_that_is_no_point_is_refused() -> None:
    built = ChainCertificate(0, 0, RESULT, 1, b"", b"\x01" * 256)
    with pytest.raises(bls.BlsError):
        built.to_certificate(7, 0)


def test_the_name_of_a_model_can_be_printed_whatever_it_holds() -> None:
    fields = {
        "modelHash": bytes(32),
        "manifestHash": bytes(32),
        "runtimeProfile": bytes(32),
        "goldenDigest": bytes(32),
        "pricePerTask": 1,
        "pricePerToken": 1,
        "minCommittee": 1,
        "royaltyBps": 0,
        "activeFrom": 0,
        "maker": bytes(20),
        "active": True,
    }
    name = b"n\xc3\xb6\xff".decode(errors="surrogateescape")
    entry = ModelEntry.from_abi(bytes(32), fields | {"name": name})
    assert entry.name == "nö\N{REPLACEMENT CHARACTER}"
    assert entry.name.encode()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("https://mainnet.infura.io/v3/SECRET", "https://mainnet.infura.io/..."),
        ("https://user:SECRET@host:1/", "https://host:1/..."),
        ("https://host/?key=SECRET", "https://host/..."),
        ("http://[::1", "(an address that is not a URL)"),
        ("http://host:99999999", "(an address that is not a URL)"),
    ],
)
def test_an_access_key_in_an_address_is_not_shown(url: str, shown: str) -> None:
    assert public_url(url) == shown


@pytest.mark.parametrize(
    ("wei", "text"),
    [(0, "0"), (1, "0.000000000000000001"), (10**18, "1"), (15 * 10**17, "1.5"), (10**20, "100")],
)
def test_amounts_lose_no_digit(wei: int, text: str) -> None:
    assert format_ether(wei) == text


def test_a_bump_is_an_eighth_at_least() -> None:
    for price in (0, 1, 7, 8, 10**9, 10**18 + 1):
        bumped = Fees(price, price).bumped()
        assert bumped.max_fee * 8 >= price * 9
        assert bumped.max_fee > price
        assert bumped.tip == bumped.max_fee
