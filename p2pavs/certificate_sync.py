"""Fetching the certificates that this node missed, and handing out those it has: ``/p2pavs/certificates/1``.

The output travels with its certificate, which names its hash. A node keeps a certificate for every task that
the chain says is certified, whether or not it took part.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
import trio

from consensus import bls
from consensus.certificate import CertificateError
from consensus.committee import Committee, CommitteeError, OperatorSet
from consensus.encoding import EncodingError, decode, encode
from consensus.messages import Commit
from consensus.signing import Randomness, SignatureCheck
from consensus.types import Domain, Scope
from consensus.verification import MessageVerifier, VerificationError
from consensus.wire import WireError, decode_message
from p2pavs.catch_up import MAX_MESSAGES, MAX_RESPONSE, pack
from p2pavs.chain.records import TaskHeader
from p2pavs.errors import P2pavsError
from p2pavs.network import Network, NetworkError, Offence, ServeLimits
from p2pavs.storage import CertificateStore, until_stored

PROTOCOL = "/p2pavs/certificates/1"
MAX_IDS = 256
MAX_REQUEST = 16 * MAX_IDS
MAX_WANTED = 100_000
AT_ONCE = 64
"""Certificates that are checked and stored together."""
TIMEOUT = 20.0
TRIES = 8
"""Peers asked in vain until a certificate is given up; the chain has it in any case."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
LIMITS = ServeLimits(
    max_request=MAX_REQUEST, max_response=MAX_RESPONSE, streams_per_peer=2, streams=8, rate=4.0, burst=40
)

log = structlog.get_logger()

ReadHeader = Callable[[int], Awaitable[TaskHeader]]
ReadSet = Callable[[int], Awaitable[OperatorSet]]


@dataclass(slots=True)
class _Wanted:
    header: TaskHeader | None
    tries: int = 0


