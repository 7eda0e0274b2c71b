"""
The group ``serve``: what it costs a launch that many people look at its page.

Belongs here: the launch's figures, with lookers and without. Does not: what the page does (``tests/serve``).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.bench import Bench
from tests.bench.cohort import NAME
from tests.bench.commands import FLAT_OUT, WORK_LEFT, run
from tests.bench.processes import BenchError
from tests.bench.scale import Scale
from tests.bench.table import Peer, Section, Wanted, compared

#: A pace far above any account's limit, and below what this launcher can do.
_RATE = 100
_SLOWED = Wanted(least=1.05, aim=1.02, is_ratio=True)
_ALONE = "nobody looks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What one launch came to."""

    seconds: float  #: from its first StartRun to the last acceptance
    cpu: float  #: seconds, of the launcher's process
    events: float = 0  #: that lookers were told, all together
    pages: float = 0  #: of rows that they asked for
    serving: float = 0.0  #: seconds of CPU of the server


def serve(bench: Bench, scale: Scale) -> list[Section]:
    """Launch with lookers and without, in turn, at a pace and without one."""
    rows = [*_compared(bench, scale, _RATE), *_compared(bench, scale, None)]
    note = (
        f"A batch of {scale.looked_at_rows:,} rows is launched with `--detach` while {scale.lookers} clients "
        f"look at its page: with `--rate {_RATE}` for {scale.looked_at_seconds:g} s, and with "
        "`--rate unlimited` to the end. All of it on one machine: launcher, simulator, server, clients."
    )
    return [Section(title="serve", note=note, rows=tuple(rows))]


def _compared(bench: Bench, scale: Scale, rate: int | None) -> Iterator[tuple[str, ...]]:
    alone, looked_at = [], []
    for number in range(bench.repeats):
        bench.tell(f"serve: rate {rate}, {number + 1} of {bench.repeats}")
        alone.append(_launch(bench, scale, rate, lookers=0))
        looked_at.append(_launch(bench, scale, rate, lookers=scale.lookers))

    def row(what: str, of: Callable[[Launch], float], unit: str, wanted: Wanted | None) -> tuple[str, ...]:
        peer = Peer(name=_ALONE, value=median(map(of, alone)))
        return compared(what, median(map(of, looked_at)), peer, unit=unit, wanted=wanted)

    word = "unlimited" if rate is None else f"{rate} per second"
    yield row(f"{word}: time per 1,000 runs", lambda one: one.seconds, " s", _SLOWED)
    yield row(f"{word}: the launcher's CPU per 1,000 runs", lambda one: one.cpu, " s", None)
    told, asked = (median(of) for of in zip(*((one.events, one.pages) for one in looked_at), strict=True))
    yield compared(f"{word}: events told, all clients", told)
    yield compared(f"{word}: pages of rows asked for", asked)
    yield compared(f"{word}: CPU of the server", median(one.serving for one in looked_at), unit=" s")


def _launch(bench: Bench, scale: Scale, rate: int | None, *, lookers: int) -> Launch:
    folder = bench.folder(scale.looked_at_rows)
    pace = FLAT_OUT if rate is None else ("--rate", f"{rate}", "--deadline", f"{scale.looked_at_seconds:g}s")
    with bench.serve() as served:
        words = run(served.url, "--detach", *pace)
        # The ledger has to be there before it can be looked at; what this submits does not count.
        bench.batchrun(folder, *run(served.url, "--detach", "--deadline", "1s")).wait(WORK_LEFT)
        before = max(served.seen().accepted, default=0.0)
        with _looked_at(bench, folder, lookers) as told:
            ran = bench.batchrun(folder, *words).wait(WORK_LEFT)
        seen = served.seen()
    starts = [at for at in seen.starts if at > before]
    ends = [at for at in seen.accepted if at > before]
    each = 1_000 / len(ends)
    return Launch(seconds=(max(ends) - min(starts)) * each, cpu=ran.cpu * each, **told)


@contextmanager
def _looked_at(bench: Bench, folder: Path, lookers: int) -> Iterator[dict[str, float]]:
    """Have so many clients look at the batch; what that came to is told after the block."""
    told: dict[str, float] = {}
    if not lookers:
        yield told
        return
    server = bench.batchrun(folder, "serve", "--bind", "127.0.0.1:0")
    command = [
        sys.executable,
        "-m",
        "tests.bench.peers.page_clients",
        server.first_line(),
        NAME,
        str(lookers),
    ]
    clients = bench.processes.start(folder, command, out=subprocess.PIPE)
    assert clients.stdout is not None
    if clients.stdout.readline().strip() != "all look":
        raise BenchError("the clients of the page have ended before their time")
    yield told
    counted, _ = clients.communicate(timeout=60)
    told |= json.loads(counted)
    told["serving"] = server.stop().cpu
