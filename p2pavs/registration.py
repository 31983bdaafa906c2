"""Whether the registry has an operator as its node would work: at the start, and when keys change."""

from __future__ import annotations

from collections.abc import Collection

import structlog

from p2pavs.chain.contracts import Chain
from p2pavs.chain.operators import read_operator
from p2pavs.chain.reader import current_epoch, read_epoch, read_operator_set
from p2pavs.chain.records import OperatorRecord
from p2pavs.errors import P2pavsError
from p2pavs.keystore import Identity
from p2pavs.network.peer_ids import peer_id_to_text

log = structlog.get_logger()


class NotAnOperator(P2pavsError):
    """The keys are not registered in the way this node would use them."""


async def check_registration(chain: Chain, identity: Identity, keys: Collection[bytes]) -> None:
    """An honest operator must hear now, not from missing rewards, that it is not in the registry."""
    operator = await read_operator(chain, identity.address)
    account = "0x" + identity.address.hex()
    if operator is None or not (operator.active or await _is_counted_on(chain, identity.address)):
        raise NotAnOperator(
            f"the account {account} is not a registered operator of this deployment",
            "Register it with 'p2pavs operator register', or pass the right --keys and --deployment.",
        )
    if operator.consensus_key not in keys:
        raise NotAnOperator(
            f"the account {account} is registered with another consensus key than those in --keys",
            "Start the node with the keys that were registered.",
        )
    warn_of_rotation(operator, keys)
    if peer_id_to_text(operator.peer_id) != identity.public.peer_id:
        raise NotAnOperator(
            f"the account {account} is registered with another peer id than the one in --keys",
            "Start the node with the keys that were registered.",
        )


def warn_of_rotation(operator: OperatorRecord, held: Collection[bytes]) -> None:
    """Log a key that takes the registered one's place and that this node does not hold."""
    if operator.next_key is not None and operator.next_key not in held:
        log.warning(
            "next_key_not_held",
            key=operator.next_key.hex()[:16],
            counts_from=operator.next_key_from,
            remedy="Start the node again before then, with the key directory that 'rotate-key' wrote to.",
        )


async def _is_counted_on(chain: Chain, account: bytes) -> bool:
    """Whether an operator that has left still has to work: the current or the frozen next set has it."""
    current = await current_epoch(chain)
    for epoch in (current, current + 1):
        if epoch and await read_epoch(chain, epoch) is not None:
            operators = (await read_operator_set(chain, epoch)).operators
            if any(one.operator == account for one in operators):
                return True
    return False
