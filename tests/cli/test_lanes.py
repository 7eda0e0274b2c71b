"""Lanes on the command line: what goes with them, and what does not."""

from __future__ import annotations

import json

import pytest

from batchrun.manifest import Source, load
from batchrun.model.lanes import offers_of
from batchrun.simulator import Limit
from tests.cli.conftest import DEFAULTS, ROOT, Shell
from tests.cli.ledgers import make_lanes

MANIFEST = """\
lanes:
  east: {region: us-east-1, profile: nobody}
  west: {region: us-west-2, set: {workflowId: "7654321"}}
runs: [{id: A, lane: [east, west]}, {id: B}]
"""
LANES = "east: {region: us-east-1}\nwest: {region: us-west-2, endpoint_url: 'https://omics.example.org'}\n"
VERBS = {
    "run": ("run",),
    "check": ("check",),
    "check --online": ("check", "--online"),
    "plan": ("plan",),
    "rebuild": ("ledger", "rebuild"),
}


@pytest.fixture
def m(shell: Shell) -> list[str]:
    """A manifest with lanes, and what it is given with."""
    shell.write("defaults.yaml", DEFAULTS)
    shell.write("lanes.yaml", LANES)
    shell.write("rows.csv", "id,lane\nA,east|west\nB,\n")
    shell.write("m.yaml", MANIFEST)
    return ["m.yaml", "--defaults", "defaults.yaml"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("option", "value"),
    [("--region", "us-east-1"), ("--profile", "lab"), ("--endpoint-url", "http://127.0.0.1:9")],
)
def test_what_each_lane_says_is_not_said_for_all(shell: Shell, m, verb, option, value):
    done = shell.run(*VERBS[verb], *m, option, value)
    assert done.returncode == 2
    assert f"{option} cannot be given: m has lanes" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (shell.folder / "batchrun.db").exists()


@pytest.mark.parametrize("how", ["variable", "file", "folder"])
def test_nor_is_it_by_a_variable_a_file_or_for_a_folder(shell: Shell, m, how):
    given = {"BATCHRUN_PROFILE": "lab"} if how == "variable" else {}
    if how == "file":
        shell.write("batchrun.toml", 'profile = "lab"\n')
    if how == "folder":
        (shell.folder / "all").mkdir()
        shell.write("all/one.yaml", MANIFEST)
        shell.write("all/two.csv", "id\nA\n")
        m = ["all", *m[1:], "--profile", "lab"]
    done = shell.run("check", *m, **given)
    assert done.returncode == 2
    assert "--profile cannot be given" in done.stderr


def test_the_environment_of_every_aws_tool_goes_with_lanes(shell: Shell, m):
    done = shell.run("check", *m, AWS_REGION="eu-west-1", AWS_PROFILE="nobody")
    assert done.returncode == 0, done.stderr


def test_a_file_gives_lanes_to_every_verb_that_takes_a_manifest(shell: Shell, m):
    rows = ["rows.csv", *m[1:], "--lanes", "lanes.yaml"]
    for verb in ("check", "plan"):
        done = shell.run(verb, *rows)
        assert done.returncode == 0, done.stderr
        done = shell.run(verb, *rows, "--region", "us-east-1")
        assert done.returncode == 2
    assert shell.run("check", *rows[:-2]).returncode == 2


