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
from typing import Any

import anyio

from batchrun.simulator import Durations, Settings, Simulator, Span, parse_limits, run_forever

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
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _listen() -> None:
    for _line in iter(sys.stdin.readline, ""):
        _say(str(time.process_time()))
    os._exit(0)


def _tell(simulator: Simulator) -> None:
    _say(simulator.url)
    threading.Thread(target=_listen, daemon=True).start()


async def _serve(wish: dict[str, Any]) -> None:
    await run_forever(settings(wish), ready=_tell)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the bench, which ends its simulators
    anyio.run(_serve, json.loads(sys.argv[1]))
