"""Exit codes: a contract with cron jobs, pipelines and people (design.md, 4)."""

from __future__ import annotations

import enum
from collections.abc import Collection
from typing import Final

from batchrun.errors import BatchrunError, InputError, LeaseError, ServiceError, StorageError


class Exit(enum.IntEnum):
    """How a command ended; ``MEANINGS`` explains each code."""

    OK = 0
    SOME_FAILED = 1
    INPUT = 2
    WORK_LEFT = 3
    HELD = 4
    UNUSABLE = 5
    HELD_BACK = 6
    DEFECT = 70


MEANINGS: Final = {
    Exit.OK: "every entry succeeded",
    Exit.SOME_FAILED: "the batch has ended and some entry did not succeed",
    Exit.INPUT: "usage or manifest error; nothing was submitted",
    Exit.WORK_LEFT: "stopped with work left (--once, --detach, --deadline, a signal); run it again",
    Exit.HELD: "another launcher holds the batch",
    Exit.UNUSABLE: "the service (credentials, permission, network) or disk cannot be used; nothing is lost",
    Exit.HELD_BACK: "--stop-after was reached; nothing more is submitted until you decide",
    Exit.DEFECT: "a defect of batchrun; please report it",
}

_BY_ERROR: Final = (
    (InputError, Exit.INPUT),
    (LeaseError, Exit.HELD),
    (ServiceError, Exit.UNUSABLE),
    (StorageError, Exit.UNUSABLE),
)


#: For several batches the command's code is the first in this order: what somebody has to act on now, then
#: what has not ended (failures are reported once the other batches have ended), then how the rest ended.
_WORST_FIRST: Final = (
    Exit.DEFECT,
    Exit.UNUSABLE,
    Exit.INPUT,
    Exit.HELD_BACK,
    Exit.WORK_LEFT,
    Exit.HELD,
    Exit.SOME_FAILED,
    Exit.OK,
)


def worst(codes: Collection[Exit]) -> Exit:
    """Return the exit code of a command with several batches."""
    return min(codes, key=_WORST_FIRST.index)


def exit_code(error: BatchrunError) -> Exit:
    """Return the exit code of a command that *error* ended."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), Exit.DEFECT)
