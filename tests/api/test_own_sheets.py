"""``sheet_out``: each run's own sheet is in S3 before the run is, or the run is not started."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from batchrun import (
    UNLIMITED,
    Limits,
    Manifest,
    Mode,
    ServiceUnusableError,
    Session,
    State,
    Stop,
    Target,
    load_manifest,
    open_ledger,
)
from batchrun.clock import VirtualClock
from batchrun.simulator import Simulator, serve
from tests.cli.elsewhere import S3
from tests.world import simulated

SETS = ("workflowId=1234567", "roleArn=arn:aws:iam::123456789012:role/omics", "outputUri=s3://lab/{id}/")


class Lab:
    """A simulated account with an S3, a folder, and a manifest with a sheet."""

    def __init__(
        self, folder: Path, simulator: Simulator, s3: S3, clock: VirtualClock, stack: ExitStack
    ) -> None:
        self.ledger = folder / "batchrun.db"
        self.simulator = simulator
        self.s3 = s3
        self._folder = folder
        self._clock = clock
        self._stack = stack

    def manifest(self, rows: str = "A,1\nB,2\nA,3\n", out: str = "s3://lab/sheets/{id}.csv") -> Manifest:
        (self._folder / "s.csv").write_text(f"sample,file\n{rows}", encoding="utf-8")
        document = {
            "sheet": "s.csv",
            "group_by": "sample",
            "sheet_out": out,
            "each": {"parameters": {"input": "{sheet}"}},
        }
        path = self._folder / "b.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return self._stack.enter_context(load_manifest(path, sets=SETS))

    @asynccontextmanager
    async def launching(self, manifest: Manifest, **options: Any) -> AsyncIterator[Any]:
        session = Session(
            self.ledger,
            target=Target(endpoint_url=self.simulator.url),
            rate=UNLIMITED,
            read_rate=UNLIMITED,
            credentials_wait=60.0,
            clock=self._clock,
        )
        async with session, session.launching(manifest, **options) as launch:
            yield launch

    def inputs(self) -> dict[str, str]:
        """Return what each run that reached the service was told to read."""
        return {
            run.tags["batchrun:id"]: run.request["parameters"]["input"]
            for run in self.simulator.service.shelf.history
        }


@asynccontextmanager
async def lab(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    clock, s3 = VirtualClock(), S3({})
    with ExitStack() as stack:
        async with serve(simulated(), clock=clock) as simulator, s3.served():
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.url)
            yield Lab(folder, simulator, s3, clock, stack)


async def test_each_sheet_is_there_before_its_run_is_intended(tmp_path, monkeypatch):
    seen: list[tuple[str, set[str], set[State]]] = []
    async with lab(tmp_path, monkeypatch) as place:

        async def look(key: str) -> None:
            row = key.removeprefix("sheets/")[0]
            started = {run.tags["batchrun:id"] for run in place.simulator.state().runs}
            async with open_ledger(place.ledger) as ledger:
                entry = await ledger.batch("b").entry(row)
            assert entry is not None
            seen.append((row, started & {row}, {entry.state}))

        place.s3.at_write.append(look)
        async with place.launching(place.manifest()) as launch:
            assert (await launch.wait()).has_only_succeeded
        inputs = place.inputs()
    assert sorted(seen) == [("A", set(), {State.PLANNED}), ("B", set(), {State.PLANNED})]
    written = {f"s3://lab/{key}": body.decode() for key, body in place.s3.written.items()}
    assert written == {
        inputs["A"]: "sample,file\nA,1\nA,3\n",
        inputs["B"]: "sample,file\nB,2\n",
    }


async def test_a_launch_writes_what_it_starts_and_no_other(tmp_path, monkeypatch):
    async with lab(tmp_path, monkeypatch) as place:
        async with place.launching(place.manifest("A,1\n"), limits=Limits(mode=Mode.DETACH)) as launch:
            await launch.wait()
        async with place.launching(place.manifest("A,1\nB,2\n"), limits=Limits(mode=Mode.DETACH)) as launch:
            await launch.wait()
        assert [key[:8] for key in place.s3.written] == ["sheets/A", "sheets/B"]
        assert place.s3.calls == 2
        assert sorted(place.inputs()) == ["A", "B"]


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("s3://secret/{id}.csv", "allow s3:PutObject there"),
        ("s3://gone/{id}.csv", "NoSuchBucket"),
    ],
)
async def test_where_it_cannot_be_written_nothing_is_started_and_nothing_lost(
    tmp_path, monkeypatch, out, said
):
    async with lab(tmp_path, monkeypatch) as place:
        with pytest.raises(ServiceUnusableError, match=said) as error:
            async with place.launching(place.manifest(out=out)) as launch:
                await launch.wait()
        assert "the sheet s3://" in str(error.value)
        assert not place.simulator.state().start_calls
        async with open_ledger(place.ledger) as ledger:
            assert (await ledger.batch("b").counts()).by_state == {State.PLANNED: 2}


async def test_an_outage_of_s3_is_waited_for(tmp_path, monkeypatch):
    async with lab(tmp_path, monkeypatch) as place:
        place.s3.failures = 25
        async with place.launching(place.manifest()) as launch:
            assert (await launch.wait()).has_only_succeeded
        assert len(place.s3.written) == 2


async def test_an_outage_that_does_not_end_stops_the_launch(tmp_path, monkeypatch):
    async with lab(tmp_path, monkeypatch) as place:
        place.s3.failures = 1_000_000
        with pytest.raises(ServiceUnusableError, match="cannot be written"):
            async with place.launching(place.manifest()) as launch:
                await launch.wait()
        assert not place.simulator.state().start_calls


async def test_stopping_does_not_wait_for_s3(tmp_path, monkeypatch):
    async with lab(tmp_path, monkeypatch) as place:
        place.s3.failures = 1_000_000
        async with place.launching(place.manifest(), deadline=30.0) as launch:
            ended = await launch.wait()
        assert ended.stop is Stop.DEADLINE
        assert ended.counts.by_state == {State.PLANNED: 2}
        assert not place.simulator.state().start_calls
