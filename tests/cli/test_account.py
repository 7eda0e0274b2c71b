"""The wrong account: another profile of people's own AWS configuration, and every verb that calls."""

from __future__ import annotations

import contextlib

import apsw
import pytest

from tests.cli.conftest import Shell, Simulated, until

OURS, OTHERS = "111111111111", "222222222222"
FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s", "--listing-lag", "0.2s")
CONFIG = """\
[profile {name}]
region = us-east-1
aws_access_key_id = AKIA{name}
aws_secret_access_key = a-secret-that-must-not-be-seen
services = {name}

[services {name}]
omics =
  endpoint_url = {url}

"""


class Lab:
    """Two profiles, each of an account of its own, and a batch that one of them has begun."""

    def __init__(self, shell: Shell, ours: Simulated, others: Simulated) -> None:
        self.shell = shell
        self.ours = ours
        self.others = others
        profiles = (CONFIG.format(name=name, url=one.url) for name, one in (("lab", ours), ("other", others)))
        self.config = shell.write("config", "".join(profiles))
        self.manifest = shell.cohort(3)

    def run(self, *command: str, profile: str):
        keys = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_REGION": ""}
        return self.shell.run(*command, AWS_CONFIG_FILE=str(self.config), AWS_PROFILE=profile, **keys)

    def ledger(self) -> list[tuple[object, ...]]:
        tables = ("entries", "attempts", "events", "cancellations", "deletions", "run_usages", "batches")
        with contextlib.closing(apsw.Connection(str(self.shell.folder / "batchrun.db"))) as connection:
            return [tuple(row) for table in tables for row in connection.execute(f"SELECT * FROM {table}")]


@pytest.fixture
def lab(shell: Shell, simulate):
    fails = ("--fail-first", "cohort-s001=9:RUN_TASK_FAILED", "--time-scale", "0.0002")
    it = Lab(shell, simulate("--account", OURS, *fails), simulate("--account", OTHERS))
    done = it.run("run", *it.manifest, *FAST, profile="lab")
    assert done.returncode == 1, done.stderr
    shell.cohort(4)  # one more, which is planned and goes on
    it.ours.state()
    return it


@pytest.mark.long
def test_another_profile_changes_nothing_whatever_it_is_asked_for(lab: Lab):
    """Seen: every row DELETED for good, cancel said that all were deleted, and retry started second runs."""
    before = lab.ledger()
    commands = (
        ("run", *lab.manifest, "--once", "-q"),
        ("run", *lab.manifest, "--detach"),
        ("retry", "cohort", "--yes"),
        ("delete", "cohort", "--yes"),
        ("ledger", "rebuild", *lab.manifest),
        ("ledger", "verify", "--online", "cohort"),
        ("costs", "cohort", "--prices", str(prices(lab.shell))),
    )
    for command in commands:
        done = lab.run(*command, profile="other")
        assert done.returncode == 2, (command, done.stdout, done.stderr)
        for words in (OURS, OTHERS, "profile 'other'", "--profile"):
            assert words in done.stderr, (command, done.stderr)
        assert "Traceback" not in done.stderr
    assert set(lab.others.state()["calls"]) == {"GetCallerIdentity"}
    assert lab.ledger() == before
    again = lab.run("run", *lab.manifest, *FAST, profile="lab")
    assert again.returncode == 1, again.stderr
    assert lab.ours.calls("StartRun") == 4


def test_a_local_service_that_is_called_without_a_login_is_told_by_its_address(shell: Shell, simulate):
    """Seen: "but profile 'default' (neither in ~/.aws/config nor in ~/.aws/credentials) is of account"."""
    ours, others = simulate("--account", OURS), simulate("--account", OTHERS)
    keys = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    command = ("run", *shell.cohort(1), "--once")
    assert shell.run(*command, "--endpoint-url", ours.url, **keys).returncode == 3
    done = shell.run(*command, "--endpoint-url", others.url, **keys)
    told = f"account {OURS}, but the local service at {others.url} is of account {OTHERS}; call the one with"
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr


@pytest.mark.long
def test_active_runs_are_not_taken_for_gone_nor_cancelled(shell: Shell, simulate):
    lab = Lab(shell, simulate("--account", OURS, "--time-scale", "1"), simulate("--account", OTHERS))
    assert lab.run("run", *lab.manifest, *FAST, "--detach", profile="lab").returncode == 3
    before = lab.ledger()
    for command in (("cancel", "cohort", "--yes"), ("run", *lab.manifest, "--once")):
        done = lab.run(*command, profile="other")
        assert done.returncode == 2, done.stderr
        assert OURS in done.stderr
        assert OTHERS in done.stderr
    assert lab.ledger() == before
    assert lab.run("cancel", "cohort", "--yes", profile="lab").returncode == 0
    until(lambda: {run["status"] for run in lab.ours.state()["runs"]} == {"CANCELLED"})


def test_another_account_in_the_middle_is_like_a_lost_login(shell: Shell, simulate):
    faults = ("--faults", "GetRun:other_account_after")
    lab = Lab(shell, simulate("--account", OURS[:-1] + "2", *faults), simulate())
    assert lab.run("run", *lab.manifest, *FAST, "--detach", profile="lab").returncode == 3
    done = lab.run("run", *lab.manifest, *FAST, "--once", profile="lab")
    assert done.returncode == 5
    assert "211111111111" in done.stderr
    assert "Traceback" not in done.stderr


def prices(shell: Shell):
    return shell.write(
        "prices.json",
        '{"region": "us-east-1", "currency": "USD", "instances": {"omics.c.large": 0.1}, "storage": {}}',
    )
