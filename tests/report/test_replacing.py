"""Files that are replaced as a whole, and what must not be replaced."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from batchrun.report.replacing import replacing


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path):
    path = tmp_path / "a.txt"
    with replacing(path) as file:
        file.write("one")
    with pytest.raises(TypeError), replacing(path) as file:
        file.writelines(["two", 3])  # type: ignore[list-item]
    assert path.read_text() == "one"
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_no_file_is_written_and_stays_what_it_is(tmp_path: Path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(path.read_text()))
    reader.start()
    with replacing(path) as file:
        file.write("through")
    reader.join(10)
    assert read == ["through"]
    assert path.is_fifo()


def test_a_link_stays_one_and_what_it_leads_to_is_replaced(tmp_path: Path):
    (tmp_path / "there").mkdir()
    path, link = tmp_path / "there" / "a.txt", tmp_path / "link.txt"
    link.symlink_to(path)
    with replacing(link) as file:
        file.write("one")
    assert link.is_symlink()
    assert path.read_text() == "one"
