"""A home of a test's own, with AWS's files in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service.login.files import Files


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    # Whoever runs the tests on a terminal is not asked.
    monkeypatch.setattr("batchrun.service.login.terminal._DEVICE", str(tmp_path / "no-terminal"))
    return Files(tmp_path, monkeypatch)
