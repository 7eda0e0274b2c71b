"""Several accounts and Regions in one process, told apart as AWS does: by key and by address."""

from __future__ import annotations

import json
from typing import Any

import anyio.to_thread
import boto3
import pytest
from aiohttp import ClientSession
from botocore.config import Config
from botocore.exceptions import ClientError

from batchrun.simulator import (
    Limit,
    Role,
    Settings,
    SimulatedLane,
    StoredBucket,
    StoredObject,
    parse_faults,
    serve,
    serve_lanes,
)
from tests.ports import free_port
from tests.simulator.conftest import make_request

pytestmark = pytest.mark.real_time
EAST, WEST, THIRD = "111111111111", "222222222222", "333333333333"
LAUNCHER = f"arn:aws:iam::{WEST}:role/lab/launcher"
QUICK = Config(inject_host_prefix=False, retries={"total_max_attempts": 1, "mode": "standard"})


def lane(
    name: str, account: str, region: str, *, port: int | None = None, caller: str | None = None, **how: Any
):
    settings = Settings(**{"limits": {"*": None}, "account": account, "region": region, **how})
    return SimulatedLane(name=name, settings=settings, port=port, caller=caller)


def asked(service: str, url: str, operation: str, keys: dict[str, str] | None = None, **params: Any) -> Any:
    region = params.pop("region", "us-east-1")
    named = {"aws_access_key_id": "nobodys", "aws_secret_access_key": "x"} if keys is None else keys
    client = boto3.client(service, endpoint_url=url, region_name=region, config=QUICK, **named)
    try:
        return getattr(client, operation)(**params)
    finally:
        client.close()


async def ask(
    service: str, url: str, operation: str, keys: dict[str, str] | None = None, **params: Any
) -> Any:
    return await anyio.to_thread.run_sync(lambda: asked(service, url, operation, keys, **params))


def keys_of(answer: dict[str, Any]) -> dict[str, str]:
    found = answer["Credentials"]
    return {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }


async def assumed(url: str, role: str = LAUNCHER, **params: Any) -> dict[str, str]:
    answer = await ask("sts", url, "assume_role", RoleArn=role, RoleSessionName="test", **params)
    return keys_of(answer)


async def test_one_address_leads_to_the_lane_of_the_key_and_the_region():
    lanes = [lane("east", EAST, "us-east-1"), lane("west", WEST, "us-west-2", caller=EAST)]
    async with serve_lanes(lanes) as served:
        run = await ask("omics", served.url, "start_run", **make_request())
        assert run["arn"].startswith(f"arn:aws:omics:us-east-1:{EAST}:run/")
        keys = await assumed(served.url)
        run = await ask("omics", served.url, "start_run", keys, region="us-west-2", **make_request(2))
        assert run["arn"].startswith(f"arn:aws:omics:us-west-2:{WEST}:run/")
        assert [len(served.lanes[name].state().runs) for name in ("east", "west")] == [1, 1]
        # Without the role, it is the caller's own account there, and that has no such runs.
        assert (await ask("omics", served.url, "list_runs", region="us-west-2"))["items"] == []
        with pytest.raises(ClientError, match="no lane is in eu-west-1"):
            await ask("omics", served.url, "list_runs", region="eu-west-1")


async def test_a_door_of_its_own_is_that_lane_whatever_region_is_signed_for():
    lanes = [lane("east", EAST, "us-east-1", port=0), lane("west", WEST, "us-west-2", port=0)]
    async with serve_lanes(lanes) as served:
        run: Any = None
        for name, account, region in (("east", EAST, "us-east-1"), ("west", WEST, "us-west-2")):
            url = served.lanes[name].url
            run = await ask("omics", url, "start_run", **make_request())
            assert run["arn"].startswith(f"arn:aws:omics:{region}:{account}:run/")
            assert (await ask("sts", url, "get_caller_identity"))["Account"] == account
        async with ClientSession() as session:
            told = await (await session.get(f"{served.url}/_simulator/lanes")).json()
            assert told == {name: one.url for name, one in served.lanes.items()}
            state = await (await session.get(f"{told['west']}/_simulator/state")).json()
            assert [run["id"] for run in state["runs"]] == [run["id"]]
            refused = await session.get(f"{served.url}/_simulator/state")
            assert refused.status == 404


