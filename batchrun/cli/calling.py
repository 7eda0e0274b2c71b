"""
Verbs that call the service: their options, and the way to ledger, service and S3.

Belongs here: the logs of calls, since a log that nobody has set up goes to stdout. Does not: launches
(``launching``), which batch or row is meant (``naming``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from batchrun.api.objects import ObjectsOnce, OneLogin
from batchrun.cli.command import group
from batchrun.cli.options import LEDGER, PLAIN, REACHED, READ_RATE, Account, Output, Service
from batchrun.model.paces.rates import Rate

if TYPE_CHECKING:
    from batchrun.api.opening import Opening
    from batchrun.api.session import Session

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
