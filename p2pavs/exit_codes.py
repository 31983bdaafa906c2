"""Exit statuses of the command line: the one place that names them. ``p2pavs --help`` ends with them."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """What a script can tell from a command's exit status."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    KEYS = 5
    IN_USE = 6
    NOT_CERTIFIED = 7
    CHECK_FAILED = 8
    INTERRUPTED = 130


MEANING: Final[dict[ExitCode, str]] = {
    ExitCode.OK: "done",
    ExitCode.FAILURE: "it failed for a reason that has no status of its own; the message says which",
    ExitCode.USAGE: "the command or the configuration cannot be meant: nothing was tried",
    ExitCode.UNREACHABLE: "an RPC endpoint, a node or a remote signer does not answer; trying again may help",
    ExitCode.REFUSED: "the chain refused: a contract reverted, or the account cannot pay",
    ExitCode.KEYS: "keys are missing or damaged, or the password does not open them",
    ExitCode.IN_USE: "another process holds the account, the data directory or the port",
    ExitCode.NOT_CERTIFIED: "the task was not certified before its deadline",
    ExitCode.CHECK_FAILED: "what was checked is not right: a certificate, this machine, an invariant",
    ExitCode.INTERRUPTED: "stopped with Ctrl-C",
}
