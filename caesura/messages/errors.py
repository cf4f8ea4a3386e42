"""Every error that a caller can see, and the single table from its type to an HTTP status.

Enters: nothing. Leaves: exceptions with the Messages API's error types and wording
(`path: reason`, dotted and indexed). Read next: `wire.py` for the envelope.
"""

from __future__ import annotations

from typing import Literal

ErrorType = Literal[
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "conflict_error",
    "request_too_large",
    "rate_limit_error",
    "api_error",
    "timeout_error",
    "overloaded_error",
]

HTTP_STATUS: dict[ErrorType, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


# What a client sent may be as long as it likes; what it is told of it need not be.
MAX_MESSAGE_CHARACTERS = 2_000
_NUM_LAST_CHARACTERS = 400


class CaesuraError(Exception):
    """The root of everything that this project raises on purpose."""


class ApiError(CaesuraError):
    """An error with a place in the Messages API.

    message: what the caller reads: the value, the limit, the remedy; the middle of a long one is left out.
    type: the API's own name for the kind.
    error_code: its own name for this very case, where clients act on it.
    """

    def __init__(self, message: str, *, type: ErrorType = "api_error", error_code: str | None = None) -> None:
        self.message = _shortened(message)
        super().__init__(self.message)
        self.type: ErrorType = type
        self.error_code = error_code

    @property
    def status(self) -> int:
        """The HTTP status of this kind of error."""
        return HTTP_STATUS[self.type]


def _shortened(message: str) -> str:
    if len(message) <= MAX_MESSAGE_CHARACTERS:
        return message
    gap = " [...] "
    first = message[: MAX_MESSAGE_CHARACTERS - len(gap) - _NUM_LAST_CHARACTERS]
    return first + gap + message[-_NUM_LAST_CHARACTERS:]


class InvalidRequestError(ApiError):
    """The request cannot be honoured as it stands."""

    def __init__(self, message: str, *, error_code: str | None = None) -> None:
        super().__init__(message, type="invalid_request_error", error_code=error_code)


class AuthenticationError(ApiError):
    """No credential, or one that is not known."""

    def __init__(self, message: str) -> None:
        super().__init__(message, type="authentication_error")


class PermissionDeniedError(ApiError):
    """Known, but not allowed to do this."""

    def __init__(self, message: str) -> None:
        super().__init__(message, type="permission_error")


class NotFoundError(ApiError):
    """The thing that the request names does not exist."""

    def __init__(self, message: str, *, error_code: str | None = None) -> None:
        super().__init__(message, type="not_found_error", error_code=error_code)


class RequestTooLargeError(ApiError):
    """The body is over the limit."""

    def __init__(self, message: str) -> None:
        super().__init__(message, type="request_too_large")


class RequestTimeoutError(ApiError):
    """The client took too long to send its request: the one `timeout_error` that is the client's own."""

    def __init__(self, message: str) -> None:
        super().__init__(message, type="timeout_error")

    @property
    def status(self) -> int:
        return 408


class RateLimitError(ApiError):
    """The caller has used up its allowance.

    retry_after_s: when to try again, in whole seconds.
    """

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message, type="rate_limit_error")
        self.retry_after_s = retry_after_s


class OverloadedError(ApiError):
    """The server is full.

    retry_after_s: when to try again, in whole seconds.
    """

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message, type="overloaded_error")
        self.retry_after_s = retry_after_s


class ModelFolderError(CaesuraError):
    """A model folder that is missing, damaged, or not of a kind that can be read safely."""


class DataError(CaesuraError):
    """A training row that does not parse; the message names file and line."""
