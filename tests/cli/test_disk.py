"""The place where the ledger lives goes bad in the middle of a launch: exit 5, and a resume that works."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Shell, assert_agreement, end

FAST = ("--rate", "40", "--read-rate", "unlimited", "--poll-interval", "0.2s")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of eight megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], check=False, capture_output=True
        ).returncode
    )
    if not mounted:
        pytest.skip("needs the right to mount a small tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(path: Path) -> None:
    """Write until there is no room."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(handle, b"x" * 4096)
    os.close(handle)


@pytest.mark.long
def test_a_disk_that_fills_up_stops_the_launch_and_the_resume_works(shell: Shell, simulate, small_disk):
    simulated = simulate("--time-scale", "0.0005")
    command = (
        "run",
        *shell.cohort(60),
        "--endpoint-url",
        simulated.url,
        "--ledger",
        str(small_disk / "b.db"),
        *FAST,
    )
    launcher = shell.start(*command)
    simulated.wait_for_runs(10)
    fill(small_disk / "filler")
    code, said = end(launcher)
    assert code == 5, said
    assert str(small_disk / "b.db") in said
    assert "nothing that was recorded is lost" in said
    assert "Traceback" not in said
    (small_disk / "filler").unlink()
    again = shell.run(*command)
    assert again.returncode == 0, again.stderr
    assert_agreement(shell.results(), simulated)


@pytest.mark.long
def test_a_ledger_that_is_deleted_stops_the_launch_and_can_be_made_again(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0005")
    command = ("run", *shell.cohort(40), "--endpoint-url", simulated.url, *FAST)
    launcher = shell.start(*command)
    simulated.wait_for_runs(10)
    for path in shell.folder.glob("batchrun.db*"):
        path.unlink()
    code, said = end(launcher)
    assert code == 5, said
    assert "deleted or replaced" in said
    assert "Traceback" not in said
    # The same rows make the same requestIds, so even without the ledger nothing is started twice.
    again = shell.run(*command)
    assert again.returncode == 0, again.stderr
    assert_agreement(shell.results(), simulated)


def test_a_damaged_ledger_is_told_and_not_written_to(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0001")
    command = ("run", *shell.cohort(40), "--endpoint-url", simulated.url, *FAST)
    assert shell.run(*command).returncode == 0
    ledger = shell.folder / "batchrun.db"
    shutil.copy(ledger, shell.folder / "good.db")
    with ledger.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 40000)
    done = shell.run(*command)
    assert done.returncode in {2, 5}, done.stderr
    assert "batchrun.db" in done.stderr
    assert "Traceback" not in done.stderr
    assert shell.run("ledger", "verify").returncode == 5
    assert shell.run(*command, "--ledger", "good.db").returncode == 0
    assert simulated.calls("StartRun") == 40
