"""The trial run of a transaction: against which block."""

from __future__ import annotations

from typing import Any, cast

import pytest
from eth_account import Account

from p2pavs.chain.contracts import Call
from p2pavs.chain.preparing import Preparer
from p2pavs.chain.rpc import Rpc
from p2pavs.chain.rpc_values import Block
from tests.unit.chain.http_double import endpoint, result


@pytest.mark.parametrize("trial", ["pending", "latest"])
async def test_a_call_is_tried_out_where_it_says(trial: Block) -> None:
    call = Call(bytes(20), b"\x01", gas=100_000, trial=trial)
    with endpoint(lambda request: result(request, "0x")) as served:
        async with Rpc(served.url) as rpc:
            preparer = Preparer(rpc, cast(Any, Account.create()), 31337)
            assert await preparer.gas_limit(call) == 100_000
        assert served.methods == ["eth_call"]
        assert served.requests[0]["params"][1] == trial
