"""Rows that have to go to the service together, by StartRunBatch: what is wrong with one that cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from batchrun.manifest.problems import Place, Problems
from batchrun.model.submissions.grouping import why_alone

if TYPE_CHECKING:
    from batchrun.manifest import Manifest
    from batchrun.manifest.problems import Record
    from batchrun.manifest.rows import Checked

_CURE: Final = "give --engine auto, which sends it by StartRun"


class _Expands(Protocol):
    def expand(self, record: Record) -> Checked | None: ...


class Together:
    """Expands rows as another does, and looks whether StartRunBatch can start each."""

    def __init__(self, expander: _Expands, problems: Problems) -> None:
        self._expander = expander
        self._problems = problems

    def expand(self, record: Record) -> Checked | None:
        """Return the checked row; None where it has problems, which are taken down."""
        checked = self._expander.expand(record)
        if checked is None:
            return None
        content = (checked.offers or checked.request).decode()
        return None if _is_alone(self._problems, record.place, checked.id, content) else checked


def refuse_alone(manifest: Manifest) -> None:
    """
    See that StartRunBatch can start each row of a manifest that was loaded without a look at that.

    Raises:
        ManifestError: It has every row that it cannot, up to a limit; without lines, which nobody kept.
    """
    problems, place = Problems(), Place(source=manifest.place or manifest.batch)
    for spec in () if manifest.goes_together else manifest.specs():
        _is_alone(problems, place, spec.id, spec.content)
    problems.raise_any()


def _is_alone(problems: Problems, place: Place, entry_id: str, content: str) -> bool:
    why = why_alone(entry_id, content)
    if why is not None:
        problems.add(place, f"StartRunBatch cannot start this row: {why}", _CURE, row=entry_id)
    return why is not None
