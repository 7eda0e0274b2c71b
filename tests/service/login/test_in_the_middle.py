"""A login that breaks while a launch goes on: waited for, in virtual time, whatever broke it."""

from __future__ import annotations

import anyio
import pytest

from batchrun.errors import ServiceUnusableError
from batchrun.service.calling.outage import Patience
from batchrun.simulator import parse_faults
from tests.service.login.files import printing
from tests.world import connected, start

BROKEN = {
    "a helper that fails": "[profile lab]\ncredential_process = sh -c 'echo vpn is down >&2; exit 1'\n",
    "no such helper": "[profile lab]\ncredential_process = /no/such/helper\n",
    "rubbish": "[profile lab]\ncredential_process = echo hello\n",
    "half a key pair": "[profile lab]\naws_access_key_id = x\n",
    "no such source profile": "[profile lab]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = nobody\n",
    "half an SSO profile": "[profile lab]\nsso_session = x\nsso_account_id = 1\nsso_role_name = x\n",
    "logged out": "[profile lab]\nsso_start_url = https://x\nsso_region = us-east-1\n"
    "sso_account_id = 1\nsso_role_name = x\n",
    "no profile": "[default]\n",
    "no configuration": "[[[",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=[*BROKEN])
async def test_it_is_waited_for_and_the_call_goes_on(files, broken):
    files.helper(printing())
    good = files.config.read_text()
    async with connected(profile="lab") as (service, simulator):
        run = await start(service)
        files.write(broken)
        simulator.script(*parse_faults("GetRun:ExpiredTokenException=1x"))

        async def mend() -> None:
            await anyio.sleep(20)
            files.write(good)

        async with anyio.create_task_group() as group:
            group.start_soon(mend)
            assert (await service.get_run(run.id)).run.uuid == run.uuid
        assert 20 <= anyio.current_time() < 30


@pytest.mark.parametrize("broken", BROKEN.values(), ids=[*BROKEN])
async def test_it_is_given_up_in_its_own_words_and_never_as_a_mistake_of_the_command(files, broken):
    files.helper(printing())
    async with connected(profile="lab", patience=Patience(credentials=20)) as (service, simulator):
        run = await start(service)
        files.write(broken)
        simulator.script(*parse_faults("GetRun:ExpiredTokenException"))
        with pytest.raises(ServiceUnusableError, match="config"):
            await service.get_run(run.id)
        assert 20 <= anyio.current_time() < 30


async def test_nothing_is_waited_for_at_the_start(files):
    files.write(BROKEN["a helper that fails"])
    with pytest.raises(ServiceUnusableError, match="vpn is down"):
        async with connected(profile="lab"):
            pass
    assert anyio.current_time() < 1
