"""What runs cost, by figures that anybody can check by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from batchrun.model.costs import Cost, Prices, Spread, Usage, Work, billed, cost, hours, provisioned, spread

PRICES = Prices(
    currency="USD",
    region="us-east-1",
    instances={"omics.m.xlarge": Decimal("0.2592"), "omics.c.large": Decimal("0.108")},
    storage={"STATIC": Decimal("0.0001918"), "DYNAMIC": Decimal("0.0004110")},
)
USAGE = Usage(
    status="COMPLETED",
    running=timedelta(hours=2),
    storage_type="STATIC",
    storage_gib=1200,
    work=(
        Work(instance_type="omics.c.large", tasks=1, billed=timedelta(minutes=1)),
        Work(instance_type="omics.m.xlarge", tasks=2, billed=timedelta(hours=1, minutes=30)),
    ),
)


def test_tasks_by_instance_and_time_and_storage_by_running_time():
    found = cost(USAGE, PRICES)
    assert found is not None
    assert found.tasks == Decimal("0.108") / 60 + Decimal("0.2592") * Decimal("1.5") == Decimal("0.3906")
    assert found.storage == 2 * 1200 * Decimal("0.0001918") == Decimal("0.46032")
    assert found.total == Decimal("0.85092")
    assert found.is_comparable
    assert not found.has_unknown_storage


def test_what_has_no_price_is_told_and_not_taken_for_nothing():
    found = cost(USAGE, replace(PRICES, instances={"omics.c.large": Decimal(60)}, storage={}))
    assert found == Cost(tasks=Decimal(1), unpriced={"omics.m.xlarge": 2}, has_unpriced_storage=True)
    assert not found.is_comparable
    assert not Cost(unpriced={"x": 1}).is_comparable
    nameless = replace(USAGE, work=(Work(instance_type="", tasks=3, billed=timedelta(hours=1)),))
    assert cost(nameless, PRICES) == Cost(storage=Decimal("0.46032"), unpriced={"": 3})


def test_dynamic_storage_is_left_out_unless_somebody_knows_its_size():
    dynamic = replace(USAGE, storage_type="DYNAMIC", storage_gib=None, work=())
    assert cost(dynamic, PRICES) == Cost(has_unknown_storage=True)
    assert cost(dynamic, PRICES, dynamic_gib=Decimal(100)) == Cost(storage=Decimal("0.0822"))
    unpriced = cost(dynamic, replace(PRICES, storage={}), dynamic_gib=Decimal(100))
    assert unpriced == Cost(has_unpriced_storage=True)


def test_storage_of_a_kind_that_was_not_told_has_no_price():
    assert cost(replace(USAGE, storage_type=None, storage_gib=None, work=()), PRICES) == Cost(
        has_unpriced_storage=True
    )


@pytest.mark.parametrize("kind", ["STATIC", "DYNAMIC", None])
def test_a_run_that_never_ran_costs_nothing(kind):
    never = Usage(status="CANCELLED", storage_type=kind)
    assert cost(never, PRICES) == Cost()


def test_a_ready2run_workflow_is_not_priced_by_what_it_used():
    assert cost(replace(USAGE, is_fixed_price=True), PRICES) is None


@pytest.mark.parametrize(
    ("seconds", "charged"), [(-5, 60), (0, 60), (59.999, 60), (60, 60), (60.001, 60.001)]
)
def test_a_task_is_charged_for_a_minute_at_least(seconds, charged):
    assert billed(timedelta(seconds=seconds)) == timedelta(seconds=charged)


@pytest.mark.parametrize(
    ("asked", "gib"),
    [(None, 1200), (1, 1200), (1200, 1200), (1201, 2400), (2400, 2400), (2401, 4800), (9600, 9600)],
)
def test_static_storage_comes_in_steps(asked, gib):
    assert provisioned(asked) == gib


def test_hours_are_exact():
    assert hours(timedelta(microseconds=36)) == Decimal("0.00000001")


def test_too_few_runs_say_nothing():
    assert spread([Decimal(1)] * 2) is None


def test_the_middle_of_similar_runs():
    found = spread([Decimal(n) for n in (5, 1, 2, 4, 3)])
    assert found == Spread(runs=5, low=Decimal(2), median=Decimal(3), high=Decimal(4))
