"""What ``plan`` and ``check`` say of engines: which rows would go which way, in how many calls, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from batchrun.cli.wording import counted, seconds
from batchrun.model.grouping import Engine
from batchrun.model.pace import FIXED_RATES
from batchrun.model.ways import ways
from batchrun.report.with_service import WithService

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batchrun.model.limits import Limits
    from batchrun.model.spec import Spec
    from batchrun.model.ways import Ways

#: Calls of StartRunBatch per second.
_PER_SECOND: Final = FIXED_RATES["StartRunBatch"].most


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEngine:
    """Rows that are to be sent, by the way that they would go."""

    engine: Engine
    ways: Ways
    there: WithService = field(default_factory=WithService)  #: rows that the service has, or may have

    @classmethod
    def of(cls, specs: Iterable[Spec], limits: Limits) -> Self:
        """Plan for rows that nobody has sent yet."""
        return cls(engine=limits.engine, ways=ways(specs, limits.engine, limits.wave))

    @property
    def stop(self) -> str | None:
        """Why ``run`` would refuse the manifest."""
        if self.engine is not Engine.BATCH or not self.ways.alone:
            return None
        rows = counted(self.ways.alone_rows, "row")
        return f"StartRunBatch cannot start {rows}; give --engine auto, which sends such rows by StartRun"

    @property
    def seconds(self) -> float:
        """How long the calls of StartRunBatch take."""
        return self.ways.calls / _PER_SECOND

    @property
    def facts(self) -> dict[str, Any]:
        """All of it for programs."""
        return {
            "engine": self.engine.value,
            "start_run_batch_calls": self.ways.calls,
            "rows_together": self.ways.together,
            "rows_alone": [
                {"why": why, "rows": one.rows, "ids": list(one.ids)} for why, one in self.ways.alone.items()
            ],
            **self.there.facts,
        }

    @property
    def lines(self) -> Iterator[str]:
        """What people are told."""
        calls = (
            f"StartRunBatch calls: {self.ways.calls}, {seconds(self.seconds)} at {_PER_SECOND:g} per second"
        )
        if self.ways.together:
            calls += (
                f", for {counted(self.ways.together, 'row')}, which the service then submits at its own pace"
            )
        yield calls
        if self.there.all_rows:
            yield self.there.text
        if self.ways.alone:
            way = "each by StartRun" if self.stop is None else "not by StartRunBatch"
            yield f"{way}: {counted(self.ways.alone_rows, 'row')}"
        for why, one in self.ways.alone.items():
            more = ", ..." if one.rows > len(one.ids) else ""
            yield f"  {counted(one.rows, 'row')}: {why} ({', '.join(one.ids)}{more})"
