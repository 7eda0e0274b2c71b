"""The real command against a service that says anything: never a defect, and told to a sensible length."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from batchrun.clock import SystemClock
from batchrun.simulator import Settings
from tests.cli.conftest import Shell
from tests.hostile import Stranger, always, endless, head, spoiling, whole

FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s")
LONG = "half \ud83d of\x00 it \x1b[2J" + "word " * 1000
VERBS = (
    ("status",),
    ("status", "--failed"),
    ("status", "--failed", "--json"),
    ("results", "-o", "again.csv"),
    ("results", "--format", "json", "-o", "again.json"),
    ("report",),
    ("ledger", "verify"),
)


@contextmanager
def served(made: Any):
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(made) as it:
        yield it


def failing(spoil: Callable[[str, Any], Any]):
    settings = Settings(limits={"*": None}, time_scale=0.0002, failures={"RUN_TASK_FAILED": 1})
    return served(spoiling(spoil, settings, SystemClock()))


def test_messages_of_any_kind_end_no_launch_and_are_told_in_short(shell: Shell):
    def spoil(operation: str, said: Any) -> Any:
        odd = {"statusMessage": LONG, "logLocation": 5, "creationTime": [], "tags": None}
        return said | odd if operation in {"GetRun", "GetRunTask"} else said

    with failing(spoil) as (stranger, _):
        done = shell.run("run", *shell.cohort(2), "--endpoint-url", stranger.url, *FAST)
    assert done.returncode == 1, done.stderr
    assert "2 failed" in done.stdout
    told = [(done.stdout, done.stderr)]
    for verb in VERBS:
        said = shell.run(*verb)
        assert said.returncode == 0, (verb, said.stderr)
        told.append((said.stdout, said.stderr))
    for text in (one for both in told for one in both):
        assert "\x1b" not in text
        assert "Traceback" not in text
        if not text.startswith("{"):
            assert max((len(line) for line in text.splitlines()), default=0) < 600
    shown = shell.run("show", "s000")
    assert shown.stdout.count("word") >= 1000
    assert "\ufffd of\ufffd it \\x1b[2J" in shown.stdout
    (row, _) = shell.results()
    assert row["statusMessage"].count("word") == 1000


@pytest.mark.long
@pytest.mark.parametrize("verb", ["cancel", "delete", "retry"])
def test_verbs_that_act_go_on_where_they_can(shell: Shell, verb):
    is_hostile = False

    def spoil(_: str, said: Any) -> Any:
        return {name: [one] for name, one in said.items()} if is_hostile else said

    with failing(spoil) as (stranger, _):
        service = ("--endpoint-url", stranger.url)
        assert shell.run("run", *shell.cohort(2), *service, *FAST).returncode == 1
        is_hostile = True
        done = shell.hastened(20, verb, "cohort", "--yes", *service, "--timeout", "10s")
    assert done.returncode in {0, 1, 5}, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "answer",
    [
        always(whole(302, b"", {"Location": "https://elsewhere.example/?token=sesame"})),
        endless(head(200, {"Content-Length": "100000"}), b" ", every=0.3),
    ],
    ids=["redirect", "slow"],
)
def test_a_service_that_is_none_stops_a_pass_soon(shell: Shell, answer):
    with served(Stranger(answer).served()) as stranger:
        command = ("run", *shell.cohort(2), "--once", "--endpoint-url", stranger.url, "--timeout", "1s")
        done = shell.hastened(20, *command, "--log-format", "json")
    assert done.returncode == 5, done.stderr
    assert "nothing is lost" in done.stderr
    assert "sesame" not in done.stderr
    for line in done.stderr.splitlines()[:-1]:
        json.loads(line)
