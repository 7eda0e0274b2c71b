"""
The bench at its smallest, through the real command, so that it cannot rot. No figure is judged here.

Two groups stand for all: one with peers, and that of lanes, whose simulator serves many.
The others measure with the same hands; ``scripts/bench --quick`` runs all of them.
"""

from __future__ import annotations

import sys

import pytest

from tests.bench.__main__ import GROUPS, OWN_PAGE, main
from tests.bench.bench import Bench
from tests.bench.lanes import lanes
from tests.bench.scale import Scale
from tests.bench.short import in_short
from tests.bench.submission import unlimited
from tests.bench.table import Section, document

TINY = Scale(
    unlimited_rows=30,
    lanes=(1, 3),
    lane_seconds=1.0,
)


def test_in_short_is_what_was_chosen_of_what_was_measured():
    rows = (("ListRuns calls", "488", "-"), ("GetRun calls per run", "1.00", "2.22 (boto3)"))
    watching = Section(title="watching", note="", rows=rows)
    assert in_short([watching]).splitlines()[2:] == [
        "| the same: GetRun calls per run | 1.00 | 2.22 (boto3) |"
    ]


@pytest.mark.long
@pytest.mark.parametrize(
    ("group", "rows", "short"),
    [(unlimited, 8, 1), (lanes, 2, 0)],
)
def test_a_group_comes_to_its_table(tmp_path, group, rows, short):
    with Bench(tmp_path, repeats=1) as bench:
        sections = group(bench, TINY)
    told = [row for section in sections for row in section.rows]
    assert len(told) == rows
    assert len(in_short(sections).splitlines()) == 2 + short
    text = document("head", sections)
    assert all(f"| {row[0]} | {row[1]} |" in text for row in told)
    assert all(process.poll() is not None for process in bench.processes.started)


@pytest.mark.parametrize("groups", [["stores"], ["stores", "engines"], sorted(GROUPS.keys() - OWN_PAGE)[1:]])
def test_tables_of_some_groups_do_not_take_the_place_of_those_of_all(monkeypatch, capsys, groups):
    monkeypatch.setattr(sys, "argv", ["bench", "--write", *groups])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "--write makes whole pages" in capsys.readouterr().err
