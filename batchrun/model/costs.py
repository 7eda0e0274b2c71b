"""The usage of runs, and its estimated cost by a list of prices.

Facts (UG/monitoring-runs, UG/workflows-run-types, UG/memory-and-compute-tasks): a run is only charged while
RUNNING. Each task counts by its instance type and time, a minute at least; the run's storage counts for the
whole RUNNING time: STATIC by what was provisioned, DYNAMIC by the average use, which the API does not return.
A Ready2Run workflow has one price per run instead.

A list of prices is a JSON object, per hour, and for storage per GiB and hour:

    {"currency": "USD", "region": "us-east-1",
     "instances": {"omics.m.xlarge": 0.2592}, "storage": {"STATIC": 0.0001918}}

A file of prices is one list, or a JSON array of lists for several regions in one currency.

Money is Decimal and is never rounded here. Belongs here: the arithmetic, its values, reading and writing
lists. Does not: the Pricing API (``service``), files, rounding for display (``cli``).
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batchrun.model.spec import Json


STATIC: Final = "STATIC"
DYNAMIC: Final = "DYNAMIC"
#: The least time that a task is charged for.
_LEAST: Final = timedelta(minutes=1)
#: GiB of STATIC storage: the least, or a multiple of the other (UG/workflows-run-types).
_SMALLEST, _STEP = 1200, 2400
_MICROSECOND: Final = timedelta(microseconds=1)
_HOUR: Final = 3_600_000_000
#: Least number of runs for an estimate of another.
_FEWEST: Final = 3
_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The prices per hour in one region."""

    currency: str
    region: str
    instances: Mapping[str, Decimal]  #: per hour, by instance type
    storage: Mapping[str, Decimal]  #: per GiB and hour, by ``storageType``


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The tasks of one run on one type of instance."""

    instance_type: str  #: empty if the service did not return it
    tasks: int
    billed: timedelta  #: each task's time, a minute at least, added up


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The usage of an ended run, from which it can be priced with any prices."""

    status: str  #: the run's
    workflow_id: str | None = None
    is_fixed_price: bool = False  #: a Ready2Run workflow's
    running: timedelta = timedelta()  #: from its start to its stop
    storage_type: str | None = None
    storage_gib: int | None = None  #: as provisioned; None if unknown, as for DYNAMIC
    work: tuple[Work, ...] = ()  #: by instance type
    cached: int = 0  #: tasks with outputs from a cache, which cost nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The price of one run's usage, as far as prices are known."""

    tasks: Decimal = _NOTHING
    storage: Decimal = _NOTHING
    unpriced: Mapping[str, int] = field(default_factory=dict)  #: tasks by instance type without a price
    has_unpriced_storage: bool = False  #: left out: it has no price, or an unknown type
    has_unknown_storage: bool = False  #: left out: DYNAMIC of unknown size

    @property
    def total(self) -> Decimal:
        """The sum of everything that has a price."""
        return self.tasks + self.storage

    @property
    def is_comparable(self) -> bool:
        """Whether the price is complete, and so comparable with other runs'."""
        return not self.unpriced and not self.has_unpriced_storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The costs of similar runs: the median and the quartiles."""

    runs: int
    low: Decimal  #: a quarter cost no more
    median: Decimal
    high: Decimal  #: a quarter cost no less


def billed(span: timedelta) -> timedelta:
    """Return the time charged for a task that took *span*."""
    return max(span, _LEAST)


def provisioned(asked: int | None) -> int:
    """Return the GiB of STATIC storage that a run gets if it asks for so many."""
    if asked is None or asked <= _SMALLEST:
        return _SMALLEST
    return -(-asked // _STEP) * _STEP


def cost(usage: Usage, prices: Prices, *, dynamic_gib: Decimal | None = None) -> Cost | None:
    """Return the cost of a run's usage by its region's prices; None if it has a fixed price.

    *dynamic_gib* is the average size of DYNAMIC storage, if known.
    """
    if usage.is_fixed_price:
        return None
    tasks, unpriced = _NOTHING, {}
    for work in usage.work:
        price = prices.instances.get(work.instance_type)
        if price is None:
            unpriced[work.instance_type] = work.tasks
        else:
            tasks += hours(work.billed) * price
    gib = dynamic_gib if usage.storage_type == DYNAMIC else usage.storage_gib
    is_unknown = bool(usage.running) and usage.storage_type == DYNAMIC and gib is None
    storage = None if is_unknown else _storage_cost(usage, gib, prices)
    return Cost(
        tasks=tasks,
        storage=storage or _NOTHING,
        unpriced=unpriced,
        has_unpriced_storage=storage is None and not is_unknown,
        has_unknown_storage=is_unknown,
    )


def _storage_cost(usage: Usage, gib: Decimal | int | None, prices: Prices) -> Decimal | None:
    """Return the cost of the storage; None if it has no price."""
    if not usage.running:
        return _NOTHING
    price = prices.storage.get(usage.storage_type or "")
    return None if gib is None or price is None else hours(usage.running) * gib * price


def hours(span: timedelta) -> Decimal:
    """Return *span* in hours."""
    return Decimal(span // _MICROSECOND) / _HOUR


def spread(totals: Sequence[Decimal]) -> Spread | None:
    """Return the spread of costs, or None if there are too few."""
    if len(totals) < _FEWEST:
        return None
    low, median, high = statistics.quantiles(totals, n=4, method="inclusive")
    return Spread(runs=len(totals), low=low, median=median, high=high)


_KEYS: Final = ("currency", "region", "instances", "storage")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_REGION: Final = re.compile(r"[a-z]{2,}(-[a-z0-9]+){1,4}")
_INSTANCE: Final = re.compile(r"omics\.[a-z0-9]+(\.[a-z0-9-]+)?")
#: Upper bounds of a price per hour, in any currency, and of its characters.
_DEAREST: Final = 1_000_000
_LONGEST: Final = 40
_SHOWN: Final = 40


def checked_prices(value: Json, problems: list[str]) -> Prices | None:
    """Return the prices in a JSON value, whose numbers may be text.

    Problems are added to *problems*, with place, value and cure; then None is returned.
    """
    if not isinstance(value, dict):
        problems.append(f"a list of prices is an object with {', '.join(_KEYS)}, not {_shown(value)}")
        return None
    problems.extend(
        f"{_shown(key)}: there is no such key; leave it out, or write one of {', '.join(_KEYS)}"
        for key in value
        if key not in _KEYS
    )
    made = Prices(
        currency=_text(value, "currency", _CURRENCY, 'its three letters, such as "USD"', problems),
        region=_text(value, "region", _REGION, 'the region of the runs, such as "us-east-1"', problems),
        instances=_table(value, "instances", problems),
        storage=_table(value, "storage", problems),
    )
    return None if problems else made


def written_prices(prices: Prices) -> dict[str, Json]:
    """Return *prices* as JSON, as :func:`checked_prices` takes it."""
    return {
        "currency": prices.currency,
        "region": prices.region,
        "instances": {name: float(price) for name, price in sorted(prices.instances.items())},
        "storage": {name: float(price) for name, price in sorted(prices.storage.items())},
    }


def is_instance_type(name: str) -> bool:
    """Report whether a text has the form of the service's instance types."""
    return _INSTANCE.fullmatch(name) is not None


