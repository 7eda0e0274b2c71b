"""
Errors of StartRun calls that we did not send.

Belongs here: their words. Does not: when a call is not sent (``client``).
"""

from __future__ import annotations

from batchrun.errors import OutcomeUnknownError


def window_passed() -> OutcomeUnknownError:
    """Say that the answer is unknown and came too late to be asked for again."""
    return OutcomeUnknownError(
        "the time for which the requestId is trusted to be remembered has passed",
        operation="StartRun",
        code="ReplayWindowPassed",
    )
