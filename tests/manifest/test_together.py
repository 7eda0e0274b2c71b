"""Manifests whose rows have to go together, by StartRunBatch."""

from __future__ import annotations

CURE = "give --engine auto, which sends it by StartRun"


def test_rows_alike_pass(load_text):
    assert len(load_text("id\na\nb\n", ".csv", goes_together=True)) == 2


def test_each_row_that_cannot_is_told_with_its_line_and_why(problems_of):
    text = "id,workflowType,runId\na,,\nb,READY2RUN,\nc,,7654321\n"
    first, second = problems_of(text, ".csv", goes_together=True)
    assert (first.line, first.row, first.cure) == (3, "b", CURE)
    assert first.message == "StartRunBatch cannot start this row: its workflow is a Ready2Run one"
    assert (second.line, second.row) == (4, "c")
    assert second.message == "StartRunBatch cannot start this row: it copies a run (runId)"


def test_many_for_one_reason_are_counted(problems_of):
    text = "id,workflowType\n" + "".join(f"r{number},READY2RUN\n" for number in range(40))
    (problem,) = problems_of(text, ".csv", goes_together=True)
    assert (problem.line, problem.count) == (2, 40)


def test_a_row_has_to_be_such_in_each_of_its_lanes(problems_of):
    text = """\
runs:
  - {id: a, lane: [east, west]}
lanes:
  east: {region: us-east-1}
  west: {region: us-west-2, set: {workflowType: READY2RUN}}
"""
    (problem,) = problems_of(text, ".yaml", goes_together=True)
    assert (problem.line, problem.row) == (2, "a")


def test_a_row_that_is_wrong_is_told_once(problems_of):
    (problem,) = problems_of("id,workflowType\na,BOTH\n", ".csv", goes_together=True)
    assert "StartRunBatch" not in problem.message
