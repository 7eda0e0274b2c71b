from __future__ import annotations

import json
from typing import Any

from batchrun.report.packing import TEXT, packed, script_text
from batchrun.report.rows import Standing
from batchrun.report.timeline import timeline
from tests.report.samples import HOSTILE, T0, at, attempt, row, rows


def pack(*rows_) -> Any:
    return json.loads(script_text(packed(rows_, timeline(rows_, at(60)), at(60))))


def test_no_runs():
    found = pack()
    assert (found["ids"], found["runs"]["uuid"], found["timeline"]["at"]) == ([], [], [])


def test_words_are_kept_once_and_uris_from_where_they_differ():
    runs = pack(
        row("a", output_uri="s3://b/x/1", message="m"),
        row("b", Standing.FAILED, output_uri="s3://b/x/22", message="m"),
        row("c", Standing.PLANNED, uuid=None),
    )["runs"]
    assert runs["uri"] == {"start": "s3://b/x/", "rest": ["1", "22", None]}
    assert runs["message"] == {"words": ["m", None], "at": [0, 0, 1]}
    assert runs["standing"] == [0, 1, 8]


def test_times_are_seconds_since_the_first():
    past = attempt(Standing.FAILED, created=at(-1))
    found = pack(row("a", Standing.RUNNING, past, created=at(0), started=at(0.01)))
    assert found["base"] == at(-1).timestamp()
    assert (found["runs"]["created"], found["runs"]["started"], found["at"]) == ([60.0], [60.6], 3660.0)
    assert found["earlier"]["row"] == [0]


def test_script_text_is_ascii_and_holds_nothing_that_ends_a_script():
    text = script_text(list(HOSTILE))
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert json.loads(text) == list(HOSTILE)


def test_long_texts_are_cut_and_many_long_messages_more_so():
    found = pack(row("x" * 10_000, message="y" * 10_000, reason="z" * 10_000))
    assert found["ids"] == ["x" * TEXT + "…"]
    assert found["runs"]["message"]["words"] == ["y" * TEXT + "…"]
    many = [row(str(place), Standing.FAILED, message=f"{place:05}" * 2_000) for place in range(20_000)]
    assert len(script_text(packed(many, timeline(many, T0), T0))) < 6_000_000


def test_20_000_runs_take_little_room():
    of = rows(20_000)
    assert len(script_text(packed(of, timeline(of, at(600)), at(600)))) < 4_000_000
