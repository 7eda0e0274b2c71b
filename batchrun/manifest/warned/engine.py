"""
Versions of Nextflow that HealthOmics retires.

From AWS's announcement of 2026 (HealthOmics user guide, Nextflow versions): from the day on which a version
is retired new runs of it cost twice as much for twelve months, then four times as much, then they fail.
Without a version a run takes 23.10, and 22.04 where the workflow is DSL 1.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from batchrun.manifest.warned.kinds import Doubt, Kind

#: Each version by the day on which it is retired.
RETIRED: Final = {"22.04": date(2026, 11, 30), "23.10": date(2027, 11, 30)}
#: What runs where nothing is asked for.
USUAL: Final = "23.10"
#: How long before that day it is told.
_NOTICE: Final = timedelta(days=90)


def retired(version: str, today: date) -> Doubt | None:
    """Doubt a version of Nextflow that is retired, or will be soon."""
    number = ".".join(version.strip().removeprefix("v").split(".")[:2])
    day = RETIRED.get(number)
    if day is None or today < day - _NOTICE:
        return None
    says = (
        f"is a Nextflow that is retired on {day}: from then on new runs of it cost twice as much for a year, "
        "then four times as much, then they fail"
    )
    newest = [other for other, its_day in RETIRED.items() if its_day > day and today < its_day - _NOTICE]
    cure = f"move the workflow to {newest[-1]} or newer" if newest else "move the workflow to a newer version"
    return Doubt(kind=Kind.ENGINE_VERSION, says=says, cure=cure)
