"""Whether a chain's BLS12-381 precompiles (EIP-2537) compute what they should."""

from __future__ import annotations

from typing import Any, Final

from p2pavs.chain.errors import RpcRefused
from p2pavs.chain.rpc import Rpc

G1ADD: Final = bytes(19) + b"\x0b"
G2ADD: Final = bytes(19) + b"\x0d"
PAIRING: Final = bytes(19) + b"\x0f"
MAP_FP2_TO_G2: Final = bytes(19) + b"\x11"


async def wrong_precompiles(rpc: Rpc) -> list[str]:
    """Return the names of those the contracts use that are missing or answer wrong. Raises ``RpcError``.

    What they should answer is computed here, by another implementation.
    """
    # Half a second and 15 MB: only who asks pays for it.
    from py_ecc.bls.hash_to_curve import clear_cofactor_G2, map_to_curve_G2
    from py_ecc.fields import optimized_bls12_381_FQ2 as FQ2
    from py_ecc.optimized_bls12_381.optimized_curve import G1, G2, multiply, neg

    two, three, five = (_g1(multiply(G1, factor)) for factor in (2, 3, 5))
    mapped = _g2(clear_cofactor_G2(map_to_curve_G2(FQ2((5, 7)))))
    # e(2·G1, 3·G2) · e(-G1, 6·G2) is one; with another factor it is not.
    pairing = [two + _g2(multiply(G2, 3)) + _g1(neg(G1)) + _g2(multiply(G2, factor)) for factor in (6, 7)]
    cases = (
        ("G1ADD", G1ADD, two + three, five),
        ("G2ADD", G2ADD, _g2(multiply(G2, 2)) + _g2(multiply(G2, 3)), _g2(multiply(G2, 5))),
        ("PAIRING_CHECK", PAIRING, pairing[0], (1).to_bytes(32, "big")),
        ("PAIRING_CHECK", PAIRING, pairing[1], bytes(32)),
        ("MAP_FP2_TO_G2", MAP_FP2_TO_G2, _fp(5) + _fp(7), mapped),
    )
    wrong = []
    for name, address, data, expected in cases:
        try:
            answer = await rpc.call(address, data)
        except RpcRefused:
            answer = b""
        if answer != expected:
            wrong.append(name)
    return list(dict.fromkeys(wrong))


def _fp(value: Any) -> bytes:
    return int(value).to_bytes(64, "big")


def _g1(point: Any) -> bytes:
    from py_ecc.optimized_bls12_381.optimized_curve import normalize

    x, y = normalize(point)
    return _fp(x.n) + _fp(y.n)


def _g2(point: Any) -> bytes:
    from py_ecc.optimized_bls12_381.optimized_curve import normalize

    x, y = normalize(point)
    return b"".join(_fp(part) for coordinate in (x, y) for part in coordinate.coeffs)
