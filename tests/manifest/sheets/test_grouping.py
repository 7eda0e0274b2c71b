"""Rows that make one run: which, in which order, and what they must agree on."""

from __future__ import annotations

import csv
import io
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.manifest import Format
from tests.manifest.sheets.sheet import Runs, from_options, parameters, problems_of_options

KEYS = st.sampled_from(["a", "b", "c d", "é", "{id}"])
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=8)
Row = tuple[str, str]


def sheet(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("key", "n"), *rows])
    return text.getvalue()


def grouped(rows: list[Row]) -> Runs:
    return from_options(sheet(rows), group_by=("key",), parameters=('ns:json=[{"n": "{n}"}]',))


@given(rows=st.lists(st.tuples(KEYS, NAMES), min_size=1, max_size=30))
def test_every_row_stands_in_one_run_in_its_order(rows: list[Row]):
    numbered = [(key, f"{number}{name}") for number, (key, name) in enumerate(rows)]
    found = {key: [item["n"] for item in one["ns"]] for key, one in parameters(grouped(numbered)).items()}
    keys = list(dict.fromkeys(key for key, _ in numbered))
    assert list(found) == keys
    assert found == {key: [name for other, name in numbered if other == key] for key in keys}


@given(groups=st.dictionaries(KEYS, st.lists(NAMES, min_size=1, max_size=6), min_size=1), data=st.data())
def test_reordering_whole_groups_changes_no_request(groups: dict[str, list[str]], data):
    def rows(keys: list[str]) -> list[Row]:
        return [(key, f"{number}{name}") for key in keys for number, name in enumerate(groups[key])]

    keys = list(groups)
    assert grouped(rows(data.draw(st.permutations(keys)))) == grouped(rows(keys))


@given(
    before=st.lists(st.tuples(KEYS, st.just("x")), max_size=5),
    between=st.lists(st.tuples(st.sampled_from(["a", "b"]), st.just("x")), max_size=5),
)
def test_a_group_that_disagrees_names_both_lines(before: list[Row], between: list[Row]):
    rows = [*before, ("one", "x"), *between, ("one", "y")]
    (problem,) = problems_of_options(sheet(rows), group_by=("key",), parameters=("n={n}",))
    first, last = len(before) + 2, len(rows) + 1
    assert problem.message == f"column 'n' is 'x' on line {first}, but 'y' on line {last}"
    assert "put {n} into a list" in problem.cure
    assert problem.lines == (first, last)


@given(
    literals=st.lists(NAMES, min_size=3, max_size=3),
    cells=st.lists(NAMES.filter(str.strip), min_size=2, max_size=2),
)
def test_no_cell_and_no_text_around_it_is_ever_taken_for_a_placeholder(literals: list[str], cells: list[str]):
    before, between, after = (text.replace("{", "{{") for text in literals)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("key", "x y", "z"), ("one", *cells)])
    template = f"{before}{{x y}}{between}{{z}}{{batchrun.id}}{after}"
    (request,) = from_options(text.getvalue(), id="key", each={"parameters": {"p": template}}).values()
    assert request["parameters"]["p"] == f"{literals[0]}{cells[0]}{literals[1]}{cells[1]}one{literals[2]}"


def test_only_what_differs_is_told_and_once():
    text = "s,n,x,y\nA,1,k,\nA,2,k,\nA,3,k,z\n"
    problems = problems_of_options(text, group_by=("s",), parameters=("n={n}", "x={x}", "y={y}"))
    assert [problem.message for problem in problems] == [
        "column 'n' is '1' on line 2, but '2' on line 3",
        "column 'y' is '' on line 2, but 'z' on line 4",
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"parameters": ("p={x}",)},
        {"each": {"tags": {"t": "{x}-{s}"}}},
        {"each": {"priority": "{x}"}},
        {"id": "{s}.{x}"},
        {"columns_as_parameters": ("x",)},
        {"sheet_out": "s3://lab/{x}/{id}.csv", "parameters": ("p={sheet}",)},
    ],
    ids=str,
)
def test_whatever_names_a_column_outside_of_lists_needs_one_value(options: dict[str, Any]):
    (problem,) = problems_of_options("s,x\nA,1\nA,2\n", group_by=("s",), **options)
    assert problem.message == "column 'x' is '1' on line 2, but '2' on line 3"


