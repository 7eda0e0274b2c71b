"""Single steps: placeholders, patterns, botocore's model, typed columns."""

from __future__ import annotations

import copy
import json
import re

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from batchrun.manifest.defaults import Defaults
from batchrun.manifest.model_check import compiled, matcher
from batchrun.manifest.parts import Record
from batchrun.manifest.placeholders import Environment, PlaceholderError, Values
from batchrun.manifest.problems import Place, Problems
from batchrun.manifest.rows import Expander, Terms
from batchrun.manifest.rules import start_run, with_rules
from batchrun.manifest.scalars import (
    NumberSizeError,
    Plain,
    resolved,
    strict_bool,
    strict_float,
    strict_integer,
)
from batchrun.model.spec import Json
from batchrun.service_model import start_run_shape

VALUES: dict[str, Json] = {
    "reads": "s3://b/x.bam",
    "threads": Plain("08"),
    "paired": True,
    "depth": 3.5,
    "Main.ref-1": "hg38",
    "braces": "{{a}} {1,2}",
    "empty": "",
    "null": Plain("null"),
    "list": ["x"],
    "nested": "{id}",
    "hostile": "{__class__}",
}

FILLED = {
    "": "",
    "plain": "plain",
    "{id}": "NA1",
    "{batch}/{id}/{id}": "b{id}/NA1/NA1",
    "{parameters.reads}": "s3://b/x.bam",
    "{parameters.threads}{parameters.paired}{parameters.depth}": "08true3.5",
    "{parameters.Main.ref-1}": "hg38",
    "{parameters.braces}": "{a} {1,2}",
    "*_{1,2}.fastq.gz": "*_{1,2}.fastq.gz",
    "*_{R1,R2}.fastq.gz": "*_{R1,R2}.fastq.gz",
    '{"a":{"b":{}}}': '{"a":{"b":{}}}',
    '{"a": {"id": "{id}"}}': '{"a": {"id": "NA1"}}',
    "{} {0} {0.x} { id } {id!r} {id:>9} {a-b} {.x} {id": "{} {0} {0.x} { id } {id!r} {id:>9} {a-b} {.x} {id",
    "}} } {{ {{{{": "}} } { {{",
    "{{id}} {{id} {{{id}}}": "{id} {id} {NA1}}",
    "${{HOME}}": "${HOME}",
}


@pytest.mark.parametrize("text", FILLED)
def test_placeholders(text):
    assert Values("b{id}", "NA1", VALUES).fill(text) == FILLED[text]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{sample}", "nothing called {sample}"),
        ("{id.__class__}", "nothing called"),
        ("{batch.x}", "nothing called"),
        ("{parameters}", "nothing called"),
        ("{parameters.}", "no such parameter"),
        ("{parameters.gone}", "no such parameter"),
        ("{parameters.empty}", "no text"),
        ("{parameters.null}", "no text"),
        ("{parameters.list}", "a list of 1"),
        ("{parameters.nested}", "filled once"),
        ("{parameters.hostile}", "a placeholder itself"),
        ("{größe}", "nothing called"),
    ],
)
def test_placeholders_that_cannot_be_filled(text, part):
    with pytest.raises(PlaceholderError) as caught:
        Values("b", "NA1", VALUES).fill(text)
    assert part in f"{caught.value.message}; {caught.value.cure}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-0", 0),
        ("+5", 5),
        ("05", "05"),
        ("-05", "-05"),
        ("00.5", "00.5"),
        ("0.50", 0.5),
        ("1.", 1.0),
        (".5e1", 5.0),
        ("1e", "1e"),
        ("0b1", "0b1"),
        ("0xfg", "0xfg"),
        ("1,5", "1,5"),
        ("٣", "٣"),
        ("yes", "yes"),
        ("off", "off"),
        ("FALSE", False),
        ("fALSE", "fALSE"),
        ("False", False),
        ("TRUE", True),
        ("0x", "0x"),
        ("0o", "0o"),
        (".55", 0.55),
        (".infinity", ".infinity"),
        ("Null", None),
        ("-", "-"),
        (".", "."),
    ],
)
def test_core_schema(text, value):
    assert resolved(text) == value
    assert type(resolved(text)) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.Inf", "+.INF", ".nan", ".NaN", ".NAN"])
