"""The file that settings are read from: which one, whose, what is no TOML, and where in it a key stands."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest

from batchrun.cli.settings.file import find, line_of, parsed
from batchrun.errors import UsageError


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("rate",), 2),
        (("run", "rate"), 5),
        (("run", "wait"), 6),
        (("make", "new", "region"), 9),
        (("make", "new"), 8),
        (("plan", "rate"), 3),
        (("nothing",), None),
    ],
)
def test_where_a_key_stands(keys, line):
    text = (
        "# rate = 0\nrate = 1\nplan.rate = 2\n[run] # rate = 9\n 'rate' = 3\n"
        '"wait" = "1s"\n\n[ make . new ]\nregion="x"\n'
    )
    tomllib.loads(text)
    assert line_of(text, keys) == line


def test_a_line_that_is_not_certain_is_not_told():
    text = 'note = """\nrate = 1\n"""\nrate = 2\n'
    assert line_of(text, ("rate",)) is None


# The file


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = \n", "x.toml:1:5: this is not TOML: Invalid value"),
        ('a = "x', "x.toml: this is not TOML: Unterminated string"),
        ("a = " + "[" * 100_000, "x.toml: lists or tables are nested too deeply"),
        ("a = " + "9" * 5000, "x.toml: this is not TOML: "),
        ("a = 1\n[a.b]\n", "each name is used once, for a value or for a table"),
        ("\ufeffa = 1\n", "x.toml:1:1: this is not TOML"),
    ],
    ids=["value", "end", "nesting", "digits", "twice", "byte order mark"],
)
def test_what_is_not_toml_is_told_with_its_place(text, told):
    with pytest.raises(UsageError) as error:
        parsed("x.toml", text)
    assert told in str(error.value)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_file_there_are_no_settings_and_none_is_looked_for_above(here: Path, monkeypatch):
    (here / "batchrun.toml").write_text("rate = 1\n", encoding="utf-8")
    (here / "below").mkdir()
    monkeypatch.chdir(here / "below")
    assert find(None) is None


def test_a_pyproject_of_others_is_left_alone_whatever_is_in_it(here: Path):
    (here / "pyproject.toml").write_text("this is [not TOML", encoding="utf-8")
    assert find(None) is None
    (here / "pyproject.toml").write_text("[project]\ndependencies = ['batchrun']\n", encoding="utf-8")
    assert find(None) is None


def test_settings_in_a_pyproject_are_its_own_table(here: Path):
    (here / "pyproject.toml").write_text(
        "[tool.ruff]\nrate = 1\n[tool.batchrun]\nrate = 2\n[tool.batchrun.run]\nrate = 3\n", encoding="utf-8"
    )
    found = find(None)
    assert found is not None
    assert found.table == {"rate": 2, "run": {"rate": 3}}
    assert found.place(("rate",)) == "pyproject.toml:4"
    assert found.place(("run", "rate")) == "pyproject.toml:6"


@pytest.mark.parametrize("text", ["tool = 1 # batchrun", "[tool]\nbatchrun = 1"])
def test_settings_in_a_pyproject_must_be_a_table(here: Path, text):
    (here / "pyproject.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"write \[tool.batchrun\]"):
        find(None)


def test_settings_in_both_files_are_an_error_and_an_empty_one_is_none(here: Path):
    (here / "pyproject.toml").write_text("[tool.batchrun]\nrate = 2\n", encoding="utf-8")
    (here / "batchrun.toml").write_text("# nothing yet\n", encoding="utf-8")
    found = find(None)
    assert found is not None
    assert found.path == "pyproject.toml"
    (here / "batchrun.toml").write_text("rate = 1\n", encoding="utf-8")
    with pytest.raises(UsageError, match="both have settings"):
        find(None)


def test_a_file_that_is_none_is_refused(here: Path):
    path = here / "batchrun.toml"
    path.mkdir()
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        find(None)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(UsageError, match="not a regular file"):
        find(None)
    with pytest.raises(UsageError, match="not a regular file"):
        find("batchrun.toml")
    with pytest.raises(UsageError, match="there is no file nope"):
        find("nope")
    with pytest.raises(UsageError, match="cannot be read"):
        find("a\0b")


def test_a_byte_order_mark_is_no_part_of_the_settings(here: Path):
    (here / "batchrun.toml").write_text("rate = 1\n", encoding="utf-8-sig")
    found = find(None)
    assert found is not None
    assert (found.table, found.place(("rate",))) == ({"rate": 1}, "batchrun.toml:1")


def test_a_file_that_is_too_large_or_no_text_is_refused(here: Path):
    path = here / "batchrun.toml"
    path.write_bytes(b"# " + b"x" * 300_000)
    with pytest.raises(UsageError, match="more than 256 KiB"):
        find(None)
    path.write_bytes(b"rate = 1\n# \xff\n")
    with pytest.raises(UsageError, match=r"batchrun.toml:2: this is not UTF-8"):
        find(None)


def test_a_file_that_anybody_could_have_written_is_refused_unless_it_is_named(here: Path):
    path = here / "batchrun.toml"
    path.write_text("rate = 1\n", encoding="utf-8")
    path.chmod(0o666)
    with pytest.raises(UsageError, match="everyone on this machine can write to it"):
        find(None)
    found = find("batchrun.toml")
    assert found is not None
    assert found.is_named


def test_a_strangers_file_in_a_directory_for_all_is_refused(here: Path, monkeypatch):
    path = here / "batchrun.toml"
    path.write_text("rate = 1\n", encoding="utf-8")
    path.chmod(0o644)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    monkeypatch.setattr(os, "fstat", as_if_owned_by(4242))
    assert find(None) is not None, "a colleague's, where only colleagues write"
    here.chmod(0o1777)
    with pytest.raises(UsageError, match="belongs to another user"):
        find(None)


def as_if_owned_by(user: int):
    real = os.fstat

    def fstat(descriptor: int) -> os.stat_result:
        found = list(real(descriptor))
        found[stat.ST_UID] = user
        return os.stat_result(found)

    return fstat
