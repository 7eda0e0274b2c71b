"""
What the planner may ask the engine to do: instructions, in the imperative.

Each is carried out by one coroutine, which answers with one stimulus (:mod:`stimuli`); what is done at once
(:class:`HoldBack`) or only recorded (:class:`Note`) answers nothing.

Belongs here: the instructions. Does not: when each is due (``planner`` and its parts), carrying them out
(``engine``).
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
class Replay:
    """Send the same bytes again: while the entry's proof holds, the service remembers the requestId."""

    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Look for the run before sending again: the service may have forgotten the requestId."""

    entry: Entry
    is_proof: bool  #: whether not finding the run means that no call of ours made one
    may_send: bool  #: whether the attempt may be sent again where no run is found
    #: Whether it is over where the service then refuses its requestId still, and no run is found after that.
    may_refuse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Ask how the run is."""

    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Ask how the run is, and ask the service to cancel it unless it has ended."""

    entry: Entry


# -- for many entries, at the service


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitTogether:
    """Prove what is not proven, wait for a turn, record the submission with every intent in it, send."""

    entries: Sequence[Entry]  #: of one shape (:mod:`grouping`)
    lane: str | None = None  #: where to


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """Ask what became of a submission's rows; find it first where it is not known whether it is there."""

    request_id: str  #: the submission's
    ids: frozenset[str]  #: of its rows, those that are not settled
    is_proof: bool  #: whether what is not there now never will be
    cancels: bool = False  #: all that is left of it is to be cancelled
    lane: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """List the runs that are going, to learn which of ours are not."""

    begun: float  #: loop time; runs accepted later may be missing
    seconds: float  #: after which it is given up: to look at each run would have been cheaper
    run_ids: Collection[str]  #: those to report; others' runs are in the listing too
    run_group: str | None = None  #: the one that all of our runs are in, where there is one
    run_batches: Sequence[str] = ()  #: those of the service that are to be listed alone; else all runs are
    lane: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Look for runs that other ledgers may have started of what is to be sent."""

    begun: float  #: loop time
    is_waited_for: bool = False  #: entries wait for it that could not be looked for one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclude:
    """Take over the runs that a survey found for these entries; all others are proven to have none."""

    survey: Survey
    entry_ids: Collection[str]


# -- in the ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadChoices:
    """Read for which lanes there is something to send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDue:
    """Read entries that are to be sent, and when the next one becomes due."""

    at: datetime  #: what is due by then
    limit: int
    besides: Collection[str]  #: entries that the planner has already
    horizon: datetime  #: what is due later than this was set by a clock that was ahead: it is due too
    lanes: tuple[str, ...] | None = None  #: those alone that may take exactly these; None: all
    shape: str | None = None  #: those alone that have it (:mod:`grouping`); None: all


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadInFlight:
    """Read entries in a state that holds a slot, in pages."""

    state: State
    after: int  #: position of the last one of the page before


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCancellations:
    """Read what people asked to be cancelled, in pages."""

    after: int  #: position of the last one of the page before
    sending: Collection[str]  #: entries that were being sent when it was asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Record that these entries were cancelled before they were sent."""

    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Record what a sweep showed; that it showed runs of the batch says that the service knows it."""

    news: Sequence[tuple[Entry, Progressed]]
    lane: str | None = None


# -- at once


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldBack:
    """Let go of what was never sent and still waits for its turn in one lane."""

    lane: str | None = None
    quota_message: str | None = None  #: what the service said, where a full quota is the reason
    seconds: float = 0.0  #: until the next try, likewise


#: What is done for one entry.
EntryAction: TypeAlias = Submit | Replay | Settle | Look | Cancel
#: What is sent to the service to have a run.
Sending: TypeAlias = Submit | Replay | Settle
Action: TypeAlias = (
    EntryAction
    | SubmitTogether
    | Follow
    | Sweep
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
