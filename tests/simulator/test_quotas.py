"""Service Quotas, as far as a launcher asks it."""

from __future__ import annotations

import anyio.to_thread
import boto3
import pytest
from botocore.exceptions import ClientError

from batchrun.simulator import Limit, Settings, serve


def asked(url: str, code: str) -> float:
    client = boto3.client("service-quotas", endpoint_url=url, region_name="us-east-1")
    try:
        return float(client.get_service_quota(ServiceCode="omics", QuotaCode=code)["Quota"]["Value"])
    finally:
        client.close()


@pytest.mark.real_time
async def test_the_limit_of_starts_is_told_and_nothing_else():
    async with serve(Settings(limits={"StartRun": Limit(rate=7, burst=3)})) as simulator:
        assert await anyio.to_thread.run_sync(asked, simulator.url, "L-24A3B174") == 7
        with pytest.raises(ClientError, match="NoSuchResource"):
            await anyio.to_thread.run_sync(asked, simulator.url, "L-00000000")


@pytest.mark.real_time
async def test_what_has_no_limit_has_no_quota():
    async with serve(Settings(limits={"*": None})) as simulator:
        with pytest.raises(ClientError, match="NoSuchResource"):
            await anyio.to_thread.run_sync(asked, simulator.url, "L-24A3B174")
