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
async def test_the_limits_of_starts_and_of_runs_are_told_and_nothing_else():
    settings = Settings(limits={"StartRun": Limit(rate=7, burst=3)}, max_active=60, max_active_static=20)
    async with serve(settings) as simulator:
        codes = ("L-24A3B174", "L-BE38079A", "L-A30FD31B", "L-AFB19B96", "L-C9679DBC")
        told = [await anyio.to_thread.run_sync(asked, simulator.url, code) for code in codes]
        assert told == [7, 60, 20, 12, 100_000]
        with pytest.raises(ClientError, match="NoSuchResource"):
            await anyio.to_thread.run_sync(asked, simulator.url, "L-00000000")


@pytest.mark.real_time
async def test_what_has_no_limit_has_no_quota():
    async with serve(Settings(limits={"*": None}, max_active=None)) as simulator:
        for code in ("L-24A3B174", "L-BE38079A"):
            with pytest.raises(ClientError, match="NoSuchResource"):
                await anyio.to_thread.run_sync(asked, simulator.url, code)
