"""The retry policy: which failures of a call are retried, how soon, and for how long.

Belongs here: the policy, on tenacity. Does not: what an error means (``classify``), pace (``pacing``), and
what becomes of an entry whose call failed for good (``engine``). Botocore's own retries are off, so that each
throttle is seen here.

- *Throttled*: retried for as long as it takes, at its next turn; it uses up no attempts.
- *Outcome unknown* (5xx, timeouts, dropped connections, unparsable answers): retried with the same requestId
  for ``patience`` seconds, then left to the engine, which settles it later.
- *Conflict*: retried a few times, since the call in flight that it conflicts with ends within seconds.
- *Everything else*: not retried.

Other waits grow exponentially with full jitter; all end at once when the launcher drains.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import tenacity

from batchrun.errors import CallError, ConflictError, NotSentError, OutcomeUnknownError, ThrottledError

if TYPE_CHECKING:
    import random

    from batchrun.clock import Clock

T = TypeVar("T")
#: Temporary failures.
_TEMPORARY: Final = (ThrottledError, OutcomeUnknownError, ConflictError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySettings:
    """The numbers of the policy."""

    base: float = 0.5  #: seconds: the first wait is between zero and this
    longest: float = 20.0  #: seconds: no wait is longer, whatever the number of tries
    patience: float = 30.0  #: seconds after the first failure until an unknown outcome is raised
    conflicts: int = 4  #: tries after which a conflict is raised


class CallRetries:
    """Retries a call until it succeeds, fails for good, or the launcher is in a hurry."""

    def __init__(self, settings: RetrySettings, *, clock: Clock, rng: random.Random) -> None:
        self._settings = settings
        self._clock = clock
        self._rng = rng
        #: Once it is set, every wait ends, and the first failure of a call is its last.
        self.hurried = anyio.Event()

    def apart(self) -> CallRetries:
        """Return the same policy with a hurry of its own."""
        return CallRetries(self._settings, clock=self._clock, rng=self._rng)

    async def unless_hurried(self, wait: Callable[[], Awaitable[T]]) -> T | None:
        """Return the result of *wait*, or cancel it and return None as soon as there is a hurry."""
        result = None
        async with anyio.create_task_group() as group:

            async def give_up() -> None:
                await self.hurried.wait()
                group.cancel_scope.cancel()

            group.start_soon(give_up)
            result = await wait()
            group.cancel_scope.cancel()
        return result

    async def run(self, call: Callable[[], Awaitable[T]], *, trusted_for: float = math.inf) -> T:
        """Retry *call*, which raises only our own errors.

        Args:
            call: One try, a fresh turn included.
            trusted_for: Seconds from now after which an unknown outcome is not retried.

        Raises:
            CallError: The last failure.
        """
        trusted_until = self._clock.monotonic() + trusted_for
        first: CallError | None = None
        try:
            return await call()
        except _TEMPORARY as error:
            first = error  # only a call that failed pays for the policy

        async def from_the_first() -> T:
            nonlocal first
            if first is not None:
                failure, first = first, None
                raise failure
            return await call()

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(_TEMPORARY),
            stop=self._stop_rule(trusted_until),
            wait=self._wait,
            sleep=self._nap,
            reraise=True,
        )
        return await retrying(from_the_first)

    def _stop_rule(self, trusted_until: float) -> Callable[[tenacity.RetryCallState], bool]:
        first_failure: float | None = None
        conflicts = 0

        def stop(state: tenacity.RetryCallState) -> bool:
            nonlocal first_failure, conflicts
            now = self._clock.monotonic()
            error = _failure(state)
            if isinstance(error, NotSentError):
                return True  # it comes too late from now on
            if isinstance(error, OutcomeUnknownError):
                first_failure = now if first_failure is None else first_failure
            conflicts += isinstance(error, ConflictError)
            is_over = first_failure is not None and (
                now - first_failure >= self._settings.patience or now + state.upcoming_sleep >= trusted_until
            )
            is_over = is_over and isinstance(error, OutcomeUnknownError)
            return self.hurried.is_set() or is_over or conflicts >= self._settings.conflicts

        return stop

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = _failure(state)
        if isinstance(error, ThrottledError):
            return 0.0  # its next turn is the wait
        most = min(self._settings.longest, self._settings.base * 2.0 ** min(state.attempt_number - 1, 16))
        hint = min(error.retry_after or 0.0, self._settings.longest)
        return max(self._rng.uniform(0, most), hint)

    async def _nap(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self.hurried.wait()


def _failure(state: tenacity.RetryCallState) -> CallError:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, CallError):
        raise TypeError(f"a call raised {error!r} instead of one of our own errors")
    return error
