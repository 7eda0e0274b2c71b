"""The service's refusals: an error code with its message."""

from __future__ import annotations

from batchrun.errors import BatchrunError


class RefusalError(BatchrunError):
    """The service refuses a call; becomes an error answer, and is never raised to callers."""

    def __init__(self, code: str, message: str, *, retry_after: float | None = None) -> None:
        self.code = code  #: as in ``x-amzn-ErrorType``
        self.message = message
        self.retry_after = retry_after  #: seconds, if the caller is asked to wait
        super().__init__(f"{code}: {message}")


def invalid(message: str) -> RefusalError:
    """Return the refusal of an invalid request."""
    return RefusalError("ValidationException", message)


def not_found(what: str) -> RefusalError:
    """Return the refusal of a request for something that does not exist."""
    return RefusalError("ResourceNotFoundException", f"{what} does not exist")


def conflict(message: str) -> RefusalError:
    """Return the refusal of a request that conflicts with the present state."""
    return RefusalError("ConflictException", message)
