"""``p2pavs operator rotate-key`` and ``change-peer-id``: other keys for a registered operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from p2pavs import keystore
from p2pavs.chain.contracts import Chain
from p2pavs.chain.operators import key_owner
from p2pavs.chain.records import OperatorRecord
from p2pavs.cli import common
from p2pavs.cli.operator_records import must_read, proven, record_json
from p2pavs.cli.options import json_option, with_chain, with_keys
from p2pavs.cli.output import address, moment, show
from p2pavs.cli.sources import ChainOptions, KeyOptions
from p2pavs.errors import UsageError
from p2pavs.payer import Payer

if TYPE_CHECKING:
    from consensus import bls


@click.command("rotate-key")
@with_chain
@with_keys
@json_option
def rotate_key(where: ChainOptions, who: KeyOptions) -> None:
    """Replace the consensus key: make another one in the key directory, and register it.

    It counts in the sets that are frozen after a delay. Start the node again before then: it holds the old
    key and the new one, and signs with the one that the epoch's set has.
    """
    directory = who.directory()
    password = who.password()
    identity = keystore.load(directory, password)
    source = Payer(identity.account(), who.pending())

    async def work() -> tuple[bool, OperatorRecord]:
        async with where.open_chain() as chain:
            record = await must_read(chain, identity.address)
            if record.next_key is not None:
                if record.next_key not in identity.consensus_keys():
                    raise UsageError(
                        "Another key is on its way in, and it is not in this key directory.",
                        "Use the key directory that the rotation was begun with.",
                    )
                return False, record
            new = await _unused_key(chain, identity)
            if new is None:
                new = keystore.add_consensus_key(directory, password)
            secret = keystore.load(directory, password).consensus_keys()[new]
            async with common.open_account(chain.rpc, source) as sender:
                await sender.send(_rotation(chain, identity.address, new, secret))
            return True, await must_read(chain, identity.address)

    changed, record = common.run(work)
    if record.next_key is None:  # without a delay
        line = "The new key counts from the next snapshot on."
    else:
        line = f"The new key counts in sets frozen from {moment(record.next_key_from)} on."
    show(
        record_json(record) | {"changed": changed},
        line if changed else f"A rotation is under way. {line}",
        "Start the node again before then, with this key directory; and back the directory up.",
    )


@click.command("change-peer-id")
@with_chain
@with_keys
@json_option
def change_peer_id(where: ChainOptions, who: KeyOptions) -> None:
    """Replace the network key, and with it the peer id. Stop the node before, start it again after."""
    directory = who.directory()
    password = who.password()
    source = who.payer()

    async def work() -> None:
        async with where.open_chain() as chain:
            seed = keystore.next_peer_seed(directory, password)
            peer_id = keystore.peer_id_bytes(keystore.peer_id_of(seed))
            record = await must_read(chain, source.address)
            if record.peer_id != peer_id:
                async with common.open_account(chain.rpc, source) as sender:
                    await sender.send(chain.call("OperatorRegistry", "changePeerId", peer_id))

    common.run(work)
    peer_id = keystore.adopt_peer_seed(directory, password)
    show(
        {"address": address(source.address), "peerId": peer_id},
        f"The peer id is now {peer_id}. Start the node again; and back the key directory up.",
    )


def _rotation(chain: Chain, account: bytes, key: bytes, secret: bls.SecretKey) -> Any:
    return chain.call("OperatorRegistry", "rotateKey", *proven(chain, account, key, secret))


async def _unused_key(chain: Chain, identity: keystore.Identity) -> bytes | None:
    """Return a key of the directory that never was registered: one of a rotation that was interrupted."""
    for key in identity.consensus_keys():
        if not any(await key_owner(chain, key)):
            return key
    return None
