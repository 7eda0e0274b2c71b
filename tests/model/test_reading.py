"""What the planner reads of the ledger: when, how much, and what of it is used."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from batchrun.errors import InvariantError
from batchrun.model.entries.events import (
    Deferred,
    Doubted,
    Revised,
)
from batchrun.model.entries.states import State
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.actions import (
    Conclude,
    Look,
    ReadCancellations,
    ReadDue,
    ReadInFlight,
    Submit,
    Survey,
)
from batchrun.model.planning.limits import Limits, Mode
from batchrun.model.planning.planner import Planner
from batchrun.model.planning.reading import DueReads
from batchrun.model.planning.stimuli import (
    CancellationsRead,
    DueRead,
    InFlightRead,
    LedgerChanged,
    Surveyed,
)
from tests import builders
from tests.builders import active, at, ended
from tests.model.driving import Driven, loaded, moment

if TYPE_CHECKING:
    pass
from tests.model.test_planner import full, planned, submitting


def test_what_was_being_read_when_all_of_it_changed_is_read_anew():
    reads = DueReads(timedelta(days=1))
    read = reads.plan(9, (), at(0), lanes=None, shape=None)
    reads.changed()
    assert reads.read(DueRead(read=read, entries=[planned("a")], next_due=None)) == ()
    read = reads.plan(9, (), at(0), lanes=None, shape=None)
    reads.read(DueRead(read=read, entries=[], next_due=at(60)))
    assert [reads.is_due(at(when)) for when in (59, 60)] == [False, True]


def test_what_waits_for_slots_that_nothing_will_free_is_not_waited_for():
    held = apply(submitting(planned("a")), Doubted(at=at(0), code="AmbiguousRuns", message=""))
    made = loaded(held, planned("b"), max_active=1)
    (action,) = made.plan()
    assert not made.is_over
    made.done(action, held, now=0, failed=True)
    assert made.is_over


def test_what_is_due_later_is_waited_for_and_read_when_it_is_due():
    made = loaded(planned("a"))
    (submit,) = made.plan()
    made.done(submit, full(submit.entry, due=90), now=0)
    assert not made.is_over
    assert made.wake_at == 90
    made.due.append(full(submit.entry, due=90))
    assert [type(action) for action in made.plan(90)] == [Submit]


def test_one_pass_does_not_wait_for_what_is_due_later():
    made = loaded(planned("a"), mode=Mode.ONCE)
    (submit,) = made.plan()
    made.done(submit, full(submit.entry, due=90), now=0)
    assert made.is_over


def test_a_due_time_that_a_clock_was_ahead_to_set_has_come():
    made = Driven()
    made.next_due = at(5_000)
    made.tell()
    assert made.is_over  # beyond what anything waits: the ledger was asked for it, and had none
    made = loaded(planned("a"))
    (submit,) = made.plan()
    throttled = Deferred(at=at(0), due=at(500_000), code="ThrottlingException", message="")
    made.due.append(apply(submitting(), throttled))
    made.done(submit, made.due[0], now=0)
    assert [type(action) for action in made.plan()] == [Submit]


def test_what_has_ended_is_not_in_flight():
    made = Driven()
    read = ReadInFlight(state=State.ACTIVE, after=-1)
    with pytest.raises(InvariantError, match="it is not in flight; the planner was told: InFlightRead at"):
        made.tell(InFlightRead(read=read, entries=[ended()]))


def test_what_is_here_already_is_not_read_again():
    made = loaded(planned("a"), planned("b"), active(planned("c")), concurrency=1)
    made.plan()
    made.tell(LedgerChanged())
    assert len(made.reads) == 2
    made = loaded(planned("a"), planned("b"), concurrency=4)
    made.plan()
    made.tell(LedgerChanged())
    assert made.reads[-1].besides == {"a", "b"}


def test_what_was_read_before_a_survey_found_runs_is_not_used():
    made = Driven()
    (cancellations,) = made.planner.handle(moment=moment())
    assert isinstance(cancellations, ReadCancellations)
    reads = made.planner.handle(CancellationsRead(read=cancellations, page=[]), moment=moment())
    for _ in range(2):
        (in_flight,) = reads
        assert isinstance(in_flight, ReadInFlight)
        reads = made.planner.handle(InFlightRead(read=in_flight, entries=[]), moment=moment())
    (due,) = reads
    assert isinstance(due, ReadDue)
    survey = Survey(begun=0)
    (conclude,) = made.planner.handle(Surveyed(survey=survey, named=["a"]), moment=moment())
    assert conclude == Conclude(survey=survey, entry_ids={"a"})
    (again,) = made.planner.handle(DueRead(read=due, entries=[planned("a")]), moment=moment())
    assert isinstance(again, ReadDue)
    assert again.besides == {"a"}


def test_what_is_deferred_without_a_time_is_read_again():
    made = loaded(planned("a"))
    (submit,) = made.plan()
    reads = len(made.reads)
    made.done(submit, apply(planned("a"), Revised(at=at(0), request=builders.request(priority=2))), now=0)
    assert len(made.reads) == reads + 1
    assert made.is_over


def test_runs_are_read_once_more_when_others_changed_the_ledger_while_they_were_read():
    made = Driven()
    (cancellations,) = made.planner.handle(moment=moment())
    assert isinstance(cancellations, ReadCancellations)
    (first,) = made.planner.handle(CancellationsRead(read=cancellations, page=[]), moment=moment())
    assert isinstance(first, ReadInFlight)
    assert not made.planner.is_over
    (again,) = made.planner.handle(LedgerChanged(has_new_active=True), moment=moment())
    assert isinstance(again, ReadCancellations)
    states = []
    actions = made.planner.handle(
        InFlightRead(read=first, entries=[]), CancellationsRead(read=again, page=[]), moment=moment()
    )
    while isinstance(actions[0], ReadInFlight):
        states.append(actions[0].state)
        actions = made.planner.handle(InFlightRead(read=actions[0], entries=[]), moment=moment())
    assert states == [State.ACTIVE, State.SUBMITTING, State.ACTIVE]


def test_a_run_that_was_taken_over_and_read_already_is_watched_once():
    made = loaded()
    made.tell(Surveyed(survey=Survey(begun=0), named=["a"]))
    conclude = made.conclusion()
    made.keep(active(planned("a")))
    made.planner._in_flight.again()
    made.tell()
    made.concluded(conclude, active(planned("a")), now=0)
    assert [type(action) for action in made.plan()] == [Look]


def test_a_run_that_had_ended_when_it_was_taken_over_is_not_watched():
    made = loaded()
    made.tell(Surveyed(survey=Survey(begun=0), named=["NA12878"]))
    made.concluded(made.conclusion(), builders.ended(), now=0)
    assert made.plan() == []
    assert made.planner.is_over


def test_nothing_is_planned_while_a_page_of_what_is_in_flight_is_read():
    planner = Planner(Limits())
    (cancellations,) = planner.handle(moment=moment())
    assert isinstance(cancellations, ReadCancellations)
    (page,) = planner.handle(CancellationsRead(read=cancellations, page=[]), moment=moment())
    assert isinstance(page, ReadInFlight)
    assert planner.handle(moment=moment()) == []
