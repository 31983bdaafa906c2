"""The node's side: keys that are somewhere else, used like those that are here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import trio

from consensus import bls, vrf
from consensus.signing import statement
from p2pavs.chain.errors import ChainError
from p2pavs.exit_codes import ExitCode
from p2pavs.keystore import KeystoreError
from p2pavs.remote_signer import wire
from p2pavs.remote_signer.calls import Calls
from p2pavs.remote_signer.link import SignerLink
from p2pavs.storage import ConflictingSignature, SignerUnavailable, Slot

_REMEDY = "Check that the signer runs, its address, and the certificates of both sides."


class RemoteSignerFailed(ChainError):
    """The signer does not answer, or refuses; a transaction or a beacon proof waits for it."""

    exit_code = ExitCode.UNREACHABLE


class _Refused(Exception):
    """The signer said no."""

    def __init__(self, status: int, message: str, remedy: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """As eth_account's."""

    raw_transaction: bytes
    hash: bytes


class RemoteSigner:
    """Asks the signer of a link. ``state`` is what it said of itself, ``error`` why it does not answer."""

    def __init__(self, link: SignerLink) -> None:
        self.link = link
        self.state: Mapping[str, Any] = {}
        self.error: str | None = None
        self.calls = Calls()
        self._tls = link.tls()
        self._client: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[RemoteSigner]:
        """Keep connections for as long as the block; without it each question makes its own."""
        async with self._new_client() as self._client:
            try:
                yield self
            finally:
                self._client = None

    async def read_state(self) -> Mapping[str, Any]:
        """Ask the signer what it is. Raises ``RemoteSignerFailed``."""
        self.state = await self._for_chain(wire.STATE, None)
        return self.state

    async def consensus_keys(self, operator: bytes, chain_id: int, gateway: bytes) -> tuple[bytes, ...]:
        """Return the keys (48 B) that the signer holds, if it signs for this operator and network.

        Raises ``RemoteSignerFailed``, or ``KeystoreError`` where it is another operator's.
        """
        state = await self.read_state()
        try:
            found = (wire.data(state["operator"], 20), state["chain"], wire.data(state["gateway"], 20))
            keys = tuple(wire.data(key, 48) for key in state["consensusKeys"])
        except (KeyError, TypeError, ValueError):
            raise RemoteSignerFailed(f"{self._name} speaks another version.", _REMEDY) from None
        if found != (operator, chain_id, gateway):
            raise KeystoreError(
                f"{self._name} signs for operator {wire.hex_(found[0])}, chain {found[1]}, not for this one.",
                "Use the signer that was started with these keys and this deployment.",
            )
        return keys

    async def ask(self, path: str, content: wire.Json | None) -> wire.Json:
        """Ask once. Raises ``_Refused``, ``OSError`` or ``httpx.HTTPError``."""
        with self.calls.one(path) as call:
            try:
                if self._client is not None:
                    answer = await self._ask(self._client, path, content)
                else:
                    async with self._new_client() as client:
                        answer = await self._ask(client, path, content)
            except _Refused:
                call.outcome = "refused"
                raise
            call.outcome = "answered"
            return answer

    async def _ask(self, client: httpx.AsyncClient, path: str, content: wire.Json | None) -> wire.Json:
        method = "GET" if content is None else "POST"
        body = b""
        try:
            async with client.stream(method, self.link.url + path, json=content) as response:
                async for part in response.aiter_raw():
                    body += part
                    if len(body) > wire.MAX_RESPONSE:
                        raise ValueError("its answer is too long")
            answer = wire.parse(body)
        except httpx.HTTPError as error:
            self.error = f"{self._name} does not answer ({str(error) or type(error).__name__})."
            raise
        except ValueError as error:
            self.error = f"{self._name} gave an answer that cannot be used: {error}."
            raise httpx.DecodingError(str(error)) from None
        self.error = None
        if response.status_code != 200:
            raise _Refused(
                response.status_code, str(answer.get("error"))[:500], str(answer.get("remedy", ""))[:500]
            )
        return answer

    async def _for_chain(self, path: str, content: wire.Json | None) -> wire.Json:
        try:
            return await self.ask(path, content)
        except _Refused as error:
            raise RemoteSignerFailed(f"{self._name} refused: {error.message}.", error.remedy) from None
        except httpx.HTTPError:
            raise RemoteSignerFailed(self.error or "", _REMEDY) from None

    def _new_client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            verify=self._tls,
            timeout=wire.SECONDS,
            limits=httpx.Limits(max_connections=8),
            trust_env=False,
            follow_redirects=False,
        )

    @property
    def _name(self) -> str:
        return f"The signer at {self.link.url}"


