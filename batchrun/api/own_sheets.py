"""What a run needs before it is started, as the launch sees it: its own sheet, written once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrun.manifest import Manifest
    from batchrun.ports.objects import SheetWriter


class OwnSheetsWritten:
    """Has the sheet of each row written before its run is started, once in a launch."""

    def __init__(self, manifest: Manifest, writers: Mapping[str | None, SheetWriter]) -> None:
        """Take the manifest, which stays open, and who writes, by lane."""
        self._manifest = manifest
        self._writers = writers
        self._written: set[str] = set()

    async def prepare(self, entry_id: str, lane: str | None) -> None:
        """
        Have a row's sheet written with the login of *lane*, where it has one; it is there when this returns.

        Raises:
            ServiceUnusableError: It cannot be written.
        """
        sheet = None if entry_id in self._written else self._manifest.own_sheet(entry_id)
        if sheet is not None:
            await self._writers[lane].write(sheet)
            self._written.add(entry_id)
