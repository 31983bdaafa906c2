"""EIP-2335: the keystore of BLS12-381 keys that Ethereum's validators use."""

from __future__ import annotations

import hashlib
import hmac
import os
import unicodedata
import uuid
from pathlib import Path
from typing import Any

from p2pavs.keystore.errors import DamagedKeys, WrongPassword
from p2pavs.keystore.files import Json, check_pbkdf2, check_scrypt, hex_field, reason
from p2pavs.keystore.secret import SECRET_BYTES, Secret

VERSION = 4
_R, _P = 8, 1


def seal(secret: Secret, password: str, work: int, *, public_key: bytes, path: str = "") -> Json:
    """Encrypt a BLS secret key (32 B). ``work`` is scrypt's N, ``path`` its place in a mnemonic's tree."""
    salt, iv = os.urandom(32), os.urandom(16)
    parameters = {"dklen": 32, "n": work, "r": _R, "p": _P, "salt": salt.hex()}
    derived = _derive("scrypt", parameters, normalize(password))
    message = _aes_128_ctr(derived[:16], iv, secret.reveal())
    return {
        "crypto": {
            "kdf": {"function": "scrypt", "params": parameters, "message": ""},
            "checksum": {"function": "sha256", "params": {}, "message": _checksum(derived, message).hex()},
            "cipher": {"function": "aes-128-ctr", "params": {"iv": iv.hex()}, "message": message.hex()},
        },
        "description": "p2pavs consensus key",
        "pubkey": public_key.hex(),
        "path": path,
        "uuid": str(uuid.uuid4()),
        "version": VERSION,
    }


def unseal(content: Json, password: str, path: Path) -> Secret:
    """Decrypt a keystore's content. Raises ``WrongPassword`` or ``DamagedKeys``, which name ``path``."""
    try:
        if content["version"] != VERSION:
            raise ValueError("it is no version 4 keystore (EIP-2335)")
        crypto = content["crypto"]
        function, parameters = crypto["kdf"]["function"], crypto["kdf"]["params"]
        cipher, checksum = crypto["cipher"], crypto["checksum"]
        if cipher["function"] != "aes-128-ctr" or checksum["function"] != "sha256":
            raise ValueError("its cipher is not AES-128-CTR or its checksum not SHA-256")
        message = hex_field(cipher, "message", SECRET_BYTES)
        iv = hex_field(cipher["params"], "iv", 16)
        wanted = hex_field(checksum, "message", 32)
        _check_derivation(function, parameters)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedKeys(path, reason(error)) from None
    derived = _derive(function, parameters, normalize(password))
    if not hmac.compare_digest(_checksum(derived, message), wanted):
        raise WrongPassword(path)
    return Secret(_aes_128_ctr(derived[:16], iv, message))


def normalize(password: str) -> bytes:
    """Return a password as the standard hashes it: NFKD, without control characters, in UTF-8."""
    return "".join(
        c for c in unicodedata.normalize("NFKD", password) if not (ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F)
    ).encode()


def _check_derivation(function: Any, parameters: Any) -> None:
    hex_field(parameters, "salt", None)
    if parameters["dklen"] != 32:
        raise ValueError("its derived key has not 32 bytes")
    if function == "scrypt":
        check_scrypt(parameters["n"], parameters["r"], parameters["p"])
    elif function == "pbkdf2":
        check_pbkdf2(parameters["c"], parameters["prf"])
    else:
        raise ValueError("its key derivation function is not scrypt or pbkdf2")


def _derive(function: str, parameters: Json, password: bytes) -> bytes:
    salt = hex_field(parameters, "salt", None)
    if function == "pbkdf2":
        return hashlib.pbkdf2_hmac("sha256", password, salt, parameters["c"], 32)
    n, r, p = parameters["n"], parameters["r"], parameters["p"]
    # OpenSSL's own bound is 32 MiB; ours was checked before.
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=128 * r * (n + p + 2), dklen=32)


def _checksum(derived: bytes, message: bytes) -> bytes:
    return hashlib.sha256(derived[16:32] + message).digest()


def _aes_128_ctr(key: bytes, iv: bytes, data: bytes) -> bytes:
    from Crypto.Cipher import AES
    from Crypto.Util import Counter

    counter = Counter.new(128, initial_value=int.from_bytes(iv, "big"))
    return AES.new(key, AES.MODE_CTR, counter=counter).encrypt(data)
