"""How counts, durations and characters that are not to be seen are written."""

from __future__ import annotations

import pytest

from batchrun.model.texts.words import counted, seconds, some, spelt_out, stands


def test_one_is_one_and_others_are_several():
    assert [counted(number, "row") for number in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
    assert [counted(number, "entry", "entries") for number in (1, 2)] == ["1 entry", "2 entries"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.4, "0 s"),
        (89.4, "89 s"),
        (89.6, "2 min"),
        (5399, "90 min"),
        (5400, "1 h 30 min"),
        (7500, "2 h 05 min"),
        (47 * 3600, "47 h 00 min"),
        (48 * 3600, "2 d 0 h"),
        (273_600, "3 d 4 h"),
        (1_000 * 86_400, "1,000 d 0 h"),
    ],
)
def test_a_duration_is_as_exact_as_it_is_worth(value: float, text: str):
    assert seconds(value) == text


def test_what_is_not_named_is_told_of():
    assert [some([]), some(["a", "b"]), some(["a", "b"], 2), some(["a", "b"], 3)] == [
        "",
        "a, b",
        "a, b",
        "a, b, ...",
    ]
    assert [some(["a", "b"], most=most) for most in (1, 2, 3)] == ["a, ...", "a, b", "a, b"]
    assert some(["a", "b"], 2, most=1) == "a, ..."


def test_what_is_nowhere_is_not_told_of():
    assert stands({"running": 3, "queued": 0, "failed": 1}) == "3 running, 1 failed"
    assert stands({"running": 0}) == ""


def test_what_is_not_to_be_seen_is_spelt_out():
    assert spelt_out("Grüße") == "Grüße"
    assert spelt_out("a\x1b[31m\u202e\ud800\n") == "a\\x1b[31m\\u202e\\ud800\\n"
    assert spelt_out("two\nlines\x00", kept="\n") == "two\nlines\\x00"
