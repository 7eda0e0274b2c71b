"""
Rows as the model's values, and back.

Belongs here: the order of columns and the types they are stored as. Does not: SQL, and any decision.
Times are stored as whole microseconds since 1970 in UTC.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from batchrun.model.entry import Entry, Run
from batchrun.model.events import Intended, Retried, Revised
from batchrun.model.spec import digest
from batchrun.model.states import State
from batchrun.ports.ledger import Batch, PastAttempt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import DataclassInstance

    from batchrun.model.events import Event

Row: TypeAlias = tuple[Any, ...]
Value: TypeAlias = int | str | None

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NO_PROGRESS: tuple[Value, ...] = (None,) * 7
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_STATES = {state.value: state for state in State}


def micros(time: datetime) -> int:
    """Return *time* as it is stored."""
    return (time - _EPOCH) // _MICROSECOND


def maybe_micros(time: datetime | None) -> int | None:
    """Return *time*, where there is one, as it is stored."""
    return None if time is None else micros(time)


def time_of(stored: int) -> datetime:
    """Return the time that *stored* stands for."""
    return _EPOCH + timedelta(microseconds=stored)


def batch_of(row: Row) -> Batch:
    """Return the batch in *row*."""
    name, region, created_at, account, place = row
    return Batch(name=name, region=region, created_at=time_of(created_at), account=account, place=place)


def entry_of(batch: str, row: Row) -> Entry:
    """Return the entry in a row of ``entry_rows``."""
    (
        *_keys,
        id_,
        position,
        request,
        state,
        attempt,
        intended_at,
        tagged,
        accepted_at,
        due,
        deferrals,
        is_doubtful,
        code,
        message,
        next_request,
        manifest_request,
        missed_at,
        misses,
    ) = row[:20]
    return Entry(
        batch=batch,
        id=id_,
        position=position,
        request=request,
        state=_STATES[state],
        attempt=attempt,
        intended_at=maybe_time(intended_at),
        tagged=bool(tagged),
        accepted_at=maybe_time(accepted_at),
        due=maybe_time(due),
        deferrals=deferrals,
        is_doubtful=bool(is_doubtful),
        code=code,
        message=message,
        run=run_of(row[20:30]),
        missed_at=maybe_time(missed_at),
        misses=misses,
        next_request=next_request,
        manifest_request=manifest_request,
        is_changed=bool(row[30]),
        proven_at=maybe_time(row[31]),
    )


def past_attempt_of(row: Row) -> PastAttempt:
    """Return the attempt in a row of ``attempts_before``."""
    _position, attempt, request_id, intended_at, code, message, *run = row
    return PastAttempt(
        attempt=attempt,
        request_id=request_id,
        intended_at=time_of(intended_at),
        run=run_of(run),
        code=code,
        message=message,
    )


def standing_values(entry: Entry) -> tuple[Value, ...]:
    """Return what ``update_standing`` stores of *entry*, in its order: what moves while a run goes on."""
    return (
        entry.state.value,
        maybe_micros(entry.accepted_at),
        maybe_micros(entry.due),
        entry.deferrals,
        int(entry.is_doubtful),
        entry.code,
        entry.message,
        entry.next_request,
        maybe_micros(entry.missed_at),
        entry.misses,
        *_progress_values(entry.run),
    )


def run_values(run: Run | None) -> tuple[Value, ...]:
    """Return what ``update_with_run`` stores beyond that: what makes the run the one it is."""
    return (None, None, None) if run is None else (run.id, run.uuid, run.arn)


def attempt_values(entry: Entry) -> tuple[Value, ...]:
    """Return what ``update_whole`` stores beyond that: what makes the attempt the one it is."""
    return (
        entry.attempt,
        None if entry.intended_at is None else entry.request_id,
        maybe_micros(entry.intended_at),
        int(entry.tagged),
        entry.request,
        entry.manifest_request,
    )


def detail(event: Event, entry: Entry) -> str:
    """
    Return the event's facts as JSON text, for the history.

    A request is told by its digest: it may be long, and the entry or the attempt has it.
    """
    match event:
        case Intended():
            return _JSON.encode(_facts(event, but="at") | {"request_id": entry.request_id})
        case Revised(request=request):
            return _JSON.encode({"request": digest(request)})
        case Retried(request=str(request)):
            return _JSON.encode(_facts(event, but="at") | {"request": digest(request)})
        case _:
            return _JSON.encode(_facts(event, but="at"))


def _facts(value: DataclassInstance, *, but: str = "") -> dict[str, object]:
    """Return the fields of *value*; what the service left out stays out."""
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


def run_of(columns: Sequence[Any]) -> Run | None:
    """Return the run in the last ten columns of ``entry_rows``; None where none is known."""
    id_, uuid, arn, status, output_uri, creation_time, start_time, stop_time, reason, message = columns
    if uuid is None:
        return None
    return Run(
        id=id_,
        uuid=uuid,
        arn=arn,
        status=status,
        output_uri=output_uri,
        creation_time=maybe_time(creation_time),
        start_time=maybe_time(start_time),
        stop_time=maybe_time(stop_time),
        failure_reason=reason,
        status_message=message,
    )


def _progress_values(run: Run | None) -> tuple[Value, ...]:
    if run is None:
        return _NO_PROGRESS
    return (
        run.status,
        run.output_uri,
        maybe_micros(run.creation_time),
        maybe_micros(run.start_time),
        maybe_micros(run.stop_time),
        run.failure_reason,
        run.status_message,
    )


def maybe_time(stored: int | None) -> datetime | None:
    """Return the time that *stored* stands for, where it is there."""
    return None if stored is None else time_of(stored)
