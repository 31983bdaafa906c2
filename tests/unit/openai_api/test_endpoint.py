"""The endpoint as a part of a node, and its commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner
from eth_account import Account

from p2pavs.cli.main import root
from p2pavs.openai_api.config import EndpointConfig, hash_key
from p2pavs.openai_api.endpoint import Endpoint, SameAccount
from p2pavs.payer import Payer


def test_the_operator_does_not_pay(tmp_path: Path) -> None:
    payer = Payer(Account.from_key(b"\x01" * 32), tmp_path / "pending.sqlite")
    endpoint = Endpoint(cast(Any, None), payer)
    endpoint.check(b"\x01" * 20)
    with pytest.raises(SameAccount, match="operator's own account"):
        endpoint.check(payer.address)


def test_a_key_that_the_command_makes_is_read_by_the_node(tmp_path: Path) -> None:
    file = tmp_path / "openai.toml"
    made = CliRunner().invoke(root, ["openai", "new-key", "alice", "--ether-per-day", "0.05"])
    assert made.exit_code == 0
    key = made.stderr.split()[-1]
    assert key not in made.stdout
    file.write_text('keys = "payer"\npassword_file = "password"\n' + made.stdout)
    found = EndpointConfig.load(file).key_of(key)
    assert found is not None and (found.name, found.wei_per_day) == ("alice", 5 * 10**16)
    checked = CliRunner().invoke(root, ["openai", "check", str(file), "--json"])
    assert json.loads(checked.stdout)["apiKeys"] == ["alice"]
    assert hash_key(key) not in checked.stdout

    file.write_text("listen = 3\n")
    refused = CliRunner().invoke(root, ["openai", "check", str(file)])
    assert refused.exit_code == 2 and "is refused" in refused.stderr
    assert CliRunner().invoke(root, ["openai", "new-key", "a b"]).exit_code == 2
