"""The logins of several lanes: real files, and the simulator's STS; what leads to the same is asked once."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from typing import Any

import anyio
import pytest
from botocore.tokens import SSOTokenProvider

from batchrun.clock import SystemClock
from batchrun.errors import ServiceUnusableError, UsageError
from batchrun.model.lanes import Lane
from batchrun.model.paces.rates import UNLIMITED
from batchrun.service.client import connect
from batchrun.service.login import Login, Logins, LoginTimes
from batchrun.service.session import identity_client
from batchrun.service.target import Target, target_of
from batchrun.simulator import Role, Settings, Simulator, parse_faults, serve
from tests.cli.conftest import until
from tests.nursery import PATIENCE
from tests.service.login.files import SHORT, Files, printing
from tests.service.login.test_chain import on_ec2

pytestmark = pytest.mark.real_time
LAB, WEST, SSO = "111111111111", "222222222222", "333333333333"
LAUNCHER = f"arn:aws:iam::{WEST}:role/launcher"
#: What the helper gives is of the lab's account.
KEYS = {"AKIAHELPERHELPER": LAB}
BASE = Target()  # the region is that of AWS_REGION


@asynccontextmanager
async def sts(monkeypatch: pytest.MonkeyPatch, **settings: object) -> AsyncIterator[Simulator]:
    """Serve all of AWS that a login asks."""
    given = {"account": "999999999999", "keys": KEYS, **settings}
    async with serve(Settings(**given)) as simulator:  # type: ignore[arg-type]
        monkeypatch.setenv("AWS_ENDPOINT_URL", simulator.url)
        yield simulator


def helped(files: Files, config: str, *, base: str = "base") -> None:
    """Write a configuration with a profile whose helper counts its runs."""
    files.helper(f"echo run >> {files.folder}/runs; {printing()}", profile=base)
    files.write(f"{files.config.read_text()}\n{config}")


def logins(lanes: Sequence[Lane]) -> list[Login]:
    among = Logins(LoginTimes(machine=PATIENCE))
    return [Login(target_of(lane, BASE), among=among) for lane in lanes]


async def found(these: Sequence[Login]) -> None:
    """Find all at once, as a launch does."""
    async with anyio.create_task_group() as group:
        for login in these:
            group.start_soon(_find, login)


async def _find(login: Login) -> None:
    assert await login.has_credentials(is_local=False)


async def account(login: Login) -> str:
    assert await login.has_credentials(is_local=False)
    async with identity_client(login, endpoint_url=None, patience=PATIENCE) as client:
        return str((await client.get_caller_identity())["Account"])


def calls(simulator: Simulator, operation: str) -> int:
    tally = simulator.state().calls.get(operation)
    return 0 if tally is None else tally.calls


#: Twenty lanes over one helper, in each of the ways that people have them; and the roles there are to assume.
OVER_ONE_HELPER: dict[str, Any] = {
    "the profile, in twenty regions": (
        "",
        [{"profile": "base", "region": f"eu-west-{n}"} for n in range(20)],
        0,
    ),
    "twenty roles": (
        "",
        [{"profile": "base", "role": f"arn:aws:iam::{n:012}:role/launcher"} for n in range(20)],
        20,
    ),
    "one role, in twenty regions": (
        "",
        [{"profile": "base", "role": LAUNCHER, "region": f"eu-west-{n}"} for n in range(20)],
        1,
    ),
    "twenty profiles with a source_profile": (
        "".join(
            f"[profile p{n}]\nrole_arn = arn:aws:iam::{n:012}:role/launcher\nsource_profile = base\n"
            for n in range(20)
        ),
        [{"profile": f"p{n}"} for n in range(20)],
        20,
    ),
    "twenty roles over a profile with a role": (
        f"[profile lab]\nrole_arn = {LAUNCHER}\nsource_profile = base\n",
        [{"profile": "lab", "role": f"arn:aws:iam::{n:012}:role/launcher"} for n in range(20)],
        21,
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("way", OVER_ONE_HELPER)
async def test_a_helper_that_twenty_lanes_stand_on_runs_once(files, monkeypatch, way):
    config, lanes, roles = OVER_ONE_HELPER[way]
    helped(files, config)
    async with sts(monkeypatch) as simulator:
        these = logins([Lane(name=f"l{n}", **lane) for n, lane in enumerate(lanes)])
        await found(these)
        assert (files.runs(), calls(simulator, "AssumeRole")) == (1, roles)
        await found([login.renewed() for login in these])  # all twenty lost it, and look for it again
        assert files.runs() == 2
        await found(again := [login.renewed() for login in these])  # as one who is late
        assert files.runs() == 2
        await found([login.renewed() for login in again])
        assert files.runs() == 3


async def test_a_helper_that_fails_is_not_run_again_for_each_lane(files, monkeypatch):
    files.helper(f"echo run >> {files.folder}/runs; exit 1", profile="base")
    these = logins(
        [Lane(name=f"l{n}", profile="base", role=LAUNCHER, region=f"eu-west-{n}") for n in range(9)]
    )
    for login in these:
        with pytest.raises(ServiceUnusableError, match=r"profile 'base'.*exit code 1"):
            await login.has_credentials(is_local=False)
    assert files.runs() == 1
    files.helper(f"echo run >> {files.folder}/runs; {printing()}", profile="base")
    async with sts(monkeypatch):
        await found([login.renewed() for login in these])
    assert files.runs() == 2


def expiry(hours: float = 1) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_sso(files: Files, monkeypatch: pytest.MonkeyPatch, *, hours: float = 1) -> str:
    """Log in to an sso-session, and say what a profile of it has."""
    cache = files.folder / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    # botocore reads HOME when it is imported.
    monkeypatch.setattr(SSOTokenProvider, "_SSO_TOKEN_CACHE_DIR", str(cache))
    token = {"accessToken": "an-sso-token", "expiresAt": expiry(hours)}
    (cache / f"{sha1(b'lab').hexdigest()}.json").write_text(json.dumps(token))
    return (
        "[sso-session lab]\nsso_start_url = https://lab.awsapps.com/start\nsso_region = us-east-1\n"
        f"[profile sso]\nsso_session = lab\nsso_account_id = {SSO}\nsso_role_name = Launcher\n"
    )


#: What a configuration says, which lane, and whose account that is.
KINDS: dict[str, Any] = {
    "keys": ("[profile x]\naws_access_key_id = AKIAHELPERHELPER\naws_secret_access_key = y\n", {}, LAB),
    "credential_process": ("[profile x]\ncredential_process = @HELPER@\n", {}, LAB),
    "role_arn and source_profile": (
        f"[profile x]\nrole_arn = {LAUNCHER}\nsource_profile = base\nexternal_id = lab-7\n",
        {},
        WEST,
    ),
    "a chain of them": (
        (
            f"[profile y]\nrole_arn = arn:aws:iam::{SSO}:role/hub\nsource_profile = base\n"
            f"[profile x]\nrole_arn = {LAUNCHER}\nsource_profile = y\nexternal_id = lab-7\n"
        ),
        {},
        WEST,
    ),
    "sso_session": (
        "@SSO@[profile x]\nsso_session = lab\nsso_account_id = 333333333333\nsso_role_name = L\n",
        {},
        SSO,
    ),
    "role_arn over sso_session": (
        f"@SSO@[profile x]\nrole_arn = {LAUNCHER}\nsource_profile = sso\nexternal_id = lab-7\n",
        {},
        WEST,
    ),
    "web identity": (
        f"[profile x]\nrole_arn = arn:aws:iam::{SSO}:role/ci\nweb_identity_token_file = @HERE@/token\n",
        {},
        SSO,
    ),
    "role_arn over web identity": (
        (
            f"[profile w]\nrole_arn = arn:aws:iam::{SSO}:role/ci\nweb_identity_token_file = @HERE@/token\n"
            f"[profile x]\nrole_arn = {LAUNCHER}\nsource_profile = w\nexternal_id = lab-7\n"
        ),
        {},
        WEST,
    ),
    "credential_source": (
        f"[profile x]\nrole_arn = {LAUNCHER}\ncredential_source = Environment\nexternal_id = lab-7\n",
        {},
        WEST,
    ),
    "a lane's role over a helper": ("", {"profile": "base", "role": LAUNCHER, "external_id": "lab-7"}, WEST),
    "a lane's role over sso_session": (
        "@SSO@",
        {"profile": "sso", "role": LAUNCHER, "external_id": "lab-7"},
        WEST,
    ),
    "a lane's role over web identity": (
        f"[profile x]\nrole_arn = arn:aws:iam::{SSO}:role/ci\nweb_identity_token_file = @HERE@/token\n",
        {"role": LAUNCHER, "external_id": "lab-7"},
        WEST,
    ),
    "a lane's role over the environment": (
        "",
        {"profile": None, "role": LAUNCHER, "external_id": "lab-7"},
        WEST,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_of_profile_leads_to_its_account(files, monkeypatch, kind):
    config, lane, whose = KINDS[kind]
    (files.folder / "token").write_text("a-jwt")
    if "@SSO@" in config:
        config = config.replace("@SSO@", write_sso(files, monkeypatch))
    helped(files, config.replace("@HELPER@", str(files.folder / "helper")))
    if "Environment" in config or lane.get("profile", "") is None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAHELPERHELPER")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    roles = (Role(arn=LAUNCHER, external_id="lab-7", trusts=frozenset({LAB, SSO})),)
    async with sts(monkeypatch, roles=roles):
        (login,) = logins([Lane(**{"name": "l", "profile": "x", **lane})])
        assert await account(login) == whose


async def test_a_wrong_external_id_is_told_with_role_profile_and_cure(files, monkeypatch):
    helped(files, "")
    async with sts(monkeypatch, roles=(Role(arn=LAUNCHER, external_id="lab-7"),)):
        (login,) = logins([Lane(name="l", profile="base", role=LAUNCHER, external_id="lab-8")])
        with pytest.raises(ServiceUnusableError) as refused:
            await login.has_credentials(is_local=False)
    said = str(refused.value)
    assert said.startswith(f"role {LAUNCHER} with profile 'base' ({files.config}")
    assert "AssumeRole was refused (AccessDenied" in said
    assert "the role's trust policy" in said
    assert "external_id" in said


async def test_a_role_never_stands_on_the_machines_credentials_where_a_profile_is_named(files, monkeypatch):
    files.write(
        "[profile lab]\nregion = us-east-1\n[profile x]\nrole_arn = arn:aws:iam::1:role/x\n"
        "source_profile = lab\n"
    )
    async with on_ec2(monkeypatch) as machine:
        for lane in (
            Lane(name="l", profile="lab"),
            Lane(name="l", profile="lab", role=LAUNCHER),
            Lane(name="l", profile="x"),
            Lane(name="l", profile="x", role=LAUNCHER),
        ):
            (login,) = logins([lane])
            with pytest.raises(UsageError, match=r"has no credentials|must have credentials"):
                await login.has_credentials(is_local=False)
        assert machine.asked == 0


async def test_a_profile_that_an_instance_role_is_to_serve_says_so_itself(files, monkeypatch):
    files.write(f"[profile x]\nrole_arn = {LAUNCHER}\ncredential_source = Ec2InstanceMetadata\n")
    async with on_ec2(monkeypatch) as machine, sts(monkeypatch):
        (login,) = logins([Lane(name="l", profile="x")])
        assert await account(login) == WEST
        assert machine.asked > 0


async def test_a_role_is_assumed_again_when_its_keys_come_to_their_end(files, monkeypatch, pass_by):
    helped(files, "")
    async with sts(monkeypatch, role_seconds=float(SHORT)) as simulator:
        (login,) = logins([Lane(name="l", profile="base", role=LAUNCHER)])
        first = (await account(login), await login.access_key())
        assert calls(simulator, "AssumeRole") == 1
        pass_by(SHORT)
        assert await account(login) == first[0] == WEST
        assert await login.access_key() != first[1]
        assert calls(simulator, "AssumeRole") == 2
        assert files.runs() == 1


async def test_a_role_that_is_not_lent_any_more_is_asked_for_again_by_another_login(files, monkeypatch):
    helped(files, "")
    async with sts(monkeypatch) as simulator:
        simulator.script(*parse_faults("AssumeRole:AccessDenied=1x"))
        (login,) = logins([Lane(name="l", profile="base", role=LAUNCHER)])
        for _ in range(2):
            with pytest.raises(ServiceUnusableError, match="AccessDenied"):
                await login.has_credentials(is_local=False)
        assert calls(simulator, "AssumeRole") == 1
        assert await account(login.renewed()) == WEST


async def test_a_role_is_assumed_where_the_runs_are_started_on_a_local_service(files, monkeypatch):
    files.write("")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # which is not for this machine
    async with serve(Settings(account=LAB)) as simulator:
        lane = Lane(name="l", role=LAUNCHER, endpoint_url=simulator.url)
        (login,) = logins([lane])
        assert await login.has_credentials(is_local=True)  # with nobody's keys: no configuration is needed
        async with identity_client(login, endpoint_url=simulator.url, patience=PATIENCE) as client:
            assert (await client.get_caller_identity())["Account"] == WEST


async def test_lanes_without_anything_have_the_configured_login(files, monkeypatch):
    helped(files, "", base="lab")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    async with sts(monkeypatch):
        (login,) = logins([Lane(name="l")])
        assert await account(login) == LAB


async def test_an_sso_session_that_is_over_is_told_with_the_command_that_renews_it(files, monkeypatch):
    helped(files, write_sso(files, monkeypatch, hours=-1))
    async with sts(monkeypatch):
        (login,) = logins([Lane(name="l", profile="sso", role=LAUNCHER)])
        with pytest.raises(ServiceUnusableError, match="log in again with 'aws sso login --profile sso'"):
            await login.has_credentials(is_local=False)


async def test_a_slow_helper_keeps_only_its_own_lanes_waiting(files):
    files.helper(printing(), profile="quick")
    quick = files.config.read_text()
    slow = files.folder / "slow"
    slow.write_text(f"#!/bin/sh\ntouch {files.folder}/asked\nsleep 1000\n")
    slow.chmod(0o755)
    files.write(f"{quick}\n[profile slow]\ncredential_process = {slow}\n")
    these = logins([Lane(name="a", profile="slow"), Lane(name="b", profile="quick")])
    async with anyio.create_task_group() as group:
        group.start_soon(_find, these[0])
        await anyio.to_thread.run_sync(until, (files.folder / "asked").exists)
        await _find(these[1])  # were the other waited for, it would be given up here
        group.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("lane", "kind", "cure"),
    [
        (Lane(name="l", profile="nobody"), UsageError, "correct the lane's profile or AWS_PROFILE"),
        (Lane(name="l", profile="bare"), UsageError, "add them, or give the lane another profile"),
        (
            Lane(name="l", profile="broken"),
            ServiceUnusableError,
            "correct that, or give the lane another profile",
        ),
        (Lane(name="l"), ServiceUnusableError, "set AWS_PROFILE or give the lane a profile"),
    ],
)
async def test_what_is_wrong_is_mended_in_the_lane_where_options_are_refused(files, lane, kind, cure):
    files.helper("exit 1", profile="broken")
    files.write(f"{files.config.read_text()}[profile bare]\nregion = us-east-1\n")
    (login,) = logins([lane])
    with pytest.raises(kind, match=cure) as told:
        await login.has_credentials(is_local=False)
    assert "--profile" not in str(told.value)


async def test_paces_of_roles_and_regions_are_kept_apart(files):
    files.write("[profile lab]\naws_access_key_id = x\naws_secret_access_key = y\n")
    lanes = [
        Lane(name="a", profile="lab", region="us-east-1"),
        Lane(name="b", profile="lab", region="us-west-2"),
        Lane(name="c", profile="lab", region="us-east-1", role=LAUNCHER),
    ]
    async with serve(Settings()) as simulator, AsyncExitStack() as stack:
        owners = set()
        for lane in lanes:
            target = target_of(replace(lane, endpoint_url=simulator.url), BASE)
            connecting = connect(
                target, rate=UNLIMITED, read_rate=UNLIMITED, clock=SystemClock(), rng=random.Random(1)
            )
            owners.add((await stack.enter_async_context(connecting)).account)
    assert len(owners) == len(lanes)
