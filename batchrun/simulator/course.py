"""
What becomes of a run, decided when it is started.

Belongs here: the choice, by a chance that repeats itself. Does not: when a state is reached (``timetable``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.simulator.chance import draw
from batchrun.simulator.lifecycle import Course

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrun.simulator.settings import Settings


def plan_course(settings: Settings, name: str, output: str, attempt: int) -> Course:
    """
    Decide the course of the *attempt*-th run (from 1) with this name, or this output where it has none.

    The same settings, name and attempt make the same course, whatever else happens.
    """
    key = (settings.seed, name or output, attempt)
    failure = _failure(settings, name, output, attempt)
    lengths = settings.durations
    scale = settings.time_scale
    # A run that fails does so somewhere on the way.
    part = 1.0 if failure is None else draw(*key, "part")
    return Course(
        pending=scale * lengths.pending.at(draw(*key, "pending")),
        starting=scale * lengths.starting.at(draw(*key, "starting")),
        running=scale * part * lengths.running.at(draw(*key, "running")),
        stopping=scale * lengths.stopping.at(draw(*key, "stopping")),
        failure=failure,
    )


def _failure(settings: Settings, name: str, output: str, attempt: int) -> str | None:
    for rule in settings.fail_first:
        if rule.strikes(name, output, attempt):
            return rule.reason
    lot = draw(settings.seed, name or output, attempt, "failure")
    return _reason_at(lot, settings.failures)


def _reason_at(lot: float, failures: Mapping[str, float]) -> str | None:
    reach = 0.0
    for reason, chance in failures.items():
        reach += chance
        if lot < reach:
            return reason
    return None
