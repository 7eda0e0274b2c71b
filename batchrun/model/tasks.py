"""The failed tasks of a run, and the places of its logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from batchrun.model.entries.states import State

if TYPE_CHECKING:
    from batchrun.model.entries.entry import Entry, Run
    from batchrun.model.spec import Json

#: Where HealthOmics writes all logs (UG/monitoring-cloudwatch-logs).
LOG_GROUP: Final = "/aws/omics/WorkflowLog"
#: Tolerance for a task's times outside its run's, which may be rounded differently.
_ROUNDING: Final = timedelta(seconds=1)
#: Precedes the name in a log stream's ARN.
_STREAM: Final = ":log-stream:"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTask:
    """A failed task, as GetRunTask returns it; the fields are the API's, in snake_case.

    A COMPLETED run may have some too: a failed task is repeated as another task.
    """

    id: str
    name: str | None = None
    failure_reason: str | None = None
    status_message: str | None = None
    log_stream: str | None = None  #: an ARN, as the service returned it; None if ``logLevel`` is OFF


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTasks:
    """The failed tasks that the service returned for a run."""

    tasks: tuple[FailedTask, ...] = ()
    has_more: bool = False  #: more of them failed than are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTask:
    """A task, as ListRunTasks returns it."""

    id: str
    name: str | None = None
    status: str | None = None


def may_be_asked(entry: Entry) -> bool:
    """Report whether the entry's run has failed, so that its failed tasks can be asked for."""
    return entry.state is State.FAILED and entry.run is not None and entry.run.stop_time is not None


def is_of(run: Run, created: datetime | None) -> bool:
    """Report whether a task with this creation time is of *run*, and not of another run with its id.

    Tasks are asked for by the run's short id, which is reused only after the run has ended and was deleted
    (UG/running-workflows): a task created while the run lasted is its own.
    """
    if created is None or run.stop_time is None:
        return False
    begun = run.creation_time or run.start_time
    is_too_early = begun is not None and created < begun - _ROUNDING
    return not is_too_early and created <= run.stop_time + _ROUNDING


def log_streams(run: Run, request: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the run's log streams in ``LOG_GROUP``: the engine's first, then the run's.

    The names are documented (UG/monitoring-cloudwatch-logs), so no call is needed; there are none if the
    request's ``logLevel`` is OFF.
    """
    if request.get("logLevel") == "OFF":
        return ()
    return (f"run/{run.id}/engine", f"run/{run.id}")


def stream_name(log_stream: str) -> str:
    """Return a stream's name in ``LOG_GROUP``, from its ARN or the name itself."""
    return log_stream.rpartition(_STREAM)[2]


def task_stream(run: Run, task_id: str) -> str:
    """Return the log stream of a task in ``LOG_GROUP``, by its documented name."""
    return f"run/{run.id}/task/{task_id}"
