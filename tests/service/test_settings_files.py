"""Settings files in an S3 that may do anything: there, whole and written once, or there is an error."""

from __future__ import annotations

import tempfile

import anyio
import pytest
from aiohttp import web

from batchrun.clock import VirtualClock
from batchrun.errors import ServiceUnusableError
from batchrun.service.calling.outage import Patience
from batchrun.service.login import Login
from batchrun.service.s3.fetching import fetch
from batchrun.service.s3.patient_writing import S3SettingsStore
from batchrun.service.target import Target
from batchrun.simulator import Simulator
from tests.service.test_files_in_s3 import FAULTS, answering, simulated

URI = "s3://lab/settings/0f3a.json"
BODY = b'[{"runSettingId": "A"}]'
#: Seconds that are waited for what is in the way; the client's own tries take some of their own.
PATIENCE = Patience(outage=20, credentials=20)


def store(patience: Patience = PATIENCE) -> S3SettingsStore:
    return S3SettingsStore(Login(Target()), patience, VirtualClock())


def writes(simulator: Simulator) -> int:
    return simulator.state().calls["PutObject"].calls


async def read() -> bytes:
    with tempfile.TemporaryFile() as copy:
        await fetch(Login(Target()), URI, copy, most=2**25)
        copy.seek(0)
        return copy.read()


async def test_a_file_is_written_once(monkeypatch: pytest.MonkeyPatch):
    async with simulated(monkeypatch, "") as simulator:
        for _ in range(2):
            await store().keep(URI, BODY)
        assert await read() == BODY
        assert writes(simulator) == 2


async def test_what_is_there_already_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    async with simulated(monkeypatch, ""):
        await store().keep(URI, BODY)
        await store().keep(URI, BODY.replace(b"A", b"B"))  # as long, and so by its name the same
        with pytest.raises(
            ServiceUnusableError, match=rf"{URI} .* something else is there, of 23 bytes in place of 24;"
        ):
            await store().keep(URI, BODY + b"\n")
        assert await read() == BODY


LASTING = ("drop_after", "unavailable_before", "ExpiredToken", "AccessDenied", "ConditionalRequestConflict")


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "how"), [*((one, "1x") for one in FAULTS), *((one, "1000x") for one in LASTING)]
)
async def test_whatever_goes_wrong_a_file_is_there_or_there_is_an_error(
    monkeypatch: pytest.MonkeyPatch, fault: str, how: str
):
    async with simulated(monkeypatch, f"PutObject:{fault}={how}"):
        said = ""
        try:
            await store().keep(URI, BODY)
        except ServiceUnusableError as error:
            said = str(error)
        assert anyio.current_time() < 600
        if said:
            assert how == "1000x" or fault == "AccessDenied"
            assert f"the settings file {URI} cannot be written, so its runs are not started: " in said
            assert said.endswith("then run the same command again: nothing is lost")
        else:
            assert await read() == BODY


async def test_what_may_not_be_written_ends_at_once_and_names_the_permission(monkeypatch: pytest.MonkeyPatch):
    async with simulated(monkeypatch, "PutObject:AccessDenied") as simulator:
        with pytest.raises(ServiceUnusableError, match="allow s3:PutObject there"):
            await store().keep(URI, BODY)
        assert writes(simulator) == 1


async def test_what_is_there_need_not_be_looked_at(monkeypatch: pytest.MonkeyPatch):
    async with simulated(monkeypatch, "HeadObject:AccessDenied"):
        await store().keep(URI, BODY)
        await store().keep(URI, BODY)
        assert await read() == BODY


async def test_an_outage_and_a_lost_login_are_waited_for(monkeypatch: pytest.MonkeyPatch):
    faults = "PutObject:unavailable_before=12x,PutObject:ExpiredToken=3x"
    async with simulated(monkeypatch, faults) as simulator:
        await store(Patience()).keep(URI, BODY)
        assert await read() == BODY
        assert writes(simulator) >= 16


async def test_no_more_is_sent_than_one_upload_takes(monkeypatch: pytest.MonkeyPatch):
    class Large(bytes):
        def __len__(self) -> int:
            return 6 * 2**30

    async with simulated(monkeypatch, "") as simulator:
        with pytest.raises(ServiceUnusableError, match=r"it has 6\.0 GiB, and one upload takes 5; .* place"):
            await store().keep(URI, Large(BODY))
        assert "PutObject" not in simulator.state().calls
        assert anyio.current_time() < 1


@pytest.mark.real_time  # so much takes the sockets a while
async def test_a_large_file_is_sent_whole_again_where_it_was_refused(monkeypatch: pytest.MonkeyPatch):
    body, seen = bytes(17 * 2**20), list[tuple[str | None, int]]()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        is_asked = "Expect" in request.headers
        if is_asked:
            assert request.transport is not None
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        sizes = [len(piece) async for piece in request.content.iter_chunked(2**16)]
        seen.append((request.headers.get("If-None-Match"), sum(sizes)))
        return web.Response(status=503 if len(seen) == 1 else 200)

    async with answering(answer, monkeypatch):
        await store().keep(URI, body)
    assert seen == [("*", len(body))] * 2
