"""Why runs fail, who can fix that, and what to do next.

The reasons are those of UG/workflows-run-errors (healthomics.md, 3.3); the API types them as free text, so
there may be new ones. Owners and advice are ours.

Does not belong here: retrying (``retrying``), showing (``cli``, ``report``).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from batchrun.model.entries.states import State


class Owner(enum.Enum):
    """Who can do something about a failure."""

    YOU = "you"  #: who runs the batch: inputs, roles, limits
    AUTHOR = "the workflow's author"  #: definition, images, resources that tasks ask for
    AWS = "AWS"  #: temporary; a retry is what helps
    UNKNOWN = "whoever looks first"  #: it takes a look at the failed task first


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Who can fix a failure, and the next thing to do, as an instruction."""

    owner: Owner
    action: str

    def __str__(self) -> str:
        return f"for {self.owner.value}: {self.action}"

    @property
    def facts(self) -> dict[str, str]:
        """It for programs."""
        return {"owner": self.owner.value, "action": self.action}


def _you(action: str) -> Advice:
    return Advice(owner=Owner.YOU, action=action)


def _author(action: str) -> Advice:
    return Advice(owner=Owner.AUTHOR, action=action)


def _aws(action: str) -> Advice:
    return Advice(owner=Owner.AWS, action=action)


def _look(action: str) -> Advice:
    return Advice(owner=Owner.UNKNOWN, action=action)


_READ_THE_LOG: Final = "read the failed task's log: batchrun logs ID"

ADVICE: Final[dict[str, Advice]] = {
    "SERVICE_ERROR": _aws("try again; if it persists, open a support case with the run's arn"),
    "INSTANCE_RESERVATION_FAILED": _aws("try again later, or let tasks take other instance types"),
    "MODIFIED_INPUT_RESOURCE": _you("leave the inputs alone while runs read them, then retry"),
    "IMAGE_VERIFICATION_FAILURE": _author("push the container image again, then retry"),
    "EXPORT_FAILED": _you("let the role write to outputUri (s3:PutObject, and kms where it is encrypted)"),
    "IMPORT_FAILED": _you("check that each input exists, and that the role may read it (s3:GetObject)"),
    "RUN_TASK_FAILED": _look(_READ_THE_LOG),
    "WORKFLOW_RUN_FAILED": _look("read the engine's log: batchrun logs ID"),
    "ASSUME_ROLE_FAILED": _you("let omics.amazonaws.com assume roleArn, in the role's trust policy"),
    "ECR_PERMISSION_ERROR": _you("let HealthOmics pull the image, in the repository's policy"),
    "INVALID_ECR_IMAGE_URI": _author("name an image that exists in a private ECR repository of this Region"),
    "CANNOT_START_CONTAINER_ERROR": _author("check the image's entry point and its processor architecture"),
    "CANNOT_START_CONTAINER_SIZE_ERROR": _author("make the container image smaller"),
    "INPUT_URI_NOT_FOUND": _you("correct the input's URI, or put the object there"),
    "INVALID_URI_INPUT": _you("correct the input's URI"),
    "INVALID_RUN_PARAMETERS": _you("correct the parameters, or the file that parametersUri names"),
    "INACTIVE_OMICS_STORAGE_RESOURCE": _you("activate the read set or reference, then retry"),
    "UNSUPPORTED_INPUT_SIZE": _you("give inputs within the workflow's limits"),
    "INVALID_TASK_RESOURCE_VALUE": _author("ask for cpus, memory and gpus that an instance type has"),
    "OUT_OF_MEMORY_ERROR": _author("give the failed task more memory"),
    "FILE_SYSTEM_OUT_OF_SPACE": _you("raise storageCapacity, or use DYNAMIC storage"),
    "RUN_TIMED_OUT": _you("raise the run group's maxDuration, or find out why the run takes so long"),
    "TASK_TIMED_OUT": _author("raise the task's time limit, or find out why it takes so long"),
    "WORKFLOW_VER_VALIDATION_FAILED": _author("correct the workflow version's definition"),
    "UNSUPPORTED_GPU_INSTANCE_TYPE": _author("ask for a GPU type that this Region has"),
}

#: Reasons that only tasks have (UG/advanced-resource-configuration); tasks may have a run's reasons too.
TASK_ADVICE: Final[dict[str, Advice]] = {
    "ALL_PROFILES_INSTANCE_RESERVATION_FAILED": _author(
        "let the task fall back on more instance types, or try again later; the engine does not"
    ),
}

#: Reasons of runs that only say that a task's own reason, or its log, has to be looked at.
_GENERIC: Final = frozenset({"RUN_TASK_FAILED", "WORKFLOW_RUN_FAILED"})

_UNHEARD_OF: Final = _look("read the message, and the failed task's log: batchrun logs ID")

#: What to do about ends without a failed run.
_BY_STATE: Final = {
    State.CANCELLED: _you("nothing, if that was meant; else batchrun retry"),
    State.DELETED: _you("find out who deletes runs before their end is recorded; batchrun retry for results"),
    State.REFUSED: _you(
        "correct the row as the message says, then run with --changed resubmit; if right, batchrun retry"
    ),
}


def advice_for(state: State, failure_reason: str | None) -> Advice:
    """Return the advice for an entry that ended in *state*.

    Only failed runs have a reason; for an unknown one it is where to look.
    """
    return _BY_STATE.get(state) or ADVICE.get(failure_reason or "", _UNHEARD_OF)


def task_advice(failure_reason: str | None) -> Advice | None:
    """Return the advice for a failed task; None if its reason says nothing beyond its log."""
    reason = failure_reason or ""
    return None if reason in _GENERIC else TASK_ADVICE.get(reason) or ADVICE.get(reason)
