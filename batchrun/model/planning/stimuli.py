"""Stimuli, the planner's inputs: outcomes of actions, and what happened elsewhere; facts, in the past tense.

Does not belong here: what follows from them (``planner`` and its parts), what happens to an entry, which is
an event (``entries.events``).
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
from batchrun.model.planning import actions
from batchrun.model.planning.cancelling import Cancellation
from batchrun.model.planning.denials import Resources
from batchrun.model.planning.listing import Listed
from batchrun.model.submissions.grouping import Choice
from batchrun.model.submissions.submission import OpenSubmission, Stage

if TYPE_CHECKING:
    #: What is kept of a stimulus: the id of the entry, the stimulus or action, the state; no entry itself.
    _Gist: TypeAlias = tuple[str | None, type, State | None]


# -- outcomes of actions


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """An action on one entry is over."""

    action: actions.EntryAction
    entry: Entry  #: as it is now, durable
    is_answered: bool = True  #: False: there was no usable answer; retry later
    was_seen: bool = False  #: of a failed Cancel: GetRun was answered, CancelRun was not


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedTogether:
    """Entries were sent together, or released unsent."""

    action: actions.SubmitTogether
    entries: Sequence[Entry] = ()  #: as they are now, durable; those not sent are unchanged
    request_id: str | None = None  #: of the submission that has the SUBMITTING ones
    unproven: Collection[str] = ()  #: entries that could not be looked for, or may have a run
    is_known: bool = False  #: whether the service is known to have the submission
    is_lost: bool = False  #: the lane cannot be used; only the ledger knows what was sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """The service was asked about a submission."""

    action: actions.Follow
    stage: Stage | None = None  #: None: unchanged
    settled: Sequence[Entry] = ()  #: rows that are not SUBMITTING any more
    run_batch: str | None = None  #: id of the service's batch, if known
    was_sent: bool = False  #: the submission was sent again
    is_answered: bool = True  #: False: there was no usable answer; retry later
    is_held: bool = False  #: it cannot be settled in this launch


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """A sweep is complete."""

    sweep: actions.Sweep
    listed: Mapping[str, Listed]  #: the runs found, by id
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepFailed:
    """A sweep failed."""

    sweep: actions.Sweep
    is_denied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """A survey is complete, or was left out since so few rows are to be sent."""

    survey: actions.Survey
    named: Collection[str] = ()  #: entries whose name a run has
    are_few: bool = False  #: left out: looking for each by name is cheaper


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyConcluded:
    """What a survey found is recorded."""

    survey: actions.Survey
    adopted: Sequence[Entry]  #: entries whose runs were adopted, as they are now
    is_partial: bool = False  #: some lanes could not be reached; rows that may be there are not proven
    again_at: float | None = None  #: loop time of the survey that is to prove the rows; None if this one does


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyFailed:
    """A survey failed, and is to be repeated."""

    survey: actions.Survey


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoicesRead:
    """The kinds of rows to send were read: the lanes that they may take, and their shape."""

    choices: Collection[Choice]


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRead:
    """Entries to send were read."""

    read: actions.ReadDue
    entries: Sequence[Entry]
    next_due: datetime | None = None  #: if there were fewer than asked for: when the next becomes due


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlightRead:
    """A page of entries in flight was read, and nothing was recorded since."""

    read: actions.ReadInFlight
    entries: Sequence[Entry]
    submissions: Sequence[OpenSubmission] = ()  #: with the first page of SUBMITTING: all open ones


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationsRead:
    """A page of cancellations was read."""

    read: actions.ReadCancellations
    page: Sequence[Cancellation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrew:
    """Entries were withdrawn, durably."""

    withdraw: actions.Withdraw


# -- what happened elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerChanged:
    """Another process has written to the batch."""

    has_new_active: bool = False  #: there are ACTIVE entries that the planner does not have


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsAnnounced:
    """Messages say that these runs have ended; or messages cannot be received any more."""

    uuids: Collection[str] = ()
    is_alive: bool = True  #: False: there will be no messages for a while
    lanes: Collection[str | None] | None = None  #: of which lanes; None: of any


@dataclass(frozen=True, slots=True, kw_only=True)
class RatesLearned:
    """The calls per second that a lane can expect to make."""

    get: float
    list: float
    start: float = math.inf
    lane: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OthersCounted:
    """How many runs of other batches are active in a lane's account, where there is a cap for all."""

    active: int
    lane: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRecorded:
    """The entry's intent is recorded: its call to this lane is about to leave."""

    entry_id: str
    lane: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePaused:
    """A lane cannot be used for now: the service does not answer, or the login has expired."""

    lane: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneResumed:
    """A paused lane can be used again."""

    lane: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneClosed:
    """A lane takes no more rows in this launch; what it has is still settled and watched."""

    lane: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcesDenied:
    """A lane may not use some resources; rows that use them there are not sent in this launch."""

    resources: Resources
    lane: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneStopped:
    """A lane cannot be used any more in this launch."""

    lane: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionStopped:
    """Nothing more is to be sent; what was sent is still settled and watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionResumed:
    """Rows are to be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """The launch is stopping: no new actions, but those in the air are awaited."""


#: What happens in one lane, or in each.
LaneStimulus: TypeAlias = (
    Swept
    | SweepFailed
    | RunsAnnounced
    | RatesLearned
    | OthersCounted
    | IntentRecorded
    | LanePaused
    | LaneResumed
    | LaneClosed
    | ResourcesDenied
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


class StimulusLog:
    """The latest stimuli, for the message of an InvariantError."""

    def __init__(self) -> None:
        self._log: deque[tuple[float, _Gist]] = deque(maxlen=_KEPT)

    def add(self, stimulus: Stimulus, now: float) -> None:
        """Keep a stimulus, which came at *now* in loop time."""
        if not isinstance(stimulus, RatesLearned):  # too frequent, and about no entry
            self._log.append((now, _gist(stimulus)))

    def story(self, stimulus: Stimulus) -> str:
        """Return the stimuli about the same entry, and those about no entry."""
        subject = _gist(stimulus)[0]
        return ", ".join(
            f"{_word(gist)} at {now:.1f} s" for now, gist in self._log if gist[0] in {subject, None}
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
    """One moment by all clocks."""

    now: float  #: loop time, in seconds
    at: datetime  #: wall time
    latest: datetime  #: the latest that wall time can be; proofs expire by this one
