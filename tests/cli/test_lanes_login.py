"""Launches over lanes with real AWS files: whose credentials start a row, how often one is asked."""

from __future__ import annotations

import json
import urllib.request

import pytest

from tests.cli.conftest import Shell, Simulated, end
from tests.cli.test_lanes_now import own_urls, script
from tests.report.test_metrics import read

pytestmark = pytest.mark.long

ROLE = "arn:aws:iam::222222222222:role/launcher"
LANES = f"""\
east: {{region: us-east-1, profile: base, account: "111111111111"}}
west: {{region: us-west-2, profile: base, role: "{ROLE}", external_id: lab-7}}
north: {{region: eu-north-1, profile: hub}}
"""
FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s", "--listing-lag", "0s")


@pytest.fixture
def simulated(shell: Shell, simulate_lanes) -> Simulated:
    """Three lanes over one helper, which counts its runs."""
    made: Simulated = simulate_lanes(LANES, "--limits", "*=unlimited", "--account", "111111111111")
    keys = json.dumps({"Version": 1, "AccessKeyId": "LABKEY", "SecretAccessKey": "y"})
    shell.write("helper.sh", f"echo run >> {shell.folder}/runs\necho '{keys}'\n")
    hub = "[profile hub]\nrole_arn = arn:aws:iam::333333333333:role/hub\nsource_profile = base\n"
    shell.write("config", f"[profile base]\ncredential_process = sh {shell.folder}/helper.sh\n{hub}")
    shell.environment["AWS_ENDPOINT_URL"] = made.url
    rows = "".join(f"s{n},x{n},{lane}\n" for n, lane in enumerate(("east", "west", "north") * 2))
    shell.write("rows.csv", "id,parameters.sample,lane\n" + rows)
    shell.cohort(0)  # for its defaults
    return made


def command(*options: str) -> list[str]:
    return ["rows.csv", "--defaults", "defaults.yaml", "--lanes", "lanes.yaml", *FAST, *options]


def test_each_row_is_started_by_its_lanes_account_and_the_helper_runs_once(
    shell: Shell, simulated: Simulated
):
    done = shell.run("run", *command())
    assert done.returncode == 0, done.stderr
    found = {(row["lane"], row["accountId"], row["region"]) for row in shell.results("rows.results.csv")}
    assert found == {
        ("east", "111111111111", "us-east-1"),
        ("west", "222222222222", "us-west-2"),
        ("north", "333333333333", "eu-north-1"),
    }
    assert (shell.folder / "runs").read_text() == "run\n"
    assert own_urls(simulated).keys() == {"east", "west", "north"}


@pytest.mark.usefixtures("simulated")
def test_a_lane_whose_role_is_not_lent_is_named_and_the_others_end(shell: Shell):
    shell.write("lanes.yaml", LANES.replace("lab-7", "lab-8"))
    done = shell.run("run", *command())
    assert done.returncode == 5, done.stderr
    assert "lane west: role" in done.stderr
    assert "AssumeRole was refused" in done.stderr
    succeeded = {row["lane"] for row in shell.results("rows.results.csv") if row["status"] == "COMPLETED"}
    assert succeeded == {"east", "north"}
    shell.write("lanes.yaml", LANES)
    done = shell.run("run", *command())
    assert done.returncode == 0, done.stderr
    assert len(shell.results("rows.results.csv")) == 6


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        ("credential_process = echo 'Please log in.'", "printed no credentials: that is not JSON"),
        ("credential_process = no-such-helper", "credential_process cannot be run: no-such-helper"),
        ("aws_access_key_id = LABKEY", "aws_secret_access_key is missing"),
        ("role_arn = arn:aws:iam::5:role/x\nsource_profile = none", "source_profile"),
    ],
)
def test_a_lane_that_cannot_log_in_as_it_is_configured_is_named_and_the_others_end(
    shell: Shell, simulate_lanes, profile: str, why: str
):
    lanes = "east: {region: us-east-1, profile: east}\nwest: {region: us-west-2, profile: west}\n"
    simulated = simulate_lanes(lanes, "--limits", "*=unlimited")
    keys = "aws_access_key_id = LABKEY\naws_secret_access_key = y\n"
    shell.write("config", f"[profile west]\n{keys}[profile east]\n{profile}\n")
    shell.environment["AWS_ENDPOINT_URL"] = simulated.url
    shell.cohort(0)
    shell.write("rows.csv", "id,parameters.sample,lane\nA,x,east\nB,x,west\nC,x,east|west\n")
    done = shell.run("run", *command())
    assert done.returncode == 5, done.stderr
    last = done.stderr.splitlines()[-1]
    assert why in last
    assert "lane east: " in last
    assert "1 row waits that may take several lanes" in last
    found = {row["id"]: row["status"] for row in shell.results("rows.results.csv")}
    assert found == {"A": "PLANNED", "B": "COMPLETED", "C": "PLANNED"}
    assert (
        "in none yet: 1 planned, each sent once all its lanes were asked"
        in shell.run("status", "rows").stdout
    )
    shell.write("config", f"[profile west]\n{keys}[profile east]\n{keys}\n")
    done = shell.run("run", *command())
    assert done.returncode == 0, done.stderr


