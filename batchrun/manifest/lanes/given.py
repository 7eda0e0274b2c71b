"""
Which lanes a manifest has: its own, those of ``--lanes``, or some of those, which it names.

A manifest that has a table of lanes is not read with another one beside it: nobody could tell which account
a lane is of. One whose ``lanes:`` is a list of names takes these of ``--lanes``, in its own order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.manifest.lanes.naming import names_in
from batchrun.manifest.lanes.table import LANES, LaneTable, lanes_in, lanes_of_file
from batchrun.manifest.problems import Record, instead, printable, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.manifest.model_check import RequestModel
    from batchrun.manifest.problems import Part, Problems
    from batchrun.manifest.source import Beyond

_OPTION = "--lanes"


def lanes_given(
    part: Part | None, path: str | None, beyond: Beyond, model: RequestModel, problems: Problems
) -> LaneTable | None:
    """
    Return the lanes that rows may take; None where there are no lanes.

    Args:
        part: The manifest's own ``lanes:``.
        path: The file of ``--lanes``.
        beyond: What can be read besides files.
        model: What StartRun takes.
        problems: Takes what is wrong.

    Raises:
        ManifestError: The file cannot be read, or is no table.
    """
    shared = None if path is None else lanes_of_file(path, beyond, model, problems)
    if part is None:
        return shared
    if part.wrong:
        return LaneTable()  # what is wrong in it is told as of all parts
    if isinstance(part.value, list):
        return _chosen(part, shared, problems)
    if shared is not None:
        message = f"the manifest has lanes, and {_OPTION} {printable(str(path), None)} gives others"
        cure = f"leave {_OPTION} out, or name in the manifest those that it takes: lanes: [east, west]"
        problems.add(part.place, message, cure, field=LANES)
        return LaneTable()
    if not isinstance(part.value, dict):
        message = f"{shown(part.value)} is not a table of lanes"
        problems.add(part.place, message, "write east: {region: us-east-1}", field=LANES)
        return LaneTable()
    return lanes_in(Record(fields=part.value, place=part.place, places=part.places), model, problems)


def _chosen(part: Part, shared: LaneTable | None, problems: Problems) -> LaneTable:
    names = names_in(part.value)
    if shared is None:
        message = "these are names of lanes, and nothing says what they are"
        cure = (
            f"give {_OPTION} FILE with a table of them, or write the table here: east: {{region: us-east-1}}"
        )
        problems.add(part.place, message, cure, field=LANES)
        return LaneTable()
    by_name = {lane.name: lane for lane in shared.lanes}
    unknown = next((name for name in names if name not in by_name), None)
    if unknown is not None or not names:
        what = "the list is empty" if unknown is None else f"there is no lane {shown(unknown)}"
        problems.add(part.place, f"{what} in {_OPTION}", _cure(unknown, shared.names), field=LANES)
        return shared
    chosen = dict.fromkeys(names)
    sets = {name: record for name, record in shared.sets.items() if name in chosen}
    return LaneTable(lanes=tuple(by_name[name] for name in chosen), sets=sets, source=shared.source)


def _cure(unknown: str | None, names: Sequence[str]) -> str:
    listed = f"it has {printable(', '.join(names), 300)}"
    return listed if unknown is None else instead(unknown, names, listed)


def led_to(rules: Sequence[Part], names: Sequence[str]) -> tuple[str, ...]:
    """Return the lanes of these *names* that rules of ``retry:`` lead to; their problems are told later."""
    found: dict[str, None] = {}
    for part in rules:
        change = part.value.get("change") if isinstance(part.value, dict) else None
        wanted = change.get("lane") if isinstance(change, dict) else None
        found |= dict.fromkeys(name for name in names_in(wanted) if name in names)
    return tuple(found)
