"""What rows ask for in the lanes that they may take."""

from __future__ import annotations

import hashlib
import json
import typing

import pytest

from batchrun import load_manifest
from batchrun.errors import ManifestError
from batchrun.manifest import Source, limits, load
from batchrun.manifest.sheet_wishes import SheetOptions
from batchrun.model.lanes import lanes_of, offers_of
from batchrun.model.spec import Json
from tests.manifest.conftest import SETS

LANES = """\
lanes:
  east: {region: us-east-1}
  west: {region: us-west-2, set: {workflowId: "7654321", outputUri: "s3://west/{batch}/{lane}/{id}/"}}
  south: {region: ap-southeast-2, set: {parameters: {site: "{lane}", depth: 3}}}
"""
HEAD = """\
batch: b
defaults:
  workflowId: "1234567"
  roleArn: arn:aws:iam::123456789012:role/omics
  outputUri: s3://lab/{batch}/{id}/
"""


@pytest.fixture
def asked(tmp_path):
    """What each row asks for, by lane; what retries alone lead to in brackets, as ``(west)``."""

    def read(text: str, name: str = "m.yaml", **options: typing.Any):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        with load(Source(path=str(path), **options)) as manifest:
            specs = list(manifest.specs())
        for spec in specs:
            offers = offers_of(spec.content)
            assert offers, "where there are lanes, each row has offers"
            assert spec.request == offers[0].request
            assert offers[0].is_open
        return {
            spec.id: {
                one.lane if one.is_open else f"({one.lane})": json.loads(one.request)
                for one in offers_of(spec.content)
            }
            for spec in specs
        }

    return read


@pytest.fixture
def lanes(asked):
    def read(*given: typing.Any, **options: typing.Any):
        return {row: list(offers) for row, offers in asked(*given, **options).items()}

    return read


@pytest.fixture
def problems(asked):
    def find(*given: typing.Any, **options: typing.Any):
        with pytest.raises(ManifestError) as caught:
            asked(*given, **options)
        return [(one.row, one.field, one.message, one.cure) for one in caught.value.problems]

    return find


def test_a_row_names_a_lane_or_some_and_else_takes_the_first(lanes):
    rows = (
        'runs: [{id: A, lane: west}, {id: B, lane: [south, east]}, {id: C, lane: "east | south"}, {id: D}]\n'
    )
    wanted = {"A": ["west"], "B": ["south", "east"], "C": ["east", "south"], "D": ["east"]}
    assert lanes(HEAD + LANES + rows) == wanted
    assert lanes(HEAD + rows + LANES) == wanted


def test_defaults_name_lanes_for_rows_that_do_not(lanes):
    text = f"{HEAD}  lane: [west, south]\n{LANES}runs: [{{id: A}}, {{id: B, lane: east}}]\n"
    assert lanes(text) == {"A": ["west", "south"], "B": ["east"]}
    text = f"{HEAD}{LANES}runs: [{{id: A}}, {{id: B, lane: east}}]\n"
    assert lanes(text, sets=("lane=south|west",)) == {"A": ["south", "west"], "B": ["east"]}


def test_what_a_lane_sets_goes_over_defaults_and_under_the_row(asked):
    row = "{id: A, lane: [east, west, south], outputUri: 's3://own/{id}-{lane}/', parameters: {depth: 9}}"
    offers = asked(f"{HEAD}  parameters: {{site: none, x: 1}}\n{LANES}runs: [{row}]\n")["A"]
    assert [one["workflowId"] for one in offers.values()] == ["1234567", "7654321", "1234567"]
    assert [one["outputUri"] for one in offers.values()] == [
        f"s3://own/A-{lane}/" for lane in ("east", "west", "south")
    ]
    assert offers["east"]["parameters"] == {"site": "none", "x": 1, "depth": 9}
    assert offers["south"]["parameters"] == {"site": "south", "x": 1, "depth": 9}


