"""Programs read manifests, sheets and defaults from S3, also within an event loop."""

from __future__ import annotations

from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from batchrun import ManifestError, ServiceUnusableError, Sheet, Target, load_manifest
from tests.cli.elsewhere import S3

SETS = ("workflowId=1234567", "roleArn=arn:aws:iam::123456789012:role/omics", "outputUri=s3://lab/{id}/")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch):
    made = S3({})
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(made.served()):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", made.url)
        yield made


async def test_a_manifest_in_s3(s3: S3):
    s3.contents |= {"in/cohort.csv": b"id\nA\nB\n", "d.yaml": b"workflowId: 7\n"}
    place = "s3://lab/in/cohort.csv"
    with load_manifest(place, sets=SETS[1:], defaults=["s3://lab/d.yaml"]) as manifest:
        assert (manifest.batch, manifest.place, manifest.is_named_by_place) == ("cohort", place, True)
        assert manifest.read == (place, "s3://lab/d.yaml")
        assert [spec.id for spec in manifest.specs()] == ["A", "B"]
    assert s3.gets == {"in/cohort.csv": 1, "d.yaml": 1}


def test_what_is_read_twice_is_fetched_once_and_no_other_reader_is_disturbed(s3: S3):
    s3.contents["d.json"] = b'{"workflowId": "7", "parameters": {"x": "' + b"y" * 200_000 + b'"}}'
    twice = ["s3://lab/d.json", "s3://lab/d.json"]
    with load_manifest([{"id": "A"}], batch="b", sets=SETS[1:], defaults=twice) as manifest:
        (spec,) = manifest.specs()
        assert len(spec.request) > 200_000
    assert s3.gets == {"d.json": 1}


def test_a_sheet_in_s3(s3: S3):
    s3.contents["s.csv"] = b"sample,f\nA,1\nA,2\n"
    wanted = Sheet(group_by="sample", each={"parameters": {"f": ["{f}"]}})
    with load_manifest("s3://lab/s.csv", sheet=wanted, sets=SETS) as manifest:
        (spec,) = manifest.specs()
        assert '"parameters":{"f":["1","2"]}' in spec.request


@pytest.mark.usefixtures("s3")
def test_what_cannot_be_read_is_told_as_on_the_command_line():
    with pytest.raises(ManifestError, match=r"s3://lab/x.csv: there is no such object in S3"):
        load_manifest("s3://lab/x.csv")
    with pytest.raises(ServiceUnusableError, match=r"s3://secret/x.csv may not be read"):
        load_manifest("s3://secret/x.csv", target=Target(region="eu-west-1"))
    with pytest.raises(ManifestError, match="not how a place in S3 is written"):
        load_manifest(Path("s3://lab/x.csv"))
