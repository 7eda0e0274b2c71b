"""STS, as far as it says whose credentials are in use."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError
from botocore.parsers import ResponseParserError

from batchrun.simulator import Settings, parse_faults, serve


def asked(url: str, operation: str = "get_caller_identity", **params: Any) -> dict[str, Any]:
    config = Config(retries={"total_max_attempts": 1, "mode": "standard"})
    client = boto3.client("sts", endpoint_url=url, region_name="us-east-1", config=config)
    try:
        answer: dict[str, Any] = getattr(client, operation)(**params)
        return answer
    finally:
        client.close()


async def ask(url: str, operation: str = "get_caller_identity", **params: Any) -> dict[str, Any]:
    return await anyio.to_thread.run_sync(lambda: asked(url, operation, **params))


@pytest.mark.real_time
async def test_who_calls_is_told_in_the_query_protocol():
    async with serve(Settings(account="000011112222")) as simulator:
        answer = await ask(simulator.url)
        assert answer["Account"] == "000011112222"
        assert answer["Arn"] == "arn:aws:iam::000011112222:user/simulated"
        assert answer["UserId"]
        assert simulator.state().calls["GetCallerIdentity"].answered == 1
        with pytest.raises(ClientError, match="InvalidAction"):
            await ask(simulator.url, "get_session_token")


@pytest.mark.real_time
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("ExpiredTokenException", ClientError),
        ("throttle", ClientError),
        ("error_before", ClientError),
        ("drop_before", (HTTPClientError, EndpointConnectionError)),
        ("html_after", KeyError),  # botocore takes it for XML
        ("truncated_after", ResponseParserError),
    ],
)
async def test_it_goes_wrong_where_a_rule_names_it(fault, error):
    faults = parse_faults(f"GetCallerIdentity:{fault}=1x,*:{fault}")
    async with serve(Settings(faults=faults)) as simulator:
        with pytest.raises(error):
            await ask(simulator.url)
        assert (await ask(simulator.url))["Account"] == "123456789012"  # any operation of HealthOmics
        assert simulator.state().calls["GetCallerIdentity"].faults == {fault: 1}


@pytest.mark.parametrize("account", ["", "1", "12345678901x", "1234567890123", "\uff11" * 12])
def test_an_account_has_twelve_digits(account):
    with pytest.raises(ValueError, match="twelve digits"):
        Settings(account=account)
