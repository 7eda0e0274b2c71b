"""What a command imports, and so how soon it answers: only what it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.cli.conftest import Shell
from tests.cli.test_verbs import VERBS

#: What takes long to import, each good for something that most verbs do not do.
HEAVY = {
    "aiobotocore",
    "aiohttp",
    "boto3",
    "botocore",
    "jinja2",
    "pyarrow",
    "rich",
    "structlog",
    "tenacity",
    "yaml",
}
#: What the check of a manifest needs of botocore: its model of StartRun, and nothing that could call.
MODEL = {"botocore"}
CALLING = {"botocore.session", "botocore.client", "botocore.credentials"}


def imported(shell: Shell, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "batchrun", *arguments],
        cwd=shell.folder,
        env=shell.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    times = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in times}


#: Runs commands one after the other in one process, and prints after each what it has imported by then.
_EACH = """
import io, json, sys
heavy, commands = map(json.loads, sys.argv[1:])
from batchrun.cli.main import main
said = sys.stdout
for command in commands:
    sys.argv, sys.stdout, sys.stderr = ["batchrun", *command], io.StringIO(), io.StringIO()
    try:
        main()
    except SystemExit:
        pass
    print(json.dumps([command, sorted({*heavy} & {*sys.modules})]), file=said)
"""


#: Is interrupted when it imports a module, and again, if so asked, when it says that it was.
_INTERRUPTED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where sh started the tests with &
module, times = sys.argv[1:]
sys.modules.pop(module, None)
class Interrupting:
    def find_spec(self, name, *_):
        if name == module:
            signal.raise_signal(signal.SIGINT)
class Saying:
    def write(self, text):
        signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
sys.stderr = Saying() if times == "2" else sys.stderr
from batchrun.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("module", "times", "said"),
    [
        ("typing", 1, "\nstopped; nothing is lost\n"),  # the first that takes long
        ("click", 1, "\nstopped; nothing is lost\n"),
        ("click", 2, ""),
    ],
)
def test_stopped_while_it_is_imported_it_says_so_and_no_more(
    shell: Shell, module: str, times: int, said: str
):
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED, module, str(times)],
        env=shell.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, said)


#: Is interrupted in a text that it has executed, as dataclasses have.
_INTERRUPTED_IN_A_TEXT = """
import sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "batchrun.cli.verbs.check":
            exec("import signal; signal.raise_signal(signal.SIGINT)")
sys.meta_path.insert(0, Interrupting())
"""


def test_its_exit_code_is_that_of_a_stop_whatever_was_interrupted(shell: Shell, tmp_path):
    """Seen: Python ended itself by SIGINT, as after one that nobody has caught."""
    (tmp_path / "sitecustomize.py").write_text(_INTERRUPTED_IN_A_TEXT)
    done = subprocess.run(
        [sys.executable, "-m", "batchrun", "check", "cohort.csv"],
        env={**shell.environment, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, "\nstopped; nothing is lost\n")


def heavy_after_each(shell: Shell, commands: list[list[str]]) -> list[Any]:
    """Return each command that imported something heavy, or came after one that did, and what that was."""
    done = subprocess.run(
        [sys.executable, "-c", _EACH, json.dumps(sorted(HEAVY)), json.dumps(commands)],
        cwd=shell.folder,
        env=shell.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [command for command, _ in told] == commands
    return [one for one in told if one[1]]


def test_what_calls_nobody_and_reads_no_manifest_imports_nothing_heavy(shell: Shell):
    commands = [
        ["--help"],
        ["--version"],
        ["nope"],
        *([verb, "--help"] for verb in VERBS),
        ["run"],
        ["plan"],
        ["plan", "nothing.csv"],
        ["check", "nothing.yaml"],
        ["status"],
        ["results"],
        ["costs"],
        ["ledger", "verify"],
        *(["manifest", verb, "--help"] for verb in ("convert", "init", "from-s3")),
        ["manifest", "init"],
        ["help"],
        ["help", "retry"],
        ["help", "status"],
        ["help", "nope"],
    ]
    assert heavy_after_each(shell, commands) == []


def test_help_imports_no_event_loop(shell: Shell):
    for arguments in (["--help"], ["help", "retry"]):
        assert not imported(shell, *arguments) & {"anyio", "asyncio"}


def test_what_reads_the_ledger_alone_imports_nothing_heavy(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    shell.run("run", *shell.cohort(2), "--endpoint-url", simulated.url, "--detach")
    commands = [
        ["status", "--failed"],
        ["status", "--json"],
        ["results", "-o", "results.csv"],
        ["ledger", "verify"],
    ]
    assert heavy_after_each(shell, commands) == []
    assert (shell.folder / "results.csv").exists()


@pytest.mark.parametrize("verb", ["check", "plan"])
def test_what_checks_a_manifest_imports_the_model_and_nothing_that_calls(shell: Shell, verb):
    shell.write("cohort.csv", "id,workflowId,roleArn,outputUri\na,1,arn:x,s3://b/\n")
    found = imported(shell, verb, "cohort.csv")
    assert found & HEAVY == MODEL
    assert not found & CALLING
    assert ("batchrun.ledger" in found) == (verb == "plan")


@pytest.mark.long
def test_a_batch_that_has_ended_is_told_again_without_a_client_and_without_reading_rows(
    shell: Shell, simulate
):
    simulated = simulate("--time-scale", "0.0001")
    cohort = shell.cohort(2)
    shell.run("run", *cohort, "--endpoint-url", simulated.url, "--poll-interval", "0.2s")
    client, model = {"aiobotocore", "aiohttp", "botocore.client", "tenacity"}, {"botocore.loaders"}
    assert not imported(shell, "run", *cohort) & (client | model)
    (shell.folder / cohort[0]).write_text((shell.folder / cohort[0]).read_text() + "\n")
    read = imported(shell, "run", *cohort)
    assert not read & client
    assert model <= read


def test_costs_that_are_known_are_told_without_importing_a_client(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0001")
    shell.run("run", *shell.cohort(2), "--endpoint-url", simulated.url, "--poll-interval", "0.2s")
    shell.write("prices.json", '{"currency": "USD", "region": "us-east-1", "instances": {}, "storage": {}}')
    arguments = ["costs", "--prices", "prices.json"]
    assert "aiobotocore" in imported(shell, *arguments, "--endpoint-url", simulated.url)
    assert not imported(shell, *arguments, "-o", "costs.csv") & HEAVY


@pytest.mark.long
def test_the_parser_of_settings_is_imported_where_there_is_a_file_alone(shell: Shell):
    assert "tomllib" not in imported(shell, "status")
    shell.write("pyproject.toml", "[tool.ruff]\n")
    assert "tomllib" not in imported(shell, "status")
    shell.write("batchrun.toml", "rate = 5\n")
    found = imported(shell, "status")
    assert "tomllib" in found
    assert not found & HEAVY
