"""What a node must not forget: signatures, inputs, tasks, certificates, evidence (SQLite)."""

from p2pavs.storage.certificates import CertificateStore
from p2pavs.storage.database import Database, StorageError, until_stored
from p2pavs.storage.directory import DataDirectory, DirectoryInUse, ForeignData
from p2pavs.storage.evidence import EvidenceStore
from p2pavs.storage.input_log import InputLog
from p2pavs.storage.sign_guard import (
    ConflictingSignature,
    KeyGuard,
    KeyNotHeld,
    SignerUnavailable,
    SignGuard,
    Slot,
    SlotSigner,
)
from p2pavs.storage.tasks import TaskStore

__all__ = [
    "CertificateStore",
    "ConflictingSignature",
    "DataDirectory",
    "Database",
    "DirectoryInUse",
    "EvidenceStore",
    "ForeignData",
    "InputLog",
    "KeyGuard",
    "KeyNotHeld",
    "SignGuard",
    "SignerUnavailable",
    "Slot",
    "SlotSigner",
    "StorageError",
    "TaskStore",
    "until_stored",
]