class CertificateSync:
    """Both ends of the protocol: request ``[taskId, ...]``, response ``[commit message, ...]``."""

    def __init__(
        self,
        network: Network,
        store: CertificateStore,
        domain: Domain,
        read_header: ReadHeader,
        read_set: ReadSet,
        randomness: Randomness,
    ) -> None:
        self._network = network
        self._store = store
        self._domain = domain
        self._read_header = read_header
        self._read_set = read_set
        self._randomness = randomness
        self._wanted: dict[int, _Wanted] = {}
        self._news = trio.Event()
        self.fetched = 0
        network.handle(PROTOCOL, self._answer, LIMITS)

    @property
    def missing(self) -> int:
        """Certificates that are being looked for."""
        return len(self._wanted)

    def want(self, task_id: int, header: TaskHeader | None = None) -> None:
        """Look for the certificate of a task that the chain says is certified, unless it is here."""
        if len(self._wanted) < MAX_WANTED:
            self._wanted.setdefault(task_id, _Wanted(header))
            self._news.set()

    async def run(self) -> None:
        """Fetch what is wanted, for as long as the node runs."""
        for task_id in await until_stored(self._store.missing):
            self.want(task_id)
        pause = FIRST_PAUSE
        while True:
            await self._news.wait()
            await trio.sleep(pause)
            before = self.fetched
            await self._drop_stored()
            for peer in self._network.operators_first():
                if not self._wanted:
                    break
                await self._fetch_from(peer)
            if not self._wanted:
                self._news = trio.Event()
            if self.fetched > before:
                log.info("certificates_fetched", number=self.fetched - before, missing=self.missing)
            pause = min(LONGEST_PAUSE, 2 * pause) if self.fetched == before and self._wanted else FIRST_PAUSE

    async def _drop_stored(self) -> None:
        ids = list(self._wanted)
        for task_id in await until_stored(lambda: self._store.having(ids)):
            self._wanted.pop(task_id, None)

    async def _fetch_from(self, peer: str) -> None:
        """Ask one peer for everything wanted, as much at a time as an answer holds."""
        asked: set[int] = set()
        while ids := sorted(self._wanted.keys() - asked)[:MAX_IDS]:
            try:
                answer = await self._network.request(
                    peer, PROTOCOL, encode(ids), timeout=TIMEOUT, max_response=MAX_RESPONSE
                )
                commits = await trio.to_thread.run_sync(_parse, answer)
            except (EncodingError, WireError) as error:
                self._network.blame(peer, Offence.BREAKS_RULES)
                log.debug("certificates_refused", peer=peer, error=str(error))
                return
            except NetworkError as error:
                log.debug("certificates_not_fetched", peer=peer, error=str(error))
                return
            given = [commit for commit in commits if commit.certificate.instance.task_id in ids]
            # An answer may be full: what comes after its last certificate has not been refused.
            last = max((commit.certificate.instance.task_id for commit in given), default=ids[-1])
            asked.update(task_id for task_id in ids if task_id <= last)
            for start in range(0, len(given), AT_ONCE):
                if not await self._take(peer, given[start : start + AT_ONCE]):
                    return
            for task_id in asked & self._wanted.keys() & set(ids):
                self._wanted[task_id].tries += 1
                if self._wanted[task_id].tries >= TRIES:
                    del self._wanted[task_id]

    async def _take(self, peer: str, commits: list[Commit]) -> bool:
        """Check and store certificates; whether the peer is to be asked for more."""
        scopes: list[Scope] = []
        claims: list[SignatureCheck] = []
        good = True
        kept: list[Commit] = []
        for commit in commits:
            try:
                scope, claim = await self._claim(commit)
            except (VerificationError, CertificateError, CommitteeError) as error:
                log.debug("certificate_refused", peer=peer, error=str(error))
                self._network.blame(peer, Offence.FORGED)
                good = False
                continue
            except P2pavsError as error:  # the chain does not answer: later
                log.debug("certificate_not_checked", error=error.message)
                return False
            kept.append(commit)
            scopes.append(scope)
            claims.append(claim)
        bad = set(await trio.to_thread.run_sync(bls.SCHEME.find_bad, claims, self._randomness))
        for _ in bad:
            self._network.blame(peer, Offence.FORGED)
        sound = [pair for at, pair in enumerate(zip(scopes, kept, strict=True)) if at not in bad]
        await until_stored(lambda: self._store.put_many(sound))
        for _, commit in sound:
            self._wanted.pop(commit.certificate.instance.task_id, None)
        self.fetched += len(sound)
        return good and not bad

    async def _claim(self, commit: Commit) -> tuple[Scope, SignatureCheck]:
        instance = commit.certificate.instance
        wanted = self._wanted[instance.task_id] if instance.task_id in self._wanted else _Wanted(None)
        if wanted.header is None:
            wanted.header = await self._read_header(instance.task_id)
        header = wanted.header
        operators = await self._read_set(header.epoch)
        committee = Committee.select(
            operators, header.hash, header.task_seed, instance.attempt, header.committee_size
        )
        scope = Scope(self._domain, instance, committee.root)
        (claim,) = MessageVerifier(scope, committee, self._randomness).claims(commit)
        return scope, claim

    async def _answer(self, peer: str, data: bytes) -> bytes:
        ids = decode(data, MAX_REQUEST)
        if not isinstance(ids, tuple) or len(ids) > MAX_IDS:
            raise EncodingError(f"a request is a list of at most {MAX_IDS} task ids")
        if not all(isinstance(one, int) and 0 <= one < 2**63 for one in ids):
            raise EncodingError("a task id is an integer from 0 to 2^63 - 1")
        commits = await self._store.get_many(sorted({one for one in ids if isinstance(one, int)}))
        return await trio.to_thread.run_sync(pack, commits)


def _parse(data: bytes) -> list[Commit]:
    answer = decode(data, MAX_RESPONSE)
    if not isinstance(answer, tuple) or len(answer) > MAX_MESSAGES:
        raise EncodingError("an answer is a list of messages")
    commits = []
    for one in answer:
        message = decode_message(one) if isinstance(one, bytes) else None
        if not isinstance(message, Commit):
            raise EncodingError("an answer holds something else than commit messages")
        commits.append(message)
    return commits
