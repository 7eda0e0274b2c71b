"""Kills the process that it runs in, with SIGKILL, when it reaches a point for the nth time."""

from __future__ import annotations

import os
import signal

from batchrun import points
from batchrun.model.submissions import grouping


def lay_in_wait(where: points.Point, times: int) -> None:
    left = times

    def reached(point: points.Point) -> None:
        nonlocal left
        if point is where:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    points.reached = reached


def call_many(rows: int) -> None:
    """Let ``auto`` take so many rows alike for many, that a case be small."""
    vars(grouping)["MANY"] = rows
