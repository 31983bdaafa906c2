"""The address book: what is learned, forgotten, and dialled when."""

from __future__ import annotations

from nacl.signing import SigningKey

from p2pavs.network.addresses import parse_address
from p2pavs.network.book import (
    HINT_TRIES,
    MAX_HINTED,
    MAX_RETRY,
    MAX_RETRY_STRANGER,
    STABLE_AFTER,
    Book,
)
from p2pavs.network.records import PeerRecord, make_record

NOBODY: set[str] = set()


def record(number: int, seq: int = 1, host: str = "192.0.2.1") -> PeerRecord:
    return make_record(SigningKey(number.to_bytes(32, "big")), seq, (f"/ip4/{host}/tcp/1",), b"")


def book(max_known: int = 10) -> Book:
    bootstrap = parse_address(f"/dns4/first/tcp/1/p2p/{record(1).peer_id}")
    return Book(record(99).peer_id, [bootstrap], max_known)


def test_the_newer_record_wins() -> None:
    known = book()
    assert known.learn(record(2, seq=5), NOBODY)
    assert not known.learn(record(2, seq=5), NOBODY)
    assert not known.learn(record(2, seq=4, host="192.0.2.9"), NOBODY)
    assert known.learn(record(2, seq=6, host="192.0.2.7"), NOBODY)
    assert known.entries[record(2).peer_id].addresses == ("/ip4/192.0.2.7/tcp/1",)


def test_configured_addresses_stay_when_the_peer_announces_others() -> None:
    known = book()
    known.learn(record(1), NOBODY)
    assert known.entries[record(1).peer_id].addresses == ("/ip4/192.0.2.1/tcp/1", "/dns4/first/tcp/1")


def test_our_own_record_is_not_an_entry() -> None:
    known = book()
    assert not known.learn(record(99), NOBODY)
    assert record(99).peer_id not in known.entries


def test_a_flood_of_strangers_displaces_nobody_who_answers() -> None:
    known = book(max_known=4)
    for number in (2, 3, 4):
        known.learn(record(number), NOBODY)
    known.failed(record(3).peer_id, 0.0, "refused")
    assert known.learn(record(5), NOBODY)  # takes the place of the one that failed
    assert record(3).peer_id not in known.entries
    assert not known.learn(record(6), NOBODY)
    assert {record(n).peer_id for n in (1, 2, 4, 5)} == set(known.entries)


def test_a_preferred_peer_finds_room_and_keeps_it() -> None:
    known = book(max_known=2)
    known.learn(record(2), NOBODY)
    known.preferred = frozenset({record(3).peer_id, record(4).peer_id})
    assert not known.learn(record(3), {record(2).peer_id})  # neither the bootstrap nor a connected peer goes
    assert known.learn(record(3), NOBODY)
    assert set(known.entries) == {record(1).peer_id, record(3).peer_id}
    assert not known.learn(record(4), NOBODY)


def test_retries_slow_down_and_stay_bounded() -> None:
    known = book()
    known.learn(record(2), NOBODY)
    for peer, limit in ((record(1).peer_id, MAX_RETRY), (record(2).peer_id, MAX_RETRY_STRANGER)):
        delays = []
        for _ in range(40):
            known.failed(peer, 1000.0, "refused")
            delays.append(known.entries[peer].next_try - 1000.0)
        assert 0.5 <= delays[0] <= 2.0
        assert limit * 0.69 <= min(delays[20:]) <= max(delays[20:]) <= limit * 1.31


def test_nobody_is_dialled_before_its_time_and_bootstrap_first() -> None:
    known = book()
    known.learn(record(2), NOBODY)
    known.learn(record(3), NOBODY)
    known.failed(record(3).peer_id, 0.0, "refused")
    assert [entry.peer_id for entry in known.due(0.1, NOBODY)] == [record(1).peer_id, record(2).peer_id]
    assert [entry.peer_id for entry in known.due(0.1, {record(1).peer_id})] == [record(2).peer_id]
    assert {entry.peer_id for entry in known.due(100.0, NOBODY)} == {record(n).peer_id for n in (1, 2, 3)}


def test_a_connection_that_ends_at_once_is_a_failure() -> None:
    known = book()
    peer = record(1).peer_id
    known.succeeded(peer, 100.0, 0.0)
    known.lost(peer, 101.0, 0.0)
    assert known.entries[peer].failures == 1
    known.succeeded(peer, 200.0, 0.0)
    known.lost(peer, 200.0 + STABLE_AFTER, 5.0)
    assert known.entries[peer].failures == 0
    assert known.entries[peer].next_try < 200.0 + STABLE_AFTER + 1
    assert known.entries[peer].last_seen == 5.0


def test_a_new_address_is_tried_at_once() -> None:
    known = book()
    known.learn(record(2), NOBODY)
    known.failed(record(2).peer_id, 0.0, "refused")
    known.learn(record(2, seq=2, host="192.0.2.2"), NOBODY)
    assert record(2).peer_id in {entry.peer_id for entry in known.due(0.0, NOBODY)}


def test_a_hint_is_dialled_and_forgotten_after_a_few_failures() -> None:
    known = book()
    assert known.hint(parse_address(f"/ip4/192.0.2.5/tcp/7/p2p/{record(5).peer_id}"), NOBODY)
    assert [one.peer_id for one in known.due(0.0, NOBODY) if one.is_rumour] == [record(5).peer_id]
    for _ in range(HINT_TRIES):
        known.failed(record(5).peer_id, 0.0, "refused")
    assert record(5).peer_id not in known.entries


def test_hints_are_tried_after_what_the_peer_says_itself_and_do_not_pile_up() -> None:
    known = book()
    known.learn(record(2), NOBODY)
    for port in range(1, 5):
        known.hint(parse_address(f"/ip4/192.0.2.5/tcp/{port}/p2p/{record(2).peer_id}"), NOBODY)
    assert known.entries[record(2).peer_id].addresses == ("/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.5/tcp/4")


def test_hints_fill_a_part_of_the_book_only() -> None:
    known = book(max_known=500)
    for number in range(100, 100 + 2 * MAX_HINTED):
        known.hint(parse_address(f"/ip4/192.0.2.5/tcp/1/p2p/{record(number).peer_id}"), NOBODY)
    assert sum(one.is_rumour for one in known.entries.values()) == MAX_HINTED


def test_a_hint_about_ourselves_is_none() -> None:
    assert not book().hint(parse_address(f"/ip4/192.0.2.5/tcp/1/p2p/{record(99).peer_id}"), NOBODY)
