"""What ``batchrun plan`` found, and what a launch would have to do.

Belongs here: the numbers, and the words for lanes, engines, retries and limits. Does not: asking the ledger
and the account, the other words (``plan``), the lanes of a row (``manifest``), the effect of a retry policy
(``model.entries.retrying``).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from batchrun.cli.speak import say
from batchrun.errors import RenamedRowsError
from batchrun.model.entries.retrying import NO_CAPACITY, USUAL_WAIT, RetryPolicy, RetryRule
from batchrun.model.entries.states import UNSENT, State
from batchrun.model.lanes import lanes_of, least_seconds
from batchrun.model.paces.quotas import USUAL, Quotas, storage_types
from batchrun.model.paces.rates import FIXED_RATES, USUAL_RATES, Rate
from batchrun.model.submissions.grouping import Engine, Ways, ways
from batchrun.model.texts.words import counted, seconds, some
from batchrun.ports.stored import Counts, Sync
from batchrun.report.overview import WithService

if TYPE_CHECKING:
    from batchrun.manifest import Manifest
    from batchrun.model.entries.contents import Difference
    from batchrun.model.planning.limits import Limits
    from batchrun.report.bill import Left

#: Most different choices, and lanes, that are shown.
_TOLD: Final = 10
_NOTHING_THERE: Final = WithService()
_UNKNOWN: Final = Quotas()
#: Calls of StartRunBatch per second.
_PER_SECOND: Final = FIXED_RATES["StartRunBatch"].most


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearing:
    """The rate and limits of one lane, or of a batch without lanes."""

    rate: float  #: StartRun calls per second
    at_once: Mapping[str, int]  #: most active runs, by storage
    most: int | None  #: most active runs of the batch in the lane, if the user sets it
    is_own: bool  #: whether the limits are the account's own quotas

    @classmethod
    def of(cls, asked: float, own: Quotas, kinds: Collection[str | None], *, most: int | None = None) -> Self:
        """Return it at the rate that was *asked* for, or for an infinite one at the account's."""
        at_once = own.active_runs(kinds)
        return cls(
            rate=(own.start_runs_per_second or USUAL_RATES["StartRun"]) if math.isinf(asked) else asked,
            at_once=at_once or USUAL.active_runs(kinds),
            most=most,
            is_own=bool(at_once),
        )

    def __str__(self) -> str:
        whose = "the account's quotas" if self.is_own else "the usual quotas"
        own = "" if self.most is None else f", {self.most} of the batch"
        return f"{self.rate:g} StartRun per second, active at once {at_most(self.at_once)}{own} (by {whose})"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLanes:
    """Rows to be sent, by the lanes that they may take, and these lanes."""

    rows: Mapping[tuple[str, ...], int]
    lanes: Mapping[str, Bearing]

    @classmethod
    def of(cls, manifest: Manifest, sent: Collection[str], most: float, quotas: Mapping[str, Quotas]) -> Self:
        """Count the rows that are not *sent*; *most* is the rate of lanes without one of their own."""
        kinds = storage_types(manifest.specs())
        return cls(
            rows=Counter(lanes_of(spec.content) for spec in manifest.specs() if spec.id not in sent),
            lanes={
                lane.name: Bearing.of(
                    most if lane.rate is None else lane.rate.most,
                    quotas.get(lane.name, _UNKNOWN),
                    kinds,
                    most=lane.max_active,
                )
                for lane in manifest.lanes
            },
        )

    @property
    def seconds(self) -> float:
        """Seconds that sending them takes at least."""
        return least_seconds(self.rows, {name: lane.rate for name, lane in self.lanes.items()})

    @property
    def facts(self) -> dict[str, int]:
        """The numbers of rows, by lanes as a table has them: ``east|west``."""
        return {"|".join(lanes): count for lanes, count in self._sorted}

    @property
    def lines(self) -> Iterator[str]:
        """The lines for people."""
        choices = [
            f"{counted(count, 'row')} in {' or '.join(lanes)}" for lanes, count in self._sorted[:_TOLD]
        ]
        more = len(self._sorted) - len(choices)
        yield f"lanes: {', '.join([*choices, *([f'and {more} other choices'] if more else [])]) or 'no rows'}"
        for name, lane in [*self.lanes.items()][:_TOLD]:
            yield f"  {name}: {lane}"
        if len(self.lanes) > _TOLD:
            yield f"  ... and {len(self.lanes) - _TOLD} more"

    @property
    def _sorted(self) -> Sequence[tuple[tuple[str, ...], int]]:
        return sorted(self.rows.items(), key=lambda one: -one[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class ToCome:
    """What the rows to submit may cost."""

    currency: str
    rows: Sequence[Left]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A manifest compared with its batch in the ledger."""

    sync: Sync
    counts: Counts = field(default_factory=Counts)
    changes: Mapping[str, Sequence[Difference]] = field(default_factory=dict)  #: of some changed rows
    to_come: ToCome | None = None
    stop: str | None = None  #: why ``run`` would refuse and ask for the batch's name
    to_look_for: int = 0  #: rows whose runs another ledger may have started
    quotas: Quotas = _UNKNOWN  #: the account's, if it was asked
    lanes: PlannedLanes | None = None  #: None: no lanes
    engine: PlannedEngine | None = None  #: None: each row goes by StartRun

    @property
    def why_stopped(self) -> str | None:
        """Why ``run`` would do nothing; None if it would start."""
        if renamed := self.sync.renamed:
            return str(RenamedRowsError(self.sync.renamed_ids, renamed))
        return self.stop or (None if self.engine is None else self.engine.stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What a launch would have to do."""

    to_submit: int  #: rows
    to_settle: int  #: rows whose outcome is unknown
    to_watch: int  #: rows with a run
    bearing: Bearing  #: without lanes
    whose_rate: str  #: in words, where the rate comes from
    lanes: PlannedLanes | None
    engine: PlannedEngine | None

    @classmethod
    def of(cls, manifest: Manifest, found: Compared, asked: Rate) -> Self:
        """Calculate it at the rate that was asked for, or at the account's."""
        by_state, own = found.counts.by_state, found.quotas.start_runs_per_second
        is_free = math.isinf(asked.most)
        return cls(
            to_submit=found.sync.new + sum(by_state.get(state, 0) for state in UNSENT),
            to_settle=by_state.get(State.SUBMITTING, 0),
            to_watch=by_state.get(State.ACTIVE, 0),
            lanes=found.lanes,
            engine=found.engine,
            bearing=Bearing.of(asked.most, found.quotas, storage_types(manifest.specs())),
            whose_rate="" if not is_free else "the usual " if own is None else "the account's ",
        )

    @property
    def calls(self) -> int:
        """Number of StartRun calls."""
        if self.engine is None:
            return self.to_submit + self.to_settle
        alone = 0 if self.engine.stop else self.engine.ways.alone_rows
        return alone + self.to_settle - self.engine.there.all_rows

    @property
    def seconds(self) -> float:
        """Seconds that the calls take."""
        if self.lanes is not None:
            return self.lanes.seconds
        together = 0.0 if self.engine is None else self.engine.seconds
        return max(self.calls / self.bearing.rate, together)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEngine:
    """Rows to be sent, by how they would be submitted."""

    engine: Engine
    ways: Ways
    there: WithService = _NOTHING_THERE  #: rows that the service has, or may have

    @classmethod
    def of(
        cls,
        manifest: Manifest,
        limits: Limits,
        batch_settings: str | None,
        *,
        sent: Collection[str] = (),
        there: WithService = _NOTHING_THERE,
    ) -> Self | None:
        """Plan the rows that were not *sent* yet; return None if each goes by StartRun."""
        from batchrun.api.engines import sized  # noqa: PLC0415 (loads botocore)

        if limits.engine is Engine.STARTRUN:
            return None
        own = sized(limits, manifest, batch_settings)
        left = (spec for spec in manifest.specs() if spec.id not in sent)
        return cls(engine=own.engine, ways=ways(left, own.engine, own.wave), there=there)

    @property
    def stop(self) -> str | None:
        """Why ``run`` would refuse the manifest; None if it would not."""
        if self.engine is not Engine.BATCH or not self.ways.alone:
            return None
        rows = counted(self.ways.alone_rows, "row")
        return f"StartRunBatch cannot start {rows}; give --engine auto, which sends such rows by StartRun"

    @property
    def seconds(self) -> float:
        """Seconds that the calls of StartRunBatch take."""
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
        """The lines for people."""
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
            yield f"  {counted(one.rows, 'row')}: {why} ({some(one.ids, one.rows)})"


#: What a rule without a lane of its own does when capacity is missing.
_NEXT_LANE: Final = ", in the next of its lanes where a row may take several"


def at_most(at_once: Mapping[str, int]) -> str:
    """Return the limits of active runs: ``50 with DYNAMIC storage, 10 with STATIC storage``."""
    return ", ".join(f"{limit} with {kind} storage" for kind, limit in at_once.items())


def tell_retries(manifest: Manifest) -> None:
    """Print the retry policy unless it is the default: a line for each rule, in the order of matching."""
    policy = manifest.retry
    if policy == RetryPolicy():
        return
    if not policy.rules:
        say("failed runs are not retried automatically")
        return
    say("failed runs are retried automatically, by the first rule that matches:")
    for rule in policy.rules:
        moves = bool(manifest.lanes) and rule.change is None and NO_CAPACITY in rule.reasons
        say(f"  {_line(rule, policy)}{_NEXT_LANE if moves else ''}")


def retry_facts(policy: RetryPolicy) -> dict[str, Any]:
    """Return the retry policy for programs, empty if it is the default; waits are in seconds."""
    if policy == RetryPolicy():
        return {}
    rules = [_facts(rule, policy) for rule in policy.rules]
    return {"retry": {"wait": _first_wait(policy), "rules": rules}}


def _line(rule: RetryRule, policy: RetryPolicy) -> str:
    what = " or ".join(rule.reasons) + ("" if rule.message == "*" else f" with message {rule.message}")
    if not rule.times:
        return f"{what}: none"
    changes = f", with other {', '.join(rule.changed_fields)}" if rule.changed_fields else ""
    lanes = f", in {' or '.join(rule.lanes)}" if rule.lanes else ""
    return f"{what}: {rule.times} more after {seconds(_wait(rule, policy))}{changes}{lanes}"


def _facts(rule: RetryRule, policy: RetryPolicy) -> dict[str, Any]:
    return {
        "reasons": list(rule.reasons),
        "message": rule.message,
        "times": rule.times,
        "wait": _wait(rule, policy),
        "change": None if rule.change is None else json.loads(rule.change),
    }


def _wait(rule: RetryRule, policy: RetryPolicy) -> float:
    return _first_wait(policy) if rule.wait is None else rule.wait


def _first_wait(policy: RetryPolicy) -> float:
    return USUAL_WAIT if policy.wait is None else policy.wait
