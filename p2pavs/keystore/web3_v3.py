"""Web3 secret storage, version 3: the encrypted JSON of Ethereum accounts, which any wallet opens."""

from __future__ import annotations

from pathlib import Path

from p2pavs.keystore.errors import DamagedKeys, WrongPassword
from p2pavs.keystore.files import Json, check_pbkdf2, check_scrypt, hex_field, reason
from p2pavs.keystore.secret import SECRET_BYTES, Secret

VERSION = 3


def seal(secret: Secret, password: str, work: int, *, with_address: bool = False) -> Json:
    """Encrypt 32 bytes. ``work`` is scrypt's N. The address is that of a secp256k1 account."""
    from eth_keyfile.keyfile import create_keyfile_json

    sealed: Json = create_keyfile_json(secret.reveal(), password.encode(), kdf="scrypt", iterations=work)
    address = str(sealed.pop("address"))
    return {"address": address.lower().removeprefix("0x"), **sealed} if with_address else sealed


def unseal(content: Json, password: str, path: Path) -> Secret:
    """Decrypt a key file's content. Raises ``WrongPassword`` or ``DamagedKeys``, which name ``path``."""
    from eth_keyfile.keyfile import decode_keyfile_json

    try:
        _check(content)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedKeys(path, reason(error)) from None
    try:
        data = decode_keyfile_json(content, password.encode())
    except ValueError as error:
        if "MAC" in str(error):
            raise WrongPassword(path) from None
        raise DamagedKeys(path, "it cannot be decrypted") from None
    return Secret(bytes(data))


def _check(content: Json) -> None:
    """Check the form, and that opening the file takes neither all memory nor all day."""
    crypto = content["crypto"]
    parameters = crypto["kdfparams"]
    if content["version"] != VERSION or crypto["cipher"] != "aes-128-ctr":
        raise ValueError("it is no version 3 key file with AES-128-CTR")
    hex_field(crypto, "ciphertext", SECRET_BYTES)
    hex_field(crypto, "mac", 32)
    hex_field(crypto["cipherparams"], "iv", 16)
    hex_field(parameters, "salt", None)
    if parameters["dklen"] != 32:
        raise ValueError("its derived key has not 32 bytes")
    if crypto["kdf"] == "scrypt":
        check_scrypt(parameters["n"], parameters["r"], parameters["p"])
    elif crypto["kdf"] == "pbkdf2":
        check_pbkdf2(parameters["c"], parameters["prf"])
    else:
        raise ValueError("its key derivation function is not scrypt or pbkdf2")
