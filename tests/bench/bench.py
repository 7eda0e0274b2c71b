"""
What every group measures with: fresh folders, simulators, batchrun and its peers, and a word on progress.

Belongs here: the hands of the bench. Does not: what is measured (the groups), how it is shown (``table``).
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.bench.cohort import write_manifest
from tests.bench.commands import BATCHRUN, WORK_LEFT, run
from tests.bench.processes import LIMIT, Processes, Running
from tests.bench.served import ENDLESS, Served

UNLIMITED = "*=unlimited"


class Bench:
    """One session of measuring; leaves no process behind."""

    def __init__(self, root: Path, *, repeats: int) -> None:
        """
        Begin.

        Args:
            root: an empty folder
            repeats: how often each figure is measured, to take the median
        """
        self.repeats = repeats
        self.processes = Processes()
        self._root = root
        self._folders = itertools.count()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.processes.close()

    def folder(self, rows: int = 0) -> Path:
        """Make a fresh folder, with a manifest of so many rows."""
        path = self._root / f"{next(self._folders):03}"
        path.mkdir()
        if rows:
            write_manifest(path, rows)
        return path

    def serve(
        self, limits: str = UNLIMITED, running: tuple[float, float] = ENDLESS, lanes: int = 0
    ) -> Served:
        return Served(self.processes, self._root, limits=limits, running=running, lanes=lanes)

    def batchrun(self, folder: Path, *arguments: str, limit: float = LIMIT) -> Running:
        return self.processes.measure(folder, [*BATCHRUN, *arguments], limit=limit)

    def peer(self, folder: Path, name: str, *arguments: object) -> Running:
        """Start one of ``tests.bench.peers``."""
        command = [sys.executable, "-m", f"tests.bench.peers.{name}", *map(str, arguments)]
        return self.processes.measure(folder, command)

    def warm_up(self) -> None:
        """Let Python compile what it runs, and the machine read it, before anything is timed."""
        self.tell("warming up")
        folder = self.folder(1)
        with self.serve() as served:
            self.batchrun(folder, *run(served.url, "--detach")).wait(WORK_LEFT)
            self.batchrun(folder, "status").wait()
            self.peer(folder, "boto3_submit", served.url, 1, "standard", 1).wait()
            self.peer(folder, "bare_submit", served.url, 1, 1).wait()

    def tell(self, text: str) -> None:
        sys.stderr.write(f"bench: {text}\n")
        sys.stderr.flush()
