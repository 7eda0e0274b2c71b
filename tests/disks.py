"""Small disks, and filling them."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest


@contextlib.contextmanager
def mounted(place: Path, size: str):
    """Have a real file system of this *size* at *place*; skip the test where nobody may make one."""
    place.mkdir()
    with _mounted("-t", "tmpfs", "-o", f"size={size}", "batchrun-test", str(place)):
        yield place


@contextlib.contextmanager
def mounted_alone(file: Path, place: Path):
    """Have *file* at *place* too, as containers are given one; skip the test where nobody may do that."""
    place.touch()
    with _mounted("--bind", str(file), str(place)):
        yield place


@contextlib.contextmanager
def _mounted(*what: str):
    mount = ["mount", *what]
    done = (
        subprocess.run(mount, capture_output=True, text=True, check=False) if shutil.which("mount") else None
    )
    if done is None or done.returncode:
        pytest.skip("this machine does not let us mount anything")
    try:
        yield
    finally:
        subprocess.run(["umount", what[-1]], check=True)


def fill_up(file: Path) -> None:
    """Take all the room that there is."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass
