"""Manifests that a ledger has as they are: found by their files, and launched without reading their rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from batchrun import UNLIMITED, Limits, Manifest, Mode, Session, Target
from batchrun.api.taken_in import as_taken_in, last_taken_in
from batchrun.clock import VirtualClock
from batchrun.manifest import Source, load
from batchrun.model.planning.limits import Changed
from batchrun.simulator import Simulator, serve
from tests.world import SELDOM, simulated

SETS = ("workflowId=1234567", "roleArn=arn:aws:iam::1:role/x", "outputUri=s3://lab/{batch}/{id}/")


class Lab:
    """A folder with a ledger, and the launches that cron makes there."""

    def __init__(self, folder: Path, simulator: Simulator, clock: VirtualClock) -> None:
        self.ledger = folder / "batchrun.db"
        self.simulator = simulator
        self._folder = folder
        self._clock = clock

    def source(self, name: str, *samples: str, reads: str = "reads") -> Source:
        path = self._folder / f"{name}.csv"
        rows = "".join(f"{sample},s3://lab/{reads}/{sample}.fq.gz\n" for sample in samples)
        path.write_text(f"id,parameters.reads\n{rows}")
        return Source(path=str(path), sets=SETS)

    async def known(self, *sources: Source) -> list[str]:
        """Return the batches whose rows need not be read."""
        return [
            manifest.batch for manifest in as_taken_in(sources, await last_taken_in(sources, self.ledger))
        ]

    async def run(self, source: Source, mode: Mode = Mode.WATCH, changed: Changed = Changed.REFUSE) -> int:
        """Read a manifest, launch it, and return how many of its rows have ended."""
        with load(source) as manifest:
            return await self.launch(manifest, mode, changed)

    async def launch(
        self, manifest: Manifest, mode: Mode = Mode.WATCH, changed: Changed = Changed.REFUSE
    ) -> int:
        session = Session(
            self.ledger,
            target=Target(endpoint_url=self.simulator.url),
            rate=UNLIMITED,
            read_rate=UNLIMITED,
            clock=self._clock,
        )
        limits = Limits(mode=mode, watch=SELDOM)
        async with session, session.launching(manifest, limits=limits, changed=changed) as launch:
            ended = await launch.wait()
        return ended.counts.total - ended.counts.open


@pytest.fixture
async def lab(tmp_path):
    clock = VirtualClock()
    async with serve(simulated(), clock=clock) as simulator:
        yield Lab(tmp_path, simulator, clock)


async def test_nothing_is_known_before_the_first_launch(lab):
    assert await lab.known(lab.source("cohort", "a")) == []
    assert not lab.ledger.exists()


@pytest.mark.parametrize("mode", [Mode.DETACH, Mode.WATCH])
async def test_a_launch_goes_on_with_rows_that_it_does_not_read(lab, mode):
    source = lab.source("cohort", "a", "b", "c")
    await lab.run(source, mode)
    (known,) = as_taken_in([source], await last_taken_in([source], lab.ledger))
    with known:
        assert known.batch == "cohort"
        await anyio.Path(source.path).unlink()
        assert await lab.launch(known) == 3
    assert len(lab.simulator.state().runs) == 3


async def test_other_rows_are_read(lab):
    source = lab.source("cohort", "a", "b")
    await lab.run(source)
    assert await lab.known(source) == ["cohort"]
    assert await lab.known(lab.source("cohort", "a", "b", "c")) == []
    assert await lab.known(lab.source("cohort", "a", "b")) == ["cohort"]


async def test_rows_of_another_launch_in_between_are_read(lab):
    source = lab.source("cohort", "a", "b")
    await lab.run(source)
    (known,) = as_taken_in([source], await last_taken_in([source], lab.ledger))
    with known:
        await lab.run(lab.source("cohort", "a", "b", "c"))
        lab.source("cohort", "a", "b")
        assert await lab.known(source) == []
        assert await lab.launch(known) == 3
    assert len(lab.simulator.state().runs) == 3


async def test_rows_that_keep_other_content_are_read_each_time(lab):
    await lab.run(lab.source("cohort", "a"))
    for _ in range(2):
        source = lab.source("cohort", "a", reads="other")
        await lab.run(source, changed=Changed.KEEP)
        assert await lab.known(source) == []


async def test_a_folder_is_read_if_any_of_its_manifests_is(lab):
    first, second = lab.source("first", "a"), lab.source("second", "b")
    await lab.run(first)
    assert await lab.known(first, second) == []
    await lab.run(second)
    assert await lab.known(first, second) == ["first", "second"]


async def test_what_may_be_a_copy_by_its_name_is_read_with_its_original(lab):
    sources = [lab.source(name, name) for name in ("cohort", "other", "cohort (1)")]
    for source in sources:
        await lab.run(source)
    assert await lab.known(*sources[:2]) == ["cohort", "other"]
    assert await lab.known(*sources[1:]) == ["other", "cohort (1)"]
    assert await lab.known(*sources) == []


async def test_a_file_under_several_names_is_known_under_each(lab):
    source = lab.source("cohort", "a")
    named = [replace(source, batch=name) for name in ("one", "two")]
    for one in named:
        await lab.run(one, changed=Changed.RESUBMIT)
    assert [await lab.known(one) for one in (*named, source)] == [["one"], ["two"], []]


async def test_a_ledger_that_cannot_be_read_knows_nothing(lab):
    source = lab.source("cohort", "a")
    lab.ledger.write_text("no ledger")
    assert await lab.known(source) == []
