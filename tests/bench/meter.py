"""
Runs a command and tells its time, CPU time and peak memory: ``meter.py LIMIT TOLD COMMAND...``.

A process of its own, and a small one, for two reasons: the clock is read right before the start and right
after the end, whatever the bench is doing; and Linux counts into a process's peak what its parent had at
its birth, which must therefore be little. Ends the command when its stdin ends, and so with the bench.
Belongs here: that. Does not: imports that make it grow.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import sys
import time

_NO_INPUT = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]


def main() -> None:
    limit, told, *command = sys.argv[1:]
    child: list[int] = []

    def kill() -> None:
        for pid in child:
            os.kill(pid, signal.SIGKILL)

    def end(number: int, _frame: object) -> None:
        kill()
        if not child:
            sys.exit(128 + number)

    def listen() -> None:
        os.read(0, 1)
        kill()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, end)
    begun = time.monotonic()
    child.append(os.posix_spawn(command[0], command, os.environ, file_actions=_NO_INPUT))
    _thread.start_new_thread(listen, ())
    signal.setitimer(signal.ITIMER_REAL, float(limit))
    _, status, usage = os.wait4(child[0], 0)
    ended = time.monotonic()
    child.clear()
    unit = 1 if sys.platform == "darwin" else 1024
    facts = {
        "begun": begun,
        "ended": ended,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * unit / 2**20,
        "code": os.waitstatus_to_exitcode(status),
    }
    with open(told, "w", encoding="utf-8") as file:  # noqa: PTH123 (pathlib would be an import more)
        json.dump(facts, file)


if __name__ == "__main__":
    main()
