"""What comes from outside, in a transaction that is run again because the connection was lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from batchrun.ledger import open_ledger
from batchrun.model.planning.limits import Changed
from batchrun.model.spec import Spec, Specs
from tests.ledger.samples import AT, BATCH, filled, specs


def cut(url: str) -> None:
    """End every other session of the database, as a server does that is stopped."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.real_time
@pytest.mark.parametrize("verb", ["sync", "compare", "rows_as_known"])
async def test_rows_are_read_anew_and_none_is_taken_for_gone(in_postgres, verb):
    times: list[int] = []

    def again() -> Iterator[Spec]:
        times.append(1)
        yield specs("a", "b", "c")[0]
        if len(times) == 1:
            cut(in_postgres)
        yield from specs("a", "b", "c")[1:]

    async with await open_ledger(in_postgres) as ledger:
        held = await filled(ledger, "a", "b", "c")
        verbs: dict[str, Callable[[Specs], object]] = {
            "sync": lambda rows: held.sync(rows, changed=Changed.REFUSE, at=AT),
            "compare": lambda rows: ledger.batch(BATCH).compare(rows),
            "rows_as_known": lambda rows: ledger.rows_as_known(BATCH, rows),
        }
        found = await verbs[verb](Specs(again))  # type: ignore[misc]
        assert len(times) == 2
        assert found == 3 if verb == "rows_as_known" else (found.rows, found.gone) == (3, 0)
