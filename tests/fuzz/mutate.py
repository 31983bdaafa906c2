"""Damaging valid inputs: what is almost right reaches further into a decoder than noise does."""

from __future__ import annotations

import random
from collections.abc import Sequence

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x1F, 0x5F, 0x9F, 0xBF, 0xF6, 0xFB)


def mutated(samples: Sequence[bytes], rng: random.Random) -> bytes:
    """One input: a sample after one to six damages, now and then noise."""
    if rng.random() < 0.05:
        return rng.randbytes(rng.randrange(200))
    data = bytearray(rng.choice(samples))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(9):
            case 0 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 1 if data:
                data[at % len(data)] = rng.choice(_NUMBERS)
            case 2:
                data[at:at] = bytes([rng.choice(_NUMBERS)])
            case 3:
                del data[at : at + rng.randint(1, 8)]
            case 4:
                del data[at:]
            case 5:
                piece = data[at : at + rng.randint(1, 64)]
                data[at:at] = piece * rng.randint(1, 4)
            case 6:
                other = rng.choice(samples)
                start = rng.randrange(len(other) + 1)
                data[at:at] = other[start : start + rng.randint(1, 100)]
            case 7:
                width = rng.choice((1, 2, 4, 8))
                data[at : at + width] = rng.choice((0, 1, 2**63, 2**64 - 1, 2**31)).to_bytes(8, "big")[
                    -width:
                ]
            case _:
                data += rng.randbytes(rng.randrange(16))
    return bytes(data[:100_000])
