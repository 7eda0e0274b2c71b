"""The service itself: its rules and its runs, with time passed in.

What belongs here: what each operation does, and checks beyond the model. What does not: HTTP (``wire``,
``server``), rate limits and faults (``buckets``, ``faults``), which come before the service.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from batchrun.simulator import requests
from batchrun.simulator.answers import View
from batchrun.simulator.batch_operations import Batches
from batchrun.simulator.batches import Account, Batch, Row
from batchrun.simulator.buckets import Buckets
from batchrun.simulator.chance import draw_uuid
from batchrun.simulator.course import Task, lines_of, objects_of, plan_course, tasks_of
from batchrun.simulator.faults import FaultBook
from batchrun.simulator.lifecycle import TERMINAL, Status
from batchrun.simulator.refusal import RefusalError, conflict, invalid, not_found
from batchrun.simulator.requests import RequestMemory
from batchrun.simulator.runs import Ids, Run, Serials, Shelf, Timetable
from batchrun.simulator.s3 import Storage
from batchrun.simulator.settings import NameFilter, Settings, Version, Workflow
from batchrun.simulator.wire import page_of, position_in

Params = Mapping[str, Any]
Answer = dict[str, Any]

_ARN = re.compile(r"arn:aws[\w-]*:omics:([\w-]+):(\d*):(run|runBatch|workflow)/(\d+)")


class HealthOmics:
    """One account's runs in one Region."""

    def __init__(
        self,
        settings: Settings,
        *,
        origin: datetime,
        buckets: Buckets | None = None,
        faults: FaultBook | None = None,
        storage: Storage | None = None,
    ) -> None:
        """Create an account without runs; *origin* is the wall time at loop time zero.

        The service's own actions share *buckets*, the account's rate limits, with callers; *faults* strike
        them too.
        """
        self._settings = settings
        self._storage = storage or Storage(settings.storage)
        self._view = View(settings=settings, origin=origin)
        self._ids = Ids(reuse=settings.id_reuse)
        self._births: Counter[str] = Counter()
        self._workflows = {workflow.id: workflow for workflow in settings.workflows}
        self.shelf = Shelf()
        self._published = 0  #: number of ended runs whose files are in S3
        self.requests: RequestMemory[Run] = RequestMemory(settings.idempotency_window)
        slots = {"DYNAMIC": settings.max_active, "STATIC": settings.max_active_static}
        self.timetable = Timetable(self.shelf, slots)
        faults = faults or FaultBook(settings.faults, seed=settings.seed)
        account = self._account(buckets or Buckets(settings.limits), faults)
        self.batches = Batches(account, self._view)
        self._operations = {**self._of_runs(), **self.batches.operations}

    def _account(self, buckets: Buckets, faults: FaultBook) -> Account:
        """Return the account as batches use it."""
        return Account(
            settings=self._settings,
            timetable=self.timetable,
            buckets=buckets,
            faults=faults,
            storage=self._storage,
            start=self._start_row,
            cancel=self._cancel,
            delete=self._delete,
            workflow_of=self._workflow,
        )

    def _of_runs(self) -> dict[str, Callable[[Params, float], Answer]]:
        """Return the operations on runs, workflows and tags."""
        return {
            "StartRun": self._start_run,
            "GetRun": self._get_run,
            "ListRuns": self._list_runs,
            "CancelRun": self._cancel_run,
            "DeleteRun": self._delete_run,
            "GetWorkflow": self._get_workflow,
            "GetWorkflowVersion": self._get_workflow_version,
            "ListTagsForResource": self._list_tags,
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListRunTasks": self._list_tasks,
            "GetRunTask": self._get_task,
        }

    @property
    def operations(self) -> tuple[str, ...]:
        """The names of all operations."""
        return tuple(self._operations)

    def call(self, operation: str, params: Params, now: float) -> Answer:
        """Carry out a call that fits the model. Raises RefusalError and changes nothing if it is refused."""
        self.advance(now)
        return self._operations[operation](params, now)

    def advance(self, now: float) -> None:
        """Do everything that was due until *now*."""
        self.batches.advance(now)

    def name_of(self, params: Params) -> str:
        """Return the name of the run or batch that a call is about; empty if there is none."""
        if "batchId" in params:
            return self.batches.name_of(params["batchId"])
        run = self.shelf.by_id.get(str(params.get("id", "")))
        return run.name if run is not None else ""

    def publish(self, now: float) -> None:
        """Store the files of runs that completed since the last call in S3."""
        self.advance(now)
        ended, self._published = self.timetable.ended[self._published :], len(self.timetable.ended)
        for run in ended:
            if run.outcome is Status.COMPLETED:
                bucket, _, key = run.output.removeprefix("s3://").partition("/")
                made = objects_of(run, self._workflow(run.request).engine, self._settings)
                found = {f"{key}/{name}": one for name, one in made.items()}
                self._storage.publish(bucket, found)

    def logged(self, stream: str, now: float) -> list[tuple[float, str]] | None:
        """Return a log stream's lines until *now*, with loop times; None if there is no such stream."""
        self.advance(now)
        _, _, rest = stream.partition("run/")
        run = next((one for one in reversed(self.shelf.history) if one.id == rest.partition("/")[0]), None)
        return None if run is None else lines_of(run, stream, now, self._settings)

    def _start_run(self, params: Params, now: float) -> Answer:
        known = self.requests.recall(params, now)
        if known is not None:
            return self._view.accepted(known)
        run = self._create(self._admitted(params), now)
        self.requests.remember(params, run, now)
        return self._view.accepted(run)

    def _admitted(self, params: Params) -> Params:
        """Return the complete, checked request of a run, and make room for it."""
        rerun = self._run(params["runId"]).request if "runId" in params else {}
        request = requests.complete(params, rerun)
        requests.require_workflow(request)
        requests.check(request, self._workflow(request))
        self._make_room(request)
        return request

    def _start_row(self, params: Params, batch: Batch, row: Row, now: float) -> Run:
        """Start a run for a row of a batch; its requestId is the service's own."""
        request = self._admitted({**params, "requestId": f"{batch.uuid}/{row.setting_id}"})
        return self._create(request, now, batch=batch.id, setting=row.setting_id)

    def _create(self, request: Params, now: float, *, batch: str = "", setting: str = "") -> Run:
        name = str(request.get("name", ""))
        key = name or request["outputUri"]
        self._births[key] += 1
        course = plan_course(self._settings, name, request["outputUri"], self._births[key])
        serial = len(self.shelf.history)
        run = Run(
            serial=serial,
            id=self._ids.take(),
            uuid=draw_uuid(self._settings.seed, "run", self._settings.account, self._settings.region, serial),
            request=request,
            course=course,
            created=now,
            tags=dict(request.get("tags", {})),
            batch=batch,
            setting=setting,
            outcome=course.outcome,
        )
        self.shelf.add(run)
        self.timetable.add(run)
        return run

    def _make_room(self, request: Params) -> None:
        if len(self.shelf.by_id) < self._settings.max_stored:
            return
        oldest = next(iter(self.shelf.removable.values()), None)
        if request.get("retentionMode") != "REMOVE" or oldest is None:
            raise RefusalError(
                "ServiceQuotaExceededException",
                f"The maximum number of stored runs ({self._settings.max_stored}) is reached",
            )
        self._forget(oldest)

    def _forget(self, run: Run) -> None:
        self.shelf.remove(run)
        self._ids.free(run.id)

    def _run(self, run_id: str) -> Run:
        run = self.shelf.by_id.get(run_id)
        if run is None:
            raise not_found(f"Run {run_id}")
        return run

    def _get_run(self, params: Params, _now: float) -> Answer:
        return self._view.detail(self._run(params["id"]))

    def _cancel_run(self, params: Params, now: float) -> Answer:
        self._cancel(self._run(params["id"]), now)
        return {}

    def _cancel(self, run: Run, now: float) -> None:
        if run.status in TERMINAL:
            raise conflict(f"Run {run.id} is {run.status} and cannot be cancelled")
        self.timetable.cancel(run, now)

    def _delete_run(self, params: Params, now: float) -> Answer:
        self._delete(self._run(params["id"]), now)
        return {}

    def _delete(self, run: Run, _now: float) -> None:
        if run.status is Status.DELETED:  # by another caller; another run may have the id now
            raise not_found(f"Run {run.id}")
        if run.status not in TERMINAL:
            raise conflict(f"Run {run.id} is {run.status}; cancel it before deleting it")
        self._forget(run)

    def _list_runs(self, params: Params, now: float) -> Answer:
        page, token = page_of(self._matching(params, now), params, lambda run: run.serial)
        return {"items": [self._view.item(run) for run in page], "nextToken": token}

    def _matching(self, params: Params, now: float) -> Iterator[Run]:
        newest = now - self._settings.listing_lag
        for serial in self._index(params).below(position_in(params)):
            run = self.shelf.history[serial]
            if run.created <= newest and self._fits(run, params):
                yield run

    def _index(self, params: Params) -> Serials:
        if "name" in params and self._settings.name_filter is NameFilter.EXACT:
            return self.shelf.by_name.get(params["name"], Serials())
        if "batchId" in params:
            return self.shelf.by_batch.get(params["batchId"], Serials())
        if "status" in params:
            return self.shelf.by_status.get(Status(params["status"]), Serials())
        if "runGroupId" in params:
            return self.shelf.by_group.get(params["runGroupId"], Serials())
        return self.shelf.all

    def _fits(self, run: Run, params: Params) -> bool:
        return (
            params.get("batchId", run.batch) == run.batch
            and ("status" not in params or run.status == params["status"])
            and ("runGroupId" not in params or run.request.get("runGroupId") == params["runGroupId"])
            and ("name" not in params or self._settings.name_filter.fits(run.name, params["name"]))
        )

    def _workflow(self, params: Params) -> Workflow:
        workflow_id = params["workflowId"]
        asked_type = params.get("workflowType", "PRIVATE")
        workflow = self._workflows.get(workflow_id)
        if workflow is None and self._settings.any_workflow:
            return Workflow(id=workflow_id, type=asked_type)
        if workflow is None or workflow.type != asked_type:
            raise not_found(f"Workflow {workflow_id} of type {asked_type}")
        return workflow

    def _get_workflow(self, params: Params, _now: float) -> Answer:
        asked = {"workflowId": params["id"], "workflowType": params.get("type", "PRIVATE")}
        return self._view.workflow(self._workflow(asked))

    def _get_workflow_version(self, params: Params, now: float) -> Answer:
        name = params["versionName"]
        answer = self._get_workflow({**params, "id": params["workflowId"]}, now)
        version = self._workflow_version(params["workflowId"], name)
        return answer | self._view.version(version, params["workflowId"], name)

    def _workflow_version(self, workflow_id: str, name: str) -> Version:
        workflow = self._workflows.get(workflow_id)
        if workflow is None:
            return Version()
        if name not in workflow.versions:
            raise not_found(f"Version {name} of workflow {workflow_id}")
        return workflow.versions[name]

    def _tags_of(self, arn: str) -> dict[str, str]:
        match = _ARN.fullmatch(arn)
        if match is None or match[1] != self._settings.region:
            raise not_found(f"Resource {arn}")
        if match[3] == "workflow":
            self._workflow({"workflowId": match[4]})
            return {}
        return self.batches.tags_of(match[4]) if match[3] == "runBatch" else self._run(match[4]).tags

    def _list_tags(self, params: Params, _now: float) -> Answer:
        return {"tags": self._tags_of(params["resourceArn"])}

    def _tag(self, params: Params, _now: float) -> Answer:
        tags = self._tags_of(params["resourceArn"])
        if len(tags | params["tags"]) > requests.MAX_TAGS:
            raise invalid(f"A resource has {requests.MAX_TAGS} tags at most")
        tags.update(params["tags"])
        return {}

    def _untag(self, params: Params, _now: float) -> Answer:
        tags = self._tags_of(params["resourceArn"])
        for key in params["tagKeys"]:
            tags.pop(key, None)
        return {}

    def _begun_tasks(self, run: Run, now: float) -> list[Task]:
        tasks = tasks_of(run, self._settings.tasks_per_run, failed=self._settings.failed_tasks)
        return [task for task in tasks if task.started <= now]

    def _list_tasks(self, params: Params, now: float) -> Answer:
        run, wanted = self._run(params["id"]), params.get("status")
        tasks = [task for task in self._begun_tasks(run, now) if wanted is None or task.status(now) == wanted]
        rest = list(enumerate(tasks, 1))[max(0, position_in(params) or 0) :]
        page, token = page_of(rest, params, lambda one: one[0])
        return {"items": [self._view.task(run, task, now) for _, task in page], "nextToken": token}

    def _get_task(self, params: Params, now: float) -> Answer:
        run = self._run(params["id"])
        for task in self._begun_tasks(run, now):
            if task.id == params["taskId"]:
                return self._view.task(run, task, now)
        raise not_found(f"Task {params['taskId']} of run {params['id']}")
