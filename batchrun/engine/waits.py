"""What waits and can be let go of: one word reaches all of it."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager

import anyio


class Wait(enum.Enum):
    """What is waited for."""

    UNSENT = "unsent"  #: a turn, or whatever comes before it, for what was never sent
    UNSETTLED = "unsettled"  #: a turn for what may have been sent
    LOOK = "look"  #: how a run is
    NAME = "name"  #: whether a row has a run already: a survey may say so first
    SWEEP = "sweep"
    SURVEY = "survey"


class Waits:
    """The waits of one lane, each in a scope that can be cancelled without its task."""

    def __init__(self) -> None:
        self._scopes: dict[Wait, set[anyio.CancelScope]] = {kind: set() for kind in Wait}
        self._is_hurried = False
        self._shut: set[Wait] = set()

    @contextmanager
    def of(self, kind: Wait) -> Iterator[anyio.CancelScope]:
        """Let the block end when its kind is let go of; ``cancelled_caught`` says whether it was."""
        with anyio.CancelScope() as scope:
            if self._is_hurried or kind in self._shut:
                scope.cancel()
            self._scopes[kind].add(scope)
            try:
                yield scope
            finally:
                self._scopes[kind].discard(scope)

    def let_go(self, *kinds: Wait) -> None:
        """Let go of what waits now for one of these."""
        for kind in kinds:
            for scope in self._scopes[kind]:
                scope.cancel()

    def shut(self, *kinds: Wait) -> None:
        """Let go of these, also of what comes to wait, until they are opened."""
        self._shut.update(kinds)
        self.let_go(*kinds)

    def open(self) -> None:
        """Let come to wait again what was shut out."""
        self._shut.clear()

    def hurry(self) -> None:
        """Let go of everything, also of what comes to wait from now on."""
        self._is_hurried = True
        self.let_go(*Wait)
