"""Signals while it reads, while it takes rows in, and beside a batch that has ended."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import anyio
import anyio.lowlevel
import apsw
import pytest

from batchrun.api.taken_in import Taken
from batchrun.cli import signals
from batchrun.cli.launching import launch
from batchrun.cli.options import PLAIN
from batchrun.manifest import Manifest, Source
from tests.cli.conftest import Shell, end, until
from tests.cli.ledgers import make
from tests.nursery import Born

NUMBERS = [signal.SIGINT, signal.SIGTERM]


def ends_soon(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """Send a signal, and return what is said by the end, which must come within seconds."""
    begun = time.monotonic()
    code, said = end(process, number)
    assert time.monotonic() - begun < 15
    assert code == 3
    assert "Traceback" not in said
    assert "defect" not in said
    return said


@pytest.mark.parametrize("number", [*NUMBERS, signal.SIGHUP])
@pytest.mark.parametrize("verb", ["run", "check", "plan"])
def test_one_signal_ends_the_wait_for_standard_input(shell: Shell, verb: str, number: signal.Signals):
    pipe = subprocess.PIPE
    command = [verb, "-", "--format", "csv", "--batch", "b"]
    process = Born(command, cwd=shell.folder, env=shell.environment, stdin=pipe, stdout=pipe, stderr=pipe)
    with process:
        assert process.stdin is not None
        process.stdin.write("id\n" * 40_000)  # more than the pipe holds: it reads by then
        process.stdin.flush()
        process.send_signal(number)
        assert process.wait(15) == 3
        assert process.stderr is not None
        assert process.stderr.read() == "\nstopped; nothing is lost\n"


def test_a_launch_whose_terminal_is_closed_stops_in_good_order(shell: Shell, simulate):
    """Seen: it died, its results were not written, and its lease was in the way of the next launch."""
    simulated = simulate("--time-scale", "1")
    launcher = shell.start("run", *shell.cohort(2), "--endpoint-url", simulated.url)
    simulated.wait_for_runs(2)
    assert "stopping on SIGHUP: finishing calls in flight" in ends_soon(launcher, signal.SIGHUP)
    assert (shell.folder / "cohort.results.csv").read_text(encoding="utf-8").count("PENDING") == 2


async def test_a_hang_up_that_the_shell_repeats_counts_once():
    told: list[signal.Signals] = []
    telling = signals._Telling()
    with signals.heard(told.append):
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGTERM):
            signals._untold.append(number)
            telling.tell()
    assert told == [signal.SIGHUP, signal.SIGTERM, signal.SIGTERM]


def test_nor_does_its_repetition_leave_at_once_outside_the_event_loop(monkeypatch):
    left: list[str] = []
    monkeypatch.setattr(signals, "leave_at_once", lambda: left.append("left"))
    interrupt = signals._Interrupt(is_armed=True)
    with pytest.raises(KeyboardInterrupt):
        interrupt(signal.SIGHUP, None)
    interrupt(signal.SIGHUP, None)
    assert not left
    interrupt(signal.SIGTERM, None)
    assert left
    signals._ended_by.clear()


@pytest.mark.parametrize(("before", "is_taken"), [(signal.SIG_DFL, True), (signal.SIG_IGN, False)])
def test_a_hang_up_that_is_ignored_stays_so(before, is_taken):
    restored = signal.signal(signal.SIGHUP, before)
    try:
        assert (signal.SIGHUP in signals.taken()) is is_taken
    finally:
        signal.signal(signal.SIGHUP, restored)


@pytest.mark.parametrize(
    "words",
    [["check", "f.csv"], ["run", "m.csv", "--defaults", "f.yaml"], ["cancel", "--ids-from", "f.txt"]],
    ids=" ".join,
)
def test_one_signal_ends_the_wait_for_a_pipe(shell: Shell, words: list[str]):
    make(shell.folder)
    shell.write("m.csv", "id\na\n")
    (name,) = [word for word in words if word.startswith("f.")]
    os.mkfifo(shell.folder / name)
    process = shell.start(*words)
    with (shell.folder / name).open("w"):  # it has opened it by then
        assert "stopped; nothing is lost" in ends_soon(process, signal.SIGINT)


def test_one_signal_ends_the_look_at_files_that_may_be_known(tmp_path, monkeypatch):
    """On a disk that hangs, reading them may take for ever."""
    went_on: list[Source] = []

    def look(sources: Sequence[Source], _batches: Sequence[Taken]) -> Sequence[Manifest]:
        signal.raise_signal(signal.SIGINT)
        went_on.extend(sources)
        return ()

    monkeypatch.setattr(launch, "as_taken_in", look)
    with pytest.raises(KeyboardInterrupt):
        signals.run_async(launch.as_known, [Source(path="x.csv")], str(tmp_path / "no.db"), PLAIN)
    assert not went_on


def test_one_that_has_cancelled_a_verb_ends_its_next_wait_too():
    """Seen: a launch does not wait in the event loop before it reads; it read all of its manifest."""
    went_on: list[int] = []

    async def verb() -> None:
        signal.raise_signal(signal.SIGINT)
        with anyio.CancelScope(shield=True):
            await anyio.lowlevel.checkpoint()
        with signals.interruptible():
            went_on.append(1)

    with pytest.raises(KeyboardInterrupt):
        signals.run_async(verb)
    assert not went_on


@pytest.mark.parametrize("is_in_a_wait", [True, False])
def test_one_that_a_library_swallows_ends_the_command_all_the_same(is_in_a_wait):
    """Some have a bare except, or clear errors in C, while they are imported."""
    went_on: list[int] = []

    async def verb() -> None:
        went_on.append(1)

    def command() -> None:
        signals.default()
        wait = signals.interruptible() if is_in_a_wait else contextlib.nullcontext()
        with wait, contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signals.run_async(verb)

    with signals._restored(), pytest.raises(KeyboardInterrupt):
        command()
    assert not went_on
    signals._ended_by.clear()


@contextlib.contextmanager
def signalled_at(line: int) -> Iterator[list[int]]:
    """Send SIGINT before that line of those run in the two modules; yield how many have run."""
    ran = [0]

    def look(frame: FrameType, event: str, _value: object) -> Any:
        if Path(frame.f_code.co_filename).name not in ("signals.py", "threading.py"):
            return None
        ran[0] += event == "line"
        if event == "line" and ran[0] == line:
            signal.raise_signal(signal.SIGINT)
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        yield ran
    finally:
        sys.settrace(before)


def test_a_signal_at_any_moment_of_a_wait_counts_once_and_leaves_no_thread():
    """Seen: one between the start of the thread and the wait left a process that never ended."""
    heard: list[int] = []
    restored = signal.signal(signal.SIGINT, lambda number, _frame: heard.append(number))
    is_over = threading.Event()
    (earlier := threading.Thread(target=is_over.wait)).start()  # as an earlier test may leave one to its end
    others = {*threading.enumerate()}
    try:
        for line in itertools.count(1):
            with contextlib.ExitStack() as stack:
                ran = stack.enter_context(signalled_at(line))
                try:
                    with signals.interruptible():
                        pass
                except KeyboardInterrupt:
                    heard.append(signal.SIGINT)
            is_over.set()
            earlier.join()
            assert {*threading.enumerate()} <= others
            signals._ended_by.clear()
            if ran[0] < line:
                break
            assert heard == [signal.SIGINT] * line
        assert line > 50
    finally:
        signal.signal(signal.SIGINT, restored)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_second_signal_leaves_at_once_while_rows_are_taken_in(
    shell: Shell, simulate, number: signal.Signals
):
    simulated = simulate()
    make(shell.folder)
    with contextlib.closing(apsw.Connection(str(shell.folder / "batchrun.db"))) as other:
        other.execute("BEGIN IMMEDIATE")  # so that taking in takes its time
        process = shell.start("run", *shell.cohort(3), "--endpoint-url", simulated.url, "--batch", "new")
        until(lambda: has_open(process, shell.folder / "batchrun.db-wal"))

        def is_over() -> bool:
            process.send_signal(number)  # a signal that is sent twice before it is seen is seen once
            return process.poll() is not None

        until(is_over)
    code, said = end(process)
    # Whatever waits for the ledger is not waited for, which would end with 5: it is locked until here.
    assert code == 3
    assert said.endswith("nothing is lost\n")
    assert "Traceback" not in said
    assert simulated.calls("StartRun") == 0


def has_open(process: subprocess.Popen[str], path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path in [one.readlink() for one in Path(f"/proc/{process.pid}/fd").iterdir()]
    return False


@pytest.mark.parametrize("number", NUMBERS)
def test_beside_a_batch_that_has_ended_the_others_end_in_good_order(
    shell: Shell, simulate, number: signal.Signals
):
    simulated = simulate("--time-scale", "0.0005")
    (shell.folder / "manifests").mkdir()
    cohort = shell.cohort(1, "manifests/a.csv")
    command = ("run", "manifests", *cohort[1:], "--endpoint-url", simulated.url, "--poll-interval", "0.2s")
    assert shell.run(*command).returncode == 0
    slow = simulate("--time-scale", "1")
    shell.cohort(2, "manifests/b.csv")
    # The hook of the ended batch is told of, and is over, while the other goes on.
    command = (*command[:5], slow.url, "--on-end", "touch told-$BATCHRUN_HOOK_BATCH")
    process = shell.start(*command)
    slow.wait_for_runs(2)
    until((shell.folder / "told-a").exists)
    until((shell.folder / "a.results.csv").exists)
    said = ends_soon(process, number)
    assert f"stopping on {number.name}" in said
    assert {row["status"] for row in shell.results("b.results.csv")} <= {"PENDING", "STARTING"}
    assert len(shell.results("a.results.csv")) == 1
