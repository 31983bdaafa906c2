"""Ethereum JSON-RPC over HTTP under trio or asyncio, strictly decoded.

The endpoint is not trusted with this process: answers are capped in size while they arrive, quantities and
byte strings are checked for form, and every failure is one of the errors in ``p2pavs.chain.errors``.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from typing import Any, Self

import anyio

from p2pavs import strict_json
from p2pavs.chain.errors import RpcBadAnswer, RpcRefused, RpcUnreachable
from p2pavs.chain.http_endpoint import AnswerTooLong, BadUrl, HttpEndpoint, HttpFailure
from p2pavs.chain.rpc_values import Block, BlockHeader, FeeHistory, Log, RawReceipt, RawTransaction

MAX_RESPONSE_BYTES = 32 * 1024 * 1024
MAX_COUNT = 2**60 - 1
_BLOCK_TAGS = frozenset({"latest", "earliest", "pending", "safe", "finalized"})
_QUANTITY = re.compile(r"0x(0|[1-9a-f][0-9a-f]{0,63})\Z")
_DATA = re.compile(r"0x[0-9a-fA-F]*\Z")

# Repeating one of these changes nothing. A raw transaction is among them: its nonce makes it count once.
_IDEMPOTENT = frozenset(
    {
        "eth_blockNumber",
        "eth_call",
        "eth_chainId",
        "eth_estimateGas",
        "eth_feeHistory",
        "eth_getBalance",
        "eth_getBlockByHash",
        "eth_getBlockByNumber",
        "eth_getCode",
        "eth_getLogs",
        "eth_getStorageAt",
        "eth_getTransactionByHash",
        "eth_getTransactionCount",
        "eth_getTransactionReceipt",
        "eth_sendRawTransaction",
        "net_version",
        "web3_clientVersion",
    }
)
_BUSY = frozenset({429, 502, 503, 504})


class Rpc:
    """A client of one JSON-RPC endpoint. Close it with ``aclose`` or use it in an ``async with``."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 10.0,
        retries: int = 3,
        retry_pause: float = 0.1,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        """``timeout`` in seconds per attempt; ``retries`` after the first, with pauses that triple.

        Raises ``RpcUnreachable`` for an address that no endpoint can have.
        """
        try:
            self._http = HttpEndpoint(url, max_response_bytes)
        except BadUrl as error:
            raise RpcUnreachable(url, str(error)) from None
        self.url = url
        self._timeout = timeout
        self._retries = retries
        self._retry_pause = retry_pause
        self._cap = max_response_bytes
        self._ids = itertools.count(1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def request(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Send one request and return its ``result`` as decoded JSON.

        Raises ``RpcUnreachable``, ``RpcBadAnswer`` or, where it answers with an error, ``RpcRefused``.
        """
        answer = await self.exchange(method, params)
        if "error" in answer:
            raise self._refused(method, answer["error"])
        if "result" not in answer:
            raise RpcBadAnswer(self.url, f"neither result nor error for {method}")
        return answer["result"]

    async def exchange(self, method: str, params: Sequence[Any] = ()) -> dict[str, Any]:
        """Like ``request``, but return the whole JSON-RPC answer, errors included."""
        number = next(self._ids)
        body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}).encode()
        attempts = self._retries + 1 if method in _IDEMPOTENT else 1
        pause = self._retry_pause
        for attempt in range(attempts):
            if attempt:
                await anyio.sleep(pause)
                pause *= 3
            try:
                raw = await self._post(body)
            except RpcUnreachable:
                if attempt + 1 == attempts:
                    raise
            else:
                return self._parse(raw, number)
        raise AssertionError("the loop returns or raises")

    async def _post(self, body: bytes) -> bytes:
        try:
            with anyio.fail_after(self._timeout):  # for the whole exchange
                status, received = await self._http.post(body)
        except TimeoutError:
            raise RpcUnreachable(self.url, f"no answer within {self._timeout:g} s") from None
        except HttpFailure as error:
            raise RpcUnreachable(self.url, _short(str(error))) from None
        except AnswerTooLong:
            raise RpcBadAnswer(self.url, f"it is longer than {self._cap} bytes") from None
        if status in _BUSY:
            raise RpcUnreachable(self.url, f"it is busy: HTTP status {status}")
        # Some endpoints send JSON-RPC errors with status 400 or 500: look at the body first.
        if status != 200 and not received.lstrip().startswith(b"{"):
            raise RpcBadAnswer(self.url, f"HTTP status {status}")
        return received

    def _parse(self, raw: bytes, number: int) -> dict[str, Any]:
        try:
            answer = strict_json.loads(raw)
        except ValueError:
            raise RpcBadAnswer(self.url, "it is not JSON") from None
        if not isinstance(answer, dict):
            raise RpcBadAnswer(self.url, "it is not a JSON-RPC object")
        if answer.get("id") not in (number, None):
            raise RpcBadAnswer(self.url, "it answers another request")
        return answer

    def _refused(self, method: str, error: Any) -> RpcRefused:
        if not isinstance(error, dict):
            return RpcRefused(method, 0, _short(str(error)))
        code = error.get("code")
        return RpcRefused(
            method,
            code if isinstance(code, int) else 0,
            _short(str(error.get("message", "no reason given"))),
            _revert_data(error.get("data")),
        )

    # --- typed methods ------------------------------------------------------------------------------------

    async def chain_id(self) -> int:
        """Return the chain this endpoint serves."""
        return self._quantity(await self.request("eth_chainId"))

    async def block_number(self) -> int:
        """Return the number of the newest block."""
        return self._count(await self.request("eth_blockNumber"))

    async def block(self, which: Block | bytes) -> BlockHeader | None:
        """Return a block by number, tag or hash; None where the endpoint has no such block."""
        if isinstance(which, bytes):
            found = await self.request("eth_getBlockByHash", [_hex(which), False])
        else:
            try:
                found = await self.request("eth_getBlockByNumber", [_block(which), False])
            except RpcRefused as error:
                if "not found" in error.reason.lower():  # what some nodes say instead of null
                    return None
                raise
        if found is None:
            return None
        block = self._object(found)
        return BlockHeader(
            number=self._count(block.get("number")),
            hash=self._data(block.get("hash"), 32),
            parent_hash=self._data(block.get("parentHash"), 32),
            timestamp=self._count(block.get("timestamp")),
            base_fee=self._quantity(block.get("baseFeePerGas", "0x0")),
        )

    async def code(self, address: bytes) -> bytes:
        """Return the code of a contract; empty where there is none."""
        return self._data(await self.request("eth_getCode", [_hex(address), "latest"]))

    async def storage(self, address: bytes, slot: bytes) -> bytes:
        """Return the 32 bytes of a contract's storage slot."""
        return self._data(await self.request("eth_getStorageAt", [_hex(address), _hex(slot), "latest"]), 32)

    async def balance(self, address: bytes) -> int:
        """Return the balance of an account, in wei."""
        return self._quantity(await self.request("eth_getBalance", [_hex(address), "latest"]))

    async def transaction_count(self, address: bytes, block: Block = "latest") -> int:
        """Return the next nonce of an account."""
        return self._count(await self.request("eth_getTransactionCount", [_hex(address), _block(block)]))

    async def call(
        self,
        to: bytes | None,
        data: bytes,
        *,
        sender: bytes | None = None,
        value: int = 0,
        gas: int | None = None,
        block: Block = "latest",
    ) -> bytes:
        """Run a call without a transaction. A revert is an ``RpcRefused`` that carries the revert data."""
        message = _message(to, data, sender, value)
        if gas is not None:
            message["gas"] = hex(gas)
        return self._data(await self.request("eth_call", [message, _block(block)]))

    async def estimate_gas(
        self, to: bytes | None, data: bytes, *, sender: bytes, value: int = 0, block: Block = "latest"
    ) -> int:
        """How much gas a transaction would take now."""
        return self._count(
            await self.request("eth_estimateGas", [_message(to, data, sender, value), _block(block)])
        )

    async def fee_history(self, blocks: int = 5) -> FeeHistory:
        """Return what the last ``blocks`` blocks cost."""
        found = self._object(await self.request("eth_feeHistory", [hex(blocks), "latest", [50]]))
        base_fees = self._list(found.get("baseFeePerGas"))
        rewards = self._list(found.get("reward") or [])
        if not base_fees:
            raise RpcBadAnswer(self.url, "a fee history without fees")
        tips = [self._list(row) for row in rewards]
        return FeeHistory(
            next_base_fee=self._quantity(base_fees[-1]),
            median_tips=tuple(self._quantity(row[0]) for row in tips if row),
        )

    async def send_raw_transaction(self, raw: bytes) -> bytes:
        """Hand a signed transaction to the chain; returns its hash."""
        return self._data(await self.request("eth_sendRawTransaction", [_hex(raw)]), 32)

    async def receipt(self, transaction_hash: bytes) -> RawReceipt | None:
        """Return the receipt of a mined transaction, or None."""
        found = await self.request("eth_getTransactionReceipt", [_hex(transaction_hash)])
        if found is None:
            return None
        receipt = self._object(found)
        created = receipt.get("contractAddress")
        return RawReceipt(
            transaction_hash=self._data(receipt.get("transactionHash"), 32),
            block_number=self._count(receipt.get("blockNumber")),
            block_hash=self._data(receipt.get("blockHash"), 32),
            status=self._quantity(receipt.get("status")),
            gas_used=self._count(receipt.get("gasUsed")),
            effective_gas_price=self._quantity(receipt.get("effectiveGasPrice", "0x0")),
            contract_address=None if created is None else self._data(created, 20),
            logs=tuple(self._log(entry) for entry in self._list(receipt.get("logs"))),
        )

    async def transaction(self, transaction_hash: bytes) -> RawTransaction | None:
        """Return a transaction by its hash, or None where it is not known."""
        found = await self.request("eth_getTransactionByHash", [_hex(transaction_hash)])
        if found is None:
            return None
        tx = self._object(found)
        to, number, block_hash = tx.get("to"), tx.get("blockNumber"), tx.get("blockHash")
        return RawTransaction(
            hash=self._data(tx.get("hash"), 32),
            sender=self._data(tx.get("from"), 20),
            to=None if to is None else self._data(to, 20),
            data=self._data(tx.get("input", tx.get("data"))),
            value=self._quantity(tx.get("value")),
            nonce=self._count(tx.get("nonce")),
            block_number=None if number is None else self._count(number),
            block_hash=None if block_hash is None else self._data(block_hash, 32),
        )

    async def logs(
        self,
        addresses: Sequence[bytes],
        *,
        block_hash: bytes | None = None,
        first: Block = "earliest",
        last: Block = "latest",
        topics: Sequence[bytes | None] = (),
    ) -> tuple[Log, ...]:
        """Return logs of some contracts: of one block by its hash, or of the blocks ``first`` to ``last``."""
        query: dict[str, Any] = {"address": [_hex(address) for address in addresses]}
        if topics:
            query["topics"] = [None if topic is None else _hex(topic) for topic in topics]
        if block_hash is not None:
            query["blockHash"] = _hex(block_hash)
        else:
            query |= {"fromBlock": _block(first), "toBlock": _block(last)}
        found = self._list(await self.request("eth_getLogs", [query]))
        entries = tuple(self._log(entry) for entry in found)
        wanted = frozenset(addresses)
        if any(entry.address not in wanted for entry in entries):
            raise RpcBadAnswer(self.url, "logs of a contract that was not asked for")
        return entries

    # --- strict decoding ----------------------------------------------------------------------------------

    def _log(self, value: Any) -> Log:
        entry = self._object(value)
        return Log(
            address=self._data(entry.get("address"), 20),
            topics=tuple(self._data(topic, 32) for topic in self._list(entry.get("topics"))),
            data=self._data(entry.get("data")),
            block_number=self._count(entry.get("blockNumber")),
            block_hash=self._data(entry.get("blockHash"), 32),
            transaction_hash=self._data(entry.get("transactionHash"), 32),
            log_index=self._count(entry.get("logIndex")),
        )

    def _quantity(self, value: Any) -> int:
        if not isinstance(value, str) or not _QUANTITY.match(value):
            raise RpcBadAnswer(self.url, f"{_short(repr(value))} where a number should be")
        return int(value, 16)

    def _count(self, value: Any) -> int:
        """A number of blocks, transactions, seconds or units of gas, which a database can hold."""
        number = self._quantity(value)
        if number > MAX_COUNT:
            raise RpcBadAnswer(self.url, f"{_short(repr(value))} where a number below 2^60 should be")
        return number

    def _data(self, value: Any, size: int | None = None) -> bytes:
        if not isinstance(value, str) or len(value) % 2 or not _DATA.match(value):
            raise RpcBadAnswer(self.url, f"{_short(repr(value))} where bytes should be")
        data = bytes.fromhex(value[2:])
        if size is not None and len(data) != size:
            raise RpcBadAnswer(self.url, f"{len(data)} bytes where {size} should be")
        return data

    def _object(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise RpcBadAnswer(self.url, f"{_short(repr(value))} where an object should be")
        return value

    def _list(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise RpcBadAnswer(self.url, f"{_short(repr(value))} where a list should be")
        return value


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _block(which: Block) -> str:
    if isinstance(which, int):
        return hex(which)
    if which not in _BLOCK_TAGS:
        raise ValueError(f"{which!r} names no block")
    return which


def _message(to: bytes | None, data: bytes, sender: bytes | None, value: int) -> dict[str, str]:
    message = {"data": _hex(data), "value": hex(value)}
    if to is not None:
        message["to"] = _hex(to)
    if sender is not None:
        message["from"] = _hex(sender)
    return message


def _short(text: str) -> str:
    """Text of the other side, made harmless for a terminal and a log."""
    printable = "".join(c if c.isprintable() else "?" for c in text[:300])
    return printable if len(text) <= 300 else printable + "..."


def _revert_data(value: Any) -> bytes | None:
    """Find revert data in an error's ``data``: a hex string or an object that holds one, by node."""
    if isinstance(value, dict):
        value = value.get("data", value.get("result"))
    if isinstance(value, str):
        text = value.removeprefix("Reverted ")
        if len(text) % 2 == 0 and _DATA.match(text):
            return bytes.fromhex(text[2:])
    return None
