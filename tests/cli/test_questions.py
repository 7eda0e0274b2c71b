"""Questions on a terminal, before a verb changes something, with the real command."""

from __future__ import annotations

import os
import pty
import signal
from typing import TYPE_CHECKING

import anyio
import pytest

from batchrun.cli import signals
from batchrun.cli.choice import GoAhead
from tests.nursery import PATIENCE, Born

if TYPE_CHECKING:
    from tests.cli.conftest import Shell


@pytest.fixture
def ended(shell: Shell, simulate) -> None:
    service = simulate("--time-scale", "0.0002", "--failures", "WORKFLOW_RUN_FAILED=1")
    assert shell.run("run", *shell.cohort(2), "--endpoint-url", service.url).returncode == 1


def declined(shell: Shell, verb: str) -> tuple[int, str]:
    """Type no once *verb* asks, and return the exit code and all that was said."""
    ours, theirs = pty.openpty()
    asking = Born(
        [verb, "cohort"],
        cwd=shell.folder,
        env={**shell.environment, "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    while b"[y/N]" not in seen:
        seen += os.read(ours, 65536)
    os.write(ours, b"n\n")
    while piece := _read(ours):
        seen += piece
    os.close(ours)
    return asking.wait(PATIENCE), seen.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""


@pytest.mark.long
@pytest.mark.usefixtures("ended")
@pytest.mark.parametrize("verb", ["retry", "delete"])
def test_no_changes_nothing(shell: Shell, verb: str):
    before = shell.run("status", "cohort").stdout
    code, said = declined(shell, verb)
    assert (code, "nothing was changed" in said) == (0, True)
    assert shell.run("status", "cohort").stdout == before


def test_one_interrupt_ends_a_question(monkeypatch: pytest.MonkeyPatch):
    went_on = []

    async def ask() -> None:
        went_on.append(GoAhead(dry_run=False, yes=False).is_agreed("start 2 new attempts?"))

    monkeypatch.setattr(signals, "_ended_by", [])  # else the next command of this process had ended too
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda *_args, **_options: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        anyio.run(ask)
    assert went_on == []
