"""One start: a call that must not take effect twice, whatever happens to its answers.

Fields that the installed botocore would silently leave out of a request are refused before.

Belongs here: its turns, until when it may be sent, and whether its outcome is unknown. Does not: what is sent
and how its answer is read (``client``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
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


@dataclass(slots=True)
class Start(Generic[T]):
    """One request, sent as often as is needed and safe."""

    calls: Calls
    operation: str  #: the API's name
    send: Callable[[], Awaitable[T]]  #: sends the request once, and reads the answer
    trusted_until: datetime  #: the clock's latest time from which nothing is sent
    remembered_until: datetime  #: the same, once an outcome is unknown
    is_repeat: bool  #: whether the outcome of an earlier call is unknown already
    _doubt: errors.CallError | None = None  #: why the outcome of a try is unknown
    _lost: errors.CallError | None = None
    _failed: errors.CallError | None = None
    _is_sent: bool = False  #: whether the last try may have been sent

    def __post_init__(self) -> None:
        self.remembered_until = min(self.trusted_until, self.remembered_until)
        if self.is_repeat:
            self._doubt = self._too_late(_WINDOWS[self.operation])

    async def at(self, turn: float) -> T:
        """Send it at its turn, and retry it by the policy at further turns.

        Raises:
            CallError: It failed for good; ``is_doubtful`` says whether a try may have taken effect.
            ServiceUnusableError: The service cannot be used.
        """
        trusted_for = (self.remembered_until - self.calls.clock.latest()).total_seconds()
        try:
            return await self.calls.call(self.operation, partial(self._attempt, turn), trusted_for)
        except errors.CallError as error:
            # The lost answer says why the outcome is unknown, not a retry that had no effect.
            had_none = isinstance(error, errors.ThrottledError | errors.NotSentError)
            failure = self._lost if self._lost is not None and had_none else error
            failure.is_doubtful = self._doubt is not None
            raise failure from error.__cause__
        finally:
            self.calls.caller.finished(self)

    async def _attempt(self, turn: float) -> T:
        at = turn if self._failed is None else await self._turn_after(self._failed)
        self._is_sent = False
        try:
            return await self.calls.at_turn(self.operation, at, self._send_once)
        except errors.CallError as error:
            self._failed = error
            if self._is_sent and isinstance(error, errors.OutcomeUnknownError):
                self._doubt = self._lost = error
            if self._is_sent and isinstance(error, errors.CredentialsError) and error.status is None:
                self.calls.caller.started_elsewhere(self)
            raise

    async def _turn_after(self, failed: errors.CallError) -> float:
        """Wait for the turn of a retry. Raises *failed* where the launch ends before it comes."""
        turn = await self.calls.unless_hurried(partial(start_turn, self.calls, self.operation))
        if turn is None:
            raise failed
        return turn

    async def _send_once(self) -> T:
        until = self.trusted_until if self._doubt is None else self.remembered_until
        if self.calls.clock.latest() >= until:
            # The turn came too late, or the machine slept: sent now, it might start a second run.
            raise self._too_late("--replay-window" if self._doubt is None else _WINDOWS[self.operation])
        self.calls.caller.check_start(self, self.calls.login, self.operation)
        self._is_sent = True
        return await self.send()

    def _too_late(self, window: str) -> errors.NotSentError:
        """Return the error for a request that is too old to be sent."""
        return errors.NotSentError(
            f"the requestId is older than {window}", operation=self.operation, code="ReplayWindowPassed"
        )