def test_what_is_no_finite_number_is_refused(text):
    with pytest.raises(NumberSizeError):
        resolved(text)


@pytest.mark.parametrize(
    "text",
    [
        "9007199254740993.0",
        "9223372036854775809.0",
        "12345678901234567.5",
        "1234567890123456789e1",
        "1e-400",
        "1.23456789e-320",
        "1e-999999999",
        "1e400",
        "1e-99999999999999999999",
        "0e46209743190650901956298873685",
    ],
)
def test_a_number_that_a_double_cannot_hold_is_refused(text):
    for read in (resolved, strict_float):
        with pytest.raises(NumberSizeError):
            read(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1234567890123456789", 0.12345678901234568),
        ("1.000000000000000056e-01", 0.1),
        ("0.1234567890123445000001", 0.1234567890123445),
        ("9007199254740992.0", 9007199254740992.0),
        ("9223372036854775808.0", 9223372036854775808.0),
        ("1234567890123456.5", 1234567890123456.5),
        ("1e23", 1e23),
        ("5e-324", 5e-324),
        ("-0.0", -0.0),
        ("0e-999999999", 0.0),
        ("1.00000000000000000000", 1.0),
    ],
)
def test_a_number_that_is_only_rounded_is_taken(text, value):
    assert resolved(text) == strict_float(text) == value


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (strict_integer, "007", 7),
        (strict_integer, "+5", 5),
        (strict_integer, "-12", -12),
        (strict_float, ".55", 0.55),
        (strict_float, "5.", 5.0),
        (strict_float, "005.25", 5.25),
        (strict_float, "-1E-12", -1e-12),
        (strict_bool, "TRUE", True),
        (strict_bool, "False", False),
    ],
)
def test_a_cell_with_a_type_is_read_as_people_write_it(read, text, value):
    assert read(text) == value
    assert type(read(text)) is type(value)


@pytest.mark.parametrize(
    ("read", "texts"),
    [
        (strict_integer, ["1_000", " 7", "7\n", "٣", "", "1.0", "0x1", "+", "1e3"]),
        (strict_float, ["1_0.5", " 1.5", "1.5\n", "٣", "", ".", "1e", "nan", "inf", "-Infinity", "0x1p3"]),
        (strict_bool, ["yes", "1", "", "true "]),
    ],
)
def test_a_cell_that_python_alone_would_take_is_refused(read, texts):
    for text in texts:
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            read(text)


JAVA = "[\\p{L}||\\p{M}||\\p{Z}||\\p{S}||\\p{N}||\\p{P}]+"


@pytest.mark.parametrize("text", ["abc", "a b", "é", "样本", "e\u0301", "x\u00a0y", "\u2028", "😀", "|", "½"])
def test_java_patterns_take_what_java_takes(text):
    matches = matcher(JAVA)
    assert matches is not None
    assert matches(text)


@pytest.mark.parametrize("text", ["a\tb", "a\nb", "\x00", "\u200b", "\u202e", "\ud800", "\ue000", "\uffff"])
def test_java_patterns_refuse_what_java_refuses(text):
    matches = matcher(JAVA)
    assert matches is not None
    assert not matches(text)


def test_patterns_with_escapes_and_unknown_ones():
    matches = matcher("[\\p{L}\\t\\n\\r]+")
    assert matches is not None
    assert matches("a\tb\n")
    assert not matches("a b")
    assert matcher("[\\p{IsGreek}]+(?<x") is None


def test_every_pattern_of_start_run_is_understood():
    for name, member in start_run_shape().members.items():
        pattern = member.metadata.get("pattern")
        assert pattern is None or matcher(pattern) is not None, name


def expander(shape, problems: Problems) -> Expander:
    model = with_rules(compiled(shape), own_tags=True)
    head: dict[str, Json] = {"workflowId": "1", "roleArn": "arn:x", "outputUri": "s3://b/out/"}
    return Expander(
        batch="b",
        model=model,
        defaults=Defaults(fields=head, broken=frozenset()),
        environment=Environment((), {}, problems),
        problems=problems,
    )


