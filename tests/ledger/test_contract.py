from __future__ import annotations

import shutil

import pytest

from tests.ledger import neighbours
from tests.ledger.conformance import LedgerConformance


@pytest.fixture(scope="session")
def inhabited(tmp_path_factory):
    """A ledger in which other batches are, and all that is stored of them."""
    place = tmp_path_factory.mktemp("neighbours") / "batchrun.db"
    neighbours.settle(place)
    return place, neighbours.stored(place)


class TestSqlite(LedgerConformance):
    """On the real SQLite and a real disk; the fixture also sees to it that nothing is left open.

    Other batches are there too: none of what is read is theirs, and nothing of theirs is changed.
    """

    @pytest.fixture
    def place(self, tmp_path, inhabited):
        made, theirs = inhabited
        place = shutil.copy(made, tmp_path / "batchrun.db")
        yield place
        assert theirs == neighbours.stored(place)


class TestPostgres(LedgerConformance):
    """On a real server."""

    @pytest.fixture
    def place(self, in_postgres, made_up_clock):  # noqa: ARG002 (what is said is the server's time)
        return in_postgres
