"""The operations on batches: what each does, and checks beyond the model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from batchrun.simulator.answers import View
from batchrun.simulator.batch_course import BatchCourse
from batchrun.simulator.batches import Account, Batch, BatchShelf, Row, check_common, open_settings
from batchrun.simulator.chance import draw_uuid
from batchrun.simulator.lifecycle import AT_REST, BatchStatus
from batchrun.simulator.refusal import conflict, invalid, not_found
from batchrun.simulator.requests import RequestMemory
from batchrun.simulator.wire import page_of, position_in

Params = Mapping[str, Any]
Answer = dict[str, Any]

_MAY_BE_CANCELLED = frozenset({BatchStatus.PENDING, BatchStatus.SUBMITTING, BatchStatus.INPROGRESS})
_MAY_LOSE_RUNS = frozenset({BatchStatus.PROCESSED, BatchStatus.CANCELLED})


class Batches:
    """One account's batches."""

    def __init__(self, account: Account, view: View) -> None:
        """Begin without batches."""
        self._account = account
        self._settings = account.settings
        self._view = view
        self.shelf = BatchShelf()
        self.requests: RequestMemory[Batch] = RequestMemory(self._settings.batch_idempotency_window)
        self._course = BatchCourse(account, self.shelf)
        self.operations: Mapping[str, Callable[[Params, float], Answer]] = {
            "StartRunBatch": self._start,
            "GetBatch": self._get,
            "ListBatch": self._list,
            "ListRunsInBatch": self._list_rows,
            "CancelRunBatch": self._cancel,
            "DeleteRunBatch": self._delete_runs,
            "DeleteBatch": self._delete,
        }

    def advance(self, now: float) -> None:
        """Do everything that was due until *now*, for runs and batches."""
        self._course.advance(now)

    def name_of(self, batch_id: str) -> str:
        """Return the name of the batch with this id; empty if there is no such batch."""
        batch = self.shelf.by_id.get(batch_id)
        return batch.name if batch is not None else ""

    def tags_of(self, batch_id: str) -> dict[str, str]:
        """Return a batch's tags, to be changed in place. Raises RefusalError if there is no such batch."""
        return self._batch(batch_id).tags

    def _batch(self, batch_id: str) -> Batch:
        batch = self.shelf.by_id.get(batch_id)
        if batch is None:
            raise not_found(f"Run batch {batch_id}")
        return batch

    def _start(self, params: Params, now: float) -> Answer:
        known = self.requests.recall(params, now)
        if known is not None and (
            self._settings.failed_batch_again or known.status is not BatchStatus.FAILED
        ):
            return self._view.accepted_batch(known)
        check_common(params, self._account.workflow_of)
        batch = self._create(params, now)
        self.requests.remember(params, batch, now)
        return self._view.accepted_batch(batch)

    def _create(self, params: Params, now: float) -> Batch:
        settings, serial = self._settings, len(self.shelf.history)
        uri = params["batchRunSettings"].get("s3UriSettings")
        batch = Batch(
            serial=serial,
            id=self.shelf.next_id(),
            uuid=draw_uuid(settings.seed, "batch", settings.account, settings.region, serial),
            request=params,
            created=now,
            tags=dict(params.get("tags", {})),
            file=None if uri is None else open_settings(uri, settings.region, self._account.storage),
        )
        self.shelf.add(batch)
        self._course.add(batch)
        return batch

    def _get(self, params: Params, now: float) -> Answer:
        return self._view.batch_detail(self._batch(params["batchId"]), now)

    def _cancel(self, params: Params, now: float) -> Answer:
        self._course.cancel(self._batch_in(_MAY_BE_CANCELLED, params, "cancelled"), now)
        return {}

    def _delete_runs(self, params: Params, now: float) -> Answer:
        self._course.delete_runs(self._batch_in(_MAY_LOSE_RUNS, params, "relieved of its runs"), now)
        return {}

    def _delete(self, params: Params, now: float) -> Answer:
        batch = self._batch_in(AT_REST, params, "deleted")
        batch.deleted = now
        self.shelf.remove(batch)
        return {}

    def _batch_in(self, states: Collection[BatchStatus], params: Params, what: str) -> Batch:
        """Return the batch that a call names. Raises RefusalError if it is not in one of *states*."""
        batch = self._batch(params["batchId"])
        if batch.status not in states:
            raise conflict(f"Run batch {batch.id} is {batch.status} and cannot be {what}")
        return batch

    def _list(self, params: Params, now: float) -> Answer:
        _require_one_filter(params, "status", "name", "runGroupId")
        page, token = page_of(self._matching(params, now), params, lambda batch: batch.serial)
        return {"items": [self._view.batch_item(batch) for batch in page], "nextToken": token}

    def _matching(self, params: Params, now: float) -> Iterator[Batch]:
        """Yield the batches that a call's filters match, the newest first."""
        history = self.shelf.history
        below = position_in(params)
        newest = now - self._settings.listing_lag
        for batch in reversed(history if below is None else history[: max(0, below)]):
            if batch.id in self.shelf.by_id and batch.created <= newest and self._fits(batch, params):
                yield batch

    def _fits(self, batch: Batch, params: Params) -> bool:
        return (
            params.get("status", batch.status) == batch.status
            and ("name" not in params or self._settings.name_filter.fits(batch.name, params["name"]))
            and ("runGroupId" not in params or batch.default.get("runGroupId") == params["runGroupId"])
        )

    def _list_rows(self, params: Params, now: float) -> Answer:
        _require_one_filter(params, "submissionStatus", "runSettingId", "runId")
        rows = self._rows(self._batch(params["batchId"]), params)
        last, wanted = position_in(params), params.get("submissionStatus")
        rest = islice(rows, 0 if last is None else max(0, last + 1), None)
        shown = (row for row in rest if row.shown <= now and wanted in {None, row.status})
        page, token = page_of(shown, params, lambda row: row.place)
        return {"runs": [self._view.batch_row(row) for row in page], "nextToken": token}

    def _rows(self, batch: Batch, params: Params) -> Sequence[Row]:
        if "runSettingId" in params:
            row = batch.by_setting.get(params["runSettingId"])
            return [] if row is None else [row]
        if "runId" in params:
            return [row for row in batch.rows if row.run is not None and row.run.id == params["runId"]]
        return batch.rows


def _require_one_filter(params: Params, *filters: str) -> None:
    given = [name for name in filters if name in params]
    if len(given) > 1:
        raise invalid(f"Only one filter is supported, and {len(given)} are given: {', '.join(given)}")
