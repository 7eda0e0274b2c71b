"""What verbs write for programs: its names, and that it is what the schema says."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import apsw
import botocore.session
import jsonschema
import pytest

from batchrun.cli.showing.progress import Snapshot
from batchrun.ports.stored import Counts
from batchrun.report.bill import JSON_COLUMNS
from batchrun.report.columns import COLUMNS
from batchrun.report.json_names import OLD_NAMES
from batchrun.report.overview import numbers
from batchrun.report.results import SHARED_COLUMNS
from tests.cli.conftest import ROOT, Shell, end
from tests.cli.ledgers import make, make_lanes
from tests.cli.test_choosing import keep_tasks

SCHEMA = json.loads((ROOT / "batchrun/report/assets/json.schema.json").read_text(encoding="utf-8"))
KINDS: dict[str, Any] = SCHEMA["$defs"]
#: What is no message, and has no ``message_type``.
OTHERS = {"notice", "result", "cost_row"}
FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s")
#: Rows for which nobody has to be asked whether their runs are there after all.
FAILED = ("--where", "status=FAILED")
PRICES = {"currency": "USD", "region": "us-east-1", "instances": {}, "storage": {}}


def closed(value: Any) -> Any:
    """Return the schema without room for names that it does not have; users' validators leave that room."""
    if isinstance(value, list):
        return [closed(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {key: closed(one) for key, one in value.items()}
    return {"additionalProperties": False} | made if "properties" in made else made


@functools.cache
def validator(kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": closed(KINDS)})


def hold(kind: str, told: Any) -> None:
    validator(kind).validate(told)


def held(stdout: str) -> list[dict[str, Any]]:
    """Hold each line to the schema, and return them."""
    messages: list[dict[str, Any]] = [json.loads(line) for line in stdout.splitlines()]
    assert messages
    for one in messages:
        hold(one["message_type"], one)
    return messages


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Return every object that the schema describes, however deep."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for one in schema.values():
            yield from objects(one)
    if isinstance(schema, list):
        for one in schema:
            yield from objects(one)


def api_names() -> set[str]:
    """Return all fields of the API's runs and tasks."""
    service = botocore.session.get_session().get_service_model("omics")
    found: set[str] = set()
    for operation in ("StartRun", "GetRun", "ListRuns", "GetRunTask", "ListRunTasks"):
        model = service.operation_model(operation)
        shapes: list[Any] = [model.input_shape, model.output_shape]
        while shapes:
            shape = shapes.pop()
            if shape.type_name == "structure":
                shapes += [inner for name, inner in shape.members.items() if name not in found]
                found |= set(shape.members)
            elif shape.type_name == "list":
                shapes.append(shape.member)
    return found


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert [one["$ref"].rpartition("/")[2] for one in SCHEMA["oneOf"]] == [
        name for name, kind in KINDS.items() if "message_type" in kind.get("properties", ())
    ]


def test_each_name_is_the_apis_or_snake_case_and_old_ones_say_what_they_are_called_now():
    api, old = api_names(), set()
    assert {"runId", "failureReason", "runOutputUri", "taskId", "logStream"} <= api
    for one in objects(SCHEMA):
        for name, about in one["properties"].items():
            if about.get("deprecated"):
                new = re.fullmatch(r"Old name of (\w+)\.", about["description"])
                assert new is not None
                assert new[1] in one["properties"]
                old.add((name, new[1]))
            else:
                # accountId is what other services of AWS call it: a run itself has no such field.
                assert name in {*api, "accountId"} or re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", name), name
    pairs = [pair for kind in OLD_NAMES.values() for names in kind.values() for pair in names.items()]
    assert old == set(pairs)


def emitted() -> Iterator[tuple[str, set[str]]]:
    """Return each kind of message that some code writes, with the names that it is given one by one."""
    for path in (ROOT / "batchrun").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "emit":
                (kind,) = node.args
                assert isinstance(kind, ast.Constant), f"{path}: which message is that?"
                yield str(kind.value), {one.arg for one in node.keywords if one.arg is not None}


@pytest.mark.long
def test_every_message_that_some_code_writes_is_in_the_schema():
    found = list(emitted())
    assert {kind for kind, _ in found} == {one["$ref"].rpartition("/")[2] for one in SCHEMA["oneOf"]}
    for kind, names in found:
        assert names <= set(KINDS[kind]["properties"]), kind


def test_numbers_and_rows_have_all_their_names_in_the_schema():
    own = {field.name for field in dataclasses.fields(Snapshot)} - {"counts"}
    assert own | {"message_type", "batch", "total", *numbers(Counts())} == set(
        KINDS["progress"]["properties"]
    )
    assert tuple(KINDS["row"]["properties"]) == COLUMNS
    assert set(KINDS["past_row"]["properties"]) == {*COLUMNS} - SHARED_COLUMNS
    assert set(KINDS["cost_row"]["properties"]) == {*JSON_COLUMNS}


@pytest.fixture
def cohort(shell: Shell) -> Shell:
    make(shell.folder)
    keep_tasks(shell.folder)
    return shell


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "kinds"),
    [
        (["status"], ["status"]),
        (["status", "cohort"], ["status"]),
        (["status", "cohort", "--failed"], ["status", *["failures"] * 4, *["entry"] * 5]),
        (["show", "twice"], ["entry"]),
        (["show", "task"], ["entry"]),
        (["show", "planned"], ["entry"]),
        (["retry", "--dry-run", *FAILED], ["retry"]),
        (["cancel", "--dry-run"], ["cancel"]),
        (["delete", "--dry-run", *FAILED], ["delete"]),
        (["ledger", "init"], ["init"]),
        (["ledger", "verify"], ["verify"]),
        (["config", "status"], ["setting"] * 7),
    ],
    ids=" ".join,
)
def test_what_the_ledger_says_is_as_the_schema_has_it(cohort: Shell, arguments, kinds):
    told = held(cohort.run(*arguments, "--json").stdout)
    assert [one["message_type"] for one in told] == kinds


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "cohort"],
        ["status", "cohort", "--failed"],
        ["show", "moved"],
        ["show", "free"],
        ["retry", "--dry-run", *FAILED],
        ["delete", "--dry-run", "--where", "lane=west"],
    ],
    ids=" ".join,
)
def test_so_is_what_it_says_of_a_batch_with_lanes(shell: Shell, arguments):
    make_lanes(shell.folder)
    held(shell.run(*arguments, "--json").stdout)


