"""Whom a node takes for an operator: registering alone makes nobody one, nor does a peer id of another's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import trio
from eth_account import Account

from consensus import bls
from p2pavs.chain.contracts import Chain
from p2pavs.chain.epochs import advance_epoch
from p2pavs.network.peer_ids import peer_id_to_text
from p2pavs.operator_book import OperatorBook
from tests.integration.anvil import Anvil
from tests.integration.chain.network import CHAIN_ID, ETH, address_of, running_network, running_sender


class Preferences:
    """What a book says to the network."""

    peer_id = "this node"

    def __init__(self) -> None:
        self.preferred: set[str] = set()

    def prefer(self, peers: set[str]) -> None:
        self.preferred = peers


def peer(number: int) -> bytes:
    """The peer id of operator ``number``, as ``running_network`` registers it."""
    return bytes.fromhex("002408011220") + bytes([number]) * 32


async def register(
    chain: Chain, anvil: Anvil, directory: Path, number: int, peer_id: bytes, stake: int
) -> bytes:
    account, secret = Account.from_key((number + 77).to_bytes(32, "big")), bls.SecretKey(bytes([number]) * 32)
    await trio.to_thread.run_sync(anvil.rpc, "anvil_setBalance", account.address, hex(1000 * ETH))
    proof = bls.pop_prove(secret, CHAIN_ID, chain.deployment.operator_registry, address_of(account))
    key = bls.public_key_to_evm(bls.public_key(secret))
    async with running_sender(chain.rpc, directory, account) as sender:
        await sender.send(
            chain.call("OperatorRegistry", "register", key, bls.signature_to_evm(proof), peer_id)
        )
        if stake:
            await sender.send(chain.call("NativeStakeRegistry", "deposit", value=stake))
    return address_of(account)


async def test_who_counts_as_an_operator(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path) as network:
        chain, known = network.chain, Preferences()
        book = OperatorBook(chain, cast(Any, known), b"\x01" * 20, ())
        everyone = {
            peer_id_to_text(peer(i)): address_of(one.account) for i, one in enumerate(network.operators)
        }
        await book.read()
        assert book.accounts == everyone
        assert known.preferred == everyone.keys()

        # Without stake one may have any peer id, and changes nothing.
        await register(chain, anvil, tmp_path, 50, peer(0), 0)
        await register(chain, anvil, tmp_path, 51, peer(51), ETH - 1)
        await book.read()
        assert book.accounts == everyone

        # With stake it counts, at once; but another's peer id stays the other's.
        newcomer = await register(chain, anvil, tmp_path, 52, peer(52), ETH)
        await register(chain, anvil, tmp_path, 53, peer(1), ETH)
        await book.read()
        everyone |= {peer_id_to_text(peer(52)): newcomer}
        assert book.accounts == everyone
        assert known.preferred == everyone.keys()


async def test_who_has_left_is_heard_for_some_epochs(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path) as network:
        chain, known = network.chain, Preferences()
        leaving = network.operators[3]
        its_peer = peer_id_to_text(peer(3))
        book = OperatorBook(chain, cast(Any, known), address_of(leaving.account), ())
        await book.read()
        assert book.in_epoch
        async with running_sender(chain.rpc, tmp_path, leaving.account) as sender:
            await sender.send(chain.call("OperatorRegistry", "exit"))
            await sender.send(chain.call("NativeStakeRegistry", "requestWithdrawal", 4 * ETH))
        await book.read()
        assert book.accounts[its_peer] == address_of(leaving.account)
        assert its_peer not in known.preferred
        for later in (True, False):  # the set of the open epoch, of the one before, and of none of these
            await trio.to_thread.run_sync(anvil.mine, 6)
            await advance_epoch(chain, network.sender, network.provers)
            await book.read()
            assert not book.in_epoch
            assert its_peer in book.accounts, "its tasks may be open still"
            fresh = OperatorBook(chain, cast(Any, Preferences()), address_of(leaving.account), ())
            await fresh.read()
            assert (its_peer in fresh.accounts) is later
