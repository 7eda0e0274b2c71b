"""``retry:`` in a manifest, and duplicates, with the real command and the real simulator."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import DEFAULTS

pytestmark = pytest.mark.usefixtures("looks_often")
BLOCK = """\
retry:
  wait: 0s
  rules:
    - reason: FILE_SYSTEM_*
      times: 1
      change: {storageType: STATIC, storageCapacity: 4800}
    - {reason: SERVICE_ERROR, times: 0}
"""


@pytest.fixture
def manifest(shell) -> str:
    defaults = "".join(f"  {line}\n" for line in DEFAULTS.splitlines())
    shell.write("cohort.yaml", f"{BLOCK}defaults:\n{defaults}runs:\n  - id: s0\n  - id: s1\n")
    return "cohort.yaml"


def failing_once(simulate, reason: str = "FILE_SYSTEM_OUT_OF_SPACE"):
    return simulate("--time-scale", "0.0002", "--fail-first", f"*=1:{reason}")


def asked(shell, id: str = "s0"):
    story = json.loads(shell.run("show", id, "--json").stdout)
    return story["attempt"], story["request"]


def test_the_manifests_rule_gives_the_next_attempt_what_it_needs(shell, simulate, manifest):
    service = failing_once(simulate)
    command = ["run", manifest, "--endpoint-url", service.url]
    done = shell.run(*command)
    assert done.returncode == 0, done.stderr
    assert "with storageCapacity, storageType changed" in done.stderr
    attempt, request = asked(shell)
    assert (attempt, request["storageType"], request["storageCapacity"]) == (2, "STATIC", 4800)
    assert len(service.state()["runs"]) == 4
    assert "2 unchanged, 0 changed" in shell.run("plan", manifest).stdout
    assert shell.run(*command).returncode == 0
    assert len(service.state()["runs"]) == 4
    assert "it differs from the manifest" in shell.run("show", "s0").stdout
    assert shell.run("ledger", "verify").returncode == 0


def test_options_come_before_the_manifest(shell, simulate, manifest):
    service = failing_once(simulate)
    done = shell.run("run", manifest, "--endpoint-url", service.url, "--retry", "FILE_*=1")
    assert done.returncode == 0, done.stderr
    attempt, request = asked(shell)
    assert (attempt, request.get("storageCapacity")) == (2, None)


@pytest.mark.parametrize(("options", "reason"), [(["--no-retry"], "FILE_SYSTEM_X"), ([], "SERVICE_ERROR")])
def test_nothing_is_retried_where_the_options_or_the_manifest_say_so(
    shell, simulate, manifest, options, reason
):
    service = failing_once(simulate, reason)
    assert shell.run("run", manifest, "--endpoint-url", service.url, *options).returncode == 1
    assert len(service.state()["runs"]) == 2


def test_a_wait_that_is_given_counts_and_not_the_manifests(shell, simulate, manifest):
    service = failing_once(simulate)
    command = ["run", manifest, "--endpoint-url", service.url, "--retry-wait", "1h", "--deadline", "3s"]
    assert shell.run(*command).returncode == 3
    assert len(service.state()["runs"]) == 2


def test_check_and_plan_tell_the_policy(shell, manifest):
    line = "FILE_SYSTEM_*: 1 more after 0 s, with other storageCapacity, storageType"
    for verb in ("check", "plan"):
        said = shell.run(verb, manifest).stdout
        assert line in said
        assert "SERVICE_ERROR: none" in said
        facts = json.loads(shell.run(verb, manifest, "--json").stdout)["retry"]
        assert facts["rules"][0]["change"] == {"storageCapacity": 4800, "storageType": "STATIC"}
    shell.write("cohort.yaml", shell.folder.joinpath(manifest).read_text().replace(BLOCK, "retry: false\n"))
    assert "failed runs are not retried automatically" in shell.run("check", manifest).stdout


@pytest.mark.parametrize("name", ["again.json", "again.yaml"])
def test_a_conversion_keeps_the_policy(shell, manifest, name):
    assert shell.run("manifest", "convert", manifest, "-o", name).returncode == 0
    policies = [json.loads(shell.run("check", path, "--json").stdout)["retry"] for path in (manifest, name)]
    assert policies[0] == policies[1]


@pytest.mark.parametrize("options", [["-o", "again.csv"], ["-o", "again.json", "--to", "native"]])
def test_a_conversion_that_cannot_keep_it_says_so(shell, manifest, options):
    done = shell.run("manifest", "convert", manifest, *options)
    assert done.returncode == 0, done.stderr
    assert "cannot hold retry:" in done.stderr


def test_a_duplicate_is_asked_for_by_the_run_s_id(shell, simulate, manifest):
    service = failing_once(simulate, "WORKFLOW_RUN_FAILED")
    command = ["run", manifest, "--endpoint-url", service.url]
    assert shell.run(*command).returncode == 1
    first = {row["id"]: row["runId"] for row in shell.results()}
    looked = shell.run("retry", "--duplicate", "--dry-run")
    assert "2 entries to duplicate by runId" in looked.stdout
    done = shell.run("retry", "--duplicate", "--yes", "--json", "--ids", "s0")
    assert json.loads(done.stdout)["ids"] == ["s0"]
    shell.run(*command)
    attempt, request = asked(shell)
    assert (attempt, request["runId"], request["name"]) == (2, first["s0"], "cohort-s0")
    assert "workflowId" not in request
    statuses = {row["id"]: row["status"] for row in shell.results()}
    assert statuses == {"s0": "COMPLETED", "s1": "FAILED"}


def test_what_has_no_run_is_left_out_of_duplicates(shell, simulate, manifest):
    service = simulate("--time-scale", "0.0002", "--faults", "StartRun:ValidationException=1")
    assert shell.run("run", manifest, "--endpoint-url", service.url).returncode == 1
    done = shell.run("retry", "--duplicate", "--yes")
    assert done.returncode == 0
    assert "no run of theirs to duplicate: s0, s1" in done.stderr
    assert "0 entries to duplicate by runId" in done.stdout
