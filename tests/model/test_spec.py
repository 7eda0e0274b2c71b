"""Canonical requests, request ids, and the bytes that are sent."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.model.entries.entry import run_name, start_run_request
from batchrun.model.spec import OWN_TAGS, Json, Specs, canonical, default_name, joined, request_id, work_of
from tests.builders import planned, request, spec, submitting

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(TEXT, children, max_size=3),
    max_leaves=8,
)
REQUESTS = st.dictionaries(TEXT, VALUES, max_size=5)


@given(REQUESTS)
def test_canonical_text_does_not_depend_on_order_and_loses_nothing(fields):
    backwards = dict(reversed(fields.items()))
    assert canonical(fields) == canonical(backwards)
    assert json.loads(canonical(fields)) == fields


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_canonical_refuses_what_is_not_json(number):
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical({"parameters": {"x": number}})


@given(TEXT, TEXT, st.integers(1, 9), REQUESTS, TEXT, TEXT, st.integers(1, 9), REQUESTS)
def test_request_ids_are_equal_only_for_the_same_attempt(b1, i1, a1, r1, b2, i2, a2, r2):
    one, other = (b1, i1, a1, canonical(r1)), (b2, i2, a2, canonical(r2))
    assert (request_id(*one) == request_id(*other)) == (one == other)


def test_a_request_id_is_pinned_for_ever():
    # A later version that made another id would start every run of an unfinished batch twice.
    made = request_id("cohort", "NA12878", 1, '{"outputUri":"s3://b/","roleArn":"arn:x","workflowId":"1"}')
    assert made == "3e771fe9c599d4e4ae09dcaf6d83fd99bcd631ce944cb694e98b1a821b4e35a5"
    assert len(made) <= 128


def test_parts_of_an_identity_do_not_run_into_each_other():
    assert request_id("a", "bc", 1, "{}") != request_id("ab", "c", 1, "{}")


def test_the_digest_tells_changed_content():
    assert spec().digest == spec(position=5).digest
    assert spec().digest != spec(priority=1).digest


def test_the_request_carries_the_request_id_and_our_tags_beside_the_users():
    entry = submitting(replace(planned(), request=request(tags={"project": "x"})))
    sent = start_run_request(entry)
    assert sent["requestId"] == entry.request_id
    assert sent["tags"] == {
        "project": "x",
        "batchrun:batch": "cohort",
        "batchrun:id": "a",
        "batchrun:attempt": "1",
        "batchrun:request-id": entry.request_id,
    }
    assert {"workflowId", "roleArn", "outputUri", "name"} < set(sent)


def test_untagged_requests_leave_the_users_tags_alone():
    entry = replace(submitting(), tagged=False)
    assert "tags" not in start_run_request(entry)
    assert set(start_run_request(submitting())["tags"]) == set(OWN_TAGS)  # type: ignore[arg-type]


def test_the_same_attempt_is_sent_as_the_same_bytes():
    assert json.dumps(start_run_request(submitting())) == json.dumps(
        start_run_request(submitting(seconds=99))
    )


def test_the_run_name_is_the_requests():
    assert run_name(planned()) == "cohort-a"
    assert run_name(replace(planned(), request=canonical({"workflowId": "1"}))) is None


@pytest.mark.parametrize(
    "change",
    [{"name": "x"}, {"outputUri": "s3://x"}, {"outputUriPrefixMode": "x"}, {"tags": {"a": "b"}}],
)
def test_what_a_run_is_called_and_where_it_writes_is_not_its_work(change):
    fields: dict[str, Json] = {"name": "n", "workflowId": "1", "parameters": {"name": "p", "tags": 1}}
    assert work(fields) == work(fields | change)
    assert len(work(fields)) == 16


@pytest.mark.parametrize("change", [{"workflowId": "2"}, {"parameters": {"name": "q"}}, {"priority": 1}])
def test_everything_else_is(change):
    fields: dict[str, Json] = {"workflowId": "1", "parameters": {"name": "p"}}
    assert work(fields) != work(fields | change)


def test_a_request_that_is_put_together_of_its_fields_has_its_canonical_text():
    fields: dict[str, Json] = {"workflowId": "1", "name": "ä", "parameters": {"b": [1, None], "a": 0.5}}
    assert joined({name: canonical(value) for name, value in fields.items()}) == canonical(fields)


def work(fields: dict[str, Json]) -> bytes:
    return work_of({name: canonical(value) for name, value in fields.items()})


def test_a_run_is_named_after_its_batch_and_row_and_cut_to_what_the_console_takes():
    assert default_name("cohort", "a") == "cohort-a"
    long, other = default_name("cohort", "x" * 200), default_name("cohort", "x" * 199)
    assert len(long) == len(other) == 127
    assert long != other


def test_rows_that_are_gone_through_again_begin_anew():
    rows = Specs(lambda: iter([spec("a", 0), spec("b", 1)]))
    assert list(rows) == list(rows) == [spec("a", 0), spec("b", 1)]
