"""
The account's own limit of StartRun, where it may be read from Service Quotas.

Belongs here: that one question, asked once and never insisted on. Does not: what is made of the answer
(``model.pace``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import anyio
import structlog
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from batchrun.service.session import configured_region, is_loopback

if TYPE_CHECKING:
    from batchrun.service.target import Target

#: "StartRun requests per second" (UG/service-quotas).
_CODE: Final = "L-24A3B174"
#: Seconds after which we do without: the pace is found anyhow, only a little later.
_PATIENCE: Final = 3.0
_CONFIG: Final = AioConfig(
    retries={"total_max_attempts": 1, "mode": "standard"}, connect_timeout=_PATIENCE, read_timeout=_PATIENCE
)
log = structlog.get_logger(__name__)


async def start_run_quota(target: Target, omics_endpoint: str) -> float | None:
    """
    Ask for the applied quota of StartRun.

    Not asked of AWS where the runs are started on a local service, which has limits of its own.

    Returns:
        Calls per second; None where it may not be read, or nobody answers in time.
    """
    with anyio.move_on_after(_PATIENCE):
        try:
            session = AioSession(profile=target.profile)
            region = target.region or configured_region(session)
            made: Any = session.create_client("service-quotas", region_name=region, config=_CONFIG)
            async with made as client:
                if is_loopback(omics_endpoint) and not is_loopback(str(client.meta.endpoint_url)):
                    return None
                answer = await client.get_service_quota(ServiceCode="omics", QuotaCode=_CODE)
                return _rate(answer)
        except Exception as error:  # noqa: BLE001 (a help and no more; whatever is wrong, StartRun will tell)
            log.debug("quota_not_read", error=str(error))
    return None


def _rate(answer: dict[str, Any]) -> float | None:
    value = (answer.get("Quota") or {}).get("Value")
    if not isinstance(value, int | float) or not 0 < value <= 1_000_000:  # noqa: PLR2004 (else it makes no sense)
        return None
    log.info("quota_read", start_run_per_second=value)
    return float(value)
