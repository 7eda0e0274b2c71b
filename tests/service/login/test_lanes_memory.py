"""What an idle lane holds, once it has been called: fifty of them fit into a small machine."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from batchrun.model.lanes import Lane
from batchrun.service.login import Login, Logins
from batchrun.service.session import omics_client
from batchrun.service.target import Target, target_of
from batchrun.simulator import Settings, serve

_STATM = Path("/proc/self/statm")
_MIB = 2**20
#: MiB of the certificates that a client of AWS itself holds, which a local one has no need of; measured.
_CERTIFICATES = 0.8


def resident() -> float:
    """Return the memory of this process, in MiB."""
    return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / _MIB


@pytest.mark.real_time
@pytest.mark.skipif(not _STATM.exists(), reason="only Linux tells")
async def test_a_lane_with_a_role_of_its_own_holds_less_than_three_mebibytes(files):
    files.write("[profile base]\naws_access_key_id = x\naws_secret_access_key = y\n")
    among = Logins()
    async with serve(Settings()) as simulator, AsyncExitStack() as stack:
        before = 0.0
        for number in range(25):
            if number == 5:  # by then everything is loaded that all lanes share
                before = resident()
            role = f"arn:aws:iam::{number:012}:role/launcher"
            lane = Lane(name="l", profile="base", role=role, endpoint_url=simulator.url, region="us-east-1")
            client = await stack.enter_async_context(
                omics_client(Login(target_of(lane, Target()), among=among))
            )
            await client.list_runs()
        assert (resident() - before) / 20 < 3 - _CERTIFICATES
