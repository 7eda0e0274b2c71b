"""Roles of another account than the lane that rows go to."""

from __future__ import annotations

import io

import pytest

from batchrun.errors import ManifestError
from batchrun.manifest import Format, Source, load

HEAD = """\
defaults: {workflowId: "1", roleArn: "arn:aws:iam::111111111111:role/omics", outputUri: "s3://b/{id}/"}
lanes:
  east: {account: 111111111111}
  west: {role: "arn:aws:iam::222222222222:role/launcher"}
  any: {}
  gov: {account: 333333333333, set: {roleArn: "arn:aws-us-gov:iam::333333333333:role/omics"}}
"""


def warnings_of(text: str, **options):
    source = Source(path="-", batch="b", format=Format.YAML, **options)
    with load(source, stdin=io.BytesIO((HEAD + text).encode())) as manifest:
        return [(one.kind, one.row, one.line, one.count, one.message) for one in manifest.warnings]


@pytest.mark.parametrize("lane", ["east", "any", "gov", "[east, any, gov]"])
def test_a_role_of_the_lane_s_own_account_is_sound(lane):
    assert warnings_of(f"runs: [{{id: A, lane: {lane}}}]") == []


@pytest.mark.parametrize("count", [2, 10])
def test_another_s_is_told_once_with_the_number_of_rows(count):
    rows = "".join(f"- {{id: r{number}, lane: [east, west]}}\n" for number in range(count))
    (found,) = warnings_of(f"runs:\n{rows}")
    assert found[:4] == ("other_account", "r0", 8, count)
    said = (
        "'arn:aws:iam::111111111111:role/omics' is of account 111111111111, and lane west of 222222222222: "
    )
    assert found[4].startswith(said)


def test_a_row_s_own_role_and_one_that_is_filled_in_are_looked_at_too():
    other = "arn:aws:iam::222222222222:role/omics"
    rows = f"runs: [{{id: A, lane: west, roleArn: '{other}'}}, {{id: B, roleArn: '{other}'}}]\n"
    ((_, row, _, _, message),) = warnings_of(rows)
    assert row == "B"
    assert "lane east of 111111111111" in message
    text = (
        "runs: [{id: A, lane: east, roleArn: 'arn:aws:iam::{parameters.who}:role/x', parameters: {who: X}}]"
    )
    role = text.replace("X", "444444444444")
    assert [one[0] for one in warnings_of(role)] == ["other_account"]


def test_a_lane_that_a_rule_leads_to_is_looked_at():
    rule = "retry: [{reason: X, times: 1, change: {lane: west}}]\n"
    assert len(warnings_of(f"{rule}runs: [{{id: A}}]")) == 1


def test_strict_makes_it_an_error():
    with pytest.raises(ManifestError, match="lane west of 222222222222"):
        warnings_of("runs: [{id: A, lane: west}]", strict=True)
