"""Sentence and remedy for each error of OpenZeppelin's proxies and timelock."""

from __future__ import annotations

from collections.abc import Mapping

REPORT = "This should not happen with unchanged contracts: report it with the transaction."
_TIMELOCK = "Propose it to the timelock: p2pavs timelock upgrade."
_IMPLEMENTATION = "Let p2pavs timelock upgrade deploy it."

UPGRADE_TEXTS: Mapping[str, tuple[str, str]] = {
    "AccessControlUnauthorizedAccount": (
        "The account {account} has no such role at the timelock.",
        "Use the account that was named with --owner when the contracts were deployed.",
    ),
    "AccessControlBadConfirmation": ("Only an account itself can renounce a role.", "Use that account."),
    "TimelockInsufficientDelay": (
        "A delay of {delay} s is shorter than the timelock's {minDelay} s.",
        "Propose with a longer delay.",
    ),
    "TimelockInvalidOperationLength": (
        "A batch with {targets} targets, {payloads} payloads and {values} values is not accepted.",
        "Give as many of each.",
    ),
    "TimelockUnauthorizedCaller": (
        "Only the timelock itself can do this, not {caller}.",
        "Propose it to the timelock.",
    ),
    "TimelockUnexecutedPredecessor": (
        "Proposal {predecessorId} comes first, and is not executed.",
        "Execute that one before.",
    ),
    "TimelockUnexpectedOperationState": (
        "Proposal {operationId} is not in the state that this needs.",
        "See p2pavs timelock status: it may be done, cancelled, or not due yet.",
    ),
    "ProxyDeniedAdminAccess": ("The proxy's admin can only upgrade it.", _TIMELOCK),
    "OwnableUnauthorizedAccount": ("Only the timelock can upgrade a proxy, not {account}.", _TIMELOCK),
    "OwnableInvalidOwner": ("The account {owner} cannot own this.", "Give another account."),
    "ERC1967InvalidImplementation": (
        "There is no contract at {implementation} that a proxy could use.",
        _IMPLEMENTATION,
    ),
    "ERC1967InvalidAdmin": ("The account {admin} cannot be a proxy's admin.", REPORT),
    "ERC1967NonPayable": ("An upgrade that calls nothing takes no ETH.", "Send none."),
    "AddressEmptyCode": ("There is no contract at {target}.", _IMPLEMENTATION),
    "FailedCall": ("What was to be done failed without a reason.", REPORT),
}
"""As ``revert_texts.TEXTS``, of which these are a part."""
