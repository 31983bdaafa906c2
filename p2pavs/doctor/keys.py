"""The key directory, and the sign guard in the data directory."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Collection
from pathlib import Path

from p2pavs import keystore
from p2pavs.chain.deployment import Deployment
from p2pavs.doctor.check import Check, fail, ok, skip, warn
from p2pavs.errors import P2pavsError
from p2pavs.storage.database import SCHEMA_VERSION
from p2pavs.storage.inspection import inspect

PUBLIC_FILES = frozenset({"identity.json"})


def presence(directory: Path) -> tuple[keystore.PublicIdentity | None, Check]:
    """Read the public part of a key directory."""
    try:
        public = keystore.load_public(directory)
    except P2pavsError as error:
        return None, fail("keys", error.message, error.remedy)
    return public, ok("keys", f"of 0x{public.address.hex()} in {directory}")


def permissions(directory: Path) -> Check:
    """Whether nobody but their owner can read or replace the keys, and this user can add to them."""
    name = "key permissions"
    try:
        files = [one for one in directory.iterdir() if one.name not in PUBLIC_FILES and one.is_file()]
        open_to_others = [one for one in (directory, *files) if _mode(one) & (stat.S_IRWXG | stat.S_IRWXO)]
    except OSError as error:
        return fail(name, f"{directory} cannot be read: {error.strerror}", "Give it to this user.")
    if open_to_others:
        listed = ", ".join(one.name for one in open_to_others[:4])
        return fail(name, f"others may use {listed}", f"Run: chmod -R go= {directory}")
    if not os.access(directory, os.W_OK):
        return fail(
            name,
            f"this user cannot write in {directory}",
            "Make it writable: unsettled transactions are kept there.",
        )
    return ok(name, "for their owner only")


def password(directory: Path, given: str | None) -> tuple[Collection[bytes] | None, Check]:
    """Try the password; returns the consensus keys (48 bytes) it opens."""
    name = "password"
    if given is None:
        return None, skip(name, "not tried: give --password-file, or set $P2PAVS_PASSWORD")
    try:
        identity = keystore.load(directory, given)
        if identity.remote is not None:
            from p2pavs.remote_signer.client import keys_now

            found = keys_now(identity.remote)
            return found, ok(name, f"opens; {identity.remote.url} holds {len(found)} consensus key(s)")
        keys = identity.consensus_keys()
    except P2pavsError as error:
        return None, fail(name, error.message, error.remedy)
    return keys.keys(), ok(name, f"opens {len(keys)} consensus key{'s' if len(keys) != 1 else ''}")


def password_file(path: Path) -> Check:
    """Whether nobody but its owner can read the password."""
    name = "password file"
    try:
        mode = _mode(path)
    except OSError as error:
        return fail(name, f"{path} cannot be read: {error.strerror}", "Check --password-file.")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return fail(name, f"others may read {path}", f"Run: chmod go= {path}")
    return ok(name, "for its owner only")


def guard(data: Path, public: keystore.PublicIdentity | None, deployment: Deployment | None) -> Check:
    """Whether the record of what was signed is whole, and is that of this operator."""
    name, path = "sign guard", data / "node.sqlite"
    if not path.exists():
        return ok(name, f"{data} is new: nothing was signed with it")
    try:
        found = inspect(path)
    except sqlite3.Error as error:
        return fail(name, f"{path} cannot be read: {error}", _DAMAGED)
    if found.damage is not None:
        return fail(name, f"{path} is damaged: {found.damage[:200]}", _DAMAGED)
    if not found.readable:
        return fail(
            name,
            f"{path} has format {found.version}, this program reads up to {SCHEMA_VERSION}",
            "Use the version of p2pavs that wrote it, or a newer one.",
        )
    for key, value in _expected(public, deployment).items():
        if found.belongs_to.get(key, value) != value:
            return fail(
                name,
                f"{path} belongs to {key} {found.belongs_to[key]}, not {value}",
                "Use the data directory of this operator and chain, or an empty one.",
            )
    text = f"{found.signatures:,} signatures, {found.open_tasks} open tasks"
    if found.restored:
        return warn(
            name,
            f"{text}; restored from a backup",
            "The node will wait a minute, give up the tasks that exist, and sign for later ones.",
        )
    return ok(name, text)


_DAMAGED = (
    "Keep the node stopped. Restore a backup with 'p2pavs restore', which makes it safe; never copy an older "
    "file into its place."
)


def _expected(public: keystore.PublicIdentity | None, deployment: Deployment | None) -> dict[str, str]:
    expected = {}
    if public is not None:
        expected["operator"] = "0x" + public.address.hex()
    if deployment is not None:
        expected["chain"] = str(deployment.chain_id)
        expected["gateway"] = "0x" + deployment.gateway.hex()
    return expected


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
