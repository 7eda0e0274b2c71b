"""
Errors of StartRun calls that we did not send.

Belongs here: their words. Does not: when a call is not sent (``client``).
"""

from __future__ import annotations

from batchrun.errors import OutcomeUnknownError, ThrottledError


def window_passed() -> OutcomeUnknownError:
    """Say that the answer is unknown and came too late to be asked for again."""
    return OutcomeUnknownError(
        "the time for which the requestId is trusted to be remembered has passed",
        operation="StartRun",
        code="ReplayWindowPassed",
    )


def in_a_hurry() -> ThrottledError:
    """Say that a call was not repeated, since the launch ends."""
    return ThrottledError(
        "the launch ended before the call could be repeated", operation="StartRun", code="ThrottlingException"
    )
