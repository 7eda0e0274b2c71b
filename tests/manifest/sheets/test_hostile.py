"""Sheets and templates that mean harm: a problem, soon, and not much memory."""

from __future__ import annotations

import contextlib
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batchrun.errors import ManifestError, Problem
from batchrun.manifest import Format
from tests.manifest.sheets.sheet import from_options, problems_of_document, problems_of_options

MEBIBYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    """Hold each test to ten seconds of work."""
    started = time.process_time()
    yield
    assert time.process_time() - started < 10


def test_a_sheet_of_too_many_columns():
    header = ",".join(f"c{n}" for n in range(16_000))
    (problem,) = problems_of_options(f"{header}\n" + "x," * 15_999 + "x\n", id="c0")
    assert problem.message == "there are 16000 columns"


def test_json_lines_of_too_many_names():
    rows = "".join(f'{{"id": "x", "c{n}": 1}}\n' for n in range(16_000))
    (problem,) = problems_of_options(rows, Format.JSONL, id="id")
    assert problem.message == "the rows have more than 10000 names"


def test_a_cell_as_long_as_excel_has_them():
    text = f"id,x\nA,{'x' * 32_767}\n"
    assert len(from_options(text, parameters=("p={x}",))["A"]["parameters"]["p"]) == 32_767


@pytest.mark.parametrize(
    "name",
    ["x.__class__", "x[0]", "x!r", "0.__class__", "x:>10", "parameters.__class__", "batchrun.__dict__"],
)
def test_a_placeholder_reaches_nothing_but_columns(name: str):
    found = problems_of_options("id,x\nA,v\n", parameters=(f"p=s{{{name}}}",)) if name[0] != "0" else []
    assert [problem.field for problem in found] in ([], ["parameters.p"])
    if name[0] == "0":
        runs = from_options("id,x\nA,v\n", parameters=(f"p=s{{{name}}}",))
        assert runs["A"]["parameters"]["p"] == f"s{{{name}}}"


def test_a_placeholder_in_a_header_is_no_name_of_a_parameter():
    (problem,) = problems_of_options("id,{batch}\nA,v\n", columns_as_parameters=("all",))
    assert problem.message == "the column '{batch}' has braces in its name"


def test_a_placeholder_in_a_cell_is_text():
    runs = from_options("id,x\nA,{id}{{parameters.p}}\n", parameters=("p={x}", "q=<{x}>{batchrun.id}"))
    assert runs["A"]["parameters"] == {
        "p": "{id}{{parameters.p}}",
        "q": "<{id}{{parameters.p}}>A",
    }


@pytest.mark.long
def test_unknown_names_among_many_columns_are_guessed_at_for_a_while_only(tmp_path: Path):
    header = ",".join(f"column_{n}" for n in range(10_000))
    each = {"parameters": {f"p{n}": f"{{column_{n}_}}" for n in range(5_000)}}
    found: list[Problem] = problems_of_document(
        tmp_path, f"{header}\n" + "x," * 9_999 + "x\n", {"each": {"id": "{column_0}", **each}}
    )
    assert len(found) <= 50


@pytest.mark.parametrize(
    "text",
    [
        "{" * 200_000,
        "{{" * 100_000 + "}}" * 100_000,
        "{column." * 50_000 + "x" + "}" * 50_000,
        "{" + "column." * 50_000 + "x}",
        "{x" + ":int" * 100_000 + "}",
        "{" + "a" * 400_000,
        "{{" + "a" * 400_000,
    ],
    ids=["open", "doubled", "nested", "column", "type", "name", "escaped"],
)
def test_braces_without_end(text: str):
    with contextlib.suppress(ManifestError):
        runs = from_options("id,x\nA,v\n", parameters=(f"p={text}",))
        assert list(runs) == ["A"]


@pytest.mark.long
def test_a_run_of_rows_without_end_is_not_held():
    text = "s,r\n" + f"A,s3://lab-data/run7/{'x' * 170}.fastq.gz\n" * 5_000
    tracemalloc.start()
    try:
        (problem,) = problems_of_options(text, group_by=("s",), parameters=('r:json=[{"k": "{r}"}]',))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "make more than 1048576 characters" in problem.message
    assert peak < 50 * MEBIBYTE


@pytest.mark.long
@pytest.mark.parametrize(
    "each", [{"parameters": {"p": [[["{x}"] * 25] * 25] * 25}}, {"parameters": {"p": "{x}" * 50_000}}]
)
def test_a_template_that_makes_much_of_little(each: dict[str, Any]):
    (problem,) = problems_of_options(f"id,x\nA,{'x' * 100}\n", each=each)
    assert "make more than 1048576 characters" in problem.message
