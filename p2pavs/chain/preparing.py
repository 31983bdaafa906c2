"""What comes before a transaction is sent: a trial run, its gas limit, its signature."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from p2pavs.chain import answers
from p2pavs.chain.answers import in_next_block
from p2pavs.chain.contracts import Call
from p2pavs.chain.errors import ContractRevert, InsufficientFunds, RpcRefused
from p2pavs.chain.fees import Fees
from p2pavs.chain.pending import PendingTransaction
from p2pavs.chain.reverts import explain
from p2pavs.chain.rpc import Rpc
from p2pavs.chain.rpc_values import Block

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from eth_account.types import TransactionDictType

    from p2pavs.remote_signer.client import RemoteAccount

GAS_MARGIN = 1.25
"""Gas limit over estimate: what a call takes may grow until it is mined."""
_PLAIN_PAYMENT = 21_000  # gas, always


@dataclass(frozen=True, slots=True)
class Preparer:
    """Tries calls out and signs them, as one account on one chain."""

    rpc: Rpc
    account: LocalAccount | RemoteAccount
    chain_id: int

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        return bytes.fromhex(self.account.address[2:])

    async def simulate(self, call: Call) -> bytes:
        """Run a call without sending it. Raises ``ContractRevert`` where the contract would refuse it."""

        async def ask(block: Block) -> bytes:
            return await self.rpc.call(
                call.to, call.data, sender=self.address, value=call.value, gas=call.gas, block=block
            )

        try:
            return await (in_next_block(ask) if call.trial == "pending" else ask(call.trial))
        except RpcRefused as error:
            if answers.says(error, answers.NO_FUNDS):
                raise await self.no_funds(call.value) from None
            raise explain(error) from None

    async def gas_limit(self, call: Call) -> int:
        """Run the call without sending it, and say how much gas to give it. Raises why it would not work."""
        if call.gas is not None:
            try:
                await self.simulate(call)
            except (ContractRevert, RpcRefused):
                pass  # perhaps the limit was too low: without it the chain says what is wrong
            else:
                return call.gas
        await self.simulate(replace(call, gas=None))
        return await self._estimate(call)

    async def _estimate(self, call: Call) -> int:
        async def ask(block: Block) -> int:
            return await self.rpc.estimate_gas(
                call.to, call.data, sender=self.address, value=call.value, block=block
            )

        try:
            estimate = await in_next_block(ask)
        except RpcRefused as error:
            if answers.says(error, answers.NO_FUNDS):
                raise await self.no_funds(call.value) from None
            raise explain(error) from None
        return estimate if estimate == _PLAIN_PAYMENT else int(estimate * GAS_MARGIN)

    async def sign(self, call: Call, nonce: int, gas: int, fees: Fees) -> PendingTransaction:
        """Return the transaction that makes a call."""
        return await self.sign_again(
            PendingTransaction(
                nonce=nonce,
                to=call.to,
                data=call.data,
                value=call.value,
                gas=gas,
                max_fee=fees.max_fee,
                tip=fees.tip,
                raw=b"",
                hashes=(),
                what=call.what,
            )
        )

    async def sign_again(self, t: PendingTransaction) -> PendingTransaction:
        """Return the transaction signed as it stands, its hash added."""
        fields: TransactionDictType = {
            "type": 2,
            "chainId": self.chain_id,
            "nonce": t.nonce,
            "gas": t.gas,
            "maxFeePerGas": t.max_fee,
            "maxPriorityFeePerGas": min(t.tip, t.max_fee),
            "value": t.value,
            "data": t.data,
        }
        if t.to is not None:
            fields["to"] = t.to
        signed: Any = self.account.sign_transaction(fields)
        if inspect.isawaitable(signed):  # from a remote signer
            signed = await signed
        return replace(t, raw=bytes(signed.raw_transaction), hashes=(*t.hashes, bytes(signed.hash)))

    async def no_funds(self, needed: int) -> InsufficientFunds:
        """Return the error of an account that has less than ``needed`` wei."""
        return InsufficientFunds(self.account.address, await self.rpc.balance(self.address), needed)
