"""What a launch looks like on a terminal: in 80 columns and in 200, with colours and without."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from batchrun.cli.logs import configure
from batchrun.cli.options import PLAIN
from batchrun.cli.showing.drawn import Bar, Flow, LiveDisplay, running, shared
from batchrun.cli.showing.progress import Again, Progress, Snapshot
from batchrun.cli.speak import until
from batchrun.clock import VirtualClock
from batchrun.model.entries.events import Accepted, Retried, Revised, seen
from batchrun.model.entries.states import State
from batchrun.model.entries.transitions import apply
from batchrun.model.paces.quotas import Quotas
from batchrun.model.tally import Tally
from batchrun.model.tasks import FailedTask, FailedTasks
from batchrun.ports.service import Troubles
from batchrun.report.overview import WithService
from tests.builders import T0, active, at, planned, request, run, submitting
from tests.cli.conftest import BATCHRUN, Shell
from tests.nursery import Born

MANY: Mapping[str, int] = {
    "planned": 12_000,
    "submitting": 40,
    "queued": 3_000,
    "running": 200,
    "succeeded": 60_000,
    "failed": 120,
    "cancelled": 30,
    "deleted": 2,
    "refused": 8,
}


def snapshot(lanes: Mapping[str, int] | None = None, /, **numbers: int) -> Snapshot:
    counts: dict[str, Any] = dict.fromkeys(MANY, 0) | numbers
    return Snapshot(
        counts=counts,
        active_by_lane=lanes,
        elapsed=7_400.0,
        starts_per_second=6.2,
        left=8_000.0,
        throttled=31,
        unanswered=2,
    )


async def drawn(
    now: Snapshot,
    *,
    width: int = 80,
    colours: bool = True,
    name: str = "cohort",
    there: WithService | None = None,
) -> list[tuple[str, str]]:
    """Return the frame's texts with their styles, with one failed row that has a failed task."""
    progress = Progress(VirtualClock(T0), Troubles)
    progress.there = there or WithService()
    going = active(planned("HG00013"), status="RUNNING")
    assert going.run is not None
    told = {"failure_reason": "RUN_TASK_FAILED", "status_message": "Run failed due to task: align, id: 7"}
    failed = seen(run("FAILED", **told), at(60))
    progress.recorded(going, failed, apply(going, failed))
    task = FailedTask(
        id="7", name="align", failure_reason="OUT_OF_MEMORY_ERROR", status_message="killed\n(137)"
    )
    progress.tasks_found("HG00013", 1, FailedTasks(tasks=(task,)))
    display = LiveDisplay(name, progress, VirtualClock(T0))
    console = Console(file=io.StringIO(), width=width, force_terminal=True, no_color=not colours, _environ={})
    # Not as codes: rich keeps those of the first terminal that a style was ever written to.
    segments = console.render(display._frame(now))
    return [(one.text, str(one.style or "")) for one in segments if not one.control]


def lines(told: list[tuple[str, str]]) -> list[str]:
    return "".join(text for text, _ in told).splitlines()


def plain(text: str) -> list[str]:
    return re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()


def styles(told: list[tuple[str, str]], word: str) -> set[str]:
    return {style for text, style in told if word in text}


@pytest.mark.parametrize("width", [60, 80, 132, 200])
async def test_nothing_is_broken_and_the_width_is_used(width):
    name = "a-cohort-with-a-name-that-somebody-thought-about-for-a-long-time-2026-11"
    for now in (snapshot(**MANY), snapshot(planned=1), snapshot()):
        told = lines(await drawn(now, width=width, name=name))
        assert max(map(len, told)) <= width
        assert len(told[0]) == width, "the bar takes what room there is"
        assert told[-1].startswith("  FAILED HG00013 RUN_TASK_FAILED: task align OUT_OF_")
        assert len(told[-1]) <= width - len("^C"), "what a terminal echoes breaks no line"
    whole = "\n".join(lines(await drawn(snapshot(**MANY), width=width)))
    for name_, number in MANY.items():
        assert f"{name_} {number}" in whole


