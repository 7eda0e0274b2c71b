"""``lanes:`` as it is written: what a lane may say, and what is wrong with the rest."""

from __future__ import annotations

import io
import json
import re
import typing

import hypothesis.strategies as st
import pytest
from hypothesis import given

from batchrun.errors import ManifestError
from batchrun.manifest import Format, Source, json_document, limits, load
from batchrun.manifest.lanes.lane import KEYS, written
from batchrun.model.lanes import Lane
from batchrun.model.paces.rates import AUTO, UNLIMITED, Rate
from batchrun.model.spec import Json
from batchrun.model.texts.queue_names import queue_in
from tests.manifest.conftest import SETS

ROLE = "arn:aws:iam::222222222222:role/path/launcher"
RUNS = "runs: [{id: A}]\n"


def lanes_of(text: str, form: Format = Format.YAML, **options: typing.Any) -> tuple[Lane, ...]:
    source = Source(path="-", batch="b", format=form, sets=SETS, **options)
    with load(source, stdin=io.BytesIO(text.encode())) as manifest:
        return manifest.lanes


def problems_in(text: str, **options: typing.Any):
    with pytest.raises(ManifestError) as caught:
        lanes_of(text, **options)
    for problem in caught.value.problems:
        assert problem.message
        assert problem.cure
        assert str(problem).isprintable()
    return caught.value.problems


QUEUE = "sqs:http://127.0.0.1:9324/222222222222/ends"
FULL = f"""\
lanes:
  east:
    region: us-east-1
    profile: lab
    role: {ROLE}
    external_id: "a-word/1"
    account: 222222222222
    endpoint_url: http://127.0.0.1:9001
    max_active: 200
    rate: 2.5
    read_rate: unlimited
    wake: sqs:https://sqs.us-east-1.amazonaws.com/222222222222/ends
    batch_settings: s3://lab-east/settings
    set: {{workflowId: 7654321, tags: {{site: e}}}}
  west-2:
    {{region: us-west-2, account: 012345678901, rate: auto, account_max_active: 9, wake: "{QUEUE}"}}
"""


@pytest.mark.parametrize("text", [FULL + RUNS, RUNS + FULL, "batch: b\ndefaults: {}\n" + RUNS + FULL])
def test_a_lane_says_all_of_this_wherever_the_table_stands(text):
    assert lanes_of(text) == (
        Lane(
            name="east",
            region="us-east-1",
            profile="lab",
            role=ROLE,
            external_id="a-word/1",
            account="222222222222",
            endpoint_url="http://127.0.0.1:9001",
            max_active=200,
            rate=Rate(most=2.5),
            read_rate=UNLIMITED,
            wake=queue_in("sqs:https://sqs.us-east-1.amazonaws.com/222222222222/ends"),
            batch_settings="s3://lab-east/settings/",
        ),
        Lane(
            name="west-2",
            region="us-west-2",
            account="012345678901",
            rate=AUTO,
            account_max_active=9,
            wake=queue_in(QUEUE),
        ),
    )


def test_json_says_the_same():
    table = {"east": {"region": "us-east-1", "account": "111111111111", "max_active": 3}}
    text = json.dumps({"runs": [{"id": "A"}], "lanes": table})
    assert lanes_of(text, Format.JSON) == (
        Lane(name="east", region="us-east-1", account="111111111111", max_active=3),
    )


def test_what_is_written_is_read_as_the_same_lane():
    first, second = lanes_of(FULL + RUNS)
    table = {lane.name: written(lane) for lane in (first, second)}
    assert lanes_of(json.dumps({"lanes": table, "runs": [{"id": "A"}]}), Format.JSON) == (first, second)


