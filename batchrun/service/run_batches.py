# ruff: noqa: D102 - what each method promises stands in the contract, ports.service
"""The operations on run batches over aiobotocore, with answers as our own types.

Belongs here: which operation is called with what, and reading batches and their rows. Does not: reading
single values (``wire``), how a call is paced and retried (``calling.calls``), how one is kept from taking
effect twice (``starting``).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from batchrun.errors import CallError, CredentialsError, OutcomeUnknownError
from batchrun.model.entries.entry import Run
from batchrun.model.spec import Json
from batchrun.model.submissions.submission import UNFINISHED_STATUSES, BatchListed, BatchRow, BatchSeen
from batchrun.model.texts.foreign import KEPT, storable
from batchrun.ports.service import RunBatches
from batchrun.service import wire
from batchrun.service.calling.paging import SIZE, pages
from batchrun.service.classify import refusal, unparsable
from batchrun.service.starting import Start, check_known, start_turn

if TYPE_CHECKING:
    from types_aiobotocore_omics import OmicsClient

    from batchrun.service.calling.calls import Calls

_START: Final = "StartRunBatch"
_ROWS: Final = "ListRunsInBatch"
_LISTED: Final = "ListBatch"
#: Characters of a runSettingId, which may be any text of one line.
_LONGEST_ID: Final = 128


class AwsRunBatches(RunBatches):
    """Run batches of HealthOmics over aiobotocore."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def start_turn(self) -> float:
        return await start_turn(self._calls, _START)

    async def start(
        self,
        request: Mapping[str, Json],
        *,
        turn: float,
        trusted_until: datetime,
        remembered_until: datetime | None = None,
        is_repeat: bool = False,
    ) -> BatchSeen:
        parameters: Any = dict(request)

        async def send() -> BatchSeen:
            client = self._calls.client
            check_known(client, _START, request)
            batch = batch_started(await client.start_run_batch(**parameters))
            self._note_account(batch)
            return batch

        start = Start(
            self._calls,
            _START,
            send,
            trusted_until=trusted_until,
            remembered_until=remembered_until or self._calls.clock.latest(),
            is_repeat=is_repeat,
        )
        return await start.at(turn)

    def _note_account(self, batch: BatchSeen) -> None:
        """Check the account of a new batch; one in another account is not started there again."""
        try:
            self._calls.check_new_arn(batch.arn, _START, event="run_batch_in_another_account")
        except CredentialsError as error:  # else the call would be retried with the next login
            raise OutcomeUnknownError(error.message, operation=_START, code=error.code) from error

    async def get(self, batch_id: str) -> BatchSeen:
        async def send(client: OmicsClient) -> BatchSeen:
            batch = batch_seen(await client.get_batch(batchId=batch_id))
            if batch.id != batch_id:
                raise unparsable("GetBatch", "id")
            self._calls.check_arn(batch.arn, "GetBatch")
            return batch

        return await self._calls.ask("GetBatch", send)

    def rows(self, batch_id: str) -> AsyncGenerator[Sequence[BatchRow]]:
        async def ask(client: OmicsClient, at: Any) -> Mapping[str, Any]:
            return await client.list_runs_in_batch(batchId=batch_id, maxItems=SIZE, **at)

        def read(item: Mapping[str, Any]) -> BatchRow:
            self._calls.check_arn(item.get("runArn"), _ROWS)
            return batch_row(item)

        return pages(self._calls, _ROWS, ask, read, key="runs")

    async def named(self, name: str) -> AsyncGenerator[Sequence[BatchListed]]:
        """Call ListBatch for the batches of *name*: whether the filter is exact is not documented."""
        async for page in self._listed({"name": name}):
            yield [batch for batch in page if batch.name in {name, ""}]

    async def unfinished(self) -> AsyncGenerator[Sequence[BatchListed]]:
        """Call ListBatch, state by state."""
        for status in UNFINISHED_STATUSES:
            async for page in self._listed({"status": status}):
                yield page

    def _listed(self, filters: Mapping[str, str]) -> AsyncGenerator[Sequence[BatchListed]]:
        known: Any = filters

        async def ask(client: OmicsClient, at: Any) -> Mapping[str, Any]:
            return await client.list_batch(maxItems=SIZE, **known, **at)

        return pages(self._calls, _LISTED, ask, batch_listed)

    async def cancel(self, batch_id: str) -> None:
        await self._calls.ask(
            "CancelRunBatch", lambda client: client.cancel_run_batch(batchId=batch_id), trusted_for=0.0
        )

    def refusal(self, row: BatchRow) -> CallError:
        return refusal(row)


