"""Whether a permission is lacking for one entry alone, or for the launch as a whole."""

from __future__ import annotations

import pytest

from batchrun.model.planning.denials import Denials, denied_since, has_been_denied
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
    ("kinds", "since"),
    [("i", None), ("idid", 1), ("idiqidid", 5), ("idiq", None), ("idrid", 4), ("idii", 1), ("idmid", 1)],
)
def test_an_entry_has_been_denied_since_the_first_denial_after_all_else(kinds, since):
    denied, full = ("deferred", '{"code": "403"}'), ("deferred", '{"code": "402"}')
    events = {"d": denied, "q": full, "i": ("intended", "{}"), "r": ("retried", "{}"), "m": ("moved", "{}")}
    history = [(at(number), 1, *events[kind]) for number, kind in enumerate(kinds)]
    assert denied_since("403", history) == (None if since is None else at(since))


@pytest.mark.parametrize(("kinds", "expected"), [("dmdm", False), ("dmdmd", True), ("dmdrdm", False)])
def test_an_entry_denied_in_a_row_as_often_as_stops_a_launch_stays_in_its_lane(kinds, expected):
    events = {"d": ("deferred", '{"code": "403"}'), "r": ("retried", "{}"), "m": ("moved", "{}")}
    history = [(at(number), 1, *events[kind]) for number, kind in enumerate(kinds)]
    assert has_been_denied("403", history) is expected