LANES = "s,r1,r2,x\nA,a1,a2,k\nB,b1,b2,k\nA,c1,c2,k\n"


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ('["{r1}"]', ["a1", "c1"]),
        ('["{r1}", "{r2}"]', ["a1", "a2", "c1", "c2"]),
        ('["-1", "{r1}", "-2", "{r2}", "end"]', ["-1", "a1", "a2", "c1", "c2", "-2", "end"]),
        ('[["{r1}", "{r2}"]]', [["a1", "a2"], ["c1", "c2"]]),
        ('[{"l": ["{r1}", "k"]}]', [{"l": ["a1", "k"]}, {"l": ["c1", "k"]}]),
        ('{"in": {"r": ["{r1}"]}, "x": "{x}"}', {"in": {"r": ["a1", "c1"]}, "x": "k"}),
        ('["{s}", "{s}_x"]', ["A", "A_x"]),
        ('["{s}", "{s}:{r1}"]', ["A", "A:a1", "A:c1"]),
        ('["no column"]', ["no column"]),
        ('[["no"], "column"]', [["no"], "column"]),
        ('["{batch}/{r1}"]', ["b/a1", "b/c1"]),
    ],
)
def test_the_outermost_list_repeats_for_each_row(template: str, wanted: object):
    runs = from_options(LANES, group_by=("s",), parameters=(f"p:json={template}",))
    assert runs["A"]["parameters"]["p"] == wanted


def test_two_columns_may_tell_runs_apart():
    text = "p,s,r\n1,A,x\n1,B,y\n2,A,z\n1,A,w\n"
    runs = from_options(text, group_by=("p", "s"), parameters=('r:json=["{r}"]',))
    assert parameters(runs) == {"1-A": {"r": ["x", "w"]}, "1-B": {"r": ["y"]}, "2-A": {"r": ["z"]}}
    named = from_options(text, group_by=("p", "s"), id="{s}.{p}", parameters=('r:json=["{r}"]',))
    assert list(named) == ["A.1", "B.1", "A.2"]


def test_an_empty_cell_in_what_is_grouped_by_is_an_error():
    (problem,) = problems_of_options("p,s,r\n1,A,x\n1,,y\n", group_by=("p", "s"))
    assert (problem.line, problem.field) == (3, "group_by")
    assert "column 's' is empty" in problem.message


SINGLE = "s,r1,r2\nA,a1,\nA,b1,\n"
MIXED = "s,r1,r2\nB,x1,x2\nA,a1,a2\nA,b1,\n"


def test_what_is_empty_on_all_lines_is_left_out():
    template = '{"a": ["{r1}"], "b": ["{r2}"], "c": ["-x", "{r2}"], "d": ["{r1}", "{r2}"]}'
    runs = from_options(SINGLE, group_by=("s",), parameters=(f"p:json={template}",))
    assert runs["A"]["parameters"]["p"] == {"a": ["a1", "b1"], "d": ["a1", "b1"]}


def test_lists_must_fit_each_other():
    (problem,) = problems_of_options(MIXED, group_by=("s",), parameters=('p:json=["{r2}"]',))
    assert problem.message == "column 'r2' has a cell on line 3, and an empty one on line 4"
    assert str(problem).startswith("<stdin>:3-4 (id A): parameters.p: ")
    runs = from_options(MIXED, group_by=("s",), parameters=('p:json=[{"r1": "{r1}", "r2": "{r2}"}]',))
    assert runs["A"]["parameters"]["p"] == [{"r1": "a1", "r2": "a2"}, {"r1": "b1"}]


