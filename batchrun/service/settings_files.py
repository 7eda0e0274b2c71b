"""Files of run settings in S3, each written once."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from batchrun.errors import AccessDeniedError, CallError, ServiceUnusableError
from batchrun.ports.settings_store import SettingsStore
from batchrun.service.patient_writing import PatientWriting
from batchrun.service.putting import look, put

if TYPE_CHECKING:
    from batchrun.clock import Clock
    from batchrun.service.login import Login
    from batchrun.service.outage import Patience

_CURE: Final = "fix that, or give --batch-settings another place"


class S3SettingsStore(SettingsStore):
    """Settings files in S3, as one login reaches them."""

    def __init__(self, login: Login, patience: Patience, clock: Clock) -> None:
        """Say whose, and how long to put up with what is in the way; nobody is called yet."""
        self._writing = PatientWriting(login, patience, clock, event="settings_not_written_yet")

    async def keep(self, uri: str, body: bytes) -> None:
        """Call PutObject, and HeadObject where something is there."""
        there: int | None = None  #: bytes; of what may not be looked at, the name tells what it is

        async def write(login: Login) -> None:
            nonlocal there
            asked = {"ContentType": "application/json"}
            is_put = await put(login, uri, io.BytesIO(body), len(body), asked=asked, replaces=False)
            there = None if is_put else await _size(login, uri)

        try:
            await self._writing.until_done(write)
        except CallError as error:
            is_denied = isinstance(error, AccessDeniedError)
            raise _unusable(uri, str(error), "allow s3:PutObject there" if is_denied else _CURE) from error
        if there not in {None, len(body)}:
            raise _unusable(uri, f"something else is there, of {there} bytes in place of {len(body)}", _CURE)


async def _size(login: Login, uri: str) -> int | None:
    """Return how many bytes are there; None where nobody may know."""
    found = await look(login, uri)
    return None if found is None else found.get("ContentLength")


def _unusable(uri: str, reason: str, cure: str) -> ServiceUnusableError:
    return ServiceUnusableError(
        f"the settings file {uri} cannot be written, so its runs are not started: {reason}; {cure}, then run "
        "the same command again: nothing is lost"
    )
