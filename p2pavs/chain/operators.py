"""Who the operators are. The registry stores hashes of keys, and in which blocks the bytes were logged."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from eth_utils.crypto import keccak

from consensus import bls
from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ChainError
from p2pavs.chain.events import Event, KeyRotationBegun, OperatorRegistered, PeerIdChanged
from p2pavs.chain.reader import BadRecord, current_epoch, minimum_stake, read_operator_set, stake_of
from p2pavs.chain.records import OperatorRecord

KEY_HASH_BYTES = 26
"""How much of a key's hash the registry stores."""


class EventMissing(ChainError):
    """The endpoint does not give the event that the registry points to."""

    def __init__(self, what: str, block: int) -> None:
        super().__init__(
            f"Block {block} has no event with {what}.",
            "Try again: the chain may have been reorganised. If it stays so, the RPC endpoint keeps no logs "
            "that old; use another one.",
        )


class _Events:
    """The registry's events, block by block; each block is asked for once."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._blocks: dict[int, tuple[Event, ...]] = {}

    async def of(self, block: int) -> tuple[Event, ...]:
        if block not in self._blocks:
            found = await self._chain.events_at("OperatorRegistry", block)
            self._blocks[block] = tuple(logged.event for logged in found)
        return self._blocks[block]

    async def key(self, account: bytes, key_hash: bytes, block: int) -> bytes:
        """Return the key (48 bytes) of this hash."""
        for event in await self.of(block):
            if isinstance(event, OperatorRegistered | KeyRotationBegun) and event.operator == account:
                try:
                    key = bls.public_key_from_evm(event.public_key)
                except bls.BlsError as error:
                    raise BadRecord(f"the key of operator 0x{account.hex()} is {error}") from None
                if key_hash_of(key) == key_hash:
                    return key
        raise EventMissing(f"the key of operator 0x{account.hex()}", block)

    async def peer_id(self, account: bytes, block: int) -> bytes:
        """Return the latest peer id of the block."""
        for event in reversed(await self.of(block)):
            if isinstance(event, OperatorRegistered | PeerIdChanged) and event.operator == account:
                return event.peer_id
        raise EventMissing(f"the peer id of operator 0x{account.hex()}", block)


def key_hash_of(key: bytes) -> bytes:
    """Return what the registry knows a key (48 bytes) by."""
    return keccak(key)[:KEY_HASH_BYTES]


async def read_operator(chain: Chain, account: bytes) -> OperatorRecord | None:
    """Return an account's operator with its stake; None where it never registered.

    Raises ``EventMissing`` where the endpoint has no logs of the blocks in question.
    """
    return await _read(chain, account, _Events(chain))


async def list_operators(chain: Chain) -> tuple[OperatorRecord, ...]:
    """Return all operators that ever registered, in that order, with their stakes.

    Each registration names the block of the one before, so no query spans more than one block.
    """
    events, accounts = _Events(chain), list[bytes]()
    block = int(await chain.read_one("OperatorRegistry", "lastRegistration"))
    while block:
        found = [event for event in await events.of(block) if isinstance(event, OperatorRegistered)]
        if not found:
            raise EventMissing("a registration", block)
        accounts += [event.operator for event in reversed(found)]
        block, later = found[0].previous, block
        if block >= later:
            raise BadRecord(f"a registration in block {later} follows one in block {block}")
    records = [await _read(chain, account, events) for account in dict.fromkeys(reversed(accounts))]
    return tuple(record for record in records if record is not None)


async def counted_operators(chain: Chain, seated: Collection[bytes]) -> tuple[OperatorRecord, ...]:
    """Return the operators ``seated`` (accounts), and all that the next set would count.

    To register costs no stake, so of those that ``list_operators`` returns there may be any number.
    """
    found = await chain.read(chain.deployment.stake_source, "members")
    stakes = dict(zip(found["accounts"], found["stakes"], strict=True))
    minimum, events = await minimum_stake(chain), _Events(chain)
    wanted = dict.fromkeys([*seated, *(account for account, stake in stakes.items() if stake >= minimum)])
    records = [await _read(chain, account, events, stakes.get(account)) for account in wanted]
    return tuple(one for one in records if one is not None and (one.active or one.account in seated))


async def key_owner(chain: Chain, key: bytes) -> bytes:
    """Return the account that brought a consensus key (48 bytes); zero where nobody did."""
    return bytes(await chain.read_one("OperatorRegistry", "ownerOf", keccak(key)))


async def wanted_keys(chain: Chain, most: int) -> bytes:
    """Return the next keys, at most so many, that a snapshot wants: x and y of each, 96 bytes."""
    found = await chain.read("EpochManager", "wanted")
    wanted = list(zip(found["accounts"], found["keys"], strict=True))[:most]
    epoch = await current_epoch(chain)
    running = (await read_operator_set(chain, epoch)).operators if epoch else ()
    known = {key_hash_of(one.key): one.key for one in running}
    events = _Events(chain)
    keys = [
        known.get(key_hash) or await _new_key(chain, events, account, key_hash)
        for account, key_hash in wanted
    ]
    return b"".join(map(bls.key_xy, keys))


async def _new_key(chain: Chain, events: _Events, account: bytes, key_hash: bytes) -> bytes:
    """Return a key that the running set does not have."""
    state = await chain.read_one("OperatorRegistry", "operatorOf", account)
    later = state["nextKey"] == key_hash
    return await events.key(account, key_hash, state["nextKeyBlock" if later else "keyBlock"])


async def _read(
    chain: Chain, account: bytes, events: _Events, stake: int | None = None
) -> OperatorRecord | None:
    state: Any = await chain.read_one("OperatorRegistry", "operatorOf", account)
    if not any(state["key"]):
        return None
    next_key = None
    if any(state["nextKey"]):
        next_key = await events.key(account, state["nextKey"], state["nextKeyBlock"])
    return OperatorRecord(
        account=account,
        consensus_key=await events.key(account, state["key"], state["keyBlock"]),
        key_block=state["keyBlock"],
        peer_id=await events.peer_id(account, state["peerBlock"]),
        active=state["active"],
        stake=await stake_of(chain, account) if stake is None else stake,
        next_key=next_key,
        next_key_from=state["nextKeyFrom"],
        peer_block=state["peerBlock"],
    )
