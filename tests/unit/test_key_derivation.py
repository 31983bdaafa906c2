"""The published vectors of EIP-2333, EIP-2335, BIP-39, BIP-44 and SLIP-10."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consensus import bls
from p2pavs import keystore
from p2pavs.errors import UsageError
from p2pavs.keystore import Secret, WrongPassword, eip2333, eip2335, mnemonic

ABANDON = Secret(b"abandon " * 11 + b"about")


@pytest.mark.parametrize(
    ("seed", "master", "index", "child"),
    [
        (
            "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e5349553"
            "1f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04",
            6083874454709270928345386274498605044986640685124978867557563392430687146096,
            0,
            20397789859736650942317412262472558107875392172444076792671091975210932703118,
        ),
        (
            "3141592653589793238462643383279502884197169399375105820974944592",
            29757020647961307431480504535336562678282505419141012933316116377660817309383,
            3141592653,
            25457201688850691947727629385191704516744796114925897962676248250929345014287,
        ),
        (
            "0099FF991111002299DD7744EE3355BBDD8844115566CC55663355668888CC00",
            27580842291869792442942448775674722299803720648445448686099262467207037398656,
            4294967295,
            29358610794459428860402234341874281240803786294062035874021252734817515685787,
        ),
        (
            "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
            19022158461524446591288038168518313374041767046816487870552872741050760015818,
            42,
            31372231650479070279774297061823572166496564838472787488249775572789064611981,
        ),
    ],
)
def test_eip_2333(seed: str, master: int, index: int, child: int) -> None:
    assert eip2333.master_key(bytes.fromhex(seed)) == master
    assert eip2333.child_key(master, index) == child
    assert eip2333.key_at(bytes.fromhex(seed), [index]) == child


def test_eip_2333_refuses_what_the_standard_excludes() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        eip2333.master_key(bytes(31))
    for index in (-1, 2**32):
        with pytest.raises(ValueError, match="index"):
            eip2333.child_key(1, index)


SALT = "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"
PUBLIC = "9612d7a727c9d0a22e185a1c768478dfe919cada9266988cb32359c11f2b7b27f4ae4040902382ae2910c15e2b420d07"
SECRET = bytes.fromhex("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f")
PASSWORD = "𝔱𝔢𝔰𝔱𝔭𝔞𝔰𝔰𝔴𝔬𝔯𝔡🔑"


def vector(kdf: dict[str, Any], checksum: str, message: str) -> dict[str, Any]:
    return {
        "crypto": {
            "kdf": kdf,
            "checksum": {"function": "sha256", "params": {}, "message": checksum},
            "cipher": {
                "function": "aes-128-ctr",
                "params": {"iv": "264daa3f303d7259501c93d997d84fe6"},
                "message": message,
            },
        },
        "pubkey": PUBLIC,
        "path": "m/12381/60/3141592653/589793238",
        "uuid": "1d85ae20-35c5-4611-98e8-aa14a633906f",
        "version": 4,
    }


SCRYPT = vector(
    {"function": "scrypt", "params": {"dklen": 32, "n": 262144, "p": 1, "r": 8, "salt": SALT}, "message": ""},
    "d2217fe5f3e9a1e34581ef8a78f7c9928e436d36dacc5e846690a5581e8ea484",
    "06ae90d55fe0a6e9c5c3bc5b170827b2e5cce3929ed3f116c2811e6366dfe20f",
)
PBKDF2 = vector(
    {
        "function": "pbkdf2",
        "params": {"dklen": 32, "c": 262144, "prf": "hmac-sha256", "salt": SALT},
        "message": "",
    },
    "8a9f5d9912ed7e75ea794bc5a89bca5f193721d30868ade6f73043c6ea6febf1",
    "cee03fde2af33149775b7223e7845e4fb2c8ae1792e5f99fe9ecf474cc8c16ad",
)


@pytest.mark.parametrize("content", [SCRYPT, PBKDF2], ids=["scrypt", "pbkdf2"])
def test_eip_2335(content: dict[str, Any]) -> None:
    opened = eip2335.unseal(content, PASSWORD, Path("vector"))
    assert opened.reveal() == SECRET
    assert bls.public_key(bls.SecretKey(SECRET)).hex() == PUBLIC


def test_eip_2335_refuses_another_password() -> None:
    with pytest.raises(WrongPassword):
        eip2335.unseal(PBKDF2, "testpassword", Path("vector"))


def test_eip_2335_passwords_are_normalized() -> None:
    assert eip2335.normalize(PASSWORD).hex() == "7465737470617373776f7264f09f9491"
    assert eip2335.normalize("a\x00b\x1f\x7f\x80\x9fc\n") == b"abc"
    sealed = eip2335.seal(Secret(SECRET), "pass\tword", 16, public_key=bytes.fromhex(PUBLIC))
    assert eip2335.unseal(sealed, "password", Path("x")).reveal() == SECRET


def test_bip_39() -> None:
    assert mnemonic.seed_of(ABANDON, "TREZOR").hex().startswith("c55257c360c07c72029aebc1b53c05ed")


def test_slip_10() -> None:
    seed = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
    expected = {
        (): "2b4be7f19ee27bbf30c667b642d5f4aa69fd169872f8fc3059c08ebae2eb19e7",
        (0,): "68e0fe46dfb67e368c75379acec591dad19df3cde26e63b93a8e704f1dade7a3",
    }
    for path, key in expected.items():
        assert mnemonic.slip10_ed25519(seed, path).hex() == key


def test_the_account_is_the_one_that_wallets_derive() -> None:
    """The first account of this mnemonic is widely published."""
    derived = mnemonic.derive(ABANDON)
    assert keystore.account_of(derived.account).address == "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"


def test_words_bring_the_same_keys_back(tmp_path: Path) -> None:
    words = mnemonic.new_words()
    assert len(words.reveal().split()) == 24
    first = keystore.create(tmp_path / "a", "pw", derived=mnemonic.derive(words, 3), insecure_fast_kdf=True)
    spaced = Secret(words.reveal().replace(b" ", b"  \n").upper())
    again = keystore.create(
        tmp_path / "b", "other", derived=mnemonic.derive(spaced, 3), insecure_fast_kdf=True
    )
    assert again == first
    assert keystore.load(tmp_path / "b", "other").public == first.public
    assert mnemonic.derive(words, 4).consensus != mnemonic.derive(words, 3).consensus
    assert mnemonic.derive(words, 3, "passphrase").consensus != mnemonic.derive(words, 3).consensus
    assert '"path": "m/12381/60/3/0/0"' in (tmp_path / "a/consensus.json").read_text()


@pytest.mark.parametrize(
    "words", [b"", b"abandon " * 12, b"abandon " * 11 + b"abouts", b"zoo " * 11, b"\xff " * 12]
)
def test_what_is_no_mnemonic_is_refused_without_showing_it(words: bytes) -> None:
    with pytest.raises(UsageError) as refused:
        mnemonic.derive(Secret(words))
    assert "abouts" not in str(refused.value)


def test_an_index_is_bounded() -> None:
    with pytest.raises(UsageError, match="index"):
        mnemonic.derive(ABANDON, 2**31)