async def test_the_door_of_a_roles_lane_tells_of_that_lane_and_not_of_whoever_assumes_the_role():
    lanes = [lane("east", EAST, "us-east-1", port=0), lane("west", WEST, "us-west-2", port=0, caller=EAST)]
    async with serve_lanes(lanes) as served, ClientSession() as session:
        keys = await assumed(served.url)
        run = await ask("omics", served.url, "start_run", keys, region="us-west-2", **make_request())
        west = served.lanes["west"].url
        state = await (await session.get(f"{west}/_simulator/state")).json()
        assert [one["id"] for one in state["runs"]] == [run["id"]]
        await session.post(f"{west}/_simulator/faults", json={"add": "*:ExpiredTokenException"})
        with pytest.raises(ClientError, match="ExpiredToken"):
            await ask("omics", served.url, "list_runs", keys, region="us-west-2")


async def test_each_lane_has_quotas_paces_and_faults_of_its_own():
    slow: Any = {"limits": {"*": Limit(rate=0.001, burst=1)}}
    lanes = [lane("east", EAST, "us-east-1", port=0, **slow), lane("west", WEST, "us-west-2", port=0)]
    async with serve_lanes(lanes) as served:
        east, west = (served.lanes[name] for name in ("east", "west"))
        await ask("omics", east.url, "list_runs")
        with pytest.raises(ClientError, match="Rate exceeded"):
            await ask("omics", east.url, "list_runs")
        east.script(*parse_faults("*:ExpiredTokenException"))
        assert (await ask("omics", west.url, "list_runs"))["items"] == []
        with pytest.raises(ClientError, match="ExpiredToken"):
            await ask("omics", east.url, "start_run", **make_request())


async def test_keys_that_nobody_knows_are_refused_where_they_could_be_either_accounts():
    lanes = [
        lane("east", EAST, "us-east-1", keys={"THIRDS": THIRD}, port=0),
        lane("lab", THIRD, "us-east-1", port=0),
    ]
    async with serve_lanes(lanes) as served:
        with pytest.raises(ClientError, match=r"several accounts are in this Region \(east, lab\)"):
            await ask("omics", served.url, "list_runs")
        known = {"aws_access_key_id": "THIRDS", "aws_secret_access_key": "x"}
        run = await ask("omics", served.url, "start_run", known, **make_request())
        assert f":{THIRD}:run/" in run["arn"]
        assert len(served.lanes["lab"].state().runs) == 1


async def test_lanes_that_name_one_port_share_its_door():
    port = free_port()
    lanes = [lane("east", EAST, "us-east-1", port=port), lane("west", WEST, "us-west-2", port=port)]
    async with serve_lanes(lanes) as served:
        assert served.lanes["east"].url == served.lanes["west"].url == f"http://127.0.0.1:{port}"
        run = await ask(
            "omics", f"http://127.0.0.1:{port}", "start_run", region="us-west-2", **make_request()
        )
        assert f":{WEST}:run/" in run["arn"]


async def test_the_keys_of_a_role_lead_to_its_account_wherever_they_are_used():
    async with serve(Settings(account=EAST)) as simulator:
        keys = await assumed(simulator.url)
        identity = await ask("sts", simulator.url, "get_caller_identity", keys)
        assert (identity["Account"], identity["Arn"]) == (
            WEST,
            f"arn:aws:sts::{WEST}:assumed-role/launcher/test",
        )
        run = await ask("omics", simulator.url, "start_run", keys, **make_request())
        assert f":{WEST}:run/" in run["arn"]
        assert simulator.state().runs == []


