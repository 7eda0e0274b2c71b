"""Fetching from an S3 that may do anything: bounded in bytes, in time and in memory."""

from __future__ import annotations

import tempfile
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from aiohttp import web

from batchrun.errors import ManifestError, ServiceUnusableError
from batchrun.service.fetching import fetch
from batchrun.service.login import Login
from batchrun.service.target import Target

PIECE = bytes(256 * 1024)
URI = "s3://lab/a.csv"

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
