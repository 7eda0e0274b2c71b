"""What a listing says of a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchrun.model.planning.listing import Listed, after_listing, is_same_run, shows_going
from tests.builders import active, at, run


def listed(status: str = "RUNNING", **fields) -> Listed:
    return replace(Listed(id="1000001", status=status, name="cohort-a", creation_time=at(1)), **fields)


def seen(status: str = "PENDING", **fields):
    going = active()
    assert going.run is not None
    return replace(going, run=replace(going.run, status=status, **fields))


@pytest.mark.parametrize(
    ("entry", "item", "expected"),
    [
        (seen(), listed(), True),
        (seen(), listed(name=""), True),
        (seen(), listed(name="other"), False),
        (seen(), listed(creation_time=None), True),
        (seen(creation_time=at(1)), listed(creation_time=at(1.5)), True),
        (seen(creation_time=at(1)), listed(creation_time=at(60)), False),
        (seen(), listed(creation_time=at(-3600)), False),
        (seen(), listed(creation_time=at(3600)), False),
        (replace(seen(), intended_at=None, accepted_at=None), listed(creation_time=at(3600)), True),
        (replace(seen(), run=None), listed(), False),
        (seen(), listed("COMPLETED"), False),  # a filter that filters nothing
        (seen(), listed("NEW_WORD"), False),
    ],
)
def test_an_id_alone_does_not_make_it_our_run(entry, item, expected):
    assert shows_going(entry, "cohort-a", item) is expected


def test_a_run_without_a_name_is_listed_without_one():
    assert shows_going(seen(), None, listed(name=""))
    assert not shows_going(seen(), None, listed(name="other"))


def test_a_listing_shows_how_far_a_run_has_come():
    event = after_listing(seen("PENDING"), listed("RUNNING", start_time=at(5)), at(9))
    assert event is not None
    assert event.run == replace(run("RUNNING"), creation_time=at(1), start_time=at(5))


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ("RUNNING", "RUNNING"),
        ("RUNNING", "PENDING"),  # an old listing
        ("NEW_WORD", "RUNNING"),  # GetRun knew better
        ("RUNNING", "COMPLETED"),  # an end is for GetRun to tell
        ("RUNNING", "NEW_WORD"),
    ],
)
def test_a_listing_never_takes_a_run_back_nor_ends_it(known, told):
    assert after_listing(seen(known), listed(told), at(9)) is None


def test_where_there_is_no_run_there_is_nothing_to_show():
    assert after_listing(replace(seen(), run=None), listed(), at(9)) is None


@pytest.mark.parametrize(
    ("known", "id", "created", "expected"),
    [
        (at(5), "1000001", at(5.4), True),
        (at(5), "1000001", at(9), False),
        (at(5), "1000002", at(5), False),
        (None, "1000001", at(5), False),
        (at(5), "1000001", None, False),
    ],
)
def test_a_listed_run_is_surely_a_known_one_only_by_id_and_creation_time(known, id, created, expected):
    listed = Listed(id=id, status="FAILED", creation_time=created)
    assert is_same_run(run(creation_time=known), listed) is expected
