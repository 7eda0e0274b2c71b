"""Laws, with Hypothesis."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batchrun.errors import ManifestError
from batchrun.manifest import Format, Source, load
from batchrun.model.spec import Spec

SETS = ("workflowId=1", "roleArn=arn:x", "outputUri=s3://b/")
WORDS = ["id", "runs", "defaults", "batch", "parameters", "{id}", "null", "1e9", "NaN", "x"]
MARKS = [
    ":",
    ": ",
    ",",
    "\n",
    "  ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    '"',
    "'",
    "|",
    ">",
    "%",
    "\\u",
    "\0",
    "\ufeff",
    "\t",
]
SYNTAX = st.sampled_from([*WORDS, *MARKS, "&a ", "*a", "!!str ", "---\n"])
BYTES = st.one_of(st.binary(max_size=200), st.lists(SYNTAX, max_size=40).map(lambda p: "".join(p).encode()))


def loaded(data: bytes, form: Format) -> list[Spec]:
    source = Source(path="-", format=form, batch="b", sets=SETS)
    with load(source, stdin=io.BytesIO(data)) as manifest:
        return list(manifest.specs())


@given(data=BYTES, form=st.sampled_from(Format))
@example(data=b"\xef\xbb", form=Format.JSON)
@example(data=b"\xef\xbb\xbf", form=Format.YAML)
@example(data=b"- &a [*a]", form=Format.YAML)
@example(data=b"id\n\xc2\x85x", form=Format.CSV)
@settings(max_examples=5 * settings().max_examples)
def test_no_bytes_make_anything_but_a_manifest_or_a_manifest_error(data, form):
    with contextlib.suppress(ManifestError):
        loaded(data, form)


# Braces would be placeholders; control characters are refused as they are in every format.
TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co"), exclude_characters="{\ufeff\u2028\u2029")
)
IDS = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda x: not math.isclose(x, 0, abs_tol=1e-300)
)


@st.composite
def rows(draw):
    ids = draw(st.lists(IDS, min_size=1, max_size=4, unique=True))
    return [
        {
            "id": entry_id,
            "priority": draw(st.integers(0, 100_000)),
            "parameters": {
                "text": draw(TEXT.filter(bool)),
                "count": draw(st.integers()),
                "ratio": draw(NUMBERS),
                "flag": draw(st.booleans()),
                "list": draw(st.lists(TEXT | st.integers() | st.booleans() | st.none(), max_size=3)),
            },
            "tags": {"note": draw(TEXT.filter(bool).map(lambda text: text[:200]))},
        }
        for entry_id in ids
    ]


def as_csv(table) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    names = ["text", "count:int", "ratio:float", "flag:bool", "list:json"]
    writer.writerow(["id", "priority", *(f"parameters.{name}" for name in names), "tags.note"])
    for row in table:
        parameters = dict(row["parameters"], list=json.dumps(row["parameters"]["list"]))
        writer.writerow([row["id"], row["priority"], *parameters.values(), row["tags"]["note"]])
    return out.getvalue().encode()


ODD = {
    "id": "a",
    "priority": 0,
    "parameters": {"text": "0E0", "count": 0, "ratio": 1.0, "flag": False, "list": ["0o7"]},
    "tags": {"note": "0"},
}


class Quoting(yaml.SafeDumper):
    """Quotes every text: it writes YAML 1.1, where ``0E0`` is one, and manifests are read as YAML 1.2."""


Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, '"'))


@given(table=rows())
@example(table=[ODD])
def test_rows_mean_the_same_in_every_format(table):
    expected = loaded(json.dumps(table).encode(), Format.JSON)
    assert [json.loads(spec.request)["parameters"] for spec in expected] == [
        row["parameters"] for row in table
    ]
    assert loaded("\n".join(map(json.dumps, table)).encode(), Format.JSONL) == expected
    assert loaded(as_csv(table), Format.CSV) == expected
    written = yaml.dump(json.loads(json.dumps(table)), Dumper=Quoting, allow_unicode=True)
    assert loaded(written.encode(), Format.YAML) == expected


@given(table=rows(), data=st.data())
def test_the_order_of_rows_changes_nothing_in_them(table, data):
    shuffled = data.draw(st.permutations(table))
    first = {spec.id: spec.request for spec in loaded(json.dumps(table).encode(), Format.JSON)}
    second = {spec.id: spec.request for spec in loaded(json.dumps(shuffled).encode(), Format.JSON)}
    assert first == second
