"""A newer model of StartRun, laid over botocore's by AWS_DATA_PATH; and what is said without one."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader

from tests.cli.conftest import Shell
from tests.cli.elsewhere import GERMLINE

FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s", "-v")
ROLE = "arn:aws:iam::123456789012:role/omics"
HEAD = f'defaults: {{workflowId: "1234567", roleArn: "{ROLE}", outputUri: "s3://lab/{{id}}/"}}\n'
SIGNED = "X-Amz-Signature"
TWO_OF_ONE_PLACE = """\
- {id: a, outputUri: 's3://lab/o/', outputUriPrefixMode: NONE_WITH_OVERWRITE}
- {id: b, outputUri: 's3://lab/o', outputUriPrefixMode: NONE_WITH_OVERWRITE}
"""


@pytest.fixture
def models(tmp_path: Path) -> dict[str, str]:
    """Return the environment in which StartRun is as botocore 1.44.8 knows it."""
    model = Loader().load_service_model("omics", "service-2")
    shapes = model["shapes"]
    shapes["NewerUri"] = {
        "type": "string",
        "max": 1093,
        "min": 1,
        "pattern": "s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+",
    }
    shapes["NewerAddress"] = {"type": "string", "max": 8192, "min": 1}
    shapes["NewerMode"] = {"type": "string", "enum": ["SERVICE_DEFINED", "NONE_WITH_OVERWRITE"]}
    shapes["NewerFlag"] = {"type": "boolean", "box": True}
    both = {"outputUriPrefixMode": {"shape": "NewerMode"}, "requesterPaysEnabled": {"shape": "NewerFlag"}}
    shapes["StartRunRequest"]["members"] |= both | {"parametersUri": {"shape": "NewerUri"}}
    shapes["GetRunResponse"]["members"] |= both | {"parametersUri": {"shape": "NewerAddress"}}
    place = tmp_path / "models" / "omics" / "2022-11-28"
    place.mkdir(parents=True)
    (place / "service-2.json").write_text(json.dumps(model))
    return {"AWS_DATA_PATH": str(tmp_path / "models")}


@pytest.fixture
def newer(simulate, models, monkeypatch) -> str:
    """Return the address of a simulator that knows the newer model too."""
    for name, value in models.items():
        monkeypatch.setenv(name, value)
    url = simulate("--time-scale", "0.0002").url
    monkeypatch.delenv("AWS_DATA_PATH")
    return str(url)


def run_of(url: str, run_id: str) -> dict[str, Any]:
    """Ask for a run without us in between."""
    with urllib.request.urlopen(f"{url}/run/{run_id}", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


@pytest.mark.parametrize("name", ["parametersUri", "requesterPaysEnabled", "outputUriPrefixMode"])
def test_a_field_of_a_newer_model_is_told_as_that(shell: Shell, name):
    shell.write("m.yaml", f"{HEAD}runs:\n- {{id: a, {name}: x}}\n")
    shell.write("m.csv", f"id,{name}\na,x\n")
    for manifest in ("m.yaml", "m.csv"):
        done = shell.run("check", manifest)
        assert done.returncode == 2
        assert f"the installed botocore does not know {name}, which botocore 1.44." in done.stderr
        assert "with AWS_DATA_PATH, as 'batchrun help manifest' shows" in done.stderr
    assert "export AWS_DATA_PATH" in shell.run("help", "manifest").stdout


@pytest.mark.long
def test_a_run_reads_its_parameters_from_a_file_and_nobody_sees_the_signed_address(
    shell: Shell, newer, models
):
    shell.write(
        "m.yaml",
        f"{HEAD}runs:\n- {{id: a, parametersUri: 's3://lab/p/{{id}}.json', requesterPaysEnabled: true}}\n"
        "- {id: b, parametersUri: 's3://lab/p/{id}.json'}\n- {id: c, parameters: {x: 1}}\n",
    )
    at = {**models, "AWS_ENDPOINT_URL": newer}
    told = [shell.run("run", "m.yaml", *FAST, **at)]
    assert told[0].returncode == 0, told[0].stderr
    answers = [run_of(newer, row["runId"]) for row in shell.results("m.results.csv")]
    assert [SIGNED in one.get("parametersUri", "") for one in answers] == [True, True, False]
    assert [one.get("requesterPaysEnabled") for one in answers] == [True, None, None]
    shell.write("n.yaml", f"{HEAD}batch: n\nruns:\n- {{id: a, parametersUri: s3://lab/p/a.json}}\n")
    told += [
        shell.run("run", "n.yaml", "--no-tags", "--log-format", "json", *FAST, **at),
        shell.run("ledger", "rebuild", "m.yaml", "--ledger", "other.db", "-v", **at),
        shell.run("ledger", "verify", "--online", "-v", **at),
        *(
            shell.run(*verb, **at)
            for verb in (("show", "a", "--batch", "m", "--json"), ("status", "m", "--json"))
        ),
        shell.run("results", "m", "--format", "json", "--columns", "all,parametersUri", "-o", "r.json", **at),
        shell.run("report", "m", **at),
        shell.run("plan", "m.yaml", **at),
    ]
    for done in told:
        assert done.returncode == 0, (done.args, done.stderr)
        assert SIGNED not in done.stdout + done.stderr
    assert json.loads(told[4].stdout.splitlines()[0])["request"]["parametersUri"] == "s3://lab/p/a.json"
    for path in shell.folder.rglob("*"):
        if path.is_file() and "models" not in path.parts:
            assert SIGNED.encode() not in path.read_bytes(), path


def test_a_ledger_with_new_fields_goes_on_without_the_model_and_says_what_lacks(shell: Shell, newer, models):
    shell.write("m.jsonl", json.dumps({"id": "a", "parametersUri": "s3://lab/a.json"}) + "\n")
    shell.write("d.yaml", HEAD.removeprefix("defaults: "))
    at = {**models, "AWS_ENDPOINT_URL": newer}
    given = ("run", "m.jsonl", "--defaults", "d.yaml", *FAST)
    assert shell.run(*given, **at).returncode == 0
    assert shell.run("retry", "m", "--where", "id=a", "--yes", **at).returncode in {0, 2}
    done = shell.run(*given, AWS_ENDPOINT_URL=newer)
    assert done.returncode == 2
    assert "the installed botocore does not know parametersUri" in done.stderr


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("- {id: a, parameters: {x: 1}, parametersUri: 's3://lab/p'}\n", "stands in their place"),
        ("- {id: a, parametersUri: 'http://lab/p'}\n", "has characters or a form that the service refuses"),
        (TWO_OF_ONE_PLACE, "the outputs would overwrite those of 'a'"),
    ],
)
def test_what_no_service_could_take_is_refused(shell: Shell, models, rows, told):
    shell.write("m.yaml", f"{HEAD}runs:\n{rows}")
    done = shell.run("check", "m.yaml", **models)
    assert done.returncode == 2
    assert told in done.stderr
    assert "1 problem" in done.stderr


def test_parameters_of_all_rows_and_a_file_of_one_are_refused(shell: Shell, models):
    shell.write("d.yaml", f"{HEAD.removeprefix('defaults: ')}")
    shell.write("m.jsonl", '{"id": "a", "parametersUri": "s3://lab/p"}\n{"id": "b"}\n')
    given = ("check", "m.jsonl", "--defaults", "d.yaml", "--set", "parameters.x=1")
    done = shell.run(*given, **models)
    assert done.returncode == 2
    assert "m.jsonl:1 (id a): parametersUri: parameters are given beside it" in done.stderr
    assert "which is for all rows: parameters" in done.stderr


def test_a_retry_that_changes_parameters_does_not_go_with_a_file_of_them(shell: Shell, models):
    rule = "retry:\n- {reason: OUT_OF_MEMORY_ERROR, times: 1, change: {parameters: {mem: 8}}}\n"
    shell.write(
        "m.yaml",
        f"{HEAD}{rule}runs:\n- {{id: b, parameters: {{mem: 4}}}}\n- {{id: a, parametersUri: s3://lab/p}}\n",
    )
    done = shell.run("check", "m.yaml", **models)
    assert done.returncode == 2
    assert "cannot be laid over those in the file" in done.stderr
    shell.write(
        "m.yaml",
        (shell.folder / "m.yaml")
        .read_text()
        .replace("{parameters: {mem: 8}}", "{parametersUri: s3://lab/q}"),
    )
    assert shell.run("check", "m.yaml", **models).returncode == 0


def test_what_is_in_a_file_is_not_held_against_the_template(shell: Shell, models, elsewhere, monkeypatch):
    monkeypatch.setenv("AWS_DATA_PATH", models["AWS_DATA_PATH"])
    url = elsewhere.healthomics(workflows=(GERMLINE,)).url
    shell.write(
        "m.yaml",
        f"{HEAD}runs:\n- {{id: a, parametersUri: s3://lab/p}}\n- {{id: b, parameters: {{reads: x}}}}\n",
    )
    done = shell.run("check", "m.yaml", "--online", "--endpoint-url", url, **models)
    assert done.returncode == 2
    (problem, _) = done.stderr.splitlines()
    assert "(id b): parameters.reference: x: the workflow requires it" in problem


@pytest.mark.parametrize(
    "content", ["no JSON", "{}", "[]", '{"operations": {}, "shapes": {}, "metadata": {}}']
)
def test_a_model_that_is_none_is_told_as_that(shell: Shell, models, content):
    (place,) = shell.folder.rglob("service-2.json")
    place.write_text(content)
    shell.write("m.yaml", f"{HEAD}runs:\n- {{id: a}}\n")
    done = shell.run("check", "m.yaml", **models)
    assert done.returncode == 2
    assert "the model of HealthOmics cannot be read" in done.stderr
    assert models["AWS_DATA_PATH"] in done.stderr
    assert "Traceback" not in done.stderr
    assert shell.run("check", "m.yaml", AWS_DATA_PATH=str(shell.folder / "nowhere")).returncode == 0


def test_a_signed_address_in_a_manifest_is_not_repeated(shell: Shell, models):
    signed = f"https://lab.s3.amazonaws.com/p?{SIGNED}=sesame"
    shell.write("m.yaml", f"{HEAD}runs:\n- {{id: a, parametersUri: '{signed}', priority: '{signed}'}}\n")
    done = shell.run("check", "m.yaml", **models)
    assert done.returncode == 2
    assert "2 problems" in done.stderr
    assert "sesame" not in done.stderr
