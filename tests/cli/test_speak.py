"""Long lines on a terminal, and characters that a stream's encoding does not have."""

from __future__ import annotations

import io
import json
import sys

import pytest

from batchrun.cli.speak import (
    complain,
    complain_in_json,
    emit,
    explain,
    fitted,
    poured,
    say,
    spell_out,
    write,
)

LINE = "  failed    FAILED s001 RUN_TASK_FAILED: see s3://bucket/a/very/long/place/without-any-gap and go on"


def test_a_line_that_fits_stays():
    assert fitted(LINE, len(LINE), 12) == LINE


def test_a_longer_one_is_broken_between_words_and_goes_on_where_its_text_began():
    assert fitted(LINE, 50, 12).split("\n") == [
        "  failed    FAILED s001 RUN_TASK_FAILED: see",
        "            s3://bucket/a/very/long/place/without-any-gap",
        "            and go on",
    ]


def test_foreign_text_is_safe_to_show_in_json_too(monkeypatch):
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    complain_in_json(is_wanted=True)
    complain("batchrun: run \x9b2J\u202e of cohort")
    complain_in_json(is_wanted=False)
    assert told.getvalue().strip().isprintable()
    said = json.loads(told.getvalue())
    assert (said["level"], said["message"]) == ("error", r"run \x9b2J\u202e of cohort")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_nothing_is_lost_for_want_of_a_character(monkeypatch, encoding):
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding))
    spell_out()
    say("sample \u00c4\u6f22 \ud800")
    emit("outputs", id="\u6f22\U0001f9ec", message="\ud800")
    write(sys.stdout, "the end\n")
    text, told, end = out.getvalue().decode(encoding).splitlines()
    assert text.startswith("sample ")
    assert (json.loads(told)["id"], json.loads(told)["message"]) == ("\u6f22\U0001f9ec", "\ud800")
    assert end == "the end"
    with poured(lambda _place, error: error) as stdout:
        stdout.write("id\n\u6f22\n")
    assert out.getvalue().endswith("id\n\u6f22\n".encode())  # as a file would have it


class Narrow(io.StringIO):
    """A terminal of 40 columns."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "a.csv:1: id: this is no manifest but a sheet; then run: batchrun check a.csv --mark ';' -i b",
            [
                "a.csv:1: id: this is no manifest but a",
                "  sheet; then run:",
                "  batchrun check a.csv --mark ';' -i b",
            ],
        ),
        (
            "x: for all rows, run: batchrun check M; for one run, run: batchrun check --each-file x\nsecond",
            [
                "x: for all rows, run:",
                "  batchrun check M",
                "  for one run, run:",
                "  batchrun check --each-file x",
                "second",
            ],
        ),
    ],
)
def test_on_a_terminal_a_command_stands_on_a_line_of_its_own(monkeypatch, text, told):
    monkeypatch.setenv("COLUMNS", "40")
    for stream, wanted in ((Narrow(), told), (io.StringIO(), text.split("\n"))):
        monkeypatch.setattr("sys.stderr", stream)
        explain(text)
        assert stream.getvalue() == "".join(f"{line}\n" for line in wanted)
