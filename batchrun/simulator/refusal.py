"""The service's refusals: an error code with its message."""

from __future__ import annotations

from batchrun.errors import BatchrunError


class RefusalError(BatchrunError):
    """The service refuses a call; becomes an error answer and never leaves the simulator."""

    def __init__(self, code: str, message: str, *, retry_after: float | None = None) -> None:
        self.code = code  #: as in ``x-amzn-ErrorType``
        self.message = message
        self.retry_after = retry_after  #: seconds, where the caller is asked to wait
        super().__init__(f"{code}: {message}")


def invalid(message: str) -> RefusalError:
    """Make the refusal of a request that cannot be right."""
    return RefusalError("ValidationException", message)


def not_found(what: str) -> RefusalError:
    """Make the refusal of a request about something that is not there."""
    return RefusalError("ResourceNotFoundException", f"{what} does not exist")


def conflict(message: str) -> RefusalError:
    """Make the refusal of a request that does not fit the state of things."""
    return RefusalError("ConflictException", message)
