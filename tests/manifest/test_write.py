"""Whatever a manifest can ask for, each format can say, or refuses by name."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from batchrun.errors import ManifestError
from batchrun.manifest import Format, Source, load, native
from batchrun.manifest.placeholders import Values, escaped
from batchrun.manifest.write import write, write_defaults
from batchrun.manifest.written_rows import WrittenRow, WrittenRows, row_of, shared_fields
from batchrun.model.spec import Spec

HEAD = {"workflowId": "1234567", "roleArn": "arn:aws:iam::123456789012:role/omics"}
ANY = st.text(st.characters(categories=("L", "M", "N", "P", "S", "Z", "Cc", "Cf", "Cn")), max_size=12)
TRAPS = st.sampled_from(
    [
        *("{id}", "{{id}}", "{id}}", "{{", "{", "{{{id}", "{parameters.x-y}"),
        *("0o17", "1e5", "no", "~", "", " a ", "a: b", "- x", "#x", "&a", "*", "2026-01-01"),
        *("\x7f", "\x85", "\u2028", "\ufeff", "a\r\nb", '"', "\t", "=1", "a,b"),
    ]
)
TEXT = st.one_of(TRAPS, ANY, st.lists(TRAPS, max_size=3).map("".join))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
)
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXT, v, max_size=3), max_leaves=5
)
KEYS = st.one_of(st.sampled_from(["x", "x:int", "a.b", "a:b", "", "id", "k" * 1200]), TEXT)
TAG_KEYS = st.sampled_from(["k", "a:int", "a:b", "int", "a.b:json", "{id}", ":"])


@st.composite
def tables(draw):
    names = draw(st.lists(KEYS, max_size=3, unique=True))
    shared = draw(st.dictionaries(KEYS, VALUES, max_size=2))
    ids = draw(st.lists(st.text("aé0{}:,-", min_size=1, max_size=6), min_size=1, max_size=4, unique=True))
    return [
        {
            **HEAD,
            "outputUri": draw(st.sampled_from(["s3://b/x/", "s3://b/{{id}}/", "s3://b/{id}/"])),
            "id": entry_id,
            **draw(st.sampled_from([{}, {"priority": 1}, {"sessionPolicy": 'a\n\t"b"'}, {"name": "n"}])),
            "parameters": {**shared, **{name: draw(VALUES) for name in names if draw(st.booleans())}},
            **draw(st.sampled_from([{}, {"tags": {}}])),
            **draw(
                st.dictionaries(
                    st.just("tags"), st.dictionaries(TAG_KEYS, st.just("v"), max_size=2), max_size=1
                )
            ),
        }
        for entry_id in ids
    ]


def specs_of(text: str, form: Format, batch: str | None = "b", defaults: tuple[str, ...] = ()) -> list[Spec]:
    source = Source(path="-", format=form, batch=batch, defaults=defaults)
    with load(source, stdin=io.BytesIO(text.encode())) as manifest:
        return list(manifest.specs())


def plain(table) -> str:
    """Write a manifest in which every text means what it says."""

    def quoted(value: Any) -> Any:
        if isinstance(value, str):
            return escaped(value)
        if isinstance(value, dict):
            return {key: quoted(part) for key, part in value.items()}
        return [quoted(part) for part in value] if isinstance(value, list) else value

    rows = [{**row, "parameters": quoted(row["parameters"])} for row in table]
    return json.dumps(rows).replace("\x7f", "\\u007f")


@given(text=TEXT)
@example(text="{id}}")
@example(text="{{{id}}}{x")
def test_escaped_text_is_filled_in_to_itself(text):
    assert Values("batch", "an-id", {"x": 1}).fill(escaped(text)) == text


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize(
    "text", ["0o17", "1e5", "1_0", "0x1F", "~", "Yes", "-", "a:", "a #b", "{{", "{id}}", "\u2028"]
)
def test_texts_that_look_like_something_else(form, text):
    table = [
        {**HEAD, "outputUri": "s3://b/", "id": "a", "parameters": {"x": text, text: [text], "l": [text] * 40}}
    ]
    specs = specs_of(plain(table), Format.JSON)
    out = io.StringIO(newline="")
    write(lambda: (row_of(spec, None) for spec in specs), out, form, batch="b")
    assert specs_of(out.getvalue(), form) == specs


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize(
    ("tags", "columns"),
    [
        ({"int": "v", "a:b": "12", "c": "x"}, "tags.a:b,tags.c,tags.int"),
        ({"a:int": "v", "c": "x"}, "tags:json"),
        ({"a": "", "c": "x"}, "tags:json"),
    ],
)
def test_texts_that_a_cell_has_in_quotes_and_tags_like_types(form, tags, columns):
    texts = ["a\nb", "a\r", "\ta", " a", "a ", 'a"b', "a,b", "a\x00b", "\x7f", ""]
    parameters = {f"p{number}": text for number, text in enumerate(texts)}
    fields = {
        **HEAD,
        "outputUri": "s3://b/",
        "sessionPolicy": 'a\n"b"',
        "parameters": parameters,
        "tags": tags,
    }
    specs = specs_of(plain([{**fields, "id": name} for name in ("a", "b")]), Format.JSON)
    out = io.StringIO(newline="")
    write(lambda: (row_of(spec, None) for spec in specs), out, form, batch="b")
    assert specs_of(out.getvalue(), form) == specs
    if form is Format.CSV:
        assert out.getvalue().splitlines()[0].endswith(f",outputUri,{columns},sessionPolicy")


@pytest.mark.long
@given(table=tables())
def test_what_is_written_loads_as_the_same_specs(table):
    specs = specs_of(plain(table), Format.JSON)
    assert [json.loads(spec.request)["parameters"] for spec in specs] == [row["parameters"] for row in table]
    rows = lambda: (row_of(spec, "b") for spec in specs)  # noqa: E731
    for form in Format:
        out = io.StringIO(newline="")
        write(rows, out, form, batch="b", defaults=shared_fields(rows) if form.is_document else None)
        assert specs_of(out.getvalue(), form, None if form.is_document else "b") == specs, form


@pytest.mark.long
@given(table=tables())
def test_defaults_and_rows_in_files_of_their_own(tmp_path_factory, table):
    specs = specs_of(plain(table), Format.JSON)
    rows = lambda: (row_of(spec, "b") for spec in specs)  # noqa: E731
    shared = shared_fields(rows)
    if not shared:
        return
    out = io.StringIO(newline="")
    write(rows, out, Format.CSV, defaults=shared)
    for form in (Format.YAML, Format.JSON):
        path = tmp_path_factory.mktemp("defaults") / f"d.{form.value}"
        with path.open("w", encoding="utf-8", newline="") as file:
            write_defaults(shared, file, form)
        assert specs_of(out.getvalue(), Format.CSV, defaults=(str(path),)) == specs, form


def rows_of(*fields: dict[str, Any]) -> WrittenRows:
    return lambda: (WrittenRow(id=f"r{number}", fields={**HEAD, **one}) for number, one in enumerate(fields))


def test_names_with_colons_keep_them():
    text = written(Format.CSV, {"parameters": {"x:int": "a", "a:b": "c"}})
    assert text.splitlines()[0].endswith("parameters.x:int:json,parameters.a:b:json")


def test_yaml_is_safe_with_readers_of_yaml_1_1_too():
    assert yaml.safe_load(written(Format.YAML, {"parameters": {"x": "no", "y": "off", "on": "n"}}))["runs"][
        0
    ]["parameters"] == {"x": "no", "y": "off", "on": "n"}


def test_one_and_true_and_one_point_zero_are_not_shared():
    found = shared_fields(rows_of({"parameters": {"x": 1}}, {"parameters": {"x": True}}))
    assert found == HEAD
    assert shared_fields(rows_of({"parameters": {"x": 1}}, {"parameters": {"x": 1.0}})) == HEAD


def written(form: Format, *fields: dict[str, Any]) -> str:
    out = io.StringIO(newline="")
    write(rows_of(*fields), out, form)
    return out.getvalue()


def test_csv_columns_have_types():
    text = written(
        Format.CSV,
        {"parameters": {"t": "a", "i": 1, "f": 0.5, "b": True, "l": [1], "m": 1}, "tags": {"k": "v"}},
        {"parameters": {"m": "x"}},
    )
    header, first, second = text.splitlines()
    assert header.split(",")[3:] == [
        *("parameters.t", "parameters.i:int", "parameters.f:float", "parameters.b:bool"),
        *("parameters.l:json", "parameters.m:json", "tags.k"),
    ]
    assert first.endswith(",a,1,0.5,true,[1],1,v")
    assert second.endswith(',,,,,,"""x""",')


def test_csv_refuses_a_control_character_and_names_the_row():
    with pytest.raises(ManifestError) as caught:
        written(Format.CSV, {}, {"roleArn": "arn:\x01"})
    (problem,) = caught.value.problems
    assert (problem.row, problem.field) == ("r1", "roleArn")
    assert "\x01" in json.loads(written(Format.JSONL, {"roleArn": "arn:\x01"}))["roleArn"]


def surveyed(*fields: dict[str, Any]) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        native.survey(rows_of(*fields), source="m.yaml")
    return [f"{problem.row} {problem.field}: {problem.message}" for problem in caught.value.problems]


def test_native_settings_say_everything_that_stands_against_them():
    assert surveyed(
        {}, {"workflowId": "2", "storageType": "STATIC"}, {"workflowType": "READY2RUN", "runId": "1"}
    ) == [
        "r1 storageType: 'STATIC', while row 'r0' has none",
        "r1 workflowId: '2', while row 'r0' has '1234567'",
        "r2 workflowType: a StartRunBatch takes no READY2RUN workflow",
        "r2 runId: a StartRunBatch has no such field",
        "r2 workflowType: 'READY2RUN', while row 'r0' has none",
    ]
    assert surveyed({"parameters": {"x": "{id}"}}) == [
        "r0 parameters: a text in it has braces that batchrun would fill in"
    ]


def test_native_settings_load_as_the_same_specs():
    table = [{**HEAD, "id": str(n), "outputUri": f"s3://b/{n}/", "tags": {"n": str(n)}} for n in range(3)]
    specs = specs_of(json.dumps(table), Format.JSON)
    rows = lambda: (row_of(spec, None) for spec in specs)  # noqa: E731
    out = io.StringIO(newline="")
    native.write(rows, out, batch="b", common=native.survey(rows, source="m"), source="m")
    assert specs_of(out.getvalue(), Format.JSON, None) == specs
    assert json.loads(out.getvalue())["defaultRunSetting"] == HEAD


def test_native_settings_are_a_hundred_at_most():
    many = rows_of(*[{}] * 101)
    with pytest.raises(ManifestError, match="one request takes 100"):
        native.write(many, io.StringIO(), batch="b", common=HEAD, source="m")
