"""A home of a test's own, with AWS's files in it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from botocore.credentials import RefreshableCredentials

from tests.service.login.files import Files


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    # Whoever runs the tests on a terminal is not asked.
    monkeypatch.setattr("batchrun.service.login.terminal._DEVICE", str(tmp_path / "no-terminal"))
    return Files(tmp_path, monkeypatch)


@pytest.fixture
async def pass_by(monkeypatch):
    """Let seconds pass by the clocks that tell how old credentials are, the simulator's too."""
    loop, left = asyncio.get_running_loop(), vars(RefreshableCredentials)["_seconds_remaining"]
    time_of, passed = loop.time, 0

    def more(seconds: int) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(loop, "time", lambda: time_of() + passed)
    monkeypatch.setattr(RefreshableCredentials, "_seconds_remaining", lambda self: left(self) - passed)
    return more
