"""Versions of Nextflow that HealthOmics retires.

From AWS's announcement of 2026 (HealthOmics user guide, Nextflow versions): from the day on which a version
is retired new runs of it cost twice as much for twelve months, then four times as much, then they fail.
Without a version a run takes 23.10, and 22.04 where the workflow is DSL 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Final

from batchrun.manifest.problems import printable
from batchrun.manifest.spool import RowPlaces
from batchrun.manifest.warned.found import Collected, Doubt, WarningKind, Warnings, WatchedColumn
from batchrun.model.spec import Json, Spec
from batchrun.ports.workflows import Workflow, WorkflowKey

FIELD: Final = "engineSettings.engineVersion"
#: The day on which each version is retired.
RETIRED: Final = {"22.04": date(2026, 11, 30), "23.10": date(2027, 11, 30)}
#: The version that runs if none is asked for.
USUAL: Final = "23.10"
#: How long before that day there is a warning.
_NOTICE: Final = timedelta(days=90)


def told_of(today: date) -> list[str]:
    """Return the versions that are retired, or will be soon."""
    return [number for number, day in RETIRED.items() if today >= day - _NOTICE]


def retired(version: str, today: date) -> Doubt | None:
    """Return a doubt about a version of Nextflow that is retired, or will be soon."""
    number = ".".join(version.strip().removeprefix("v").split(".")[:2])
    day = RETIRED.get(number)
    if day is None or number not in told_of(today):
        return None
    says = (
        f"is a Nextflow that is retired on {day}: from then on new runs of it cost twice as much for a year, "
        "then four times as much, then they fail"
    )
    later = [f"; {other} is retired on {its_day}" for other, its_day in RETIRED.items() if its_day > day]
    return Doubt(WarningKind.ENGINE_VERSION, says, f"move the workflow to a newer version{''.join(later)}")


def held_against(
    specs: Iterable[Spec], workflows: Mapping[WorkflowKey, Workflow | None], places: RowPlaces, today: date
) -> Warnings:
    """Return warnings of the engine versions that rows ask for or get, if their workflows are known.

    Versions are retired as of *today*.
    """
    found, column = Collected(), WatchedColumn(name=FIELD)
    for spec in specs:
        request: dict[str, Json] = json.loads(spec.request)
        key = WorkflowKey.of(request)
        workflow = None if key is None else workflows.get(key)
        settings = request.get("engineSettings")
        version = settings.get("engineVersion") if isinstance(settings, dict) else None
        doubt = None if workflow is None or workflow.engine is None else _of(workflow.engine, version, today)
        if doubt is not None:
            text = None if version is None else str(version)
            found.add(doubt, column, places.place(spec.position), text=text, row=spec.id)
    return found.warnings()


def _of(engine: str, version: Json, today: date) -> Doubt | None:
    if engine != "NEXTFLOW":
        says = f"is ignored: the workflow's engine is {printable(engine)}"
        return None if version is None else Doubt(WarningKind.ENGINE_VERSION, says, "leave it out")
    if version is not None or (usual := retired(USUAL, today)) is None:
        return None  # a version that is asked for was reported offline already
    says = f"is not given: the workflow takes {USUAL}, which {usual.says}"
    return Doubt(WarningKind.ENGINE_VERSION, says, usual.cure)
