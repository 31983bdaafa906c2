"""Known peers on disk: their signed records, so that a restarted node finds the others without its bootstrap.

Format: CBOR ["p2pavs/peers-file/1", [envelope, ...]]. The records are verified again when they are read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cbor2
import structlog

from p2pavs.network.errors import InvalidRecord
from p2pavs.network.records import MAX_ENVELOPE, PeerRecord, read_record
from p2pavs.whole_file import write_whole

log = structlog.get_logger(__name__)

TAG: Final = "p2pavs/peers-file/1"
MAX_RECORDS: Final = 512
MAX_BYTES: Final = MAX_RECORDS * (MAX_ENVELOPE + 8)


def load_peers(path: Path) -> list[PeerRecord]:
    """Read the file; a missing or damaged one gives fewer peers and a warning, never an error."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidRecord(f"it is larger than {MAX_BYTES} bytes")
        content = cbor2.loads(path.read_bytes(), max_depth=3, allow_indefinite=False)
    except FileNotFoundError:
        return []
    except (OSError, ValueError, cbor2.CBORError) as error:
        log.warning("peers file is not readable and is ignored", path=str(path), error=str(error)[:200])
        return []
    if (
        not isinstance(content, list)
        or len(content) != 2
        or content[0] != TAG
        or not isinstance(content[1], list)
    ):
        log.warning("peers file is not one of ours and is ignored", path=str(path))
        return []
    records = []
    for envelope in content[1][:MAX_RECORDS]:
        try:
            if not isinstance(envelope, bytes):
                raise InvalidRecord("not bytes")
            records.append(read_record(envelope))
        except InvalidRecord as error:
            log.warning("a record in the peers file is ignored", path=str(path), error=str(error))
    return records


def save_peers(path: Path, records: list[PeerRecord]) -> None:
    """Replace the file in one step; raises OSError."""
    content = cbor2.dumps([TAG, [record.envelope for record in records[:MAX_RECORDS]]], canonical=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