def test_what_is_wrong_with_a_ledger_is_as_the_schema_has_it(cohort: Shell):
    with contextlib.closing(apsw.Connection(str(cohort.folder / "batchrun.db"))) as connection:
        connection.execute("UPDATE entries SET run_uuid = 'x' WHERE id = 'done'")
    found = held(cohort.run("ledger", "verify", "--json").stdout)
    assert found[0]["problem"] == found[0]["message"]
    assert (found[-1]["message_type"], found[-1]["problems"]) == ("verify", len(found) - 1)


def test_old_names_stay_beside_the_new_ones(cohort: Shell):
    (entry,) = held(cohort.run("show", "task", "--json").stdout)
    assert entry["failedTasks"] == entry["failed_tasks"] != []
    assert entry["logGroup"] == entry["log_group"]
    runs = [event["run"] for event in entry["events"] if "run" in event]
    assert runs[-1]["failure_reason"] == runs[-1]["failureReason"] == "RUN_TASK_FAILED"
    (retry,) = held(cohort.run("retry", "--dry-run", *FAILED, "--json").stdout)
    assert (retry["dryRun"], retry["dry_run"]) == (True, True)


@pytest.mark.parametrize("options", [[], ["--columns", "id,status,attempt", "--attempts"]], ids=str)
def test_results_are_as_the_schema_has_them(cohort: Shell, options):
    rows = json.loads(cohort.run("results", "--format", "json", "-o", "-", *options).stdout)
    lines = cohort.run("results", "--format", "jsonl", "-o", "-", *options).stdout.splitlines()
    assert [json.loads(line) for line in lines] == rows
    for row in rows:
        hold("result", row)


