"""Reaching the runs of a batch in any lane without launching it, and looking some of them up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from batchrun.engine.launch_errors import not_permitted
from batchrun.errors import AccessDeniedError, CallError, NotFoundError, ServiceUnusableError
from batchrun.model.entries.entry import Entry, Run, run_name
from batchrun.model.lanes import or_home
from batchrun.model.planning.listing import sought
from batchrun.model.planning.verdicts import is_there
from batchrun.ports.service import HealthOmics
from batchrun.side_by_side import each


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The services of a batch by lane; in a batch without lanes a single one under None."""

    services: Mapping[str | None, HealthOmics]
    home: str | None = None  #: the lane of rows that were sent before the batch had lanes
    #: Lanes that cannot be used. They grow by :meth:`why_not`, so that each lane is waited for once.
    stopped: dict[str, ServiceUnusableError] = field(default_factory=dict)

    def of(self, lane: str | None) -> HealthOmics:
        """Return the service that has the runs of *lane*.

        Raises:
            ServiceUnusableError: It cannot be used, or nothing says how to reach it.
        """
        name = or_home(lane, self.home)
        if name is not None and name in self.stopped:
            raise ServiceUnusableError(f"lane {name}: {self.stopped[name]}")
        if name in self.services:
            return self.services[name]
        raise ServiceUnusableError(f"nothing says how lane {name} is reached; give --lanes FILE that has it")

    def why_not(self, error: CallError | ServiceUnusableError, lane: str | None) -> str:
        """Return in words why a call for one run in *lane* failed; a lane that cannot be used is stopped.

        Raises:
            ServiceUnusableError: The only lane cannot be used, so no other run can be asked for either.
        """
        if not isinstance(error, AccessDeniedError | ServiceUnusableError):
            return f"{error.code}: {error.message}"
        if None in self.services:
            raise not_permitted(error.operation, error) if isinstance(error, AccessDeniedError) else error
        name = or_home(lane, self.home)
        if isinstance(error, CallError) or name is None or name not in self.services:
            return str(error)
        return f"lane {name}: {self.stopped.setdefault(name, error)}"


#: Why a run is neither there nor gone.
LISTED = "ListRuns shows its run, but GetRun does not find it"


@dataclass(slots=True, kw_only=True)
class Looked:
    """What a look-up found."""

    there: list[tuple[Entry, Run]] = field(default_factory=list)  #: with the run's current state
    gone: list[Entry] = field(default_factory=list)
    unknown: list[tuple[Entry, str]] = field(default_factory=list)  #: and why


async def look_for(entries: Iterable[Entry], *, reach: Reach, at_once: int) -> Looked:
    """Look up the run of each of *entries*, also in a listing where GetRun does not find it.

    Runs in a lane that cannot be used are unknown.

    Raises:
        ServiceUnusableError: The service, where it is the only one, cannot be used, or lacks a permission.
    """
    looked = Looked()

    async def look(entry: Entry) -> None:
        if entry.run is not None:
            await _look_for(entry, entry.run, reach, looked)

    await each(look, entries, at_once=at_once)
    return looked


async def _look_for(entry: Entry, run: Run, reach: Reach, looked: Looked) -> None:
    from batchrun.engine.proof.absence import is_listed  # noqa: PLC0415 (it logs: not for every verb)

    try:
        service = reach.of(entry.lane)
        found = await _found(run, service)
        if found is not None and is_there(run, found):
            current = replace(found, uuid=run.uuid, arn=found.arn or run.arn)
            looked.there.append((entry, current))
        elif await is_listed(service, sought(entry, run, run_name(entry)), found):
            looked.unknown.append((entry, LISTED))
        else:
            looked.gone.append(entry)
    except (CallError, ServiceUnusableError) as error:
        looked.unknown.append((entry, reach.why_not(error, entry.lane)))


async def _found(run: Run, service: HealthOmics) -> Run | None:
    try:
        return (await service.get_run(run.id)).run
    except NotFoundError:
        return None
