"""``batchrun simulate --lanes``: the user's own table of lanes, served as it is."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import anyio
import pytest

from batchrun.manifest.lanes.table import lanes_to_use
from batchrun.service.login import Login, Logins
from batchrun.service.quota import quotas
from batchrun.service.session import identity_client, omics_client
from batchrun.service.target import Target, target_of
from tests.cli.conftest import Shell
from tests.ports import free_port

LANES = """\
lanes:
  east: {region: us-east-1, profile: lab, account: "111111111111"}
  west: {region: us-west-2, profile: lab, role: "arn:aws:iam::222222222222:role/launcher", external_id: lab-7}
"""


@pytest.fixture
def served(shell: Shell, simulate_lanes, monkeypatch: pytest.MonkeyPatch):
    """Serve lanes to this process too."""
    monkeypatch.setenv("AWS_CONFIG_FILE", shell.environment["AWS_CONFIG_FILE"])
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    return simulate_lanes


async def looked_at(path: str) -> dict[str, tuple[Any, ...]]:
    """Return, by lane, whose it is, its StartRun per second, and the region that is called."""
    among, found = Logins(), {}
    for lane in lanes_to_use(path):
        login = Login(target_of(lane, Target()), among=among)
        async with omics_client(login) as client:
            assert (await client.list_runs())["items"] == []
            url = str(client.meta.endpoint_url)
            asked = await quotas(login, url)
        async with identity_client(login, endpoint_url=url, patience=5) as client:
            arn = (await client.get_caller_identity())["Arn"]
        found[lane.name] = arn, asked.start_runs_per_second, login.region
    return found


def test_one_address_serves_the_same_table_as_it_is(shell: Shell, served, monkeypatch):
    simulated = served(LANES, "--limits", "east/StartRun=8,*=unlimited,west/StartRun=25")
    monkeypatch.setenv("AWS_ENDPOINT_URL", simulated.url)
    assert anyio.run(looked_at, str(shell.folder / "lanes.yaml")) == {
        "east": ("arn:aws:iam::111111111111:user/simulated", 8.0, "us-east-1"),
        "west": ("arn:aws:sts::222222222222:assumed-role/launcher/batchrun", 25.0, "us-west-2"),
    }


def test_a_local_endpoint_url_is_where_that_lane_is_served(shell: Shell, served, monkeypatch):
    east, west = free_port(), free_port()
    lanes = f"east: {{region: us-east-1, endpoint_url: 'http://127.0.0.1:{east}', account: '111111111111'}}\n"
    lanes += "west: {region: us-west-2, role: 'arn:aws:iam::222222222222:role/lab/launcher', "
    lanes += f"endpoint_url: 'http://localhost:{west}'}}\n"
    simulated = served(lanes)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", simulated.url)  # else a local service is not asked
    with urllib.request.urlopen(f"{simulated.url}/_simulator/lanes", timeout=10) as answer:
        assert json.load(answer) == {"east": f"http://127.0.0.1:{east}", "west": f"http://127.0.0.1:{west}"}
    found = anyio.run(looked_at, str(shell.folder / "lanes.yaml"))
    assert {name: arn for name, (arn, *_) in found.items()} == {
        "east": "arn:aws:iam::111111111111:user/simulated",
        "west": "arn:aws:sts::222222222222:assumed-role/launcher/batchrun",
    }


def test_a_manifest_with_lanes_will_do_and_what_is_wrong_is_told(shell: Shell, served):
    simulated = served(f"{LANES}runs:\n  - {{id: A, lane: east}}\n", "--faults", "west/StartRun:throttle")
    with urllib.request.urlopen(f"{simulated.url}/_simulator/lanes", timeout=10) as answer:
        urls = json.load(answer)
    for name, rules in (("east", 0), ("west", 1)):
        with urllib.request.urlopen(f"{urls[name]}/_simulator/faults", timeout=10) as answer:
            assert len(json.load(answer)["rules"]) == rules
    shell.write("bad.yaml", "lanes:\n  east: {region: us-east-1, profil: lab}\n")
    done = shell.run("simulate", "--lanes", "bad.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "bad.yaml:2:" in done.stderr
    assert "profil" in done.stderr
    shell.write("none.yaml", "runs: [{id: A}]\n")
    done = shell.run("simulate", "--lanes", "none.yaml")
    assert done.returncode == 2
    assert "none.yaml:1:7: lanes: the manifest has no lanes" in done.stderr
    done = shell.run("simulate", "--limits", "east/StartRun=8")
    assert done.returncode == 2
    assert "east/StartRun" in done.stderr
