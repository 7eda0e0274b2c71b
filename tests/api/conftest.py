from __future__ import annotations

import itertools

import pytest

from batchrun.api import opening


@pytest.fixture
def hosts(monkeypatch):
    """Let each launch hold its batch as on a host of its own."""
    numbers = itertools.count()

    class Socket:
        @staticmethod
        def gethostname() -> str:
            return f"host{next(numbers)}"

    monkeypatch.setattr(opening, "socket", Socket)