def test_the_lane_is_filled_in_everywhere(asked):
    row = "id: A, lane: [east, west], name: '{lane}-{id}', tags: {site: '{lane}'}"
    offers = asked(f"{HEAD}{LANES}runs: [{{{row}, parameters: {{a: ['{{batch}}/{{lane}}']}}}}]\n")["A"]
    assert offers["west"]["outputUri"] == "s3://west/b/west/A/"
    for lane, request in offers.items():
        assert request["name"] == f"{lane}-A"
        assert request["tags"] == {"site": lane}
        assert request["parameters"] == {"a": [f"b/{lane}"]}


def test_a_name_that_nothing_has_is_told_once_with_the_lane_among_those_there_are(problems):
    head = f"{HEAD}  name: '{{sample}}'\n{LANES}"
    cure = "use {id}, {batch}, {lane}, {parameters.NAME} or {env.NAME}; for a brace as text write {{"
    told = ("there is nothing called {sample}", cure)
    assert problems(f"{head}runs: [{{id: A}}, {{id: B}}]\n") == [(None, "name", *told)]
    (found,) = problems(f"{HEAD}{LANES}runs: [{{id: A, parameters: {{x: '{{sample}}'}}}}]\n")
    assert found[3] == cure


def test_set_on_the_command_line_is_for_all_rows_and_under_what_a_lane_sets(asked):
    offers = asked(f"{HEAD}{LANES}runs: [{{id: A, lane: east|west}}]\n", sets=("workflowId=9",))["A"]
    assert [one["workflowId"] for one in offers.values()] == ["9", "7654321"]


@pytest.mark.parametrize("rules", ["retry:\n  - {}\n", "retry:\n  rules:\n    - {}\n"])
def test_a_rule_gives_closed_offers_to_rows_that_do_not_offer_its_lanes(lanes, rules):
    rule = "{reason: X, times: 1, change: {lane: [west, south]}}"
    rows = "runs: [{id: A}, {id: B, lane: [south, east]}, {id: C, lane: [east, south, west]}]\n"
    wanted = {
        "A": ["east", "(west)", "(south)"],
        "B": ["south", "east", "(west)"],
        "C": ["east", "south", "west"],
    }
    assert lanes(HEAD + LANES + rows + rules.format(rule)) == wanted
    assert lanes(HEAD + rules.format(rule) + rows + LANES) == wanted


def test_a_rule_that_leads_to_no_lane_that_there_is_is_told(problems):
    text = f"{HEAD}{LANES}runs: [{{id: A}}]\nretry: [{{reason: X, times: 1, change: {{lane: [wst]}}}}]\n"
    (found,) = problems(text)
    assert found[1:] == (
        "retry.change.lane",
        "there is no lane 'wst'",
        "did you mean west? the lanes are east, west, south",
    )


@pytest.mark.parametrize("lane", ["~", "[]", "5x y", "{}", "'{id}'"])
def test_a_rule_names_lanes_as_they_are(problems, lane):
    text = f"{HEAD}{LANES}runs: [{{id: A}}]\nretry: [{{reason: X, times: 1, change: {{lane: {lane}}}}}]\n"
    (found,) = problems(text)
    assert found[1] == "retry.change.lane"


@pytest.mark.parametrize(
    ("lane", "message"),
    [
        ("esat", "there is no lane 'esat'"),
        ("[east, 7]", "there is no lane '7'"),
        ("east|north", "there is no lane 'north'"),
        ("", "there is no value where a lane is wanted"),
        ("[]", "the list is empty"),
        ("'|'", "there is no value where a lane is wanted"),
        ("[[east]]", "a list of 1 where a lane is wanted"),
        ("{east: west}", "a table where a lane is wanted"),
        ("'{lane}'", "there is nothing called {lane}"),
        ("[east, ~]", "there is no value where a lane is wanted"),
    ],
)
def test_a_lane_that_there_is_not_is_told_with_those_there_are(problems, lane, message):
    (found,) = problems(f"{HEAD}{LANES}runs: [{{id: A, lane: {lane}}}, {{id: B}}]\n")
    assert found[:3] == ("A", "lane", message)
    assert "the lanes are east, west, south" in found[3] or "{lane}" in lane


@pytest.mark.parametrize("lane", ["'east,west'", "east west", "east;west"])
def test_lanes_that_are_divided_otherwise_are_told_how(problems, lane):
    (found,) = problems(f"{HEAD}{LANES}runs: [{{id: A, lane: {lane}}}]\n")
    assert found[3] == "put | between lanes, or write a list; the lanes are east, west, south"


