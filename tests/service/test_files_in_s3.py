"""Fetching from, and putting to, an S3 that may do anything: bounded in bytes, in time and in memory."""

from __future__ import annotations

import tempfile
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from aiohttp import web

from batchrun.clock import VirtualClock
from batchrun.errors import ManifestError, ServiceUnusableError
from batchrun.service.login import Login
from batchrun.service.s3.fetching import fetch
from batchrun.service.s3.putting import S3Store
from batchrun.service.target import Target
from batchrun.simulator import Settings, Simulator, StoredBucket, StoredObject, parse_faults, serve

PIECE = bytes(256 * 1024)
URI = "s3://lab/a.csv"

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Write = Callable[[web.StreamResponse], Awaitable[None]]


@asynccontextmanager
async def served(write: Write, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Serve one object to everybody, in chunks, of which nobody says how many there are."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        found = web.StreamResponse()
        found.enable_chunked_encoding()
        await found.prepare(request)
        await write(found)
        return found

    async with answering(answer, monkeypatch):
        yield


@asynccontextmanager
async def answering(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Have S3 be what *answer* makes of each request."""
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{runner.addresses[0][1]}")
        yield
    finally:
        await runner.cleanup()


async def endless(found: web.StreamResponse) -> None:
    while True:
        await found.write(PIECE)


@pytest.mark.real_time  # so much takes the sockets a while
async def test_a_large_object_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch):
    async def write(found: web.StreamResponse) -> None:
        for _ in range(256):
            await found.write(PIECE)

    async with served(write, monkeypatch):
        with tempfile.TemporaryFile() as small, tempfile.TemporaryFile() as copy:
            with pytest.raises(ManifestError):  # a first one, since the first client imports much
                await fetch(Login(Target()), URI, small, most=1)
            tracemalloc.start()
            try:
                await fetch(Login(Target()), URI, copy, most=2**30)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert copy.tell() == 256 * len(PIECE)
    assert peak < 32 * 2**20, f"{peak / 2**20:.0f} MiB for an object of 64"


async def test_what_has_no_end_is_given_up(monkeypatch: pytest.MonkeyPatch):
    async with served(endless, monkeypatch):
        with tempfile.TemporaryFile() as copy:
            with pytest.raises(ManifestError, match="an object of more than 4 MiB"):
                await fetch(Login(Target()), URI, copy, most=4 * 2**20)
            assert copy.tell() < 5 * 2**20


@pytest.mark.parametrize("is_dripping", [False, True])
async def test_what_comes_to_a_stop_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, is_dripping: bool):  # noqa: FBT001
    async def write(found: web.StreamResponse) -> None:
        await found.write(b"id\n")
        while True:
            await anyio.sleep(0.05)
            if is_dripping:
                await found.write(b"x")

    async with served(write, monkeypatch):
        with (
            tempfile.TemporaryFile() as copy,
            pytest.raises(ServiceUnusableError, match=f"{URI} cannot be read"),
        ):
            await fetch(Login(Target(read_timeout=0.5)), URI, copy, most=2**20)


@pytest.mark.parametrize(
    ("status", "region"),
    [(302, None), (307, None), (307, "eu-central-1"), (301, "evil.example/#"), (301, "x" * 5000)],
)
async def test_nobody_is_led_elsewhere(monkeypatch: pytest.MonkeyPatch, status: int, region: str | None):
    paths: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        paths.append(request.path)
        where = {
            "Location": f"http://{request.host}/elsewhere",
            **({"x-amz-bucket-region": region} if region else {}),
        }
        return web.Response(
            status=status, headers=where, text="<Error><Code>TemporaryRedirect</Code></Error>"
        )

    async with answering(answer, monkeypatch):
        with tempfile.TemporaryFile() as copy:
            with pytest.raises((ManifestError, ServiceUnusableError), match=URI) as error:
                await fetch(Login(Target()), URI, copy, most=2**20)
            assert copy.tell() == 0
    assert len(str(error.value)) < 1500
    assert set(paths) <= {"/lab/a.csv", "/lab"}  # a HEAD of the bucket asks for its region


@pytest.mark.long
@pytest.mark.real_time  # so much takes the sockets a while
async def test_what_is_put_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    sizes: list[int] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        sizes.append(0)
        if "Expect" in request.headers:  # much is sent only once it is wanted
            assert request.transport is not None
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        async for piece in request.content.iter_chunked(2**16):
            sizes[-1] += len(piece)
        return web.Response(status=503 if len(sizes) == 2 else 200)  # then all of it is sent again

    large, small = tmp_path / "large.csv", tmp_path / "small.csv"
    small.write_bytes(b"id")
    with large.open("wb") as file:
        file.truncate(64 * 2**20)
    async with answering(answer, monkeypatch):
        store = S3Store(Login(Target()))
        await store.put(URI, small, mark="x", replaces=True)
        tracemalloc.start()
        try:
            await store.put(URI, large, mark="x", replaces=True)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert sizes == [2, 64 * 2**20, 64 * 2**20]
    assert peak < 32 * 2**20, f"{peak / 2**20:.0f} MiB for a file of 64"


BUCKET = StoredBucket(name="lab", objects={"a.csv": StoredObject(content=b"id\n" * 1000)})
FAULTS = (
    *("drop_before", "close_before", "hang_before", "unavailable_before", "error_before", "redirect_before"),
    *("drop_after", "close_after", "hang_after", "unavailable_after", "cut_after", "slow_after"),
    *("throttle", "SlowDown", "ExpiredToken", "AccessDenied"),
)


@asynccontextmanager
async def simulated(monkeypatch: pytest.MonkeyPatch, faults: str) -> AsyncIterator[Simulator]:
    settings = Settings(limits={"*": None}, storage=(BUCKET,), faults=parse_faults(faults))
    async with serve(settings, clock=VirtualClock()) as simulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", simulator.url)
        yield simulator


@pytest.mark.long
@pytest.mark.parametrize("how", ["1x", "1000x"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_goes_wrong_a_copy_is_whole_or_there_is_an_error(
    monkeypatch: pytest.MonkeyPatch, fault: str, how: str
):
    async with simulated(monkeypatch, f"GetObject:{fault}={how}") as simulator:
        with tempfile.TemporaryFile() as copy:
            said = ""
            try:
                await fetch(Login(Target()), URI, copy, most=2**20)
            except ServiceUnusableError as error:
                said = str(error)
            copy.seek(0)
            assert said.startswith(URI) if said else copy.read() == BUCKET.objects["a.csv"].content
        assert simulator.state().calls["GetObject"].calls <= 10  # a lost connection is tried twice each time


@pytest.mark.long
@pytest.mark.parametrize("how", ["1x", "1000x"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_goes_wrong_what_was_put_is_there_or_there_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: str, how: str
):
    made = tmp_path / "r.csv"
    made.write_bytes(b"id\nA\n")
    async with simulated(monkeypatch, f"PutObject:{fault}={how}"):
        store = S3Store(Login(Target()))
        try:
            is_put = await store.put("s3://lab/r.csv", made, mark="results", replaces=False)
        except ServiceUnusableError:
            assert how == "1000x" or fault in {"AccessDenied", "redirect_before"}
        else:
            assert is_put
            assert await store.mark("s3://lab/r.csv") == "results"
            with tempfile.TemporaryFile() as copy:
                await fetch(Login(Target()), "s3://lab/r.csv", copy, most=100)
                copy.seek(0)
                assert copy.read() == made.read_bytes()
