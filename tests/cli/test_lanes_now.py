"""``batchrun lanes``: each lane as it is now, by real files, against the simulator's accounts."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from tests.cli.conftest import Shell, Simulated
from tests.cli.test_json import hold

ROLE = "arn:aws:iam::222222222222:role/launcher"
EAST = 'east: {region: us-east-1, profile: lab, account: "111111111111", max_active: 200}\n'
WEST = f'west: {{region: us-west-2, profile: lab, role: "{ROLE}", external_id: lab-7}}\n'
RATES = ("--limits", "east/StartRun=8,west/StartRun=25,*=unlimited")


def seen(
    shell: Shell, *arguments: str, code: int = 0, speed: float = 1.0
) -> dict[str | None, dict[str, Any]]:
    done = shell.hastened(speed, "lanes", *arguments, "--json")
    assert done.returncode == code, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for message in found:
        hold("lane", message)
    return {message["lane"]: message for message in found}


@pytest.fixture
def lanes(shell: Shell, simulate_lanes) -> Simulated:
    simulated: Simulated = simulate_lanes(EAST + WEST, *RATES, "--max-active", "7", "--time-scale", "1")
    shell.environment["AWS_ENDPOINT_URL"] = simulated.url
    return simulated


def own_urls(simulated: Simulated) -> dict[str, str]:
    with urllib.request.urlopen(f"{simulated.url}/_simulator/lanes", timeout=10) as answer:
        urls: dict[str, str] = json.load(answer)
        return urls


def script(simulated: Simulated, lane: str, faults: str) -> None:
    url = f"{own_urls(simulated)[lane]}/_simulator/faults"
    body = json.dumps({"add": faults}).encode()
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers), timeout=10).close()


@pytest.mark.usefixtures("lanes")
def test_each_lane_is_told_with_account_credentials_quotas_and_what_goes_on_there(shell: Shell):
    done = shell.run("run", *shell.cohort(9), "--region", "us-east-1", "--detach", AWS_PROFILE="lab")
    assert done.returncode == 3, done.stderr
    found = seen(shell, "--lanes", "lanes.yaml")
    assert [*found] == ["east", "west"]
    east, west = found["east"], found["west"]
    assert (east["region"], east["account"]) == ("us-east-1", "111111111111")
    assert (west["region"], west["account"]) == ("us-west-2", "222222222222")
    assert (east["start_run_per_second"], west["start_run_per_second"]) == (8.0, 25.0)
    assert east["active_run_quotas"] == {"DYNAMIC": 7, "STATIC": 7}
    assert (sum(east["active_runs"].values()), west["active_runs"]) == (9, {})
    assert east["credentials"] == {
        "kind": "keys in a file",
        "place": f"profile 'lab' ({shell.folder}/config)",
        "role": None,
        "expires": None,
    }
    assert west["credentials"]["role"] == ROLE
    assert west["credentials"]["expires"] is not None
    assert all(lane["is_usable"] for lane in found.values())

    done = shell.run("lanes", "--lanes", "lanes.yaml")
    assert done.returncode == 0
    said = done.stdout.splitlines()
    assert said[0] == "lane east: us-east-1, account 111111111111"
    assert "  allowed: StartRun 8 per second; at most 7 DYNAMIC and 7 STATIC runs active; " in done.stdout
    assert "max_active 200 of a batch" in done.stdout
    assert any(line.startswith("  now: 9 active runs: ") for line in said)
    assert said[4] == "lane west: us-west-2, account 222222222222"
    assert f"  credentials: role {ROLE} with profile 'lab'" in said[5]
    assert ", until " in said[5]
    for secret in ("LABKEY", "LABSECRET", "ASIA"):
        assert secret not in done.stdout + done.stderr


#: A lane, the exit code of it alone, and what is said.
WRONG = {
    "another account's": (
        '{region: us-east-1, profile: lab, account: "333333333333"}',
        5,
        "is of account 111111111111",
    ),
    "no such profile": ("{region: us-east-1, profile: nobody}", 2, "there is no AWS profile 'nobody'"),
    "a role that is not lent": (
        f'{{region: us-east-1, profile: lab, role: "{ROLE}"}}',
        5,
        "AssumeRole was refused",
    ),
    "nobody there": (
        "{region: us-east-1, profile: lab, endpoint_url: 'http://127.0.0.1:9'}",
        5,
        "no usable answer",
    ),
    "a helper that fails": ("{region: us-east-1, profile: broken}", 5, "ended with exit code 1: vpn is down"),
}


@pytest.mark.long
@pytest.mark.usefixtures("lanes")
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_with_a_lane_is_told_and_the_others_go_on(shell: Shell, wrong):
    lane, code, words = WRONG[wrong]
    config = (shell.folder / "config").read_text()
    broken = "[profile broken]\ncredential_process = sh -c 'echo vpn is down >&2; exit 1'\n"
    shell.write("config", f"{config}{broken}")
    shell.write("some.yaml", f"{EAST}bad: {lane}\n")
    speed = 8.0 if wrong == "nobody there" else 1.0
    found = seen(shell, "--lanes", "some.yaml", code=code, speed=speed)
    assert found["east"]["is_usable"]
    assert not found["bad"]["is_usable"]
    assert words in found["bad"]["problem"]
    done = shell.hastened(speed, "lanes", "--lanes", "some.yaml")
    assert done.returncode == code
    assert "lane bad: us-east-1" in done.stdout
    assert ", cannot be used" in done.stdout
    assert words in done.stdout
    assert done.stderr.splitlines()[-1] == "1 of 2 lanes cannot be used"


def test_without_sts_the_account_is_known_from_the_runs_that_are_there(shell: Shell, lanes: Simulated):
    script(lanes, "east", "GetCallerIdentity:AccessDenied")
    assert seen(shell, "--lanes", "lanes.yaml")["east"]["account"] == "111111111111"  # as the table says
    shell.write("some.yaml", "east: {region: us-east-1, profile: lab}\n")
    assert seen(shell, "--lanes", "some.yaml")["east"]["account"] is None
    shell.write("other.yaml", 'east: {region: us-east-1, profile: lab, account: "333333333333"}\n')
    assert seen(shell, "--lanes", "other.yaml")["east"]["is_usable"]  # nobody can say otherwise yet
    done = shell.run("run", *shell.cohort(1), "--region", "us-east-1", "--detach", AWS_PROFILE="lab")
    assert done.returncode == 3, done.stderr
    assert seen(shell, "--lanes", "some.yaml")["east"]["account"] == "111111111111"
    east = seen(shell, "--lanes", "other.yaml", code=5)["east"]
    assert "its credentials are of account 111111111111" in east["problem"]


def test_a_permission_that_is_missing_is_a_warning_where_a_launch_can_do_without(
    shell: Shell, lanes: Simulated
):
    script(lanes, "east", "ListRuns:AccessDeniedException")
    east = seen(shell, "--lanes", "lanes.yaml")["east"]
    assert (east["is_usable"], east["active_runs"]) == (True, None)
    assert "omics:ListRuns" in east["warnings"][0]
    assert "  warning: no permission to list runs" in shell.run("lanes", "--lanes", "lanes.yaml").stdout


@pytest.mark.usefixtures("lanes")
def test_a_helper_under_all_lanes_runs_once(shell: Shell):
    keys = json.dumps({"Version": 1, "AccessKeyId": "LABKEY", "SecretAccessKey": "y"})
    shell.write("helper.sh", f"echo run >> {shell.folder}/runs\necho '{keys}'\n")
    roles = "".join(
        f"[profile p{n}]\nrole_arn = arn:aws:iam::222222222222:role/r{n}\nsource_profile = base\n"
        for n in range(4)
    )
    shell.write("config", f"[profile base]\ncredential_process = sh {shell.folder}/helper.sh\n{roles}")
    lines = [f"l{n}: {{region: us-west-2, profile: p{n}}}\n" for n in range(4)]
    shell.write("some.yaml", "".join([*lines, "base: {region: us-east-1, profile: base}\n"]))
    found = seen(shell, "--lanes", "some.yaml")
    assert {lane["account"] for name, lane in found.items() if name != "base"} == {"222222222222"}
    assert (shell.folder / "runs").read_text() == "run\n"


@pytest.mark.usefixtures("lanes")
def test_a_manifest_shows_its_own_lanes_or_those_that_it_names(shell: Shell):
    # What rows say is of no concern here.
    rows = "runs:\n  - {id: A}\n  - {id: A, workflowId: 7, nobody knows: this}\n"
    shell.write("cohort.yaml", f"lanes:\n  {EAST}{rows}")
    assert [*seen(shell, "cohort.yaml")] == ["east"]
    shell.write("named.yaml", f"lanes: [west]\n{rows}")
    assert [*seen(shell, "named.yaml", "--lanes", "lanes.yaml")] == ["west"]
    shell.write(
        "far.yaml", f"lanes:\n  far: {{region: us-east-1, endpoint_url: 'https://example.com'}}\n{rows}"
    )
    done = shell.run("lanes", "far.yaml")
    assert done.returncode == 2
    assert "far.yaml:2:" in done.stderr


@pytest.mark.usefixtures("lanes")
def test_without_lanes_it_shows_where_calls_go(shell: Shell):
    found = seen(shell)
    assert [*found] == [None]
    assert found[None]["account"] == "111111111111"
    assert found[None]["credentials"]["kind"] is None
    assert "  credentials: none, which a local service does not ask for" in shell.run("lanes").stdout
    shell.environment["AWS_PROFILE"] = "lab"
    assert seen(shell)[None]["credentials"]["kind"] == "keys in a file"
    assert shell.run("lanes").stdout.startswith(
        "no lanes, as AWS is configured: us-east-1, account 111111111111\n"
    )
