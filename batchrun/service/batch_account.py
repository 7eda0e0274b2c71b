"""The account that the runs of one batch are in, as answers tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from batchrun.errors import CredentialsError
from batchrun.model.lanes import account_of

if TYPE_CHECKING:
    from batchrun.service.calling.calls import Calls

log = structlog.get_logger(__name__)


class BatchAccount:
    """The account of one batch; None where nobody knows it yet."""

    def __init__(self, calls: Calls) -> None:
        """Learn it from the answers to *calls*."""
        self._calls = calls
        self._number: str | None = None
        self._strays: set[str] = set()  #: ARNs of ours in another account, each warned of once

    def expect(self, number: str | None) -> None:
        """Take no other account's answers from now on."""
        self._number = number
        self._calls.caller.expect(number)

    @property
    def is_known(self) -> bool:
        """Whether answers are known to come from it."""
        return self._calls.caller.is_known and self._number == self._calls.caller.account

    def met_new(self, arn: str, operation: str, *, event: str) -> None:
        """
        Take note of what was started: where nobody knew, the batch is of its account from now on.

        Where it is in another, *event* is the warning.

        Raises:
            CredentialsError: It is in another account than the batch.
        """
        try:
            self._calls.met(arn, operation)
        except CredentialsError:
            if arn not in self._strays:
                self._strays.add(arn)
                log.warning(event, arn=arn, cure="cancel it there")
            raise
        self._number = self._number or account_of(arn)
