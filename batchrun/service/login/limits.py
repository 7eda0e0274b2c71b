"""
How long it may take to get credentials.

Belongs here: the limits, and one search's time running out. Does not: what is said then (``words``).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator


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
        """
        End the block when the time is over.

        Raises:
            TimeoutError: It was.
        """
        self.given = self._limits.machine
        with anyio.CancelScope(deadline=anyio.current_time() + self.given) as scope:
            self._scope = scope
            yield
        if scope.cancelled_caught:
            raise TimeoutError

    def wait_for_a_person(self) -> None:
        """Begin the longer time: somebody is being asked."""
        if self._scope is not None:
            self.given = self._limits.person
            self._scope.deadline = anyio.current_time() + self.given
