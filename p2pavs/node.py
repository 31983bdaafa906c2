"""One operator's node: opens everything in order, lets the parts work, closes everything."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
import trio

from consensus import bls
from p2pavs.announcement import Announcement
from p2pavs.api.app import serve_api
from p2pavs.api.view import View
from p2pavs.catch_up import CatchUp
from p2pavs.certificate_sync import CertificateSync
from p2pavs.chain.contracts import Chain
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.errors import ChainError
from p2pavs.chain.follower import Follower
from p2pavs.chain.pending import SqlitePendingStore
from p2pavs.chain.poster import Sender
from p2pavs.chain.reader import read_task
from p2pavs.chain.records import TaskHeader
from p2pavs.chain.rpc import Rpc
from p2pavs.committee_topics import CommitteeTopics
from p2pavs.divergence import DivergenceBook
from p2pavs.doppelganger import DoppelgangerWatch
from p2pavs.drafts import DraftingExecutor, Drafts
from p2pavs.epoch_keeper import EpochKeeper
from p2pavs.evidence_book import EvidenceBook
from p2pavs.evidence_keeper import EvidenceKeeper
from p2pavs.execution import Executor
from p2pavs.journal import Journal
from p2pavs.loop_lag import LoopLag
from p2pavs.model_shelf import ModelShelf
from p2pavs.network import Network, NetworkConfig, Offence
from p2pavs.node_config import NodeConfig, Parts
from p2pavs.open_task import DeskParts
from p2pavs.operator_book import OperatorBook
from p2pavs.registration import check_registration
from p2pavs.restored import settle_restored
from p2pavs.routing import Router
from p2pavs.settings import LOW_BALANCE
from p2pavs.signature_pool import SignaturePool
from p2pavs.signers import Signers
from p2pavs.storage import CertificateStore, DataDirectory, EvidenceStore, SignGuard, until_stored
from p2pavs.storage.retention import forget_old
from p2pavs.supervised import supervised
from p2pavs.tally import Tally
from p2pavs.task_desk import TaskDesk
from p2pavs.traces import Traces

BALANCE_EVERY = 30.0
FORGET_EVERY = 30.0
LENIENT_AFTER_REORGANISATION = 30.0  # seconds

log = structlog.get_logger()


def consensus_topic(deployment: Deployment) -> str:
    """The gossip topic of a deployment's committees of the whole set; those that are drawn have others."""
    domain = deployment.domain
    return f"/p2pavs/consensus/1/{domain.chain_id}/{domain.gateway.hex()}"


