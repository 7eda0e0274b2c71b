"""Answers about runs, tasks, workflows and batches; ``wire`` drops fields that are not in the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from batchrun.simulator.batches import Batch, Row
from batchrun.simulator.chance import draw_uuid
from batchrun.simulator.course import Task, tasks_of
from batchrun.simulator.lifecycle import AT_REST, Status, SubmissionStatus
from batchrun.simulator.runs import Run
from batchrun.simulator.settings import Parameter, Settings, Version, Workflow


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Writes the answers of one account, with its ARNs and in wall time."""

    settings: Settings
    origin: datetime  #: wall time at loop time zero

    def wall(self, at: float | None) -> datetime | None:
        """Convert loop time to wall time."""
        return None if at is None else self.origin + timedelta(seconds=at)

    def arn(self, resource: str) -> str:
        """Return the ARN of a resource of this account."""
        return f"arn:aws:omics:{self.settings.region}:{self.settings.account}:{resource}"

    def accepted(self, run: Run) -> dict[str, Any]:
        """Answer StartRun; a repeated call gets the run's present state."""
        return {
            "arn": self.arn(f"run/{run.id}"),
            "id": run.id,
            "status": run.status,
            "tags": run.tags,
            "uuid": run.uuid,
            "runOutputUri": run.output,
            "networkingMode": run.request.get("networkingMode"),
        }

    def item(self, run: Run) -> dict[str, Any]:
        """Return an item of ListRuns; it has no uuid, tags, failureReason or runOutputUri."""
        return {
            **run.request,
            "arn": self.arn(f"run/{run.id}"),
            "id": run.id,
            "status": run.status,
            "batchId": run.batch or None,
            "creationTime": self.wall(run.created),
            "startTime": self.wall(run.started),
            "stopTime": self.wall(run.stopped),
        }

    def detail(self, run: Run) -> dict[str, Any]:
        """Answer GetRun."""
        return {
            **self.item(run),
            "parametersUri": self._signed(run),
            "uuid": run.uuid,
            "runOutputUri": run.output,
            "tags": run.tags,
            "failureReason": run.failure,
            "statusMessage": self._message(run),
            "logLocation": self._logs(run),
            "startedBy": f"arn:aws:iam::{self.settings.account}:user/simulated",
            "digest": f"sha256:{_digest(run)}"[:64],
            "workflowUuid": draw_uuid("workflow", run.request.get("workflowId")),
            "resourceDigests": {},
        }

    def workflow(self, workflow: Workflow) -> dict[str, Any]:
        """Answer GetWorkflow."""
        return {
            "arn": self.arn(f"workflow/{workflow.id}"),
            "id": workflow.id,
            "status": workflow.status,
            "type": workflow.type,
            "name": workflow.name or f"workflow-{workflow.id}",
            "engine": workflow.engine,
            "parameterTemplate": _template(workflow.parameters),
            "profiles": list(workflow.profiles) or None,
            "profileParameterTemplates": {
                name: _template(parameters) for name, parameters in workflow.profiles.items()
            }
            or None,
            "creationTime": self.origin,
            "uuid": draw_uuid("workflow", workflow.id),
            "tags": {},
        }

    def version(self, version: Version, workflow_id: str, name: str) -> dict[str, Any]:
        """Return the fields in which GetWorkflowVersion differs from GetWorkflow."""
        return {
            "arn": self.arn(f"workflow/{workflow_id}/version/{name}"),
            "workflowId": workflow_id,
            "versionName": name,
            "status": version.status,
            "parameterTemplate": _template(version.parameters),
        }

    def task(self, run: Run, task: Task, now: float) -> dict[str, Any]:
        """Answer GetRunTask; also used as an item of ListRunTasks, which has fewer fields."""
        status = task.status(now)
        ended = status is not Status.RUNNING
        return {
            "taskId": task.id,
            "uuid": task.uuid,
            "name": task.name,
            "status": status,
            "cpus": 2,
            "memory": 4,
            "gpus": 0,
            "instanceType": "omics.c.large",
            "cacheHit": False,
            "creationTime": self.wall(task.started),
            "startTime": self.wall(task.started),
            "stopTime": self.wall(task.stopped) if ended else None,
            "failureReason": task.failure if ended else None,
            "statusMessage": "The task's container exited with 1" if task.failure and ended else None,
            "logStream": self._log(run, f"/task/{task.id}"),
        }

    def accepted_batch(self, batch: Batch) -> dict[str, Any]:
        """Answer StartRunBatch; a repeated call gets the batch's present state."""
        return {
            "id": batch.id,
            "arn": self.arn(f"runBatch/{batch.id}"),
            "status": batch.status,
            "uuid": batch.uuid,
            "tags": batch.tags,
        }

    def batch_item(self, batch: Batch) -> dict[str, Any]:
        """Return an item of ListBatch; it has no uuid and no tags."""
        return {
            "id": batch.id,
            "name": batch.name or None,
            "status": batch.status,
            "createdAt": self.wall(batch.created),
            "totalRuns": batch.total,
            "workflowId": batch.default["workflowId"],
        }

    def batch_detail(self, batch: Batch, now: float) -> dict[str, Any]:
        """Answer GetBatch; its counts lag behind until the batch is at rest."""
        scale = self.settings.time_scale
        lag = 0.0 if batch.status in AT_REST else scale * self.settings.batch_durations.counts_lag
        return {
            **self.accepted_batch(batch),
            "name": batch.name or None,
            "totalRuns": batch.total,
            "defaultRunSetting": batch.default,
            "submissionSummary": _submissions(batch, now - lag),
            "runSummary": _runs(batch, now - lag),
            "creationTime": self.wall(batch.created),
            "submittedTime": self.wall(batch.submitted),
            "processedTime": self.wall(batch.processed),
            "failedTime": self.wall(batch.failed),
            "failureReason": batch.failure,
        }

    def batch_row(self, row: Row) -> dict[str, Any]:
        """Return a row of ListRunsInBatch: a rejected one has an empty runId, a waiting one has none."""
        run = row.run
        without = None if row.status is None else ""
        return {
            "runSettingId": row.setting_id,
            "runId": without if run is None else run.id,
            "runInternalUuid": None if run is None else run.uuid,
            "runArn": None if run is None else self.arn(f"run/{run.id}"),
            "submissionStatus": row.status,
            "submissionFailureReason": row.reason or None,
            "submissionFailureMessage": row.message or None,
        }

    def _signed(self, run: Run) -> str | None:
        """Return a presigned URL of the run's parameters."""
        place = run.request.get("parametersUri")
        if place is None:
            return None
        bucket, _, key = str(place).removeprefix("s3://").partition("/")
        query = f"X-Amz-Credential=simulated&X-Amz-Security-Token={run.uuid}&X-Amz-Signature={_digest(run)}"
        return f"https://{bucket}.s3.{self.settings.region}.amazonaws.com/{key}?{query}"

    def _message(self, run: Run) -> str | None:
        if run.status is not Status.FAILED:
            return None
        task = tasks_of(run, self.settings.tasks_per_run)[-1]
        return (
            f"Run failed due to task: {task.name}, id: {task.id}, failure. "
            "Use the GetRunTask API to get more information."
        )

    def _logs(self, run: Run) -> dict[str, str | None] | None:
        if run.started is None or run.request.get("logLevel") == "OFF":
            return None
        return {"engineLogStream": self._log(run, "/engine"), "runLogStream": self._log(run)}

    def _log(self, run: Run, part: str = "") -> str | None:
        """Return the ARN of a log stream of the run; None if its log level is OFF."""
        if run.request.get("logLevel") == "OFF":
            return None
        group = (
            f"arn:aws:logs:{self.settings.region}:{self.settings.account}:log-group:/aws/omics/WorkflowLog"
        )
        return f"{group}:log-stream:run/{run.id}{part}"


