"""Known peers on disk."""

from __future__ import annotations

from pathlib import Path

import cbor2
import pytest
from nacl.signing import SigningKey

from p2pavs.network.peers_file import MAX_BYTES, TAG, load_peers, save_peers
from p2pavs.network.records import make_record

RECORDS = [make_record(SigningKey(bytes([n]) * 32), n, ("/ip4/192.0.2.1/tcp/1",), b"p") for n in range(1, 4)]


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "not" / "there" / "peers.cbor"
    save_peers(path, RECORDS)
    assert load_peers(path) == RECORDS
    save_peers(path, RECORDS[:1])
    assert load_peers(path) == RECORDS[:1]
    assert [file.name for file in path.parent.iterdir()] == ["peers.cbor"]


def test_no_file_means_no_peers(tmp_path: Path) -> None:
    assert load_peers(tmp_path / "missing") == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"\x81" * 1000,
        cbor2.dumps([]),
        cbor2.dumps(["another format", []]),
        cbor2.dumps([TAG, {}]),
        cbor2.dumps([TAG]),
        bytes(MAX_BYTES + 1),
    ],
)
def test_a_damaged_file_costs_no_more_than_its_content(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "peers.cbor"
    path.write_bytes(content)
    assert load_peers(path) == []


def test_damaged_records_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "peers.cbor"
    forged = bytearray(RECORDS[1].envelope)
    forged[-1] ^= 1
    path.write_bytes(cbor2.dumps([TAG, [RECORDS[0].envelope, bytes(forged), "text", RECORDS[2].envelope]]))
    assert load_peers(path) == [RECORDS[0], RECORDS[2]]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "peers.cbor"
    save_peers(path, RECORDS)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_peers(path, [])
    assert load_peers(path) == RECORDS
    assert len(list(tmp_path.iterdir())) == 1
