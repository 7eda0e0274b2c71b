"""
A manifest whose rows are known to be those of a batch, and are read only if somebody asks for them.

Belongs here: that. Does not: how it is known (``fingerprint``, and the ledger), reading (``load``).
"""

from __future__ import annotations

from collections.abc import Iterator

from batchrun.manifest.fingerprint import files_of, fingerprint
from batchrun.manifest.load import Manifest, load
from batchrun.manifest.problems import Place, unreadable
from batchrun.manifest.source import Source, place_of
from batchrun.model.entries.retrying import RetryPolicy
from batchrun.model.spec import Spec


def unread(source: Source, *, seal: str, batch: str, count: int) -> Manifest:
    """
    Return the manifest of *source*, which *batch* was taken in from.

    Args:
        source: Files that have a fingerprint.
        seal: Their fingerprint; only what is plain has one, see ``Manifest.fingerprint``.
        batch: The batch's name.
        count: The number of its rows.
    """
    return Manifest(
        batch=batch,
        retry=RetryPolicy(),
        read=files_of(source),
        place=place_of(source.path),
        goes_together=source.goes_together,
        fingerprint=seal,
        _rows=_Unread(source, seal, count),
    )


class _Unread:
    """The rows of files that are read when they are first asked for."""

    def __init__(self, source: Source, seal: str, count: int) -> None:
        self._source = source
        self._seal = seal
        self._manifest: Manifest | None = None
        self.count = count

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
            if fingerprint(self._source) != self._seal:
                where = Place(source=self._source.shown)
                raise unreadable(
                    where, "it has changed since this launch began", "run the same command again"
                )
        return self._manifest