WRONG = [
    ("region: US-EAST-1", "region", "is not a region"),
    ("region: '{id}'", "region", "is not a region"),
    ("region: [us-east-1]", "region", "a list of 1 where text is wanted"),
    ("region: ", "region", "there is no value"),
    ("profile: ' lab'", "profile", "is not a profile"),
    ('profile: "a\\tb"', "profile", "is not a profile"),
    ("role: launcher", "role", "is not a role"),
    ("role: arn:aws:iam::22222222222:role/launcher", "role", "is not a role"),
    ("role: arn:aws:iam::222222222222:user/launcher", "role", "is not a role"),
    (f"role: {ROLE}\n    account: '111111111111'", "role", "the role is of account 222222222222"),
    ("external_id: word", "external_id", "there is no role that asks for it"),
    (f"external_id: a b\n    role: {ROLE}", "external_id", "is not an external id"),
    ("account: 1234", "account", "is not an account"),
    ("account: 11111111111\uff11", "account", "is not an account"),
    ("endpoint_url: https://omics.example.org", "endpoint_url", "is an address of another machine"),
    ("endpoint_url: http://127.0.0.1.example.org", "endpoint_url", "is an address of another machine"),
    ("endpoint_url: http://localhost@example.org", "endpoint_url", "is not an address"),
    ("endpoint_url: file:///etc/passwd", "endpoint_url", "is not an address"),
    ("endpoint_url: http://[::1", "endpoint_url", "is not an address"),
    ("endpoint_url: http://127.0.0.1:0", "endpoint_url", "is not an address"),
    ("endpoint_url: http://127.0.0.1:99999", "endpoint_url", "is not an address"),
    ("endpoint_url: http://127.0.0.1/?token=x", "endpoint_url", "is not an address"),
    ("endpoint_url: 'http://127.0.0.1/#x'", "endpoint_url", "is not an address"),
    ("endpoint_url: http://127.0.0.1/a b", "endpoint_url", "is not an address"),
    ('endpoint_url: "http://127.0.0.1/\\u200b"', "endpoint_url", "is not an address"),
    (f"endpoint_url: http://127.0.0.1/{'x' * 2048}", "endpoint_url", "is not an address"),
    (f"wake: {QUEUE}{'x' * 2048}", "wake", "is not a queue"),
    (f"profile: {'x' * 257}", "profile", "is not a profile"),
    ("max_active: 0", "max_active", "is not a number of runs"),
    ("max_active: -1", "max_active", "is not a number of runs"),
    ("max_active: 1.5", "max_active", "is not a number of runs"),
    ("max_active: 99999999999", "max_active", "is not a number of runs"),
    ("max_active: {}", "max_active", "a table where text is wanted"),
    ("rate: fast", "rate", "is not a rate"),
    ("rate: 0", "rate", "is not a rate"),
    ("rate: .inf", "rate", "is not a rate"),
    ("read_rate: nan", "read_rate", "is not a rate"),
    ("rate: true", "rate", "is not a rate"),
    ("wake: https://sqs.us-east-1.amazonaws.com/222222222222/ends", "wake", "is not a queue"),
    ("wake: sqs:https://sqs.us-east-1.amazonaws.com/222222222222/ends.fifo", "wake", "is not a queue"),
    ("wake: sqs:https://queues.example.org/222222222222/ends", "wake", "is a queue of another machine"),
    ("wake: sqs:https://127.0.0.1.example.org/222222222222/ends", "wake", "is a queue of another machine"),
    ("batch_settings: lab-east/settings", "batch_settings", "is not a folder in S3"),
    ('batch_settings: "s3://lab/{batch}"', "batch_settings", "nothing is filled in here"),
    ("regio: us-east-1", "regio", "a lane has no such key"),
    ("outputUri: s3://b/", "outputUri", "a lane has no such key"),
    ("aws_secret_access_key: wJalrXUtnFEMI", "aws_secret_access_key", "a lane has no such key"),
    ("set: 5", "set", "'5' is not a table"),
    ("set: [workflowId]", "set", "is not a table"),
]


@pytest.mark.parametrize(("said", "key", "message"), WRONG)
def test_what_is_wrong_in_a_lane_is_told_with_its_place(said, key, message):
    (problem,) = problems_in(f"{RUNS}lanes:\n  east:\n    {said}\n")
    assert problem.field == f"lanes.east.{key}"
    assert problem.line == 4
    assert message in problem.message
    assert "wJalrXUtnFEMI" not in str(problem)


def test_each_problem_of_a_lane_has_its_own_place():
    east = "  east:\n    region: us-east-1\n    rate: fast\n    set:\n      name: n\n      nam: x\n"
    west = "  west:\n    region: us-west-2\n    max_active: 0\n    rate: 1\n"
    found = problems_in(f"{RUNS}lanes:\n{east}{west}")
    assert [(problem.field, problem.line, problem.column) for problem in found] == [
        ("lanes.east.rate", 5, 11),
        ("lanes.west.max_active", 11, 17),
        ("nam", 7, 7),  # of what is deeper there are no places
    ]


@pytest.mark.parametrize("key", ["endpoint_url", "wake"])
@pytest.mark.parametrize("before", ["http://", "sqs:http://", ""])
def test_a_login_in_an_address_is_not_shown(key, before):
    (problem,) = problems_in(f"{RUNS}lanes: {{east: {{{key}: '{before}me:hun@ter://2@127.0.0.1'}}}}")
    assert f"{before}...@127.0.0.1" in problem.message
    assert not {"me", "hun", "ter"} & set(re.split(r"\W", str(problem)))


def test_an_at_sign_in_a_role_is_shown():
    (problem,) = problems_in(f"{RUNS}lanes: {{east: {{role: 'arn:aws:iam::2:role/me@lab'}}}}")
    assert "'arn:aws:iam::2:role/me@lab' is not a role" in problem.message


def test_a_cure_says_what_was_meant():
    found = problems_in(RUNS + "lanes: {east: {regio: us-east-1, outputUri: s3://b/}}")
    assert [problem.cure for problem in found] == [
        "did you mean region?",
        "put it under set: outputUri is a field of StartRun",
    ]


