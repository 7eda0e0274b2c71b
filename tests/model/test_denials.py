"""Whether a permission is lacking for one entry alone, or for the launch as a whole."""

from __future__ import annotations

import pytest

from batchrun.model.planning.denials import Denials, denied_at
from tests.builders import at


def test_several_denied_entries_in_a_row_are_systemic():
    denials = Denials()
    denials.passed()
    assert [denials.denied(one) for one in "abc"] == [False, False, True]


def test_a_success_in_between_clears_the_count():
    denials = Denials()
    assert not denials.denied("a")
    denials.passed()
    assert [denials.denied(one) for one in ("a", "b", "b", "a")] == [False] * 4


def test_the_only_entry_denied_again_and_again_before_anything_passed_is_systemic():
    denials = Denials()
    assert [denials.denied("a") for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize(
    ("kinds", "when"),
    [
        ("i", []),
        ("idid", [1, 3]),
        ("idiqidid", [5, 7]),
        ("idiq", []),
        ("idrid", [4]),
        ("idii", [1]),
        ("idmidmd", [1, 4, 6]),
    ],
)
def test_an_entry_has_been_denied_since_the_first_denial_after_all_else(kinds, when):
    denied, full = ("deferred", '{"code": "403"}'), ("deferred", '{"code": "402"}')
    events = {"d": denied, "q": full, "i": ("intended", "{}"), "r": ("retried", "{}"), "m": ("moved", "{}")}
    history = [(at(number), 1, *events[kind]) for number, kind in enumerate(kinds)]
    assert denied_at("403", history) == [at(number) for number in when]
