"""The account's quotas, where they may be read from Service Quotas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import anyio
import structlog

from batchrun.model.paces.quotas import CODES, Quotas
from batchrun.model.texts.foreign import is_loopback, masked
from batchrun.service.login import Login
from batchrun.service.session import named_endpoint, quotas_client
from batchrun.service.wire import table

#: The quota that a launcher paces by.
_START_RUN: Final = "start_runs_per_second"
#: Seconds to wait: without the quota the pace is found too, a little later.
_PATIENCE: Final = 3.0
log = structlog.get_logger(__name__)


async def start_run_quota(login: Login, omics_endpoint: str) -> float | None:
    """Return the applied quota of StartRun in calls per second; None where it cannot be read in time."""
    value = (await _asked(login, omics_endpoint, [_START_RUN])).get(_START_RUN)
    if value is not None:
        log.info("quota_read", start_run_per_second=value)
    return value


async def quotas(login: Login, omics_endpoint: str) -> Quotas:
    """Return the quotas that limit a batch; each is None where it cannot be read in time."""
    found = await _asked(login, omics_endpoint, list(CODES))
    return Quotas(
        start_runs_per_second=found.get(_START_RUN),
        **{name: int(value) for name, value in found.items() if name != _START_RUN},
    )


async def _asked(login: Login, omics_endpoint: str, names: Sequence[str]) -> Mapping[str, float]:
    """Ask in parallel; not AWS where the runs are a local service's, which has limits of its own."""
    if is_loopback(omics_endpoint) and not named_endpoint(login, "service_quotas"):
        return {}  # before making a client, which takes a while
    found: dict[str, float] = {}
    try:
        async with quotas_client(login, patience=_PATIENCE) as client:
            if is_loopback(omics_endpoint) and not is_loopback(str(client.meta.endpoint_url)):
                return {}
            with anyio.move_on_after(_PATIENCE):  # making a client does not count
                async with anyio.create_task_group() as group:
                    for name in names:
                        group.start_soon(_ask, client, name, found)
    except Exception as error:  # noqa: BLE001 (a help and no more; whatever is wrong, StartRun will tell)
        log.debug("quota_not_read", error=masked(str(error)))
    return found


async def _ask(client: Any, name: str, found: dict[str, float]) -> None:
    """Ask for one quota; a failure does not affect the others."""
    try:
        answer = await client.get_service_quota(ServiceCode="omics", QuotaCode=CODES[name])
    except Exception as error:  # noqa: BLE001 (likewise)
        log.debug("quota_not_read", quota=name, error=masked(str(error)))
        return
    value = table(answer.get("Quota")).get("Value")
    if isinstance(value, int | float) and 0 < value <= 1_000_000:  # noqa: PLR2004 (else it makes no sense)
        found[name] = float(value)
