"""Run batches: looked at, listed and cancelled, and answers that are none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from batchrun.clock import VirtualClock
from batchrun.errors import (
    AccessDeniedError,
    ConflictError,
    NotFoundError,
    OutcomeUnknownError,
    QuotaExceededError,
    RefusedError,
    ThrottledError,
)
from batchrun.model.submissions.submission import BatchListed, BatchRow, BatchSeen
from batchrun.service.calling.call_retries import RetrySettings
from batchrun.service.calling.outage import Patience
from batchrun.service.run_batches import batch_seen
from batchrun.service.s3.patient_writing import S3SettingsStore
from batchrun.simulator import (
    BatchDurations,
    Parameter,
    Span,
    StoredBucket,
    Workflow,
)
from tests.hostile import spoiling
from tests.run_batches import all_of, request, row, sent, start, world
from tests.world import connected
from tests.world import start as start_run

#: A token of the simulator, which leads to a page each time.
AGAIN = "WzBd"


async def test_a_look_has_name_tags_and_counts():
    template = Workflow(id="1234567", parameters={"reads": Parameter()})
    rows = [row(number, parameters={} if number == 3 else {"reads": "r"}) for number in range(5)]
    async with connected(world(workflows=(template,))) as (service, _):
        asked = request(tags={"a": "b"}, batchRunSettings={"inlineSettings": rows})
        batch = await start(service, asked)
        first = await service.run_batches.get(batch.id)
        assert (first.status, first.name, first.tags) == ("CREATING", "cohort", {"a": "b"})
        assert (first.uuid, first.pending, first.started) == (batch.uuid, 5, 0)
        await anyio.sleep(300)
        last = await service.run_batches.get(batch.id)
        assert (last.status, last.pending, last.started, last.failed) == ("PROCESSED", 0, 4, 1)
        assert last.by_status["completedRunCount"] == 4
        with pytest.raises(NotFoundError):
            await service.run_batches.get("999")


@pytest.mark.parametrize(
    ("told", "done"),
    [
        ({}, None),
        ({"submittedTime": 7}, 7),
        ({"failedTime": 9}, 9),
        ({"submittedTime": 7, "failedTime": 9}, 9),
    ],
)
def test_one_is_done_once_its_last_row_was_submitted_or_it_failed(told, done):
    seen = batch_seen({"id": "7", "status": "FAILED", "creationTime": 1, "processedTime": 99, **told})
    assert seen.done_at == (None if done is None else datetime.fromtimestamp(done, UTC))


async def test_rows_come_in_pages_with_their_runs_or_why_they_have_none(monkeypatch):
    template = Workflow(id="1234567", parameters={"reads": Parameter()})
    rows = [row(number, parameters={"reads": "r"} if number % 2 else {}) for number in range(230)]
    async with connected(world(workflows=(template,), storage=(StoredBucket(name="lab"),))) as (
        service,
        simulator,
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", simulator.url)
        store = S3SettingsStore(service.login, Patience(), VirtualClock())
        await store.keep("s3://lab/rows.json", json.dumps(rows).encode())
        settings = {"s3UriSettings": "s3://lab/rows.json"}
        batch = await start(service, request(batchRunSettings=settings))
        assert await all_of(service.run_batches.rows(batch.id)) == []
        await anyio.sleep(60)
        pages = [page async for page in service.run_batches.rows(batch.id)]
        assert [len(page) for page in pages] == [100, 100, 30]
        found = {one.setting_id: one for page in pages for one in page}
        runs = {record.run_setting_id: record for record in simulator.state().runs}
        assert (len(found), len(runs)) == (230, 115)
        for setting_id, one in found.items():
            if one.run is None:
                assert setting_id not in runs
                assert (one.status, one.code) == ("FAILED", "ValidationException")
                assert "reads" in (one.message or "")
            else:
                record = runs[setting_id]
                assert (one.run.id, one.run.uuid, one.run.status) == (record.id, record.uuid, "PENDING")
                assert one.run.arn == f"arn:aws:omics:us-east-1:123456789012:run/{record.id}"
                assert (one.status, one.code, one.run.output_uri) == ("SUCCESS", None, None)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ValidationException", RefusedError),
        ("ResourceNotFoundException", RefusedError),
        ("AccessDeniedException", AccessDeniedError),
        ("ThrottlingException", ThrottledError),
        ("ServiceQuotaExceededException", QuotaExceededError),
        ("InternalServerException", OutcomeUnknownError),
        ("RequestTimeoutException", OutcomeUnknownError),
    ],
)
async def test_why_a_row_was_not_started_is_what_a_start_would_have_said(code, kind):
    faults = f"SubmitRow:{code},StartRun:{code}"
    retry = RetrySettings(patience=0)
    async with connected(world(faults, row_retries=0), retry=retry) as (service, _):
        batch = await start(service, request(1))
        await anyio.sleep(60)
        (found,) = await all_of(service.run_batches.rows(batch.id))
        assert (found.run, found.status) == (None, "FAILED")
        refusal = service.run_batches.refusal(found)
        assert isinstance(refusal, kind)
        assert (refusal.code, refusal.operation, refusal.is_doubtful) == (code, "StartRun", False)
        service.hurry()
        with pytest.raises(kind) as caught:
            await start_run(service)
        assert (type(caught.value), caught.value.code) == (type(refusal), code)


@pytest.mark.parametrize("code", [None, "SomethingNew", "x" * 200])
async def test_a_reason_that_nobody_knows_is_settled_by_looking(code):
    async with connected() as (service, _):
        row = BatchRow(
            setting_id="r", run=None, status="FAILED", code=code, message="see http://u:secret@h/x"
        )
        refusal = service.run_batches.refusal(row)
        assert isinstance(refusal, OutcomeUnknownError)
        assert len(refusal.code) <= 100
        assert "secret" not in str(refusal)


@pytest.mark.long
async def test_batches_are_found_by_exact_name_over_all_pages():
    async with connected(world()) as (service, _):
        for number in range(105):
            await start(
                service, request(1, requestId=f"b-{number}", batchName="same" if number % 50 else "other")
            )
        named = await all_of(service.run_batches.named("same"))
        assert (len(named), {one.name for one in named}) == (102, {"same"})
        assert await all_of(service.run_batches.named("sam")) == []


async def test_what_may_still_start_runs_is_listed_state_by_state():
    async with connected(world()) as (service, simulator):
        ids = []
        for wait in (100, 8, 1):
            ids.append((await start(service, request(1, requestId=f"b-{wait}"))).id)
            await anyio.sleep(wait)
        found = [[one.id for one in page] async for page in service.run_batches.unfinished()]
        assert found == [[ids[2]], [ids[1]], [], [], [ids[0]]]
        assert sent(simulator, "ListBatch") == 5


async def test_runs_of_one_batch_are_listed():
    async with connected(world()) as (service, _):
        batch = await start(service, request(3))
        await start(service, request(4, requestId="b-2"))
        await anyio.sleep(30)
        assert len(await all_of(service.going_runs(batch_id=batch.id))) == 3
        assert len(await all_of(service.going_runs())) == 7


async def test_a_batch_is_cancelled():
    async with connected(world()) as (service, simulator):
        batch = await start(service)
        await anyio.sleep(20)
        await service.run_batches.cancel(batch.id)
        await anyio.sleep(60)
        assert (await service.run_batches.get(batch.id)).status == "CANCELLED"
        assert {run.status for run in simulator.state().runs} == {"CANCELLED"}


async def test_a_cancel_that_comes_too_early_is_a_conflict():
    slow = BatchDurations(creating=Span(mean=600))
    async with connected(world(batch_durations=slow)) as (service, simulator):
        batch = await start(service)
        with pytest.raises(ConflictError):
            await service.run_batches.cancel(batch.id)
        assert sent(simulator, "CancelRunBatch") == 4


async def test_a_cancel_is_not_repeated_where_its_outcome_is_unknown():
    async with connected(world("CancelRunBatch:close_after=1x")) as (service, simulator):
        batch = await start(service)
        await anyio.sleep(20)
        with pytest.raises(OutcomeUnknownError):
            await service.run_batches.cancel(batch.id)
        assert sent(simulator, "CancelRunBatch") == 1


# -- answers that are none


@pytest.mark.parametrize(
    ("operation", "lie"),
    [
        ("GetBatch", {"id": "999"}),
        ("GetBatch", {"status": None}),
        ("StartRunBatch", {"id": "../1"}),
        ("ListRunsInBatch", {"runs": None}),
        ("ListRunsInBatch", {"runs": [{"runSettingId": "r-1", "runId": "../1"}]}),
        ("ListRunsInBatch", {"runs": [{"runSettingId": "r-1", "runId": 0}]}),
        ("ListRunsInBatch", {"runs": [{"runSettingId": "", "runId": "1"}]}),
        ("ListRunsInBatch", {"runs": [{"runSettingId": "x" * 129, "runId": "1"}]}),
        ("ListRunsInBatch", {"nextToken": AGAIN}),
        ("ListBatch", {"items": [{"name": "cohort"}]}),
        ("ListBatch", {"nextToken": AGAIN}),
    ],
)
async def test_an_answer_that_cannot_be_the_one_is_in_doubt(operation, lie):
    def spoil(asked: str, said: Any) -> Any:
        return said | lie if asked == operation else said

    retry = RetrySettings(patience=0)
    async with (
        spoiling(spoil, world()) as (stranger, _),
        connected(endpoint_url=stranger.url, retry=retry) as (service, _),
    ):
        batches = service.run_batches
        with pytest.raises(OutcomeUnknownError, match=r"no usable|came again") as caught:  # noqa: PT012 (one)
            batch = await start(service)
            await batches.get(batch.id)
            await all_of(batches.rows(batch.id))
            await all_of(batches.named("cohort"))
        assert caught.value.operation == operation


async def test_what_an_answer_lacks_is_not_made_up():
    def spoil(asked: str, said: Any) -> Any:
        if asked == "GetBatch":
            return {
                "id": said["id"],
                "status": "NEW",
                "runSummary": {"completedRunCount": -1},
                "totalRuns": True,
            }
        if asked == "ListBatch":
            return {"items": [{"id": "7"}]}
        return {"id": said["id"]}

    async with (
        spoiling(spoil, world()) as (stranger, _),
        connected(endpoint_url=stranger.url) as (service, _),
    ):
        batch = await start(service)
        assert (batch.uuid, batch.arn, batch.status) == (None, "", "CREATING")
        seen = await service.run_batches.get(batch.id)
        assert seen == BatchSeen(id=batch.id, uuid=None, arn="", name=None, status="NEW", tags={})
        assert await all_of(service.run_batches.named("cohort")) == [BatchListed(id="7", name="", status="")]
