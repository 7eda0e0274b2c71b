"""Asking what ended runs used, and storing each answer at once, so that stopping loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from batchrun.clock import Clock
from batchrun.engine.proof.absence import is_listed
from batchrun.engine.reach import Reach
from batchrun.errors import CallError, NotFoundError, ServiceUnusableError
from batchrun.model.costs import Usage
from batchrun.model.planning.listing import Sought
from batchrun.ports.ledger import Ledger
from batchrun.ports.service import HealthOmics
from batchrun.ports.stored import EndedRun
from batchrun.side_by_side import each


@dataclass(slots=True, kw_only=True)
class UsageAnswers:
    """What the calls showed."""

    known: int = 0
    gone: int = 0  #: no longer at the service
    unknown: list[tuple[EndedRun, str]] = field(default_factory=list)  #: no answer this time, and why

    @property
    def done(self) -> int:
        """How many were asked about."""
        return self.known + self.gone + len(self.unknown)


async def ask_usage(
    runs: Sequence[EndedRun],
    *,
    ledger: Ledger,
    reach: Reach,
    clock: Clock,
    at_once: int,
    tell: Callable[[UsageAnswers], None],
) -> UsageAnswers:
    """Ask what *runs* used, *at_once* at a time, and store each answer; *tell* is called after each.

    Raises:
        ServiceUnusableError: The service cannot be used, or a permission is missing.
        LedgerError: It cannot be stored.
    """
    asked = UsageAnswers()

    async def ask(run: EndedRun) -> None:
        await _ask(run, ledger, reach, clock, asked)
        tell(asked)

    await each(ask, runs, at_once=at_once)
    return asked


async def _usage(spent: EndedRun, service: HealthOmics) -> Usage | None:
    """Return what the run used; None where the service neither finds nor lists it."""
    try:
        return await service.usage(spent.run)
    except NotFoundError:
        if await is_listed(service, Sought(run=spent.run, name=spent.name), None):
            raise
        return None


async def _ask(spent: EndedRun, ledger: Ledger, reach: Reach, clock: Clock, asked: UsageAnswers) -> None:
    try:
        usage = await _usage(spent, reach.of(spent.lane))
    except (CallError, ServiceUnusableError) as error:
        asked.unknown.append((spent, reach.why_not(error, spent.lane)))
        return
    # Not shielded from a signal: the ledger does what it was asked for, and may then not wait long.
    await ledger.keep_usage(spent.run.uuid, usage, at=clock.utcnow())
    asked.known += usage is not None
    asked.gone += usage is None