async def test_rows_that_wait_to_be_sent_again_are_told_and_are_waited_for():
    clock = VirtualClock(T0)
    progress = Progress(clock, Troubles)
    for number in range(6):
        going = active(planned(f"r{number}"), status="RUNNING")
        failed = seen(run("FAILED", failure_reason="SERVICE_ERROR"), at(60))
        ended = apply(going, failed)
        progress.recorded(going, failed, ended)
        if number == 0:
            retried = Retried(at=at(60), due=at(300), why="SERVICE_ERROR")
            waiting = apply(ended, retried)
            progress.recorded(ended, retried, waiting)
    assert progress.again == Again(rows=1, next=300.0, last=300.0)
    assert [one.entry.id for one in progress.failures] == [f"r{number}" for number in range(1, 6)]
    now = progress.snapshot(Tally({State.BACKOFF: 1, State.FAILED: 5}, {}))
    assert now.left == 300.0
    console = Console(file=io.StringIO(), width=200, _environ={})
    display = LiveDisplay("cohort", progress, clock)
    text = "".join(one.text for one in console.render(display._frame(now)))
    assert "1 row to be sent again, next in 5 min  about 5 min left" in text


async def test_lanes_tell_how_many_runs_each_has():
    told = lines(await drawn(snapshot({"west": 12, "east": 0}, running=12)))
    assert "  east 0 active  west 12 active" in told
    assert not any("active" in line for line in lines(await drawn(snapshot(running=12))))


async def test_lanes_that_wait_or_stopped_say_so_also_those_without_runs():
    troubles = {"east": "waits", "north": "stopped", "south": "quota full"}
    told = await drawn(replace(snapshot({"west": 12, "east": 3}), lane_troubles=troubles), width=110)
    expected = "  east 3 active, waits  north 0 active, stopped  south 0 active, quota full  west 12 active"
    assert expected in lines(told)
    assert (styles(told, ", waits"), styles(told, ", stopped")) == ({"yellow"}, {"bold red"})


async def test_rows_with_the_service_are_told_in_place_of_starts_that_come_by_the_hundred():
    there = WithService(rows=240, batches=3, unknown=100)
    told = "\n".join(lines(await drawn(snapshot(submitting=340), width=200, there=there)))
    lost = "of 100 rows it is not known yet whether the service has them"
    assert f"240 rows are with the service, in 3 run batches; {lost}" in told
    assert "started/s" not in told
    fewer = lines(await drawn(snapshot(submitting=120), width=200, there=there))
    assert f"20 rows are with the service, in 3 run batches; {lost}" in "\n".join(fewer)  # as it is by now
    assert "with the service" not in "\n".join(lines(await drawn(snapshot(), width=200, there=there)))
    assert WithService(unknown=100).text == lost
    assert WithService(rows=1, batches=1).text == "1 row is with the service, in 1 run batch"


async def test_colours_say_what_they_mean_and_the_bar_counts_failures():
    told = await drawn(snapshot(**MANY))
    assert styles(told, "succeeded 60000") == {"green"}
    assert styles(told, "failed 120") == {"bold red"}
    assert styles(told, "running 200") == {"color(32)"}, "a terminal's own blue is too dark"
    assert styles(told, "━") == {"green"}
    assert styles(told, "╍") == {"bold red", "magenta"}
    assert not {style for _, style in told if "blue" in style}
    assert " 60160/75400" in lines(told)[0]


async def test_without_colours_each_part_of_the_bar_has_its_sign():
    bar = lines(await drawn(snapshot(succeeded=5, failed=2, planned=3), colours=False))[0]
    assert re.fullmatch(r"cohort ━+╍+─+ 7/10", bar)
    assert bar.count("─") == pytest.approx(3 / 10 * (80 - len("cohort  7/10")), abs=1)


def test_a_terminal_that_knows_ascii_alone_gets_ascii():
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    numbers = dict.fromkeys(MANY, 0) | {"succeeded": 3, "failed": 1, "cancelled": 1, "planned": 5}
    Console(file=file, width=30).print(Bar(label=Text("a"), numbers=numbers))
    file.flush()
    assert file.buffer.getvalue().decode().strip() == "a =======xxccc----------- 5/10"


@given(counts=st.lists(st.integers(0, 100_000), min_size=4, max_size=4), cells=st.integers(8, 300))
def test_the_bar_is_shared_out_whole_and_what_is_there_is_seen(counts, cells):
    shares = shared(counts, cells)
    if any(counts):
        assert sum(shares) == cells
    for count, share in zip(counts, shares, strict=True):
        assert (share > 0) is (count > 0)
        assert abs(share - count * cells / max(1, sum(counts))) <= 4


