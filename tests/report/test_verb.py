"""``batchrun report`` from a ledger."""

from __future__ import annotations

import json

import anyio
import pytest
from click.testing import CliRunner

from batchrun.cli.verbs.report import report
from batchrun.errors import UsageError
from batchrun.ledger import open_ledger
from tests.ledger.samples import accepted, completed, filled, intended, move


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    async def fill() -> None:
        async with await open_ledger(tmp_path / "batchrun.db") as ledger:
            held = await filled(ledger, "a", "b", "c")
            await move(held, "a", intended(), accepted(1), completed(1))
            await move(held, "b", intended(), accepted(2))
            await held.release()

    anyio.run(fill)
    return tmp_path


def test_it_writes_a_file_named_after_the_batch(folder):
    done = CliRunner().invoke(report, [])
    assert (done.exit_code, done.output) == (0, "cohort.report.html: 3 rows\n")
    text = (folder / "cohort.report.html").read_text(encoding="utf-8")
    assert "In progress: 1 of 3 rows ended." in text
    assert "uuid-1" in text


def test_costs_are_told_where_prices_are_given_of_the_batch_s_region(folder):
    prices = {"currency": "USD", "region": "us-east-1", "instances": {}, "storage": {}}
    (folder / "p.json").write_text(json.dumps(prices), encoding="utf-8")
    (folder / "far.json").write_text(json.dumps(prices | {"region": "eu-west-1"}), encoding="utf-8")
    assert CliRunner().invoke(report, ["--prices", "p.json", "-o", "x.html"]).exit_code == 0
    text = (folder / "x.html").read_text(encoding="utf-8")
    assert "<dt>Runs that have a price</dt><dd>0 of 1 that ended</dd>" in text
    assert "Left out: not known yet of 1 run: not asked yet" in text
    done = CliRunner().invoke(report, ["--prices", "far.json"])
    assert isinstance(done.exception, UsageError)
    assert "eu-west-1" in str(done.exception)


def test_it_writes_where_it_is_told_to(folder):
    assert CliRunner().invoke(report, ["cohort", "-o", "x.html"]).exit_code == 0
    assert (folder / "x.html").exists()
    done = CliRunner().invoke(report, ["-o", "-"])
    assert done.output.startswith("<!DOCTYPE html>")
    assert sorted(one.name for one in folder.glob("*.html")) == ["x.html"]