def test_many_unknown_lanes_take_no_time_to_guess(problems):
    names = ", ".join(f"x{number}" for number in range(20_000))
    (found,) = problems(f"{HEAD}{LANES}runs:\n  - {{id: A, lane: [{names}]}}\n")
    assert found[2] == "there is no lane 'x0'"


def test_a_problem_says_in_which_lane_it_is(problems):
    row = "id: A, lane: [east, south], storageCapacity: x, parameters: {y: '{parameters.site}'}"
    text = f"{HEAD}{LANES}runs: [{{{row}}}]\n"
    assert problems(text)[:2] == [
        ("A", "storageCapacity", "'x' is not a whole number", "write a whole number without quotes"),
        (
            "A",
            "parameters.y",
            "in lane east: {parameters.site} has no value: this row has no such parameter",
            "give the parameter, or leave the placeholder out",
        ),
    ]


def test_what_a_row_lacks_in_a_lane_is_told_of_that_lane(problems):
    head = HEAD.replace('  workflowId: "1234567"\n', "")
    rows = "runs: [{id: A, lane: [east, west]}, {id: B, lane: west}, {id: C}]\n"
    found = problems(head + LANES + rows)
    assert [(row, message) for row, _, message, _ in found] == [
        ("A", "in lane east: there is nothing to run"),
        ("C", "in lane east: there is nothing to run"),
    ]


NO_VALUE = "{parameters.out} has no value: this row has no such parameter"


def test_a_closed_lane_is_held_against_the_rows_too(problems):
    text = (
        f"{HEAD}{LANES}  north: {{set: {{outputUri: '{{parameters.out}}'}}}}\n"
        "runs: [{id: A}, {id: B, parameters: {out: 's3://b/'}}]\n"
        "retry: [{reason: X, times: 1, change: {lane: north}}]\n"
    )
    (found,) = problems(text)
    assert found[:3] == (
        "A",
        "outputUri",
        f"in lane north, where retry: may lead it: {NO_VALUE}",
    )


def test_a_row_that_is_too_large_for_its_lanes_is_refused(problems):
    table: dict[str, Json] = {f"l{number}": {} for number in range(limits.LANES)}
    row = {"id": "A", "lane": list(table), "parameters": {"x": "y" * 25_000}}
    fields = dict(text.split("=", 1) for text in SETS)
    (found,) = problems(
        json.dumps({"batch": "b", "defaults": fields, "lanes": table, "runs": [row]}), "m.json"
    )
    assert found[:2] == ("A", "lane")
    assert "in 200 lanes has 5" in found[2]


def test_without_lanes_nothing_is_different(tmp_path):
    path = tmp_path / "b.csv"
    path.write_text("id\nA\n", encoding="utf-8")
    with load(Source(path=str(path), sets=SETS)) as manifest:
        (spec,) = manifest.specs()
        assert manifest.lanes == ()
        assert (spec.offers, spec.content) == (None, spec.request)
        assert manifest.digest == hashlib.sha256(f"A\n{spec.request}\n".encode()).hexdigest()


def test_the_digest_covers_every_lane(tmp_path):
    found = set()
    for text in (LANES, LANES.replace("7654321", "7654322"), LANES.replace("depth: 3", "depth: 4")):
        path = tmp_path / "m.yaml"
        path.write_text(
            f"{HEAD}{text}runs: [{{id: A, lane: [east, west]}}, {{id: B, lane: [east, south]}}]\n"
        )
        with load(Source(path=str(path))) as manifest:
            found.add(manifest.digest)
            # Several readers at once, and again.
            pairs = list(zip(manifest.specs(), manifest.specs(), strict=True))
            assert [(one.id, one.content) for one, _ in pairs] == [(two.id, two.content) for _, two in pairs]
            assert [lanes_of(one.content)[1] for one, _ in pairs] == ["west", "south"]
    assert len(found) == 3


