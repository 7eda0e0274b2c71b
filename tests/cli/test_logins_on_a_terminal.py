"""Logins that ask somebody: the real command on a real terminal, of which it is in the foreground or not."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.cli.conftest import BATCHRUN, Shell, Simulated, until

KEYS = '{"Version": 1, "AccessKeyId": "x", "SecretAccessKey": "y"}'
_ASSUMED = b"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>y</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


class Terminal:
    """A terminal, and a command that was typed on it."""

    def __init__(self, shell: Shell, *command: str) -> None:
        self._ours, self._theirs = os.openpty()
        # The first terminal that the leader of a session opens is its own.
        line = 'exec "$@" < "$0" > "$0" 2>&1'
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", line, os.ttyname(self._theirs), *command],
            cwd=shell.folder,
            env=shell.environment,
            start_new_session=True,
        )
        self.shown = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                self.shown += os.read(self._ours, 4096).decode(errors="replace")
            except OSError:  # nobody has it open any more
                return

    def wait_for(self, text: str) -> None:
        until(lambda: text in self.shown or self.process.poll() is not None, 60)
        assert text in self.shown

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self) -> int:
        code = self.process.wait(60)
        os.close(self._theirs)
        self._reader.join(10)
        os.close(self._ours)
        return code


class Sts:
    """Lets those assume a role who have the code."""

    def __init__(self) -> None:
        asked = self.asked = list[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.send_response(200)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(_ASSUMED)))
                self.end_headers()
                self.wfile.write(_ASSUMED)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @contextmanager
    def serving(self) -> Iterator[str]:
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{self.server.server_port}"
        finally:
            self.server.shutdown()
            thread.join()
            self.server.server_close()


@pytest.fixture
def simulated(shell: Shell, simulate) -> Simulated:
    made: Simulated = simulate("--time-scale", "1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del shell.environment[name]
    shell.environment |= {
        "HOME": str(shell.folder),
        "AWS_CONFIG_FILE": str(shell.folder / "config"),
        "AWS_PROFILE": "lab",
        "AWS_ENDPOINT_URL_OMICS": made.url,
        "TERM": "xterm",
    }
    return made


def helped(shell: Shell, script: str) -> None:
    shell.write("helper.sh", script)
    shell.write("config", f"[profile lab]\ncredential_process = sh {shell.folder}/helper.sh\n")


def once(shell: Shell) -> list[str]:
    return [*BATCHRUN, "run", *shell.cohort(2), "--once"]


ASKING = f"""printf 'the code, please: ' > /dev/tty
read code
[ "$code" = 42 ] && echo '{KEYS}'
"""


@pytest.mark.long
@pytest.mark.parametrize("is_in_s3", [False, True])
def test_a_code_is_asked_for_once_and_never_shown(
    shell: Shell,
    simulated: Simulated,
    elsewhere,
    is_in_s3: bool,  # noqa: FBT001
):
    command, s3 = once(shell), elsewhere.s3()
    if is_in_s3:  # then the manifest is read, and results are written, by the login of the launch
        s3.contents["cohort.csv"] = (shell.folder / "cohort.csv").read_bytes()
        command = ["s3://lab/cohort.csv" if one == "cohort.csv" else one for one in command]
        command += ["--results", "s3://lab/r.csv"]
        shell.environment["AWS_ENDPOINT_URL_S3"] = s3.url
    device = "arn:aws:iam::123456789012:mfa/me"
    shell.write(
        "config",
        f"[profile lab]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = base\n"
        f"mfa_serial = {device}\n[profile base]\naws_access_key_id = b\naws_secret_access_key = c\n",
    )
    sts = Sts()
    with sts.serving() as url:
        shell.environment["AWS_ENDPOINT_URL_STS"] = url
        terminal = Terminal(shell, *command)
        terminal.wait_for(f"Enter MFA code for {device}: ")
        terminal.type("907814\n")
        assert terminal.end() == 3
    assert "907814" not in terminal.shown
    (asked,) = [each for each in sts.asked if "Action=AssumeRole" in each]
    assert "TokenCode=907814" in asked
    assert len(simulated.state()["runs"]) == 2
    assert list(s3.written) == (["r.csv"] if is_in_s3 else [])


def test_a_helper_has_the_terminal_to_ask(shell: Shell, simulated: Simulated):
    helped(shell, ASKING)
    terminal = Terminal(shell, *once(shell))
    terminal.wait_for("the code, please: ")
    terminal.type("42\n")
    assert terminal.end() == 3
    assert len(simulated.state()["runs"]) == 2


def test_the_terminal_is_ours_again_once_the_helper_has_ended(shell: Shell, simulated: Simulated):
    helped(shell, ASKING)
    terminal = Terminal(shell, *BATCHRUN, "run", *shell.cohort(2))
    terminal.wait_for("the code, please: ")
    terminal.type("42\n")
    simulated.wait_for_runs(2)
    terminal.type("\x03")
    assert terminal.end() == 3
    assert "stopping on SIGINT" in terminal.shown


def test_ctrl_c_while_a_helper_asks_stops_the_command_too(shell: Shell, simulated: Simulated):
    helped(shell, ASKING)
    terminal = Terminal(shell, *once(shell))
    terminal.wait_for("the code, please: ")
    terminal.type("\x03")
    assert terminal.end() == 3
    assert "stopped; nothing is lost" in terminal.shown
    assert "Traceback" not in terminal.shown
    assert simulated.state()["runs"] == []


def test_a_job_in_the_background_is_not_stopped_for_asking(shell: Shell, simulated: Simulated):
    helped(shell, ASKING.replace("/dev/tty", "/dev/null"))
    begun = time.monotonic()
    command = " ".join(once(shell))
    terminal = Terminal(shell, "/bin/sh", "-c", f"set -m; {command} & wait $!")
    assert terminal.end() == 5
    assert time.monotonic() - begun < 60
    assert "ended with exit code 1" in terminal.shown
    assert simulated.state()["runs"] == []


def test_one_code_does_for_all_lanes_over_a_profile(shell: Shell, simulated: Simulated):
    shell.environment["AWS_ENDPOINT_URL"] = simulated.url
    device = "arn:aws:iam::123456789012:mfa/me"
    shell.write(
        "config",
        f"[profile lab]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = base\n"
        f"mfa_serial = {device}\n[profile base]\naws_access_key_id = b\naws_secret_access_key = c\n",
    )
    lanes = [
        f"l{n}: {{region: us-east-1, profile: lab, role: 'arn:aws:iam::{n:012}:role/x'}}\n" for n in range(3)
    ]
    shell.write("lanes.yaml", "".join([*lanes, "lab: {region: us-west-2, profile: lab}\n"]))
    terminal = Terminal(shell, *BATCHRUN, "lanes", "--lanes", "lanes.yaml")
    terminal.wait_for(f"Enter MFA code for {device}: ")
    terminal.type("907814\n")
    assert terminal.end() == 0
    assert terminal.shown.count("Enter MFA code") == 1
    assert "907814" not in terminal.shown
    assert [f"account {n:012}" in terminal.shown for n in range(3)] == [True] * 3


def test_helpers_of_several_lanes_have_the_terminal_one_after_the_other(shell: Shell, simulated: Simulated):
    shell.environment["AWS_ENDPOINT_URL"] = simulated.url
    shell.write("helper.sh", ASKING)
    profiles = "".join(
        f"[profile p{n}]\ncredential_process = sh {shell.folder}/helper.sh {n}\n" for n in range(2)
    )
    shell.write("config", f"{profiles}[profile lab]\nregion = us-east-1\n")
    shell.write("lanes.yaml", "".join(f"l{n}: {{region: us-east-1, profile: p{n}}}\n" for n in range(2)))
    terminal = Terminal(shell, *BATCHRUN, "lanes", "--lanes", "lanes.yaml")
    terminal.wait_for("the code, please: ")
    assert terminal.shown.count("the code, please: ") == 1
    terminal.type("42\n")
    until(lambda: terminal.shown.count("the code, please: ") == 2 or terminal.process.poll() is not None, 60)
    terminal.type("42\n")
    assert terminal.end() == 0
