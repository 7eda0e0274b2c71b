"""Which rows are asked for where S3 answers some of them, or none any more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from batchrun.api.row_outputs import OutputsReader, RowOutputs
from batchrun.errors import AccessDeniedError, OutcomeUnknownError, ServiceUnusableError, UsageError
from batchrun.model.entries.entry import Entry
from batchrun.model.made import Made, told
from tests.builders import active, planned


class Answered(OutputsReader):
    """Reads of an S3 that answers nothing for some rows, and refuses others."""

    def __init__(self, silent: set[str], refused: set[str], *, at_once: int) -> None:
        super().__init__(reach=None, names=[], at_once=at_once, most=10)  # type: ignore[arg-type]  # nobody is reached
        self.silent, self.refused, self.asked = silent, refused, 0

    async def _outputs(self, lane: str | None) -> str | None:  # type: ignore[override]
        return lane

    async def _made(self, _outputs: object, place: str | None) -> Made:
        self.asked += 1
        if place in self.silent:
            raise ServiceUnusableError(f"no answer for {place}") from OutcomeUnknownError(
                "late", operation="GetObject", code="CallTimeout"
            )
        if place in self.refused:
            raise ServiceUnusableError(f"bucket {place}: not yours") from AccessDeniedError(
                "not yours", operation="GetObject", code="AccessDenied"
            )
        return told({})


async def read(
    silent: set[str], rows: int, *, at_once: int, lanes: int = 1, refused: frozenset[str] = frozenset()
) -> tuple[list[RowOutputs], int]:
    async def entries() -> AsyncIterator[Entry]:
        for number in range(rows):
            entry = replace(active(planned(f"row-{number}")), lane=f"lane-{number % lanes}")
            assert entry.run is not None
            yield replace(entry, run=replace(entry.run, output_uri=entry.id))

    reader = Answered(silent, {*refused}, at_once=at_once)
    return [row async for row in reader.rows(entries())], reader.asked


@pytest.mark.parametrize(("rows", "at_once", "silent"), [(21, 20, 20), (10, 1, 5), (41, 20, 40)])
async def test_a_row_without_an_answer_takes_nothing_from_the_others(rows, at_once, silent):
    found, _ = await read({f"row-{silent}"}, rows, at_once=at_once)
    assert [row.entry.id for row in found if row.problem] == [f"row-{silent}"]
    assert len(found) == rows


async def test_after_five_rows_without_an_answer_no_more_of_their_lane_are_asked_for():
    silent = {f"row-{number}" for number in range(1, 100, 2)}
    found, asked = await read(silent, 100, at_once=2, lanes=2)
    assert len(found) == 100
    assert {row.entry.id for row in found if row.problem} == silent
    assert asked == 50 + 5


async def test_who_refuses_answers():
    names = [f"row-{number}" for number in range(100)]
    found, asked = await read({*names[1::2]}, 100, at_once=2, refused=frozenset(names[2::2]))
    assert asked == len(found) == 100


async def test_where_none_of_the_first_is_read_it_ends():
    with pytest.raises(ServiceUnusableError, match="no answer for row-0"):
        await read({f"row-{number}" for number in range(20)}, 100, at_once=20)


async def test_a_login_that_cannot_work_ends_the_reading_with_its_own_error(monkeypatch):
    async def refuse(_reader: object, _lane: str | None) -> None:
        raise UsageError("there is no profile 'lab'")

    monkeypatch.setattr(Answered, "_outputs", refuse)
    with pytest.raises(UsageError, match="no profile 'lab'"):
        await read(set(), 3, at_once=2)
