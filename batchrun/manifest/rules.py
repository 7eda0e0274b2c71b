"""Rules of the service that botocore's model of StartRun does not have: S3 outputs, tags, sizes.

Belongs here: rules that are certain, from AWS's documentation. Does not: rules that the service may or may
not apply, such as storage sizes.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from typing import Final, TypeAlias

from batchrun.manifest import limits
from batchrun.manifest.model_check import Check, Context, Field, RequestModel, compiled
from batchrun.manifest.problems import Path, Place, Problems, shown
from batchrun.model.spec import OWN_TAGS, Json, canonical
from batchrun.model.submissions.grouping import why_alone
from batchrun.service_model import start_run_shape

_Rule: TypeAlias = "Callable[[Json, Path, Context], None]"

_S3 = re.compile(r"s3://[^/\s]+(?:/.*)?", re.DOTALL)
_OWN_PREFIX: Final = "batchrun:"
#: What ``aws sts get-caller-identity`` says of who has assumed a role.
_SESSION: Final = re.compile(
    r"arn:(?P<partition>[a-z-]+):sts::(?P<account>[0-9]{12}):assumed-role/(?P<role>[^/]+)/.*", re.DOTALL
)
_KINDS: Final = {
    "root": "an account",
    "user": "a user",
    "group": "a group",
    "policy": "a policy",
    "instance-profile": "an instance profile",
}
_NO_ROLE: Final = re.compile(rf"arn:[a-z-]+:iam::[0-9]{{12}}:({'|'.join(_KINDS)})(?:/|\Z)")


@functools.cache
def start_run(*, own_tags: bool = True) -> RequestModel:
    """Return StartRun's model with these rules; *own_tags* reserves room for batchrun's tags."""
    return with_rules(compiled(start_run_shape()), own_tags=own_tags)


def with_rules(model: RequestModel, *, own_tags: bool) -> RequestModel:
    """Add these rules to the checks of the model."""
    rules: dict[str, _Rule] = {
        "outputUri": _output_uri,
        "roleArn": _role_arn,
        "tags": functools.partial(_tags, own_tags=own_tags),
    }
    fields = {
        name: _with_rule(field, rules[name]) if name in rules else field
        for name, field in model.fields.items()
    }
    return dataclasses.replace(model, fields=fields)


def _with_rule(field: Field, rule: _Rule) -> Field:
    check: Check = field.check

    def both(value: Json, path: Path, context: Context) -> Json:
        result = check(value, path, context)
        # The check returns None if it has reported a problem.
        if result:
            rule(result, path, context)
        return result

    return dataclasses.replace(field, check=both)


def _output_uri(value: Json, path: Path, context: Context) -> None:
    if not _S3.fullmatch(str(value)):
        context.report(path, f"{shown(value)} is not a place in S3", "write s3://BUCKET/PREFIX/")


def _role_arn(value: Json, path: Path, context: Context) -> None:
    if session := _SESSION.fullmatch(str(value)):
        role = f"arn:{session['partition']}:iam::{session['account']}:role/{session['role']}"
        cure = f"write the role that HealthOmics is to take, such as {shown(role)}"
        context.report(path, f"{shown(value)} is a session of a role, and no role", cure)
    elif other := _NO_ROLE.match(str(value)):
        cure = "write the role that HealthOmics is to take: arn:aws:iam::ACCOUNT:role/NAME"
        context.report(path, f"{shown(value)} is the ARN of {_KINDS[other[1]]}, and no role", cure)


def _tags(value: Json, path: Path, context: Context, *, own_tags: bool) -> None:
    tags = value if isinstance(value, dict) else {}
    room = limits.TAGS - (len(OWN_TAGS) if own_tags else 0)
    if len(tags) > room:
        why = f" beside batchrun's own {len(OWN_TAGS)}" if own_tags else ""
        context.report(path, f"there are {len(tags)} tags", f"keep at most {room}{why}")
    for key in tags:
        if key.lower().startswith("aws:"):
            context.report((*path, key), "keys that begin with aws: belong to AWS", "rename the tag")
        elif own_tags and key.startswith(_OWN_PREFIX):
            cure = f"rename the tag; {_OWN_PREFIX} is set by batchrun itself"
            context.report((*path, key), "this key is one of batchrun's", cure)


def check_size(parameters: Json, context: Context, path: Path = ("parameters",)) -> None:
    """Report parameters that are too large for StartRun."""
    if not isinstance(parameters, dict):
        return
    size = len(canonical(parameters).encode(errors="replace"))
    if size > limits.PARAMETERS:
        cure = f"at most {limits.PARAMETERS} are allowed: pass a sample sheet or an S3 prefix instead"
        context.report(path, f"{size} bytes of JSON", cure)


def check_together(entry_id: str, content: str, place: Place, problems: Problems) -> None:
    """Report a row with this content (:mod:`lanes`) if StartRunBatch cannot start it."""
    if (why := why_alone(entry_id, content)) is not None:
        cure = "give --engine auto, which sends it by StartRun"
        problems.add(place, f"StartRunBatch cannot start this row: {why}", cure, row=entry_id)
