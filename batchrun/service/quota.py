"""
The account's own limits, where they may be read from Service Quotas.

Belongs here: these questions, asked once and never insisted on. Does not: what is made of the answers
(``model.pace``, ``cli``).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import anyio
import structlog

from batchrun.model.foreign import masked
from batchrun.service.session import is_loopback, quotas_client
from batchrun.service.wire import table

if TYPE_CHECKING:
    from batchrun.service.login import Login

#: "StartRun requests per second" (UG/service-quotas).
_START_RUN: Final = "L-24A3B174"
#: Runs that are kept, active or not; at the limit new ones are refused (UG/service-quotas, UG/run-retention).
_KEPT_RUNS: Final = "L-C9679DBC"
#: Seconds after which we do without: the pace is found anyhow, only a little later.
_PATIENCE: Final = 3.0
#: Who has a local Service Quotas too says so in one of these.
_LOCAL_TOO: Final = ("AWS_ENDPOINT_URL_SERVICE_QUOTAS", "AWS_ENDPOINT_URL")
log = structlog.get_logger(__name__)


async def start_run_quota(login: Login, omics_endpoint: str) -> float | None:
    """
    Ask for the applied quota of StartRun.

    Returns:
        Calls per second; None where it may not be read, or nobody answers in time.
    """
    value = await _quota(login, omics_endpoint, _START_RUN)
    if value is not None:
        log.info("quota_read", start_run_per_second=value)
    return value


async def kept_runs_quota(login: Login, omics_endpoint: str) -> float | None:
    """Ask how many runs the account may keep; None where that may not be read."""
    return await _quota(login, omics_endpoint, _KEPT_RUNS)


async def _quota(login: Login, omics_endpoint: str, code: str) -> float | None:
    """Ask for one quota; not AWS, where the runs are started on a local service with limits of its own."""
    if is_loopback(omics_endpoint) and not any(os.environ.get(name) for name in _LOCAL_TOO):
        return None  # without a client, which takes a while to make
    with anyio.move_on_after(_PATIENCE):
        try:
            async with quotas_client(login, patience=_PATIENCE) as client:
                if is_loopback(omics_endpoint) and not is_loopback(str(client.meta.endpoint_url)):
                    return None
                answer = await client.get_service_quota(ServiceCode="omics", QuotaCode=code)
                return _value(answer)
        except Exception as error:  # noqa: BLE001 (a help and no more; whatever is wrong, StartRun will tell)
            log.debug("quota_not_read", error=masked(str(error)))
    return None


def _value(answer: dict[str, Any]) -> float | None:
    value = table(answer.get("Quota")).get("Value")
    if not isinstance(value, int | float) or not 0 < value <= 1_000_000:  # noqa: PLR2004 (else it makes no sense)
        return None
    return float(value)
