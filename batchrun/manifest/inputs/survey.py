"""
The places of a manifest, each once, with what was seen of it: in a file without a name.

Memory does not grow with the places: a hundred thousand rows may name a million. Belongs here: that file.
Does not: finding places (``mentions``), looking (``service.looking``).
"""

from __future__ import annotations

import errno
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import apsw

from batchrun.manifest.temporary import not_written
from batchrun.ports.inputs import Kind, Place, Sight, Skip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batchrun.manifest.inputs.mentions import Mention

#: KiB that SQLite keeps in memory.
_CACHE: Final = 16 * 1024
_AT_ONCE: Final = 500
_SCHEMA: Final = """
CREATE TABLE places (number INTEGER PRIMARY KEY, text TEXT, sort TEXT, pays INTEGER, sight TEXT,
                     UNIQUE (text, pays, sort))
"""
_ADD: Final = "INSERT INTO places (text, sort, pays) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_NEXT: Final = "SELECT number, text, sort, pays FROM places WHERE number > ? ORDER BY number LIMIT ?"
_SAW: Final = "UPDATE places SET sight = ? WHERE text = ? AND pays = ? AND sort = ?"
_OF: Final = "SELECT sight FROM places WHERE text = ? AND pays = ? AND sort = ?"
_SEEN: Final = "SELECT sight, count(*) FROM places WHERE sight IS NOT NULL GROUP BY sight"
_SORTS: Final = "SELECT sort, count(*) FROM places GROUP BY sort"
_EXAMPLE: Final = "SELECT text FROM places WHERE sort = ? ORDER BY number LIMIT 1"
_KINDS: Final = frozenset(kind.value for kind in Kind)


class Survey:
    """Places, as they are found and seen."""

    def __init__(self) -> None:
        self._file = apsw.Connection("")  # SQLite's own temporary file: gone with the connection
        for setting in (f"cache_size=-{_CACHE}", "journal_mode=OFF", "synchronous=OFF"):
            self._file.execute(f"PRAGMA {setting}")
        self._file.execute(_SCHEMA)

    def add(self, found: Iterable[Mention]) -> None:
        """
        Take places down that were not named before.

        Raises:
            ManifestError: The disk does not take them.
        """
        rows = ((one.text, one.sort.value, one.pays) for one in found)
        with _explained():
            self._file.execute("BEGIN")
            self._file.executemany(_ADD, rows)
            self._file.execute("COMMIT")

    @property
    def total(self) -> int:
        """How many places there are to look at."""
        return sum(count for sort, count in self._sorts() if sort in _KINDS)

    def places(self) -> Iterator[Place]:
        """Return each place to look at, in the order in which they were found."""
        last = 0
        while rows := list(self._file.execute(_NEXT, (last, _AT_ONCE))):
            last = rows[-1][0]
            for _, text, sort, pays in rows:
                if sort in _KINDS:
                    yield Place(kind=Kind(sort), uri=str(text), pays=bool(pays))

    def saw(self, place: Place, sight: Sight) -> None:
        """
        Take down what was seen.

        Raises:
            ManifestError: The disk does not take it.
        """
        with _explained():
            self._file.execute(_SAW, (sight.value, place.uri, place.pays, place.kind.value))

    def sight(self, place: Place) -> Sight | None:
        """Return what was seen of a place; None where nobody looked."""
        found = self._file.execute(_OF, (place.uri, place.pays, place.kind.value)).get
        return None if found is None else Sight(found)

    @property
    def seen(self) -> dict[Sight, int]:
        """How many places look how."""
        return {Sight(sight): int(count) for sight, count in self._file.execute(_SEEN)}

    @property
    def skipped(self) -> dict[Skip, int]:
        """How many texts were passed over, and why."""
        return Counter({Skip(sort): count for sort, count in self._sorts() if sort not in _KINDS})

    def example(self, skip: Skip) -> str:
        """Return the first text that was passed over for a reason."""
        return str(self._file.execute(_EXAMPLE, (skip.value,)).get)

    def close(self) -> None:
        """Let go of the file; nothing is left behind."""
        self._file.close()

    def _sorts(self) -> list[tuple[str, int]]:
        return [(str(sort), int(count)) for sort, count in self._file.execute(_SORTS)]


@contextmanager
def _explained() -> Iterator[None]:
    """Say of a disk that takes no more what is said of all temporary files."""
    try:
        yield
    except (apsw.FullError, apsw.IOError, apsw.CantOpenError) as error:
        number = errno.ENOSPC if isinstance(error, apsw.FullError) else errno.EIO
        raise not_written(OSError(number, str(error))) from error