def test_a_lane_of_another_account_gets_no_call_but_to_sts(shell: Shell, simulated: Simulated):
    other = LANES.replace('account: "111111111111"', 'account: "444444444444"')
    shell.write("lanes.yaml", other)
    done = shell.run("run", *command())
    assert done.returncode == 5, done.stderr
    assert "account 111111111111" in done.stderr
    assert "444444444444" in done.stderr
    with urllib.request.urlopen(f"{own_urls(simulated)['east']}/_simulator/state", timeout=10) as answer:
        assert set(json.load(answer)["calls"]) <= {"GetCallerIdentity", "AssumeRole"}


@pytest.mark.parametrize("sts_tells", [True, False])
def test_a_lane_that_comes_back_under_another_account_decides_nothing(
    shell: Shell,
    simulate_lanes,
    sts_tells: bool,  # noqa: FBT001
):
    lanes = LANES.replace(', account: "111111111111"', "")
    simulated = simulate_lanes(
        lanes, "--limits", "*=unlimited", "--account", "111111111111", "--time-scale", "1"
    )
    keys = "aws_access_key_id = LABKEY\naws_secret_access_key = y\n"
    hub = "[profile hub]\nrole_arn = arn:aws:iam::333333333333:role/hub\nsource_profile = base\n"
    shell.write("config", f"[profile base]\n{keys}{hub}")
    shell.environment["AWS_ENDPOINT_URL"] = simulated.url
    shell.cohort(0)
    rows = "".join(f"E{n},x,east\n" for n in range(3))  # of one run alone that is missing nobody can say more
    shell.write("rows.csv", f"id,parameters.sample,lane\n{rows}N,x,north\n")
    done = shell.run("run", *command("--detach"))
    assert done.returncode == 3, done.stderr
    before = {row["id"]: row for row in shell.results("rows.results.csv")}

    other = "[profile base]\nrole_arn = arn:aws:iam::444444444444:role/x\nsource_profile = keys\n"
    shell.write("config", f"{other}[profile keys]\n{keys}{hub.replace('base', 'keys')}")
    if not sts_tells:
        script(simulated, "east", "GetCallerIdentity:AccessDenied")
    done = shell.run("run", *command("--deadline", "5s"))
    assert done.returncode == 3, done.stderr  # the other lane went on to the deadline
    why = "is of account 444444444444" if sts_tells else "the service knows none of 3 runs of batch 'rows'"
    assert "lane_stopped" in done.stderr
    assert why in done.stderr
    after = {row["id"]: row for row in shell.results("rows.results.csv")}
    for row in before.keys() - {"N"}:
        assert after[row] == before[row], "a foreign account decided about a run"
    assert after["N"]["uuid"] == before["N"]["uuid"]


