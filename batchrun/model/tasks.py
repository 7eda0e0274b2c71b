"""The tasks of a run that failed, and where its logs are."""

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
#: By so much a task's times may lie outside its run's, if they are rounded otherwise.
_ROUNDING: Final = timedelta(seconds=1)
#: Stands before the name in a log stream's ARN.
_STREAM: Final = ":log-stream:"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTask:
    """
    A task that failed, as GetRunTask returns it; fields are the API's, in our spelling.

    A COMPLETED run may have some too: a task that failed is repeated as another task.
    """

    id: str
    name: str | None = None
    failure_reason: str | None = None
    status_message: str | None = None
    log_stream: str | None = None  #: as the service gave it: an ARN; None where ``logLevel`` is OFF


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTasks:
    """What was found when the service was asked for a run's failed tasks."""

    tasks: tuple[FailedTask, ...] = ()
    has_more: bool = False  #: more of them failed than are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTask:
    """A task, as ListRunTasks returns it."""

    id: str
    name: str | None = None
    status: str | None = None


def may_be_asked(entry: Entry) -> bool:
    """Report whether its run failed and is worth asking for; it is not before its end is known."""
    return entry.state is State.FAILED and entry.run is not None and entry.run.stop_time is not None


def is_of(run: Run, created: datetime | None) -> bool:
    """
    Report whether a task that was created then is of *run*, and not of another run with its id.

    Tasks are asked for by the run's short id, which is given to another run only after ours has ended and was
    deleted (UG/running-workflows): a task from within our run's time is ours, and no call is needed to know.
    """
    if created is None or run.stop_time is None:
        return False
    begun = run.creation_time or run.start_time
    is_too_early = begun is not None and created < begun - _ROUNDING
    return not is_too_early and created <= run.stop_time + _ROUNDING


def log_streams(run: Run, request: Mapping[str, Json]) -> tuple[str, ...]:
    """
    Name the run's own log streams in ``LOG_GROUP``: its engine's first, then the run's.

    The names are documented (UG/monitoring-cloudwatch-logs), so they cost no call; there are none where the
    request's ``logLevel`` is OFF.
    """
    if request.get("logLevel") == "OFF":
        return ()
    return (f"run/{run.id}/engine", f"run/{run.id}")


def stream_name(log_stream: str) -> str:
    """Return the stream's name within ``LOG_GROUP``, of its ARN or of the name itself."""
    return log_stream.rpartition(_STREAM)[2]


def task_stream(run: Run, task_id: str) -> str:
    """Name the log stream of a task in ``LOG_GROUP``, as documented."""
    return f"run/{run.id}/task/{task_id}"
