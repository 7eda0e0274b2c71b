"""Long lines on a terminal."""

from __future__ import annotations

from batchrun.cli.speak import fitted

LINE = "  failed    FAILED s001 RUN_TASK_FAILED: see s3://bucket/a/very/long/place/without-any-gap and go on"


def test_a_line_that_fits_stays():
    assert fitted(LINE, len(LINE), 12) == LINE


def test_a_longer_one_is_broken_between_words_and_goes_on_where_its_text_began():
    assert fitted(LINE, 50, 12).split("\n") == [
        "  failed    FAILED s001 RUN_TASK_FAILED: see",
        "            s3://bucket/a/very/long/place/without-any-gap",
        "            and go on",
    ]
