"""``batchrun serve``: what it is told, what it says, and how it ends."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from typing import IO

import pytest

from batchrun.cli.verbs.serve import Options, make_rules, read_bind, read_token
from batchrun.errors import UsageError
from tests.cli.conftest import Shell, end, until
from tests.cli.ledgers import make


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("8080", ("127.0.0.1", 8080)),
        (":8080", ("127.0.0.1", 8080)),
        ("lab.example", ("lab.example", 8766)),
        ("lab.example:0", ("lab.example", 0)),
        ("[::1]:80", ("::1", 80)),
        ("[::1]", ("::1", 8766)),
    ],
)
def test_where_to_listen(text, place):
    assert read_bind(text) == place


@pytest.mark.parametrize("text", ["lab:x", "lab:65536", "::1", "lab:-1", "lab:²"])
def test_where_nobody_can_listen(text):
    with pytest.raises(UsageError, match="--bind"):
        read_bind(text)


def test_a_token_is_read_from_a_file_of_ones_own(tmp_path):
    path = tmp_path / "token"
    path.write_text("a" * 32 + "\n")
    path.chmod(0o600)
    assert read_token(str(path)) == "a" * 32


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        ("a" * 32, 0o640, "chmod 600"),
        ("a" * 32, 0o602, "chmod 600"),
        ("short", 0o600, "20 characters"),
        ("two words that are long enough", 0o600, "one word"),
        ("é" * 32, 0o600, "ASCII"),
        ("", 0o600, "20 characters"),
        (None, 0o600, "No such file"),
    ],
)
def test_a_token_file_that_is_none(tmp_path, content, mode, problem):
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content, encoding="utf-8")
        path.chmod(mode)
    with pytest.raises(UsageError, match=problem) as told:
        read_token(str(path))
    assert not content or content not in str(told.value)


@pytest.fixture
def shell(tmp_path):
    shell = Shell(tmp_path)
    make(tmp_path)
    yield shell
    shell.close()


def started(shell: Shell) -> tuple[subprocess.Popen[str], IO[str], urllib.request.OpenerDirector, str]:
    """Serve on a free port; return the process, what it says from now on, a browser, and the link for it."""
    process = shell.start("serve", "--bind", "127.0.0.1:0")
    assert process.stdout is not None
    link = process.stdout.readline().strip()
    assert "shows batchrun.db" in process.stdout.readline()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    return process, process.stdout, browser, link


@pytest.mark.real_time
def test_it_prints_a_link_serves_and_ends_at_once_by_ctrl_c(shell):
    before = {path.name: path.stat().st_size for path in shell.folder.iterdir()}
    process, _, opener, link = started(shell)
    with opener.open(link, timeout=20) as page:
        assert "token" not in page.url
        text = page.read().decode()
    assert "cohort" in text
    stream = opener.open(link.partition("?")[0] + "events", timeout=20)
    assert stream.readline() == b"event: batches\n"
    with pytest.raises(urllib.error.HTTPError, match="401") as caught:
        urllib.request.urlopen(link.partition("?")[0], timeout=20)
    caught.value.close()
    code, said = end(process, signal.SIGINT)
    stream.close()
    assert (code, said) == (0, "")
    after = {path.name: path.stat().st_size for path in shell.folder.iterdir()}
    assert {name: size for name, size in after.items() if "-" not in name} == before


@pytest.mark.parametrize(
    ("bind", "names"), [("127.0.0.1", set()), ("localhost", set()), ("lab.invalid", {"lab.invalid"})]
)
def test_other_peoples_servers_on_this_machine_are_other_sites(bind, names):
    """Seen: pages of any port of 127.0.0.1 were taken for its own."""
    options = Options(
        bind=bind,
        token_file=None,
        allow_host=("Batches.example",),
        trust_header=None,
        trusted_proxy=(),
        ledger="batchrun.db",
    )
    rules = make_rules(options, bind, "token", "session")
    assert rules.names & {"127.0.0.1", "localhost", "lab.invalid", "batches.example"} == {
        "batches.example",
        *names,
    }


@pytest.mark.real_time
def test_a_folder_in_its_ledgers_place_is_told_and_waited_for(shell):
    process, said, opener, link = started(shell)
    opener.open(link, timeout=20).close()
    path = shell.folder / "batchrun.db"
    path.rename(shell.folder / "away")
    path.mkdir()
    assert "batchrun.db is a folder; " in said.readline()

    def shows(text: str) -> bool:
        with opener.open(link.partition("?")[0], timeout=20) as page:
            return text in page.read().decode()

    until(lambda: shows("what is shown is from before"))
    path.rmdir()
    (shell.folder / "away").rename(path)
    assert said.readline() == "batchrun: batchrun.db is there again\n"
    until(lambda: not shows("what is shown is from before"))
    assert end(process, signal.SIGINT)[0] == 0


@pytest.mark.real_time
def test_a_ledger_that_is_copied_over_is_opened_again(shell):
    process, said, opener, link = started(shell)
    opener.open(link, timeout=20).close()
    (shell.folder / "other").mkdir()
    make(shell.folder / "other", "another-one")
    shutil.copyfile(shell.folder / "other" / "batchrun.db", shell.folder / "batchrun.db")
    assert "batchrun.db was replaced; it is opened again" in said.readline()

    def is_shown() -> bool:
        try:
            with opener.open(link.partition("?")[0], timeout=20) as page:
                return "another-one" in page.read().decode()
        except OSError:  # nobody is let in between the two
            return False

    until(is_shown)
    assert end(process, signal.SIGINT)[0] == 0


def test_a_port_that_is_taken_is_told(shell):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        done = shell.run("serve", "--bind", place)
    assert done.returncode == 2
    assert done.stderr == (
        f"batchrun: cannot listen on {place}: {os.strerror(98)}; try another with --bind, or port 0\n"
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--trust-header", "X-User"], "go together"),
        (["--trusted-proxy", "10.0.0.5"], "go together"),
        (["--trust-header", "X-User", "--trusted-proxy", "x"], "give an address"),
        (["--ledger", "none.db"], "none.db"),
        (["--bind", "nowhere.invalid:0"], "cannot listen on nowhere.invalid:0: "),
        (["--bind", "192.0.2.1:0"], f"cannot listen on 192.0.2.1:0: {os.strerror(errno.EADDRNOTAVAIL)}; try"),
    ],
)
def test_what_cannot_be_is_told(shell, arguments, problem):
    done = shell.run("serve", *arguments)
    assert done.returncode == 2
    assert problem in done.stderr
    assert "Unknown error" not in done.stderr  # seen: of a name that nobody has
    assert "Traceback" not in done.stderr
