"""Sending in one lane, by StartRunBatch: waves of rows, and the submissions whose rows are not settled yet.

Theory of operation. Rows of one shape (:mod:`grouping`) are in one queue. Once a *wave* of them is ready,
proven, and has slots, it is sent as one *submission*, one at a time. The submission is then *open*: the
service is asked about it (:class:`Follow`) until each row has a run, was refused, or is proven never to get
one. That proof takes ``listing_lag`` from the moment when a call may have been sent last, or when the service
was done.

Belongs here: when a wave is sent, and when to ask about a submission. Does not: how many rows are a lane's
share (``sharing``), StartRun (``sending``), runs (``watch``), what the service's answers mean
(``engine.run_batches.follower``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from batchrun.errors import InvariantError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.states import State
from batchrun.model.planning.actions import Follow, SubmitTogether
from batchrun.model.planning.limits import Mode
from batchrun.model.planning.queues import Queue
from batchrun.model.planning.sending import Sending, WholeLaunch
from batchrun.model.planning.sharing import Sharing
from batchrun.model.planning.stimuli import Followed, Moment, SubmittedTogether
from batchrun.model.planning.verdicts import Silences
from batchrun.model.submissions.grouping import INLINE
from batchrun.model.submissions.submission import OpenSubmission, Stage, Standing, stage

#: Seconds until a submission is first asked about; the wait grows by half with each answer without news.
_SOON: Final = 5.0
_SLOWER: Final = 1.5
_LONGEST: Final = 60.0
#: Rows of a page of ListRunsInBatch, and the share of that operation's rate that following may take.
_PAGE: Final = 100
_SPARED: Final = 0.1
#: Seconds for which a few rows wait for others that become due.
_GATHER: Final = 15.0
#: Tries after which the wait grows no more, so that the power stays a small number.
_MOST_TRIES: Final = 16


@dataclass(slots=True, kw_only=True)
class _Open:
    """A submission whose rows are not all settled."""

    request_id: str
    ids: set[str]
    stage: Stage
    since: float  #: loop time from which the lag of a proof counts
    due: float
    tries: int = 0  #: answers in a row without news
    is_in_air: bool = False
    is_late: bool = False  #: without a usable answer for longer than ``longest_silence``


class Batching:
    """Sending in one lane by StartRunBatch, and following its submissions."""

    def __init__(self, launch: WholeLaunch, lane: str | None, sending: Sending, sharing: Sharing) -> None:
        self._limits = limits = launch.limits
        self._lane = lane
        self._queues = launch.queues
        self._proving = launch.proving
        self._sending = sending
        self._sharing = sharing
        self._cancelling = launch.cancelling
        self._in_air: SubmitTogether | None = None
        self._open: dict[str, _Open] = {}
        self._of: dict[str, str] = {}  #: entry's id to its submission
        self._passed: set[str] = set()  #: submissions that this launch asks about no more
        self._silences = Silences(limits.longest_silence)
        self._soon = min(_SOON, limits.watch.longest)
        self._list_rate = 1.0
        self._planned_at = float("-inf")  #: loop time

    # -- filing

    def add(self, one: OpenSubmission, now: float) -> None:
        """Take a submission that an earlier launch made."""
        submission = one.submission
        if submission.request_id in self._open or submission.request_id in self._passed:
            return
        is_being_sent = self._in_air is not None and not self.in_air.isdisjoint(one.ids)
        if is_being_sent or not self._is_wanted(one.ids):
            return
        is_known = submission.standing is not Standing.INTENDED
        reached = stage(submission.status or "") if is_known else Stage.UNKNOWN
        self._file(submission.request_id, one.ids, reached, since=now, due=now)

    def submitted(self, outcome: SubmittedTogether, now: float) -> None:
        """Take the outcome of a wave."""
        if self._in_air is not outcome.action:
            raise InvariantError("rows were sent together, and nobody asked for it")
        self._in_air = None
        sent = [entry.id for entry in outcome.entries if entry.state is State.SUBMITTING]
        if sent and outcome.request_id is not None:
            reached = Stage.GOING if outcome.is_known else Stage.UNKNOWN
            self._file(outcome.request_id, sent, reached, since=now, due=now + self._soon)
            if self._limits.is_pass:
                self._pass_over(outcome.request_id)
        if outcome.is_known:
            self._sending.accepted()
        elif sent:
            self._sending.unheard(sent, now)

    def _file(
        self, request_id: str, ids: Collection[str], reached: Stage, *, since: float, due: float
    ) -> None:
        self._of.update(dict.fromkeys(ids, request_id))
        for entry_id in ids:
            self._sending.slots.take(entry_id)
        self._open[request_id] = _Open(
            request_id=request_id, ids=set(ids), stage=reached, since=since, due=due
        )

    def _pass_over(self, request_id: str) -> None:
        """Stop asking about a submission in this launch."""
        self._open.pop(request_id, None)
        self._passed.add(request_id)

    def _is_wanted(self, ids: Collection[str]) -> bool:
        """Report whether this launch needs the outcome of these rows."""
        return self._limits.mode is not Mode.CANCEL or any(one in self._cancelling for one in ids)

    def followed(self, outcome: Followed, now: float) -> None:
        """Take the answer about a submission's rows."""
        one = self._open[outcome.action.request_id]
        one.is_in_air = False
        self._settle(one, outcome.settled)
        was_unknown = one.stage is Stage.UNKNOWN
        reached = outcome.stage or one.stage
        if outcome.was_sent or outcome.settled or reached is not one.stage:
            one.stage, one.since, one.tries = reached, now, 0
        self._note_answer(one, outcome, now)
        self._note_start(one, outcome, now, was_unknown=was_unknown)
        is_over = outcome.is_answered and not one.ids
        if is_over or outcome.is_held or self._limits.is_pass:
            self._pass_over(one.request_id)
            return
        if not self._is_wanted(one.ids):
            del self._open[one.request_id]  # but other rows may be cancelled later
            return
        one.tries = 0 if outcome.settled else min(one.tries + 1, _MOST_TRIES)
        one.due = now + self._wait(one, now)
        if self._cancels(one) and not outcome.action.cancels:
            one.due = now  # the cancellation came while this was in the air

    def _note_answer(self, one: _Open, outcome: Followed, now: float) -> None:
        """Note whether the service said how a submission stands."""
        has_all_said = one.stage is Stage.DONE and outcome.action.is_proof
        is_heard = outcome.is_answered and one.stage is not Stage.UNKNOWN and not has_all_said
        if outcome.settled or is_heard:
            self._silences.answered(one.request_id)
            one.is_late = False
        else:
            one.is_late = self._silences.has_lasted(one.request_id, now)

    def _note_start(self, one: _Open, outcome: Followed, now: float, *, was_unknown: bool) -> None:
        """Note whether the outcome of StartRunBatch became known."""
        if outcome.was_sent and outcome.run_batch is not None:
            self._sending.accepted()
        elif was_unknown and (outcome.settled or one.stage is not Stage.UNKNOWN):
            self._sending.heard()
        elif outcome.was_sent:
            self._sending.unheard(one.ids, now)

    def _is_waited_for(self, one: _Open) -> bool:
        return not (one.is_late or (one.stage is Stage.UNKNOWN and self._sending.is_unheard))

    def _wait(self, one: _Open, now: float) -> float:
        """Return the seconds until the submission is asked about again."""
        if not self._is_waited_for(one):
            return self._limits.longest_silence
        wait = min(self._soon * _SLOWER**one.tries, _LONGEST)
        wait = max(wait, len(one.ids) / _PAGE / (_SPARED * self._list_rate))
        is_proof_in = one.since + self._limits.listing_lag - now
        if one.stage is Stage.GOING or is_proof_in <= 0:
            return wait
        return max(self._soon, min(wait, is_proof_in))

    def _cancels(self, one: _Open) -> bool:
        return bool(one.ids) and all(entry_id in self._cancelling for entry_id in one.ids)

    def _settle(self, one: _Open, settled: Sequence[Entry]) -> None:
        for entry in settled:
            one.ids.discard(entry.id)
            self._of.pop(entry.id, None)

    def rate_learned(self, rate: float) -> None:
        """Note how many listing calls per second to expect."""
        self._list_rate = rate

    # -- what is due

    def plan(self, moment: Moment) -> Iterator[SubmitTogether | Follow]:
        """Yield the wave to send and the submissions to ask about now; each is then in the air."""
        self._planned_at = moment.now
        if (submit := self._next_wave(moment)) is not None:
            self._in_air = submit
            for entry in submit.entries:
                self._sending.slots.take(entry.id)
            yield submit
        for one in self._open.values():
            if not one.is_in_air and one.due <= moment.now:
                one.is_in_air = True
                yield self._follow(one, moment.now)

    def _follow(self, one: _Open, now: float) -> Follow:
        is_old = now - one.since >= self._limits.listing_lag
        return Follow(
            request_id=one.request_id,
            ids=frozenset(one.ids),
            is_proof=one.stage is not Stage.GOING and is_old,
            cancels=self._cancels(one),
            lane=self._lane,
        )

    def _next_wave(self, moment: Moment) -> SubmitTogether | None:
        if self._in_air is not None or not self._sending.may_begin(moment.now):
            return None
        for queue in self._queues.of_lane(self._lane, is_together=True):
            while (count := self._count(queue, moment)) and self._queues.leave_unprovable(
                queue, count, moment.latest
            ):
                pass
            if self._proving.may_send_together([*islice(queue.ready, count)], moment.latest):
                sent = count
            else:
                is_held_up = len(queue.lanes) == 1 and self._proving.is_late(moment.now)
                sent = min(count, INLINE) if is_held_up else 0  # looked for by name, a call for each
            if sent:
                wave = tuple(queue.ready.popleft() for _ in range(sent))
                return SubmitTogether(entries=wave, lane=self._lane)
        return None

    def _count(self, queue: Queue, moment: Moment) -> int:
        """Return how many rows of *queue* to send now: none while more are coming, or more room is."""
        room = self._sending.slots.room
        count = int(min(room, self._limits.wave, self._sharing.part(self._lane, queue, moment.now)))
        is_all = count < room or count == len(queue.ready)
        is_over = is_all and not self._gathers(queue, moment)
        # Otherwise each run that ends would cause a call.
        is_worth_it = count >= self._sharing.worth_a_call(self._lane)
        return count if is_over or is_worth_it or self._limits.mode is not Mode.WATCH else 0

    def _gathers(self, queue: Queue, moment: Moment) -> bool:
        """Report whether to wait for more rows, such as retried ones, which would each cost calls."""
        if queue.ready_since is None or not queue.ready:
            queue.ready_since = moment.now
        has_time = moment.now < queue.ready_since + _GATHER
        return self._queues.are_more_coming(queue, moment.at, within=_GATHER if has_time else 0.0)

    def hasten(self, entry_ids: Collection[str]) -> None:
        """Ask at once about the submissions of these entries, if any."""
        for request_id in {self._of[entry_id] for entry_id in entry_ids if entry_id in self._of}:
            if (one := self._open.get(request_id)) is not None:
                one.due = float("-inf")

    @property
    def wake_at(self) -> float | None:
        """When something becomes due without a stimulus, in loop time; None if nothing does."""
        dues = [one.due for one in self._open.values() if not one.is_in_air]
        resumes_at = self._sending.resumes_at
        if self._in_air is None and self._has_ready and resumes_at > self._planned_at:
            dues.append(resumes_at)
        return min(dues, default=None)

    # -- how it stands

    @property
    def in_air(self) -> frozenset[str]:
        """Ids of the entries that are being sent."""
        return frozenset() if self._in_air is None else frozenset(one.id for one in self._in_air.entries)

    @property
    def in_air_count(self) -> int:
        """Calls under way."""
        return (self._in_air is not None) + sum(one.is_in_air for one in self._open.values())

    @property
    def ids(self) -> list[str]:
        """Ids of the entries that are being sent, or in an open submission."""
        return [*self.in_air, *self._of]

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in the air, open, or could be sent."""
        can_submit = self._has_ready and self._sending.may_come_to_send
        is_waiting = any(one.is_in_air or self._is_waited_for(one) for one in self._open.values())
        return not (self._in_air or is_waiting or can_submit)

    @property
    def _has_ready(self) -> bool:
        return any(queue.ready for queue in self._queues.of_lane(self._lane, is_together=True))