def keys_now(link: SignerLink) -> tuple[bytes, ...]:
    """Ask a signer, without an event loop, for its consensus keys. Raises ``RemoteSignerFailed``."""
    body = b""
    try:
        with (
            httpx.Client(verify=link.tls(), timeout=wire.SECONDS, trust_env=False) as client,
            client.stream("GET", link.url + wire.STATE) as response,
        ):
            for part in response.iter_raw():
                body += part
                if len(body) > wire.MAX_RESPONSE:
                    raise ValueError("its answer is too long")
        return tuple(wire.data(key, 48) for key in wire.parse(body)["consensusKeys"])
    except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
        raise RemoteSignerFailed(f"The signer at {link.url} does not answer ({error}).", _REMEDY) from None


class RemoteConsensusKey:
    """One of the signer's consensus keys, for the sign guard and the beacon."""

    def __init__(self, signer: RemoteSigner, key: bytes) -> None:
        self._signer = signer
        self._key = key

    async def sign_slot(self, slot: Slot, value: bytes) -> bytes:
        """As ``SlotSigner.sign_slot``; the signature is checked."""
        try:
            answer = await self._signer.ask(wire.STATEMENT, wire.statement_json(self._key, slot, value))
            signature = wire.data(answer.get("signature"), 96)
        except _Refused as error:
            if error.status == 409:
                raise ConflictingSignature(f"the signer refused: {error.message}", error.remedy) from None
            raise SignerUnavailable(f"the signer refused: {error.message}", error.remedy) from None
        except (httpx.HTTPError, ValueError) as error:
            raise SignerUnavailable(self._signer.error or f"the signer: {error}", _REMEDY) from None
        message = statement(slot.scope, slot.kind, slot.round, value)
        if not await trio.to_thread.run_sync(bls.fast_aggregate_verify, [self._key], message, signature):
            raise SignerUnavailable("the signer gave a signature that does not hold", _REMEDY)
        return signature

    async def prove(self, message: bytes) -> bytes:
        """The beacon's proof for a 32-byte message. Raises ``RemoteSignerFailed``."""
        content = {"key": wire.hex_(self._key), "message": wire.hex_(message)}
        answer = await self._signer._for_chain(wire.BEACON, content)
        try:
            proof = wire.data(answer.get("proof"), 96)
            if await trio.to_thread.run_sync(vrf.verify, self._key, message, proof) is None:
                raise ValueError("it does not hold")
        except (ValueError, bls.BlsError) as error:
            raise RemoteSignerFailed(
                f"The signer gave a proof that cannot be used: {error}.", _REMEDY
            ) from None
        return proof


class RemoteAccount:
    """The signer's account, for whatever sends transactions."""

    def __init__(self, signer: RemoteSigner, address: bytes) -> None:
        from eth_utils.address import to_checksum_address

        self._signer = signer
        self.address = str(to_checksum_address(address))

    async def sign_transaction(self, fields: Mapping[str, Any]) -> SignedTransaction:
        """Have a transaction signed; that it is this account's is checked. Raises ``RemoteSignerFailed``."""
        from eth_account import Account

        if fields.get("to") is None:
            raise RemoteSignerFailed(
                "A remote signer does not sign deployments of contracts.", "Deploy with another account."
            )
        content = {
            name: wire.hex_(value) if isinstance(value, bytes) else str(value)
            for name, value in fields.items()
            if name != "type"
        }
        answer = await self._signer._for_chain(wire.TRANSACTION, content)
        try:
            signed = SignedTransaction(wire.data(answer.get("raw"), None), wire.data(answer.get("hash"), 32))
            sender = Account.recover_transaction(signed.raw_transaction)
        except Exception as error:  # of the many that decoding raises
            raise RemoteSignerFailed(
                f"The signer's transaction cannot be read: {error!r:.100}.", _REMEDY
            ) from None
        if sender != self.address:
            raise RemoteSignerFailed(f"The signer signs for {sender}, not for {self.address}.", _REMEDY)
        return signed