def test_a_manifest_is_told_of_as_the_schema_has_it(cohort: Shell):
    rows = cohort.cohort(3)
    cohort.write("prices.json", json.dumps(PRICES))
    (checked,) = held(cohort.run("check", *rows, "--json").stdout)
    assert checked["rows"] == 3
    (planned,) = held(cohort.run("plan", *rows, "--prices", "prices.json", "--json").stdout)
    assert (planned["changed_ids"], planned["changedIds"], len(planned["to_come"])) == ([], [], 1)
    retrying = (
        "retry: {rules: [{reason: X, times: 1, change: {storageType: DYNAMIC}}]}\nruns: [{id: a}, {id: b c}]"
    )
    cohort.write("r.yaml", retrying)
    problems = held(cohort.run("check", "r.yaml", "--json").stdout)
    assert {one["message_type"] for one in problems} == {"problem"}
    cohort.write("r.yaml", retrying.replace("b c", "b"))
    (checked,) = held(cohort.run("check", "r.yaml", "--defaults", "defaults.yaml", "--json").stdout)
    assert checked["retry"]["rules"][0]["change"] == {"storageType": "DYNAMIC"}


@pytest.mark.long
def test_a_launch_and_what_follows_are_as_the_schema_has_them(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0005", "--fail-first", "cohort-s000=9:RUN_TASK_FAILED")
    at = ("--endpoint-url", simulated.url)
    rows = shell.cohort(2)
    assert "active_runs" in held(shell.run("check", *rows, *at, "--online", "--json").stdout)[0]
    done = shell.run("run", *rows, *at, *FAST, "--json", "--on-end", "cat > notice.json")
    assert done.returncode == 1
    *steps, summary = held(done.stdout)
    assert {one["message_type"] for one in steps} <= {"step", "progress"}
    assert (summary["message_type"], summary["failed"]) == ("summary", 1)
    notice = json.loads((shell.folder / "notice.json").read_text(encoding="utf-8"))
    hold("notice", notice)
    assert notice["exitCode"] == notice["exit_code"] == 1
    shell.write("prices.json", json.dumps(PRICES))
    (costs,) = held(shell.run("costs", *at, "--prices", "prices.json", "--json").stdout)
    assert costs["toCome"] == costs["to_come"] == []
    assert shell.run("costs", *at, "--prices", "prices.json", "-o", "costs.jsonl").returncode == 0
    for line in (shell.folder / "costs.jsonl").read_text(encoding="utf-8").splitlines():
        hold("cost_row", json.loads(line))
    (deleted,) = held(shell.run("delete", *at, "--yes", "--json").stdout)
    assert len(deleted["run_ids"]) == 2


@pytest.mark.long
def test_a_second_launcher_a_rebuild_and_a_cancel_are_as_the_schema_has_them(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    command = ("run", *shell.cohort(2), "--endpoint-url", simulated.url, *FAST)
    other = shell.start(*command)
    simulated.wait_for_runs(2)
    (second,) = held(shell.run(*command, "--json", "--once").stdout)
    assert second["message_type"] == "held"
    told = held(shell.run("cancel", "--yes", "--json", "--endpoint-url", simulated.url).stdout)
    assert told[-1] | {"is_done": True, "isDone": True} == told[-1]
    assert end(other)[0] == 1
    (shell.folder / "batchrun.db").unlink()
    (made,) = held(shell.run("ledger", "rebuild", *command[1:4], *command[4:6], "--json").stdout)
    assert (made["rows"], made["by_status"]) == (2, {"CANCELLED": 2})


def test_the_schema_can_be_had_from_the_command(shell: Shell):
    done = shell.run("help", "--schema")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == SCHEMA
