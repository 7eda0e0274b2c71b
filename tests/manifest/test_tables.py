"""What its user says of a table is believed, whoever reads it."""

from __future__ import annotations

import pathlib

import pytest

from batchrun.manifest import Source, load
from batchrun.manifest.tables.table import Asked
from tests.manifest.conftest import SETS, LoadText


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("id;parameters.r\nS1;a,b\n", Asked(delimiter=";")),
        ('S1,"a,b"\n', Asked(header=("id", "parameters.r"))),
        ("S1|a,b\n", Asked(header=("id", "parameters.r"), delimiter="|")),
    ],
)
def test_delimiter_and_header_may_be_given(load_text: LoadText, text: str, asked: Asked):
    (spec,) = load_text(text, ".csv", asked=asked)
    assert spec.id == "S1"
    assert '"parameters":{"r":"a,b"}' in spec.request


def test_they_hold_for_the_file_that_a_document_names_too(tmp_path: pathlib.Path):
    (tmp_path / "rows.csv").write_text("S1;a\n")
    (tmp_path / "m.yaml").write_text("runs: rows.csv\n")
    asked = Asked(header=("id", "parameters.r"), delimiter=";")
    with load(Source(path=str(tmp_path / "m.yaml"), sets=SETS, asked=asked)) as manifest:
        assert [spec.id for spec in manifest.specs()] == ["S1"]
