"""Turns rows into the model's values, and back. Times are stored as microseconds since 1970 in UTC.

Belongs here: names of columns, and the types they are stored as. Does not: SQL, and any decision.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from batchrun.errors import ManifestWarning
from batchrun.ledger.store import Row, Value
from batchrun.model.entries.entry import Entry, Run
from batchrun.model.entries.events import Event, Intended, Retried, Revised
from batchrun.model.entries.retrying import RetryPolicy, RetryRule
from batchrun.model.entries.states import State
from batchrun.model.spec import canonical, digest
from batchrun.ports.stored import Batch, LanePlace, PastAttempt, TakenFrom

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_RUN = (
    *("run_id", "run_uuid", "run_arn", "run_status", "run_output_uri", "run_creation_time", "run_start_time"),
    *("run_stop_time", "run_failure_reason", "run_status_message"),
)
_NO_RUN: dict[str, Value] = dict.fromkeys(_RUN)
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_STATES = {state.value: state for state in State}


def micros(time: datetime) -> int:
    """Return *time* as it is stored."""
    return (time - _EPOCH) // _MICROSECOND


def span_micros(span: timedelta) -> int:
    """Return *span* as it is stored."""
    return span // _MICROSECOND


def maybe_micros(time: datetime | None) -> int | None:
    """Return *time*, or None, as it is stored."""
    return None if time is None else micros(time)


def time_of(stored: int) -> datetime:
    """Return the time that *stored* stands for."""
    return _EPOCH + timedelta(0, 0, stored)  # positional: a keyword doubles the time, and every row has some


def batch_of(row: Row) -> Batch:
    """Return the batch in *row*."""
    return Batch(
        name=row.name,
        region=row.region,
        created_at=time_of(row.created_at),
        account=row.account,
        place=row.place,
    )


def taken_from_of(row: Row) -> TakenFrom:
    """Return the files in *row*."""
    return TakenFrom(
        fingerprint=row.fingerprint,
        beside=tuple(json.loads(row.beside)),
        warnings=tuple(map(_warning, json.loads(row.warnings))),
        warning_count=row.warning_count,
        retry=RetryPolicy() if row.retry is None else _policy(json.loads(row.retry)),
    )


def _policy(stored: dict[str, Any]) -> RetryPolicy:
    return RetryPolicy(**stored | {"rules": tuple(map(_rule, stored["rules"]))})


def _rule(stored: dict[str, Any]) -> RetryRule:
    reason = stored["reason"]
    return RetryRule(**stored | {"reason": reason if isinstance(reason, str) else tuple(reason)})


def _warning(told: dict[str, Any]) -> ManifestWarning:
    return ManifestWarning(**{**told, "lines": tuple(told["lines"]), "also": tuple(told["also"])})


def taken_from_values(files: TakenFrom | None) -> dict[str, Value]:
    """Return what ``keep_files`` stores of the files that a batch was taken in from."""
    return {
        "fingerprint": None if files is None else files.fingerprint,
        "beside": listed(() if files is None else files.beside),
        "warnings": json.dumps([] if files is None else [dataclasses.asdict(one) for one in files.warnings]),
        "warning_count": 0 if files is None else files.warning_count,
        "retry": None if files is None else json.dumps(dataclasses.asdict(files.retry)),
    }


def lane_of(row: Row) -> LanePlace:
    """Return the lane in *row*."""
    return LanePlace(name=row.name, region=row.region, account=row.account)


def entry_of(batch: str, row: Row) -> Entry:
    """Return the entry in a row of ``entry_rows``."""
    return Entry(
        batch=batch,
        id=row.id,
        position=row.position,
        request=row.request,
        state=_STATES[row.state],
        attempt=row.attempt,
        intended_at=maybe_time(row.intended_at),
        lane=row.lane,
        offers=row.offers,
        tagged=bool(row.tagged),
        accepted_at=maybe_time(row.accepted_at),
        due=maybe_time(row.due),
        deferrals=row.deferrals,
        is_doubtful=bool(row.is_doubtful),
        code=row.code,
        message=row.message,
        run=run_of(row),
        missed_at=maybe_time(row.missed_at),
        misses=row.misses,
        next_request=row.next_request,
        manifest_request=row.manifest_request,
        is_changed=bool(row.is_changed),
        proven_at=maybe_time(row.proven_at),
    )


def past_attempt_of(row: Row) -> PastAttempt:
    """Return the attempt in a row of ``attempt_rows``."""
    return PastAttempt(
        attempt=row.attempt,
        request_id=row.request_id,
        intended_at=time_of(row.intended_at),
        run=run_of(row),
        code=row.code,
        message=row.message,
        request=row.request,
        lane=row.lane,
    )


def standing_values(entry: Entry) -> dict[str, Value]:
    """Return what ``update_standing`` stores of *entry*: what changes during an attempt."""
    return {
        "state": entry.state.value,
        "accepted_at": maybe_micros(entry.accepted_at),
        "due": maybe_micros(entry.due),
        "deferrals": entry.deferrals,
        "is_doubtful": int(entry.is_doubtful),
        "code": entry.code,
        "message": entry.message,
        "next_request": entry.next_request,
        "missed_at": maybe_micros(entry.missed_at),
        "misses": entry.misses,
        **(_NO_RUN if entry.run is None else _run_values(entry.run)),
    }


def attempt_values(entry: Entry) -> dict[str, Value]:
    """Return what ``update_whole`` stores beyond that: what identifies the attempt."""
    return {
        "attempt": entry.attempt,
        "request_id": None if entry.intended_at is None else entry.request_id,
        "intended_at": maybe_micros(entry.intended_at),
        "tagged": int(entry.tagged),
        "request": entry.request,
        "manifest_request": entry.manifest_request,
        "lane": entry.lane,
        "offers": entry.offers,
        "may_take": lanes_text(entry.may_take),
    }


def content_values(entry: Entry) -> dict[str, Value]:
    """Return what ``update_content`` stores of *entry*: its requests, current and next."""
    return {
        "request": entry.request,
        "next_request": entry.next_request,
        "manifest_request": entry.manifest_request,
        "offers": entry.offers,
        "may_take": lanes_text(entry.may_take),
    }


def lanes_text(lanes: Collection[str]) -> str | None:
    """Return the names of lanes as they are stored: the same lanes are the same text."""
    return canonical(list(lanes)) if lanes else None


def lanes_in(stored: str | None) -> tuple[str, ...]:
    """Return the names of lanes that *stored* stands for."""
    return () if stored is None else tuple(json.loads(stored))


def detail(event: Event, entry: Entry) -> str:
    """Return the event's fields as JSON text, for the history; in place of a request its digest."""
    match event:
        case Intended(request=request):
            told = {} if request is None else {"request": digest(request)}
            return _JSON.encode(_facts(event, but="at") | told | {"request_id": entry.request_id})
        case Revised(request=request):
            return _JSON.encode({"request": digest(request)})
        case Retried(request=str(request)):
            return _JSON.encode(_facts(event, but="at") | {"request": digest(request)})
        case _:
            return _JSON.encode(_facts(event, but="at"))


