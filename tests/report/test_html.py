from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from batchrun.errors import ReportError, UsageError
from batchrun.model.paces.handing_on import Learned, Phase
from batchrun.ports.stored import KeptPace, TaskFailures
from batchrun.report.gathering import RowStanding, StartCalls
from batchrun.report.html import IDS, inert, render, span, utc
from tests.report.samples import HOSTILE, T0, at, attempt, hostile, report, row, rows, write

VOID = {"meta", "input", "img", "br"}


class Reader(HTMLParser):
    """What a page consists of, read as a browser reads it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.contents: dict[str, list[str]] = {"script": [], "style": []}
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, "each element is closed"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)
        if tag in self.contents:
            self.contents[tag].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        inside = self._open[-1] if self._open else ""
        if inside in self.contents:
            self.contents[inside][-1] += data
        else:
            self.text += data

    @property
    def policy(self) -> str:
        (policy,) = (value for name, value in self.attributes if name == "content" and "src" in (value or ""))
        return policy or ""


def page(*rows_, **facts) -> Reader:
    return Reader(render(report(list(rows_), **facts)))


def words(reader: Reader) -> str:
    return " ".join(reader.text.split())


def digest(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_policy_names_each_script_and_style_and_allows_nothing_else():
    reader = page(*rows(10))
    data, *scripts = reader.contents["script"]
    assert json.loads(data)["ids"][0] == "NA00000"
    assert reader.policy == (
        "default-src 'none'; "
        f"script-src {' '.join(map(digest, scripts))}; "
        f"style-src {' '.join(map(digest, reader.contents['style']))}; "
        "base-uri 'none'; form-action 'none'"
    )


def test_nothing_is_loaded_and_no_attribute_is_code():
    reader = page(*rows(10))
    for name, value in reader.attributes:
        assert name not in {"src", "srcset", "style", "action"}
        assert not name.startswith("on")
        assert name != "href" or (value or "").startswith("#")
    assert not set(reader.tags) & {"link", "img", "iframe", "object", "embed", "base", "form"}


def test_hostile_text_makes_no_element_no_attribute_and_no_other_script():
    tame, wild = page(*rows(10)), Reader(render(hostile()))
    assert set(wild.tags) <= set(tame.tags) | {"div", "q", "article"}
    assert {name for name, _ in wild.attributes} <= {name for name, _ in tame.attributes} | {"open"}
    assert wild.contents["script"][1:] == tame.contents["script"][1:]
    assert wild.policy == tame.policy
    assert HOSTILE[0] in wild.text
    assert HOSTILE[3] in wild.text


def test_hostile_text_shows_what_is_there_and_can_be_written(tmp_path):
    write(tmp_path / "x.html", hostile())
    text = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert not re.search("[\x00-\x09\x0b-\x1f\u200b\u202e\u2066\u2028\ud800-\udfff]", text)
    assert r"a\u202egnp.exe\u2066\u200b\x1b[31m\x00\u2028b" in text
    assert "x" * 301 not in Reader(text).text


def test_scripts_show_text_as_text_alone():
    *_, ours = page(*rows(1)).contents["script"]
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
        "fetch(",
    ):
        assert word not in ours


def test_the_verdict():
    assert "The batch has no rows." in words(page())
    assert "Finished: all 1 row succeeded." in words(page(row("a")))
    assert "Finished: 1 of 2 rows succeeded, 1 did not." in words(
        page(row("a"), row("b", RowStanding.REFUSED))
    )
    going = words(page(row("a"), row("b", RowStanding.FAILED), row("c", RowStanding.QUEUED)))
    assert "In progress: 2 of 3 rows ended, 1 of them not successfully." in going


def test_old_news_are_told_as_such_while_there_is_work_left():
    calls = StartCalls(sent=1, last_event=at(0))
    going = row("a", RowStanding.RUNNING, created=at(0), started=at(1))
    assert "last heard of this batch at 2026-11-06 17:00:00, 12 h 00 min before" in words(
        page(going, calls=calls)
    )
    assert "Out of date" not in words(page(going, calls=calls, hours=0.5))
    assert "Out of date" not in words(page(row("a"), calls=calls))


def test_failures_have_their_ids_messages_and_what_to_do():
    many = [
        row(f"NA{place:05}", RowStanding.FAILED, reason="IMPORT_FAILED", message="404")
        for place in range(IDS + 9)
    ]
    told = words(page(*many))
    assert f"IMPORT_FAILED failed, {IDS + 9} rows" in told
    assert "Whose job: you. Next: check that each input exists" in told
    assert f"The {IDS + 9} ids" in told
    assert "NA00199" in told
    assert "NA00200" not in told
    assert "and 9 more, in the table" in told


def test_failures_tell_which_tasks_failed_and_why():
    many = [row(f"NA{place}", RowStanding.FAILED, reason="RUN_TASK_FAILED") for place in range(3)]
    why = TaskFailures(
        run_reason="RUN_TASK_FAILED", reason="OUT_OF_MEMORY_ERROR", rows=2, names=2, name="align"
    )
    other = replace(why, reason=None, rows=1, names=0, name=None)
    elsewhere = replace(why, run_reason="IMPORT_FAILED", reason="TASK_TIMED_OUT")
    told = words(page(*many, tasks=(why, other, elsewhere)))
    assert "OUT_OF_MEMORY_ERROR in 2 rows (align and others). For the workflow's author: give the" in told
    assert "no reason given in 1 row" in told
    assert "TASK_TIMED_OUT" not in told
    assert "Failed tasks" not in words(page(*many))


def test_what_was_tried_again_is_told_as_such():
    past = attempt(RowStanding.FAILED, reason="SERVICE_ERROR", message="again")
    told = words(page(row("a", RowStanding.SUCCEEDED, past)))
    assert "SERVICE_ERROR failed, no row any more 1 earlier attempt ended so, and was followed by" in told
    assert "Whose job" not in told


def test_calls_are_told_with_their_codes():
    calls = StartCalls(
        sent=7,
        accepted=5,
        found=1,
        doubted=Counter({"ReadTimeoutError": 2, "500": 1}),
        first_accepted=T0,
        last_accepted=T0,
    )
    told = words(page(*rows(3), calls=calls))
    assert "Submissions begun7 Runs accepted5 " in told
    assert "3 (ReadTimeoutError 2, 500 1)" in told


def test_limits_that_throttling_taught_are_told_and_that_there_were_none():
    assert "No limit was learned from throttling since the batch began." in words(page(*rows(1)))
    learned = Learned(phase=Phase.HOLDING, base=4.987, cut=0.1, span=9, passed=0, burst=5)
    pace = KeptPace(account="https://omics default", operation="StartRun", learned=learned, at=T0)
    told = words(Reader(render(replace(report(rows(1)), paces=[pace]))))
    assert "StartRun4.99measured2026-11-06 17:00:00https://omics default" in told


def test_uplot_comes_with_its_licence():
    reader = page(*rows(1))
    assert "https://github.com/leeoniya/uPlot (v1.6.32)" in reader.contents["script"][1]
    assert "Copyright (c) 2022 Leon Sorokin" in reader.text


def test_the_file_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / "r.html"
    write(path, report(rows(3)))
    write(path, report(rows(2)))
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    with pytest.raises(ReportError, match=r"batchrun report -o FILE"):
        write(Path("/dev/full"), report(rows(3)))
    path.write_text("<!DOCTYPE html> somebody else's")
    with pytest.raises(UsageError, match="is not replaced"):
        write(path, report(rows(3)))
    assert [one.name for one in tmp_path.iterdir()] == ["r.html"]


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(0.02, "1.2 s"), (1, "60 s"), (3, "3 min"), (125, "2 h 05 min"), (60 * 76, "3 d 4 h"), (-1, "0.0 s")],
)
def test_durations_are_written_for_people(minutes, text):
    assert span(at(minutes) - T0) == text


def test_what_is_not_known_is_a_dash():
    assert span(None) == utc(None) == "\N{EN DASH}"
    assert inert("a\nb") == "a\nb"
