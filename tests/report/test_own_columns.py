"""The columns that the results have only where they are asked for."""

from __future__ import annotations

import botocore.session

from batchrun.manifest.model_check import NEWER
from batchrun.model.spec import Json, canonical
from batchrun.model.tasks import FailedTask, FailedTasks
from batchrun.report.columns import COLUMNS, FIELDS, asked_of, cells, is_own, table_columns, text_of

REQUEST: dict[str, Json] = {
    "workflowId": "1",
    "storageCapacity": 1200,
    "parameters": {"reads": ["a", "b"], "wf.ref": "GRCh38", "none": None},
    "tags": {"family": "CEU"},
}


def test_every_startrun_field_is_a_column_or_another_name_for_one():
    service = botocore.session.get_session().get_service_model("omics")
    shape = service.operation_model("StartRun").input_shape
    assert shape is not None
    assert {*FIELDS} == {*shape.members, *NEWER} - {*COLUMNS}


def test_what_a_row_asks_for_stands_in_its_columns():
    names = ["parameters.reads", "parameters.wf.ref", "tags.family", "storageCapacity", "logLevel", "tags.x"]
    assert list(cells(names, REQUEST, None).values()) == [["a", "b"], "GRCh38", "CEU", 1200, None, None]
    assert cells(["tags"], REQUEST, None) == {"tags": {"family": "CEU"}}
    assert cells(["parameters.x"], {"parameters": "s3://lab/input.json"}, None) == {"parameters.x": None}
    assert table_columns(REQUEST) == [
        "parameters.reads",
        "parameters.wf.ref",
        "parameters.none",
        "tags.family",
    ]


def test_each_reason_for_which_tasks_failed_is_told_once():
    tasks = [FailedTask(id=str(n), failure_reason=why) for n, why in enumerate(["B", None, "A", "B"])]
    assert cells(["taskReason"], {}, FailedTasks(tasks=tuple(tasks))) == {"taskReason": "B; A"}
    assert cells(["taskReason"], {}, FailedTasks()) == cells(["taskReason"], {}, None) == {"taskReason": None}


def test_an_attempt_that_copies_a_run_asks_for_what_its_row_does():
    row = canonical({"workflowId": "1", "name": "a", "parameters": {"x": 1}})
    assert asked_of(canonical({"runId": "7", "name": "b"}), row) == {
        "workflowId": "1",
        "name": "b",
        "parameters": {"x": 1},
        "runId": "7",
    }
    assert asked_of(canonical({"name": "b"}), row) == {"name": "b"}


def test_names_that_are_none_are_none():
    assert is_own("parameters.x")
    assert is_own("tags")
    for name in ("parameters.", "runId", "lane.x", "storageType.x", ""):
        assert not is_own(name)


def test_what_is_no_text_is_written_as_a_csv_manifest_has_it():
    values: list[Json] = ["007", True, 1.5, ["a", {"b": "ü"}], None]
    assert [text_of(value) for value in values] == ["007", "true", "1.5", '["a",{"b":"ü"}]', None]
