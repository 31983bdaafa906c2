"""Offences, bans, and what is forgiven."""

from __future__ import annotations

import pytest

from p2pavs import seldom
from p2pavs.network import conduct
from p2pavs.network.conduct import Conduct, Offence
from p2pavs.network.stats import Counters
from p2pavs.seldom import Seldom


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(conduct.trio, "current_time", lambda: clock.now)
    return clock


def blame(judge: Conduct, times: int, offence: Offence = Offence.FORGED, peer: str = "liar") -> None:
    for _ in range(times):
        judge.blame(peer, offence)


def test_ten_forged_messages_cost_a_peer_its_connection(clock: Clock) -> None:
    counters, banned = Counters(), []
    judge = Conduct("me", counters)
    judge.on_ban = banned.append
    blame(judge, 9)
    assert not judge.banned("liar") and banned == []
    blame(judge, 5)
    assert judge.banned("liar") and not judge.banned("other")
    assert banned == ["liar"], "it is banned once, whatever it still sends"
    assert (judge.counts.total(), counters.bans) == (14, 1)


def test_what_is_rare_is_forgiven(clock: Clock) -> None:
    judge = Conduct("me", Counters())
    for _ in range(100):
        blame(judge, 1)
        clock.now += 10.5
    assert not judge.banned("liar")


def test_a_ban_ends_and_the_next_one_is_longer(clock: Clock) -> None:
    judge = Conduct("me", Counters())
    blame(judge, 10)
    clock.now += conduct.FIRST_BAN
    assert not judge.banned("liar")
    blame(judge, 10)
    clock.now += conduct.FIRST_BAN
    assert judge.banned("liar")
    clock.now += conduct.FIRST_BAN
    assert not judge.banned("liar")
    for _ in range(10):
        blame(judge, 10)
        clock.now += conduct.LONGEST_BAN
    assert not judge.banned("liar")


def test_a_reorganisation_excuses_statements_but_not_noise(clock: Clock) -> None:
    judge = Conduct("me", Counters())
    blame(judge, 10)
    judge.pardon(30.0)
    assert not judge.banned("liar")
    blame(judge, 100)
    assert not judge.banned("liar")
    blame(judge, 10, Offence.NOISE)
    assert judge.banned("liar")
    clock.now += 1000
    blame(judge, 10)
    assert judge.banned("liar")


def test_who_is_in_the_dark_does_not_judge_statements(clock: Clock) -> None:
    judge = Conduct("me", Counters())
    dark = True
    judge.in_the_dark = lambda: dark
    blame(judge, 50)
    blame(judge, 50, Offence.BREAKS_RULES)
    assert not judge.banned("liar")
    blame(judge, 10, Offence.NOISE, peer="noisy")
    assert judge.banned("noisy")
    dark = False
    blame(judge, 9)
    assert not judge.banned("liar"), "what was said in the dark is not held against it later"
    blame(judge, 1)
    assert judge.banned("liar")


def test_memory_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conduct, "MAX_RECORDS", 10)
    judge = Conduct("me", Counters())
    for number in range(100):
        blame(judge, 1, peer=str(number))
    assert len(judge._records) == 10


def test_nobody_blames_itself(clock: Clock) -> None:
    judge = Conduct("me", Counters())
    blame(judge, 100, peer="me")
    assert not judge.banned("me")


def test_a_line_is_said_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(seldom.time, "monotonic", lambda: now)
    monkeypatch.setattr(seldom, "MAX_KEYS", 3)
    said = Seldom(10.0)
    assert [said.due("a") for _ in range(4)] == [0, None, None, None]
    assert said.due("b") == 0
    now = 10.0
    assert said.due("a") == 3
    now = 15.0
    assert [said.due(key) for key in "cdefg"] == [0, 0, 0, None, None]