def _template(parameters: Mapping[str, Parameter] | None) -> dict[str, Any] | None:
    if parameters is None:
        return None
    return {
        name: {"description": parameter.description, "optional": parameter.optional}
        for name, parameter in parameters.items()
    }


def _digest(run: Run) -> str:
    return sha256(str(run.request.get("workflowId")).encode()).hexdigest()


def _submissions(batch: Batch, at: float) -> dict[str, int]:
    settled = [row for row in batch.rows if row.settled <= at]
    started = sum(row.run is not None for row in settled)
    done = batch.done
    return {
        "successfulStartSubmissionCount": started,
        "failedStartSubmissionCount": len(settled) - started,
        "pendingStartSubmissionCount": (batch.total or 0) - len(settled),
        "successfulCancelSubmissionCount": done[SubmissionStatus.CANCEL_SUCCESS],
        "failedCancelSubmissionCount": done[SubmissionStatus.CANCEL_FAILED],
        "successfulDeleteSubmissionCount": done[SubmissionStatus.DELETE_SUCCESS],
        "failedDeleteSubmissionCount": done[SubmissionStatus.DELETE_FAILED],
    }


def _runs(batch: Batch, at: float) -> dict[str, int]:
    counts = Counter(_status_at(row.run, at) for row in batch.rows if row.run is not None)
    return {f"{status.lower()}RunCount": counts[status] for status in Status}


def _status_at(run: Run, at: float) -> Status | None:
    """Return a run's state at a time; None before its creation. A deleted run is DELETED at any time."""
    if run.status is Status.DELETED:
        return run.status
    reached = (
        (run.stopped, run.outcome),
        (run.stopping, Status.STOPPING),
        (run.started, Status.RUNNING),
        (run.admitted, Status.STARTING),
        (run.created, Status.PENDING),
    )
    return next((status for time, status in reached if time is not None and time <= at), None)