def test_a_lane_that_loses_its_login_waits_alone_and_goes_on_when_it_is_back(shell: Shell, simulate_lanes):
    lanes = "east: {region: us-east-1, profile: east}\nwest: {region: us-west-2, profile: west}\n"
    simulated = simulate_lanes(lanes, "--limits", "east/StartRun=4,*=unlimited", "--time-scale", "0.0001")
    keys = json.dumps({"Version": 1, "AccessKeyId": "LABKEY", "SecretAccessKey": "y"})
    good = "".join(f"[profile {name}]\ncredential_process = echo '{keys}'\n" for name in ("east", "west"))
    shell.write("config", good)
    shell.environment["AWS_ENDPOINT_URL"] = simulated.url
    shell.cohort(0)
    rows = "".join(f"s{n:02},x,{lane}\n" for n, lane in enumerate(("east", "west") * 20))
    shell.write("rows.csv", f"id,parameters.sample,lane\n{rows}")
    east = OwnAddress(own_urls(simulated)["east"])
    options = ("--rate", "auto", "--credentials-wait", "6s", "--metrics-file", "rows.prom")
    process = shell.start("run", *command(*options))
    east.wait_for_runs(3)
    shell.write("config", good.replace(f"echo '{keys}'", "sh -c 'echo logged out >&2; exit 1'", 1))
    script(simulated, "east", "*:ExpiredTokenException")
    code, said = end(process)
    assert code == 5, said
    assert "lane east: " in said.splitlines()[-1]
    assert "west" not in said.splitlines()[-1]
    assert (said.count("lane_waits"), said.count("lane_stopped")) == (1, 1)
    assert "waiting_for_credentials" not in said, "the lane's line says as much, and which lane"
    told = {
        (name, worths.get("lane"), worths.get("operation")): value
        for (name, labels), value in read((shell.folder / "rows.prom").read_text(encoding="utf-8")).items()
        if (worths := dict(labels))
    }
    usable = [told["batchrun_lane_usable", lane, None] for lane in ("east", "west")]
    assert usable == [0, 1]
    assert told["batchrun_calls_total", "west", "StartRun"] == 20
    found = shell.results("rows.results.csv")
    assert all(row["status"] == "COMPLETED" for row in found if row["lane"] == "west")
    assert sum(row["lane"] == "west" for row in found) == 20
    assert any(row["status"] != "COMPLETED" for row in found if row["lane"] != "west")

    shell.write("config", good)
    east.heal()
    done = shell.run("run", *command("--rate", "auto"))
    assert done.returncode == 0, done.stderr
    assert len(east.state()["runs"]) == 20


class OwnAddress(Simulated):
    """A lane's own address."""

    def __init__(self, url: str) -> None:
        self.url = url

    def heal(self) -> None:
        """Let no fault strike any more."""
        request = urllib.request.Request(
            f"{self.url}/_simulator/faults",
            data=b'{"replace": ""}',
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=10).close()


def test_nobody_needs_a_login_for_a_lane_that_no_row_may_take(shell: Shell, simulated: Simulated):
    theirs = "others: {region: us-east-1, profile: of-another-lab}\nfar: {profile: far}\n"
    shell.write("lanes.yaml", f"{LANES}{theirs}")
    config = (shell.folder / "config").read_text()
    helper = f"region = ap-southeast-1\ncredential_process = sh -c 'touch {shell.folder}/asked'\n"
    shell.write("config", f"{config}[profile far]\n{helper}")
    shell.environment.pop("AWS_REGION", None)  # which wins over a profile's
    for again in (False, True):
        if again:
            shell.write("rows.csv", (shell.folder / "rows.csv").read_text() + "new,x,east\n")
        done = shell.run("run", *command())
        assert done.returncode == 0, done.stderr
        assert "others" not in done.stderr
    assert own_urls(simulated).keys() == {"east", "west", "north"}
    assert not (shell.folder / "asked").exists(), "its region is in its profile"
    words = [word for word in command() if word not in FAST]
    done = shell.run("check", *words, "--online")
    assert done.returncode == 0, done.stderr
    shell.write("rows.csv", (shell.folder / "rows.csv").read_text() + "theirs,x,others\n")
    done = shell.run("run", *command())
    assert done.returncode == 2
    assert "lane 'others': there is no AWS profile 'of-another-lab'" in done.stderr