def test_check_tells_the_lane_of_a_problem_also_as_json(shell: Shell, m):
    shell.write("m.yaml", MANIFEST.replace('"7654321"', '"{parameters.workflow}"'))
    done = shell.run("check", *m, "--json")
    assert done.returncode == 2
    (problem,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert problem["row"] == "A"
    assert problem["message"].startswith("in lane west: {parameters.workflow} has no value")


def test_two_tables_are_refused(shell: Shell, m):
    done = shell.run("check", *m, "--lanes", "lanes.yaml")
    assert done.returncode == 2
    assert "m.yaml:2:3" in done.stderr or "m.yaml:1" in done.stderr
    assert "the manifest has lanes, and --lanes lanes.yaml gives others" in done.stderr


CONVERTED = """\
lanes:
  east: {region: us-east-1}
  west: {region: us-west-2, set: {workflowId: "7654321", outputUri: "s3://west/{batch}/{id}/"}}
runs: [{id: A, lane: [east, west]}, {id: B}]
retry: [{reason: X, times: 1, change: {lane: west}}]
"""


@pytest.mark.parametrize("name", ["out.yaml", "out.json"])
def test_convert_keeps_lanes(shell: Shell, m, name):
    shell.write("m.yaml", CONVERTED)
    done = shell.run("manifest", "convert", *m, "-o", name)
    assert done.returncode == 0, done.stderr
    text = (shell.folder / name).read_text()
    assert "s3://west/{batch}/{id}/" in text
    planned = shell.run("plan", name, "--json")
    assert json.loads(planned.stdout)["lanes"] == {"east|west": 1, "east": 1}


def test_convert_with_a_file_of_lanes_keeps_their_names_alone(shell: Shell, m):
    shell.write("lanes.yaml", 'east: {}\nwest: {set: {workflowId: "7654321"}}\n')
    rows = ["rows.csv", *m[1:], "--lanes", "lanes.yaml"]
    refused = shell.run("manifest", "convert", *rows, "-o", "out.csv")
    assert refused.returncode == 2
    assert "give --defaults-out FILE" in refused.stderr
    done = shell.run(
        "manifest", "convert", *rows, "-o", "out.csv", "--defaults-out", "shared.yaml", "--force"
    )
    assert done.returncode == 0, done.stderr
    assert (shell.folder / "out.csv").read_text().splitlines()[0].endswith(",lane")
    again = ["out.csv", "--defaults", "shared.yaml", "--lanes", "lanes.yaml", "--batch", "rows"]
    assert json.loads(shell.run("plan", *again, "--json").stdout)["lanes"] == {"east|west": 1, "east": 1}


@pytest.mark.parametrize(
    ("text", "to", "said"),
    [
        (CONVERTED, "csv", "csv cannot hold lanes"),
        (CONVERTED, "native", "a StartRunBatch has no lanes"),
        (CONVERTED.replace("id: A,", "id: A, name: '{lane}',"), "yaml", "a text of its own that differs"),
    ],
)
def test_convert_says_what_it_cannot_write(shell: Shell, m, text, to, said):
    shell.write("m.yaml", text)
    done = shell.run("manifest", "convert", *m, "-o", "-", "--to", to)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_plan_says_which_rows_may_go_where(shell: Shell, m):
    shell.write("m.yaml", CONVERTED.replace("us-east-1}", "us-east-1, rate: 0.5}"))
    done = shell.run("plan", *m, "--rate", "4")
    assert "lanes: 1 row in east or west, 1 row in east" in done.stdout
    assert "X: 1 more after 60 s, in west" in done.stdout
    next_lane = "2 more after 60 s, in the next of its lanes where a row may take several"
    assert f"INSTANCE_RESERVATION_FAILED: {next_lane}" in done.stdout
    told = json.loads(shell.run("plan", *m, "--rate", "4", "--json").stdout)
    assert told["seconds_to_submit"] == 2.0


@pytest.mark.parametrize("name", ["again.yaml", "again.csv", "again.jsonl"])
def test_rows_that_failed_become_rows_in_the_lane_they_were_in(shell: Shell, name):
    make_lanes(shell.folder)
    done = shell.run("results", "--failed-manifest", name, "--where", "status!=COMPLETED")
    assert done.returncode == 0, done.stderr
    shell.write("lanes.yaml", "east: {}\nwest: {}\n")
    source = Source(path=str(shell.folder / name), lanes=str(shell.folder / "lanes.yaml"))
    with load(source) as manifest:
        rows = {spec.id: offers_of(spec.content) for spec in manifest.specs()}
    assert {row: [offer.lane for offer in offers] for row, offers in rows.items()} == {
        "free": ["east"],
        "fixed": ["west"],
        "going": ["east"],
        "lost": ["east"],
        "refused": ["west"],
    }
    works = {row: json.loads(offers[0].request)["workflowId"] for row, offers in rows.items()}
    assert (works["lost"], works["fixed"]) == ("1234567", "7654321")


def test_plan_asks_each_lane_for_its_own_quotas(shell: Shell, m, elsewhere):
    fast = elsewhere.healthomics(limits={"StartRun": Limit(rate=8, burst=8), "*": None}, max_active=3).url
    slow = elsewhere.healthomics(limits={"StartRun": Limit(rate=2, burst=2), "*": None}, max_active=9).url
    table = f"""\
lanes:
  east: {{region: us-east-1, endpoint_url: "{fast}", max_active: 2}}
  west: {{region: us-west-2, endpoint_url: "{slow}", rate: 1}}
  none: {{region: us-west-1, profile: nobody}}
runs: [{{id: A, lane: east}}, {{id: B, lane: west}}, {{id: C, lane: west}}]
"""
    shell.write("m.yaml", table)
    quotas = {"AWS_ENDPOINT_URL_SERVICE_QUOTAS": fast}
    usual = shell.run("plan", *m, "--set", "storageType=DYNAMIC").stdout
    done = shell.run("plan", *m, "--set", "storageType=DYNAMIC", "--online", **quotas)
    assert done.returncode == 0, done.stderr
    for told, rate, most in ((usual, 5, 50), (done.stdout, 8, 3)):
        assert "StartRun calls: 3, 2 s or more" in told
        most_of_it = f"active at once {most} with DYNAMIC storage, 2 of the batch"
        assert f"  east: {rate} StartRun per second, {most_of_it}" in told
    assert "  west: 1 StartRun per second, active at once 3 with DYNAMIC storage" in done.stdout
    assert "warning: lane none cannot be asked for its quotas" in done.stderr


SAMPLE = ROOT / "manifests" / "two-regions.yaml"
ACCOUNTS = {"east": "123456789012", "west": "210987654321"}


def rehearse(shell: Shell, simulate, *options: str, manifest: str | None = None):
    """Run the sample as its comment says."""
    simulated = simulate("--lanes", str(SAMPLE), "--time-scale", "0.001", *options)
    quick = ("--poll-interval", "0.2s", "--retry-wait", "0.1s")
    done = shell.run("run", manifest or str(SAMPLE), *quick, AWS_ENDPOINT_URL=simulated.url)
    return done, {row["id"]: row for row in shell.results("basecalling.results.csv")}


def test_the_sample_of_two_regions_can_be_rehearsed(shell: Shell, simulate):
    done, rows = rehearse(shell, simulate)
    assert done.returncode == 0, done.stderr
    assert len(rows) == 11
    assert {rows["PAW75802"]["lane"], rows["PAW77640"]["lane"]} == {"east"}
    assert rows["PAW81754"]["lane"] == "west"
    for row in rows.values():
        assert row["status"] == "COMPLETED"
        assert row["accountId"] == ACCOUNTS[row["lane"]]
        assert row["runOutputUri"].startswith(f"s3://lab-results-{row['lane']}/")


@pytest.mark.long
def test_where_east_has_no_capacity_what_may_go_west_does_and_the_rest_stays(shell: Shell, simulate):
    done, rows = rehearse(shell, simulate, "--failures", "east/INSTANCE_RESERVATION_FAILED=1")
    assert done.returncode == 1, done.stderr
    stayed = {row["id"] for row in rows.values() if row["lane"] == "east"}
    assert stayed == {"PAW75802", "PAW77640"}
    assert {row["status"] for row in rows.values() if row["id"] not in stayed} == {"COMPLETED"}
    assert {rows[one]["attempt"] for one in stayed} == {"5"}


@pytest.mark.long
def test_a_rule_leads_every_row_to_its_lane(shell: Shell, simulate):
    rule = "    times: 4\n"
    text = SAMPLE.read_text().replace(rule, f"{rule}    change: {{lane: west}}\n")
    shell.write("m.yaml", text)
    failures = ("--failures", "east/INSTANCE_RESERVATION_FAILED=1")
    done, rows = rehearse(shell, simulate, *failures, manifest="m.yaml")
    assert done.returncode == 0, done.stderr
    assert {row["lane"] for row in rows.values()} == {"west"}
    assert rows["PAW75802"]["attempt"] == "2"


def test_plan_knows_rows_that_were_sent_before_there_were_lanes(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.001")
    shell.write("defaults.yaml", DEFAULTS)
    shell.write("m.yaml", "runs: [{id: A}, {id: B}]")
    given = ("m.yaml", "--defaults", "defaults.yaml")
    where = {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": simulated.url}
    done = shell.run("run", *given, "--poll-interval", "0.2s", **where)
    assert done.returncode == 0, done.stderr
    lanes = "lanes: {west: {region: us-west-2}, east: {region: us-east-1, account: 123456789012}}\n"
    shell.write("m.yaml", f"{lanes}runs: [{{id: A, lane: [west, east]}}, {{id: B, lane: west}}, {{id: C}}]")
    told = json.loads(shell.run("plan", *given, "--json", **where).stdout)
    assert (told["new"], told["unchanged"], told["changed_ids"]) == (1, 1, ["B"])
    assert told["changes"]["B"] == [{"field": "lane", "was": "east", "now": "west"}]
    assert told["lanes"] == {"west": 1}


@pytest.mark.long
def test_rows_of_tables_folders_and_files_go_to_the_lanes_of_a_file(shell: Shell, simulate):
    table = shell.write(
        "lanes.yaml",
        'east: {region: us-east-1, account: "123456789012"}\n'
        'west: {region: us-west-2, account: "123456789012", set: {workflowId: 7654321}}\n',
    )
    simulated = simulate("--lanes", str(table), "--time-scale", "0.001")
    shell.write("defaults.yaml", DEFAULTS)
    shell.write("rows.csv", "id,lane\nA,west\nB,\n")
    (shell.folder / "all").mkdir()
    shell.write("all/one.jsonl", '{"id": "C", "lane": "west"}\n')
    shell.write("all/two.yaml", "lanes: [west]\nruns: [{id: D}]\n")
    shell.write("E.json", '{"parameters": {"x": 1}, "lane": "west"}')
    options = ["--defaults", "defaults.yaml", "--lanes", "lanes.yaml", "--poll-interval", "0.2s", "-q"]
    for what in (["rows.csv"], ["all"], ["--each-file", "E.json"]):
        done = shell.run("run", *what, *options, AWS_ENDPOINT_URL=simulated.url)
        assert done.returncode == 0, done.stderr
    for batch, rows in (("rows", "A B"), ("one", "C"), ("two", "D"), ("E", "E")):
        done = shell.run("results", batch, "-o", "-", "--columns", "id,status,lane,region,workflowId")
        told = [line.split(",") for line in done.stdout.splitlines()[1:]]
        assert [row[0] for row in told] == rows.split()
        for row in told:
            place = ["east", "us-east-1", "1234567"] if row[0] == "B" else ["west", "us-west-2", "7654321"]
            assert row[1:] == ["COMPLETED", *place]
