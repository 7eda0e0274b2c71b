"""Notices: what users who are not watching should be notified of.

A notice states a condition of a batch. It is sent once while the condition holds, by whichever launch sees it
first, and again only if the condition ended in between: a batch that is retried ends a second time.

A digest is due at each multiple of its interval since the batch began, and is sent at the first change after
that, by whichever launch; the ledger does not record it. So a batch in which nothing changes sends none, and
the passes of a cron job do not repeat it.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from batchrun.model.tally import Tally


class Notice(enum.Enum):
    """Kinds of notices, in the order of sending."""

    FAILURE = "failure"  #: an entry has ended without success; sent for the first one
    STOPPED = "stopped"  #: work is left, and no launch can continue it until somebody acts
    END = "end"  #: nothing is left to do
    DIGEST = "digest"  #: the state, from time to time; not recorded in the ledger


#: Those that the ledger records once they were sent.
NOTED: Final = (Notice.FAILURE, Notice.STOPPED, Notice.END)


def holding(tally: Tally, *, needs_somebody: bool) -> tuple[Notice, ...]:
    """Return the notices whose condition holds.

    Args:
        tally: The batch's counts.
        needs_somebody: Another launch would not help: the service or the disk cannot be used, or too many
            entries have failed. Not so if the launch ran out of time, was told to stop, or made its one pass.
    """
    holds = {
        Notice.FAILURE: tally.failed > 0,
        Notice.STOPPED: needs_somebody and tally.open > 0,
        Notice.END: not tally.open,
    }
    return tuple(notice for notice, is_so in holds.items() if is_so)


def is_digest_due(*, begun: datetime, every: timedelta, before: datetime, at: datetime) -> bool:
    """Report whether a change at *at* is the first after a moment at which a digest is due.

    These moments are multiples of *every* since *begun*, the batch's beginning; *before* is the last change.
    """
    return (at - begun) // every > max(0, (before - begun) // every)
