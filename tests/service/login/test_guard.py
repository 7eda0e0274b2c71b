"""Credentials that end: one search for all calls, used while they are good, explained when they are not."""

from __future__ import annotations

import anyio
import pytest

from batchrun.errors import ServiceUnusableError
from tests.service.login.files import SHORT, Files, printing
from tests.world import connected, start

pytestmark = pytest.mark.real_time
#: Botocore runs a helper twice, to begin with, where what it prints lasts less than ten minutes.
AT_THE_START = 2


def counted(files: Files, script: str) -> str:
    return f"echo run >> {files.folder}/runs; {script}"


async def test_short_lived_credentials_are_not_looked_for_at_each_call(files):
    files.helper(counted(files, printing(SHORT)))
    async with connected(profile="lab") as (service, _):
        run = await start(service)
        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(service.get_run, run.id)
    assert files.runs() == AT_THE_START


async def test_new_ones_are_looked_for_once_for_all_calls_that_wait(files, pass_by):
    files.helper(counted(files, printing(SHORT)))
    async with connected(profile="lab") as (service, _):
        run = await start(service)
        files.helper(counted(files, f"sleep 0.2; {printing(3600)}"))
        pass_by(SHORT)
        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(service.get_run, run.id)
        await service.get_run(run.id)
    assert files.runs() == AT_THE_START + 1


async def test_a_helper_that_fails_matters_only_once_what_it_gave_has_ended(files, pass_by):
    files.helper(counted(files, printing(SHORT)))
    async with connected(profile="lab") as (shared, simulator):
        service = shared.apart(waits=False)
        run = await start(service)
        files.helper(counted(files, "sleep 0.2; echo 'vpn is down' >&2; exit 1"))
        pass_by(SHORT // 2)
        await service.get_run(run.id)  # it has failed by now, and what was had before is still good
        assert files.runs() == AT_THE_START + 1
        pass_by(SHORT // 2)
        calls = simulator.state().calls["GetRun"].calls

        async def look() -> None:
            with pytest.raises(ServiceUnusableError, match="ended with exit code 1: vpn is down"):
                await service.get_run(run.id)

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(look)
        assert files.runs() == AT_THE_START + 3  # one look for all, and one new login
        assert simulator.state().calls["GetRun"].calls == calls
