"""The scripts of a checkout: which Python they take on a machine that has several, or none that will do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: One that says which it is, and makes no venv.
_PYTHON = """\
#!/bin/sh
case "$1" in
  -V) echo "Python {version}" ;;
  -c) exit {is_too_old} ;;
  *) echo "asked to make a venv" >&2; exit 9 ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs, without any Python yet, beside a checkout."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "dirname", "cat", "tr", "cksum", "rm"):
        (programs / name).symlink_to(shutil.which(name) or name)
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "venv", tmp_path / "scripts")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return programs


def _add_python(programs: Path, name: str, version: str) -> Path:
    _, minor, _ = version.split(".")
    program = programs / name
    program.write_text(_PYTHON.format(version=version, is_too_old=int(int(minor) < 11)))
    program.chmod(0o755)
    return program


def _made(programs: Path, **environment: str) -> str:
    done = subprocess.run(
        [programs.parent / "scripts" / "venv"],
        env={"PATH": str(programs), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode
    return done.stderr


@pytest.mark.parametrize("minor", range(11, 16))
def test_a_python_is_found_that_only_has_its_own_name(machine, minor):
    _add_python(machine, f"python3.{minor}", f"3.{minor}.2")
    assert f"with Python 3.{minor}.2;" in _made(machine)


def test_the_usual_python_is_taken_unless_it_is_too_old_and_then_the_newest(machine):
    _add_python(machine, "python3.14", "3.14.10")
    _add_python(machine, "python3.11", "3.11.7")
    _add_python(machine, "python3", "3.9.18")
    assert "with Python 3.14.10;" in _made(machine)
    _add_python(machine, "python3", "3.12.1")
    assert "with Python 3.12.1;" in _made(machine)


def test_the_python_that_is_asked_for_is_taken_or_none(machine, tmp_path):
    _add_python(machine, "python3", "3.12.1")
    folder = tmp_path / "of mine"
    folder.mkdir()
    mine = _add_python(folder, "python", "3.13.0")
    assert "with Python 3.13.0;" in _made(machine, PYTHON=str(mine))
    mine.unlink()
    assert f"and {mine} is not there; set PYTHON to one" in _made(machine, PYTHON=str(mine))


def test_an_active_venv_is_not_made_with_itself(machine, tmp_path):
    """Seen: scripts/demo from an active .venv made it anew, without what tests and checks need."""
    _add_python(machine, "python3", "3.12.1")
    active = tmp_path / ".venv" / "bin"
    active.mkdir(parents=True)
    _add_python(active, "python3", "3.13.9")
    assert "with Python 3.12.1;" in _made(machine, PATH=f"{active}:{machine}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_checkout_of_somebody_else_is_left_as_it_is_with_a_word(machine, tmp_path):
    _add_python(machine, "python3", "3.12.1")
    tmp_path.chmod(0o555)
    try:
        told = _made(machine)
    finally:
        tmp_path.chmod(0o755)
    assert told == (
        f"scripts/venv: {tmp_path} cannot be written; make a clone of your own, or have its owner run "
        "scripts/venv run with Python 3.12.1\n"
    )


def test_a_machine_with_nothing_but_an_old_python_is_told_which_it_has(machine):
    _add_python(machine, "python3", "3.9.18")
    assert "needs Python 3.11 or newer, and python3 is Python 3.9.18; set PYTHON to one" in _made(machine)
