"""Workflows' parameter templates: as a manifest to fill in, and against rows."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from batchrun.cli.making.new import template_table, template_text
from batchrun.errors import ManifestError
from batchrun.manifest import Format
from batchrun.manifest.parts import Record
from batchrun.manifest.problems import Place, Problems
from batchrun.manifest.spool import RowPlaces
from batchrun.manifest.template_check import check_rows
from batchrun.model.spec import Spec, canonical
from batchrun.ports.workflows import TemplateParameter, Workflow, WorkflowKey
from tests.manifest.test_write import specs_of

TEMPLATE = {
    "reads": TemplateParameter(description="FASTQ"),
    "reference": TemplateParameter(),
    "threads": TemplateParameter(optional=True),
}
REQUEST = {"workflowId": "1", "roleArn": "arn:aws:iam::123456789012:role/path/omics"}


def workflow(**changes) -> Workflow:
    return Workflow(**{"key": WorkflowKey(id="1"), "status": "ACTIVE", "template": TEMPLATE, **changes})


NAMES = st.text(st.characters(categories=("L", "M", "N", "P", "S", "Z")), min_size=1, max_size=128)
ENTRIES = st.builds(TemplateParameter, description=st.text(max_size=200), optional=st.booleans())


@given(template=st.dictionaries(NAMES, ENTRIES, max_size=5), name=st.text(max_size=40))
def test_whatever_a_template_holds_the_manifest_can_be_filled_in(template, name):
    text = template_text(workflow(template=template or None, name=name, profiles={name: {}}))
    assert all(line.isprintable() for line in text.split("\n"))
    with pytest.raises(ManifestError):
        specs_of(text, Format.YAML)
    for placeholder in ("{ACCOUNT}", "{ROLE}", "{BUCKET}", "{FILL_IN}"):
        text = text.replace(f'"{placeholder}"', "x").replace(placeholder, "1")
    text = text.replace("- id:", "- id: a")
    (spec,) = specs_of(text, Format.YAML)
    required = {name for name, entry in template.items() if not entry.optional}
    assert json.loads(spec.request).get("parameters", {}).keys() == required
    assert yaml.safe_load(text)["defaults"]["workflowId"] == "1"


@given(template=st.dictionaries(NAMES, ENTRIES, max_size=5), delimiter=st.sampled_from(",\t"))
def test_whatever_a_template_holds_the_table_can_be_filled_in(template, delimiter):
    assume(all(name.isprintable() for name in template))
    form = Format.CSV if delimiter == "," else Format.TSV
    text = template_table(workflow(template=template or None), delimiter)
    with pytest.raises(ManifestError):
        specs_of(text, form)
    for placeholder in ("{ACCOUNT}", "{ROLE}", "{BUCKET}"):
        text = text.replace(placeholder, "1")
    *head, row = text.splitlines()
    filled = row.replace("{FILL_IN}", "x").replace("iam::1:", "iam::123456789012:")
    (spec,) = specs_of("\n".join([*head, f"a{filled}"]), form)
    required = {name for name, entry in template.items() if not entry.optional}
    assert json.loads(spec.request).get("parameters", {}).keys() == required


def test_a_name_that_no_column_can_have_is_refused():
    with pytest.raises(ManifestError, match="cannot be a column; write YAML"):
        template_table(workflow(template={"a\nb": TemplateParameter()}), ",")


def found(found_workflow: Workflow | None, *requests, asked: bool = True) -> list[str]:
    key = WorkflowKey(id="1")
    places, problems = RowPlaces(), Problems()
    specs = [
        Spec(id=f"r{n}", position=n, request=canonical({**REQUEST, **one})) for n, one in enumerate(requests)
    ]
    records = (Record(fields={}, place=Place(source="m", line=n + 2), places={}) for n in range(len(specs)))
    assert len(list(places.noted(records))) == len(specs)
    check_rows(iter(specs), {key: found_workflow} if asked else {}, places, problems)
    try:
        problems.raise_any()
    except ManifestError as error:
        counts = (f" x{one.count}" if one.count > 1 else "" for one in error.problems)
        return [
            f"{one.line} {one.row} {one.field}: {one.message}{count}"
            for one, count in zip(error.problems, counts, strict=True)
        ]
    return []


GOOD = {"parameters": {"reads": 1, "reference": 2}}


def test_good_rows():
    assert found(workflow(), GOOD, {"parameters": {**GOOD["parameters"], "threads": 1}}) == []
    assert found(workflow(template=None), {"parameters": {"x": 1}}) == []
    assert found(None, GOOD, asked=False) == []


def test_bad_rows():
    assert found(workflow(), {"parameters": {"reads": 1}}, {**GOOD, "roleArn": "arn:aws:iam::12:user/x"}) == [
        "2 r0 parameters.reference: the workflow requires it",
        "3 r1 roleArn: 'arn:aws:iam::12:user/x' is not a role",
    ]
    assert found(workflow(), {}) == [
        "2 r0 parameters.reads: the workflow requires it (FASTQ)",
        "2 r0 parameters.reference: the workflow requires it",
    ]
    assert found(None, GOOD) == ["2 r0 workflowId: there is no PRIVATE workflow 1"]
    assert found(workflow(status="FAILED", status_message="why"), GOOD) == [
        "2 r0 workflowId: the PRIVATE workflow 1 is FAILED: why"
    ]


def test_what_all_rows_lack_is_one_problem():
    assert found(workflow(), *[{"parameters": {"reads": 1}}] * 1000) == [
        "2 r0 parameters.reference: the workflow requires it x1000"
    ]


def test_different_mistakes_without_end_are_counted():
    requests = [{"parameters": {**GOOD["parameters"], f"x{n}": 1}} for n in range(600)]
    assert len(found(workflow(), *requests)) <= 50


def test_a_profile_says_what_it_wants_instead():
    profiles = {"test": {"reads": TemplateParameter(optional=True), "extra": TemplateParameter()}}
    known = workflow(profiles=profiles)
    row = {"engineSettings": {"profile": "test"}, "parameters": {}}
    assert found(known, row) == ["2 r0 parameters.extra: the workflow requires it"]
    assert found(known, {**row, "parameters": {"extra": 1, "nope": 1}}) == [
        "2 r0 parameters.nope: the workflow has no such parameter"
    ]
    assert found(known, {**row, "engineSettings": {"profile": "other"}}) == []


def test_which_workflow_a_request_is_for():
    assert WorkflowKey.of({"runId": "1"}) is None
    request = {
        "workflowId": "1",
        "workflowOwnerId": "2",
        "workflowVersionName": "v",
        "workflowType": "READY2RUN",
    }
    assert WorkflowKey.of(request) == WorkflowKey(id="1", type="READY2RUN", owner="2", version="v")
    assert str(WorkflowKey.of(request)) == "READY2RUN workflow 1 version v of account 2"


def test_places_over_several_files():
    places = RowPlaces()
    where = [
        Place(source="a", line=1),
        Place(source="a", line=5),
        Place(source="b", line=2),
        Place(source="b"),
    ]
    assert len(list(places.noted(Record(fields={}, place=one, places={}) for one in where))) == 4
    assert [places.place(position) for position in range(4)] == where
