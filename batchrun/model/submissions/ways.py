"""Which way rows that are to be sent would go: together, by StartRunBatch, or each by StartRun; and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.model.lanes import lanes_of
from batchrun.model.submissions.grouping import ALONE, MANY, Engine, goes_together, shape_of, why_alone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from batchrun.model.spec import Spec

#: Why rows go by StartRun that could go together.
FEW: Final = f"fewer than {MANY} are alike"
#: Ids that are kept of each reason.
_IDS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """Rows that each go by StartRun, for one reason."""

    rows: int
    ids: Sequence[str]  #: of some of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How rows would go."""

    together: int  #: rows
    calls: int  #: of StartRunBatch, at least
    alone: Mapping[str, Alone]  #: the others, by why

    @property
    def alone_rows(self) -> int:
        """How many go by StartRun, or cannot go, where that may not be."""
        return sum(one.rows for one in self.alone.values())


def ways(specs: Iterable[Spec], engine: Engine, wave: int) -> Ways:
    """
    Count *specs* by the way that they go.

    Args:
        specs: What is to be sent.
        engine: Which decides.
        wave: Rows of one StartRunBatch at most.
    """
    alike: Counter[tuple[tuple[str, ...], str]] = Counter()
    alone: Counter[str] = Counter()
    ids: defaultdict[str, list[str]] = defaultdict(list)
    firsts: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for spec in specs:
        shape = shape_of(spec.id, spec.content)
        if shape == ALONE:
            why = why_alone(spec.id, spec.content) or ""
            alone[why] += 1
            _keep(ids[why], spec.id)
        else:
            kind = (lanes_of(spec.content), shape)
            alike[kind] += 1
            _keep(firsts.setdefault(kind, []), spec.id)
    together = calls = 0
    for kind, rows in alike.items():
        if goes_together(engine, kind[1], rows):
            together, calls = together + rows, calls + -(-rows // wave)
        else:
            alone[FEW] += rows
            ids[FEW] += firsts[kind]
    return Ways(
        together=together,
        calls=calls,
        alone={why: Alone(rows=rows, ids=ids[why][:_IDS]) for why, rows in alone.most_common()},
    )


def _keep(ids: list[str], entry_id: str) -> None:
    if len(ids) < _IDS:
        ids.append(entry_id)
