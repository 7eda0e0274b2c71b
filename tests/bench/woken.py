"""
The group ``wake``: how soon ends are seen, and for how many calls, with messages and by polling.

In virtual time, so it takes minutes and not hours: engine, client and ledger are the real ones, and the queue
is the simulator's. Belongs here: these figures. Does not: what messages may do (``tests/engine``).
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace
from datetime import timedelta

from batchrun.clock import VirtualLoop
from batchrun.simulator import Limit, Span
from tests.bench.bench import Bench
from tests.bench.scale import Scale
from tests.bench.table import Section, figure
from tests.engine.launching import OFTEN, rows
from tests.engine.test_sweeps import calls
from tests.engine.test_waking import LONG, Ends, waking

#: Two hours on average; all are active by the time at which the first ends.
_RUNS = replace(LONG, running=Span(mean=7200, spread=0.5))
_LIMITS = {"GetRun": Limit(rate=10, burst=10), "ListRuns": Limit(rate=10, burst=10), "*": None}
_HELD = timedelta(hours=9)
_HEADS = (
    "runs",
    "",
    "half seen after",
    "95 % seen after",
    "GetRun per end",
    "ListRuns from the first end on",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What one launch came to."""

    half: float  #: seconds until an end was seen, at the median
    most: float  #: and at the 95th percentile
    gets: float  #: calls of GetRun per end
    lists: int  #: calls of ListRuns since the first end


def wake(bench: Bench, scale: Scale) -> list[Section]:
    """Watch the same runs both ways, once: nothing in virtual time depends on the machine."""
    found = []
    for is_woken in (False, True):
        bench.tell(f"wake: {scale.woken_runs} runs, {'woken' if is_woken else 'polled'}")
        with asyncio.Runner(loop_factory=VirtualLoop) as loop:
            found.append(loop.run(_watched(bench, scale.woken_runs, is_woken=is_woken)))
    told = zip(("polled", "woken by messages"), found, strict=True)
    note = (
        "Runs that last two hours, half more or less, under a limit of ten GetRun and ten ListRuns a second. "
        "In virtual time, on the simulator's queue."
    )
    return [Section(title="wake", note=note, heads=_HEADS, rows=tuple(_row(scale, *one) for one in told))]


def _row(scale: Scale, what: str, found: Watch) -> tuple[str, ...]:
    seconds = (f"{figure(found.half)} s", f"{figure(found.most)} s")
    return (f"{scale.woken_runs:,}", what, *seconds, f"{found.gets:.2f}", f"{found.lists:,}")


async def _watched(bench: Bench, runs: int, *, is_woken: bool) -> Watch:
    async with waking(bench.folder(), durations=_RUNS, limits=_LIMITS) as (it, queue):
        it.ttl = _HELD
        it.wakes = [queue] if is_woken else []
        ends = Ends(it)
        await it.launch(rows(runs), watch=OFTEN)
        await it.assert_agreement()
        delays = ends.delays
        return Watch(
            half=delays[runs // 2],
            most=delays[math.ceil(0.95 * runs) - 1],
            gets=calls(it, "GetRun") / runs,
            lists=ends.lists,
        )
