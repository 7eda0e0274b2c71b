"""How long it may take to get credentials."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import anyio


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds that it may take."""

    machine: float = 15.0  #: where only programs and services answer
    person: float = 120.0  #: where somebody looks for a phone and types a code


class TimeLeft:
    """The time that one search for credentials has left; a person gets more of it than a machine."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._scope: anyio.CancelScope | None = None
        self.given = limits.machine  #: seconds in all

    @contextmanager
    def running(self) -> Iterator[None]:
        """End the block when the time is over. Raises TimeoutError where it was."""
        self.given = self._limits.machine
        with anyio.CancelScope(deadline=anyio.current_time() + self.given) as scope:
            self._scope = scope
            yield
        if scope.cancelled_caught:
            raise TimeoutError

    @asynccontextmanager
    async def for_a_person(self, terminal: anyio.Lock) -> AsyncIterator[None]:
        """Wait for the *terminal*, for as long as others ask there, and begin the longer time."""
        self._end_in(math.inf)
        async with terminal:
            self.given = self._limits.person
            self._end_in(self.given)
            yield

    def _end_in(self, seconds: float) -> None:
        if self._scope is not None:
            self._scope.deadline = anyio.current_time() + seconds
