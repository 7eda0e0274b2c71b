"""What is told in the end: counts, order, bounds, and what --strict makes of it."""

from __future__ import annotations

import contextlib
import csv
import json
import pathlib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun import ManifestError, load_manifest
from batchrun.errors import ManifestWarning
from batchrun.manifest import Source, load
from batchrun.manifest.warned.found import visible
from tests.manifest.conftest import SETS
from tests.manifest.warned.conftest import WarningsOf, table


@pytest.mark.long
def test_a_cause_of_many_rows_is_told_once_with_a_count(warnings_of: WarningsOf):
    (warning,) = warnings_of(table(*[f"/data/S{number}.bam" for number in range(15_000)]))
    assert (warning.count, warning.line, len(warning.also)) == (15_000, 2, 99)
    assert "(and 14999 more of the same, lines 3-101, ...)" in str(warning)
    (warning,) = warnings_of(table(*["16"] * 15_000))
    assert (warning.count, warning.line, warning.also[:2], len(warning.also)) == (15_000, 2, (3, 4), 99)


def test_a_few_are_told_one_by_one_in_the_order_of_the_manifest(warnings_of: WarningsOf):
    text = "id,parameters.a,parameters.b\nA,/data/1,16\nB,S3://lab/2,17\nC,/data/3,18\n"
    found = [(one.line, one.column, one.kind) for one in warnings_of(text)]
    assert found == [(2, 2, "local_path"), (2, 3, "untyped"), (3, 2, "not_s3"), (4, 2, "local_path")]


def test_more_causes_than_anybody_reads_are_counted(tmp_path: pathlib.Path):
    header = ",".join(f"parameters.a{number}" for number in range(3_000))
    path = tmp_path / "m.csv"
    path.write_text(f"id,{header}\nS{',/data/x' * 3_000}\n")
    with load(Source(path=str(path), sets=SETS)) as manifest:
        assert len(manifest.warnings) == 50
        assert manifest.warning_count == 3_000


def test_warnings_change_nothing_that_is_asked_for(tmp_path: pathlib.Path):
    path = tmp_path / "m.csv"
    digests = []
    for header in ("parameters.a", "parameters.a:text"):
        path.write_text(f"id,{header}\nS,16\n")
        with load(Source(path=str(path), sets=SETS)) as manifest:
            digests.append((manifest.digest, len(manifest.warnings)))
    assert digests == [(digests[0][0], 1), (digests[0][0], 0)]


def test_a_strict_load_has_them_among_its_problems(tmp_path: pathlib.Path):
    path = tmp_path / "m.csv"
    path.write_text("id,parameters.a,priority\nS,16,high\n")
    with pytest.raises(ManifestError) as caught:
        load_manifest(path, sets=SETS, strict=True)
    kinds = [isinstance(one, ManifestWarning) for one in caught.value.problems]
    assert (kinds, caught.value.total, caught.value.warnings) == ([False, True], 2, ())


def test_a_manifest_with_problems_tells_its_warnings_too(tmp_path: pathlib.Path):
    path = tmp_path / "m.csv"
    path.write_text("id,parameters.a,priority\nS,16,high\n")
    with pytest.raises(ManifestError) as caught:
        load_manifest(path, sets=SETS)
    assert [one.kind for one in caught.value.warnings] == ["untyped"]
    assert caught.value.total == 1


def test_rows_of_a_program_are_looked_at_too():
    with load_manifest([{"id": "A", "parameters": {"a": "/data/x"}}], batch="b", sets=SETS) as manifest:
        (warning,) = manifest.warnings
    assert (warning.source, warning.line, warning.kind) == ("<rows>", 1, "local_path")


@given(st.text(), st.integers(-5, 100))
def test_a_value_is_shown_in_printable_characters_and_short(text: str, at: int):
    shown = visible(text, at)
    assert shown.isprintable()
    assert len(shown) <= 12 * 68 + 8


def test_a_long_value_is_shown_around_what_matters():
    text = f"s3://lab/{'x' * 300}\u00a0{'y' * 300}"
    assert "x<U+00A0>y" in visible(text, text.index("\u00a0"))
    assert visible(text).startswith("'s3://lab/xxx")


HARDLY = ("s3://", "s3:/a", "#REF!", "NA", "2.05E+11", "[", "{a}", "['", "://", "C:\\", "\u201c", "'", " ")
TEXTS = st.one_of(st.text(max_size=30), st.lists(st.sampled_from(HARDLY), min_size=1).map("".join))