@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.jsonl", "m.yaml"])
def test_a_column_is_a_name_like_any_other_where_there_are_no_lanes(tmp_path, name):
    text = {
        "m.csv": "id,lane\nA,east\n",
        "m.tsv": "id\tname\tlane\nA\tn\teast\n",
        "m.yaml": "- {id: A, lane: east}\n",
        "m.jsonl": '{"id":"A","lane":"east"}\n',
    }
    path = tmp_path / name
    path.write_text(text[name])
    with pytest.raises(ManifestError) as caught:
        load(Source(path=str(path), sets=SETS))
    (problem,) = caught.value.problems
    assert "'lane' is not a field of StartRun" in problem.message
    assert "--lanes" in problem.cure


def test_a_sheets_column_of_that_name_is_a_column(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("sample,lane\nA,L001\n")
    options = SheetOptions(id="sample", columns_as_parameters=("lane",))
    with load(Source(path=str(path), sets=SETS, sheet=options)) as manifest:
        (spec,) = manifest.specs()
    assert json.loads(spec.request)["parameters"] == {"lane": "L001"}


SHEET = """\
sheet: sheet.csv
group_by: sample
each:
  lane: "{where}"
  name: "{sample}-{lane}"
  parameters: {reads: ["{reads}"], site: "{lane}"}
"""


def test_a_sheets_rows_take_lanes(tmp_path, asked):
    (tmp_path / "sheet.csv").write_text("sample,where,reads\nA,east|west,1\nA,east|west,2\nB,,3\n")
    found = asked(HEAD + LANES + SHEET)
    assert {row: list(offers) for row, offers in found.items()} == {"A": ["east", "west"], "B": ["east"]}
    assert found["A"]["west"]["name"] == "A-west"
    assert found["A"]["west"]["parameters"] == {"reads": ["1", "2"], "site": "west"}


def test_a_sheets_own_column_lane_is_said_by_its_name(tmp_path, asked, problems):
    (tmp_path / "sheet.csv").write_text("sample,lane,reads\nA,west,1\n")
    sheet = SHEET.replace('"{where}"', '"{lane}"').replace(
        'name: "{sample}-{lane}"\n', "storageType: DYNAMIC\n"
    )
    (found,) = problems(HEAD + LANES + sheet)
    assert found[1] == "parameters.site"
    assert "{batchrun.lane}" in found[3]
    sheet = sheet.replace('site: "{lane}"', 'site: "{batchrun.lane}", l: "{column.lane}"')
    offers = asked(HEAD + LANES + sheet)["A"]
    assert offers["west"]["parameters"] == {"reads": ["1"], "site": "west", "l": "west"}


def test_rows_of_a_sheet_that_disagree_on_their_lane_are_told(tmp_path, problems):
    (tmp_path / "sheet.csv").write_text("sample,where,reads\nA,east,1\nA,west,2\n")
    (found,) = problems(HEAD + LANES + SHEET)
    assert "where" in found[2]


def test_a_lane_may_be_that_of_a_parameter(lanes, problems):
    head = f"{HEAD}  lane: ['{{parameters.site}}', east]\n{LANES}"
    rows = "{id: A, parameters: {site: west}}, {id: B, parameters: {site: east|south}}, {id: C, lane: south}"
    assert lanes(f"{head}runs: [{rows}]\n") == {"A": ["west", "east"], "B": ["east", "south"], "C": ["south"]}
    (found,) = problems(f"{head}runs: [{{id: A, parameters: {{site: north}}}}]\n")
    assert found[:3] == ("A", "lane", "there is no lane 'north'")


def test_rows_that_a_program_gives_take_lanes(tmp_path):
    (tmp_path / "lanes.yaml").write_text("east: {}\nwest: {}\n")
    rows: list[dict[str, typing.Any]] = [
        {"id": "A", "lane": ["west", "east"]},
        {"id": "B"},
        {"name": "C", "lane": "west", "parameters": {}},
    ]
    with load_manifest(rows, batch="b", sets=SETS, lanes=tmp_path / "lanes.yaml") as manifest:
        found = {spec.id: lanes_of(spec.content) for spec in manifest.specs()}
    assert found == {"A": ("west", "east"), "B": ("east",), "C": ("west",)}
