"""One start: a call that must not take effect twice, whatever happens to its answers.

Fields that the installed botocore would silently leave out of a request are refused before.

Belongs here: its turns, until when it may be sent, and whether its outcome is unknown. Does not: what is sent
and how its answer is read (``client``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from batchrun import errors

if TYPE_CHECKING:
    from datetime import datetime

    from types_aiobotocore_omics import OmicsClient

    from batchrun.model.spec import Json
    from batchrun.service.calling.calls import Calls

T = TypeVar("T")
#: Seconds before its turn at which a start may prepare: a commit to disk takes less.
_EARLY: Final = 0.02
#: The options that set for how long the service is trusted to remember a requestId.
_WINDOWS: Final = {"StartRun": "--replay-window", "StartRunBatch": "--batch-replay-window"}


def check_known(client: OmicsClient, operation: str, request: Mapping[str, Json]) -> None:
    """Refuse a request with fields that the client's model lacks: its row may come from a newer batchrun.

    Raises:
        RefusedError: A field is unknown, at any depth except within free-form documents.
    """
    model: Any = client.meta.service_model.operation_model(operation)
    if unknown := sorted(set(_unknown(model.input_shape, request))):
        raise errors.RefusedError(
            f"the installed botocore does not know {', '.join(unknown)}; add a newer model with "
            "AWS_DATA_PATH, as 'batchrun help manifest' shows",
            operation=operation,
            code="UnknownField",
        )


def _unknown(shape: Any, value: object) -> Iterator[str]:
    """Yield the names in *value* that *shape* does not have."""
    if shape.type_name == "list" and isinstance(value, list):
        for item in value:
            yield from _unknown(shape.member, item)
    if shape.type_name != "structure" or shape.is_document_type or not isinstance(value, dict):
        return
    members = shape.members
    for name, inner in value.items():
        if name not in members:
            yield name
        elif isinstance(inner, dict | list):  # most values are texts, and each start passes here
            yield from _unknown(members[name], inner)


async def start_turn(calls: Calls, operation: str) -> float:
    """Wait until a moment before *operation* may be called once, and return the loop time at which."""
    return await calls.turns[operation].turn(early=_EARLY)


class Start(Generic[T]):
    """One request, sent as often as is needed and safe."""

    def __init__(
        self,
        calls: Calls,
        operation: str,
        send: Callable[[], Awaitable[T]],
        *,
        trusted_until: datetime,
        remembered_until: datetime,
        is_repeat: bool,
    ) -> None:
        """Prepare it; nothing is sent yet.

        Args:
            calls: Make the call.
            operation: The API's name.
            send: Sends the request once, and reads the answer.
            trusted_until: The clock's latest time from which nothing is sent.
            remembered_until: The same, once an outcome is unknown.
            is_repeat: Whether the outcome of an earlier call is unknown already.
        """
        self._calls = calls
        self._operation = operation
        self._send = send
        self._trusted_until = trusted_until
        self._repeated_until = min(trusted_until, remembered_until)
        self._doubt: errors.CallError | None = self._too_late(_WINDOWS[operation]) if is_repeat else None
        self._lost: errors.CallError | None = None
        self._failed: errors.CallError | None = None
        self._is_sent = False  #: whether the last try may have been sent

    async def at(self, turn: float) -> T:
        """Send it at its turn, and retry it by the policy at further turns.

        Raises:
            CallError: It failed for good; ``is_doubtful`` says whether a try may have taken effect.
            ServiceUnusableError: The service cannot be used.
        """
        trusted_for = (self._repeated_until - self._calls.clock.latest()).total_seconds()
        try:
            return await self._calls.call(self._operation, partial(self._attempt, turn), trusted_for)
        except errors.CallError as error:
            # The lost answer says why the outcome is unknown, not a retry that had no effect.
            had_none = isinstance(error, errors.ThrottledError | errors.NotSentError)
            failure = self._lost if self._lost is not None and had_none else error
            failure.is_doubtful = self._doubt is not None
            raise failure from error.__cause__
        finally:
            self._calls.caller.finished(self)

    async def _attempt(self, turn: float) -> T:
        at = turn if self._failed is None else await self._turn_after(self._failed)
        self._is_sent = False
        try:
            return await self._calls.at_turn(self._operation, at, self._send_once)
        except errors.CallError as error:
            self._failed = error
            if self._is_sent and isinstance(error, errors.OutcomeUnknownError):
                self._doubt = self._lost = error
            if self._is_sent and isinstance(error, errors.CredentialsError) and error.status is None:
                self._calls.caller.started_elsewhere(self)
            raise

    async def _turn_after(self, failed: errors.CallError) -> float:
        """Wait for the turn of a retry. Raises *failed* where the launch ends before it comes."""
        turn = await self._calls.unless_hurried(partial(start_turn, self._calls, self._operation))
        if turn is None:
            raise failed
        return turn

    async def _send_once(self) -> T:
        until = self._trusted_until if self._doubt is None else self._repeated_until
        if self._calls.clock.latest() >= until:
            # The turn came too late, or the machine slept: sent now, it might start a second run.
            raise self._too_late("--replay-window" if self._doubt is None else _WINDOWS[self._operation])
        self._calls.caller.check_start(self, self._calls.login, self._operation)
        self._is_sent = True
        return await self._send()

    def _too_late(self, window: str) -> errors.NotSentError:
        """Return the error for a request that is too old to be sent."""
        return errors.NotSentError(
            f"the requestId is older than {window}",
            operation=self._operation,
            code="ReplayWindowPassed",
        )
