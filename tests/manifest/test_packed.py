"""What is packed with gzip is read as what is in it, and a bomb of it does not go off."""

from __future__ import annotations

import gzip
import io
import json
import pathlib
import random
import tracemalloc
import zlib

import pytest

from batchrun.manifest import Format, Source, contents_of, load, loaded_together
from tests.manifest.conftest import SETS, LoadText, ProblemsOf

ROW = '{"id": "S1", "parameters": {"r": "Größe"}}'
TEXTS = {
    ".csv.gz": "id,parameters.r\nS1,Größe\n",
    ".TSV.GZ": "id\tparameters.r\nS1\tGröße\n",
    ".jsonl.gz": ROW,
    ".json.gz": f"[{ROW}]",
    ".yaml.gz": f"- {ROW}",
}


@pytest.mark.parametrize("suffix", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_every_format_may_be_packed(load_text: LoadText, tmp_path: pathlib.Path, suffix: str, encoding: str):
    (tmp_path / "lab.yaml.gz").write_bytes(gzip.compress(b"name: packed"))
    text = gzip.compress(TEXTS[suffix].encode(encoding))
    (spec,) = load_text(text, suffix, defaults=(str(tmp_path / "lab.yaml.gz"),))
    request = json.loads(spec.request)
    assert (request["parameters"], request["name"]) == ({"r": "Größe"}, "packed")


def test_the_batch_is_called_as_the_file_is_without_gz(tmp_path: pathlib.Path):
    (tmp_path / "cohort.csv.gz").write_bytes(gzip.compress(b"id\nS1\n"))
    with load(Source(path=str(tmp_path / "cohort.csv.gz"), sets=SETS)) as manifest:
        assert manifest.batch == "cohort"


def test_standard_input_and_unpacked_files_that_kept_their_name_are_read(load_text: LoadText):
    text = io.BytesIO(gzip.compress(b"id\nS1\n"))
    with load(Source(path="-", format=Format.CSV, batch="b", sets=SETS), stdin=text) as manifest:
        assert manifest.count == 1
    assert len(load_text("id\nS1\n", ".csv.gz")) == 1


def test_members_and_padding_are_one_text(load_text: LoadText):
    text = gzip.compress(b"id\nS1") + gzip.compress(b"") + gzip.compress(b"\nS2\n") + bytes(1024)
    assert [spec.id for spec in load_text(text, ".csv.gz")] == ["S1", "S2"]


@pytest.mark.long
def test_large_ones_are_read_whole(load_text: LoadText):
    lines = (f"S{n:06},{hash(n * n):x},{'same' * 50}\n" for n in range(6_000))
    text = "id,parameters.a,parameters.b\n" + "".join(lines)
    specs = load_text(gzip.compress(text.encode()), ".csv.gz")
    assert [spec.id for spec in specs] == [f"S{n:06}" for n in range(6_000)]


def test_a_manifest_may_name_a_packed_sheet_and_a_folder_hold_them(tmp_path: pathlib.Path):
    (tmp_path / "sheet.csv.gz").write_bytes(gzip.compress(b"sample;r\nS1;a\nS1;b\n"))
    text = 'batch: cohort\nsheet: sheet.csv.gz\ngroup_by: sample\neach: {parameters: {r: ["{r}"]}}\n'
    (tmp_path / "m.yaml.gz").write_bytes(gzip.compress(text.encode("utf-16")))
    (path,) = contents_of(str(tmp_path)).manifests
    with loaded_together([Source(path=path, sets=SETS)]) as (manifest,):
        (spec,) = manifest.specs()
    assert json.loads(spec.request)["parameters"] == {"r": ["a", "b"]}


WHOLE = gzip.compress(b"id\n" + b"".join(b"S%d\n" % n for n in range(1000)))
BAD = {
    "breaks off": (WHOLE[:-9], "is cut short"),
    "has but its mark": (WHOLE[:2], "is cut short"),
    "damaged": (WHOLE[:400] + b"\xff\xff\xff" + WHOLE[403:], "is damaged"),
    "another sum": (WHOLE[:-8] + b"1234" + WHOLE[-4:], "is damaged"),
    "something behind it": (WHOLE + b"id\nS1\n", "is damaged"),
    "packed twice": (gzip.compress(WHOLE), "this is a gzip file"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("suffix", [".csv.gz", ".yaml.gz"])
def test_what_is_wrong_with_it_is_told(problems_of: ProblemsOf, suffix: str, case: str):
    text, part = BAD[case]
    assert part in problems_of(text, suffix)[-1].message


def sixty_four_mebibytes(piece: bytes) -> bytes:
    """Pack so much of *piece*, one of them and 63 copies; without an end, to which nobody comes."""
    packing = zlib.compressobj(9, wbits=31)
    mebibyte = piece * -(-1024 * 1024 // len(piece))
    first, other = (packing.compress(mebibyte) + packing.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + other * 63


@pytest.mark.parametrize(
    ("suffix", "head", "piece"),
    [
        (".csv.gz", b"id\n", b"S1\n"),
        (".csv.gz", b"id\n", b"\n"),
        (".csv.gz", b"id,parameters.r\n", b'S1,"' + b"x" * 5000 + b'"\n'),
        (".csv.gz", b"id\n", b"x"),
        (".csv.gz", b"", b"\0"),
        (".jsonl.gz", b"", b'{"id": "S1"}\n'),
        (".json.gz", b"[", b'{"id": "S1"},'),
        (".yaml.gz", b"", b"- {id: S1}\n"),
        (".yaml.gz", b"", b"#"),
    ],
)
def test_a_bomb_does_not_go_off(problems_of: ProblemsOf, suffix, head, piece):
    bomb = gzip.compress(head) + sixty_four_mebibytes(piece)
    tracemalloc.start()
    try:
        (problem,) = problems_of(bomb, suffix)
        assert tracemalloc.get_traced_memory()[1] < 32 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert "more than 200 times its size" in problem.message


@pytest.mark.long
def test_a_bomb_behind_a_table_does_not_go_off(problems_of: ProblemsOf):
    made = random.Random(0)
    # Half a mebibyte of what cannot be packed smaller, just before the growth is next looked at.
    rows = b"".join(b"S%d,%x\n" % (n, made.getrandbits(4096)) for n in range(990))
    bomb = gzip.compress(b"id,parameters.r\n" + rows) + sixty_four_mebibytes(b"S1,\n")
    assert "more than 200 times its size" in problems_of(bomb, ".csv.gz")[-1].message
