"""
The one question of Service Quotas that a launcher asks: how often may StartRun be called.

What belongs here: that answer, in the service's JSON protocol. What does not: the limit itself (``buckets``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.simulator.wire import Reply, json_object, json_reply

if TYPE_CHECKING:
    from batchrun.simulator.buckets import Buckets

#: What the operations of Service Quotas are called by, in the header X-Amz-Target.
SERVICE_QUOTAS = "ServiceQuotasV20190624."
_START_RUN = "L-24A3B174"


def quota_reply(target: str, body: bytes, buckets: Buckets) -> Reply:
    """Answer GetServiceQuota for StartRun's rate; every other question is about what does not exist."""
    asked = json_object(body)
    limit = buckets.limit("StartRun")
    is_known = (asked.get("ServiceCode"), asked.get("QuotaCode")) == ("omics", _START_RUN)
    if target != f"{SERVICE_QUOTAS}GetServiceQuota" or not is_known or limit is None:
        refusal = json_reply({"__type": "NoSuchResourceException", "Message": "There is no such quota"})
        return Reply(status=400, body=refusal.body, headers=refusal.headers)
    return json_reply(
        {
            "Quota": {
                "ServiceCode": "omics",
                "QuotaCode": _START_RUN,
                "QuotaName": "StartRun requests per second",
                "Value": limit.rate,
                "Adjustable": True,
            }
        }
    )
