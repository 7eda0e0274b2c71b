"""
Starting processes, measuring them, and leaving none behind.

Belongs here: processes of any kind. Does not: which command is run, and what its figures mean.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
METER = Path(__file__).with_name("meter.py")
#: Seconds after which a measured command is ended, whatever it does.
LIMIT = 1_200.0
#: The whole of it: no endpoint of Service Quotas is named, so that nobody tells a launcher the limits.
_AWS = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
_numbers = itertools.count()


class BenchError(Exception):
    """A measurement did not come about, or measured something that was not right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One process from its start to its end. Times are of the clock that all processes share."""

    begun: float
    ended: float
    cpu: float  #: seconds
    peak: float  #: MiB
    code: int
    out: Path  #: what it said on stdout

    @property
    def seconds(self) -> float:
        return self.ended - self.begun


class Running:
    """A measured process that may still be running."""

    def __init__(self, process: subprocess.Popen[str], told: Path, command: Sequence[str]) -> None:
        self._process = process
        self._told = told
        self._command = command

    def wait(self, *codes: int) -> Ran:
        """Wait for its end; anything but one of *codes* (0 if none is given) is an error."""
        self._process.wait()
        end(self._process)
        if not self._told.exists():
            raise BenchError(f"no figures came of {self._command}\n{self._last_words()}")
        ran = Ran(**json.loads(self._told.read_text(encoding="utf-8")), out=self._told.with_suffix(".out"))
        if ran.code not in (codes or (0,)):
            raise BenchError(f"exit code {ran.code} of {self._command}\n{self._last_words()}")
        return ran

    def first_line(self) -> str:
        """Wait for the first line that it says, and return it."""
        said = self._told.with_suffix(".out")
        while "\n" not in (text := said.read_text(encoding="utf-8")):
            if self._process.poll() is not None:
                raise BenchError(f"{self._command} has ended before it said anything\n{self._last_words()}")
            time.sleep(0.02)
        return text.partition("\n")[0]

    def stop(self) -> Ran:
        """Kill it, and return what it came to."""
        self._process.terminate()
        return self.wait(-signal.SIGKILL)

    def _last_words(self) -> str:
        return self._told.with_suffix(".err").read_text(encoding="utf-8", errors="replace")[-2_000:]


class Processes:
    """Every process of the bench; :meth:`close` ends those that are left."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BATCHRUN_"))
        }
        self._environment = {**kept, **_AWS, "PYTHONPATH": str(ROOT)}

    def measure(self, folder: Path, command: Sequence[str], *, limit: float = LIMIT) -> Running:
        """Start a command in a folder; its stdout and stderr go to files there."""
        told = folder / f"measured-{next(_numbers)}.json"
        meter = [sys.executable, "-I", "-S", str(METER), str(limit), str(told)]
        with told.with_suffix(".out").open("w") as out, told.with_suffix(".err").open("w") as err:
            process = self.start(folder, [*meter, *command], out=out, err=err)
        return Running(process, told, command)

    def start(
        self, folder: Path, command: Sequence[str], *, out: IO[str] | int, err: IO[str] | int | None = None
    ) -> subprocess.Popen[str]:
        """Start a command without measuring it; its stdin is ours."""
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
            text=True,
        )
        self.started.append(process)
        return process

    def close(self) -> None:
        for process in self.started:
            end(process)


def end(process: subprocess.Popen[str]) -> None:
    """End a process, gently first, and close what ties us to it. Does nothing to one that has ended."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None and not stream.closed:
            stream.close()
