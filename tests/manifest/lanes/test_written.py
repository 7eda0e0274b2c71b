"""Manifests with lanes, written and read again."""

from __future__ import annotations

import io
import json

import pytest

from batchrun.manifest import Format, Source, load
from batchrun.manifest.lanes.writing import laned_row, written_lanes
from batchrun.manifest.write import write
from batchrun.manifest.written_rows import NO_LANES, shared_fields
from batchrun.model.spec import Spec

MANIFEST = """\
batch: b
defaults:
  workflowId: 1234567
  roleArn: arn:aws:iam::123456789012:role/omics
  outputUri: s3://lab/{batch}/{lane}/{id}/
  parameters: {depth: 3, ref: "a {{brace}}"}
lanes:
  east: {region: us-east-1, rate: 2.5, account: 012345678901}
  west: {set: {workflowId: 7654321, parameters: {site: "{lane}", ref: other}, tags: {x: "1"}}}
  south: {endpoint_url: "http://127.0.0.1:1"}
retry: [{reason: X, times: 1, change: {lane: south, storageType: DYNAMIC}}]
runs:
  - {id: A, lane: [west, east], parameters: {own: "1", depth: 4}}
  - {id: B}
  - {id: C, lane: west, outputUri: "s3://own/{id}/"}
  - {id: D, lane: [east, south], name: d}
"""


@pytest.mark.parametrize("form", [Format.YAML, Format.JSON])
def test_what_is_written_is_read_as_the_same(form):
    source = Source(path="-", format=Format.YAML)
    with load(source, stdin=io.BytesIO(MANIFEST.encode())) as manifest:
        assert manifest.lane_texts is not None
        lanes = written_lanes(manifest.lanes, manifest.lane_texts, manifest.specs())
        out = io.StringIO()

        def rows():
            return (laned_row(spec, "b") for spec in manifest.specs())

        shared = {name: value for name, value in shared_fields(rows).items() if name not in lanes.texts}
        write(rows, out, form, batch="b", defaults=shared, lanes=lanes, retry=manifest.retry)
        again = load(Source(path="-", format=form), stdin=io.BytesIO(out.getvalue().encode()))
        with again:
            assert again.lanes == manifest.lanes
            assert again.retry == manifest.retry
            assert list(again.specs()) == list(manifest.specs())
            assert again.digest == manifest.digest


def test_a_row_keeps_what_it_asks_for_in_all_of_its_lanes():
    with load(Source(path="-", format=Format.YAML), stdin=io.BytesIO(MANIFEST.encode())) as manifest:
        first, second, third, fourth = (laned_row(spec, "b") for spec in manifest.specs())
    assert first.fields["lane"] == "west|east"
    assert first.fields["parameters"] == {"own": "1", "depth": 4}
    assert "outputUri" not in first.fields
    assert second.fields["lane"] == "east"
    assert third.fields["lane"] == "west"
    assert fourth.fields["name"] == "d"


def test_a_row_without_lanes_is_written_as_ever():
    spec = Spec(id="A", position=0, request=json.dumps({"name": "b-A", "workflowId": "1"}))
    assert laned_row(spec, "b").fields == {"workflowId": "1"}
    assert not NO_LANES.table