def record(**fields) -> Record:
    return Record(fields=fields, place=Place(source="test", line=1), places={})


@pytest.fixture
def tomorrow():
    """StartRun as a later botocore might know it."""
    model = copy.deepcopy(Loader().load_service_model("omics", "service-2"))
    members = model["shapes"]["StartRunRequest"]["members"]
    members |= {
        "outputUriPrefixMode": {"shape": "PrefixMode"},
        "sharing": {"shape": "Sharing"},
        "share": {"shape": "Share"},
        "spot": {"shape": "Spot"},
    }
    model["shapes"] |= {
        "PrefixMode": {"type": "string", "enum": ["RUN_ID", "NONE_WITH_OVERWRITE"]},
        "Sharing": {"type": "list", "member": {"shape": "WorkflowOwnerId"}, "max": 2},
        "Share": {
            "type": "structure",
            "required": ["factor"],
            "members": {"factor": {"shape": "Factor"}, "note": {"shape": "RunName"}},
        },
        "Factor": {"type": "double", "min": 0, "max": 1},
        "Spot": {"type": "boolean"},
    }
    return ServiceModel(model).operation_model("StartRun").input_shape


def test_fields_that_botocore_learns_tomorrow_are_checked(tomorrow):
    problems = Problems()
    row = record(
        id="x",
        spot=Plain("true"),
        share={"factor": Plain("0.5"), "note": "{id}"},
        sharing=[Plain("123456789012")],
    )
    checked = expander(tomorrow, problems).expand(row)
    assert checked is not None
    request = json.loads(checked.request)
    assert request["spot"] is True
    assert request["share"] == {"factor": 0.5, "note": "x"}
    assert request["sharing"] == ["123456789012"]


def test_a_row_may_ask_for_one_place_in_two_lanes_and_two_rows_may_not(tomorrow):
    problems = Problems()
    expands = expander(tomorrow, problems)
    head: dict[str, Json] = {"workflowId": "1", "roleArn": "arn:x", "outputUri": "s3://b/out/"}
    shared = Defaults(fields=head, broken=frozenset())
    model = with_rules(compiled(tomorrow), own_tags=True)
    for row, is_taken in (("x", True), ("y", False)):
        begun = expands.begun(record(id=row, outputUriPrefixMode="NONE_WITH_OVERWRITE"))
        for lane in ("east", "west"):
            checked = expands.checked(begun, Terms.of(shared, model, lane))
            assert (checked is not None) is is_taken
    assert {problem.row for problem in problems.told()} == {"y"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"spot": "yes"}, "spot"),
        ({"share": {}}, "share.factor"),
        ({"share": {"factor": Plain("2")}}, "share.factor"),
        ({"share": {"factor": "x"}}, "share.factor"),
        ({"share": {"factor": Plain("1"), "more": "x"}}, "share.more"),
        ({"share": "x"}, "share"),
        ({"sharing": "x"}, "sharing"),
        ({"sharing": ["1"]}, "sharing[0]"),
        ({"sharing": ["123456789012"] * 3}, "sharing"),
        ({"outputUriPrefixMode": "NONE"}, "outputUriPrefixMode"),
    ],
)
def test_mistakes_in_fields_that_botocore_learns_tomorrow(tomorrow, fields, field):
    problems = Problems()
    assert expander(tomorrow, problems).expand(record(id="x", **fields)) is None
    assert [problem.field for problem in problems.told()] == [field]


def test_outputs_that_would_overwrite_each_other(tomorrow):
    problems = Problems()
    under_test = expander(tomorrow, problems)
    mode = {"outputUriPrefixMode": "NONE_WITH_OVERWRITE"}
    assert under_test.expand(record(id="x", **mode))
    assert under_test.expand(record(id="y"))
    assert under_test.expand(record(id="z", **mode, outputUri="s3://b/out")) is None
    assert "overwrite those of 'x'" in problems.told()[0].message


def test_request_id_is_no_field_of_ours():
    assert "requestId" not in start_run().fields
    assert "requestId" not in start_run().required
