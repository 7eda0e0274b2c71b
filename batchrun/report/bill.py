"""The estimated cost of a batch's runs, by a list of prices.

Belongs here: adding up runs, and a row for each attempt. Does not: the price of one run (``model.costs``),
asking for what it used (``engine``), words and rounding for people (``cli``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from batchrun.model.costs import Cost, PriceLists, Prices, Spread, Usage, cost, spread
from batchrun.model.lanes import place_of
from batchrun.model.texts.words import counted
from batchrun.report.json_names import OLD_NAMES, with_old_names

if TYPE_CHECKING:
    from batchrun.ports.stored import EndedRun
    from batchrun.report.columns import ResultsRow

#: Columns of the CSV, with a row for each attempt with a run. A contract: published names stay.
COLUMNS: Final = (
    "id",
    "attempt",
    "runId",
    "uuid",
    "status",
    "workflowId",
    "tasks",
    "cachedTasks",
    "taskSeconds",
    "taskCost",
    "runningSeconds",
    "storageType",
    "storageGiB",
    "storageCost",
    "cost",
    "currency",
    "unpriced",
    "lane",
    "region",
)
#: The same in JSON, by the names used elsewhere, with these beside.
_NOW: Final = OLD_NAMES["cost_row"][""]
JSON_COLUMNS: Final = (*(_NOW.get(name, name) for name in COLUMNS), *_NOW)
_COMPLETED: Final = "COMPLETED"
#: Parts that a price may lack, by their words in :attr:`Charged.lacks`, with the reason.
_LEFT_OUT: Final = (
    ("DYNAMIC storage", "the API does not report the size used; --dynamic-gib takes an average"),
    ("STATIC storage", "it has no price"),
    ("unknown storage", "its type is not known"),
    ("READY2RUN", "such a workflow has one price per run"),
    ("deleted", "the service does not have the run any more"),
    ("not known yet", "not asked yet, or the service did not answer; run 'batchrun costs'"),
)
_SECOND: Final = timedelta(seconds=1)
#: Decimals in files and for programs.
_DECIMALS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """One run, and its price if it can be computed."""

    spent: EndedRun
    cost: Cost | None
    region: str | None = None  #: the run's, by its ARN
    has_prices: bool = True  #: whether there are prices of that region

    @property
    def status(self) -> str:
        """The run's status as it was seen last."""
        return self.spent.usage.status if self.spent.usage else self.spent.run.status

    @property
    def total(self) -> Decimal:
        """The sum of everything that has a price."""
        return self.cost.total if self.cost else Decimal(0)

    @property
    def is_comparable(self) -> bool:
        """Whether it completed and its price is complete."""
        return self.status == _COMPLETED and self.cost is not None and self.cost.is_comparable

    @property
    def lacks(self) -> tuple[str, ...]:
        """The parts that its price leaves out."""
        if self.spent.usage is None:
            return ("deleted",) if self.spent.is_gone else ("not known yet",)
        if not self.has_prices:
            return (f"prices of {self.region or 'an unknown region'}",)
        return _lacks(self.spent.usage, self.cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The cost of all runs together."""

    prices: PriceLists
    runs: Sequence[Charged]

    @property
    def total(self) -> Decimal:
        """The sum of everything that has a price."""
        return sum((one.total for one in self.runs), Decimal(0))

    @property
    def tasks(self) -> Decimal:
        """The tasks' part of it."""
        return sum((one.cost.tasks for one in self.runs if one.cost), Decimal(0))

    @property
    def storage(self) -> Decimal:
        """The storage's part of it."""
        return sum((one.cost.storage for one in self.runs if one.cost), Decimal(0))

    @property
    def priced(self) -> Sequence[Charged]:
        """The runs that have a price, if not of everything."""
        return [one for one in self.runs if one.cost is not None]

    @property
    def by_status(self) -> Mapping[str, tuple[int, Decimal]]:
        """Number and cost of runs by status, the most expensive first."""
        found = self._totals((one.status, one) for one in self.priced)
        return dict(sorted(found.items(), key=lambda item: (-item[1][1], item[0])))

    @property
    def successful(self) -> Spread | None:
        """The spread of costs of completed runs; None if there are too few."""
        return spread([one.total for one in self.runs if one.is_comparable])

    @property
    def unpriced(self) -> Mapping[str, int]:
        """Number of tasks by instance type without a price."""
        found: Counter[str] = Counter()
        for one in self.priced:
            found.update(one.cost.unpriced if one.cost else {})
        return dict(sorted(found.items()))

    @property
    def by_lane(self) -> Mapping[str, tuple[int, Decimal]]:
        """Number and cost of runs by lane; empty in a batch without lanes."""
        in_lanes = ((one.spent.lane, one) for one in self.priced if one.spent.lane is not None)
        return dict(sorted(self._totals(in_lanes).items()))

    @staticmethod
    def _totals(runs: Iterable[tuple[str, Charged]]) -> dict[str, tuple[int, Decimal]]:
        found: dict[str, tuple[int, Decimal]] = {}
        for name, one in runs:
            number, total = found.get(name, (0, Decimal(0)))
            found[name] = number + 1, total + one.total
        return found

    def lacking(self, word: str) -> int:
        """Count the runs whose price leaves this out, as :attr:`Charged.lacks` calls it."""
        return sum(word in one.lacks for one in self.runs)

    @property
    def left_out(self) -> Iterator[str]:
        """Return what the cost leaves out, in words."""
        for name, tasks in self.unpriced.items():
            label = name or "an unknown instance type"
            yield f"{counted(tasks, 'task')} on {label}, which has no price"
        for word, why in _LEFT_OUT:
            if number := self.lacking(word):
                yield f"{word} of {counted(number, 'run')}: {why}"
        for word in sorted({word for one in self.runs if not one.has_prices for word in one.lacks}):
            yield f"{word}: give a list of it with --prices"

    def dearest(self, most: int) -> Sequence[Charged]:
        """Return the runs that cost most."""
        return sorted((one for one in self.priced if one.total), key=lambda one: -one.total)[:most]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlikeRows:
    """Rows with comparable costs: those of one workflow in one region."""

    workflow_id: str | None
    region: str | None = None  #: None where it is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Rows of one workflow that have not ended."""

    workflow_id: str | None
    rows: int
    each: Spread | None  #: the cost of completed runs of the workflow; None if unknown
    region: str | None = None  #: their region, in a batch with several
    lacks: tuple[str, ...] = ()  #: what the cost leaves out, or why it is unknown; empty: too few runs


def bill_of(runs: Iterable[EndedRun], prices: PriceLists, dynamic_gib: Decimal | None) -> Bill:
    """Price *runs*, each by the list of its own region."""
    return Bill(prices=prices, runs=[_charged(run, prices, dynamic_gib) for run in runs])


def _charged(run: EndedRun, prices: PriceLists, dynamic_gib: Decimal | None) -> Charged:
    region = place_of(run.run.arn)[1]
    own = prices.of(region)
    known = None if own is None else _cost(run.usage, own, dynamic_gib)
    return Charged(spent=run, cost=known, region=region, has_prices=own is not None)


def left(
    rows: AlikeRows, number: int, usages: Sequence[Usage], prices: PriceLists, dynamic_gib: Decimal | None
) -> Left:
    """Return the expected cost of *rows*, if each uses as much as one of *usages*."""
    own = prices.of(rows.region)
    region = None if len(prices.lists) == 1 else rows.region
    if own is None:
        without = (f"prices of {rows.region or 'an unknown region'}",)
        return Left(workflow_id=rows.workflow_id, rows=number, each=None, region=region, lacks=without)
    costs = [(usage, _cost(usage, own, dynamic_gib)) for usage in usages]
    # Incomplete prices only count if there are no complete ones.
    whole = [(usage, one) for usage, one in costs if one is not None and one.is_comparable]
    each = spread([one.total for _usage, one in whole])
    told_of = costs if each is None else whole
    lacks = dict.fromkeys(word for usage, one in told_of for word in _lacks(usage, one))
    return Left(workflow_id=rows.workflow_id, rows=number, each=each, region=region, lacks=tuple(lacks))


def row(one: Charged, currency: str) -> ResultsRow:
    """Return a run's row, keyed by COLUMNS and JSON_COLUMNS; unknown values are None."""
    usage, known = one.spent.usage, one.cost
    facts = {
        "id": one.spent.entry_id,
        "attempt": one.spent.attempt,
        "runId": one.spent.run.id,
        "uuid": one.spent.run.uuid,
        "status": one.status,
        "workflowId": usage.workflow_id if usage else None,
        "tasks": sum(work.tasks for work in usage.work) if usage else None,
        "cached_tasks": usage.cached if usage else None,
        "task_seconds": _seconds(sum((work.billed for work in usage.work), timedelta())) if usage else None,
        "task_cost": rounded(known.tasks) if known else None,
        "running_seconds": _seconds(usage.running) if usage else None,
        "storageType": usage.storage_type if usage else None,
        "storage_gib": usage.storage_gib if usage else None,
        "storage_cost": rounded(known.storage) if known and not _lacks_storage(known) else None,
        "cost": rounded(known.total) if known else None,
        "currency": currency,
        "unpriced": "; ".join(one.lacks) or None,
        "lane": one.spent.lane,
        "region": one.region,
    }
    return with_old_names("cost_row", facts)


def rounded(money: Decimal) -> float:
    """Return *money* rounded for programs."""
    return float(round(money, _DECIMALS))


def _cost(usage: Usage | None, prices: Prices, dynamic_gib: Decimal | None) -> Cost | None:
    return None if usage is None else cost(usage, prices, dynamic_gib=dynamic_gib)


def _lacks(usage: Usage, known: Cost | None) -> tuple[str, ...]:
    """Return the parts that the price of a run's usage leaves out."""
    if known is None:
        return ("READY2RUN",)
    named = [name or "unknown instance type" for name in known.unpriced]
    storage = [f"{usage.storage_type or 'unknown'} storage"] if _lacks_storage(known) else []
    return (*named, *storage)


def _lacks_storage(known: Cost) -> bool:
    return known.has_unknown_storage or known.has_unpriced_storage


def _seconds(span: timedelta) -> float:
    return round(span / _SECOND, 3)