def test_all_lines_of_a_run_are_its_place():
    text = "s,n\nA,1\nB,1\nA,x\nA,2\nB,1\n"
    (problem,) = problems_of_options(
        text, group_by=("s",), parameters=('n:json=["{n:int}"]',), each={"priority": "high"}, id="{s}"
    )[:1]
    assert (problem.line, problem.lines) == (4, ())  # a cell has one line
    found = problems_of_options(text, group_by=("s",), each={"storageType": "x"})
    assert [(one.line, one.lines) for one in found] == [(2, (2, 4, 5)), (3, (3, 6))]
    assert str(found[0]).startswith("<stdin>:2,4-5 (id A): storageType: ")


def test_values_of_json_lines_are_the_same_once_grouped():
    text = '{"s": "A", "n": 1, "t": "1"}\n{"s": "B", "n": [1]}\n{"s": "A", "n": 1, "t": "1"}\n'
    runs = from_options(text, Format.JSONL, group_by=("s",), columns_as_parameters=("all",))
    assert parameters(runs) == {"A": {"n": 1, "t": "1"}, "B": {"n": [1]}}


def test_a_run_of_too_many_rows_is_refused_before_it_fills_the_memory():
    text = "s,r\n" + "A,s3://bucket/a/long/name/of/a/file.fastq.gz\n" * 40_000
    (problem,) = problems_of_options(text, group_by=("s",), parameters=('r:json=["{r}"]',))
    assert "make more than 1048576 characters" in problem.message
    assert (problem.row, len(problem.lines)) == ("A", 100)


_LOAD = """
import sys, time
from batchrun.manifest import Source, load
from batchrun.manifest.sheet_wishes import SheetOptions
from tests.peak import peak
path, *parameters = sys.argv[1:]
options = SheetOptions(group_by=("sample",), parameters=tuple(parameters)) if parameters else SheetOptions()
sets = ("workflowId=1234567", "roleArn=arn:aws:iam::123456789012:role/omics", "outputUri=s3://b/{id}/")
started = time.process_time()
with load(Source(path=path, sets=sets, sheet=options)) as manifest:
    seconds = time.process_time() - started
    print(manifest.count, seconds, peak())
"""
_READS = 'reads:json=[{"r1": "{fastq_1}", "r2": "{fastq_2}"}]'


def _measured(path: Path, *parameters: str) -> tuple[int, float, float]:
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, str(path), *parameters], capture_output=True, text=True, check=True
    )
    count, seconds, kib = done.stdout.split()
    return int(count), float(seconds), int(kib) / 1024


@pytest.mark.long
def test_forty_thousand_lines_take_little_more_than_as_many_rows(tmp_path: Path):
    names = [(f"S{n}", f"s3://lab-data/run7/S{n}_L00{lane}_R") for n in range(10_000) for lane in range(4)]
    plain = tmp_path / "plain.csv"
    rows = [f"{n},{name}1.fq.gz,{name}2.fq.gz,auto\n" for n, (_, name) in enumerate(names)]
    plain.write_text("id,parameters.r1,parameters.r2,parameters.s\n" + "".join(rows), encoding="utf-8")
    count, seconds, _ = _measured(plain)
    assert count == 40_000
    rows = [f"{sample},{name}1.fq.gz,{name}2.fq.gz,auto\n" for sample, name in names]
    for kind in ("together", "scattered"):
        lanes = tmp_path / f"{kind}.csv"
        lanes.write_text("sample,fastq_1,fastq_2,strandedness\n" + "".join(rows), encoding="utf-8")
        for is_last in (False, False, True):
            count, grouped_seconds, mebibytes = _measured(lanes, _READS, "strandedness={strandedness}")
            assert count == 10_000
            assert mebibytes < 150, kind
            if is_last or grouped_seconds < 1.5 * seconds:
                assert grouped_seconds < 1.5 * seconds, kind
                break
            _, seconds, _ = _measured(plain)  # once more, side by side: the machine may be slower than it was
        random.Random(7).shuffle(rows)
