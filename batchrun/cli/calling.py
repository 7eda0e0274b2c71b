"""
The way to the service, and to S3, for verbs that call them beside a launch, and the logs that calls make.

Belongs here: all of it, since a log that nobody has set up goes to stdout. Does not: launches
(``launching``), what is read and written.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from batchrun.api.objects import ObjectsOnce, OneLogin, StoreWhenNeeded
from batchrun.cli.options import PLAIN

if TYPE_CHECKING:
    from batchrun.api.opening import Opening
    from batchrun.api.session import Session
    from batchrun.cli.options import Account, Output, Service
    from batchrun.model.paces.pace import Rate


class Calling(Protocol):
    """What a verb was told that calls the service about a ledger's batch."""

    @property
    def ledger(self) -> str: ...  # noqa: D102
    @property
    def read_rate(self) -> Rate: ...  # noqa: D102
    @property
    def concurrency(self) -> int: ...  # noqa: D102
    @property
    def service(self) -> Service: ...  # noqa: D102
    @property
    def lanes(self) -> str | None: ...  # noqa: D102
    @property
    def output(self) -> Output: ...  # noqa: D102


def opening(options: Calling, login: OneLogin, *, region: str | None = None) -> Opening:
    """
    Return the way to a verb's ledger and service.

    Args:
        options: What the verb was told.
        login: Which all that it calls have in common.
        region: Where its calls go, unless it was told another.
    """
    from batchrun.api.opening import Opening  # noqa: PLC0415 (those who only read files open no ledger)

    login = login.beside(replace(login.target, region=login.target.region or region))
    return Opening(
        options.ledger,
        target=login.target,
        read_rate=options.read_rate,
        login=login,
        lanes=options.lanes,
        objects=ObjectsOnce(login),
    )


def session(options: Calling, login: OneLogin) -> Session:
    """Return the same for a verb that holds a batch."""
    from batchrun.api.session import Session  # noqa: PLC0415 (imports the engine)

    return Session(
        options.ledger,
        target=login.target,
        read_rate=options.read_rate,
        login=login,
        lanes=options.lanes,
        objects=ObjectsOnce(login),
    )


def login_of(options: Calling) -> OneLogin:
    """Return the one login of a verb; logs are set up before anybody is called."""
    target = options.service.target(concurrency=options.concurrency)
    return OneLogin(target, before=partial(_set_up_logs, options.output))


def login_to(account: Account, output: Output = PLAIN) -> OneLogin:
    """Return the one login of a verb that has no ledger; logs are set up likewise, as *output* says."""
    return OneLogin(account.target(), before=partial(_set_up_logs, output))


def objects(account: Account, output: Output = PLAIN) -> ObjectsOnce:
    """Return the files in the S3 of a verb that calls nobody else."""
    return ObjectsOnce(login_to(account, output))


def store(account: Account) -> StoreWhenNeeded:
    """Return that S3 to write to; likewise."""
    return StoreWhenNeeded(login_to(account))


def _set_up_logs(output: Output) -> None:
    from batchrun.cli.logs import configure_as  # noqa: PLC0415 (who reads files alone logs nothing)

    configure_as(output)
