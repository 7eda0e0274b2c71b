"""Rows held against the engine of their workflows, once the service has said which that is."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from batchrun.manifest.parts import Record
from batchrun.manifest.problems import Place
from batchrun.manifest.spool import RowPlaces
from batchrun.manifest.warned.engine import held_against
from batchrun.manifest.warned.found import Warnings
from batchrun.model.spec import Spec
from batchrun.ports.workflows import Workflow, WorkflowKey

KEY = WorkflowKey(id="1")
NOW, SOON = dt.date(2026, 11, 26), dt.date(2027, 9, 2)


def told(engine: str | None, *versions: str | None, today: dt.date, known: bool = True) -> Warnings:
    places = RowPlaces()
    records = (
        Record(fields={}, place=Place(source="m.csv", line=line), places={})
        for line in range(2, 2 + len(versions))
    )
    list(places.noted(records))
    requests = [
        {"workflowId": "1"} | ({} if version is None else {"engineSettings": {"engineVersion": version}})
        for version in versions
    ]
    specs = [Spec(id=f"S{at}", position=at, request=json.dumps(one)) for at, one in enumerate(requests)]
    workflows = {KEY: Workflow(key=KEY, status="ACTIVE", engine=engine)} if known else {}
    return held_against(specs, workflows, places, today)


def test_rows_that_ask_for_no_version_take_one_that_is_retired_soon():
    (warning,) = told("NEXTFLOW", *[None] * 5, today=SOON).told
    assert (warning.kind, warning.line, warning.count, warning.value) == ("engine_version", 2, 5, None)
    assert "is not given: the workflow takes 23.10, which is a Nextflow that is retired on" in str(warning)
    assert told("NEXTFLOW", None, today=NOW) == Warnings()


def test_what_is_asked_for_was_told_without_the_service():
    assert told("NEXTFLOW", "22.04", "25.10", today=SOON) == Warnings()


@pytest.mark.parametrize("engine", ["WDL", "CWL"])
def test_another_engine_ignores_the_version(engine: str):
    (warning,) = told(engine, "25.10", None, today=NOW).told
    assert warning.message == f"'25.10' is ignored: the workflow's engine is {engine}"
    assert (warning.line, warning.row, warning.count) == (2, "S0", 1)


def test_nothing_is_said_where_the_engine_is_not_known():
    assert told(None, "25.10", today=SOON) == Warnings()
    assert told("WDL", "25.10", today=SOON, known=False) == Warnings()
