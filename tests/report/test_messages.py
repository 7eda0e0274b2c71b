from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from batchrun.report.figures import GAP, grouped


def told(*texts: str) -> list[tuple[str, int]]:
    return [(one.text, one.count) for one in grouped(Counter(texts))]


def test_what_differs_in_an_id_is_told_once():
    texts = [f"Run failed due to task: step_2, id: {id_}, failure." for id_ in (100001301, 100002901, 100003)]
    assert told(*texts) == [("Run failed due to task: step_2, id: …, failure.", 3)]


def test_of_a_path_what_is_common_stays():
    assert told("no s3://lab/NA12878/r.bam", "no s3://lab/NA12891/r.bam", "denied") == [
        ("no s3://lab/NA…/r.bam", 2),
        ("denied", 1),
    ]


def test_other_words_are_other_messages_and_the_most_frequent_comes_first():
    assert told("a", "b", "b", "a b", "") == [("b", 2), ("a", 1), ("a b", 1), ("", 1)]


def test_one_message_stays_as_it_is():
    assert told("id: 17\n  at 4", "id: 17\n  at 4") == [("id: 17\n  at 4", 2)]


@given(st.lists(st.text(alphabet="a1 \n/…\ud800", max_size=12), max_size=12))
def test_no_message_is_lost_and_none_gets_longer(texts):
    found = grouped(Counter(texts))
    assert sum(one.count for one in found) == len(texts)
    longest = max(map(len, texts), default=0)
    assert all(len(one.text) <= longest + one.text.count(GAP) for one in found)
