"""How long it is known that nobody has started a row, and when to look again."""

from __future__ import annotations

import pytest

from batchrun.model.entries.events import Intended, Retried, Revised
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.actions import Look, Submit, Survey
from batchrun.model.planning.latecomers import Latecomers
from batchrun.model.planning.limits import Mode
from batchrun.model.planning.proofs import Trust
from batchrun.model.planning.stimuli import Surveyed
from batchrun.model.tally import TakenOver
from tests.builders import active, at, ended, planned, request, submitting
from tests.model import driving
from tests.model.driving import Driven

HOUR = Trust(replay_window=3600, listing_lag=60)


def test_what_was_taken_over_is_counted_with_its_first_and_last_time():
    found = TakenOver()
    for created in (at(5), None, at(1), at(9)):
        found.add(created)
    assert (found.rows, found.first, found.last) == (4, at(1), at(9))


def test_memory_less_lag_is_how_long_a_look_holds():
    proven = planned(proven_at=at(100))
    assert [HOUR.holds(proven, at(now)) for now in (99, 100, 3639, 3640)] == [False, True, True, False]
    assert HOUR.send_until(proven, at(200)) == at(3640)
    assert not HOUR.holds(planned(), at())
    assert HOUR.send_until(planned(), at(5)) == at(5)
    assert Trust(replay_window=0, listing_lag=60).send_until(proven, at(200)) == at(201)


def test_where_the_listing_lags_longer_than_the_memory_lasts_a_look_holds_for_the_memory():
    short = Trust(replay_window=10, listing_lag=60)
    assert (short.is_seamless, short.life.total_seconds()) == (False, 10)


def test_a_proof_goes_with_the_name_and_stays_with_the_next_attempt():
    proven = apply(planned(), Intended(at=at(), proven_at=at()))
    assert proven.proven_at == at()
    assert apply(planned(proven_at=at()), Intended(at=at())).proven_at == at()
    for name, kept in (("cohort-a", at()), ("another", None)):
        revised = Revised(at=at(), request=request(name=name, priority=3))
        assert apply(planned(proven_at=at()), revised).proven_at == kept
    failed = apply(ended("FAILED"), Retried(at=at(), due=at(), why="x"))
    assert failed.proven_at is None


def loaded(count: int, *, proven_at=None, now: float = 0.0, **limits) -> Driven:
    entries = (planned(f"{number:02}", number, proven_at=proven_at) for number in range(count))
    return driving.loaded(*entries, now=now, **limits)


def kinds(made: Driven, now: float = 0.0) -> tuple[int, int]:
    actions = made.actions(now)
    return sum(isinstance(a, Submit) for a in actions), sum(isinstance(a, Survey) for a in actions)


def test_a_survey_has_a_second_to_itself_and_then_a_few_are_looked_for_by_name_beside_it():
    made = loaded(20)
    assert kinds(made) == (0, 1)
    assert made.wake_at == 1.0, "although nothing else may happen until then"
    assert kinds(made, 0.5) == (0, 0)
    assert not made.is_over
    assert made.wake_at == 1.0
    assert kinds(made, 1.0) == (4, 0)
    assert made.wake_at == 30.0, "then rows that go together would be looked for by name too"
    assert kinds(made, 30.0) == (0, 0)
    assert made.wake_at is None


def test_few_are_looked_for_by_name_alone_and_many_again_by_a_survey():
    made = loaded(3)
    (survey,) = made.actions()
    assert isinstance(survey, Survey)
    made.surveyed(survey, now=0, are_few=True)
    made.add(*(planned(f"{number:02}", number) for number in range(6)))
    assert kinds(made) == (4, 1)


def test_what_is_proven_waits_for_no_survey_and_one_comes_before_the_proof_ends():
    assert kinds(loaded(20, proven_at=at(), now=3000), 3000) == (20, 0)
    assert kinds(loaded(20, proven_at=at(), now=3400), 3400) == (20, 1)
    assert kinds(loaded(20, proven_at=at(), now=3540), 3540) == (0, 1)


def test_a_ledger_that_is_trusted_looks_for_nothing():
    assert kinds(loaded(20, trusts_ledger=True)) == (20, 0)


def test_a_survey_whose_proofs_would_be_over_before_their_use_is_not_made():
    assert kinds(loaded(20, replay_window=10, listing_lag=60)) == (20, 0)
    made = loaded(20, replay_window=70, listing_lag=60)
    _, survey = _submits_and_survey(made)
    made.surveyed(survey, now=15)
    made.add(*(planned(str(number), number) for number in range(20, 30)), now=15)
    assert kinds(made, 15) == (10, 0)


