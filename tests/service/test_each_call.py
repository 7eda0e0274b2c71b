"""What is kept from call to call: every request is the one that botocore would send, to the byte."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from batchrun.service.each_call import EndpointByOperation, KeepingSigner
from batchrun.service.login import Login
from batchrun.service.session import omics_client
from batchrun.service.target import Target
from tests.world import connected

BODY = b'{"name":"caf\xc3\xa9"}'
AT = datetime(2026, 11, 27, 23, 59, 59, tzinfo=UTC)
NEXT_DAY = datetime(2026, 11, 28, 0, 0, 0, tzinfo=UTC)
KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI")
TOKEN = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI", "session/token==")
OTHERS = Credentials("AKIDOTHER", "another secret")


def request(url: str, headers: Mapping[str, str] | None = None) -> Any:
    """Return a request that nobody has signed, made anew each time: signing changes it."""
    made = AWSRequest("POST", url, headers=headers or {"Content-Type": "application/json"}, data=BODY)
    made.context.update(payload_signing_enabled=True)
    return made


@pytest.mark.parametrize("keys", [KEYS, TOKEN, OTHERS])
@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1"])
def test_a_signature_is_botocores(monkeypatch, keys, region):
    urls = ("https://workflows-omics.eu-west-1.amazonaws.com/run", "http://[::1]:8765/run?name=a%20b&b=")
    for at in (AT, NEXT_DAY, AT):
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda at=at: at)
        for url in urls:
            ours, theirs = request(url), request(url)
            KeepingSigner(keys, "omics", region).add_auth(ours)
            SigV4Auth(keys, "omics", region).add_auth(theirs)
            assert dict(theirs.headers) == dict(ours.headers)


def test_a_request_that_is_signed_again_is_signed_as_it_is_now(monkeypatch):
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: AT)
    signer, again = KeepingSigner(KEYS, "omics", "eu-west-1"), request("https://a.example/run")
    signer.add_auth(again)
    again.headers["X-Amz-Meta"] = "added"
    again.url = "https://b.example/run"
    signer.add_auth(again)
    theirs = request(
        "https://b.example/run", headers={"Content-Type": "application/json", "X-Amz-Meta": "added"}
    )
    SigV4Auth(KEYS, "omics", "eu-west-1").add_auth(theirs)
    assert theirs.headers["Authorization"] == again.headers["Authorization"]


async def test_a_client_signs_its_calls_so(monkeypatch):
    signed: list[str] = []
    add_auth = KeepingSigner.add_auth

    def noted(self: KeepingSigner, asked: Any) -> None:
        signed.append(asked.url)
        add_auth(self, asked)

    monkeypatch.setattr(KeepingSigner, "add_auth", noted)
    async with connected() as (service, simulator):
        async for _ in service.listed_runs("nobody"):
            pass
        assert [url.partition("?")[0] for url in signed] == [f"{simulator.url}/run"]


async def test_who_prefers_another_kind_of_signature_has_botocore_choose_it(monkeypatch):
    monkeypatch.setenv("AWS_AUTH_SCHEME_PREFERENCE", "sigv4")
    monkeypatch.setattr(KeepingSigner, "add_auth", lambda *_: pytest.fail("it was not preferred"))
    async with connected() as (service, _):
        async for _ in service.listed_runs("nobody"):
            pass


@pytest.mark.parametrize(
    ("is_fips", "endpoint"), [(False, None), (True, None), (False, "https://omics.lab.example:8443")]
)
async def test_the_endpoint_of_each_operation_is_botocores(monkeypatch, is_fips, endpoint):
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", str(is_fips).lower())
    async with omics_client(Login(Target(region="us-west-2", endpoint_url=endpoint))) as client:
        kept = vars(client)["_ruleset_resolver"]
        assert isinstance(kept, EndpointByOperation)
        for name in ("StartRun", "GetRun", "ListRuns", "GetWorkflow"):
            model = client.meta.service_model.operation_model(name)
            theirs = await kept._resolver.construct_endpoint(model, {}, {})
            for arguments in ({"id": "1"}, {"id": "2"}):
                assert theirs == await kept.construct_endpoint(model, arguments, {})
