"""
What the planner takes in: what came of an action, and what happened elsewhere. Facts, in the past tense.

Belongs here: the stimuli, the moment that they come with, and the story of the last ones. Does not: what
follows from them (``planner`` and its parts); what happens to an entry, which is an event
(``entries.events``).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from batchrun.model.entries.entry import Entry
from batchrun.model.entries.states import State
from batchrun.model.planning.actions import (
    EntryAction,
    Follow,
    ReadCancellations,
    ReadDue,
    ReadInFlight,
    SubmitTogether,
    Survey,
    Sweep,
    Withdraw,
)
from batchrun.model.planning.cancelling import Cancellation
from batchrun.model.planning.listing import Listed
from batchrun.model.submissions.grouping import Choice
from batchrun.model.submissions.submission import OpenSubmission, Stage

if TYPE_CHECKING:
    #: What is kept of a stimulus: the id of the entry, the stimulus or action, the state; no entry itself.
    _Gist: TypeAlias = tuple[str | None, type, State | None]


# -- what came of an action


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """An action on one entry is over."""

    action: EntryAction
    entry: Entry  #: as it is now, durable
    is_answered: bool = True  #: False: there was no usable answer, and it is to be tried again later
    was_seen: bool = False  #: all the same a look told how its run is, which could not be cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedTogether:
    """Entries were sent together, or let go of before."""

    action: SubmitTogether
    entries: Sequence[Entry] = ()  #: as they are now, durable; what was not sent is as it was
    request_id: str | None = None  #: of the submission that has those which are SUBMITTING
    unproven: Collection[str] = ()  #: entries that could not be looked for, or have a run that is in doubt
    is_known: bool = False  #: whether the service is known to have it
    is_lost: bool = False  #: its lane cannot be used: what was sent, only the ledger knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """It was asked what became of a submission."""

    action: Follow
    stage: Stage | None = None  #: None where that is as it was
    settled: Sequence[Entry] = ()  #: those of its rows that are not SUBMITTING any more
    run_batch: str | None = None  #: the service's that has them, where it is known
    was_sent: bool = False  #: it was sent once more
    is_answered: bool = True  #: False: there was no usable answer, and it is to be tried again later
    is_held: bool = False  #: nothing can be asked in this launch


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """A sweep is over, and complete."""

    sweep: Sweep
    listed: Mapping[str, Listed]  #: those of the runs that are in it, by id
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepFailed:
    """A sweep came to nothing."""

    sweep: Sweep
    is_denied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """A survey has seen everything, or was left to looks by name, since so few are to be sent."""

    survey: Survey
    named: Collection[str] = ()  #: entries whose name a run bears
    are_few: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyConcluded:
    """What a survey found is recorded."""

    survey: Survey
    adopted: Sequence[Entry]  #: entries whose runs were taken over, as they are now
    is_partial: bool = False  #: lanes could not be reached: what may be there is not proven


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyFailed:
    """A survey did not see everything, and is to be made again."""

    survey: Survey


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoicesRead:
    """What there is to send was read, by the lanes that it may take and its shape."""

    choices: Collection[Choice]


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRead:
    """Entries that are to be sent were read."""

    read: ReadDue
    entries: Sequence[Entry]
    next_due: datetime | None = None  #: where there were fewer than asked for: when another becomes due


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlightRead:
    """A page of entries in flight was read; nothing was recorded between the reading and this."""

    read: ReadInFlight
    entries: Sequence[Entry]
    submissions: Sequence[OpenSubmission] = ()  #: with the first page of SUBMITTING: those that are not over


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationsRead:
    """A page of what is to be cancelled was read."""

    read: ReadCancellations
    page: Sequence[Cancellation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrew:
    """Entries were withdrawn, durably."""

    withdraw: Withdraw


# -- what happened elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerChanged:
    """Somebody else has written to the batch."""

    has_new_active: bool = False  #: runs are going on that the planner does not have


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsAnnounced:
    """Messages say that these runs have ended; or nothing brings messages any more."""

    uuids: Collection[str] = ()
    is_alive: bool = True  #: False: there will be no messages for a while
    lanes: Collection[str | None] | None = None  #: whose messages these are; None: of whichever


@dataclass(frozen=True, slots=True, kw_only=True)
class RatesLearned:
    """How many calls per second can be counted on in a lane."""

    get: float
    list: float
    start: float = math.inf
    lane: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OthersCounted:
    """So many runs of other batches are active in the account of a lane, whose number is bounded."""

    active: int
    lane: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRecorded:
    """The entry waits no more: its call to this lane is about to leave."""

    entry_id: str
    lane: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePaused:
    """A lane cannot be used for a while: its service is silent, or its login has ended."""

    lane: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneResumed:
    """It can be used again."""

    lane: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneStopped:
    """It cannot be used any more in this launch."""

    lane: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionStopped:
    """Nothing more is to be sent; what was sent is settled and watched as ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionResumed:
    """Rows are to be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """Nothing more is to be done; what is in the air is still awaited."""


#: What happens in one lane, or concerns each.
LaneStimulus: TypeAlias = (
    Swept
    | SweepFailed
    | RunsAnnounced
    | RatesLearned
    | OthersCounted
    | IntentRecorded
    | LanePaused
    | LaneResumed
    | LaneStopped
)

Stimulus: TypeAlias = (
    Acted
    | SubmittedTogether
    | Followed
    | Surveyed
    | SurveyConcluded
    | SurveyFailed
    | ChoicesRead
    | DueRead
    | InFlightRead
    | CancellationsRead
    | Withdrew
    | LedgerChanged
    | SubmissionStopped
    | SubmissionResumed
    | Drained
    | LaneStimulus
)


#: Stimuli that are kept.
_KEPT: Final = 200


class Told:
    """The last stimuli."""

    def __init__(self) -> None:
        self._told: deque[tuple[float, _Gist]] = deque(maxlen=_KEPT)

    def add(self, stimulus: Stimulus, now: float) -> None:
        """Keep one, which came at *now* in loop time."""
        if not isinstance(stimulus, RatesLearned):  # as often as calls are answered, and of no entry
            self._told.append((now, _gist(stimulus)))

    def story(self, stimulus: Stimulus) -> str:
        """Return those about the stimulus's entry, and those about none in particular."""
        subject = _gist(stimulus)[0]
        return ", ".join(
            f"{_word(gist)} at {now:.1f} s" for now, gist in self._told if gist[0] in {subject, None}
        )


def _gist(stimulus: Stimulus) -> _Gist:
    if isinstance(stimulus, Acted):
        return stimulus.entry.id, type(stimulus.action), stimulus.entry.state
    return None, type(stimulus), None


def _word(gist: _Gist) -> str:
    _, kind, state = gist
    return kind.__name__ if state is None else f"{kind.__name__} came to {state.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the clocks show at once."""

    now: float  #: loop time, in seconds
    at: datetime  #: wall time
    latest: datetime  #: the latest that it can be: by it, what was proven ends
