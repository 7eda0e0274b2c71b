"""A login that breaks while a launch goes on: waited for, in virtual time, whatever broke it."""

from __future__ import annotations

import anyio
import pytest

from batchrun.clock import VirtualClock
from batchrun.errors import CredentialsError, ServiceUnusableError
from batchrun.model.texts.queue_names import read_queue
from batchrun.service.calling.outage import Patience
from batchrun.service.login import Login
from batchrun.service.messages import sqs_queue
from batchrun.service.s3.putting import S3Store
from batchrun.service.target import Target
from batchrun.simulator import Settings, StoredBucket, parse_faults, serve
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


@pytest.mark.parametrize("broken", BROKEN.values(), ids=[*BROKEN])
async def test_a_queue_is_asked_with_the_next_login_and_ends_nothing_meanwhile(files, broken):
    """Seen: it was never asked again, and a setting that cannot work, for now, ended the launch."""
    files.helper(printing())
    good = files.config.read_text()
    async with serve(Settings(), clock=VirtualClock()) as simulator:
        named = read_queue(f"sqs:{simulator.url}/123456789012/wakes")
        async with sqs_queue(Login(Target(profile="lab", region="us-east-1")), named) as queue:
            files.write(broken)
            simulator.script(*parse_faults("ReceiveMessage:ExpiredTokenException=1x"))
            for reason in ("does not accept the credentials", "config", "config"):
                with pytest.raises(CredentialsError, match=reason):
                    await queue.receive(seconds=0)
            files.write(good)
            assert await queue.receive(seconds=0) == []


async def test_a_queue_that_accepts_no_login_does_not_have_a_new_one_each_time(files):
    """Seen: a helper was run once a minute for as long as a launch lasted."""
    files.helper(f"echo >> {files.folder}/runs; {printing()}")
    async with serve(Settings(), clock=VirtualClock()) as simulator:
        named = read_queue(f"sqs:{simulator.url}/123456789012/wakes")
        async with sqs_queue(Login(Target(profile="lab", region="us-east-1")), named) as queue:
            simulator.script(*parse_faults("ReceiveMessage:InvalidClientTokenId=100x"))
            for _ in range(100):
                with pytest.raises(CredentialsError):
                    await queue.receive(seconds=0)
            assert files.runs() == 1 + len((1, 2, 4, 8, 16, 32, 64))
            assert await queue.receive(seconds=0) == []
            simulator.script(*parse_faults("ReceiveMessage:ExpiredTokenException=1x"))
            with pytest.raises(CredentialsError):
                await queue.receive(seconds=0)
            assert await queue.receive(seconds=0) == []
            assert files.runs() == 9


async def test_what_is_written_last_is_written_with_the_login_that_works_then(files, monkeypatch, tmp_path):
    """Seen: results could not be written to S3, for a reason that had passed hours before."""
    files.helper(printing())
    good = files.config.read_text()
    (tmp_path / "r.csv").write_text("id\n", encoding="utf-8")
    bucket = StoredBucket(name="lab", objects={})
    async with serve(Settings(storage=(bucket,)), clock=VirtualClock()) as simulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", simulator.url)
        login = Login(Target(profile="lab", region="us-east-1"))
        store = S3Store(login)
        assert await store.mark("s3://lab/r.csv") is None
        files.write(BROKEN["a helper that fails"])
        broken = login.renewed()
        with pytest.raises(ServiceUnusableError, match="vpn is down"):
            await broken.has_credentials(is_local=False)
        with pytest.raises(ServiceUnusableError, match="vpn is down"):
            await store.put("s3://lab/r.csv", tmp_path / "r.csv", mark="results", replaces=True)
        files.write(good)
        broken.renewed()
        assert await store.put("s3://lab/r.csv", tmp_path / "r.csv", mark="results", replaces=True)
        simulator.script(*parse_faults("PutObject:ExpiredToken=1x"))
        assert await store.put("s3://lab/r.csv", tmp_path / "r.csv", mark="results", replaces=True)
