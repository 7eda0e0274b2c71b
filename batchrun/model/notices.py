"""
What somebody who is not watching should be notified of.

A notice says something about a batch that stays so for a while. It is sent once for as long as that is so, by
whichever launch sees it first, and may be sent again when it has been otherwise in between: a batch that is
retried ends again, and that end is another one.

A digest is sent every so often while a launch runs. Nothing is kept of it: it is due at each multiple of
its interval since the batch was begun, and the first change after that moment brings it, in whichever launch.
So a batch of which nothing moves is silent, and a cron job's passes do not repeat themselves.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from batchrun.model.tally import Tally


class Notice(enum.Enum):
    """Something to notify of, in the order of sending."""

    FAILURE = "failure"  #: an entry has ended without success; sent for the first of them
    STOPPED = "stopped"  #: there is work left, and no launch will continue it before somebody acts
    END = "end"  #: nothing is left to do
    DIGEST = "digest"  #: how it stands, from time to time; the ledger keeps no note of it


#: Those that the ledger keeps a note of once they were sent.
NOTED: Final = (Notice.FAILURE, Notice.STOPPED, Notice.END)


def holding(tally: Tally, *, needs_somebody: bool) -> tuple[Notice, ...]:
    """
    Return the notices that hold of a batch.

    Args:
        tally: How the batch stands.
        needs_somebody: The launch ended in a way that another one would not mend: the service or the disk
            cannot be used, or too many entries have failed. A launch that ran out of time, was told to stop
            or made its one pass is nobody's business: the next goes on.
    """
    holds = {
        Notice.FAILURE: tally.failed > 0,
        Notice.STOPPED: needs_somebody and tally.open > 0,
        Notice.END: not tally.open,
    }
    return tuple(notice for notice, is_so in holds.items() if is_so)


def is_digest_due(*, begun: datetime, every: timedelta, before: datetime, at: datetime) -> bool:
    """
    Report whether a change, seen at *at*, is the first after a moment at which a digest is due.

    Such moments come *every* so often since the batch was *begun*; *before* is when something last changed.
    """
    return (at - begun) // every > max(0, (before - begun) // every)
