"""
The batchrun command lines that are measured: every option of them is here and nowhere else.

Belongs here: words of the command line. Does not: what is measured about them.
"""

from __future__ import annotations

import sys

from tests.bench.cohort import MANIFEST

BATCHRUN = (sys.executable, "-m", "batchrun")
#: Nobody tells it a limit: both rates are what they are by default, ``auto``.
LEARNT: tuple[str, ...] = ()
FLAT_OUT = ("--rate", "unlimited", "--read-rate", "unlimited")
#: Calls in the air: the default of batchrun, the threads and tasks of its peers.
CONCURRENCY = 32

#: The exit code of a launch that was to leave its runs going.
WORK_LEFT = 3


def run(url: str, *options: str) -> tuple[str, ...]:
    return ("run", *MANIFEST, "--endpoint-url", url, *options)


def check() -> tuple[str, ...]:
    return ("check", *MANIFEST)


def plan() -> tuple[str, ...]:
    return ("plan", *MANIFEST)