def test_a_line_that_has_no_room_at_all_is_no_error():
    assert shared([1, 1, 1, 1], 0) == [0, 0, 0, 0]
    file = io.StringIO()
    Console(file=file, width=5).print(Flow([Text("more than that")]))
    assert file.getvalue().split()[-2:] == ["than", "that"]


async def test_once_all_is_submitted_no_rate_of_starts_is_told():
    assert "6.2 started/s" in "".join(lines(await drawn(snapshot(planned=1, running=3))))
    assert "started" not in "".join(lines(await drawn(snapshot(running=3, succeeded=2))))


async def test_how_many_may_run_is_told_once_it_is_known():
    now, progress = snapshot(running=7), Progress(VirtualClock(T0), Troubles)
    assert running(now, progress.at_once) == "running 7"
    progress.quotas = Quotas(dynamic_runs=50, static_runs=10)
    assert running(now, progress.at_once) == "running 7 of 50 DYNAMIC, 10 STATIC"
    accepted = Accepted(at=at(1), run=run())
    before = submitting(replace(planned("a"), request=request(storageType="STATIC")))
    progress.recorded(before, accepted, apply(before, accepted))
    assert running(now, progress.at_once) == "running 7 of 10"


async def test_what_waits_for_runs_of_other_batches_is_told():
    now = replace(snapshot(planned=4, running=2), others=7)
    told = " ".join(lines(await drawn(now, width=200)))
    assert "4 planned wait for 7 active runs of other batches" in told
    assert "wait for" not in " ".join(lines(await drawn(replace(snapshot(running=2), others=7), width=200)))


@pytest.fixture
def in_zurich(monkeypatch):
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_zurich")
async def test_the_finish_is_a_time_of_day_where_the_reader_is():
    now = datetime(2026, 11, 6, 17, tzinfo=UTC)
    assert until(now, 8_000) == "20:13 CET"
    assert until(now, 7 * 3600) == "Sat 01:00 CET"
    assert until(now, 8 * 86_400) == "14 Nov 18:00 CET"
    told = lines(await drawn(snapshot(running=1), width=200))
    assert "about 2 h 13 min left, until 03:13 CET" in " ".join(told)


async def test_the_tasks_of_rows_that_are_not_shown_are_not_kept():
    progress = Progress(VirtualClock(T0), Troubles)
    progress.tasks_found("nobody", 1, FailedTasks())
    assert not progress.failures


async def test_a_failure_that_another_attempt_followed_is_told_no_more():
    progress, going = Progress(VirtualClock(T0), Troubles), active(planned("A"))
    for follow in (
        Retried(at=at(61), due=at(61), why="asked for"),
        Revised(at=at(61), request=going.request),
    ):
        failed = seen(run("FAILED"), at(60))
        ended = apply(going, failed)
        progress.recorded(going, failed, ended)
        assert [one.entry for one in progress.failures] == [ended]
        progress.recorded(ended, follow, apply(ended, follow))
        assert not progress.failures


@pytest.fixture
def warned(capsys):
    configure(PLAIN, is_drawn=True)
    return lambda: capsys.readouterr().err


def test_beside_the_display_what_is_wrong_is_a_sentence_and_what_is_well_is_silent(warned):
    log = structlog.get_logger("x")
    log.info("manifest_read", rows=3)
    log.warning("quota_full", batch="cohort", message="too many\x1b[2J", next_try_in_seconds=30)
    log.warning("metrics_not_written")
    log.warning("lane_waits", lane="east", why="no login", rows_waiting=6, rows_in_other_lanes=2)
    assert warned() == (
        "warning: quota full (next try in seconds 30): too many\\x1b[2J\nwarning: metrics not written\n"
        "warning: lane east waits (rows waiting 6, rows in other lanes 2): no login\n"
    )


def all_of(terminal: int) -> bytes:
    """Read a terminal until its other end is closed: it passes on some 4 KiB at a time."""
    seen_ = b""
    with suppress(OSError):  # the other end is closed
        while piece := os.read(terminal, 65536):
            seen_ += piece
    os.close(terminal)
    return seen_


