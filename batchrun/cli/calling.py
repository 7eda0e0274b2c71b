"""Verbs that call the service: their options, and opening the ledger, the service and S3.

Belongs here: setting up logging before calls, since logs go to stdout without it. Does not: launches
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
    """The options shared by verbs that call the service about a batch of a ledger."""

    ledger: str = LEDGER()
    read_rate: Rate = READ_RATE()
    lanes: str | None = REACHED()
    service: Service = group(Service)
    output: Output = group(Output)

    def login(self, concurrency: int) -> OneLogin:
        """Set up logging, and return the verb's only login, for *concurrency* calls at once."""
        target = self.service.target(concurrency=concurrency)
        return OneLogin(target, before=partial(_set_up_logs, self.output))

    def opening(self, login: OneLogin, *, region: str | None = None) -> Opening:
        """Return an opening of the ledger and the service, in *region* unless an option names another."""
        from batchrun.api.opening import Opening  # noqa: PLC0415 (reading a file opens no ledger)

        return self._opened(
            Opening, login.beside(replace(login.target, region=login.target.region or region))
        )

    def session(self, login: OneLogin) -> Session:
        """Return a session, for a verb that holds a batch."""
        from batchrun.api.session import Session  # noqa: PLC0415 (imports the engine)

        return self._opened(Session, login)

    def _opened(self, kind: type[T], login: OneLogin) -> T:
        objects = ObjectsOnce(login)
        return kind(self.ledger, login=login, read_rate=self.read_rate, lanes=self.lanes, objects=objects)


def login_to(account: Account, output: Output = PLAIN) -> OneLogin:
    """Set up logging as for *output*, and return the only login of a verb without a ledger."""
    return OneLogin(account.target(), before=partial(_set_up_logs, output))


def _set_up_logs(output: Output) -> None:
    from batchrun.cli.logs import configure  # noqa: PLC0415 (a verb that only reads files logs nothing)

    configure(output)
