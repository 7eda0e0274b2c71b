"""
A wall clock that is wrong, and jumps while a command runs, by libfaketime where that is installed.

The clocks that only count go on as they are, as on a machine whose time is set.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_PLACES = ("/usr/lib", "/usr/local/lib", "/usr/lib64", "/opt/homebrew/lib")


def library() -> Path | None:
    """Find libfaketime, the kind that may be used by threads."""
    found = (path for place in _PLACES for path in Path(place).glob("**/faketime/libfaketimeMT.so.1"))
    return next(found, None)


class WrongClock:
    """The clock of commands that are started with its environment."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set(0)

    def set(self, seconds: float) -> None:
        """Let it be so many seconds ahead, or behind, from now on."""
        with tempfile.NamedTemporaryFile("w", dir=self._file.parent, delete=False) as file:
            file.write(f"{seconds:+.1f}\n")
        Path(file.name).replace(self._file)

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to go by it; nothing where there is no libfaketime."""
        found = library()
        if found is None:
            return {}
        preloaded = ":".join(filter(None, (str(found), os.environ.get("LD_PRELOAD"))))
        return {
            "LD_PRELOAD": preloaded,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
