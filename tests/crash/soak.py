"""
A long randomised attack: ``python -m tests.crash.soak SECONDS SEED``.

A launch of a few hundred rows under every fault at once, killed with SIGKILL at random moments until the time
is over, then left to finish, and judged.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.harness import ServedApart, Victim
from tests.crash.nursery import Nursery

FAULTS = (
    "StartRun:drop_after=0.08,StartRun:error_after=0.08,StartRun:drop_before=0.05,StartRun:truncated_after=0.03,"
    "*:throttle=0.05,GetRun:drop_before=0.02,GetRun:html_after=0.02"
)


def soak(seconds: float, seed: int, rows: int = 300) -> tuple[int, int, int]:
    """Attack for so many seconds; give the kills, the faults and the runs."""
    chance = random.Random(seed)
    until = time.monotonic() + seconds
    kills = 0
    nursery = Nursery()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        served = ServedApart(nursery, folder, FAULTS, "--seed", str(seed), "--max-active", "100")
        victim = Victim(nursery, folder, served, rows, "--rate", "12")
        while time.monotonic() < until:
            launcher = victim.start()
            time.sleep(chance.uniform(0.1, 5.0))
            kills += launcher.kill() != 0
        victim.run_to_the_end()
        runs = victim.judge()
        calls = served.state()["calls"]
        served.stop()
    nursery.close()
    return kills, sum(sum(call["faults"].values()) for call in calls.values()), runs


if __name__ == "__main__":
    os.environ |= {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    seconds, seed = float(sys.argv[1]), int(sys.argv[2])
    kills, faults, runs = soak(seconds, seed)
    told = f"seed {seed}: {kills} kills, {faults} faults, {runs} runs, one for each row, all in agreement"
    sys.stdout.write(told + "\n")
