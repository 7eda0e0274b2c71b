"""
What may stand where in a StartRunBatch, and the StartRun that a row of it amounts to.

What does not belong here: rules of StartRun itself (``admission``), and when a row is tried
(``batch_submission``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrun.simulator import admission
from batchrun.simulator.refusal import invalid
from batchrun.simulator.wire import members_of, shape_check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from batchrun.simulator.settings import Workflow

    Params = Mapping[str, Any]

#: What the default's and a row's are put together from, key by key; all else a row replaces.
_MERGED = ("parameters", "runTags")
_S3 = "s3://"


def check_common(request: Params, workflow_of: Callable[[Params], Workflow]) -> None:
    """
    Hold against the rules what is looked at before a batch is accepted: all but the rows.

    Raises:
        RefusalError: the first rule that is broken.
    """
    default = request["defaultRunSetting"]
    settings = request["batchRunSettings"]
    _require_known(default, "DefaultRunSetting", "defaultRunSetting")
    if default.get("workflowType", "PRIVATE") != "PRIVATE":
        raise invalid("READY2RUN workflows cannot be run in a batch")
    if "cacheBehavior" in default and "cacheId" not in default:
        raise invalid("cacheBehavior needs a cacheId")
    if not str(default.get("outputUri", _S3)).startswith(_S3):
        raise invalid("outputUri must be an S3 URI")
    admission.check_tags(request.get("tags", {}))
    admission.check_tags(default.get("runTags", {}))
    admission.require_active(workflow_of(default))
    if settings.keys() not in ({"inlineSettings"}, {"s3UriSettings"}):
        raise invalid("batchRunSettings must have exactly one of inlineSettings and s3UriSettings")
    require_unique(settings.get("inlineSettings", ()))


def require_unique(settings: Sequence[Params]) -> None:
    """
    See to it that every row has a runSettingId of its own.

    Raises:
        RefusalError: one has none, or that of another.
    """
    seen = set()
    for place, setting in enumerate(settings, 1):
        name = setting.get("runSettingId")
        if not isinstance(name, str) or not name:
            raise invalid(f"entry {place} has no runSettingId")
        if name in seen:
            raise invalid(f"runSettingId {name} is there more than once")
        seen.add(name)


def start_of(default: Params, setting: Params) -> dict[str, Any]:
    """
    Return the StartRun that a row amounts to, without its requestId.

    Raises:
        RefusalError: the row has what no row may have, or too little.
    """
    _require_known(setting, "InlineSetting", f"the entry {setting['runSettingId']}")
    shape_check("InlineSetting")(setting)
    common, own = _given(default), _given(setting)
    merged = {name: {**common.get(name, {}), **own.get(name, {})} for name in _MERGED}
    request = {**common, **own, **{name: value for name, value in merged.items() if value}}
    request.pop("runSettingId")
    if "outputUri" not in request:
        raise invalid("outputUri must be given, by the row or for all")
    tags = request.pop("runTags", None)
    return request if tags is None else {**request, "tags": tags}


def _given(fields: Params) -> dict[str, Any]:
    """Leave out what is null, as the wire does where a field stands by itself."""
    return {name: value for name, value in fields.items() if value is not None}


def _require_known(given: Params, shape: str, place: str) -> None:
    if unknown := sorted(given.keys() - members_of(shape)):
        raise invalid(f"{', '.join(unknown)} cannot be given in {place} of a batch")