@pytest.mark.parametrize(
    ("role", "params", "refused"),
    [
        (Role(arn=LAUNCHER, external_id="lab-7"), {"ExternalId": "lab-7"}, False),
        (Role(arn=LAUNCHER, external_id="lab-7"), {"ExternalId": "lab-8"}, True),
        (Role(arn=LAUNCHER, external_id="lab-7"), {}, True),
        (Role(arn=LAUNCHER), {"ExternalId": "unasked"}, False),
        (Role(arn=LAUNCHER, trusts=frozenset({EAST})), {}, False),
        (Role(arn=LAUNCHER, trusts=frozenset({THIRD})), {}, True),
        (Role(arn=LAUNCHER, mfa_serial="arn:aws:iam::1:mfa/me"), {}, True),
        (
            Role(arn=LAUNCHER, mfa_serial="arn:aws:iam::1:mfa/me"),
            {"SerialNumber": "arn:aws:iam::1:mfa/me", "TokenCode": "123456"},
            False,
        ),
        (
            Role(arn=LAUNCHER, mfa_serial="arn:aws:iam::1:mfa/me"),
            {"SerialNumber": "arn:aws:iam::1:mfa/me", "TokenCode": "12345x"},
            True,
        ),
    ],
)
async def test_a_role_is_lent_to_whom_it_trusts(role, params, refused):
    async with serve(Settings(account=EAST, roles=(role,), any_role=False)) as simulator:
        if not refused:
            assert await assumed(simulator.url, **params)
            return
        with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole"):
            await assumed(simulator.url, **params)


async def test_roles_that_are_not_listed_may_be_closed():
    async with serve(Settings(account=EAST, any_role=False)) as simulator:
        with pytest.raises(ClientError, match="AccessDenied"):
            await assumed(simulator.url)
        with pytest.raises(ClientError, match="ValidationError"):
            await assumed(simulator.url, role="arn:aws:iam::1:role/x-and-more")
        with pytest.raises(ClientError, match="DurationSeconds is from 900"):
            await assumed(simulator.url, DurationSeconds=43201)


async def test_a_roles_keys_expire():
    async with serve(Settings(account=EAST, role_seconds=0.0)) as simulator:
        keys = await assumed(simulator.url)
        with pytest.raises(ClientError, match="ExpiredTokenException"):
            await ask("omics", simulator.url, "list_runs", keys)
        with pytest.raises(ClientError, match=r"\(ExpiredToken\)"):
            await ask("sts", simulator.url, "get_caller_identity", keys)


async def test_a_token_of_another_provider_is_taken_for_a_roles_keys():
    async with serve(Settings(account=EAST)) as simulator:
        answer = await ask(
            "sts",
            simulator.url,
            "assume_role_with_web_identity",
            RoleArn=LAUNCHER,
            RoleSessionName="ci",
            WebIdentityToken="a.jwt.that-nobody-checks",
        )
        identity = await ask("sts", simulator.url, "get_caller_identity", keys_of(answer))
        assert identity["Account"] == WEST


async def test_identity_center_lends_keys_to_who_has_logged_in():
    async with serve(Settings(account=EAST)) as simulator:
        wish: Any = {"roleName": "Launcher", "accountId": WEST}
        answer = await ask("sso", simulator.url, "get_role_credentials", accessToken="t", **wish)
        found = answer["roleCredentials"]
        keys = {
            "aws_access_key_id": found["accessKeyId"],
            "aws_secret_access_key": found["secretAccessKey"],
            "aws_session_token": found["sessionToken"],
        }
        assert (await ask("sts", simulator.url, "get_caller_identity", keys))["Account"] == WEST
        async with ClientSession() as session:
            refused = await session.get(
                f"{simulator.url}/federation/credentials?role_name=x&account_id={WEST}"
            )
            assert (refused.status, refused.headers["x-amzn-ErrorType"]) == (401, "UnauthorizedException")
            assert json.loads(await refused.text())["message"]
        with pytest.raises(ClientError, match="ValidationError"):
            await ask(
                "sso", simulator.url, "get_role_credentials", accessToken="t", roleName="x", accountId="1"
            )


async def test_buckets_are_the_same_in_every_lane():
    bucket = StoredBucket(name="lab", objects={"a": StoredObject(content=b"x")})
    lanes = [
        lane("east", EAST, "us-east-1", port=0, storage=(bucket,)),
        lane("west", WEST, "us-west-2", port=0),
    ]
    async with serve_lanes(lanes) as served:
        for one in served.lanes.values():
            assert (await ask("s3", one.url, "head_object", Bucket="lab", Key="a"))["ContentLength"] == 1
