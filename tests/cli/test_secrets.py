"""An endpoint may have a secret in it: it is called with it, and nobody else sees it."""

from __future__ import annotations

import signal

import pytest

from tests.cli.conftest import Shell, end, read_until

FAST = ("--rate", "unlimited", "--poll-interval", "0.2s", "-v")
SECRET = "sesame-77"
VERBS = (
    ("status", "--json"),
    ("status",),
    ("status", "--failed"),
    ("results", "--format", "json", "-o", "r.json"),
    ("report",),
    ("show", "s000"),
    ("config",),
    ("config", "run", "cohort.csv", "--json"),
)


def assert_unseen(shell: Shell, *said: str) -> None:
    for text in said:
        assert SECRET not in text
    for path in shell.folder.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("command", "warned"),
    [
        (
            ("status", "--ledger", f"postgresql://me:{SECRET}@127.0.0.1:1/db"),
            "in --ledger (ps); keep it in",
        ),
        (("show", "s000", "--ledger", f"host=127.0.0.1 port=1 password={SECRET}"), "or give the address by"),
        (
            ("ledger", "copy", "a.db", f"postgresql://127.0.0.1:1/db?password={SECRET}"),
            "in TO (ps); keep it in",
        ),
        (("status", "--ledger", "postgresql://me@127.0.0.1:1/db"), None),
    ],
)
def test_a_password_that_was_typed_is_warned_of(shell: Shell, command, warned):
    """It stands in the list of processes for as long as the command runs; in a variable it does not."""
    done = shell.run(*command)
    assert done.stderr.count("can read the password in") == (warned is not None)
    assert warned is None or warned in done.stderr
    assert_unseen(shell, done.stdout, done.stderr)
    if "--ledger" in command:
        quiet = shell.run(*command[: command.index("--ledger")], BATCHRUN_LEDGER=command[-1])
        assert "can read the password in" not in quiet.stderr


@pytest.mark.parametrize(
    "address", ["host=h password={}", "service=s password='{} x'", "postgresql://me:{}@h/d"]
)
def test_the_settings_in_force_show_no_password_of_the_ledger(shell: Shell, address):
    (shell.folder / "batchrun.toml").write_text(f'ledger = "{address.format(SECRET)}"', encoding="utf-8")
    for variable in ({}, {"BATCHRUN_LEDGER": address.format(SECRET)}):
        done = shell.run("config", "status", **variable)
        assert (done.returncode, "ledger" in done.stdout) == (0, True)
        assert SECRET not in done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.parametrize("log_format", ["human", "json"])
def test_a_query_of_the_endpoint_is_in_the_calls_and_nowhere_else(shell: Shell, simulate, log_format):
    simulated = simulate("--time-scale", "0.0002", "--faults", "StartRun:throttle=1x,GetRun:drop_after=2x")
    url = {"AWS_ENDPOINT_URL_OMICS": f"{simulated.url}/?token={SECRET}"}
    done = shell.run("run", *shell.cohort(2), *FAST, "--log-format", log_format, **url)
    assert done.returncode == 0, done.stderr
    assert_unseen(shell, done.stdout, done.stderr)
    for verb in VERBS:
        told = shell.run(*verb, **url)
        assert told.returncode == 0, told.stderr
        assert_unseen(shell, told.stdout, told.stderr)


def test_of_a_dead_endpoint_the_place_is_told_and_not_its_query(shell: Shell):
    url = f"http://127.0.0.1:9/?token={SECRET}"
    launch = shell.start("run", *shell.cohort(2), *FAST, "--endpoint-url", url, speed=10)
    said = read_until(launch, "http://127.0.0.1:9/?***")
    code, rest = end(launch, signal.SIGINT)
    assert code == 3, rest
    assert "ThrottlingException" not in said + rest
    assert_unseen(shell, said, rest)
    for verb in VERBS:
        told = shell.run(*verb)
        assert_unseen(shell, told.stdout, told.stderr)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (f"http://me:{SECRET}@127.0.0.1:9", "the endpoint 'http://***@127.0.0.1:9' has a user in it"),
        (f"me:{SECRET}@127.0.0.1:9", "***@127.0.0.1:9"),
        (f"http://me:{SECRET}/x@127.0.0.1", "'http://***@127.0.0.1' is not an endpoint"),
        (f"http://127.0.0.1:99999/?{SECRET}", "'http://127.0.0.1:99999/?***'"),
    ],
)
@pytest.mark.parametrize("by", ["an option", "the environment"])
def test_an_endpoint_that_cannot_be_called_is_told_without_its_secret(shell: Shell, place, told, by):
    cohort = shell.cohort(1)
    if by == "an option":
        done = shell.run("run", *cohort, "--endpoint-url", place)
    else:
        done = shell.run("run", *cohort, AWS_ENDPOINT_URL_OMICS=place)
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert_unseen(shell, done.stdout, done.stderr)
