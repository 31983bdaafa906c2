"""What API keys may spend, over a day and over restarts."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pavs.openai_api.config import EndpointConfig, hash_key
from p2pavs.openai_api.ledger import DAY, Earlier, Ledger, LedgerError, Once, OverLimit

GOOD = f"""
keys = "payer"
password_file = "payer.password"
[[key]]
name = "alice"
sha256 = "{hash_key("secret")}"
ether_per_day = "20gwei"
"""


async def test_a_request_is_found_by_its_name(tmp_path: Path) -> None:
    now = 1000.0
    path = tmp_path / "ledger"
    once = Once("n", bytes(32))
    with Ledger(path, clock=lambda: now) as ledger:
        assert await ledger.earlier("a", "n") is None
        entry = await ledger.reserve("a", 6, 10, once)
        assert await ledger.earlier("a", "n") == Earlier(bytes(32), None)
        assert await ledger.earlier("b", "n") is None
        await ledger.release(entry)
        assert await ledger.earlier("a", "n") is None
        entry = await ledger.reserve("a", 6, 10, once)
        with pytest.raises(LedgerError):
            await ledger.reserve("a", 1, 10, once)
        assert await ledger.spent("a") == 6
        await ledger.paid(entry, 7, 6, 1)
    with Ledger(path, clock=lambda: now) as ledger:
        assert await ledger.earlier("a", "n") == Earlier(bytes(32), 7)
        now += DAY
        assert await ledger.earlier("a", "n") is None
        await ledger.reserve("a", 6, 10, once)


async def test_a_key_spends_what_it_may(tmp_path: Path) -> None:
    now = 1000.0
    path = tmp_path / "ledger"
    with Ledger(path, clock=lambda: now) as ledger:
        first = await ledger.reserve("a", 6, 10)
        with pytest.raises(OverLimit, match="6 of 10"):
            await ledger.reserve("a", 5, 10)
        await ledger.reserve("b", 5, 10)
        await ledger.release(first)
        entry = await ledger.reserve("a", 5, 10)
        await ledger.paid(entry, 7, 5, 3)
        with pytest.raises(OverLimit, match="8 of 10"):
            await ledger.reserve("a", 3, 10)
    with Ledger(path, clock=lambda: now) as ledger:
        assert await ledger.open_tasks() == ((entry, 7),)
        with pytest.raises(OverLimit):
            await ledger.reserve("a", 3, 10)
        await ledger.settle(entry, refunded=True)
        assert await ledger.open_tasks() == ()
        with pytest.raises(OverLimit, match="3 of 10"):  # the gas is gone
            await ledger.reserve("a", 8, 10)
        now += DAY + 1
        await ledger.reserve("a", 10, 10)


async def test_a_file_that_is_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    path.write_text("something else" * 1000)
    with pytest.raises(LedgerError, match="cannot be used"):
        Ledger(path)


def test_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "openai.toml"
    path.write_text(GOOD)
    found = EndpointConfig.load(path)
    assert (found.keys, found.password_file) == (tmp_path / "payer", tmp_path / "payer.password")
    assert (found.listen, found.max_tokens, found.most_tokens) == ("127.0.0.1:4003", 256, 1024)
    key = found.key_of("secret")
    assert key is not None and (key.name, key.wei_per_day) == ("alice", 20 * 10**9)
    assert found.key_of("Secret") is found.key_of("") is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('keys = "payer"', ""),
        ("password_file", "password"),
        ("[[key]]", "[other]"),
        ("keys =", "most_tokens = 5000\nkeys ="),
        ("keys =", "max_tokens = 2000\nkeys ="),
        ("keys =", 'deadline = "1"\nkeys ='),
        ("keys", "\x00"),
        (GOOD[GOOD.index("[[") :], GOOD[GOOD.index("[[") :] * 2),
    ],
)
def test_a_configuration_that_is_refused(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "openai.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(Exception, match=r"configuration .* is refused"):
        EndpointConfig.load(path)