def price_of(value: object) -> Decimal | None:
    """Return a price from a positive number or its text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value)
    if len(text) > _LONGEST:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        return None
    return price if price.is_finite() and 0 < price <= _DEAREST else None


def _text(
    table: Mapping[str, Json], key: str, form: re.Pattern[str], wanted: str, problems: list[str]
) -> str:
    value = table.get(key)
    if isinstance(value, str) and form.fullmatch(value):
        return value
    found = "is missing" if key not in table else f"cannot be {_shown(value)}"
    problems.append(f"{key}: {found}; write {wanted}")
    return ""


def _table(whole: Mapping[str, Json], key: str, problems: list[str]) -> dict[str, Decimal]:
    table = whole.get(key)
    if not isinstance(table, dict):
        found = "is missing" if key not in whole else f"cannot be {_shown(table)}"
        problems.append(f"{key}: {found}; write an object of prices per hour, {{}} where there are none")
        return {}
    made = {}
    for name, value in table.items():
        price = price_of(value)
        if not _is_name(key, name):
            example = "omics.m.xlarge" if key == "instances" else f"{STATIC} or {DYNAMIC}"
            problems.append(f"{key}.{_shown(name)}: unknown name; write {example}")
        elif price is None:
            problems.append(
                f"{key}.{name}: {_shown(value)} is not a price; write a number above 0, or leave it out"
            )
        else:
            made[name] = price
    return made


def _is_name(key: str, name: str) -> bool:
    return is_instance_type(name) if key == "instances" else name in {STATIC, DYNAMIC}


def _shown(value: object) -> str:
    text = repr(str(value)) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLists:
    """One or more lists of prices in one currency, for different regions."""

    lists: tuple[Prices, ...]

    @property
    def currency(self) -> str:
        """The currency of all lists."""
        return self.lists[0].currency

    @property
    def regions(self) -> str:
        """Their regions, in words."""
        return ", ".join(one.region for one in self.lists)

    def of(self, region: str | None) -> Prices | None:
        """Return the list of *region*, or None; a single list is used if a run's region is unknown."""
        if len(self.lists) == 1:
            return self.lists[0]
        return next((one for one in self.lists if one.region == region), None)

    def lacking(self, regions: Collection[str]) -> list[str]:
        """Return the *regions* without a list, sorted."""
        return sorted({*regions} - {one.region for one in self.lists})


def checked_lists(value: Json, problems: list[str]) -> PriceLists | None:
    """Return the lists in a JSON value, one or an array; problems as for :func:`checked_prices`."""
    if not isinstance(value, list):
        found = checked_prices(value, problems)
        return None if found is None else PriceLists(lists=(found,))
    if not value:
        problems.append("there is no list of prices in it; write one for each region")
    lists: list[Prices] = []
    for number, one in enumerate(value, start=1):
        wrong: list[str] = []
        made = checked_prices(one, wrong)
        problems.extend(f"list {number}: {problem}" for problem in wrong)
        if made is not None:
            problems.extend(f"list {number}: {problem}" for problem in _beside(made, lists))
            lists.append(made)
    return None if problems else PriceLists(lists=tuple(lists))


def _beside(prices: Prices, others: list[Prices]) -> list[str]:
    """Return the problems of a list beside *others*."""
    found = []
    if any(one.region == prices.region for one in others):
        found.append(f"region: there is a list of {prices.region} before; give each region one")
    if others and others[0].currency != prices.currency:
        found.append(f"currency: {prices.currency} beside {others[0].currency}; give all in one currency")
    return found


def written_lists(prices: PriceLists) -> Json:
    """Return *prices* as JSON, as :func:`checked_lists` takes it."""
    written: list[Json] = [written_prices(one) for one in prices.lists]
    return written[0] if len(written) == 1 else written
