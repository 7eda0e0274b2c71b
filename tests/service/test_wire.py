"""Answers as values: text of text, and a doubt of what is needed and is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from batchrun.errors import CallError, OutcomeUnknownError
from batchrun.manifest import limits
from batchrun.model.entries.recovery import Evidence
from batchrun.model.texts.foreign import KEPT
from batchrun.service.wire import listed, moment, next_token, sighted, started
from tests.hostile import Stranger, always, whole
from tests.world import connected

RUN = {"id": "7", "uuid": "u-7", "status": "FAILED", "statusMessage": "no memory"}
NO_TEXT: list[Any] = [7, 1e308, True, ["x"], {"a": "b"}, [None], None, ""]


@pytest.mark.parametrize("odd", NO_TEXT, ids=repr)
def test_what_should_be_text_and_is_none_is_nothing(odd):
    names = [
        "uuid",
        "arn",
        "runOutputUri",
        "failureReason",
        "statusMessage",
        "name",
        "workflowId",
        "outputUri",
    ]
    seen = sighted(RUN | dict.fromkeys(names, odd))
    assert (seen.run.id, seen.run.status, seen.run.uuid, seen.run.arn) == ("7", "FAILED", "", "")
    assert {seen.run.output_uri, seen.run.failure_reason, seen.run.status_message} == {None}
    assert {seen.name, seen.workflow_id, seen.output_uri} == {None}
    assert started({"id": "7", "status": odd, "uuid": odd}).status == "PENDING"


@pytest.mark.parametrize("odd", [*NO_TEXT, "..", "a/b", "a b", "\ud83d", "7\n", "x" * 129], ids=repr)
def test_without_an_id_that_can_be_asked_for_an_answer_is_in_doubt(odd):
    for read in (started, sighted, listed):
        with pytest.raises(OutcomeUnknownError, match="no usable 'id'"):
            read(RUN | {"id": odd})


@pytest.mark.parametrize("odd", NO_TEXT, ids=repr)
def test_without_a_status_a_look_shows_nothing(odd):
    with pytest.raises(OutcomeUnknownError, match="no usable 'status'"):
        sighted(RUN | {"status": odd})


@pytest.mark.parametrize("odd", [None, 7, "x", {}, {"id": 7}, ["7"]], ids=repr)
def test_a_list_with_a_run_that_cannot_be_told_is_no_proof(odd):
    with pytest.raises(OutcomeUnknownError, match="ListRuns: UnparsableAnswer"):
        listed(odd)


def test_of_tables_only_what_is_text_under_a_text_is_taken():
    tags = {"a": "b", "n": 7, "none": None, "list": ["x"], "half": "\udc00"}
    assert sighted(RUN | {"tags": tags}).tags == {"a": "b", "half": "\ufffd"}
    assert sighted(RUN | {"tags": ["a"], "parameters": "x"}).tags == {}
    assert sighted(RUN | {"parameters": ["x"]}).parameters == {}


@pytest.mark.parametrize("depth", [limits.DEPTH, 500, 900])
def test_parameters_are_no_deeper_than_whoever_compares_them_can_follow(depth):
    deep: Any = 1
    for number in range(depth):
        deep = {"a": deep} if number % 2 else [deep]
    seen = sighted(RUN | {"name": "n", "parameters": {"a": deep}, "tags": {}})
    evidence = Evidence("cohort")
    evidence.add(seen)
    assert (seen.parameters == {"a": deep}) == (depth == limits.DEPTH)


def test_a_message_is_kept_up_to_a_length_without_halves_of_characters():
    assert sighted(RUN | {"statusMessage": "half \ud83d\x00"}).run.status_message == "half \ufffd\ufffd"
    assert len(sighted(RUN | {"statusMessage": "x" * 10**6}).run.status_message or "") == KEPT


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.5+02:00", datetime(2026, 1, 2, 1, 4, 5, 500_000, tzinfo=UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (1767323045, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("0001-01-01T00:00:00+12:00", None),
        ("9999-12-31T23:59:59-12:00", None),
        *[(odd, None) for odd in [*NO_TEXT, "yesterday", "\ud83d", -(10**30), float("nan")] if odd != 7],
    ],
    ids=repr,
)
def test_a_time_is_a_time_or_nothing(said, read):
    assert moment(said) == read


@pytest.mark.parametrize("odd", [7, True, ["t"], {"t": 1}, "half \ud83d", "\x00", "x" * 10**6], ids=repr)
def test_a_token_that_cannot_be_given_back_is_not_the_end(odd):
    with pytest.raises(OutcomeUnknownError, match="nextToken"):
        next_token({"nextToken": odd}, "ListRuns")


ODD_TEXT = some.text("aé\n\x00\ud83d\udc00", max_size=4)
JSON_VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | ODD_TEXT,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(ODD_TEXT, inner, max_size=3),
    max_leaves=6,
)
FIELDS = [*RUN, "arn", "creationTime", "startTime", "stopTime", "name", "tags", "outputUri"]


@given(
    some.sampled_from([started, sighted, listed]), some.dictionaries(some.sampled_from(FIELDS), JSON_VALUES)
)
def test_whatever_comes_is_what_any_store_takes_or_a_doubt(read: Callable[[Any], Any], answer):
    for said in (answer, RUN | answer, answer | RUN):
        with suppress(CallError):
            kept = json.dumps(asdict(read(said)), ensure_ascii=False, default=str)
            assert "\\u0000" not in kept
            kept.encode()


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b"[" * 10**5, b"{", b"1" * 5000],
    ids=lambda body: str(body[:6]),
)
async def test_no_body_is_more_than_a_doubt_or_what_its_status_says(body):
    async with (
        Stranger(always(whole(200, body))).served() as stranger,
        connected(endpoint_url=stranger.url) as (service, _),
    ):
        service.hurry()
        for status in (200, 201, 299, 404, 429, 500):
            stranger.answer = always(whole(status, body))
            with pytest.raises(CallError) as caught:
                await service.get_run("7")
            assert caught.value.code in {"UnparsableAnswer", str(status)}


@pytest.mark.parametrize(
    "said",
    [
        {"message": 7, "code": ["x"], "__type": {}},
        {"message": "half \ud83d" + "x" * 10**5, "__type": "Odd\ud83d" * 1000},
        {"Message": {"a": 1}, "Code": None, "fieldList": 5, "entityIds": "x"},
    ],
    ids=["types", "text", "tables"],
)
async def test_an_error_is_told_by_what_of_it_is_text(said):
    answer = whole(400, json.dumps(said).encode(), {"x-amzn-ErrorType": "ValidationException:http://x/"})
    async with (
        Stranger(always(answer)).served() as stranger,
        connected(endpoint_url=stranger.url) as (service, _),
    ):
        with pytest.raises(CallError) as caught:
            await service.get_run("7")
        assert caught.value.code == "ValidationException"
        assert len(caught.value.message.encode()) <= 1100
