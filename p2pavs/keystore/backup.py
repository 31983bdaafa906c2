"""A key directory as one file, its secrets still encrypted; and a key directory out of such a file."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from p2pavs.keystore import directory as keys
from p2pavs.keystore.errors import DamagedKeys
from p2pavs.keystore.files import Json, read_json, write_directory, write_file
from p2pavs.keystore.identity import PublicIdentity

FORMAT = "p2pavs/keys-backup/1"
MAX_BACKUP_BYTES = 256 * 1024
_NAME = re.compile(r"(account|consensus|consensus-[0-9a-f]{16}|peer|next-peer|identity|signer)\.json")


def write_backup(directory: Path, password: str, out: Path) -> PublicIdentity:
    """Write a backup of a key directory, after opening all of it. Raises what ``load`` raises."""
    public = keys.load(directory, password).public
    paths = [path for path in sorted(directory.glob("*.json")) if _NAME.fullmatch(path.name)]
    files = {path.name: read_json(path) for path in paths}
    write_file(out, {"format": FORMAT, "identity": public.to_json(), "files": files})
    return public


def restore_backup(backup: Path, password: str, directory: Path) -> PublicIdentity:
    """Make a key directory out of a backup, after opening all of it: all or nothing.

    Raises ``DamagedKeys`` or ``WrongPassword``, and ``KeysExist`` where the directory is there.
    """
    files = _read(backup)
    with tempfile.TemporaryDirectory(prefix="p2pavs-restore-") as scratch:
        trial = Path(scratch) / "keys"
        write_directory(trial, files)
        public = keys.load(trial, password).public
    write_directory(directory, files)
    return public


def _read(backup: Path) -> dict[str, Json]:
    content = read_json(backup, MAX_BACKUP_BYTES)
    files = content.get("files")
    if content.get("format") != FORMAT or not isinstance(files, dict):
        raise DamagedKeys(backup, f"it is no backup of keys ({FORMAT})")
    for name, inner in files.items():
        if not _NAME.fullmatch(name) or not isinstance(inner, dict):
            raise DamagedKeys(backup, "it has a file that no key directory has")
    return files
