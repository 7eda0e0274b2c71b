"""
Makes batchrun processes quickly: ``python -m tests.crash.nursery``.

Imports everything once, then forks a process for each command it is told. A forked process is as real as a
started one, with its own memory, sockets and locks, and dies as dead; it only saves the imports, which would
else be most of the crash matrix's time. Requests and answers are JSON lines.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Nursery:
    """The other end: a process that makes processes."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.nursery"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(
        self, folder: Path, arguments: list[str], *, said: Path, dies_at: tuple[str, int] | None
    ) -> int:
        """Start a command and give its process id; what it says goes to the file *said*."""
        request = {"folder": str(folder), "arguments": arguments, "said": str(said), "dies_at": dies_at}
        return self._ask(request)

    def wait(self, pid: int) -> int:
        """Wait for a process; give its exit code, or minus the signal that ended it."""
        return self._ask({"wait": pid})

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _ask(self, request: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def _be_born(request: dict[str, Any]) -> None:
    from batchrun.cli.main import main  # noqa: PLC0415
    from batchrun.points import Point  # noqa: PLC0415
    from tests.crash.killer import lay_in_wait  # noqa: PLC0415

    said = os.open(request["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for stream, target in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(stream, target)
    os.chdir(request["folder"])
    if request["dies_at"]:
        name, times = request["dies_at"]
        lay_in_wait(Point[name], times)
    sys.argv = ["batchrun", *request["arguments"]]
    main()


def _serve() -> None:
    import batchrun.cli.launching.launch  # noqa: PLC0415
    import batchrun.cli.main  # noqa: PLC0415
    import batchrun.cli.verbs.run  # noqa: PLC0415
    import batchrun.cli.verbs.simulate  # noqa: PLC0415
    import batchrun.simulator  # noqa: F401, PLC0415

    answers = os.fdopen(os.dup(1), "w")
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                _be_born(request)
        answers.write(f"{answer}\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
