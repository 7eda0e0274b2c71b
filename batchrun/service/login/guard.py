"""The credentials that botocore signs with, renewed in time and checked.

Botocore would run a helper once for each call that waits for it, and again for each call while credentials
are about to expire. Here one search serves all calls, credentials are used while they are valid, and a search
that failed is not repeated: for another, log in anew (``login``).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

import anyio
import structlog
from aiobotocore.credentials import AioCredentials

from batchrun.errors import ServiceUnusableError, UsageError

#: Seconds before they expire at which new ones are looked for, as in botocore.
_EARLY: Final = 900
#: Seconds between two searches for new ones, at most; half the time left where that is less.
_LOOK_EVERY: Final = 60.0
_TIMES_LEFT: Final = (120, 60, 30, 10, 4, 2, 1)
#: What a header may contain: a line break would break the call.
_PLAIN: Final = re.compile(r"[!-~]+")
log = structlog.get_logger(__name__)


class Guard(AioCredentials):
    """The credentials that clients of one login sign with."""

    def __init__(self, found: Any, freeze: Callable[[Any], Awaitable[tuple[Any, Any]]]) -> None:
        """Wrap the credentials that a provider *found*, botocore's own object.

        *freeze* returns the current ones, which may be new, and keys to sign with; it raises UsageError or
        ServiceUnusableError.
        """
        super().__init__("", "", method=found.method)  # keys are read by the method below
        self._found = found
        self._freeze = freeze
        self._frozen: Any = None
        self._failure: UsageError | ServiceUnusableError | None = None
        self._look_at = float("-inf")
        self._one_at_a_time = anyio.Lock()

    async def get_frozen_credentials(self) -> Any:  # type: ignore[override]
        """Return valid keys, which botocore asks for before each call; raises as ``freeze`` does."""
        if self._is_good_for(_EARLY):
            return self._frozen
        if self._is_good_for(0) and (self._is_early() or self._one_at_a_time.locked()):
            return self._frozen
        async with self._one_at_a_time:
            if not (self._is_good_for(_EARLY) or (self._is_good_for(0) and self._is_early())):
                await self._renew()
        return self._frozen

    @property
    def has_keys(self) -> bool:
        """Whether there are keys, valid or not."""
        return self._frozen is not None

    @property
    def expires(self) -> datetime | None:
        """When the keys expire, aware; None for never or unknown."""
        found: datetime | None = getattr(self._found, "_expiry_time", None)
        return found

    async def get_account_id(self) -> Any:  # type: ignore[override]
        """Return the account, where the provider knows it."""
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
    """Check that keys can sign a call. Raises ValueError where they cannot."""
    keys = {
        "access key": frozen.access_key,
        "secret": frozen.secret_key,
        "session token": frozen.token or "-",
    }
    for name, key in keys.items():
        if not isinstance(key, str) or not _PLAIN.fullmatch(key):
            raise ValueError(f"the {name} has a character that no key has, such as a space or a line break")
