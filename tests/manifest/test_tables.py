"""What its user says of a table is believed, whoever reads it."""

from __future__ import annotations

import io
import json
import pathlib

import pytest

from batchrun.errors import ManifestError
from batchrun.manifest import Format, Source, load
from batchrun.manifest.tables import asked
from batchrun.manifest.tables.table import Asked
from tests.manifest.conftest import SETS, LoadText


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id;parameters.r\nS1;a,b\n", Asked(delimiter=";")),
        ('S1,"a,b"\n', Asked(header=("id", "parameters.r"))),
        ("S1|a,b\n", Asked(header=("id", "parameters.r"), delimiter="|")),
    ],
)
def test_delimiter_and_header_may_be_given(load_text: LoadText, text: str, said: Asked):
    (spec,) = load_text(text, ".csv", asked=said)
    assert spec.id == "S1"
    assert '"parameters":{"r":"a,b"}' in spec.request


def test_they_hold_for_the_file_that_a_document_names_too(tmp_path: pathlib.Path):
    (tmp_path / "rows.csv").write_text("S1;a\n")
    (tmp_path / "m.yaml").write_text("runs: rows.csv\n")
    said = Asked(header=("id", "parameters.r"), delimiter=";")
    with load(Source(path=str(tmp_path / "m.yaml"), sets=SETS, asked=said)) as manifest:
        assert [spec.id for spec in manifest.specs()] == ["S1"]


UMLAUTS = "id,parameters.r\nS1,s3://lab/Größe.fq\n"


@pytest.mark.parametrize(
    "encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8", "utf-8-sig", "cp437"]
)
def test_an_encoding_may_be_given(load_text: LoadText, encoding: str):
    (spec,) = load_text(UMLAUTS.encode(encoding), ".csv", asked=Asked(encoding=encoding))
    assert json.loads(spec.request)["parameters"] == {"r": "s3://lab/Größe.fq"}
    line = '{"id": "S1", "parameters": {"r": "Größe"}}\n'
    (spec,) = load_text(line.encode(encoding), ".jsonl", asked=Asked(encoding=encoding))
    assert json.loads(spec.request)["parameters"] == {"r": "Größe"}


def test_a_large_file_in_another_encoding_is_read_whole():
    rows = "".join(f"S{n},s3://lab/Größe-{n}.fq\n" for n in range(20_000))
    text = io.BytesIO(f"id,parameters.r\n{rows}".encode("utf-16"))
    source = Source(path="-", format=Format.CSV, batch="b", sets=SETS, asked=Asked(encoding="utf-16"))
    with load(source, stdin=text) as manifest:
        assert manifest.count == 20_000
        assert [json.loads(spec.request)["parameters"]["r"] for spec in manifest.specs()] == [
            f"s3://lab/Größe-{n}.fq" for n in range(20_000)
        ]


@pytest.mark.parametrize(
    ("data", "said", "message", "cure"),
    [
        (UMLAUTS.encode("latin-1"), Asked(), "byte 0xf6 at byte 30 is not UTF-8", "--encoding latin-1"),
        (
            UMLAUTS.encode(),
            Asked(encoding="ascii"),
            "byte 0xc3 at byte 30 is not ascii",
            "another --encoding",
        ),
        (UMLAUTS.encode("utf-16")[:-1], Asked(encoding="utf-16"), "is not utf-16", "another --encoding"),
        (UMLAUTS.encode(), Asked(worksheet="x"), "csv files have no worksheets", "leave --worksheet out"),
    ],
)
def test_what_it_is_not_in_is_told_with_the_place(tmp_path: pathlib.Path, data, said, message, cure):
    (tmp_path / "m.csv").write_bytes(data)
    with pytest.raises(ManifestError) as caught:
        load(Source(path=str(tmp_path / "m.csv"), sets=SETS, asked=said))
    (problem,) = caught.value.problems
    assert message in problem.message
    assert cure in problem.cure


@pytest.mark.parametrize(
    "name", ["zlib", "base64", "rot13", "punycode", "idna", "undefined", "nothing", "x" * 9999, "\0"]
)
def test_what_no_file_is_written_in_is_no_encoding(name: str):
    with pytest.raises(ValueError, match="such as utf-8"):
        asked.encoding(name)
