"""Named failures of everything that talks to a chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from p2pavs.errors import P2pavsError
from p2pavs.exit_codes import ExitCode


def public_url(url: str) -> str:
    """Return what may be shown of an RPC address: paths, queries and user names often hold access keys."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or "?"
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(an address that is not a URL)"
    hidden = "/..." if parts.path.strip("/") or parts.query or parts.username else ""
    return f"{parts.scheme}://{host}{port}{hidden}"


class ChainError(P2pavsError):
    """Anything that went wrong between this process and the chain."""


class RpcError(ChainError):
    """The RPC endpoint did not give a usable answer."""

    exit_code = ExitCode.UNREACHABLE


class RpcUnreachable(RpcError):
    """No answer from the RPC endpoint, also after retries."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"The RPC endpoint {public_url(url)} does not answer ({reason}).",
            "Check that the address is right, that the chain's node is running and that this machine may "
            "connect to it.",
        )
        self.url = url


class RpcBadAnswer(RpcError):
    """The endpoint answered with something that is not what its protocol says."""

    def __init__(self, url: str, what: str) -> None:
        super().__init__(
            f"The RPC endpoint {public_url(url)} gave an answer that cannot be used: {what}.",
            "Check that the address is that of an Ethereum JSON-RPC endpoint.",
        )


class RpcRefused(RpcError):
    """The endpoint answered with a JSON-RPC error."""

    def __init__(self, method: str, code: int, message: str, data: bytes | None = None) -> None:
        super().__init__(
            f"The RPC endpoint refused {method}: {message} (code {code}).",
            "If this goes on, ask the operator of the endpoint or use another one.",
        )
        self.method = method
        self.code = code
        self.reason = message
        self.data = data  # revert data, where the endpoint gave any


class RpcLagging(RpcError):
    """The endpoint knows less of the chain than was read from it before."""

    def __init__(self, url: str, head: int, known: int) -> None:
        super().__init__(
            f"The RPC endpoint {public_url(url)} is at block {head}, but it had block {known} before.",
            "Wait until it has caught up, or use another endpoint. If a test chain was restarted, deploy "
            "again.",
        )


class WrongChain(ChainError):
    """The RPC endpoint serves another chain than the deployment file names."""

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(
            f"The deployment is on chain {expected}, but the RPC endpoint serves chain {got}.",
            "Give the RPC address of the right chain (--rpc) or the right deployment file (--deployment).",
        )
        self.expected = expected
        self.got = got


class NotDeployed(ChainError):
    """There is no contract where the deployment file says there is one."""

    def __init__(self, name: str, address: str) -> None:
        super().__init__(
            f"There is no code at {address}, where {name} should be.",
            "The deployment file belongs to another chain, or the test chain was restarted: deploy again "
            "(p2pavs deploy) or use the right file.",
        )
        self.name = name
        self.address = address


class BadDeployment(ChainError):
    """The deployment file cannot be used."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(
            f"The deployment file {path} cannot be used: {what}.",
            "Fetch the file again from whoever deployed the contracts, or write it anew with p2pavs deploy.",
        )


class ContractRevert(ChainError):
    """A contract refused a call, and said why."""

    exit_code = ExitCode.REFUSED

    def __init__(self, name: str, args: Mapping[str, Any], message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.name = name
        self.arguments = dict(args)


class TransactionRefused(ChainError):
    """The chain's node did not take a transaction."""

    exit_code = ExitCode.REFUSED


class InsufficientFunds(TransactionRefused):
    """The account cannot pay for a transaction."""

    def __init__(self, account: str, balance: int, needed: int, what: str = "the transaction") -> None:
        super().__init__(
            f"The account {account} holds {format_ether(balance)} ETH, but {what} may cost up to "
            f"{format_ether(needed)} ETH.",
            "Send ETH to the account and try again.",
        )


class NonceTaken(TransactionRefused):
    """Another transaction of the same account took the place of ours."""

    def __init__(self, account: str, nonce: int) -> None:
        super().__init__(
            f"Another transaction of {account} took nonce {nonce}, so ours can no longer be mined.",
            "Use each account key in one process only: stop whatever else sends with it, then try again.",
        )


class AccountInUse(ChainError):
    """Another process on this machine sends with the same account."""

    exit_code = ExitCode.IN_USE

    def __init__(self, path: str) -> None:
        super().__init__(
            f"Another process is sending transactions with this account ({path} is locked). A running node "
            "does so with the account of its keys.",
            "Stop the node, run the command, and start the node again; or wait until the other command is "
            "done. p2pavs operator claim and p2pavs epoch advance can be sent from another account with "
            "--key-file while the node runs.",
        )


class ReorgTooDeep(ChainError):
    """The chain was reorganised beyond what the follower remembers."""

    def __init__(self, remembered: int) -> None:
        super().__init__(
            f"The chain changed further back than the {remembered} blocks that are remembered.",
            "If a test chain was restarted, deploy again. Otherwise check the RPC endpoint, and start "
            "following from the deployment block anew.",
        )


class NotFound(ChainError):
    """The chain does not hold what was asked for."""


class WrappedCertificate(ChainError):
    """The transaction that certified a task did not call the gateway itself."""

    def __init__(self, task_id: int, transaction: bytes) -> None:
        super().__init__(
            f"Task {task_id} was certified by transaction 0x{transaction.hex()}, which calls the gateway "
            "through another contract, so the certificate is not readable from its calldata.",
            "Fetch the certificate from one of the operators, or from a trace of that transaction.",
        )


def format_ether(wei: int) -> str:
    """Return an amount in ETH without exponents, with no digits lost."""
    whole, rest = divmod(wei, 10**18)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".")
