"""Which rows a client sees: the same as the report's own script finds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from batchrun.report.gathering import RowStanding
from batchrun.serve.choosing import Query, TextSearch, chosen, read_query
from tests.report.samples import at, row, rows

ROWS = rows(100)
NOW = at(12 * 60)


def found(query: dict[str, str], of=ROWS) -> list[str]:
    return [one.id for one in chosen(of, read_query(query), TextSearch(), NOW)]


def test_nothing_is_asked_so_all_are_there_in_the_manifests_order():
    assert found({}) == [one.id for one in ROWS]


@pytest.mark.parametrize(
    ("search", "ids"),
    [
        ("na00007", ["NA00007"]),
        ("IMPORT_failed na00027", ["NA00027"]),
        ("1000008", ["NA00007"]),
        ("out_of_memory na00007", ["NA00007"]),
        ("lab-results/cohort/NA00003", ["NA00003"]),
        ("nowhere", []),
    ],
)
def test_every_word_must_be_found_somewhere(search, ids):
    assert found({"search": search}) == ids


def test_rows_are_filtered():
    assert len(found({"standing": "failed"})) == 10
    assert found({"standing": "failed", "reason": "SERVICE_ERROR"}) == ["NA00017", "NA00047", "NA00077"]
    lanes = [replace(one, current=replace(one.current, lane="east")) for one in ROWS[:2]] + ROWS[2:]
    assert found({"lane": "east"}, lanes) == ["NA00000", "NA00001"]
    assert found({"standing": "nonsense", "sort": "nonsense"}) == found({})


@pytest.mark.parametrize("sort", ["id", "status", "lane", "attempt", "queued", "ran", "created", "stopped"])
def test_rows_are_put_in_order_and_what_is_not_known_goes_last(sort):
    up, down = found({"sort": sort}), found({"sort": sort, "down": "1"})
    assert sorted(up) == sorted(down) == sorted(found({}))
    if sort in {"stopped", "ran"}:
        assert {up[-1], down[-1]} <= {
            one.id for one in ROWS if one.current.ran(NOW) is None or not one.current.stopped
        }


def test_times_are_in_order():
    ran = [one.current.ran(NOW) for one in chosen(ROWS, Query(sort="ran", is_down=True), TextSearch(), NOW)]
    known = [one for one in ran if one is not None]
    assert known == sorted(known, reverse=True)
    assert known[0] > timedelta(hours=1)


def test_a_row_that_has_changed_is_searched_as_it_is_now():
    search, wanted = TextSearch(), Query(words=("failed",))
    before, after = row("a"), row("a", RowStanding.FAILED)
    assert chosen([before], wanted, search, NOW) == []
    assert chosen([after], wanted, search, NOW) == [after]


@pytest.mark.parametrize("number", ["-1", "x", "1e9", "9" * 30, "²", ""])
def test_numbers_that_are_none_say_nothing(number):
    told = read_query({"first": number, "most": number})
    assert (told.first, told.most) == (0, 100)
    assert read_query({"most": "999"}).most == 500