def batch_started(answer: Mapping[str, Any]) -> BatchSeen:
    """Read the answer to StartRunBatch. Raises OutcomeUnknownError where it lacks ``id``."""
    return _batch(answer, _START, status=wire.text(answer, "status") or "CREATING")


def batch_seen(answer: Mapping[str, Any]) -> BatchSeen:
    """Read the answer to GetBatch. Raises OutcomeUnknownError where it lacks ``id`` or ``status``."""
    return _batch(answer, "GetBatch", status=wire.required_text(answer, "status", "GetBatch"))


def _batch(answer: Mapping[str, Any], operation: str, *, status: str) -> BatchSeen:
    submitted = wire.table(answer.get("submissionSummary"))
    return BatchSeen(
        id=wire.identity(answer, "id", operation),
        uuid=wire.optional_identity(answer, "uuid"),
        arn=wire.text(answer, "arn") or "",
        name=wire.text(answer, "name"),
        status=status,
        tags=wire.texts(answer.get("tags")),
        pending=wire.count(submitted, "pendingStartSubmissionCount"),
        started=wire.count(submitted, "successfulStartSubmissionCount"),
        failed=wire.count(submitted, "failedStartSubmissionCount"),
        by_status=_counts(wire.table(answer.get("runSummary"))),
        failure_reason=wire.text(answer, "failureReason", most=KEPT),
        done_at=wire.moment(answer.get("failedTime")) or wire.moment(answer.get("submittedTime")),
    )


def _counts(summary: Mapping[str, Any]) -> dict[str, int]:
    """Return the numbers of a summary that can be read, by their names."""
    return {name: number for name in summary if (number := wire.count(summary, name)) is not None}


def batch_listed(item: Mapping[str, Any]) -> BatchListed:
    """Read one item of ListBatch. Raises OutcomeUnknownError where it lacks ``id``."""
    return BatchListed(
        id=wire.identity(item, "id", _LISTED),
        name=wire.text(item, "name") or "",
        status=wire.text(item, "status") or "",
        created_at=wire.moment(item.get("createdAt")),
    )


def batch_row(item: Mapping[str, Any]) -> BatchRow:
    """Read one item of ListRunsInBatch.

    Raises:
        OutcomeUnknownError: It lacks the row's id, or has a run without a usable id.
    """
    return BatchRow(
        setting_id=_setting_id(item),
        run=None if item.get("runId") in (None, "") else _run(item),
        status=wire.text(item, "submissionStatus"),
        code=wire.text(item, "submissionFailureReason"),
        message=wire.text(item, "submissionFailureMessage", most=KEPT),
    )


def _setting_id(item: Mapping[str, Any]) -> str:
    """Return the id unchanged: a changed one would be another row's."""
    value = item.get("runSettingId")
    if not isinstance(value, str) or not value or storable(value, _LONGEST_ID) != value:
        raise unparsable(_ROWS, "runSettingId")
    return value


def _run(item: Mapping[str, Any]) -> Run:
    return Run(
        id=wire.identity(item, "runId", _ROWS),
        uuid=wire.optional_identity(item, "runInternalUuid") or "",
        arn=wire.text(item, "runArn") or "",
        status="PENDING",
    )
