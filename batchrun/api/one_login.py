"""
The login that all share who call anybody in one command, so that nobody is asked twice for a code.

Belongs here: making it when it is first needed, since a client takes long to import. Does not: logging in
(``service``), making another once it is not good any more (``service.outage``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchrun.service.login import Login
    from batchrun.service.target import Target


class OneLogin:
    """A login that is made when it is first used."""

    def __init__(self, target: Target, *, before: Callable[[], None] | None = None) -> None:
        """Take whose it is, and what is to be done *before* anybody is called."""
        self._target = target
        self._before = before
        self._made: Login | None = None

    def get(self) -> Login:
        """Return it."""
        if self._made is None:
            from batchrun.service.login import Login  # noqa: PLC0415 (loads aiobotocore)

            if self._before is not None:
                self._before()
            self._made = Login(self._target)
        return self._made