@given(
    st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=6), st.sampled_from(["", ":json", ":text"])
)
def test_no_text_makes_it_stumble(tmp_path_factory, rows: list[tuple[str, str, str]], kind: str):
    """What is wrong with such a row is another matter."""
    folder = tmp_path_factory.mktemp("any")
    lines = (
        {"id": f"S{number}", "parameters": {"reads_1": one, "reads_2": two, three: [one, {two: three}]}}
        for number, (one, two, three) in enumerate(rows)
    )
    (folder / "m.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with (folder / "m.csv").open("w", encoding="utf-8", errors="replace", newline="") as file:
        names = ("parameters.reads_1", f"parameters.reads_2{kind}", "parameters.x")
        csv.writer(file).writerows([("id", *names), *((number, *row) for number, row in enumerate(rows))])
    for name in ("m.jsonl", "m.csv"):
        with contextlib.suppress(ManifestError):
            load(Source(path=str(folder / name), sets=SETS)).close()


READS = ["s3://lab/a_R1.fq.gz", "s3://lab/b_R1.fq.gz", "gs://lab/c.fq.gz"]
CELLS = st.sampled_from(["", "auto", "NA", "16", *READS, "/data/x", "MAR-1", "a b "])


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=12), st.integers(2, 5))
def test_rows_are_looked_at_together_as_one_by_one(tmp_path_factory, rows: list[tuple[str, ...]], size: int):
    path = tmp_path_factory.mktemp("any") / "m.csv"
    with path.open("w", newline="") as file:
        names = ("id", "parameters.reads_1", "parameters.reads_2", "parameters.normal")
        csv.writer(file).writerows([names, *((f"S{number}", *row) for number, row in enumerate(rows))])
    told: list[list[tuple[str, str | None, int]]] = []
    for batch in (1, size):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("batchrun.manifest.warned.scan._BATCH", batch)
            with load(Source(path=str(path), sets=SETS)) as manifest:
                told.append(sorted((one.kind, one.field, one.count) for one in manifest.warnings))
    # Of reads that several rows share, another may be the first.
    one_by_one, together = ([one for one in found if one[0] != "shared_file"] for found in told)
    assert one_by_one == together
    first, second = (sum(count for _, _, count in found) for found in told)
    assert first == second


def test_one_cell_among_thousands_is_found_wherever_it_stands(warnings_of: WarningsOf):
    for at in (0, 31, 32, 33, 63, 95):
        cells = [f"s3://lab/S{number}.fq.gz" for number in range(96)]
        cells[at] += " "
        (warning,) = warnings_of(table(*cells))
        assert (warning.kind, warning.line, warning.row) == ("white_space", at + 2, f"S{at:04}")
        cells[at] = cells[(at + 48) % 96]
        (warning,) = warnings_of(table(*cells))
        assert (warning.kind, warning.line) == ("shared_file", max(at, (at + 48) % 96) + 2)


@pytest.mark.long
def test_what_is_remembered_takes_little(tmp_path: pathlib.Path):
    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.csv"
        lines = (f"S{n},s3://lab/{'x' * 200}/S{n}_R1.fq.gz,s3://lab/S{n}_R2.fq.gz\n" for n in range(rows))
        path.write_text("id,parameters.reads_1,parameters.reads_2\n" + "".join(lines))
        tracemalloc.start()
        try:
            with load(Source(path=str(path), sets=SETS)) as manifest:
                assert manifest.warnings == ()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # caches
    # Two files a row, beside the ids that are kept anyway; none of the 250 characters of a row.
    assert peak(20_000) - peak(10) < 20_000 * 500 + 4 * 1024 * 1024


def test_files_beyond_those_that_are_remembered_are_passed_over(monkeypatch, warnings_of: WarningsOf):
    monkeypatch.setattr("batchrun.manifest.limits.FILES", 2)
    cells = [f"s3://lab/{name}.fq.gz" for name in "abcca"]
    (warning,) = warnings_of(table(*cells))
    assert (warning.line, warning.kind) == (6, "shared_file")


def test_fields_beyond_those_that_are_told_apart_are_one(monkeypatch, warnings_of: WarningsOf):
    monkeypatch.setattr("batchrun.manifest.limits.WATCHED", 2)
    parameters = {f"p{number}": f"/data/{number}" for number in range(4)}
    (warning,) = warnings_of(json.dumps([{"id": "S", "parameters": parameters}]), ".json")
    assert (warning.field, warning.count) == ("parameters", 4)


def test_a_text_that_is_longer_than_any_name_is_passed_over(warnings_of: WarningsOf):
    assert warnings_of(table("/data/" + "x" * 10_000)) == ()
