"""
A simulator in a process of its own: ``python -m tests.bench.simulator JSON``.

Says its URL on stdout, answers each line on stdin with the CPU seconds that it has used so far, and ends when
stdin does, so that it never outlives the bench. Belongs here: that process. Does not: its other end
(``served``).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from typing import Any

import anyio

from batchrun.simulator import (
    Durations,
    Settings,
    SimulatedLane,
    Span,
    StoredBucket,
    parse_limits,
    serve_lanes,
)

#: A bucket for files of run settings.
SETTINGS = "lab-settings"
_AT_ONCE = Span(mean=0)


def settings(wish: dict[str, Any]) -> Settings:
    mean, spread = wish["running"]
    return Settings(
        limits=parse_limits(wish["limits"]),
        durations=Durations(
            pending=_AT_ONCE, starting=_AT_ONCE, running=Span(mean=mean, spread=spread), stopping=_AT_ONCE
        ),
        max_active=None,
        max_active_static=None,
        storage=(StoredBucket(name=SETTINGS),),
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _listen() -> None:
    for _line in iter(sys.stdin.readline, ""):
        _say(str(time.process_time()))
    os._exit(0)


def _lanes(wish: dict[str, Any]) -> list[SimulatedLane]:
    """Return the accounts to serve: one, or so many, each with a port of its own."""
    own = settings(wish)
    if not wish["lanes"]:
        return [SimulatedLane(name="", settings=own)]
    numbers = range(wish["lanes"])
    accounts = [replace(own, account=f"{100_000_000_000 + number}", seed=number) for number in numbers]
    return [SimulatedLane(name=f"l{at:02}", settings=one, port=0) for at, one in enumerate(accounts)]


async def _serve(wish: dict[str, Any]) -> None:
    async with serve_lanes(_lanes(wish)) as served:
        _say(served.url)
        threading.Thread(target=_listen, daemon=True).start()
        await anyio.sleep_forever()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the bench, which ends its simulators
    anyio.run(_serve, json.loads(sys.argv[1]))
