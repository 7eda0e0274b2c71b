"""Lanes without rows, for verbs that look at lanes alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.manifest.lanes.table import lanes_beside_rows, lanes_of_file
from batchrun.manifest.problems import Problems
from batchrun.manifest.rules import start_run
from batchrun.manifest.source import Beyond

if TYPE_CHECKING:
    from batchrun.model.lanes import Lane
    from batchrun.ports.objects import Objects


def lanes_to_use(path: str, objects: Objects | None = None) -> tuple[Lane, ...]:
    """
    Return the lanes of a file for ``--lanes``.

    Raises:
        ManifestError: It has none, or anything in them is wrong; it has every problem, up to a limit.
    """
    problems = Problems()
    found = lanes_of_file(path, Beyond(objects=objects), start_run(), problems)
    problems.raise_any()
    return found.lanes


def lanes_in_file(path: str, objects: Objects | None = None) -> tuple[Lane, ...]:
    """
    Return the lanes of a file for ``--lanes``, or of a manifest that has its own.

    Raises:
        ManifestError: As above.
    """
    problems = Problems()
    found = lanes_beside_rows(path, Beyond(objects=objects), start_run(), problems)
    problems.raise_any()
    return found.lanes
