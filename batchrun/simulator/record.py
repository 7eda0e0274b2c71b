"""What really happened, for tests that check what a caller believes: ``/_simulator/state``.

``/_simulator/faults`` changes the fault rules. Anything that the service has too does not belong here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from batchrun.simulator.batches import Batch
from batchrun.simulator.faults import FaultBook
from batchrun.simulator.lifecycle import Status
from batchrun.simulator.refusal import RefusalError, invalid
from batchrun.simulator.runs import Run
from batchrun.simulator.service import HealthOmics
from batchrun.simulator.settings import parse_faults
from batchrun.simulator.wire import Inquiry, Reply, json_object, json_reply

PATH = "/_simulator/"


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts the calls of one operation."""

    calls: int = 0
    answered: int = 0  #: carried out and answered in full
    throttled: int = 0  #: 429, by the bucket or by a fault
    errors: dict[str, int] = field(default_factory=dict)  #: refusals by code, 429 included
    faults: dict[str, int] = field(default_factory=dict)  #: faults and injected errors by name

    def refused(self, code: str) -> None:
        """Count a refusal."""
        self.errors[code] = self.errors.get(code, 0) + 1
        self.throttled += code == "ThrottlingException"

    def struck_by(self, fault: str) -> None:
        """Count a fault."""
        self.faults[fault] = self.faults.get(fault, 0) + 1


@dataclass(slots=True, kw_only=True)
class StartCall:
    """One readable StartRun or StartRunBatch call."""

    at: float  #: loop time of its arrival
    request_id: str
    name: str
    outcome: str = ""  #: "answered", an error's code, or the fault that struck; empty while in progress
    uuid: str | None = None  #: of the run or batch it created or found; None if it took no effect


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run, deleted or not. Times are loop time."""

    id: str
    uuid: str
    name: str
    status: str
    request_id: str
    output_uri: str
    run_output_uri: str
    tags: dict[str, str]
    failure_reason: str | None
    batch_id: str  #: empty if no batch started it
    run_setting_id: str  #: empty if no batch started it
    created: float
    started: float | None
    stopped: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """One batch, deleted or not. Times are loop time."""

    id: str
    uuid: str
    name: str
    status: str
    request_id: str
    tags: dict[str, str]
    failure_reason: str | None
    rows: int  #: number of rows, once they are read
    waiting: int  #: rows that are neither runs yet nor given up
    created: float
    submitted: float | None
    processed: float | None
    failed: float | None
    deleted: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The state of everything at one moment."""

    now: float
    calls: dict[str, Tally]
    start_calls: list[StartCall]  #: those of StartRun, in the order of arrival
    batch_calls: list[StartCall]  #: those of StartRunBatch
    runs: list[RunRecord]  #: in the order of creation
    batches: list[BatchRecord]  #: in the order of creation
    active: int  #: runs in STARTING, RUNNING or STOPPING
    peak_active: int
    unfinished: int  #: the same, and runs in PENDING
    peak_unfinished: int

    @property
    def starts_by_request(self) -> dict[str, int]:
        """Return the number of StartRun calls by requestId."""
        return dict(Counter(call.request_id for call in self.start_calls))

    @property
    def accepted_at(self) -> list[float]:
        """Return the loop times at which runs were created."""
        return [run.created for run in self.runs]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        derived = {"starts_by_request": self.starts_by_request, "accepted_at": self.accepted_at}
        return asdict(self) | derived


class Journal:
    """Records calls, for :class:`State`."""

    def __init__(self) -> None:
        self.tallies: defaultdict[str, Tally] = defaultdict(Tally)
        self.start_calls: list[StartCall] = []
        self.batch_calls: list[StartCall] = []

    def state(self, service: HealthOmics, now: float) -> State:
        """Return the state of *service* at *now*."""
        timetable = service.timetable
        service.advance(now)
        return State(
            now=now,
            calls=deepcopy(dict(self.tallies)),
            start_calls=[replace(call) for call in self.start_calls],
            batch_calls=[replace(call) for call in self.batch_calls],
            runs=[_record(run) for run in service.shelf.history],
            batches=[_batch_record(batch) for batch in service.batches.shelf.history],
            active=timetable.active,
            peak_active=timetable.peak_active,
            unfinished=timetable.unfinished,
            peak_unfinished=timetable.peak_unfinished,
        )


def _record(run: Run) -> RunRecord:
    failed = run.status is Status.DELETED and run.outcome is Status.FAILED
    return RunRecord(
        id=run.id,
        uuid=run.uuid,
        name=run.name,
        status=run.status,
        request_id=run.request["requestId"],
        output_uri=run.request["outputUri"],
        run_output_uri=run.output,
        tags=dict(run.tags),
        failure_reason=run.course.failure if failed else run.failure,
        batch_id=run.batch,
        run_setting_id=run.setting,
        created=run.created,
        started=run.started,
        stopped=run.stopped,
    )


def _batch_record(batch: Batch) -> BatchRecord:
    return BatchRecord(
        id=batch.id,
        uuid=batch.uuid,
        name=batch.name,
        status=batch.status,
        request_id=batch.request["requestId"],
        tags=dict(batch.tags),
        failure_reason=batch.failure,
        rows=len(batch.rows),
        waiting=batch.waiting,
        created=batch.created,
        submitted=batch.submitted,
        processed=batch.processed,
        failed=batch.failed,
        deleted=batch.deleted,
    )


def introspect(inquiry: Inquiry, faults: FaultBook, state: Callable[[], State]) -> Reply:
    """Answer a request about the simulator itself. Raises RefusalError for any other path."""
    match (inquiry.method, inquiry.path):
        case ("GET", "/_simulator/state"):
            return json_reply(state().as_json())
        case ("GET", "/_simulator/faults"):
            return _rules(faults)
        case ("POST", "/_simulator/faults"):
            # A web page cannot send this type to another origin without its consent.
            if inquiry.content_type != "application/json":
                raise invalid("Content-Type must be application/json")
            _change(faults, json_object(inquiry.body))
            return _rules(faults)
        case _:
            message = f"{inquiry.method} {inquiry.path[:200]} is not known"
            raise RefusalError("UnknownOperationException", message)


def _rules(faults: FaultBook) -> Reply:
    return json_reply({"rules": [asdict(rule) for rule in faults.rules]})


def _change(faults: FaultBook, wish: dict[str, Any]) -> None:
    """Change the rules by ``{"replace": "..."}`` or ``{"add": "..."}``, as text for :mod:`settings`."""
    if len(wish) != 1 or not wish.keys() <= {"replace", "add"}:
        raise invalid('give {"replace": "RULES"} or {"add": "RULES"}')
    ((verb, text),) = wish.items()
    try:
        rules = parse_faults(str(text))
    except ValueError as error:
        raise invalid(str(error)) from error
    if verb == "replace":
        faults.replace(rules)
    else:
        faults.add(*rules)
