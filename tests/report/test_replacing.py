"""Files that are replaced as a whole, and what must not be replaced."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from batchrun.errors import UsageError
from batchrun.report.drafts import drafted, replacing
from batchrun.report.outputs import Kind, OutputFile

TEXT = Kind(what="a text", endings=(".txt",), is_one=lambda _path: True)


def output(path: Path) -> OutputFile:
    return OutputFile(path=path, kind=TEXT, option="-o FILE")


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path):
    path = tmp_path / "a.txt"
    with replacing(output(path)) as file:
        file.write("one")
    with pytest.raises(TypeError), replacing(output(path)) as file:
        file.writelines(["two", 3])  # type: ignore[list-item]
    assert path.read_text() == "one"
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]


def test_what_killed_processes_left_is_removed_a_day_later(tmp_path: Path):
    """Seen: results that were half written when a launch was killed stayed beside the whole ones for good."""
    others = {".batchrun-0011.new": 90_000, ".batchrun-0022.new": 80_000, "batchrun-1.new": 90_000}
    for name, age in others.items():
        (tmp_path / name).write_text("half")
        then = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (then, then))
    with replacing(output(tmp_path / "a.txt")) as file:
        file.write("one")
    left = {one.name for one in tmp_path.iterdir()}
    assert left == {"a.txt", ".batchrun-0022.new", "batchrun-1.new"}


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_a_new_file_has_the_mode_that_the_umask_leaves_and_an_old_one_keeps_its_own(
    tmp_path: Path, mask: int, mode: int
):
    path = tmp_path / "a.txt"
    before = os.umask(mask)
    try:
        with replacing(output(path)) as file:
            file.write("one")
        assert stat.S_IMODE(path.stat().st_mode) == mode
        path.chmod(0o640)
        with replacing(output(path)) as file:
            file.write("two")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="/proc is Linux's")
def test_what_stdout_leads_to_is_added_to_and_not_replaced(tmp_path: Path):
    path = tmp_path / "log.txt"
    path.write_text("before\n")
    with path.open("a") as file, replacing(output(Path(f"/proc/self/fd/{file.fileno()}"))) as out:
        out.write("after\n")
    assert path.read_text() == "before\nafter\n"


def test_what_is_no_file_is_written_and_stays_what_it_is(tmp_path: Path):
    """Seen: a converted manifest, costs or outputs took the place of a pipe, root's that of /dev/null."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with replacing(output(path)) as file:
            file.write("through")
        assert os.read(reader, 100) == b"through"
        with drafted(output(path)) as draft:
            draft.write_text("too")
        assert os.read(reader, 100) == b"too"
    finally:
        os.close(reader)
    assert path.is_fifo()


MORE = "more than a pipe holds\n" * 10_000


@pytest.fixture
def read_end(tmp_path: Path) -> int:
    """The reader's end of ``pipe``, to be closed."""
    os.mkfifo(tmp_path / "pipe")
    return os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)


def test_a_reader_that_has_enough_is_no_fault(tmp_path: Path, read_end: int):
    """Seen: "Broken pipe; free the place" of ``results -o /dev/stdout | head -1``."""
    with replacing(output(tmp_path / "pipe")) as file:
        file.write("one line\n")
        file.flush()
        assert os.read(read_end, 100) == b"one line\n"
        os.close(read_end)
        file.write(MORE)


def test_nor_is_one_that_has_enough_before_a_draft_is_done(tmp_path: Path, read_end: int):
    with drafted(output(tmp_path / "pipe")) as draft:
        draft.write_text(MORE)
        os.close(read_end)


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    refused = "pipe cannot be written: nobody reads it; give another -o FILE"
    with pytest.raises(UsageError, match=refused), replacing(output(path)):
        pass


def test_a_link_stays_one_and_what_it_leads_to_is_replaced(tmp_path: Path):
    (tmp_path / "there").mkdir()
    path, link = tmp_path / "there" / "a.txt", tmp_path / "link.txt"
    link.symlink_to(path)
    with replacing(output(link)) as file:
        file.write("one")
    assert link.is_symlink()
    assert path.read_text() == "one"
