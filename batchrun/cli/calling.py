"""
Verbs that call the service about a batch: their options, and the way to ledger, service, S3 and batch.

Belongs here: the logs of calls, since a log that nobody has set up goes to stdout; saying, or refusing, where
a batch is closed (it moved to another ledger, or is a copy to be read). Does not: launches (``launching``),
finding a batch (``api.reading``), why it is closed (``ledger``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from batchrun.api.objects import ObjectsOnce, OneLogin
from batchrun.api.reading import find_batch, find_row
from batchrun.cli.command import group
from batchrun.cli.options import LEDGER, PLAIN, REACHED, READ_RATE, Output, Service
from batchrun.cli.speak import complain
from batchrun.errors import BatchClosedError

if TYPE_CHECKING:
    from batchrun.api.opening import Opening
    from batchrun.api.session import Session
    from batchrun.cli.options import Account
    from batchrun.model.paces.pace import Rate
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.stored import Batch, Outcome

    T = TypeVar("T", bound=Opening)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calling:
    """The options of a verb that calls the service about a batch of a ledger, beside its own."""

    ledger: str = LEDGER()
    read_rate: Rate = READ_RATE()
    lanes: str | None = REACHED()
    service: Service = group(Service)
    output: Output = group(Output)

    def login(self, concurrency: int) -> OneLogin:
        """Return the one login of the verb, for so many calls at once; logs are set up before the first."""
        target = self.service.target(concurrency=concurrency)
        return OneLogin(target, before=partial(_set_up_logs, self.output))

    def opening(self, login: OneLogin, *, region: str | None = None) -> Opening:
        """Return the way to the ledger and the service, in *region* unless an option says another."""
        from batchrun.api.opening import Opening  # noqa: PLC0415 (those who only read files open no ledger)

        return self._opened(
            Opening, login.beside(replace(login.target, region=login.target.region or region))
        )

    def session(self, login: OneLogin) -> Session:
        """Return the same for a verb that holds a batch."""
        from batchrun.api.session import Session  # noqa: PLC0415 (imports the engine)

        return self._opened(Session, login)

    def _opened(self, kind: type[T], login: OneLogin) -> T:
        objects = ObjectsOnce(login)
        return kind(self.ledger, login=login, read_rate=self.read_rate, lanes=self.lanes, objects=objects)


def login_to(account: Account, output: Output = PLAIN) -> OneLogin:
    """Return the one login of a verb that has no ledger; logs are set up likewise, as *output* says."""
    return OneLogin(account.target(), before=partial(_set_up_logs, output))


def _set_up_logs(output: Output) -> None:
    from batchrun.cli.logs import configure_as  # noqa: PLC0415 (a verb that only reads files logs nothing)

    configure_as(output)


async def batch_to_read(ledger: Ledger, name: str | None) -> Batch:
    """Return the batch of this name, or the only one; say on stderr where another ledger has it now."""
    batch = await find_batch(ledger, name)
    await note_closed(ledger, batch.name)
    return batch


async def row_to_read(ledger: Ledger, entry_id: str, batch: str | None) -> Outcome:
    """Return the row of this id, or of the run of this id; warn as :func:`batch_to_read` does."""
    found = await find_row(ledger, entry_id, batch)
    await note_closed(ledger, found.entry.batch)
    return found


async def note_closed(ledger: Ledger, batch: str) -> None:
    """Say on stderr where the batch is worked on, unless that is here."""
    if why := await ledger.batch(batch).why_closed():
        complain(f"note: {why}")


async def batch_to_change(ledger: Ledger, name: str | None) -> Batch:
    """Return the batch of this name, or the only one. Raises BatchClosedError where another ledger has it."""
    batch = await find_batch(ledger, name)
    if why := await ledger.batch(batch.name).why_closed():
        raise BatchClosedError(why)
    return batch
