"""
The questions of Service Quotas that a launcher asks: how often it may call StartRun, how many runs may be.

What belongs here: the answers, in the service's JSON protocol. What does not: the limits themselves
(``buckets``, ``settings``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.simulator.wire import Reply, json_object, json_reply

if TYPE_CHECKING:
    from batchrun.simulator.buckets import Buckets
    from batchrun.simulator.settings import Settings

#: What the operations of Service Quotas are called by, in the header X-Amz-Target.
SERVICE_QUOTAS = "ServiceQuotasV20190624."


def quota_reply(target: str, body: bytes, settings: Settings, buckets: Buckets) -> Reply:
    """Answer GetServiceQuota; a question about what has no limit is one about what does not exist."""
    asked = json_object(body)
    code = str(asked.get("QuotaCode"))
    name, value = _quotas(settings, buckets).get(code, ("", None))
    is_known = target == f"{SERVICE_QUOTAS}GetServiceQuota" and asked.get("ServiceCode") == "omics"
    if not is_known or value is None:
        refusal = json_reply({"__type": "NoSuchResourceException", "Message": "There is no such quota"})
        return Reply(status=400, body=refusal.body, headers=refusal.headers)
    return json_reply(
        {
            "Quota": {
                "ServiceCode": "omics",
                "QuotaCode": code,
                "QuotaName": name,
                "Value": value,
                "Adjustable": True,
            }
        }
    )


def _quotas(settings: Settings, buckets: Buckets) -> dict[str, tuple[str, float | None]]:
    """Return names and values by code."""
    starts = buckets.limit("StartRun")
    return {
        "L-24A3B174": ("StartRun requests per second", starts.rate if starts else None),
        "L-C9679DBC": ("Maximum runs", settings.max_stored),
        "L-BE38079A": ("Maximum concurrent active runs, dynamic storage", settings.max_active),
        "L-A30FD31B": ("Maximum concurrent active runs, static storage", settings.max_active_static),
        "L-AFB19B96": ("Maximum active GPUs", settings.max_gpus),
    }
