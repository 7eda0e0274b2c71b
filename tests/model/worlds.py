"""The planner's laws, over random worlds: a service, a ledger and people that do as they like."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from batchrun.model.entries import events
from batchrun.model.entries.entry import Entry, sent_to
from batchrun.model.entries.states import ENDED, GOING_STATUSES, OPEN, State
from batchrun.model.entries.transitions import apply
from batchrun.model.planning import actions, stimuli
from batchrun.model.planning.cancelling import Cancellation, Scope
from batchrun.model.planning.denials import Resources, resources_of
from batchrun.model.planning.limits import LaneLimits, Limits
from batchrun.model.planning.listing import Listed
from batchrun.model.planning.planner import Planner
from batchrun.model.planning.verdicts import QUOTA_FULL
from batchrun.model.submissions.grouping import Choice, Engine, shape_of
from batchrun.model.submissions.submission import OpenSubmission, Stage, Submission
from tests import builders
from tests.builders import at, run
from tests.model.driving import moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

LANES = (LaneLimits(name="east", max_active=3), LaneLimits(name="west"), LaneLimits(name="north"))


def _sent_by(action: actions.Action) -> Sequence[Entry]:
    """Return the rows that an action sends."""
    match action:
        case actions.Submit(entry=entry):
            return [entry]
        case actions.SubmitTogether(entries=entries):
            return entries
        case _:
            return []


class World:
    """A service that answers as it likes, a ledger that keeps each step, people who change their minds."""

    def __init__(self, data: st.DataObject, rows: int, limits: Limits, lanes: Sequence[LaneLimits]) -> None:
        self.data = data
        self.limits = limits
        self.lanes = lanes
        self.usable = {lane.name for lane in lanes}  #: that did not stop or close
        self.silent: set[str] = set()
        self.closed: set[str] = set()  #: that take no more rows, and can be asked
        self.denied: set[tuple[str | None, Resources]] = set()
        self.planner = Planner(limits, lanes, home=lanes[0].name)
        self.entries = {str(n): self.row(n) for n in range(rows)}
        self.wishes: set[str] = set()
        self.sent: dict[str, set[str]] = {}
        self.exists: set[str] = set()
        self.adopted: set[str] = set()
        self.submissions: dict[str, Submission] = {}
        self.held: set[str] = set()  #: rows of submissions that nobody may ask about
        self.submitted: dict[str, str] = {}  #: submission by row that is SUBMITTING
        self.under_way: list[actions.Action] = []
        self.now = 0.0

    @property
    def time(self) -> datetime:
        return at(self.now)

    def row(self, number: int) -> Entry:
        entry = builders.planned(str(number), number)
        role = f"arn:aws:iam::123456789012:role/{number % 2}"
        if self.lanes[0].name is None:
            return replace(entry, request=builders.request(name=f"cohort-{number}", roleArn=role))
        names = self.data.draw(st.sampled_from([["east"], ["west"], ["east", "west"], ["west", "north"]]))
        return replace(entry, offers=builders.offers(*names, name=f"cohort-{number}", roleArn=role))

    def step(self) -> None:
        """Let some of what is under way end, in any order, and sometimes something else happen."""
        order = self.data.draw(st.permutations(self.under_way))
        ended = order[: self.data.draw(st.integers(min(1, len(order)), len(order)))]
        self.under_way = [action for action in self.under_way if not any(action is one for one in ended)]
        told = [outcome for action in ended for outcome in self.outcomes(action)]
        for action in self.planner.handle(*told, *self.happen(), moment=moment(self.now)):
            if isinstance(action, actions.Submit):
                assert action.lane not in self.silent | self.closed, "sent to a lane that cannot be used"
                is_proven = self.limits.trust.holds(action.entry, self.time)
                assert is_proven or self.silent.isdisjoint(action.entry.may_take), "it may have a run there"
            if isinstance(action, actions.Submit | actions.SubmitTogether):
                sent = _sent_by(action)
                assert not any(self.is_denied(entry, action.lane) for entry in sent), "it may not be started"
            if isinstance(action, actions.Note):
                self.carry_out(action)  # begun first, it is in line before whatever is seen later
            else:
                self.under_way.append(action)
        self.planner.validate()
        self.check_slots()
        self.check_barred()
        may_sleep = self.planner.is_over or self.silent
        assert may_sleep or self.under_way or self.planner.wake_at is not None, "nothing will ever wake it"
        if not self.under_way and self.planner.wake_at is not None:
            self.now = max(self.now + 0.5, min(self.planner.wake_at, self.now + 600))

    def is_denied(self, entry: Entry, *lanes: str | None) -> bool:
        """Whether none of these lanes, or of its own, may use what it uses there."""
        of_lanes = {lane: resources_of(sent_to(entry, lane)) for lane in lanes or entry.may_take or (None,)}
        return self.denied.issuperset(of_lanes.items())

    def outcomes(self, action: actions.Action) -> list[stimuli.Stimulus]:
        if (
            isinstance(action, actions.Submit)
            and action.lane is not None
            and self.data.draw(st.integers(0, 20)) == 20
        ):
            return self.stopped_in_between(action, action.lane)
        outcome = self.carry_out(action)
        if outcome is None:
            return []
        intents: list[stimuli.Stimulus] = []
        if (
            isinstance(action, actions.Submit)
            and action.lane is not None
            and isinstance(outcome, stimuli.Acted)
        ):
            is_sent = outcome.entry is not action.entry
            intents = [stimuli.IntentRecorded(entry_id=action.entry.id, lane=action.lane)] if is_sent else []
        return [*intents, outcome]

    def stopped_in_between(self, action: actions.Submit, lane: str) -> list[stimuli.Stimulus]:
        """The lane turns out to be of no use when the intent is on disk and nothing was sent."""
        request = action.entry.as_in(lane).request
        intended = events.Intended(at=self.time, proven_at=self.time, lane=lane, request=request)
        self.entries[action.entry.id] = apply(self.entries[action.entry.id], intended)
        recorded = stimuli.IntentRecorded(entry_id=action.entry.id, lane=lane)
        self.usable.discard(lane)
        self.silent.add(lane)
        unsent = stimuli.Acted(action=action, entry=action.entry, is_answered=False)
        return [recorded, stimuli.LaneStopped(lane=lane), unsent]

    def happen(self) -> list[stimuli.Stimulus]:
        kinds = [
            "cancel",
            "change",
            "stop",
            "rates",
            "announced",
            "denied",
            *(["lane"] * 3 if len(self.lanes) > 1 else []),
        ]
        match self.data.draw(st.sampled_from(["nothing"] * 12 + kinds)):
            case "lane":
                return self.lane_happens(self.data.draw(st.sampled_from([lane.name for lane in self.lanes])))
            case "cancel":
                self.wishes.add(self.data.draw(st.sampled_from(sorted(self.entries))))
                return [stimuli.LedgerChanged()]
            case "change":
                return [stimuli.LedgerChanged(has_new_active=True)]
            case "stop":
                return [stimuli.SubmissionStopped(), stimuli.SubmissionResumed()]
            case "rates":
                lane = self.data.draw(st.sampled_from(self.lanes)).name
                get, start = (self.data.draw(st.sampled_from([0.1, 10.0])) for _ in range(2))
                return [stimuli.RatesLearned(get=get, list=10, start=start, lane=lane)]
            case "denied":
                entry = self.data.draw(st.sampled_from([*self.entries.values()]))
                lane = self.data.draw(st.sampled_from(entry.may_take or [one.name for one in self.lanes]))
                self.denied.add((lane, uses := resources_of(sent_to(entry, lane))))
                return [stimuli.ResourcesDenied(lane=lane, resources=uses)]
            case "announced":  # truly, too early, twice, or of nobody's run
                uuids = [entry.run.uuid for entry in self.entries.values() if entry.run] or ["nobody's"]
                said = self.data.draw(st.lists(st.sampled_from(uuids), max_size=3))
                return [stimuli.RunsAnnounced(uuids=said, is_alive=self.data.draw(st.booleans()))]
            case _:
                return []

    def lane_happens(self, lane: str | None) -> list[stimuli.Stimulus]:
        if lane is None or lane not in self.usable | self.closed:
            return []
        match self.data.draw(st.sampled_from(["pause", "resume", "stop", "close"])):
            case "pause":
                self.silent.add(lane)
                return [stimuli.LanePaused(lane=lane)]
            case "resume":
                self.silent.discard(lane)
                return [stimuli.LaneResumed(lane=lane)]
            case "close":
                self.usable.discard(lane)
                self.closed.add(lane)
                return [stimuli.LaneClosed(lane=lane)]
            case _:
                self.usable.discard(lane)
                self.closed.discard(lane)
                self.silent.add(lane)
                return [stimuli.LaneStopped(lane=lane)]

    def carry_out(self, action: actions.Action) -> stimuli.Stimulus | None:  # noqa: C901, PLR0911, PLR0912 (one for each)
        match action:
            case actions.Submit() | actions.Resend() | actions.Settle() | actions.Look() | actions.Cancel():
                return self.act(action)
            case actions.Sweep():
                return self.sweep(action)
            case actions.Survey():
                return self.survey(action)
            case actions.Conclude():
                return self.conclude(action)
            case actions.ReadChoices():
                return stimuli.ChoicesRead(choices=self.choices())
            case actions.SubmitTogether():
                return self.submit_together(action)
            case actions.Follow():
                return self.follow(action)
            case actions.ReadDue():
                return self.read_due(action)
            case actions.ReadInFlight(state=state, after=after):
                there = [one for one in self.entries.values() if one.state is state and one.position > after]
                is_first = state is State.SUBMITTING and after < 0
                return stimuli.InFlightRead(
                    read=action, entries=there[:2], submissions=self.open_submissions() if is_first else ()
                )
            case actions.ReadCancellations(after=after):
                wished = [self.entries[id] for id in self.wishes if self.entries[id].state in OPEN]
                page = sorted((one for one in wished if one.position > after), key=lambda one: one.position)
                wishes = [Cancellation(entry=entry, scope=Scope.RUN) for entry in page[:2]]
                return stimuli.CancellationsRead(read=action, page=wishes)
            case actions.Withdraw(entries=entries):
                for entry in entries:
                    now = self.entries[entry.id]
                    assert now == replace(entry, proven_at=now.proven_at), "it was decided otherwise"
                    self.entries[entry.id] = apply(now, events.Withdrawn(at=self.time, message=""))
                return stimuli.Withdrew(withdraw=action)
            case actions.Note(news=news):
                for before, event in news:
                    assert self.entries[before.id] == before
                    self.entries[before.id] = apply(before, event)
                return None
            case actions.HoldBack():
                return None

    def read_due(self, read: actions.ReadDue) -> stimuli.DueRead:
        unsent = [
            one
            for one in self.unsent()
            if one.id not in {*read.besides, *self.wishes}
            and read.lanes in {None, one.may_take}
            and read.shape in {None, self.shape(one)}
        ]
        due = [entry for entry in unsent if entry.due is None or entry.due <= read.at][: read.limit]
        later = min((entry.due for entry in unsent if entry.due and entry.due > read.at), default=None)
        return stimuli.DueRead(read=read, entries=due, next_due=later if len(due) < read.limit else None)

    def shape(self, entry: Entry) -> str:
        return shape_of(entry.id, entry.asked)

    def choices(self) -> list[Choice]:
        """Return them in the rows' order: a set has another one in each process."""
        if self.limits.engine is Engine.STARTRUN:
            return [Choice(lanes=lanes) for lanes in dict.fromkeys(one.may_take for one in self.unsent())]
        counts = Counter((one.may_take, self.shape(one)) for one in self.unsent())
        return [Choice(lanes=lanes, shape=shape, rows=rows) for (lanes, shape), rows in counts.items()]

    def open_submissions(self) -> list[OpenSubmission]:
        waiting = {one: [id for id, of in self.submitted.items() if of == one] for one in self.submissions}
        return [OpenSubmission(submission=one, ids=waiting[key]) for key, one in self.submissions.items()]

    def submit_together(self, action: actions.SubmitTogether) -> stimuli.SubmittedTogether:
        """Submit, let go of, or lose a submission; sometimes a row of it could not be looked for."""
        assert len({(one.may_take, self.shape(one)) for one in action.entries}) == 1, "rows are not alike"
        assert all(
            replace(self.entries[one.id], proven_at=None) == replace(one, proven_at=None)
            for one in action.entries
        )
        kind = self.data.draw(st.sampled_from(["known", "unknown", "let go", "refused"]))
        if kind == "let go":
            unproven = self.data.draw(st.sets(st.sampled_from([one.id for one in action.entries])))
            return stimuli.SubmittedTogether(action=action, entries=action.entries, unproven=unproven)
        request_id = f"submission-{len(self.submissions)}"
        for one in action.entries:
            intended = events.Intended(
                at=self.time, proven_at=self.time, lane=action.lane, request=one.as_in(action.lane).request
            )
            self.entries[one.id] = apply(one, intended)
            self.sent.setdefault(one.id, set()).add(self.entries[one.id].request_id)
            self.submitted[one.id] = request_id
        if kind == "refused":
            refused = events.Deferred(at=self.time, due=at(self.now + 30), code=QUOTA_FULL, message="")
            for one in action.entries:
                self.settle(apply(self.entries[one.id], refused))
        else:
            self.submissions[request_id] = builders.submission(request_id, lane=action.lane)
        entries = [self.entries[one.id] for one in action.entries]
        return stimuli.SubmittedTogether(
            action=action, entries=entries, request_id=request_id, is_known=kind == "known"
        )

    def settle(self, entry: Entry) -> Entry:
        self.entries[entry.id] = entry
        self.submitted.pop(entry.id, None)
        return entry

    def follow(self, action: actions.Follow) -> stimuli.Followed:
        """Settle what the data say: rows with a run, and those that have none once that is a proof."""
        assert action.ids == {id for id, of in self.submitted.items() if of == action.request_id}
        settled = []
        for id in sorted(action.ids):
            entry = self.entries[id]
            kinds = ["wait", "run", *(["none"] if action.is_proof and id not in self.exists else [])]
            match self.data.draw(st.sampled_from(kinds)):
                case "run":
                    self.exists.add(id)
                    settled.append(
                        self.settle(apply(entry, events.Accepted(at=self.time, run=self.run(entry))))
                    )
                case "none":
                    none = events.Deferred(at=self.time, due=at(self.now + 1), code="BatchFailed", message="")
                    settled.append(self.settle(apply(entry, none)))
                case _:
                    pass
        is_held = self.data.draw(st.sampled_from([False] * 9 + [True]))
        if is_held:
            self.held |= action.ids
        return stimuli.Followed(
            action=action,
            stage=self.data.draw(st.sampled_from([None, *Stage])),
            settled=settled,
            was_sent=self.data.draw(st.booleans()),
            is_answered=self.data.draw(st.booleans()),
            is_held=is_held,
        )

    def unsent(self) -> list[Entry]:
        return [one for one in self.entries.values() if one.state in {State.PLANNED, State.BACKOFF}]

    def sweep(self, sweep: actions.Sweep) -> stimuli.Swept | stimuli.SweepFailed:
        """List what the data say: some of what is there, in any state of going, or nothing at all."""
        if self.data.draw(st.booleans()):
            return stimuli.SweepFailed(sweep=sweep, is_denied=self.data.draw(st.booleans()))
        going = [entry for entry in self.entries.values() if entry.run and self.data.draw(st.booleans())]
        found = {
            entry.run.id: Listed(id=entry.run.id, status=self.data.draw(st.sampled_from(GOING_STATUSES)))
            for entry in going
            if entry.run
        }
        return stimuli.Swept(sweep=sweep, listed=found, calls=4)

    def survey(self, survey: actions.Survey) -> stimuli.Stimulus:
        kind = self.data.draw(st.sampled_from(["few", "named", "nothing", "failed"]))
        if kind == "failed":
            return stimuli.SurveyFailed(survey=survey)
        named = self.data.draw(st.sets(st.sampled_from(sorted(self.entries)))) if kind == "named" else ()
        return stimuli.Surveyed(survey=survey, named=named, are_few=kind == "few")

    def conclude(self, conclude: actions.Conclude) -> stimuli.SurveyConcluded:
        """Another ledger had started some of them; all others are proven to have no run."""
        adopted = []
        for id, entry in self.entries.items():
            if entry.state in {State.PLANNED, State.BACKOFF} and id not in self.exists:
                if id in conclude.entry_ids and self.data.draw(st.booleans()):
                    self.exists.add(id)
                    self.adopted.add(id)
                    lane = next(iter(entry.may_take), None)
                    intended = apply(
                        entry, events.Intended(at=self.time, lane=lane, request=entry.as_in(lane).request)
                    )
                    adopted.append(apply(intended, events.Accepted(at=self.time, run=self.run(entry))))
                    self.entries[id] = adopted[-1]
                else:
                    self.entries[id] = replace(entry, proven_at=at(conclude.survey.begun))
        return stimuli.SurveyConcluded(survey=conclude.survey, adopted=adopted)

    def act(self, action: actions.EntryAction) -> stimuli.Acted:
        before = self.entries[action.entry.id]
        assert replace(before, proven_at=None) == replace(action.entry, proven_at=None), (
            "acted on what is past"
        )
        if isinstance(action, actions.Submit) and self.data.draw(st.sampled_from([True, *[False] * 9])):
            return stimuli.Acted(action=action, entry=action.entry, is_answered=self.data.draw(st.booleans()))
        after = self.acted(action)
        self.entries[after.id] = after
        return stimuli.Acted(action=action, entry=after, is_answered=after.state is not State.SUBMITTING)

    def acted(self, action: actions.EntryAction) -> Entry:
        match action:
            case actions.Submit(entry=entry, lane=lane):
                assert lane in (entry.may_take or (None,)), "sent to where it may not go"
                request = entry.as_in(lane).request
                intended = events.Intended(at=self.time, proven_at=self.time, lane=lane, request=request)
                return self.answer(apply(entry, intended))
            case actions.Settle(entry=entry) if entry.id in self.exists:
                return apply(entry, events.Accepted(at=self.time, run=self.run(entry), was_found=True))
            case actions.Settle(entry=entry, is_proof=False):
                return entry
            case actions.Resend(entry=entry) | actions.Settle(entry=entry):
                return self.answer(entry)
            case actions.Look(entry=entry):
                status = self.data.draw(st.sampled_from(["RUNNING", "COMPLETED", "FAILED", "NEW_WORD"]))
                return apply(entry, events.seen(self.run(entry, status), self.time))
            case actions.Cancel(entry=entry):
                return apply(entry, events.Recalled(at=self.time))

    def answer(self, entry: Entry) -> Entry:
        self.sent.setdefault(entry.id, set()).add(entry.request_id)
        kind = self.data.draw(st.sampled_from(["accept", "lose", "drop", "defer", "full", "refuse"]))
        if kind in {"accept", "lose"}:
            self.exists.add(entry.id)
        answers: dict[str, events.Event] = {
            "accept": events.Accepted(at=self.time, run=self.run(entry)),
            "lose": events.Doubted(at=self.time, code="ReadTimeoutError", message=""),
            "drop": events.Doubted(at=self.time, code="EndpointConnectionError", message=""),
            "defer": events.Deferred(
                at=self.time, due=at(self.now + 30), code="ThrottlingException", message=""
            ),
            "full": events.Deferred(at=self.time, due=at(self.now + 60), code=QUOTA_FULL, message=""),
            "refuse": events.Refused(at=self.time, code="ValidationException", message=""),
        }
        if entry.id in self.exists and kind in {"defer", "full", "refuse"}:
            kind = "accept"  # the service remembers the requestId
        return apply(entry, answers[kind])

    def run(self, entry: Entry, status: str = "PENDING"):
        return run(status, id=entry.id, uuid=f"u-{entry.id}")

    def check_slots(self) -> None:
        if self.limits.max_active is not None:
            started = self.exists - self.adopted  # what others started nobody could hold back
            active_at_service = sum(1 for id in started if self.entries[id].state not in ENDED)
            assert active_at_service <= self.limits.max_active
        for lane in self.lanes:
            own = [
                self.entries[id] for id in self.exists - self.adopted if self.entries[id].lane == lane.name
            ]
            active_there = sum(1 for entry in own if entry.state not in ENDED)
            assert lane.max_active is None or active_there <= lane.max_active

    def check_barred(self) -> None:
        """A lane that may start nothing, and was not closed, has no row that waits and could go there."""
        sent = [entry.id for action in self.under_way for entry in _sent_by(action)]
        for lane in self.usable.intersection(self.planner.barred):
            own = [
                one
                for one in self.unsent()
                if one.id not in {*self.wishes, *sent} and lane in (one.may_take or (None,))
            ]
            assert all(self.is_denied(one, lane) for one in own), "it could be sent"
