"""Results that are there, whole and as they would be written again, are left alone; all others are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchrun.cli.launching import results_file
from batchrun.cli.launching.results_file import kept_or_written
from batchrun.ledger import open_ledger
from batchrun.model.planning.limits import Changed
from batchrun.report import results
from batchrun.report.outputs import RESULTS, OutputFile
from tests.ledger.samples import AT, BATCH, accepted, completed, filled, intended, move, specs


@pytest.fixture
async def held(tmp_path):
    async with await open_ledger(tmp_path / "batchrun.db") as ledger:
        held = await filled(ledger, "a", "b")
        await move(held, "a", intended(), accepted(1), completed(1))
        yield held


async def wrote(held, path: Path, *, is_safe: bool = False) -> bool:
    """Report whether the results were written."""
    output = OutputFile(path=path, kind=RESULTS["csv"], option="--results FILE", force=True)
    times = []

    async def write() -> None:
        times.append(1)
        await results.write(output, held.story.outcomes(), results.ResultsFormat.CSV, is_safe=is_safe)

    await kept_or_written(held, output, write, is_safe=is_safe)
    return bool(times)


def edited(path: Path) -> None:
    path.write_text(path.read_text().replace("COMPLETED", "completed"))


def linked(path: Path) -> None:
    path.rename(path.with_name("other"))
    path.symlink_to(path.with_name("other"))


async def test_they_are_written_once(held, tmp_path):
    path = tmp_path / "x.csv"
    assert await wrote(held, path)
    content = path.read_bytes()
    assert not await wrote(held, path)
    assert path.read_bytes() == content
    assert await wrote(held, tmp_path / "y.csv")  # another place


@pytest.mark.parametrize("change", [Path.unlink, edited, linked, lambda path: path.write_bytes(b"")])
async def test_a_file_that_is_not_what_it_was_is_written_anew(held, tmp_path, change):
    path = tmp_path / "x.csv"
    await wrote(held, path)
    content = path.read_bytes()
    change(path)
    assert await wrote(held, path)
    assert path.read_bytes() == content


async def test_what_happened_since_is_told(held, tmp_path):
    path = tmp_path / "x.csv"
    await wrote(held, path)
    await move(held, "b", intended())
    assert await wrote(held, path)
    await held.sync(specs("b", "a"), changed=Changed.REFUSE, at=AT)
    assert await wrote(held, path)
    assert not await wrote(held, path)
    assert held.name == BATCH


async def test_another_batchrun_or_another_way_to_write_writes_anew(held, tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    await wrote(held, path)
    assert await wrote(held, path, is_safe=True)
    monkeypatch.setattr(results_file, "__version__", "9.9")
    assert await wrote(held, path, is_safe=True)
    assert not await wrote(held, path, is_safe=True)
