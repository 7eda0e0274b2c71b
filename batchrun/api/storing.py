"""
S3 for outputs, for those that go there.

Belongs here: filling the port when it is first needed: few outputs go to S3, and a client takes long to
import. Does not: calling S3 (``service``), what may be replaced (``report``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.ports.objects import Store

if TYPE_CHECKING:
    from pathlib import Path

    from batchrun.api.one_login import OneLogin


class StoreWhenNeeded(Store):
    """A store that is made when it is first used."""

    def __init__(self, login: OneLogin) -> None:
        """Take whose S3 it is."""
        self._login = login
        self._made: Store | None = None

    async def mark(self, uri: str) -> str | None:
        """See the port."""
        return await self._store().mark(uri)

    async def put(self, uri: str, file: Path, *, mark: str, replaces: bool) -> bool:
        """See the port."""
        return await self._store().put(uri, file, mark=mark, replaces=replaces)

    def _store(self) -> Store:
        if self._made is None:
            from batchrun.service.storing import S3Store  # noqa: PLC0415 (loads aiobotocore)

            self._made = S3Store(self._login.get())
        return self._made
