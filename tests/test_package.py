"""What is built and installed is whole: from a tag to the command in an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_SOURCES = ("batchrun", "manifests", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", ".gitignore")


def _said(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    who = {f"GIT_{one}_{what}": "x@y" for one in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        command, cwd=cwd, env=environment | who, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _hatchling(*arguments: str | Path, cwd: Path) -> str:
    return _said(sys.executable, "-m", "hatchling", *arguments, cwd=cwd)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The sources that git would have, outside of any git."""
    made = tmp_path / "checkout"
    made.mkdir()
    for name in _SOURCES:
        if (ROOT / name).is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "_built.py", "*.results.csv", "*.db*")
            shutil.copytree(ROOT / name, made / name, ignore=left_out)
        else:
            shutil.copy(ROOT / name, made)
    return made


def _commit(checkout: Path, *tags: str) -> None:
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"], *(["tag", tag] for tag in tags)):
        _said("git", *command, cwd=checkout)


def test_the_version_is_the_tags_and_without_one_it_is_older_than_any(checkout):
    assert _hatchling("version", cwd=checkout) == "0.0\n"
    _commit(checkout)
    assert _hatchling("version", cwd=checkout).startswith("0.1.dev1+g")


def test_a_wheel_made_of_the_sdist_installs_and_runs(checkout, tmp_path):
    _commit(checkout, "v9.8.7")
    _hatchling("build", "-t", "sdist", "-d", tmp_path, cwd=checkout)
    with tarfile.open(tmp_path / "batchrun-9.8.7.tar.gz") as sdist:
        sdist.extractall(tmp_path, filter="data")
    _hatchling("build", "-t", "wheel", "-d", tmp_path, cwd=tmp_path / "batchrun-9.8.7")
    wheel = tmp_path / "batchrun-9.8.7-py3-none-any.whl"
    _assert_complete(wheel, checkout)

    batchrun = _installed(wheel, tmp_path / "venv")
    home = tmp_path / "home"
    home.mkdir()
    assert _said(batchrun, "--version", cwd=home) == "batchrun 9.8.7\n"
    assert _said(batchrun, "help", "manifest", cwd=home).startswith("# ")
    assert "50 succeeded" in _said(batchrun, "demo", cwd=home)


def _assert_complete(wheel: Path, checkout: Path) -> None:
    there = {path for name in ("batchrun", "manifests") for path in (checkout / name).rglob("*")}
    wanted = {str(path.relative_to(checkout)) for path in there if path.is_file()}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == {name if name.startswith("batchrun/") else f"batchrun/{name}" for name in wanted}
    assert {"batchrun/_built.py", "batchrun/help/manifest.md", "batchrun/manifests/cohort.yaml"} <= packed


def _installed(wheel: Path, place: Path) -> Path:
    """Install it as pipx would, but for what it depends on: that is lent by this environment."""
    _said(sys.executable, "-m", "venv", "--without-pip", place, cwd=ROOT)
    python = place / "bin" / "python"
    _said(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "-q",
        "--no-index",
        "--no-deps",
        wheel,
        cwd=ROOT,
    )
    packages = _said(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=ROOT)
    (Path(packages.strip()) / "lent.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return place / "bin" / "batchrun"