@pytest.mark.parametrize(
    ("lanes", "message"),
    [
        ("5", "'5' is not a table of lanes"),
        ("", "null is not a table of lanes"),
        ("{}", "there are no lanes"),
        ("{east: 5}", "'5' is not a table"),
        ("{east: }", "null is not a table"),
        ("{'a|b': {}}", "'a|b' is not a name of a lane"),
        ("{'': {}}", "'' is not a name of a lane"),
        ("{' a': {}}", "' a' is not a name of a lane"),
        ("{'{id}': {}}", "'{id}' is not a name of a lane"),
        (f"{{{'e' * 65}: {{}}}}", "is not a name of a lane"),
        ("[east, west]", "these are names of lanes, and nothing says what they are"),
        ("{east: {set: {lane: east}}}", "'lane' is not a field of StartRun"),
        ("{east: {set: {id: x}}}", "every run needs an id of its own"),
        ("{east: {set: {outputUri: s3:/b}}}", "is not a place in S3"),
        ("{east: {set: {outputUri: 's3://b/{site}/'}}}", "there is nothing called {site}"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_once(lanes, message):
    (problem,) = problems_in(f"{RUNS}lanes: {lanes}\n")
    assert message in problem.message


def test_too_many_lanes_are_refused():
    table: dict[str, Json] = {f"lane{number}": {} for number in range(limits.LANES + 1)}
    (problem,) = problems_in(json.dumps({"lanes": table, "runs": [{"id": "A"}]}), form=Format.JSON)
    assert problem.message == "there are 201 lanes"


def test_all_problems_come_at_once():
    text = "lanes: {east: {region: X, account: 1}}\nruns: [{id: A, lane: west}, {id: A}, {idd: B}]\n"
    fields = [problem.field for problem in problems_in(text)]
    assert fields == ["lanes.east.region", "lanes.east.account", "lane", "id", "id", "idd"]


@pytest.mark.parametrize("key", ["batchRunSettings", "defaultRunSetting"])
def test_aws_own_settings_have_no_lanes(key):
    value = '{"inlineSettings": []}' if key == "batchRunSettings" else "{}"
    text = f'{{"{key}": {value}, "lanes": {{"east": {{}}}}}}'
    assert any(
        problem.field == "lanes" and "--lanes" in problem.cure
        for problem in problems_in(text, form=Format.JSON)
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*KEYS, "workflowId", "lane"]) | st.text(max_size=9), inner)
    ),
    max_leaves=12,
)
NAMES = st.sampled_from(["east", "west", "a|b", "{id}", "1", "\ud800", ""]) | st.text(max_size=9)


@given(
    lanes=st.dictionaries(NAMES, JSON, max_size=4) | JSON,
    lane=JSON | NAMES,
    change=JSON,
    form=st.sampled_from([Format.YAML, Format.JSON]),
)
def test_whatever_stands_there_is_read_or_refused(lanes, lane, change, form):
    rule = {"reason": "X", "times": 1, "change": {"lane": change}}
    document = {"lanes": lanes, "retry": [rule], "runs": [{"id": "A", "lane": lane}, {"id": "B"}]}
    try:
        text = json.dumps(document).encode()
        with load(Source(path="-", batch="b", format=form, sets=SETS), stdin=io.BytesIO(text)) as manifest:
            names = [one.name for one in manifest.lanes]
            assert names
            for spec in manifest.specs():
                assert spec.offers is not None
                offered = [name for name, *_ in json.loads(spec.offers)]
                assert set(offered) <= set(names)
    except ManifestError as error:
        for problem in error.problems:
            assert problem.cure
            assert str(problem).isprintable()
            assert len(str(problem)) < 4000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("key", ["lanes", '"l\\u0061nes"', '"\\x6canes"'])
@pytest.mark.parametrize("at", [0, 1024 * 1024 - 3])
def test_the_table_is_found_wherever_and_however_its_key_is_written(encoding, key, at):
    form = Format.YAML if "\\x" in key else Format.JSON
    key = key if key.startswith('"') else f'"{key}"'
    # What stands before it makes it lie across the pieces in which it is looked for.
    head = '{"batch": "b", "defaults": {}, "runs": [{"id": "A"}]'
    text = f"{head},{' ' * max(0, at - len(head) - 2)}{key}: {{east: {{}}}}}}"
    text = text if form is Format.YAML else text.replace("{east", '{"east"')
    source = Source(path="-", format=form, sets=SETS)
    with load(source, stdin=io.BytesIO(text.encode(encoding))) as manifest:
        assert [lane.name for lane in manifest.lanes] == ["east"]


def test_a_document_without_the_word_is_not_read_to_its_end_first(monkeypatch):
    seen: list[object] = []
    parts = json_document.parts

    def counted(*given, **options):
        for part in parts(*given, **options):
            seen.append(part)
            yield part

    monkeypatch.setattr(json_document, "parts", counted)
    rows = ", ".join(f'{{"id": "r{number}"}}' for number in range(100))
    assert lanes_of(f'{{"batch": "b", "defaults": {{}}, "runs": [{rows}]}}', Format.JSON) == ()
    assert len(seen) == 2 + 102
