"""What a run made, as engines say it or as its files lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchrun.model.made import Made, NamedFiles, ambiguous, found, leaves, read_name, told

if TYPE_CHECKING:
    from batchrun.model.spec import Json

PLACE = "s3://lab/c/a/1"
BAM = NamedFiles(name="bam", pattern="pubdir/**/*.bam")
ALL = NamedFiles(name="all", pattern="pubdir/**", is_many=True)


def test_wdl_says_files_as_texts():
    document: dict[str, Json] = {
        "w.bam": f"{PLACE}/out/a.bam",
        "w.all": [f"{PLACE}/out/a.bam", None],
        "w.depth": 3.5,
    }
    assert told(document) == Made(outputs=document)


def test_what_no_file_can_hold_is_not_in_what_was_made():
    document: dict[str, Json] = {
        "w.\ud800": ["x\ud800", float("inf")],
        "w.table": {"\x00": {"class": "File", "path": "s3://lab/\udfff"}},
        "w.long": "y" * 20_000,
    }
    assert told(document).outputs == {
        "w.\ufffd": ["x\ufffd", None],
        "w.table": {"\ufffd": "s3://lab/\ufffd"},
        "w.long": "y" * 20_000,
    }


def test_cwl_says_files_as_tables_and_what_is_beside_them():
    index: Json = {"class": "File", "location": "s3://lab/a.bai"}
    bam: Json = {"class": "File", "location": "s3://lab/a.bam", "size": 5, "secondaryFiles": [index]}
    folder: Json = {"class": "Directory", "path": "s3://lab/qc"}
    made = told({"bams": [bam], "qc": folder, "stats": {"depth": 3, "of": bam}, "odd": {"class": "File"}})
    assert made.outputs == {
        "bams": ["s3://lab/a.bam"],
        "bams.secondaryFiles": ["s3://lab/a.bai"],
        "qc": "s3://lab/qc",
        "stats": {"depth": 3, "of": "s3://lab/a.bam"},
        "stats.secondaryFiles": ["s3://lab/a.bai"],
        "odd": {"class": "File"},
    }
    assert list(leaves(made.outputs["stats"])) == [3, "s3://lab/a.bam"]


def test_what_lies_there_is_named_by_patterns():
    uris = [f"{PLACE}/{key}" for key in ("logs/engine.log", "pubdir/", "pubdir/x/a.bam", "other.txt")]
    made = found(PLACE + "/", uris, [BAM, ALL], has_more=True)
    assert made == Made(
        outputs={"bam": uris[2], "all": [uris[2]]}, files=(uris[3],), is_listed=True, has_more=True
    )
    assert ambiguous(made, [BAM, ALL]) is None
    twice = found(PLACE, [uris[2], f"{PLACE}/pubdir/b.bam"], [BAM, ALL], has_more=False)
    assert ambiguous(twice, [BAM, ALL]) == "bam"
    assert found(PLACE, uris, [], has_more=False).outputs == {}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("bam=pubdir/**/*.bam", BAM),
        ("all[]=pubdir/**", ALL),
        ("bam", None),
        ("=x", None),
        ("bam=", None),
        ("[]=x", None),
    ],
)
def test_a_name_is_read(text: str, name: NamedFiles | None):
    assert read_name(text) == name
