"""StartRunBatch: what is safe to send again, and what is in doubt."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import pairwise

import anyio
import pytest
from structlog.testing import capture_logs

from batchrun.clock import VirtualClock
from batchrun.errors import (
    AccessDeniedError,
    ConflictError,
    LeaseLostError,
    NotSentError,
    OutcomeUnknownError,
    QuotaExceededError,
    RefusedError,
    ServiceUnusableError,
)
from batchrun.model.submissions.submission import BatchSeen
from batchrun.ports.service import CallCounts
from batchrun.service.calling.call_retries import CallRetries, RetrySettings
from batchrun.simulator import (
    parse_faults,
)
from tests.run_batches import HOUR, request, row, sent, start, world
from tests.service.test_client import LOST_AFTER_THE_COMMIT, LOST_BEFORE_THE_COMMIT
from tests.world import connected

LOST = [fault for fault in LOST_AFTER_THE_COMMIT + LOST_BEFORE_THE_COMMIT if fault != "throttle"]


async def test_a_start_gives_the_batch_with_its_identity():
    async with connected(world()) as (service, simulator):
        batch = await start(service, request(tags={"batchrun:submission": "s-1"}))
        (record,) = simulator.state().batches
        assert batch == BatchSeen(
            id=record.id,
            uuid=record.uuid,
            arn=f"arn:aws:omics:us-east-1:123456789012:runBatch/{record.id}",
            name=None,
            status="CREATING",
            tags={"batchrun:submission": "s-1"},
        )


@pytest.mark.parametrize("fault", LOST)
async def test_what_is_lost_is_not_sent_again_where_nobody_says_that_it_is_remembered(fault):
    async with connected(world(f"StartRunBatch:{fault}=1x")) as (service, simulator):
        with pytest.raises(OutcomeUnknownError) as caught:
            await start(service)
        assert caught.value.is_doubtful
        assert caught.value.operation == "StartRunBatch"
        assert sent(simulator) == 1
        assert len(simulator.state().batches) == (fault in LOST_AFTER_THE_COMMIT)


@pytest.mark.parametrize("fault", ["close_after", "html_after", "drop_before", "throttle"])
async def test_what_is_lost_is_sent_again_as_long_as_it_is_remembered(fault):
    async with connected(world(f"StartRunBatch:{fault}=2x")) as (service, simulator):
        batch = await start(service, remembered=HOUR)
        (record,) = simulator.state().batches
        assert (record.uuid, sent(simulator)) == (batch.uuid, 3)
        assert {call.request_id for call in simulator.state().batch_calls} == {"b-1"}


async def test_a_throttle_took_no_effect_and_is_repeated_whatever_is_remembered():
    async with connected(world("StartRunBatch:throttle=3x")) as (service, simulator):
        assert (await start(service)).id
        assert sent(simulator) == 4


async def test_what_was_lost_after_a_throttle_stays_in_doubt():
    async with connected(world("StartRunBatch:throttle=2x,StartRunBatch:close_after=1x")) as (
        service,
        simulator,
    ):
        with pytest.raises(OutcomeUnknownError) as caught:
            await start(service)
        assert caught.value.is_doubtful
        assert (sent(simulator), len(simulator.state().batches)) == (3, 1)


async def test_what_was_refused_after_an_answer_was_lost_is_in_doubt():
    faults = "StartRunBatch:drop_before=1x,StartRunBatch:ValidationException=1x"
    async with connected(world(faults)) as (service, _):
        with pytest.raises(RefusedError) as caught:
            await start(service, remembered=HOUR)
        assert caught.value.is_doubtful


async def test_a_repetition_needs_a_window():
    async with connected(world()) as (service, simulator):
        with pytest.raises(OutcomeUnknownError, match="older than --batch-replay-window") as caught:
            await start(service, is_repeat=True)
        assert (caught.value.code, caught.value.is_doubtful) == ("ReplayWindowPassed", True)
        assert sent(simulator) == 0
        assert (await start(service, remembered=HOUR, is_repeat=True)).id


async def test_nothing_is_sent_later_than_its_rows_are_proven():
    async with connected(world("StartRunBatch:throttle")) as (service, simulator):
        with pytest.raises(OutcomeUnknownError, match="older than --replay-window") as caught:
            await start(service, trusted=timedelta(seconds=20), remembered=HOUR)
        assert not caught.value.is_doubtful
        assert anyio.current_time() < 120
        last = simulator.state().batch_calls[-1].at
        assert last < 20


@pytest.mark.parametrize(
    ("code", "kind", "calls"),
    [
        ("ValidationException", RefusedError, 1),
        ("ServiceQuotaExceededException", QuotaExceededError, 1),
        ("AccessDeniedException", AccessDeniedError, 1),
        ("ConflictException", ConflictError, 4),
    ],
)
async def test_definite_answers_leave_no_doubt(code, kind, calls):
    async with connected(world(f"StartRunBatch:{code}")) as (service, simulator):
        with pytest.raises(kind) as caught:
            await start(service)
        assert (sent(simulator), caught.value.is_doubtful) == (calls, False)


async def test_batches_are_started_one_a_second_whatever_the_rate():
    async with connected(world(), rate=50) as (service, simulator):
        for number in range(5):
            await start(service, request(requestId=f"b-{number}"))
        times = [batch.created for batch in simulator.state().batches]
        assert [round(later - earlier, 1) for earlier, later in pairwise(times)] == [1.0] * 4
        assert service.paces.known_rate("StartRunBatch") == 1


async def test_a_throttled_start_of_batches_slows_none_but_itself():
    async with connected(world("StartRunBatch:throttle=5x")) as (service, _):
        await start(service)
        assert service.paces.known_rate("StartRunBatch") < 0.5
        assert "StartRunBatch" in service.paces.learned()
        assert service.paces.known_rate("StartRun") == float("inf")


async def test_calls_are_guarded_and_counted_like_all_others():
    async def lost() -> None:
        raise LeaseLostError("taken over")

    async with connected(world("StartRunBatch:throttle=2x,GetBatch:error_before=1x")) as (service, simulator):
        batch = await start(service)
        await service.run_batches.get(batch.id)
        assert service.calls == {
            "StartRunBatch": CallCounts(sent=3, throttled=2),
            "GetBatch": CallCounts(sent=2, unanswered=1),
        }
        other = service.apart()
        other.guard(lost)
        for call in (
            lambda: start(other),
            lambda: other.run_batches.get("1"),
            lambda: other.run_batches.cancel("1"),
        ):
            with pytest.raises(LeaseLostError):
                await call()
        assert (sent(simulator), sent(simulator, "CancelRunBatch"), other.calls) == (3, 0, {})


async def test_fields_that_botocore_would_leave_out_are_refused_at_any_depth():
    odd = request(
        future="x",
        defaultRunSetting={**request()["defaultRunSetting"], "runId": "1"},
        batchRunSettings={
            "inlineSettings": [row(1, parameters={"any": {"thing": 1}}), row(2, retentionMode="REMOVE")]
        },
    )
    async with connected(world()) as (service, simulator):
        with pytest.raises(RefusedError, match="does not know future, retentionMode, runId; add") as caught:
            await start(service, odd)
        assert (caught.value.code, sent(simulator)) == ("UnknownField", 0)


async def test_a_batch_that_another_account_has_is_neither_ours_nor_started_there_again():
    async with connected(world("StartRunBatch:other_account_after")) as (service, simulator):
        service.expect("123456789012")
        with (
            capture_logs() as said,
            pytest.raises(OutcomeUnknownError, match="of account 210987654321") as caught,
        ):
            await start(service)
        assert (caught.value.is_doubtful, sent(simulator)) == (True, 1)
        (batch,) = simulator.state().batches
        assert [one["arn"].rpartition("/")[2] for one in said if "arn" in one] == [batch.id]


async def test_an_account_that_nobody_knew_is_the_one_that_started():
    async with connected(world()) as (service, simulator):
        batch = await start(service)
        assert service.is_account_known
        simulator.script(*parse_faults("GetBatch:other_account_after"))
        with pytest.raises(ServiceUnusableError, match="of account 210987654321"):
            await service.apart(waits=False).run_batches.get(batch.id)


async def test_what_comes_too_late_is_not_tried_again():
    tries: list[object] = []

    async def late() -> None:
        tries.append(anyio.current_time())
        raise NotSentError("too old", operation="StartRun", code="ReplayWindowPassed")

    retries = CallRetries(RetrySettings(), clock=VirtualClock(), rng=random.Random(1))
    with pytest.raises(NotSentError):
        await retries.run(late, trusted_for=1000)  # known before the machine slept
    assert len(tries) == 1
