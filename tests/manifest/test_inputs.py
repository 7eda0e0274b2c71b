"""The places that rows name: told from other text, found wherever they stand, and kept each once."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.errors import ManifestError
from batchrun.manifest.inputs import InputSurvey, Mention, mentions, places_in
from batchrun.model.spec import Spec, canonical
from batchrun.ports.objects import InputPlace, PlaceKind, Sight, Skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("s3://b1/k", [("s3://b1/k", PlaceKind.OBJECT)]),
        ("s3://b1/a b.fq.gz", [("s3://b1/a b.fq.gz", PlaceKind.OBJECT)]),
        ("s3://b1/a,b;c.fq", [("s3://b1/a,b;c.fq", PlaceKind.OBJECT)]),
        ("s3://b1/k ", [("s3://b1/k ", PlaceKind.OBJECT)]),
        ("s3://b1/d/", [("s3://b1/d/", PlaceKind.PREFIX)]),
        ("s3://b1", [("s3://b1", PlaceKind.PREFIX)]),
        ("s3://b1/*_{1,2}.fq", [("s3://b1/*_{1,2}.fq", PlaceKind.PATTERN)]),
        ("s3://b1/a s3://b1/b", [("s3://b1/a", PlaceKind.OBJECT), ("s3://b1/b", PlaceKind.OBJECT)]),
        ("s3://b1/a,s3://b1/d/", [("s3://b1/a", PlaceKind.OBJECT), ("s3://b1/d/", PlaceKind.PREFIX)]),
        ("s3://b1/a ; gs://c/d", [("s3://b1/a", PlaceKind.OBJECT), ("gs://c/d", Skip.OTHER_SCHEME)]),
        (" s3://b1/a, s3://b1/b", [("s3://b1/a", PlaceKind.OBJECT), ("s3://b1/b", PlaceKind.OBJECT)]),
        ("s3://b1/a git+ssh://c/d", [("s3://b1/a", PlaceKind.OBJECT), ("git+ssh://c/d", Skip.OTHER_SCHEME)]),
        (" s3://b1/a", [(" s3://b1/a", Skip.MISSPELT)]),
        ("'S3://b1/a'", [("'S3://b1/a'", Skip.MISSPELT)]),
        ("“s3://b1/a”", [("“s3://b1/a”", Skip.MISSPELT)]),
        ("S3://b1/a", [("S3://b1/a", Skip.MISSPELT)]),
        ("s3:/b1/a", [("s3:/b1/a", Skip.MISSPELT)]),
        ("s3://", [("s3://", Skip.MISSPELT)]),
        ("s3:///k", [("s3:///k", Skip.MISSPELT)]),
        ("s3://b 1/k", [("s3://b 1/k", Skip.MISSPELT)]),
        (
            "s3://arn:aws:s3:us-east-1:1:accesspoint/x/k",
            [("s3://arn:aws:s3:us-east-1:1:accesspoint/x/k", Skip.ARN)],
        ),
        ("arn:aws:s3:::b1/k", [("arn:aws:s3:::b1/k", Skip.ARN)]),
        ("arn:aws-cn:omics:cn-north-1:1:x", [("arn:aws-cn:omics:cn-north-1:1:x", Skip.ARN)]),
        ("s3://b1/${sample}.fq", [("s3://b1/${sample}.fq", Skip.PLACEHOLDER)]),
        ("s3://b1/{sample}.fq", [("s3://b1/{sample}.fq", Skip.PLACEHOLDER)]),
        ("s3://b1/<sample>.fq", [("s3://b1/<sample>.fq", Skip.PLACEHOLDER)]),
        ("s3://b1/$(id).fq", [("s3://b1/$(id).fq", Skip.PLACEHOLDER)]),
        ("s3://b1/{}.fq", [("s3://b1/{}.fq", Skip.PLACEHOLDER)]),
        ("omics://1.storage/2/readSet/3", [("omics://1.storage/2/readSet/3", Skip.OMICS)]),
        ("https://x.org/s3://b1/k", [("https://x.org/s3://b1/k", Skip.OTHER_SCHEME)]),
        ("https://x.org/y", [("https://x.org/y", Skip.OTHER_SCHEME)]),
        ("/mnt/workflow/pubdir", [("/mnt/workflow/pubdir", Skip.WORKFLOW_PATH)]),
        ("/mnt/workflow", [("/mnt/workflow", Skip.WORKFLOW_PATH)]),
        ("/data/x.fq", [("/data/x.fq", Skip.LOCAL_PATH)]),
        ("C:\\data\\x", [("C:\\data\\x", Skip.LOCAL_PATH)]),
        ("../x.fq", [("../x.fq", Skip.LOCAL_PATH)]),
        ("~lab/x.fq", [("~lab/x.fq", Skip.LOCAL_PATH)]),
        ("/opt/tool/bin/x", []),  # in the image of a container
        ("--in s3://b1/a --out s3://b1/c", [("--in s3://b1/a --out s3://b1/c", Skip.WITHIN_TEXT)]),
        ("in=s3://b1/a", [("in=s3://b1/a", Skip.WITHIN_TEXT)]),
        ("look at https://x.org", []),
        ("look at https://x.org and s3://b1/k", [("look at https://x.org and s3://b1/k", Skip.WITHIN_TEXT)]),
        ("arn:aws:iam::123456789012:role/x", []),
        ("16", []),
        ("", []),
        (" , ", []),
        ("a/b", []),
        ("GRCh38", []),
    ],
)
def test_what_a_text_names(text, found):
    assert list(places_in(text)) == found


@given(st.text(alphabet='s3:/ ,;a{}$"“\\', max_size=40))
def test_whatever_a_text_is_its_places_are_parts_of_it(text):
    for place, _ in places_in(text):
        assert place in text


@pytest.mark.parametrize(
    "text", [" " * 200_000, "s3://b1/x " * 20_000, "/" * 200_000, "a" * 200_000, "s3://" + "{" * 200_000]
)
def test_no_text_takes_long(text):
    begun = time.process_time()
    list(places_in(text))
    assert time.process_time() - begun < 2


def spec(**request) -> Spec:
    return Spec(id="a", position=0, request=canonical(request))


def test_places_are_found_wherever_they_stand():
    parameters = {
        "x": ["s3://b1/k", {"d": ["s3://b1/e", 1, None, True]}],
        "json": json.dumps(["s3://b1/f", {"g": "s3://b1/h"}, '["s3://b1/not-again"]']),
        "odd": '["s3://b1/k',
        "spaced": ' {"a": "s3://b1/i"}',
        "deep": f"{'[' * 200_000}s3://b1/k",
    }
    deep, *found = mentions(spec(parameters=parameters, outputUri="s3://b1/o"))
    assert (deep.sort, deep.field) == (Skip.WITHIN_TEXT, "parameters.deep")
    assert [(one.text, one.field) for one in found] == [
        ("s3://b1/f", "parameters.json[0]"),
        ("s3://b1/h", "parameters.json[1].g"),
        ('["s3://b1/not-again"]', "parameters.json[2]"),
        ('["s3://b1/k', "parameters.odd"),
        ("s3://b1/i", "parameters.spaced.a"),
        ("s3://b1/k", "parameters.x[0]"),
        ("s3://b1/e", "parameters.x[1].d[0]"),
    ]


def test_parameters_of_a_file_are_looked_for_and_who_pays_is_known():
    (one,) = mentions(spec(parametersUri="s3://b1/p.json", requesterPaysEnabled=True))
    assert one.place == InputPlace(kind=PlaceKind.OBJECT, uri="s3://b1/p.json", pays=True)
    for pays in ({}, {"requesterPaysEnabled": False}):
        (one,) = mentions(spec(parametersUri="s3://b1/p.json", **pays))
        assert one.place == InputPlace(kind=PlaceKind.OBJECT, uri="s3://b1/p.json")


def test_a_sheet_of_our_own_is_not_looked_for():
    found = mentions(spec(parameters={"input": "s3://b1/s.csv", "ref": "s3://b1/r"}), "s3://b1/s.csv")
    assert [one.sort for one in found] == [Skip.OWN_SHEET, PlaceKind.OBJECT]


@pytest.mark.parametrize(
    ("name", "sort"),
    [
        ("outdir", Skip.OUTPUT),
        ("wf.output_dir", Skip.OUTPUT),
        ("publishDir", Skip.OUTPUT),
        ("out", Skip.OUTPUT),
        ("outputs", Skip.OUTPUT),
        ("output_directory", Skip.OUTPUT),
        ("OUT_PATH", Skip.OUTPUT),
        ("output-uri", Skip.OUTPUT),
        ("my.out_prefix", Skip.OUTPUT),
        ("outputFolder", Skip.OUTPUT),
        ("outgroup", PlaceKind.PREFIX),
        ("route", PlaceKind.PREFIX),
        ("input", PlaceKind.PREFIX),
    ],
)
def test_what_is_called_like_an_output_is_not_looked_for(name, sort):
    (one,) = mentions(spec(parameters={name: "s3://b1/d/"}))
    assert one.sort is sort
    assert (one.place is None) == (sort is Skip.OUTPUT)


@pytest.fixture
def survey():
    made = InputSurvey()
    yield made
    made.close()


def named(text: str, sort: PlaceKind | Skip = PlaceKind.OBJECT, *, pays: bool = False) -> Mention:
    return Mention(text=text, sort=sort, field="parameters.x", pays=pays)


def test_each_place_is_kept_once(survey):
    survey.add([named("s3://b1/a"), named("s3://b1/a"), named("s3://b1/a", pays=True)])
    survey.add(
        [named("s3://b1/a"), named("gs://x/y", Skip.OTHER_SCHEME), named("gs://x/z", Skip.OTHER_SCHEME)]
    )
    assert survey.total == 2
    assert [(one.uri, one.pays) for one in survey.places()] == [("s3://b1/a", False), ("s3://b1/a", True)]
    assert survey.skipped == {Skip.OTHER_SCHEME: 2}
    assert survey.example(Skip.OTHER_SCHEME) == "gs://x/y"


def test_a_full_disk_is_told_as_that(survey):
    survey._file.execute("PRAGMA max_page_count = 8")
    with pytest.raises(ManifestError, match=r"temporary file: it cannot be written in .*No space left"):
        survey.add(named(f"s3://b1/{'x' * 500}{number}") for number in range(1000))


def test_what_was_seen_is_taken_down_while_places_are_read(survey):
    survey.add(named(f"s3://b1/{number}") for number in range(1200))
    for number, place in enumerate(survey.places()):
        survey.saw(place, Sight.MISSING if number == 700 else Sight.THERE)
    assert survey.seen == {Sight.THERE: 1199, Sight.MISSING: 1}
    assert survey.sight(InputPlace(kind=PlaceKind.OBJECT, uri="s3://b1/700")) is Sight.MISSING
    assert survey.sight(InputPlace(kind=PlaceKind.OBJECT, uri="s3://b1/elsewhere")) is None
