"""Who signs for a node: its own keys, or a remote signer that has them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
import trio

from consensus import bls, vrf
from consensus.types import Domain
from p2pavs.keystore import Identity
from p2pavs.remote_signer.calls import Calls

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from p2pavs.remote_signer.client import RemoteAccount, RemoteConsensusKey, RemoteSigner

STATE_EVERY = 10.0  # seconds

log = structlog.get_logger()


class ConsensusSigner:
    """Signs with one of the operator's consensus keys: statements for the sign guard alone, beacon proofs."""

    def __init__(self, secret: bls.SecretKey) -> None:
        self._secret = secret

    def sign(self, statement: bytes) -> bytes:
        """The 96-byte signature of a 32-byte statement."""
        return bls.SCHEME.sign(self._secret, statement)

    def prove(self, message: bytes) -> bytes:
        """The beacon's proof for a 32-byte message: unique, so there is nothing to guard."""
        return vrf.prove(self._secret, message)


@dataclass(frozen=True, slots=True)
class Signers:
    """What signs statements and proofs, by consensus key (48 B), and transactions."""

    consensus: Mapping[bytes, ConsensusSigner | RemoteConsensusKey]
    account: LocalAccount | RemoteAccount
    remote: RemoteSigner | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, identity: Identity, domain: Domain) -> AsyncIterator[Signers]:
        """Open the keys, or ask their signer. Raises ``RemoteSignerFailed``, ``KeystoreError``."""
        if identity.remote is None:
            secrets = identity.consensus_keys()
            yield cls({key: ConsensusSigner(one) for key, one in secrets.items()}, identity.account())
            return
        from p2pavs.remote_signer.client import RemoteAccount, RemoteConsensusKey, RemoteSigner

        async with RemoteSigner(identity.remote).connected() as signer:
            keys = await signer.consensus_keys(identity.address, domain.chain_id, domain.gateway)
            consensus = {key: RemoteConsensusKey(signer, key) for key in keys}
            yield cls(consensus, RemoteAccount(signer, identity.address), signer)

    @property
    def calls(self) -> Calls:
        """How the questions to the remote signer went; none where the keys are here."""
        return Calls() if self.remote is None else self.remote.calls

    async def watch(self) -> None:
        """Keep the remote signer's state current, and say when it is gone and when it is back."""
        if self.remote is None:
            return
        from p2pavs.remote_signer.client import RemoteSignerFailed

        lost = False
        while True:
            try:
                await self.remote.read_state()
            except RemoteSignerFailed as error:
                if not lost:
                    log.error("signer_unavailable", error=error.message, remedy=error.remedy)
                lost = True
            else:
                if lost:
                    log.info("signer_is_back", url=self.remote.link.url)
                lost = False
            await trio.sleep(STATE_EVERY)

    def status(self) -> dict[str, str | int | None] | None:
        """What operators see of the remote signer; None where the keys are here."""
        if self.remote is None:
            return None
        signed, refused = self.remote.state.get("signed"), self.remote.state.get("refused")
        return {
            "url": self.remote.link.url,
            "error": self.remote.error,
            "signed": signed if isinstance(signed, int) else None,
            "refused": refused if isinstance(refused, int) else None,
        }
