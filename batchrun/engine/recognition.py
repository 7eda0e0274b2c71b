"""
Whether a service knows the runs that it is to be asked about, where nobody can say whose account it is.

Belongs here: the calls. Does not: which runs (``api.session``), and when an account is known (``service``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from batchrun.errors import CallError, NotFoundError, ServiceUnusableError
from batchrun.model.absence import is_there

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.model.entry import Run
    from batchrun.ports.service import HealthOmics

#: Runs that are asked for at once.
_AT_ONCE: Final = 8
#: From so many on it says something that none is known.
_SEVERAL: Final = 2


async def recognise(runs: Sequence[Run], service: HealthOmics, batch: str) -> None:
    """
    See that *service* knows one of *runs*, which all should be there; fewer than two say nothing.

    Raises:
        ServiceUnusableError: It knows none.
    """
    if len(runs) < _SEVERAL or not await _all_missing(runs, service):
        return
    raise ServiceUnusableError(
        f"the service knows none of {len(runs)} runs of batch '{batch}', and nobody can tell its account: "
        "other account or endpoint? nothing is decided and nothing is lost; give the --profile, --region and "
        "--endpoint-url that the batch was started with"
    )


async def _all_missing(runs: Sequence[Run], service: HealthOmics) -> bool:
    waiting, is_missing = iter(runs), True

    async def look() -> None:
        nonlocal is_missing
        for run in waiting:
            if not await _is_missing(run, service):
                is_missing = False
                group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for _ in range(_AT_ONCE):
            group.start_soon(look)
    return is_missing


async def _is_missing(run: Run, service: HealthOmics) -> bool:
    """Report whether *run* is certainly not there; where the call fails, whoever needs it will tell why."""
    try:
        return not is_there(run, (await service.get_run(run.id)).run)
    except NotFoundError:
        return True
    except CallError:
        return False
