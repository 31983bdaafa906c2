"""Refusals in OpenAI's form."""

from __future__ import annotations

from p2pavs.errors import P2pavsError

INVALID = "invalid_request_error"
SERVER = "server_error"


class ApiError(P2pavsError):
    """What a client is told, with an HTTP status. ``retry`` is what it should do about it.

    OpenAI's clients repeat 429 and 5xx by themselves. Each repetition would be paid again, so they are told
    not to where something was paid already or where repeating cannot help.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = INVALID,
        code: str | None = None,
        param: str | None = None,
        retry: bool = False,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param
        self.retry = retry
        self.retry_after = retry_after

    def to_json(self) -> dict[str, dict[str, str | None]]:
        """Return the body."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}

    def headers(self) -> dict[str, str]:
        """Return the headers that tell a client whether to try again."""
        found = {"x-should-retry": "true" if self.retry else "false"}
        if self.retry_after is not None:
            found["retry-after"] = str(self.retry_after)
        return found


def unsupported(param: str, message: str) -> ApiError:
    """Return the refusal of a parameter that the network has nothing for."""
    return ApiError(400, message, code="unsupported_parameter", param=param)


def wrong(param: str, message: str) -> ApiError:
    """Return the refusal of a parameter's value."""
    return ApiError(400, message, code="invalid_value", param=param)