class Node:
    """A running node. Made by ``Node.open``, working while ``run`` runs."""

    def __init__(
        self,
        config: NodeConfig,
        directory: DataDirectory,
        chain: Chain,
        network: Network,
        sender: Sender,
        shelf: ModelShelf,
        drafts: Drafts,
        parts: Parts,
        signers: Signers,
    ) -> None:
        self.config = config
        self.network = network
        self.chain = chain
        self.tally = Tally()
        self.lag = LoopLag()
        self.journal = Journal(self.tally.hear)
        self.drafts = drafts
        self.shelf = shelf
        self.executors = shelf.executors
        self.workers = shelf.workers
        self.directory = directory
        self.evidence = EvidenceStore(directory.database)
        self.certificates = CertificateStore(directory.database)
        self.divergences = DivergenceBook()
        account = config.identity.address
        self.accuser = EvidenceKeeper(chain, sender, account, self.evidence, self.certificates)
        self.book = OperatorBook(chain, network, account, signers.consensus.keys())
        self.router = Router(network.blame, lambda peer: self.book.accounts.get(peer))
        self.started_at = time.time()
        self.balance = 0
        self.follower: Follower | None = None
        self.desk: TaskDesk | None = None
        self.sync: CertificateSync | None = None
        self._sender = sender
        self._parts = parts
        self._topics = CommitteeTopics(
            network, consensus_topic(config.deployment), self._accept, self.router.route
        )
        # An epoch's set fixes which key counts in it: the old one works on until no live epoch has it.
        self.signers = signers
        self._signers = signers.consensus

    @classmethod
    @asynccontextmanager
    async def open(cls, config: NodeConfig, parts: Parts | None = None) -> AsyncIterator[Node]:
        """Check everything a node needs, in the order in which an operator would want to hear of it."""
        parts = parts or Parts()
        async with AsyncExitStack() as stack:
            rpc = await stack.enter_async_context(Rpc(config.rpc_url))
            chain = await Chain.connect(rpc, config.deployment)
            directory = stack.enter_context(DataDirectory(config.data))
            await _bind(directory, chain, config)
            signers = await stack.enter_async_context(Signers.open(config.identity, config.deployment.domain))
            await check_registration(chain, config.identity, signers.consensus)
            if config.openai is not None:
                config.openai.check(config.identity.address)
            drafts = Drafts()

            def wrap(executor: Executor) -> Executor:
                return DraftingExecutor(parts.executor(executor), drafts)

            shelf = ModelShelf(chain, config.models, config.model_directory, config.threads, wrap)
            await shelf.open(stack)
            network = await stack.enter_async_context(Network.open(_network_config(config)))
            network.set_record(Announcement(config.identity.address, tuple(shelf.executors)).to_bytes())
            store = stack.enter_context(
                SqlitePendingStore(
                    config.pending,
                    chain_id=config.deployment.chain_id,
                    account=config.identity.address,
                )
            )
            sender = Sender(rpc, signers.account, store, chain_id=config.deployment.chain_id)
            yield cls(config, directory, chain, network, sender, shelf, drafts, parts, signers)

    async def run(
        self, *, bootstrap_timeout: float = 20.0, ready: Callable[[str], None] = lambda url: None
    ) -> None:
        """Work until cancelled. ``ready`` is called with the API's URL once the node takes part."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.lag.run)
            await nursery.start(self._sender.run)
            url: str = await nursery.start(serve_api, View(self), self.config.api)
            await self.book.read()
            await self.network.wait_for_bootstrap(bootstrap_timeout)
            await settle_restored(self.directory.database, self.chain)
            desk = self._open_desk(nursery)
            self.desk = desk
            self.book.set_of = desk.operator_set
            first = await desk.start_block(self.config.deployment.deployed_at_block)
            follower = Follower(self.chain, first, poll_interval=self.config.settings.poll_every)
            self.follower = follower
            # Peers may go by blocks that this node has not read yet, in place of some that it has.
            self.network.lenient_while(lambda: not follower.is_current)
            await nursery.start(self._topics.run)
            nursery.start_soon(desk.run, follower)
            if self.sync is not None:
                nursery.start_soon(supervised, self.sync.run, "certificate sync")
            nursery.start_soon(supervised, self._watch_account, "account watch")
            nursery.start_soon(supervised, self.book.run, "operator book")
            nursery.start_soon(supervised, self._forget_old, "retention")
            provers = {key: signer.prove for key, signer in self._signers.items()}
            keeper = EpochKeeper(self.chain, self._sender, self.config.identity.address, provers)
            nursery.start_soon(supervised, keeper.run, "epoch keeper")
            nursery.start_soon(supervised, self.accuser.run, "evidence keeper")
            nursery.start_soon(supervised, self.signers.watch, "signer watch")
            if self.config.openai is not None:
                await nursery.start(self.config.openai.run, self.chain, View(self), self.config.data)
            nursery.start_soon(self.shelf.run, self._announce)
            ready(url)
            if (advice := bls.backend_advice()) is not None:
                log.warning("slow_signatures", backend=bls.backend_name(), remedy=advice)
            log.info("node_ready", peer_id=self.network.peer_id, api=url, operator=self.operator_name)

    def _announce(self) -> None:
        """Say of this node what it serves now."""
        account = self.config.identity.address
        self.network.set_record(Announcement(account, tuple(self.executors)).to_bytes())

    @property
    def signing_keys(self) -> Collection[bytes]:
        """The consensus keys (48 bytes) that this node can sign with."""
        return self._signers.keys()

    @property
    def signer_error(self) -> str | None:
        """Why the remote signer does not sign; None where all is well, or the keys are here."""
        return None if self.signers.remote is None else self.signers.remote.error

    @property
    def operator_name(self) -> str:
        """This operator's account, as text."""
        return "0x" + self.config.identity.address.hex()

    def _accept(self, peer: str, data: bytes) -> bool:
        """Whether a gossiped message is passed on. Only operators have anything to say on this topic.

        Without this rule anybody could make all members check signatures that do not hold.
        """
        if self.book.accounts and peer not in self.book.accounts:
            self.network.blame(peer, Offence.UNKNOWN_AUTHOR)
            self.book.stranger()
            return False
        return self.router.accept(peer, data)

    def _open_desk(self, nursery: trio.Nursery) -> TaskDesk:
        first = self._signers[self.config.identity.public.consensus_key]
        guard = SignGuard(self.directory.database, first, self._signers)
        self.doppelganger = DoppelgangerWatch(
            guard, self.network.outbid, self.config.settings.doppelganger_wait
        )
        self.network.on_returned(self.doppelganger.gossiped)
        nursery.start_soon(self.doppelganger.run)
        catch_up = CatchUp(self.network, self.certificates, lambda instance: desk.running(instance))
        self.sync = CertificateSync(
            self.network,
            self.certificates,
            self.config.deployment.domain,
            self._read_header,
            lambda epoch: desk.operator_set(epoch),
            os.urandom,
        )
        sync = self.sync
        desk = self._parts.desk(
            DeskParts(
                chain=self.chain,
                sender=self._sender,
                operator=self.config.identity.address,
                database=self.directory.database,
                guard=guard,
                evidence=EvidenceBook(self.evidence, self.journal),
                journal=self.journal,
                router=self.router,
                catch_up=catch_up,
                doppelganger=self.doppelganger,
                topics=self._topics,
                publish=self._topics.publish,
                author_of=lambda peer: self.book.accounts.get(peer),
                peer_of=self.book.peer_of,
                traces=Traces(self.network, lambda instance: desk.trace(instance)),
                divergences=self.divergences,
                check=SignaturePool(os.urandom, self.tally.verifications.add).verify,
                blame=self.network.blame,
                certified=lambda header: sync.want(header.id, header),
                reorganised=lambda: self.network.pardon(LENIENT_AFTER_REORGANISATION),
                executors=self.executors,
                settings=self.config.settings,
                randomness=os.urandom,
                peers_of=self.book.peers_of,
            ),
            nursery,
        )
        return desk

    async def _read_header(self, task_id: int) -> TaskHeader:
        return (await read_task(self.chain, task_id)).requested.header

    async def _watch_account(self) -> None:
        """Posting costs gas: tell the operator before the account is empty, not after."""
        while True:
            try:
                self.balance = await self.chain.rpc.balance(self.config.identity.address)
                if self.balance < LOW_BALANCE:
                    log.warning(
                        "balance_low",
                        account=self.operator_name,
                        wei=self.balance,
                        remedy="Send ether to the account: without it this node cannot post certificates.",
                    )
            except ChainError as error:
                log.warning("balance_unread", error=error.message)
            await trio.sleep(BALANCE_EVERY)

    async def _forget_old(self) -> None:
        keep = self.config.settings.keep_tasks
        while True:
            await trio.sleep(FORGET_EVERY)
            gone = await until_stored(lambda: forget_old(self.directory.database, keep))
            if gone:
                log.debug("old_tasks_forgotten", rows=gone)


def _network_config(config: NodeConfig) -> NetworkConfig:
    return NetworkConfig(
        listen=config.listen,
        key_seed=config.identity.peer_seed.reveal(),
        announce=config.announce,
        bootstrap=config.bootstrap,
        mdns=config.mdns,
        peers_file=config.data / "peers.cbor",
    )


async def _bind(directory: DataDirectory, chain: Chain, config: NodeConfig) -> None:
    """Tie the data directory to this chain, gateway and operator."""
    identity = {
        "chain": str(config.deployment.chain_id),
        "gateway": "0x" + config.deployment.domain.gateway.hex(),
        "operator": "0x" + config.identity.address.hex(),
    }
    genesis = await chain.rpc.block(0)
    if genesis is not None:  # endpoints that keep recent blocks only do not know it
        identity["genesis"] = genesis.hash.hex()
    directory.bind(identity)


def write_node_file(node: Node, url: str) -> None:
    """Leave DATA/node.json for whoever started the node: where it listens and where its API is."""
    content = {
        "peerId": node.network.peer_id,
        "addresses": list(node.network.addresses),
        "api": url,
        "pid": os.getpid(),
        "operator": node.operator_name,
    }
    path = node.config.data / "node.json"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    temporary.replace(path)
