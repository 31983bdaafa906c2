"""The reference signer: holds the keys, keeps a sign guard of its own, and answers one node."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
import trio
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from consensus import bls, vrf
from p2pavs import __version__
from p2pavs.api.serving import serve_app
from p2pavs.remote_signer import wire
from p2pavs.remote_signer.link import load_certificates
from p2pavs.remote_signer.policy import NotAllowed, Policy
from p2pavs.storage import ConflictingSignature, DataDirectory, KeyNotHeld, SignGuard, StorageError

if TYPE_CHECKING:
    from trio_typing import TaskStatus

    from consensus.types import Domain
    from p2pavs.keystore import Identity

KEEP_ALIVE: Final = 60.0
"""Seconds that a node's connection stays open between two requests."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """PEM files of the signer's side."""

    certificate: Path
    key: Path
    client_ca: Path
    """Vouches for the node: whoever has a certificate of it may ask."""


class _Local:
    """Signs with one of the keys; for the guard alone."""

    def __init__(self, secret: bls.SecretKey) -> None:
        self.secret = secret

    def sign(self, statement: bytes) -> bytes:
        return bls.SCHEME.sign(self.secret, statement)


class SignerService:
    """What the signer does, whoever asks."""

    def __init__(self, identity: Identity, domain: Domain, policy: Policy, directory: DataDirectory) -> None:
        """Bind the data directory to chain, gateway and operator. Raises ``ForeignData``."""
        directory.bind(
            {
                "chain": str(domain.chain_id),
                "gateway": wire.hex_(domain.gateway),
                "operator": wire.hex_(identity.address),
            }
        )
        self._domain = domain
        self._identity = identity
        self._policy = policy
        self._account = identity.account()
        self._keys = {key: _Local(secret) for key, secret in identity.consensus_keys().items()}
        first = self._keys[identity.public.consensus_key]
        self._guard = SignGuard(directory.database, first, self._keys)
        self._signed = 0
        self._refused = 0

    def app(self) -> Starlette:
        """Return the HTTP side."""
        return Starlette(
            routes=[
                Route(wire.STATE, self._state, methods=["GET"]),
                Route(wire.STATEMENT, partial(_answer, self.statement), methods=["POST"]),
                Route(wire.BEACON, partial(_answer, self.beacon), methods=["POST"]),
                Route(wire.TRANSACTION, partial(_answer, self.transaction), methods=["POST"]),
            ]
        )

    async def statement(self, content: wire.Json) -> wire.Json:
        """Sign a statement, each slot once. Raises ``ConflictingSignature`` and what ``_answer`` expects."""
        key, slot, value = wire.read_statement(content)
        if slot.scope.domain != self._domain:
            raise NotAllowed("the statement is of another chain or gateway than this signer's")
        try:
            signature = await self._guard.for_key(key).sign(slot, value)
        except ConflictingSignature as error:
            self._refused += 1
            log.error("signature_refused", error=error.message)
            raise
        self._signed += 1
        log.info(
            "signed",
            task=slot.scope.instance.task_id,
            attempt=slot.scope.instance.attempt,
            kind=slot.kind.name.lower(),
            round=slot.round,
        )
        return {"signature": wire.hex_(signature)}

    async def beacon(self, content: wire.Json) -> wire.Json:
        """Prove for the beacon: under its own domain tag, and unique, so there is nothing to guard."""
        wire.fields(content, "key", "message")
        key, message = wire.data(content["key"], 48), wire.data(content["message"], 32)
        local = self._keys.get(key)
        if local is None:
            raise NotAllowed("this signer does not hold that key")
        return {"proof": wire.hex_(await trio.to_thread.run_sync(vrf.prove, local.secret, message))}

    async def transaction(self, content: wire.Json) -> wire.Json:
        """Sign a transaction that the policy allows. The chain itself takes one for each nonce."""
        fields = self._policy.read(content)
        signed = await trio.to_thread.run_sync(self._account.sign_transaction, fields)
        log.info("transaction_signed", nonce=fields["nonce"], to=wire.hex_(fields["to"]))
        return {"raw": wire.hex_(bytes(signed.raw_transaction)), "hash": wire.hex_(bytes(signed.hash))}

    async def _state(self, _: Request) -> JSONResponse:
        return JSONResponse(
            {
                "version": __version__,
                "chain": self._domain.chain_id,
                "gateway": wire.hex_(self._domain.gateway),
                "operator": wire.hex_(self._identity.address),
                "consensusKeys": [wire.hex_(key) for key in self._keys],
                "signed": self._signed,
                "refused": self._refused,
            }
        )


async def _answer(work: Callable[[wire.Json], Awaitable[wire.Json]], request: Request) -> JSONResponse:
    try:
        return JSONResponse(await work(wire.parse(await _body(request))))
    except ConflictingSignature as error:
        return _error(409, error.message, error.remedy)
    except (NotAllowed, KeyNotHeld) as error:
        log.warning("not_allowed", reason=str(error)[:300])
        return _error(403, str(error), "Check which signer, network and keys belong together.")
    except StorageError as error:
        log.error("storage_failed", error=error.message, remedy=error.remedy)
        return _error(503, error.message, error.remedy)
    except (ValueError, KeyError, TypeError) as error:
        return _error(
            400, f"the request cannot be read: {error}"[:300], "Run the same version on both sides."
        )


async def _body(request: Request) -> bytes:
    body = b""
    try:
        with trio.fail_after(wire.SECONDS):
            async with aclosing(request.stream()) as parts:
                async for part in parts:
                    body += part
                    if len(body) > wire.MAX_REQUEST:
                        raise ValueError(f"it is longer than {wire.MAX_REQUEST} bytes")
    except (trio.TooSlowError, ClientDisconnect):
        raise ValueError("it does not arrive") from None
    return body


def _error(status: int, message: str, remedy: str) -> JSONResponse:
    return JSONResponse({"error": message, "remedy": remedy}, status_code=status)


async def serve_signer(
    service: SignerService,
    address: str,
    files: ServerFiles,
    *,
    task_status: TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on ``host:port`` until cancelled; reports the URL. Raises ``UsageError``, ``ApiAddressInUse``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    load_certificates(context, files.client_ca, files.certificate, files.key)
    context.set_alpn_protocols(["http/1.1"])
    await serve_app(
        service.app(),
        address,
        "Choose another address with --listen.",
        tls=context,
        keep_alive=KEEP_ALIVE,
        task_status=task_status,
    )
