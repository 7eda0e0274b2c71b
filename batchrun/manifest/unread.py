"""A manifest whose rows are known to be those of a batch, and are read only if somebody asks for them.

Does not belong here: how it is known (``fingerprint``, and the ledger), reading (``load``).
"""

from __future__ import annotations

from collections.abc import Iterator

from batchrun.manifest.load import Manifest, load
from batchrun.manifest.problems import Place, unreadable
from batchrun.manifest.source import Source, place_of
from batchrun.model.spec import Spec
from batchrun.ports.stored import TakenFrom


def unread(source: Source, *, known: TakenFrom, batch: str) -> Manifest:
    """Return the manifest of *source*, which *batch* was taken in from: *known* are plain files alone."""
    return Manifest(
        batch=batch,
        retry=known.retry,
        read=(*source.files, *known.beside),
        place=place_of(source.path),
        goes_together=source.goes_together,
        warnings=known.warnings,
        warning_count=known.warning_count,
        taken_from=known,
        _rows=_Unread(source, known),
    )


class _Unread:
    """The rows of files that are read when they are first asked for."""

    def __init__(self, source: Source, known: TakenFrom) -> None:
        self._source = source
        self._known = known
        self._manifest: Manifest | None = None

    @property
    def count(self) -> int:
        return self._read().count

    @property
    def digest(self) -> str:
        return self._read().digest

    def specs(self) -> Iterator[Spec]:
        return iter(self._read().specs())

    def close(self) -> None:
        if self._manifest is not None:
            self._manifest.close()

    def _read(self) -> Manifest:
        """Read the files. Raises ManifestError if they are others by now, or have become unreadable."""
        if self._manifest is None:
            self._manifest = load(self._source)
            if self._manifest.taken_from != self._known:
                where, cure = Place(source=self._source.shown), "run the same command again"
                raise unreadable(where, "it has changed since this launch began", cure)
        return self._manifest
