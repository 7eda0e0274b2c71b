"""Actions, the planner's outputs: instructions to the engine, in the imperative.

Each is carried out by one coroutine, which answers with one stimulus (:mod:`stimuli`), except for
:class:`HoldBack` and :class:`Note`, which have no outcome.

Does not belong here: when each is due (``planner`` and its parts), carrying them out (``engine``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Progressed
from batchrun.model.entries.states import State

# -- for one entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """Wait for a turn, record the intent, send."""

    entry: Entry
    lane: str | None = None  #: where to


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """Send the same bytes again, while the entry's proof is valid: the service remembers the requestId."""

    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Look for the run before sending again, since the service may have forgotten the requestId."""

    entry: Entry
    is_proof: bool  #: whether finding no run means that no call of ours started one
    may_send: bool  #: whether the attempt may be sent again if no run is found
    #: Whether to record the attempt as refused if the service then still answers with a conflict, and no run
    #: is found.
    may_refuse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Ask for the run's status (GetRun)."""

    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Ask for the run's status, and cancel it unless it has ended."""

    entry: Entry


# -- for many entries, at the service


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitTogether:
    """Prove what is not proven, wait for a turn, record the submission and all its intents, send."""

    entries: Sequence[Entry]  #: of one shape (:mod:`grouping`)
    lane: str | None = None  #: where to


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """Ask what became of a submission's rows; find the submission first if its outcome is unknown."""

    request_id: str  #: the submission's
    ids: frozenset[str]  #: its unsettled rows
    is_proof: bool  #: whether a row without a run now will never have one
    cancels: bool = False  #: whether all its unsettled rows are to be cancelled
    lane: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """List active runs, to learn which of ours have left the listing."""

    begun: float  #: loop time; runs accepted later may be missing
    seconds: float  #: time limit, after which a look at each run would have been cheaper
    run_ids: Collection[str]  #: those to report; the listing has others' runs too
    run_group: str | None = None  #: the run group of all our runs, if there is only one
    run_batches: Sequence[str] = ()  #: the run batches to list; empty: all runs
    lane: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """List all runs, to find those that other ledgers have started for rows that are to be sent."""

    begun: float  #: loop time
    is_waited_for: bool = False  #: whether entries wait that could not be looked for by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclude:
    """Adopt the runs that a survey found for these entries; all others are proven to have none."""

    survey: Survey
    entry_ids: Collection[str]


# -- in the ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadChoices:
    """Read which kinds of rows are to be sent: for which lanes, of which shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDue:
    """Read entries to send, and when the next one becomes due."""

    at: datetime  #: read what is due by then
    limit: int
    besides: Collection[str]  #: entries to skip: the planner has them
    horizon: datetime  #: a due time later than this was set by a wrong clock, and counts as due
    lanes: tuple[str, ...] | None = None  #: only those that may take exactly these; None: all
    shape: str | None = None  #: only those of this shape (:mod:`grouping`); None: all


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadInFlight:
    """Read a page of the entries in a state that holds a slot."""

    state: State
    after: int  #: position of the last entry of the previous page


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCancellations:
    """Read a page of the cancellations that users asked for."""

    after: int  #: position of the last entry of the previous page
    sending: Collection[str]  #: entries that are being sent at this time


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Record that these entries were cancelled before they were sent."""

    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Record what a sweep showed, also that it showed runs of the batch at all."""

    news: Sequence[tuple[Entry, Progressed]]
    lane: str | None = None


# -- at once


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldBack:
    """Release the entries that wait for their turn in one lane, unsent."""

    lane: str | None = None
    quota_message: str | None = None  #: the service's message, if the reason is a full quota
    seconds: float = 0.0  #: until the next try, likewise


#: For one entry.
EntryAction: TypeAlias = Submit | Resend | Settle | Look | Cancel
#: To start or find the run of an entry.
Sending: TypeAlias = Submit | Resend | Settle
#: What is done in one lane, and has an outcome.
LaneAction: TypeAlias = EntryAction | SubmitTogether | Follow | Sweep
Action: TypeAlias = (
    LaneAction
    | Survey
    | Conclude
    | ReadChoices
    | ReadDue
    | ReadInFlight
    | ReadCancellations
    | Withdraw
    | Note
    | HoldBack
)
