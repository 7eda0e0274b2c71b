"""What is built and installed is whole: from a tag to the command in an environment of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: A requirement, and the oldest version that it takes.
_FLOOR = re.compile(r"(?P<name>[\w-]+)>=(?P<version>[\d.]+)")
#: Tests of what these libraries do otherwise from one version to the next.
_TOUCHY = (
    "tests/service/test_http.py",
    "tests/service/test_files_in_s3.py::test_nobody_is_led_elsewhere",
    "tests/manifest/test_workbooks.py::test_a_hidden_worksheet_is_taken_only_when_it_is_named",
    "tests/manifest/test_workbooks.py::test_which_of_several_is_asked",
)
_SOURCES = ("batchrun", "manifests", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", ".gitignore")


def _said(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    who = {f"GIT_{one}_{what}": "x@y" for one in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        command, cwd=cwd, env=environment | who, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
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


@pytest.mark.long
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


@pytest.mark.long
def test_the_oldest_of_what_it_stands_on_is_enough(tmp_path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stands_on = [*project["dependencies"], *project["optional-dependencies"]["excel"]]
    oldest = [f"{one['name']}=={one['version']}.*" for one in map(_FLOOR.match, stands_on) if one]
    assert len(oldest) == len(stands_on)
    python = _environment(tmp_path / "venv")
    _said(sys.executable, "-m", "pip", "--python", python, "install", "-q", *oldest, cwd=ROOT)
    _said(python, "-m", "batchrun", "demo", cwd=ROOT)
    _said(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *_TOUCHY, cwd=ROOT)


def _assert_complete(wheel: Path, checkout: Path) -> None:
    there = {path for name in ("batchrun", "manifests") for path in (checkout / name).rglob("*")}
    wanted = {str(path.relative_to(checkout)) for path in there if path.is_file()}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == {name if name.startswith("batchrun/") else f"batchrun/{name}" for name in wanted}
    assert {"batchrun/_built.py", "batchrun/help/manifest.md", "batchrun/manifests/cohort.yaml"} <= packed


def _installed(wheel: Path, place: Path) -> Path:
    """Install it as pipx would, but for what it depends on."""
    python = _environment(place)
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
    return place / "bin" / "batchrun"


def _environment(place: Path) -> Path:
    """Make an environment that is lent what it does not have by this one, and return its Python."""
    _said(sys.executable, "-m", "venv", "--without-pip", place, cwd=ROOT)
    python = place / "bin" / "python"
    packages = _said(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=ROOT)
    (Path(packages.strip()) / "lent.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return python