def _facts(value: DataclassInstance, *, but: str = "") -> dict[str, object]:
    """Return the fields of *value* that are not None."""
    pairs = ((name, getattr(value, name)) for name in _fields(type(value)) if name != but)
    return {name: _plain(part) for name, part in pairs if part is not None}


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case Run():
            return _facts(value)
        case _:
            return value


@functools.cache
def _fields(kind: type[DataclassInstance]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def run_of(row: Row) -> Run | None:
    """Return the run in a row of ``entry_rows`` or ``attempt_rows``; None where none is known."""
    if row.run_uuid is None:
        return None
    return Run(
        id=row.run_id,
        uuid=row.run_uuid,
        arn=row.run_arn,
        status=row.run_status,
        output_uri=row.run_output_uri,
        creation_time=maybe_time(row.run_creation_time),
        start_time=maybe_time(row.run_start_time),
        stop_time=maybe_time(row.run_stop_time),
        failure_reason=row.run_failure_reason,
        status_message=row.run_status_message,
    )


def _run_values(run: Run) -> dict[str, Value]:
    return {
        "run_id": run.id,
        "run_uuid": run.uuid,
        "run_arn": run.arn,
        "run_status": run.status,
        "run_output_uri": run.output_uri,
        "run_creation_time": maybe_micros(run.creation_time),
        "run_start_time": maybe_micros(run.start_time),
        "run_stop_time": maybe_micros(run.stop_time),
        "run_failure_reason": run.failure_reason,
        "run_status_message": run.status_message,
    }


def maybe_time(stored: int | None) -> datetime | None:
    """Return the time that *stored* stands for, or None."""
    return None if stored is None else time_of(stored)


def listed(texts: Iterable[str]) -> str:
    """Return *texts* as one value, a JSON list."""
    return json.dumps(list(texts))