def _submits_and_survey(made: Driven) -> tuple[tuple[Submit, ...], Survey]:
    actions = [*made.actions(0), *made.actions(1)]
    (survey,) = (action for action in actions if isinstance(action, Survey))
    return tuple(action for action in actions if isinstance(action, Submit)), survey


def test_what_could_not_be_looked_for_waits_aside_and_for_the_next_survey():
    made = loaded(1)
    (submit,), survey = _submits_and_survey(made)
    assert not survey.is_waited_for
    made.surveyed(survey, now=1)
    made.done(submit, submit.entry, now=2, failed=True)
    assert not made.is_over
    (again,) = made.actions(2)
    assert isinstance(again, Survey)
    assert again.is_waited_for
    made.surveyed(again, now=3)
    assert made.reads[-1].besides == frozenset()
    assert made.is_over


@pytest.mark.parametrize(("mode", "is_over"), [(Mode.WATCH, False), (Mode.ONCE, True), (Mode.DETACH, True)])
def test_a_survey_that_saw_not_everything_is_made_again_but_not_in_a_single_pass(mode, is_over):
    made = loaded(1, mode=mode)
    (submit,), survey = _submits_and_survey(made)
    made.done(submit, submit.entry, now=1, failed=True)
    made.surveyed(survey, now=1, failed=True)
    assert made.is_over is is_over
    assert made.wake_at == (None if is_over else 6.0)
    assert kinds(made, 5) == (0, 0)
    assert kinds(made, 6) == (0, 0 if is_over else 1)


@pytest.mark.parametrize("mode", [Mode.WATCH, Mode.ONCE, Mode.DETACH])
def test_a_survey_that_may_have_missed_runs_is_made_again_when_all_are_listed_in_a_single_pass_too(mode):
    made = loaded(10, mode=mode)
    (survey,) = [action for action in made.actions(0) if isinstance(action, Survey)]
    made.tell(Surveyed(survey=survey), now=0.5)
    made.keep(planned("00"))  # the ledger has it still
    made.concluded(made.conclusion(), now=0.5, again_at=60.0)
    assert kinds(made, 0.5) == (0, 0)
    assert made.wake_at == 60.0
    assert kinds(made, 59) == (0, 0)
    assert not made.is_over
    assert kinds(made, 60) == (0, 1)


@pytest.mark.parametrize(
    ("have_choice", "is_found", "until"), [(True, True, 65.0), (True, False, None), (False, True, None)]
)
def test_what_another_ledger_started_may_be_listed_late_once_one_of_its_runs_is_found(
    have_choice, is_found, until
):
    late = Latecomers(have_choice=have_choice, began=5.0, lag=60.0)
    if is_found:
        late.expect()
    assert late.have_choice is have_choice
    assert [late.wait_until(at) for at in (5.0, 64.9, 65.0)] == [until, until, None]


def test_rows_whose_runs_were_found_are_not_sent_meanwhile():
    made = loaded(10)
    submits, survey = _submits_and_survey(made)
    assert {submit.entry.id for submit in submits} == {"00", "01", "02", "03"}
    made.tell(Surveyed(survey=survey, named=["00", "07", "09"]), now=1)
    conclude = made.conclusion()
    assert conclude.entry_ids == {"07", "09"}  # the other one is on its way
    assert {"07", "09"} <= set(made.reads[-1].besides)
    for submit in submits:
        made.done(submit, submitting(submit.entry), now=1)
    made.concluded(conclude, active(planned("07")), now=1)
    assert made.reads[-1].besides == {"04", "05", "06", "08"}  # whose turn to be looked for it is by now
    assert [action.entry.id for action in made.plan(1) if isinstance(action, Look)] == ["07"]


def test_one_pass_does_not_look_at_runs_that_were_found():
    made = loaded(10, mode=Mode.ONCE)
    _, survey = _submits_and_survey(made)
    made.tell(Surveyed(survey=survey, named=["07"]), now=1)
    made.concluded(made.conclusion(), active(planned("07")), now=1)
    assert not [action for action in made.plan(1) if isinstance(action, Look)]


def test_nobody_waits_for_a_survey_once_nothing_more_is_sent():
    made = loaded(1)
    (submit,), survey = _submits_and_survey(made)
    made.hold_back()
    made.done(submit, submit.entry, now=1, failed=True)
    made.surveyed(survey, now=1)
    assert made.is_over
