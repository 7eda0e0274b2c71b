"""
Credentials that botocore signs with, looked after: in time, checked, and explained where there are none.

Botocore would run a helper once for each call that waits for it, and again for each call while short-lived
credentials last. Here one search is made for all, credentials are used for as long as they are good, and a
search that failed is not made again: who wants another logs in anew (``login``).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import anyio
import structlog
from aiobotocore.credentials import AioCredentials

from batchrun.errors import ServiceUnusableError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

#: Seconds before they expire at which new ones are looked for, as botocore has it.
_EARLY: Final = 900
#: Seconds between two looks for new ones, at most; half the time left, where that is less.
_LOOK_EVERY: Final = 60.0
_TIMES_LEFT: Final = (120, 60, 30, 10, 4, 2, 1)
#: What a header may hold; a line break there breaks the call.
_PLAIN: Final = re.compile(r"[!-~]+")
log = structlog.get_logger(__name__)


class Guard(AioCredentials):
    """What clients of one login sign with."""

    def __init__(self, found: Any, freeze: Callable[[Any], Awaitable[tuple[Any, Any]]]) -> None:
        """
        Look after what a provider *found*, in botocore's words.

        *freeze* makes keys of it that can be signed with, and returns what was found since; it raises
        UsageError or ServiceUnusableError.
        """
        super().__init__("", "", method=found.method)  # keys are read by the method below alone
        self._found = found
        self._freeze = freeze
        self._frozen: Any = None
        self._failure: UsageError | ServiceUnusableError | None = None
        self._look_at = float("-inf")
        self._one_at_a_time = anyio.Lock()

    async def get_frozen_credentials(self) -> Any:  # type: ignore[override]
        """Return keys that are good now, as botocore asks for before each call; raises as ``freeze`` does."""
        if self._is_good_for(_EARLY):
            return self._frozen
        if self._is_good_for(0) and (self._is_early() or self._one_at_a_time.locked()):
            return self._frozen
        async with self._one_at_a_time:
            if not (self._is_good_for(_EARLY) or (self._is_good_for(0) and self._is_early())):
                await self._renew()
        return self._frozen

    @property
    def expires(self) -> datetime | None:
        """When its keys end, aware; None where they do not, or that is unknown."""
        found: datetime | None = getattr(self._found, "_expiry_time", None)
        return found

    async def get_account_id(self) -> Any:  # type: ignore[override]
        """Return the account's number, where the provider knows it."""
        return (await self.get_frozen_credentials()).account_id

    def _is_good_for(self, seconds: float) -> bool:
        may_end = getattr(self._found, "refresh_needed", None)
        return self._frozen is not None and (may_end is None or not may_end(seconds))

    def _is_early(self) -> bool:
        return anyio.current_time() < self._look_at

    async def _renew(self) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            self._found, self._frozen = await self._freeze(self._found)
        except (UsageError, ServiceUnusableError) as error:
            if not self._is_good_for(0):
                self._failure = error
                raise
            log.debug("credentials_not_renewed", error=str(error))
        left = next((seconds for seconds in _TIMES_LEFT if self._is_good_for(seconds)), 0)
        self._look_at = anyio.current_time() + min(_LOOK_EVERY, left / 2)


def check(frozen: Any) -> None:
    """Hold keys against what can be signed with. Raises ValueError where they cannot be."""
    keys = {
        "access key": frozen.access_key,
        "secret": frozen.secret_key,
        "session token": frozen.token or "-",
    }
    for name, key in keys.items():
        if not isinstance(key, str) or not _PLAIN.fullmatch(key):
            raise ValueError(f"the {name} has a character that no key has, such as a space or a line break")
