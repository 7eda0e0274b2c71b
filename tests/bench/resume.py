"""
The group that kills a launch in its middle and starts it again.

Belongs here: that measurement. Does not: whether anything is lost by it (``tests/crash``).
"""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.bench import Bench
from tests.bench.commands import BATCHRUN, CONCURRENCY, FLAT_OUT, WORK_LEFT, run
from tests.bench.processes import BenchError, Ran, end
from tests.bench.scale import Scale
from tests.bench.table import Peer, Section, compared

#: Seconds after which a launch that does not come to its middle is given up.
_PATIENCE = 300.0
_PEER_ROWS = 64
_BOTO3 = "a boto3 script, from its start to its first call"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What one killing came to, in seconds."""

    first: float  #: from the start of the launch that is killed to its first StartRun
    again: float  #: from the start of the next one to its first StartRun
    new_run: float  #: and to the first run that it makes
    script: float  #: from the start of a boto3 script to its first StartRun


def resume(bench: Bench, scale: Scale) -> list[Section]:
    """Kill with SIGKILL in the middle, then give the same command again."""
    rounds = []
    for number in range(bench.repeats):
        bench.tell(f"resume: {number + 1} of {bench.repeats}")
        rounds.append(_round(bench, scale.resumed_rows))
    note = (
        f"SIGKILL when half of {scale.resumed_rows:,} rows are accepted, then the same command again, "
        f"`--detach {' '.join(FLAT_OUT)}`; all rows have one run afterwards. From the start of the process."
    )
    return [Section(title="resume", note=note, rows=tuple(_rows(rounds)))]


def _rows(rounds: Sequence[Resumed]) -> list[tuple[str, ...]]:
    def middle(of: Callable[[Resumed], float]) -> float:
        return median(of(one) for one in rounds)

    first = Peer(name="the same command on an empty ledger", value=middle(lambda one: one.first))
    script = Peer(name=_BOTO3, value=middle(lambda one: one.script))
    again = middle(lambda one: one.again)
    return [
        compared("until it submits again", again, first, unit=" s"),
        compared("until it submits again", again, script, unit=" s"),
        compared("until the first run that is new", middle(lambda one: one.new_run), first, unit=" s"),
    ]


def _round(bench: Bench, rows: int) -> Resumed:
    folder = bench.folder(rows)
    with bench.serve() as served:
        command = run(served.url, "--detach", "--json", *FLAT_OUT)
        begun = _kill_in_the_middle(bench, folder, command, rows)
        before = served.seen()
        ran = bench.batchrun(folder, *command).wait(WORK_LEFT)
        seen = served.seen()
    if (seen.runs, seen.rows) != (rows, rows):
        raise BenchError(f"{seen.runs} runs for {seen.rows} of {rows} rows after a kill")
    return Resumed(
        first=before.starts[0] - begun,
        again=_after(seen.starts, ran),
        new_run=_after(seen.accepted, ran),
        script=_script(bench),
    )


def _after(times: Sequence[float], ran: Ran) -> float:
    return min(at for at in times if at > ran.begun) - ran.begun


def _kill_in_the_middle(bench: Bench, folder: Path, command: Sequence[str], rows: int) -> float:
    """Start a launch, kill it when half is accepted, and return the time at which it was started."""
    begun = time.monotonic()
    process = bench.processes.start(
        folder, [*BATCHRUN, *command], out=subprocess.PIPE, err=subprocess.DEVNULL
    )
    timer = threading.Timer(_PATIENCE, process.kill)
    timer.start()
    try:
        accepted = sum(1 for _ in itertools.islice(_acceptances(process), rows // 2))
        process.kill()
    finally:
        timer.cancel()
        end(process)
    if accepted < rows // 2:
        raise BenchError(f"a launch ended after {accepted} of {rows} rows, before it could be killed")
    return begun


def _acceptances(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    return (line for line in process.stdout if json.loads(line).get("event") == "accepted")


def _script(bench: Bench) -> float:
    with bench.serve() as served:
        arguments = (served.url, _PEER_ROWS, "standard", CONCURRENCY)
        ran = bench.peer(bench.folder(), "boto3_submit", *arguments).wait()
        return served.seen().starts[0] - ran.begun
