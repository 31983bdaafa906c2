"""What can go wrong between nodes, by name."""

from __future__ import annotations

from p2pavs.errors import P2pavsError
from p2pavs.exit_codes import ExitCode


class NetworkError(P2pavsError):
    """Base of everything below."""


class InvalidAddress(NetworkError):
    """An address of this node's own configuration is not usable."""


class InvalidConfig(NetworkError):
    """A number or key of the network configuration cannot be meant."""


class ListenFailed(NetworkError):
    """The listen address could not be opened."""

    exit_code = ExitCode.IN_USE


class BootstrapUnreachable(NetworkError):
    """None of the bootstrap addresses answered in time."""

    exit_code = ExitCode.UNREACHABLE


class PeerUnknown(NetworkError):
    """We are not connected to the peer and know no address of it."""


class MessageTooLarge(NetworkError):
    """What we were asked to send is above the limit of the network."""


class AlreadySubscribed(NetworkError):
    """The topic has a subscription in this process already."""


class RequestFailed(NetworkError):
    """A request got no answer; `reason` says why in a few words."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"The request failed: {reason}.", remedy)
        self.reason = reason


class RequestTimeout(RequestFailed):
    """The answer did not come in time."""


class ResponseTooLarge(RequestFailed):
    """The peer announced an answer above the limit we gave."""


class InvalidRecord(ValueError):
    """A peer record that is malformed, not canonical, above a limit, or not signed by its peer."""
