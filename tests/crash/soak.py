"""
A long randomised attack: ``python -m tests.crash.soak SECONDS SEED [WAY]``.

WAY is one of WAYS: over two lanes, where nothing is said, or over none, and by which engine.

A launch of a few hundred rows under every fault at once, killed with SIGKILL at random moments, then left to
finish, and judged. Between kills it is suspended for a while, its wall clock is wrong and jumps (where there
is libfaketime), older copies of the ledger are put back, and other accounts are given the same command, which
must start nothing there. One lane's service after the other is down for a while. The services forget
requestIds after some seconds.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.crash.harness import Process, ServedApart, Victim
from tests.crash.lanes import LaneVictim, ServedLanes
from tests.crash.wrong_clock import WrongClock

FAULTS = (
    "StartRun:drop_after=0.08,StartRun:error_after=0.08,StartRun:drop_before=0.05,StartRun:truncated_after=0.03,"
    "*:throttle=0.05,GetRun:drop_before=0.02,GetRun:html_after=0.02"
)

DOWN = "*:drop_before=1"
#: For engines that submit many rows by one call, beside those; the service forgets its requestIds too.
BATCH_FAULTS = (
    "StartRunBatch:drop_after=0.2,StartRunBatch:error_after=0.1,StartRunBatch:drop_before=0.1,"
    "StartRunBatch:truncated_after=0.05,ListRunsInBatch:drop_after=0.05,GetBatch:drop_before=0.05,"
    "SubmitRow:hide=0.05,SubmitRow:skip=0.05,SubmitRow:InternalServerException=0.02,SubmitRow:fail_batch=0.01"
)
#: Whose they are who are given the same command.
STRANGERS = {"east": "333333333333", "west": "444444444444"}
#: Seconds by which a wall clock is wrong, before and after it jumps.
JUMPS = (-86_400, -3600, -30, -3, 0, 3, 30, 3600, 86_400)
#: Seconds for which the simulated service remembers a requestId.
MEMORY = 6
#: By name: the engine, whether there are lanes, and how many rows. A hundred of them may take the same lanes.
WAYS = {
    "lanes": ("startrun", True, 300),
    "one": ("startrun", False, 300),
    "batch": ("batch", False, 300),
    "auto": ("auto", False, 300),
    "batch-lanes": ("batch", True, 300),
    "auto-lanes": ("auto", True, 600),
}
#: Launches in one attack: a batch that is over leaves nothing to kill.
_ROUNDS = 400


def soak(
    seconds: float, seed: int, rows: int = 300, *, has_lanes: bool, least: int = 0, engine: str = "startrun"
) -> tuple[int, int, int]:
    """
    Attack for so many seconds, and until *least* launches were killed; return kills, faults and runs.

    On a slow machine a launch takes as long to begin as a short attack lasts.
    """
    chance = random.Random(seed)
    until = time.monotonic() + seconds
    kills = 0
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        forgets = ("--idempotency-window", f"{MEMORY}s", "--batch-idempotency-window", f"{MEMORY}s")
        memory = ("--seed", str(seed), "--max-active", "100", *forgets)
        faults = FAULTS if engine == "startrun" else f"{FAULTS},{BATCH_FAULTS}"
        served = ServedLanes(folder, faults, *memory) if has_lanes else ServedApart(folder, faults, *memory)
        stack.callback(served.stop)
        options = ["--rate", "6" if has_lanes else "12", "--replay-window", f"{MEMORY - 1}s"]
        options += ["--engine", engine, "--batch-rows", "40"] if engine != "startrun" else []
        if has_lanes:
            options += ["--concurrency", "16"]  # a free row is looked for in both
        victim = (LaneVictim if has_lanes else Victim)(folder, served, rows, *options)
        stranger = _stranger(folder / "stranger", has_lanes=has_lanes)
        stack.callback(stranger.stop)
        put_back: Callable[[], None] | None = None
        clock = WrongClock(folder)
        down = _Downs(served, faults, chance)
        for number in itertools.count():
            if number >= _ROUNDS or (time.monotonic() >= until and kills >= least):
                break
            is_wrong = chance.random() < 0.3
            clock.set(chance.choice(JUMPS) if is_wrong else 0)
            down.next()
            launcher = victim.start(clock=clock.environment if is_wrong else None)
            time.sleep(chance.uniform(0.1, 5.0))
            if is_wrong:
                clock.set(chance.choice(JUMPS))
                time.sleep(chance.uniform(0.1, 2.0))
            if chance.random() < 0.2:
                _suspend(launcher, chance.uniform(0.5, 2 * MEMORY))
            kills += launcher.kill() != 0
            if put_back is not None and chance.random() < 0.3:
                put_back()
            if chance.random() < 0.2 and victim.knows_runs():
                refused = victim.start_at(stranger)
                code = refused.wait()
                has_ended = f"{rows} succeeded" in refused.said()  # then nobody's service is asked
                assert code != 0 or has_ended, refused.said()
                assert not stranger.runs(), "a row was started in another account"
            if chance.random() < 0.5:
                put_back = victim.ledger_copied(folder / f"copy-{number}")
        down.over()
        victim.run_to_the_end()
        runs = victim.judge()
        victim.verify()
        return kills, served.faults(), runs


def _stranger(folder: Path, *, has_lanes: bool) -> ServedApart:
    if has_lanes:
        # Its credentials are of another account, and the role trusts only that of the first.
        return ServedLanes(folder, "AssumeRole:AccessDenied=1", accounts=STRANGERS)
    return ServedApart(folder, "", "--account", STRANGERS["east"])


class _Downs:
    """One lane's service that is down, the one after the other."""

    def __init__(self, served: ServedApart, faults: str, chance: random.Random) -> None:
        self._served = served
        self._faults = faults  #: that strike while it is up
        self._chance = chance
        self._lanes = itertools.cycle(served.urls())
        self._lane = next(self._lanes)

    def next(self) -> None:
        """Have the next one down, or none for a while."""
        self.over()
        if isinstance(self._served, ServedLanes) and self._chance.random() < 0.7:
            self._lane = next(self._lanes)
            self._served.script(self._lane, DOWN)

    def over(self) -> None:
        """Have it back."""
        if isinstance(self._served, ServedLanes):
            self._served.script(self._lane, self._faults)


def _suspend(launcher: Process, seconds: float) -> None:
    """Stop the launcher as a laptop that sleeps does; what it sent goes on."""
    os.kill(launcher.pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(launcher.pid, signal.SIGCONT)


if __name__ == "__main__":
    os.environ |= {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    seconds, seed = float(sys.argv[1]), int(sys.argv[2])
    engine, has_lanes, rows = WAYS[sys.argv[3] if len(sys.argv) > 3 else "lanes"]
    kills, faults, runs = soak(seconds, seed, rows, has_lanes=has_lanes, engine=engine)
    told = f"seed {seed}: {kills} kills, {faults} faults, {runs} runs, one for each attempt, all in agreement"
    sys.stdout.write(told + "\n")
