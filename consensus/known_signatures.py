"""Signatures that were found to hold, so that nothing is checked twice.

There is only one valid BLS signature of a message under a key. So what was checked once answers for every
later copy by comparison; and the signature of several members on one statement, as proofs and certificates
carry it, must be the sum of theirs: where all of them are known, an addition takes the place of a pairing.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from consensus.signing import SignatureCheck, SignatureScheme

KEPT: Final = 4096
"""Of one instance. A committee of 128 has a few hundred for each round."""


class KnownSignatures:
    """Bounded: what was learnt first is forgotten first."""

    def __init__(self, scheme: SignatureScheme, kept: int = KEPT) -> None:
        self._scheme = scheme
        self._kept = kept
        self._known: OrderedDict[tuple[tuple[bytes, ...], bytes], bytes] = OrderedDict()

    def learn(self, check: SignatureCheck) -> None:
        """Keep a signature that holds."""
        self._known[check.keys, check.message] = check.signature
        if len(self._known) > self._kept:
            self._known.popitem(last=False)

    def holds(self, check: SignatureCheck) -> bool | None:
        """Whether a signature holds; None where what is known does not say."""
        known = self._known.get((check.keys, check.message))
        if known is None and len(check.keys) > 1:
            known = self._sum(check)
        return None if known is None else known == check.signature

    def _sum(self, check: SignatureCheck) -> bytes | None:
        parts = []
        for key in check.keys:
            part = self._known.get(((key,), check.message))
            if part is None:
                return None
            parts.append(part)
        try:
            return self._scheme.aggregate(parts)
        except ValueError:  # they cancel out: no certificate carries that
            return None
