"""
Deleting ended runs from the service, on request: their records go, outputs and logs stay.

Belongs here: the calls, in an order that never deletes another's run. Does not: which runs (``cli``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import anyio

from batchrun.engine.denied import not_permitted
from batchrun.errors import AccessDeniedError, CallError, NotFoundError, OutcomeUnknownError
from batchrun.model.states import Outlook, outlook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.clock import Clock
    from batchrun.ports.cancelling import EndedRun
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.service import HealthOmics

#: Seconds before each repetition of a call whose answer was lost.
_WAITS: Final = (1.0, 4.0, 16.0)


@dataclass(slots=True, kw_only=True)
class Deleted:
    """What became of runs that were to be deleted."""

    deleted: list[EndedRun] = field(default_factory=list)
    gone: list[EndedRun] = field(default_factory=list)  #: were not there any more
    kept: list[tuple[EndedRun, str]] = field(default_factory=list)  #: and why


async def delete(
    runs: Sequence[EndedRun], *, ledger: Ledger, service: HealthOmics, clock: Clock, concurrency: int
) -> Deleted:
    """
    Delete *runs*, each right after GetRun has shown that the id is still its own.

    What was deleted is recorded every so often; a run that is deleted again counts as gone.

    Raises:
        ServiceUnusableError: The service cannot be used, or a permission is missing.
        LedgerError: It cannot be recorded.
    """
    done = Deleted()
    for begin in range(0, len(runs), concurrency):
        part = runs[begin : begin + concurrency]
        try:
            async with anyio.create_task_group() as group:
                for run in part:
                    group.start_soon(_delete, run, service, done, clock)
        finally:
            with anyio.CancelScope(shield=True):
                gone = {run.run_uuid for run in (*done.deleted, *done.gone)}
                await ledger.keep_deleted(gone & {run.run_uuid for run in part}, at=clock.utcnow())
    return done


async def _delete(run: EndedRun, service: HealthOmics, done: Deleted, clock: Clock) -> None:
    for wait in (*_WAITS, None):
        try:
            await _look_and_delete(run, service, done)
        except OutcomeUnknownError as error:
            # Where it was deleted all the same, the id may be another run's already: look again first.
            if wait is None:
                done.kept.append((run, f"{error.code}: {error.message}"))
                return
            await clock.sleep(wait)
        except NotFoundError:
            done.gone.append(run)
            return
        except AccessDeniedError as error:
            raise not_permitted(error.operation, error) from error
        except CallError as error:
            done.kept.append((run, f"{error.code}: {error.message}"))
            return
        else:
            return


async def _look_and_delete(run: EndedRun, service: HealthOmics, done: Deleted) -> None:
    sighting = await service.get_run(run.run_id)
    if sighting.run.uuid != run.run_uuid:
        done.gone.append(run)
    elif outlook(sighting.run.status) is Outlook.GOING:
        done.kept.append((run, f"it is {sighting.run.status}"))
    else:
        await service.delete_run(run.run_id)
        done.deleted.append(run)