def on_a_terminal(shell: Shell, *command: str, **environment: str) -> tuple[int, str]:
    """Run it on a terminal of 100 columns, and return its exit code and all it wrote."""
    ours, theirs = pty.openpty()
    known = {**shell.environment, "TERM": "xterm-256color", "COLUMNS": "100", **environment}
    process = Born(command, cwd=shell.folder, env=known, stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    seen_ = all_of(ours)
    return process.wait(60), seen_.decode().replace("\r\n", "\n")


#: What takes the last frame off the terminal again.
WIPED = "\x1b[2K"


def test_on_a_terminal_the_end_is_told_once_and_no_log_line_before(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0004", "--failures", "RUN_TASK_FAILED=1", "--max-active", "40")
    command = ("run", *shell.cohort(3), "--endpoint-url", simulated.url, "--rate", "unlimited")
    command += ("--set", "storageType=DYNAMIC")
    code, told = on_a_terminal(shell, *command, AWS_ENDPOINT_URL_SERVICE_QUOTAS=simulated.url)
    assert code == 1
    assert re.search(r"running \d of 40", told)
    assert re.search(r"cohort.* \x1b\[1;31m╍+.*3/3", told), "the display was there"
    assert "manifest_read" not in told
    assert "[info" not in told
    *drawn_, left = told.split(WIPED)
    assert len(drawn_) > 5
    lines = [line for line in plain(left) if line.strip()]
    assert lines[0].startswith("cohort: 3 failed (of 3, in ")
    failed = sorted(line.split()[1] for line in lines[1:] if line.startswith("  FAILED"))
    assert failed == ["s000", "s001", "s002"]
    assert left.count("RUN_TASK_FAILED: task step_2 OUT_OF_MEMORY_ERROR") == 3
    assert lines[-1] == "results: cohort.results.csv"


@pytest.mark.long
def test_where_the_summary_goes_elsewhere_the_last_frame_stays(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0002")
    arguments = " ".join(shell.cohort(2))
    shell.write(
        "launch.sh", f"{' '.join(BATCHRUN)} run {arguments} --endpoint-url {simulated.url} > told.txt"
    )
    ours, theirs = pty.openpty()
    known = {**shell.environment, "TERM": "xterm-256color", "NO_COLOR": "1"}
    process = subprocess.Popen(["sh", "launch.sh"], cwd=shell.folder, env=known, stderr=theirs)
    os.close(theirs)
    assert process.wait(60) == 0
    told = all_of(ours).decode()
    assert "2/2" in told.rpartition(WIPED)[2]
    assert (
        (shell.folder / "told.txt").read_text(encoding="utf-8").startswith("cohort: 2 succeeded (of 2, in ")
    )


def test_a_window_that_is_closed_ends_no_launch_that_goes_on(shell: Shell, simulate):
    """Seen: one that was disowned ended as a defect, and with the exit code of failed rows."""
    simulated = simulate("--time-scale", "0.001")  # seconds for each run: the window is closed before
    ours, theirs = pty.openpty()
    known = {**shell.environment, "TERM": "xterm-256color"}
    command = ("run", *shell.cohort(3), "--endpoint-url", simulated.url)
    process = Born(command, cwd=shell.folder, env=known, stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    simulated.wait_for_runs(1)
    os.read(ours, 65536)
    os.close(ours)
    assert process.wait(60) == 0
    assert (shell.folder / "cohort.results.csv").read_text(encoding="utf-8").count("COMPLETED") == 3


@pytest.mark.long
def test_an_error_leaves_the_last_frame_for_whoever_comes_back(shell: Shell, simulate):
    simulated = simulate("--faults", "GetRun:AccessDeniedException")
    command = ("run", *shell.cohort(2), "--endpoint-url", simulated.url, "--rate", "unlimited")
    code, told = on_a_terminal(shell, *command)
    assert code == 5
    left = "\n".join(plain(told.rpartition(WIPED)[2]))
    assert " 0/2" in told
    assert "batchrun: " in left
    assert "AccessDenied" in left


@pytest.mark.parametrize("level", [-1, 0])
def test_how_a_test_has_logs_written_is_forgotten_by_the_next(level):
    """Seen: a test that read the log of failed calls found none, after one that had had warnings only."""
    assert not structlog.is_configured()
    configure(PLAIN, usual=level)
