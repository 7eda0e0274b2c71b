"""Whether a permission is lacking for one entry alone, or for the launch as a whole."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from batchrun.model.entries.entry import Entry
from batchrun.model.planning.denials import (
    Denials,
    Extent,
    denied_at,
    judging_lanes,
    no_resources,
    resources_of,
    uses_of,
    waiting_as,
)
from batchrun.model.spec import canonical
from tests.builders import at, offers, planned


def using(entry_id: str, role: str = "role", *, lanes: Sequence[str] = ()) -> Entry:
    request = canonical({"roleArn": role, "workflowId": "1", "name": entry_id})
    return replace(planned(entry_id), request=request, offers=offers(*lanes) if lanes else None)


def judged(denials: Denials, *words: str, lanes: Sequence[str] = ()) -> list[Extent]:
    """Return what denials of entries mean, each as "id" or "id:role"; "+id" is one that is allowed."""
    found = []
    for word in words:
        entry = using(*word.lstrip("+").split(":"), lanes=lanes)
        if word.startswith("+"):
            denials.passed(entry)
        else:
            found.append(denials.denied(entry))
    return found


@pytest.mark.parametrize(
    ("words", "last"),
    [
        ("a b", Extent.ENTRY),
        ("a b c", Extent.RESOURCES),
        ("+x a b c", Extent.RESOURCES),
        ("a +x b b a", Extent.ENTRY),
        ("a +x:other b c", Extent.RESOURCES),
        ("a a a", Extent.RESOURCES),
        ("+x a a a a", Extent.ENTRY),
        ("a b:other a", Extent.ENTRY),
        ("a b:other c:third", Extent.ENTRY),
        ("a b:other a b:other a", Extent.RESOURCES),
        ("+x:other a b a b a b a b", Extent.ENTRY),
        ("+x:other a b a b a b a b a", Extent.RESOURCES),
        (" ".join(f"{n}:{n}" for n in range(9)), Extent.ENTRY),
        (" ".join(f"{n}:{n}" for n in range(10)), Extent.LANE),
        ("a b:other +x:fourth c:third", Extent.ENTRY),
    ],
)
def test_how_far_a_denial_reaches(words, last):
    assert judged(Denials(), *words.split())[-1] is last


def test_entries_that_may_go_to_other_lanes_count_as_others_do():
    """Seen: three of them in a row closed the lane for all others, in each launch again."""
    assert judged(Denials(), *"abc", lanes=["east", "west"])[-1] is Extent.RESOURCES
    assert judged(Denials(), "+x", *"aaaa", lanes=["east", "west"])[-1] is Extent.ENTRY


def test_what_is_allowed_for_all_or_for_none_is_denied_for_all():
    denials = Denials(no_resources, most=math.inf)
    assert judged(denials, "a", "b:other", "+x:third", "c", "d:other", "e:third")[-1] is Extent.RESOURCES
    assert judged(denials, "+x", "c", "d")[-1] is Extent.ENTRY
    assert {*judged(denials, "+x", *"cdcdcdcd")} == {Extent.ENTRY}


def test_the_resources_of_a_request_are_those_that_it_names():
    entry = replace(
        using("a"), request=canonical({"workflowId": "7", "runGroupId": "3", "outputUri": "s3://x"})
    )
    assert resources_of(entry) == (("workflowId", "7"), ("runGroupId", "3"))
    uses = uses_of(entry)
    assert {name: value for name, value in uses.items() if value is not None} == dict(resources_of(entry))
    assert uses["roleArn"] is None


def test_an_entry_waits_for_the_lanes_that_it_may_take_with_what_it_uses_in_the_first():
    pinned = using("a", "role", lanes=["west"])
    assert waiting_as(pinned) == (("west",), uses_of(pinned))
    free = replace(using("a"), offers=offers("east", "west", roleArn="usual"), lane="west")
    lanes, uses = waiting_as(free)
    assert (lanes, uses["roleArn"]) == (("east", "west"), "usual")
    assert uses.keys() == uses_of(free).keys()


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


@pytest.mark.parametrize(
    ("happened", "lanes"),
    [
        ("", ["west"]),
        ("east:throttled", ["west"]),
        ("west:403", ["west"]),
        ("east:403", ["east", "west"]),
        ("east:403 west:403", ["east", "west"]),
        ("east:403 west:throttled", ["west"]),  # which is another story than the denial before
    ],
)
def test_starts_in_other_lanes_count_once_each_lane_has_denied_the_entry(happened, lanes):
    """Seen: runs that west had started counted against a row that east alone had denied."""
    history = []
    for number, (lane, code) in enumerate(word.split(":") for word in happened.split()):
        history += [
            (at(number), 1, "intended", json.dumps({"lane": lane})),
            (at(number), 1, "deferred", json.dumps({"code": code})),
            (at(number), 1, "moved", "{}"),
        ]
    entry = replace(planned("a"), offers=offers("east", "west", name="cohort-a"))
    before = denied_at("403", history)
    assert [*judging_lanes(entry, "west", before, history)] == lanes
    assert [*judging_lanes(planned("b"), None, [], [])] == [None]
