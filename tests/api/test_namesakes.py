"""Who is asked before a manifest goes into a batch for its file's name, and who never is; in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from batchrun import UNLIMITED, Limits, Mode, Session, Target, UsageError, load_manifest
from batchrun.clock import VirtualClock
from batchrun.model.planning.limits import Changed
from batchrun.simulator import FailFirst, Simulator, serve
from tests.world import SELDOM, simulated

SETS = ("workflowId=1234567", "roleArn=arn:aws:iam::1:role/x", "outputUri=s3://lab/{batch}/{id}/")


class Lab:
    """A folder, and people who run manifests in it."""

    def __init__(self, folder: Path, simulator: Simulator, clock: VirtualClock) -> None:
        self.folder = folder
        self.ledger = folder / "batchrun.db"
        self.simulator = simulator
        self._clock = clock

    def write(self, path: str, *samples: str) -> Path:
        """Write a manifest of these samples; ``id=reads`` where the reads have another name."""
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        pairs = (one.partition("=") for one in samples)
        rows = "".join(f"{id_},s3://lab/{reads or id_}.fq.gz\n" for id_, _, reads in pairs)
        place.write_text(f"id,parameters.reads\n{rows}")
        return place

    async def run(self, path: Path | str, mode: Mode = Mode.WATCH, **options: Any) -> int:
        """Run a manifest, and return the number of runs that it started."""
        before = len(self.simulator.state().runs)
        target = Target(endpoint_url=self.simulator.url)
        given = {name: options.pop(name) for name in ("batch",) if name in options}
        with load_manifest(self.folder / path, sets=SETS, **given) as manifest:
            async with (
                Session(
                    self.ledger, target=target, rate=UNLIMITED, read_rate=UNLIMITED, clock=self._clock
                ) as session,
                session.launching(manifest, limits=Limits(mode=mode, watch=SELDOM), **options) as launch,
            ):
                await launch.wait()
        return len(self.simulator.state().runs) - before

    async def asked(self, path: Path | str, **options: Any) -> str:
        """Return the question with which a run of the manifest ends, before anything is sent."""
        before = self.simulator.state().calls
        with pytest.raises(UsageError, match="--batch") as caught:
            await self.run(path, **options)
        assert self.simulator.state().calls == before
        return str(caught.value)


@asynccontextmanager
async def lab_in(folder: Path, **settings: Any) -> AsyncIterator[Lab]:
    clock = VirtualClock()
    async with serve(simulated(**settings), clock=clock) as simulator:
        yield Lab(folder, simulator, clock)


async def test_another_projects_file_of_the_same_name_needs_a_name_for_its_batch(tmp_path):
    async with lab_in(tmp_path) as lab:
        assert await lab.run(lab.write("runB/samplesheet.csv", "KO1=b1", "KO2=b2")) == 2
        other = lab.write("runC/samplesheet.csv", "KO1=c1", "KO9=c9")
        for changed in Changed:
            told = await lab.asked(other, changed=changed)
            assert "2 of 2 rows" in told
            assert str(tmp_path / "runB/samplesheet.csv") in told
        assert await lab.run(other, batch="runC") == 2


async def test_whoever_names_the_batch_goes_on_with_it_from_any_place(tmp_path):
    async with lab_in(tmp_path) as lab:
        assert await lab.run(lab.write("a/x.csv", "s1", "s2")) == 2
        other = lab.write("b/x.csv", "t1", "t2", "t3")
        await lab.asked(other)
        assert await lab.run(other, batch="x") == 3
        assert await lab.run(other) == 0  # that is where its manifest lies by now
        assert await lab.run("a/x.csv") == 0  # and these rows are the batch's too
        await lab.asked(lab.write("c/x.csv", "u1"))


async def test_half_of_the_rows_are_not_most(tmp_path):
    async with lab_in(tmp_path) as lab:
        assert await lab.run(lab.write("a/x.csv", "s1", "s2", "s3")) == 3
        assert "3 of 5" in await lab.asked(lab.write("b/x.csv", "s1", "s2", "t1", "t2", "t3"))
        assert await lab.run(lab.write("b/x.csv", "s1", "s2", "t1", "t2")) == 2
        assert await lab.run(lab.write("y.csv", "t1", "t2", "v1", "v2")) == 4
        assert "3 of its 5" in await lab.asked(lab.write("z.csv", "v1", "v2", "t1", "w1", "w2"))


async def test_a_folder_that_was_moved_or_is_reached_by_a_link_is_the_same(tmp_path):
    async with lab_in(tmp_path) as lab:
        assert await lab.run(lab.write("a/x.csv", "s1", "s2", "s3")) == 3
        (tmp_path / "a").rename(tmp_path / "moved")
        assert await lab.run("moved/x.csv") == 0
        (tmp_path / "link").symlink_to("moved")
        assert await lab.run(lab.write("link/x.csv", "t1", "t2", "t3", "s1")) == 3
        assert await lab.run(lab.write("link/../moved/x.csv", "u1", "u2", "u3")) == 3


async def test_rows_of_another_batch_are_not_run_again_for_a_new_file_name(tmp_path):
    async with lab_in(tmp_path) as lab:
        assert await lab.run(lab.write("samples.csv", "s1", "s2", "s3", "s4")) == 4
        mended = lab.write("samples_v2.csv", "s1", "s2", "s3", "s4=mended")
        told = await lab.asked(mended)
        assert "3 of its 4 rows" in told
        assert told.endswith("with --batch samples, or run all rows again with --batch samples_v2")
        assert await lab.run(mended, batch="samples", changed=Changed.RESUBMIT) == 1
        assert await lab.run(mended, batch="samples_v2") == 4
        assert await lab.run(mended) == 0  # it is a batch by now


async def test_rows_that_only_changed_their_ids_are_told_too(tmp_path):
    async with lab_in(tmp_path) as lab:
        assert await lab.run(lab.write("samples.csv", "s1", "s2")) == 2
        assert "2 of its 2" in await lab.asked(lab.write("renamed.csv", "A=s1", "B=s2"))


async def test_the_same_work_many_times_over_is_new_where_its_ids_are(tmp_path):
    async with lab_in(tmp_path) as lab:
        assert await lab.run(lab.write("bench.csv", "r1=same", "r2=same")) == 2
        assert await lab.run(lab.write("more.csv", "r3=same", "r4=same")) == 2
        assert await lab.run(lab.write("one.csv", "r5=same")) == 1
        await lab.asked(lab.write("again.csv", "r1=same", "r2=same"))


async def test_a_batch_may_be_called_anything(tmp_path):
    async with lab_in(tmp_path) as lab:
        assert await lab.run(lab.write("it's one.csv", "s1")) == 1
        assert """with --batch 'it'"'"'s one'""" in await lab.asked(lab.write("v2.csv", "s1"))


async def test_what_failed_may_run_again_under_another_name(tmp_path):
    fails = (FailFirst(match="samples-s[12]", times=1, reason="RUN_TASK_FAILED"),)
    async with lab_in(tmp_path, fail_first=fails) as lab:
        assert await lab.run(lab.write("samples.csv", "s1", "s2", "s3")) == 3
        assert await lab.run(lab.write("again.csv", "s1", "s2", "s3")) == 3


async def test_who_appends_rows_daily_is_never_asked(tmp_path):
    async with lab_in(tmp_path) as lab:
        samples: list[str] = []
        for day in range(4):
            new = [f"d{day}-{number}" for number in range(1 + 4 * day)]  # most rows are new
            samples += new
            assert await lab.run(lab.write("samples.csv", *samples), Mode.ONCE) == len(new)


@pytest.mark.long
async def test_a_cron_job_with_generated_files_is_never_asked(tmp_path):
    async with lab_in(tmp_path) as lab:
        everything: list[str] = []
        for day in range(4):
            new = [f"d{day}-{number}" for number in range(4)]
            everything += new
            assert await lab.run(lab.write("today.csv", *(f"t{one}" for one in new)), Mode.ONCE) == 4
            assert await lab.run(lab.write(f"samples-0{day}.csv", *(f"u{one}" for one in new))) == 4
            named = lab.write(f"tmp.{day}/all.csv", *everything)
            assert await lab.run(named, Mode.ONCE, batch="all") == 4


async def test_a_folder_of_ci_that_names_its_batch_is_never_asked(tmp_path):
    async with lab_in(tmp_path) as lab:
        for build in range(3):
            assert await lab.run(lab.write(f"{build}/samples.csv", f"b{build}"), batch="ci") == 1
            same = lab.write(f"{build}/same.csv", "s1", "s2")
            assert await lab.run(same, batch=f"build-{build}") == 2
            document = same.with_name("named.yaml")
            document.write_text(f"batch: nightly\nruns:\n- id: n{build}\n")
            assert await lab.run(document) == 1


async def test_an_older_ledger_asks_nobody_and_learns(tmp_path):
    async with lab_in(tmp_path) as lab:
        assert await lab.run(lab.write("a/x.csv", "s1", "s2")) == 2
        connection = apsw.Connection(str(lab.ledger))
        connection.execute("DELETE FROM row_works; UPDATE batches SET place = NULL")
        connection.close()
        assert await lab.run(lab.write("y.csv", "s1", "s2")) == 2
        assert await lab.run(lab.write("b/x.csv", "t1", "t2", "s1", "s2")) == 2
        await lab.asked(lab.write("c/x.csv", "v1", "v2"))
        await lab.asked(lab.write("z.csv", "s1", "s2"))
