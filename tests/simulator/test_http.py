"""Plain and hostile HTTP: the server answers calmly and goes on."""

import io
import json
from typing import Any

import aiohttp
import pytest

from batchrun.clock import VirtualClock
from batchrun.simulator import Settings, serve

BODY = {
    "workflowId": "1",
    "roleArn": "arn:aws:iam::123456789012:role/omics",
    "outputUri": "s3://lab/out",
    "requestId": "r",
}


@pytest.fixture
def fetch(in_virtual_time):
    """Make requests one after the other of a fresh server; answers (status, error type, body) of each."""

    def run(*requests):
        async def main():
            async with (
                serve(Settings(), clock=VirtualClock()) as simulator,
                aiohttp.ClientSession(simulator.url) as session,
            ):
                return [await one(session, *request) for request in requests]

        return in_virtual_time(main)

    return run


async def one(
    session: Any, method: str, path: str, body: Any = None, content_type: str = "application/json"
) -> Any:
    data = json.dumps(body) if isinstance(body, dict) else body
    async with session.request(method, path, data=data, headers={"Content-Type": content_type}) as answer:
        assert "x-amzn-RequestId" in answer.headers
        return answer.status, answer.headers.get("x-amzn-ErrorType"), await answer.text()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("{", "SerializationException"),
        ("[1]", "SerializationException"),
        ("null", "SerializationException"),
        ('{"priority": NaN}', "SerializationException"),
        ('{"priority": 1e999}', "SerializationException"),
        ('{"priority": ' + "9" * 5000 + "}", "SerializationException"),
        (b"\xff\xfe{}", "SerializationException"),
        ("[" * 100_000, "SerializationException"),
        ("", "ValidationException"),
        ({**BODY, "priority": True}, "ValidationException"),
        ({**BODY, "priority": 1.5}, "ValidationException"),
        ({**BODY, "name": 7}, "ValidationException"),
        ({**BODY, "name": "\ud800"}, "ValidationException"),
        ({**BODY, "tags": ["a"]}, "ValidationException"),
        ({**BODY, "parameters": "x"}, "ValidationException"),
        ({**BODY, "requestId": ["r"]}, "ValidationException"),
    ],
)
def test_a_bad_body_is_refused_and_the_next_good_one_is_not(fetch, body, kind):
    bad, good = fetch(("POST", "/run", body), ("POST", "/run", BODY))
    assert bad[:2] == (400, kind)
    assert json.loads(bad[2])["message"]
    assert good[0] == 201


def test_a_body_without_end_is_refused(fetch):
    huge, good = fetch(("POST", "/run", io.BytesIO(b"x" * 3_000_000)), ("POST", "/run", BODY))
    assert huge[:2] == (413, "RequestEntityTooLargeException")
    assert good[0] == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/run"),
        ("GET", "/"),
        ("GET", "/run/1/2/3"),
        ("GET", "/../etc/passwd"),
        ("GET", "/_simulator/nothing"),
        ("DELETE", "/_simulator/state"),
        ("POST", "/run/"),
    ],
)
def test_no_such_operation(fetch, method, path):
    ((status, kind, _),) = fetch((method, path))
    assert (status, kind) == (404, "UnknownOperationException")


@pytest.mark.parametrize(
    "path",
    [
        "/run?maxResults=0",
        "/run?maxResults=101",
        "/run?maxResults=ten",
        "/run?maxResults=" + "9" * 30,
        "/run?status=GONE",
        "/run?startingToken=%00",
        "/run/abc",
        "/run/%2e%2e%2f",
        "/run/",
    ],
)
def test_bad_parameters_of_a_get_are_refused(fetch, path):
    ((status, kind, _),) = fetch(("GET", path))
    assert (status, kind) == (400, "ValidationException")


def test_state_and_faults_are_reached_over_http(fetch):
    rules = {"add": "StartRun:error_after=1x"}
    changed, failed, repeated, state, left = fetch(
        ("POST", "/_simulator/faults", rules),
        ("POST", "/run", BODY),
        ("POST", "/run", BODY),
        ("GET", "/_simulator/state"),
        ("GET", "/_simulator/faults"),
    )
    assert json.loads(changed[2])["rules"][0]["times"] == 1
    assert (failed[0], repeated[0]) == (500, 201)
    told = json.loads(state[2])
    assert told["calls"]["StartRun"]["faults"] == {"error_after": 1}
    assert told["starts_by_request"] == {"r": 2}
    (run,) = told["runs"]
    assert run["run_output_uri"] == f"s3://lab/out/{run['id']}"
    assert [call["uuid"] for call in told["start_calls"]] == [run["uuid"]] * 2
    assert json.loads(left[2]) == {"rules": []}


def test_changes_of_faults_are_checked(fetch):
    answers = fetch(
        ("POST", "/_simulator/faults", {"add": "StartRun:dorp_after"}),
        ("POST", "/_simulator/faults", {"put": ""}),
        ("POST", "/_simulator/faults", '{"add": ""}', "text/plain"),
    )
    assert [answer[0] for answer in answers] == [400, 400, 400]
    assert "did you mean drop_after?" in answers[0][2]
