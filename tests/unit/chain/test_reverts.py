from __future__ import annotations

import re
import string

import pytest
from eth_abi.abi import encode

from p2pavs.chain.contracts import interface
from p2pavs.chain.errors import ContractRevert, RpcRefused
from p2pavs.chain.revert_texts import TEXTS
from p2pavs.chain.reverts import explain, known_errors, revert_of
from p2pavs.contracts import EIGEN_STAKE, NAMES, PROXIES, PROXY_ADMIN

ENTRIES = [
    entry
    for name in (*NAMES, EIGEN_STAKE, *PROXIES.values(), PROXY_ADMIN)
    for entry in interface(name).errors.values()
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry.name))
def test_every_error_of_the_contracts_has_a_sentence_and_a_remedy(entry: object) -> None:
    from p2pavs.chain.abi import Entry

    assert isinstance(entry, Entry)
    sentence, remedy = TEXTS[entry.name]
    fields = {field.split(":")[0] for _, field, _, _ in string.Formatter().parse(sentence) if field}
    assert fields <= {parameter.name for parameter in entry.inputs}
    assert re.fullmatch(r"[A-Z{\d].*[.)]", sentence)
    assert remedy.endswith(".")
    zero = {"address": bytes(20), "string": "", "bytes32": bytes(32)}
    values = [zero.get(parameter.type, 0) for parameter in entry.inputs]
    data = entry.selector + encode([parameter.type for parameter in entry.inputs], values)
    error = revert_of(data)
    assert error.name == entry.name
    assert "{" not in error.message


def test_no_text_is_left_over() -> None:
    assert set(TEXTS) - {"Error", "Panic"} == {entry.name for entry in ENTRIES}


def test_amounts_and_times_are_readable() -> None:
    entry = interface("NativeStakeRegistry").errors["StillLocked"]
    data = entry.selector + encode(["uint64", "uint256"], [1_900_000_000, 1])
    assert "2030-03-17 17:46:40 UTC" in revert_of(data).message
    entry = interface("TaskGateway").errors["FeeTooLow"]
    data = entry.selector + encode(["uint256", "uint256"], [10**17, 10**18])
    error = revert_of(data)
    assert error.message == "The task costs 1 ETH, but 0.1 ETH were sent along."
    assert error.arguments == {"paid": 10**17, "fee": 10**18}


def test_a_time_beyond_the_calendar_is_no_crash() -> None:
    entry = interface("TaskGateway").errors["DeadlinePassed"]
    assert "second" in revert_of(entry.selector + encode(["uint256", "uint256"], [1, 2**255])).message


def test_a_message_of_a_contract_cannot_play_with_the_terminal() -> None:
    data = bytes.fromhex("08c379a0") + encode(["string"], ["\x1b[2Jgone"])
    assert "\x1b" not in revert_of(data).message


@pytest.mark.parametrize("data", [b"", b"\x12", b"\x12\x34\x56\x78", b"\x08\xc3\x79\xa0\xff"])
def test_data_that_is_not_ours_is_still_a_revert(data: bytes) -> None:
    error = revert_of(data)
    assert error.name == ""
    assert error.remedy


def test_what_is_no_revert_stays_what_it_is() -> None:
    refused = RpcRefused("eth_call", -32005, "rate limit exceeded")
    assert explain(refused) is refused
    assert isinstance(explain(RpcRefused("eth_call", 3, "execution reverted")), ContractRevert)
    assert isinstance(explain(RpcRefused("eth_call", -32000, "execution reverted")), ContractRevert)


def test_selectors_do_not_clash() -> None:
    by_selector = known_errors()
    for entry in ENTRIES:
        assert by_selector[entry.selector].name == entry.name
