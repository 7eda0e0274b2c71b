"""A user's command: what it is given, how it ends, and that it does end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import anyio
import pytest

from batchrun.errors import NoticeError
from batchrun.model.notices import Notice
from batchrun.notify.command import Command
from tests.cli.conftest import until
from tests.notify.samples import message
from tests.nursery import PATIENCE

pytestmark = pytest.mark.real_time


def command(text: str) -> Command:
    return Command(text, name="--on-end", notices=[Notice.END])


async def test_it_is_given_the_summary_on_stdin_and_what_it_is_about_in_the_environment(tmp_path):
    seen = tmp_path / "seen"
    given = message(odd="\ud800 'quoted' \"twice\" $(false)")
    await command(
        f'{{ cat; echo "$BATCHRUN_HOOK_NOTICE $BATCHRUN_HOOK_BATCH $BATCHRUN_HOOK_EXIT_CODE"; '
        f'echo "$BATCHRUN_HOOK_RESULTS"; echo "${{BATCHRUN_BATCH-unset}}"; }} > {seen}'
    ).deliver(given)
    summary, *words = seen.read_text(encoding="utf-8").splitlines()
    assert json.loads(summary) == given.summary
    assert words == ["end cohort 1", "/srv/cohort.results.csv", "unset"]


async def test_what_nobody_knows_yet_is_not_in_the_environment(tmp_path):
    seen = tmp_path / "seen"
    await command(f"env > {seen}").deliver(message(Notice.FAILURE, exit_code=None))
    assert "BATCHRUN_HOOK_EXIT_CODE" not in seen.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "reason", "cure"),
    [
        ("exit 3", "it ended with exit code 3", "correct the command"),
        ("echo out; echo no such list >&2; exit 1", "exit code 1: out\nno such list", "correct the command"),
        ("no-such-program --now", "exit code 127", "full path"),
        ("/etc/passwd", "exit code 126", "executable"),
        ("kill -9 $$", "ended by signal 9", "correct the command"),
        ("'", "exit code 2", "correct the command"),
    ],
)
async def test_one_that_fails_says_why_and_what_to_do(text, reason, cure):
    with pytest.raises(NoticeError) as caught:
        await command(text).deliver(message())
    assert reason in caught.value.reason
    assert cure in caught.value.cure


async def test_much_output_holds_nothing_up_and_its_end_is_told():
    with pytest.raises(NoticeError) as caught:
        await command("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo the end; exit 1").deliver(message())
    assert caught.value.reason.endswith("the end")
    assert len(caught.value.reason) < 400


@pytest.mark.parametrize("text", ["sleep 110 &", "yes & sleep 0.1"])
async def test_a_child_that_stays_behind_holds_nothing_up(text):
    with anyio.fail_after(PATIENCE):
        await command(text).deliver(message())


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="/proc is Linux's")
async def test_what_is_said_without_an_end_takes_no_room(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sizes = tmp_path.parent / "sizes"
    # What has no name any more takes room too: all that this process has open there.
    look = f"case $(readlink $one) in {tmp_path}/*) stat -Lc %s $one;; esac"
    await command(
        f"yes & sleep 0.5; for one in /proc/$PPID/fd/*; do {look}; done > {sizes}; kill $!"
    ).deliver(message())
    (size,) = sizes.read_text(encoding="utf-8").split()
    assert int(size) < 10_000, "there is the summary, and nothing else"


@pytest.mark.parametrize("prelude", ["", "trap '' TERM; "])
async def test_one_that_hangs_is_ended_with_all_that_it_started(tmp_path, prelude):
    pids = tmp_path / "pids"
    hanging = f"{prelude}sleep 60 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; sleep 60; sleep 60"
    async with anyio.create_task_group() as group:
        group.start_soon(command(hanging).deliver, message())
        await anyio.to_thread.run_sync(until, pids.exists)
        group.cancel_scope.cancel()
    started = [int(pid) for pid in pids.read_text(encoding="utf-8").split()]
    # Only the first is ours to wait for.
    await anyio.to_thread.run_sync(until, lambda: not any(_is_alive(pid) for pid in started))


async def test_what_it_started_may_clean_up_before_it_is_killed(tmp_path):
    ready, cleaned = tmp_path / "ready", tmp_path / "cleaned"
    cleaning = f"trap 'sleep 0.3; : > {cleaned}; exit' TERM; : > {ready}; while :; do sleep 1; done"
    async with anyio.create_task_group() as group:
        group.start_soon(command(f'sh -c "{cleaning}" & wait').deliver, message())
        await anyio.to_thread.run_sync(until, ready.exists)
        group.cancel_scope.cancel()
    assert cleaned.exists()


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_it_is_run_for_its_notices_alone_and_logs_do_not_show_it():
    hook = command(f"curl -H 'Authorization: {os.urandom(4).hex()}'")
    assert (hook.takes(Notice.END), hook.takes(Notice.FAILURE)) == (True, False)
    assert hook.name == "--on-end"
