"""Programs write results and reports to S3, and hear what S3 does not take."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from batchrun import (
    UNLIMITED,
    DeliveryError,
    ServiceUnusableError,
    Session,
    Target,
    UsageError,
    load_manifest,
    open_ledger,
    write_report,
    write_results,
)
from batchrun.clock import VirtualClock
from batchrun.service.calling.outage import Patience
from batchrun.service.login import Login
from batchrun.service.s3.patient_writing import S3SettingsStore
from batchrun.service.s3.putting import S3Store
from batchrun.simulator import serve
from tests.cli.elsewhere import S3
from tests.world import simulated

SETS = ("workflowId=1234567", "roleArn=arn:aws:iam::123456789012:role/omics", "outputUri=s3://lab/{id}/")


@asynccontextmanager
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[S3]:
    made = S3({})
    async with made.served():
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", made.url)
        yield made


async def launched(folder: Path) -> Path:
    """Have a batch run to its end, and return the ledger's path."""
    clock = VirtualClock()
    async with serve(simulated(), clock=clock) as simulator:
        target = Target(endpoint_url=simulator.url)
        with load_manifest([{"id": "A"}], batch="b", sets=SETS) as manifest:
            session = Session(
                folder / "b.db", target=target, rate=UNLIMITED, read_rate=UNLIMITED, clock=clock
            )
            async with session, session.launching(manifest) as launch:
                await launch.wait()
    return folder / "b.db"


async def test_a_settings_file_for_a_bucket_in_another_region_says_which(monkeypatch: pytest.MonkeyPatch):
    async with served(monkeypatch):
        store = S3SettingsStore(Login(Target()), Patience(), VirtualClock())
        with pytest.raises(ServiceUnusableError, match=r"s3://lost/x\.json .*the bucket is in eu-central-1"):
            await store.keep("s3://lost/x.json", b"[]")


@pytest.mark.long
async def test_results_and_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = await launched(tmp_path)
    async with served(monkeypatch) as s3, open_ledger(path) as ledger:
        assert await write_results(ledger, "b", "s3://lab/r.jsonl", columns=["id"]) == 1
        await write_report(ledger, "b", "s3://lab/r.html", target=Target(region="eu-west-1"))
        assert s3.written["r.jsonl"] == b'{"id": "A"}\n'
        assert b"</html>" in s3.written["r.html"]
        with pytest.raises(DeliveryError, match="PutObject: AccessDenied") as error:
            await write_results(ledger, "b", "s3://secret/r.csv")
        assert error.value.place == "s3://secret/r.csv"
        with pytest.raises(UsageError, match="that of a report must end in"):
            await write_report(ledger, "b", "s3://lab/r.jsonl")
        s3.contents["theirs.csv"] = b"id,status\n"
        with pytest.raises(UsageError, match="is not replaced"):
            await write_results(ledger, "b", "s3://lab/theirs.csv")


async def test_what_one_upload_cannot_carry_is_refused_before_it_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    large = tmp_path / "r.csv"
    with large.open("wb") as file:
        file.truncate(6 * 2**30)  # sparse: it takes no room
    async with served(monkeypatch) as s3:
        with pytest.raises(ServiceUnusableError, match=r"it has 6\.0 GiB, and one upload takes 5"):
            await S3Store(Login(Target())).put("s3://lab/r.csv", large, mark="results", replaces=True)
        assert s3.calls == 0
